/* Functions and ops. What can be said against them names the op: there is no source line to point at. */
#include "frontend/mlpackage/program.h"

#include <string.h>

#include <uthash.h>

#include "frontend/mlpackage/decode.h"

typedef struct Name {
    const char *text;
    Value *value;
    UT_hash_handle hh;
} Name;

typedef struct Reading {
    Decode decode;
    Module *m;
    Func *f;
    Name *names;
    Arena scratch;
    Diags *diags;
    Error *err;
} Reading;

static const char *keep(Reading *r, const char *s)
{
    return arena_str(&r->m->arena, s, strlen(s));
}

/* ---- names ---- */

static bool define(Reading *r, Value *v)
{
    Name *n;
    HASH_FIND_STR(r->names, v->name, n);
    if (n)
        return error_set(r->err, "%s is defined twice", v->name);
    n = arena_new(&r->scratch, Name);
    n->text = v->name;
    n->value = v;
    HASH_ADD_KEYPTR(hh, r->names, n->text, strlen(n->text), n);
    return true;
}

static Value *find_value(Reading *r, const char *name)
{
    Name *n;
    HASH_FIND_STR(r->names, name, n);
    if (!n)
        error_set(r->err, "%s is not defined before this", name);
    return n ? n->value : NULL;
}

/* ---- attributes ---- */

static bool decode_attrs(Reading *r, Cm__ValueEntry *const *from, size_t count, Attr **out, int *n)
{
    *out = arena_many(&r->m->arena, count, Attr);
    for (size_t i = 0; i < count; i++) {
        Attr *a = &(*out)[*n];
        a->key = keep(r, from[i]->key);
        a->literal = decode_value(&r->decode, from[i]->value, &a->type, r->err);
        if (!a->literal)
            return error_prefix(r->err, "%s", a->key);
        ++*n;
    }
    return true;
}

static bool set_arg_constant(Reading *r, Arg *arg, const Attr *a)
{
    arg->values = arena_new(&r->m->arena, Value *);
    arg->values[0] = const_inline(r->m, a->type, a->literal);
    arg->count = 1;
    arg->attribute = true;
    return true;
}

/* name and val, the operands that old constexpr ops spell as attributes, and the rest. */
static bool take_attr(Reading *r, Op *op, const Attr *a)
{
    int at = op->code == OP_UNKNOWN ? -1 : op_operand_index(op->code, a->key);
    if (strcmp(a->key, "name") == 0 && a->literal->kind == LIT_STRING && a->literal->count == 1) {
        op->label = a->literal->strings[0];
    } else if (op->code == OP_CONST && strcmp(a->key, "val") == 0) {
        if (op->results && !type_equal(op->result[0]->type, a->type))
            return error_set(r->err, "is declared as %s, but its value is %s",
                             type_text(&r->scratch, op->result[0]->type), type_text(&r->scratch, a->type));
        op->literal = a->literal;
    } else if (at >= 0 && !op->arg[at].count) {
        return set_arg_constant(r, &op->arg[at], a);
    } else if (op->code == OP_UNKNOWN && strncmp(op->spelling, "constexpr_", 10) == 0) {
        Arg *arg = &op->arg[op->args++]; /* there is room: see decode_args */
        arg->key = a->key;
        return set_arg_constant(r, arg, a);
    } else {
        op->attr[op->attrs++] = *a;
    }
    return true;
}

static bool decode_op_attrs(Reading *r, const Cm__Operation *from, Op *op)
{
    Attr *all;
    int n = 0;
    if (!decode_attrs(r, from->attributes, from->n_attributes, &all, &n))
        return false;
    op->attr = arena_many(&r->m->arena, (size_t)n, Attr);
    for (int i = 0; i < n; i++)
        if (!take_attr(r, op, &all[i]))
            return false;
    return op->code != OP_CONST || op->literal || error_set(r->err, "has no value");
}

/* ---- operands ---- */

static Value *decode_binding(Reading *r, const Cm__Binding *b)
{
    if (b->binding_case == CM__BINDING__BINDING_NAME)
        return find_value(r, b->name);
    const Type *type;
    const Cm__Value *v = b->binding_case == CM__BINDING__BINDING_VALUE ? b->value : NULL;
    const Literal *l = decode_value(&r->decode, v, &type, r->err);
    return l ? const_inline(r->m, type, l) : NULL;
}

static bool fill_arg(Reading *r, Arg *arg, const Cm__Argument *from)
{
    size_t n = from ? from->n_arguments : 0;
    if (arg->count)
        return error_set(r->err, "%s is given twice", arg->key);
    arg->values = arena_many(&r->m->arena, n, Value *);
    for (size_t i = 0; i < n; i++, arg->count++)
        if (!(arg->values[i] = decode_binding(r, from->arguments[i])))
            return error_prefix(r->err, "%s", arg->key);
    return true;
}

static bool decode_arg(Reading *r, Op *op, const Cm__ArgumentEntry *e)
{
    size_t n = e->value ? e->value->n_arguments : 0;
    if (op->code == OP_UNKNOWN) {
        Arg *arg = &op->arg[op->args++];
        arg->key = keep(r, e->key);
        arg->list = n > 1 || strcmp(e->key, "values") == 0;
        return fill_arg(r, arg, e->value);
    }
    int at = op_operand_index(op->code, e->key);
    if (at < 0)
        return error_set(r->err, "there is no operand %s", e->key);
    if (n != 1 && !op->arg[at].list)
        return error_set(r->err, "%s takes one value, not %zu", e->key, n);
    return fill_arg(r, &op->arg[at], e->value);
}

static bool decode_args(Reading *r, const Cm__Operation *from, Op *op)
{
    if (op->code == OP_UNKNOWN)
        op->arg = arena_many(&r->m->arena, from->n_inputs + from->n_attributes, Arg);
    for (size_t i = 0; i < from->n_inputs; i++)
        if (!decode_arg(r, op, from->inputs[i]))
            return false;
    return true;
}

/* ---- ops ---- */

static Value *make_value(Reading *r, const Cm__NamedValueType *n)
{
    const Type *type = decode_type(&r->decode, n->type, r->err);
    if (!type) {
        error_prefix(r->err, "%s", n->name);
        return NULL;
    }
    Value *v = arena_new(&r->m->arena, Value);
    v->type = type;
    v->name = keep(r, n->name);
    return v;
}

static bool decode_results(Reading *r, const Cm__Operation *from, Op *op)
{
    op->result = arena_many(&r->m->arena, from->n_outputs, Value *);
    for (size_t i = 0; i < from->n_outputs; i++) {
        Value *v = make_value(r, from->outputs[i]);
        if (!v || !define(r, v))
            return false;
        v->def = op;
        v->index = op->results;
        op->result[op->results++] = v;
    }
    return true;
}

static bool decode_inputs(Reading *r, Cm__NamedValueType *const *from, size_t count);
static bool decode_body(Reading *r, const Cm__Block *b);

/* Blocks see the names around them; their own end with them, and are the last in the table. */
static bool decode_blocks(Reading *r, const Cm__Operation *from, Op *op)
{
    Func *around = r->f;
    bool ok = true;
    op->block = arena_many(&r->m->arena, from->n_blocks + 1, Func *);
    for (size_t i = 0; ok && i < from->n_blocks; i++) {
        unsigned names = HASH_COUNT(r->names);
        r->f = op->block[op->blocks++] = block_new(r->m, around->opset);
        ok = decode_inputs(r, from->blocks[i]->inputs, from->blocks[i]->n_inputs) &&
             decode_body(r, from->blocks[i]);
        while (HASH_COUNT(r->names) > names) {
            Name *last = ELMT_FROM_HH(r->names->hh.tbl, r->names->hh.tbl->tail);
            HASH_DELETE(hh, r->names, last);
        }
    }
    r->f = around;
    return ok;
}

static bool decode_parts(Reading *r, const Cm__Operation *from, Op *op)
{
    if (op_info(op->code)->flags & F_MODEL)
        return error_set(r->err, "stands in models only, it is no op of MIL");
    return decode_args(r, from, op) && decode_blocks(r, from, op) && decode_results(r, from, op) &&
           decode_op_attrs(r, from, op);
}

static bool decode_op(Reading *r, const Cm__Operation *from)
{
    OpCode code = op_from_spelling(from->type, strlen(from->type));
    Op *op = code == OP_UNKNOWN ? op_new_unknown(r->f, from->type, (Span){0}) : op_new(r->f, code, (Span){0});
    if (decode_parts(r, from, op)) {
        if (code == OP_UNKNOWN)
            diag_warning(r->diags, (Span){0}, "the op %s is not known here and is only carried through",
                         op->spelling);
        return true;
    }
    return error_prefix(r->err, "%s %s", from->type, from->n_outputs ? from->outputs[0]->name : "");
}

/* ---- functions ---- */

/* CoreML8 -> ios18 */
static const char *opset_of(Reading *r, const char *opset)
{
    static const char *const names[] = {"CoreML5", "CoreML6", "CoreML7", "CoreML8"};
    for (int i = 0; i < 4; i++)
        if (strcmp(opset, names[i]) == 0)
            return arena_printf(&r->m->arena, "ios%d", 15 + i);
    error_set(r->err, "the opset \"%.40s\" is not known: CoreML5 to CoreML8 are", opset);
    return NULL;
}

static const Cm__Block *find_block(const Cm__Function *from)
{
    for (size_t i = 0; i < from->n_block_specializations; i++)
        if (strcmp(from->block_specializations[i]->key, from->opset) == 0)
            return from->block_specializations[i]->value;
    return NULL;
}

static bool decode_inputs(Reading *r, Cm__NamedValueType *const *from, size_t count)
{
    r->f->param = arena_many(&r->m->arena, count, Value *);
    for (size_t i = 0; i < count; i++) {
        Value *v = make_value(r, from[i]);
        if (!v || !define(r, v))
            return false;
        v->index = r->f->params;
        r->f->param[r->f->params++] = v;
    }
    return true;
}

static bool decode_params(Reading *r, const Cm__Function *from)
{
    bool ok = decode_inputs(r, from->inputs, from->n_inputs);
    if (ok)
        func_sort_params(r->f); /* as the compiler that prints MIL text does */
    return ok;
}

static bool decode_block(Reading *r, const Cm__Block *b)
{
    if (!b)
        return error_set(r->err, "there is no block for its opset");
    if (b->n_inputs)
        return error_set(r->err, "its block has inputs of its own");
    return decode_body(r, b);
}

static bool decode_body(Reading *r, const Cm__Block *b)
{
    for (size_t i = 0; i < b->n_operations; i++)
        if (!decode_op(r, b->operations[i]))
            return false;
    r->f->output = arena_many(&r->m->arena, b->n_outputs, Value *);
    for (size_t i = 0; i < b->n_outputs; i++) {
        Value *v = find_value(r, b->outputs[i]);
        if (!v)
            return false;
        r->f->output[r->f->outputs++] = v;
    }
    return true;
}

/* The number behind the last `_` of a name, so that new names can count on from there. */
static int number_at_end(const char *name)
{
    const char *at = strrchr(name, '_');
    int n = 0;
    if (!at || !at[1] || strlen(at + 1) > 8)
        return 0;
    for (at++; *at >= '0' && *at <= '9'; at++)
        n = 10 * n + (*at - '0');
    return *at ? 0 : n;
}

static bool decode_function(Reading *r, const Cm__FunctionEntry *e)
{
    const Cm__Function *from = e->value;
    const char *opset = from ? opset_of(r, from->opset) : NULL;
    if (!from)
        return error_set(r->err, "the function is missing");
    if (!opset)
        return false;
    if (module_find(r->m, e->key))
        return error_set(r->err, "the function is there twice");
    r->f = func_new(r->m, e->key, opset);
    bool ok = decode_params(r, from) && decode_block(r, find_block(from)) &&
              decode_attrs(r, from->attributes, from->n_attributes, &r->f->attr, &r->f->attrs);
    for (const Name *n = r->names; n; n = n->hh.next)
        if (number_at_end(n->text) >= r->f->next_name)
            r->f->next_name = number_at_end(n->text) + 1;
    HASH_CLEAR(hh, r->names);
    r->names = NULL;
    return ok;
}

bool decode_program(Module *m, const Cm__Program *p, Diags *diags, Error *err)
{
    Reading r = {.decode = {&m->arena, strcmp(m->version, "1.0") != 0}, .m = m, .diags = diags, .err = err};
    bool ok = p->version == 1 || error_set(err, "there is no program version %lld", (long long)p->version);
    ok = ok && decode_attrs(&r, p->attributes, p->n_attributes, &m->attr, &m->attrs);
    for (size_t i = 0; ok && i < p->n_functions; i++) {
        ok = decode_function(&r, p->functions[i]);
        if (!ok)
            error_prefix(err, "function %s", p->functions[i]->key);
    }
    HASH_CLEAR(hh, r.names);
    arena_free(&r.scratch);
    return ok && (m->funcs || error_set(err, "the program has no function"));
}
