#include "ir/ir.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "ir/infer.h"
#include "ir/literal.h"
#include "ir/signature.h"

typedef struct Name {
    const char *text;
    UT_hash_handle hh;
} Name;

enum { MOST_RESULTS = 1024 };

typedef struct Check {
    const Func *f;
    const char *stage;
    Diags *diags;
    Name *names, *next; /* the hash, and the room for its next entry */
    Type *types;        /* MOST_RESULTS */
    int before;         /* errors that diags had already */
} Check;

/* "after fuse_mlp: text" */
static void complain(Check *c, const char *rule, Span at, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void complain(Check *c, const char *rule, Span at, const char *fmt, ...)
{
    char text[1400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_rule(c->diags, DIAG_ERROR, rule, at, "%s%s%s", c->stage ? c->stage : "", c->stage ? ": " : "", text);
}

/* ---- names ---- */

static bool is_identifier(const char *s)
{
    if (!s || !*s || (*s >= '0' && *s <= '9'))
        return false;
    for (; *s; s++)
        if (!(*s >= 'a' && *s <= 'z') && !(*s >= 'A' && *s <= 'Z') && !(*s >= '0' && *s <= '9') && *s != '_')
            return false;
    return true;
}

static void define(Check *c, Value *v)
{
    Name *found = NULL;
    v->mark = c;
    if (!is_identifier(v->name)) {
        complain(c, "mil-name", v->span, "%s: \"%s\" is no name of a value", c->f->name,
                 v->name ? v->name : "");
        return;
    }
    HASH_FIND_STR(c->names, v->name, found);
    if (found) {
        complain(c, "mil-duplicate", v->span, "%s: %s is defined twice", c->f->name, v->name);
        return;
    }
    c->next->text = v->name;
    HASH_ADD_KEYPTR(hh, c->names, c->next->text, strlen(c->next->text), c->next);
    c->next++;
}

/* ---- uses ---- */

static bool is_inline(const Value *v)
{
    return v->def && !v->def->func;
}

static void check_literal(Check *c, const Op *op, const Value *v, Span at)
{
    Error err;
    if (!v->def->literal)
        complain(c, "mil-const-value", at, "%s: a constant has no value", op->spelling);
    else if (!literal_check(v->type, v->def->literal, &err))
        complain(c, "mil-literal", at, "%s: %s", v->name ? v->name : op->spelling, err.text);
}

static void check_use(Check *c, const Op *op, const char *key, const Value *v)
{
    if (is_inline(v))
        check_literal(c, op, v, op->span);
    else if (v->forward)
        complain(c, "mil-ssa", op->span, "%s: %s uses %s, which was replaced", op->spelling, key, v->name);
    else if (v->mark != c)
        complain(c, "mil-ssa", op->span, "%s: %s uses %s before it is defined", op->spelling, key,
                 v->name ? v->name : "?");
}

/* ---- one op ---- */

/* 18 of "ios18"; 0 where it is not spelled so. */
static int opset_version(const char *opset)
{
    return opset && strncmp(opset, "ios", 3) == 0 ? atoi(opset + 3) : 0;
}

static void check_opset(Check *c, const Op *op)
{
    const char *opset = op->opset ? op->opset : c->f->opset;
    int has = opset_version(opset), needs = op_info(op->code)->opset;
    if (has && has < needs)
        complain(c, "mil-op-opset", op->span, "%s: needs opset ios%d, this is %s", op->spelling, needs,
                 opset);
}

/* What only a newer opset has is an error, as a newer op is; so are operands of two types, but for single
 * numbers. The rest may well be read by a newer compiler: those are the warnings, which a second call gives.
 */
static void check_signature(Check *c, const Op *op, DiagKind kind)
{
    const char *opset = op->opset ? op->opset : c->f->opset;
    int has = opset_version(opset);
    for (int i = 0; has && i < op->args; i++) {
        Error err;
        SignatureFault fault = signature_check(op, i, has, &err);
        bool mixed = fault == SIGNATURE_MIXED, single = mixed && op->arg[i].values[0]->type->rank == 0;
        bool error = fault == SIGNATURE_EARLY || (mixed && !single);
        if (fault == SIGNATURE_FITS)
            continue;
        Text text = {0};
        text_printf(&text, mixed ? "%s" : "%s, this is %s", err.text, opset);
        if (error && kind == DIAG_ERROR)
            complain(c, mixed ? "mil-type" : "mil-op-opset", op->span, "%s", text_cstr(&text));
        else if (!error && kind == DIAG_WARNING)
            diag_rule(c->diags, DIAG_WARNING, "mil-op-form", op->span, "%s", text_cstr(&text));
        text_free(&text);
    }
}

static bool agree(const Type *declared, const Type *inferred)
{
    if (declared->kind != inferred->kind || declared->dtype != inferred->dtype)
        return false;
    if (declared->kind == TY_LIST)
        return agree(declared->element[0], inferred->element[0]) &&
               dim_fits(declared->list_length, inferred->list_length);
    return dims_fit(declared, inferred);
}

/* op_result_types says the same, but not under what rule. */
static bool check_presence(Check *c, const Op *op)
{
    const OpInfo *info = op_info(op->code);
    for (int i = 0; i < info->operands; i++)
        if (!op->arg[i].count && !info->operand[i].optional) {
            complain(c, "mil-operand", op->span, "%s: operand %s is missing", op->spelling,
                     info->operand[i].name);
            return false;
        }
    return true;
}

static void check_results(Check *c, const Op *op)
{
    Error err;
    int n = op_result_types(op, c->types, MOST_RESULTS, &err);
    if (n < 0) {
        complain(c, "mil-type", op->span, "%s", err.text);
        return;
    }
    if (n != op->results) {
        complain(c, "mil-result", op->span, "%s: has %d result%s, but %d %s declared", op->spelling, n,
                 n == 1 ? "" : "s", op->results, op->results == 1 ? "is" : "are");
        return;
    }
    for (int i = 0; i < n; i++)
        if (!agree(op->result[i]->type, &c->types[i]))
            complain(c, "mil-result", op->result[i]->span, "%s is declared as %s, but %s gives %s",
                     op->result[i]->name, shown_type(op->result[i]->type).text, op->spelling,
                     shown_type(&c->types[i]).text);
}

static void check_blocks(Check *c, const Op *op);

static void check_op(Check *c, Op *op)
{
    int before = c->diags->errors;
    for (int i = 0; i < op->args; i++)
        for (int k = 0; k < op->arg[i].count; k++)
            check_use(c, op, op->arg[i].key, op->arg[i].values[k]);
    if (op->code == OP_CONST && op->results == 1)
        check_literal(c, op, op->result[0], op->span);
    if (op->code != OP_UNKNOWN && op->args != op_info(op->code)->operands)
        complain(c, "mil-operand", op->span, "%s: has %d arguments, expected %d", op->spelling, op->args,
                 op_info(op->code)->operands);
    if (op->group < 0 || op->group >= c->f->groups)
        complain(c, "mil-ssa", op->span, "%s: there is no group %d", op->spelling, op->group);
    check_opset(c, op);
    check_signature(c, op, DIAG_ERROR);
    check_blocks(c, op);
    if (c->diags->errors == before && op->code != OP_UNKNOWN && check_presence(c, op))
        check_results(c, op);
    if (c->diags->errors == before && !c->stage)
        check_signature(c, op, DIAG_WARNING);
    for (int i = 0; i < op->results; i++)
        define(c, op->result[i]);
}

/* ---- the function ---- */

static void check_param(Check *c, Value *v)
{
    TypeKind kind = v->type->kind;
    if (kind != TY_TENSOR && kind != TY_STATE && kind != TY_BUFFER)
        complain(c, "mil-parameter", v->span, "%s: parameter %s is %s, expected a tensor or a state",
                 c->f->name, v->name, shown_type(v->type).text);
    define(c, v);
}

static void check_output(Check *c, const Value *v)
{
    if (is_inline(v) || v->mark != c)
        complain(c, "mil-ssa", c->f->span, "%s: output %s is not defined", c->f->name,
                 v->name ? v->name : "?");
    else if (v->forward)
        complain(c, "mil-ssa", c->f->span, "%s: output %s was replaced", c->f->name, v->name);
}

static size_t count_values(const Func *f)
{
    size_t n = (size_t)f->params;
    for (const Op *op = f->first; op; op = op->next) {
        n += (size_t)op->results;
        for (int i = 0; i < op->blocks; i++)
            n += count_values(op->block[i]);
    }
    return n;
}

/* Blocks see what is defined around them; nothing around them sees what they define. */
static void check_blocks(Check *c, const Op *op)
{
    for (int i = 0; i < op->blocks; i++) {
        const Func *f = op->block[i];
        Name *first = c->next;
        for (int k = 0; k < f->params; k++)
            define(c, f->param[k]);
        for (Op *inner = f->first; inner; inner = inner->next)
            check_op(c, inner);
        for (int k = 0; k < f->outputs; k++)
            if (!is_inline(f->output[k]))
                check_use(c, op, "a block", f->output[k]);
        for (Name *n = first; n < c->next; n++) {
            Name *found;
            HASH_FIND_STR(c->names, n->text, found);
            if (found == n)
                HASH_DELETE(hh, c->names, n);
        }
        func_clear_marks(f);
    }
}

bool func_verify(const Func *f, const char *stage, Diags *diags)
{
    Check c = {.f = f, .stage = stage, .diags = diags, .before = diags->errors};
    Name *room = xcalloc(count_values(f) + 1, sizeof *room);
    c.next = room;
    c.types = xmalloc(MOST_RESULTS * sizeof *c.types);
    if (!is_identifier(f->name) || !is_identifier(f->opset))
        complain(&c, "mil-function", f->span,
                 "a function needs a name and an opset, as in `func main<ios18>`");
    for (int i = 0; i < f->params; i++)
        check_param(&c, f->param[i]);
    for (Op *op = f->first; op; op = op->next)
        check_op(&c, op);
    for (int i = 0; i < f->outputs; i++)
        check_output(&c, f->output[i]);
    func_clear_marks(f);
    HASH_CLEAR(hh, c.names);
    free(c.types);
    free(room);
    return diags->errors == c.before;
}

bool module_verify(const Module *m, const char *stage, Diags *diags)
{
    int before = diags->errors;
    Name *names = NULL, *found, *room = xcalloc((size_t)m->funcs + 1, sizeof *room);
    for (int i = 0; i < m->funcs; i++) {
        const Func *f = m->func[i];
        HASH_FIND_STR(names, f->name, found);
        if (found)
            diag_rule(diags, DIAG_ERROR, "mil-duplicate", f->span, "%s%sfunction %s is defined twice",
                      stage ? stage : "", stage ? ": " : "", f->name);
        room[i].text = f->name;
        if (!found)
            HASH_ADD_KEYPTR(hh, names, room[i].text, strlen(room[i].text), &room[i]);
        func_verify(f, stage, diags);
    }
    HASH_CLEAR(hh, names);
    free(room);
    return diags->errors == before;
}
