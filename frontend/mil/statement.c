/* From the pieces of a statement to an op. */
#include <string.h>

#include "frontend/mil/reader.h"
#include "ir/literal.h"

/* ---- collecting ---- */

void mil_statement_reset(Reader *r)
{
    r->args = r->attrs = r->results = 0;
    r->values = 0;
    r->opset = (Span){0};
    r->reference = (Reference){0};
}

void mil_statement_result(Reader *r, const Type *type, Span name)
{
    arena_push(&r->scratch, r->result, r->results, r->results_cap, ((ResultText){type, name}));
}

/* Two entries of one key, or too many entries. */
static bool refused(Reader *r, Span key, int count, const void *entries, size_t size)
{
    for (int i = 0; i < count; i++) {
        const Span *other = (const Span *)((const char *)entries + (size_t)i * size);
        if (other->length == key.length && memcmp(mil_text(r, *other), mil_text(r, key), key.length) == 0) {
            diag_rule(r->diags, DIAG_ERROR, "mil-operand", key, "%.*s is given twice", (int)key.length,
                      mil_text(r, key));
            return true;
        }
    }
    if (count == MAX_ENTRIES)
        diag_error(r->diags, key, "there are more than %d entries", MAX_ENTRIES);
    return count == MAX_ENTRIES;
}

void mil_statement_arg(Reader *r, Span key)
{
    ArgText arg = {key, r->values, 0, false};
    if (refused(r, key, r->args, r->arg, sizeof *r->arg))
        r->args--; /* replaces the one before, so that what follows has a place */
    arena_push(&r->scratch, r->arg, r->args, r->args_cap, arg);
}

void mil_statement_list(Reader *r)
{
    r->arg[r->args - 1].list = true;
}

/* Outputs of a function are collected as values of no argument. */
static void add_value(Reader *r, Value *v)
{
    if (v)
        arena_push(&r->scratch, r->value, r->values, r->values_cap, v);
    if (v && r->args)
        r->arg[r->args - 1].count++;
}

void mil_statement_value(Reader *r, Span name)
{
    add_value(r, mil_find_value(r, name));
}

void mil_statement_constant(Reader *r, Constant c)
{
    if (!c.literal)
        return;
    Value *v = const_inline(r->m, c.type, c.literal);
    v->span = c.span;
    add_value(r, v);
}

void mil_statement_attr(Reader *r, Span key, Constant c)
{
    AttrText attr = {key, c};
    if (!refused(r, key, r->attrs, r->attr, sizeof *r->attr))
        arena_push(&r->scratch, r->attr, r->attrs, r->attrs_cap, attr);
}

Attr *mil_take_attrs(Reader *r, int *count)
{
    Attr *attr = arena_many(&r->m->arena, (size_t)r->attrs, Attr);
    int n = 0;
    for (int i = 0; i < r->attrs; i++)
        if (r->attr[i].constant.literal)
            attr[n++] =
                (Attr){mil_copy(r, r->attr[i].key), r->attr[i].constant.type, r->attr[i].constant.literal};
    *count = n;
    r->attrs = 0;
    return attr;
}

/* ---- "did you mean" ---- */

typedef struct Nearest {
    const char *word, *best;
    int distance;
} Nearest;

static void consider(Nearest *n, const char *candidate)
{
    int d = text_distance(n->word, candidate, n->distance - 1);
    if (d < n->distance) {
        n->distance = d;
        n->best = candidate;
    }
}

/* A third of the letters may be wrong. */
static Nearest nearest_to(const char *word)
{
    return (Nearest){word, NULL, (int)(strlen(word) < 60 ? strlen(word) : 60) / 3 + 1};
}

static const char *nearest_op(const Reader *r, const char *word)
{
    Nearest n = nearest_to(word);
    for (int code = OP_UNKNOWN + 1; code < OP_COUNT; code++)
        if (r->model || !(op_info((OpCode)code)->flags & F_MODEL))
            consider(&n, op_info((OpCode)code)->spelling);
    return n.best;
}

static void unknown_operand(Reader *r, const OpInfo *info, Span key)
{
    const char *word = mil_copy(r, key);
    Nearest n = nearest_to(word);
    Text all = {0};
    for (int i = 0; i < info->operands; i++) {
        consider(&n, info->operand[i].name);
        text_printf(&all, "%s%s", i ? ", " : "", info->operand[i].name);
    }
    if (n.best)
        diag_rule(r->diags, DIAG_ERROR, "mil-operand", key, "%s has no operand %s; did you mean %s?",
                  info->spelling, word, n.best);
    else
        diag_rule(r->diags, DIAG_ERROR, "mil-operand", key, "%s has no operand %s: it takes %s",
                  info->spelling, word, info->operands ? text_cstr(&all) : "none");
    text_free(&all);
}

/* ---- which op ---- */

enum { MAX_UNKNOWN_SHOWN = 10 };

static void add_spelling(Reader *r, OpCode code, const char *spelling)
{
    Spelling *s = arena_new(&r->scratch, Spelling);
    s->code = code;
    HASH_ADD_KEYPTR(hh, r->spellings, spelling, strlen(spelling), s);
}

static void warn_unknown(Reader *r, const char *word, Span at)
{
    if (r->unknown++ >= MAX_UNKNOWN_SHOWN)
        return;
    const char *near = nearest_op(r, word);
    diag_rule(r->diags, DIAG_WARNING, "mil-op-unknown", at,
              "the op %s is not known here and is only carried through%s%s%s", word,
              near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static OpCode find_op(Reader *r, Span at)
{
    Spelling *found;
    if (!r->spellings)
        for (int code = OP_UNKNOWN + 1; code < OP_COUNT; code++)
            add_spelling(r, (OpCode)code, op_info((OpCode)code)->spelling);
    HASH_FIND(hh, r->spellings, mil_text(r, at), at.length, found);
    OpCode code = found ? found->code : OP_UNKNOWN;
    bool hidden = !r->model && (op_info(code)->flags & F_MODEL);
    if (hidden)
        diag_rule(r->diags, DIAG_ERROR, "mil-op-unknown", at, "%s stands in models only, it is no op of MIL",
                  op_info(code)->spelling);
    if (!found) {
        char *word = mil_copy(r, at);
        add_spelling(r, OP_UNKNOWN, word);
        warn_unknown(r, word, at);
    }
    return code;
}

/* ---- building ---- */

static void fill_arg(Reader *r, Arg *arg, const ArgText *text)
{
    if (text->count) /* an empty list may be read before any value */
        arg->values =
            arena_copy(&r->m->arena, r->value + text->first, (size_t)text->count * sizeof *arg->values);
    arg->count = text->count;
}

static void known_arg(Reader *r, Op *op, const ArgText *text)
{
    const OpInfo *info = op_info(op->code);
    for (int i = 0; i < info->operands; i++) {
        if (!mil_is(r, text->key, info->operand[i].name))
            continue;
        if (text->list && !info->operand[i].list)
            diag_rule(r->diags, DIAG_ERROR, "mil-operand", text->key, "%s takes one value, not a list",
                      info->operand[i].name);
        fill_arg(r, &op->arg[i], text);
        return;
    }
    unknown_operand(r, info, text->key);
}

/* An attribute that is an operand, as in iOS 16's constexpr ops. */
static void attribute_arg(Reader *r, Arg *arg, const Constant *c)
{
    arg->values = arena_new(&r->m->arena, Value *);
    arg->values[0] = const_inline(r->m, c->type, c->literal);
    arg->values[0]->span = c->span;
    arg->count = 1;
    arg->attribute = true;
}

static void set_label(Reader *r, Op *op, const Constant *c)
{
    if (c->literal->kind == LIT_STRING && c->literal->count == 1)
        op->label = c->literal->strings[0];
    else
        diag_rule(r->diags, DIAG_ERROR, "mil-literal", c->span, "the name must be a string");
}

static void set_value(Reader *r, Op *op, const Constant *c)
{
    const ResultText *result = r->results ? &r->result[0] : NULL;
    if (result && !type_equal(result->type, c->type))
        diag_rule(r->diags, DIAG_ERROR, "mil-const-type", c->span,
                  "%.*s is declared as %s, but its value is %s", (int)result->name.length,
                  mil_text(r, result->name), type_text(&r->scratch, result->type),
                  type_text(&r->scratch, c->type));
    op->literal = c->literal;
}

/* True where the attribute was one of name, val, or an operand. */
static bool special_attr(Reader *r, Op *op, const AttrText *text)
{
    bool constexpr_op = strncmp(op->spelling, "constexpr_", 10) == 0;
    Arg *slot = NULL;
    for (int i = 0; i < op->args; i++)
        if (op->arg[i].key && mil_is(r, text->key, op->arg[i].key))
            slot = &op->arg[i];
    if (!text->constant.literal)
        return true;
    if (mil_is(r, text->key, "name")) {
        set_label(r, op, &text->constant);
    } else if (op->code == OP_CONST && mil_is(r, text->key, "val")) {
        set_value(r, op, &text->constant);
    } else if (op->code != OP_UNKNOWN && slot && !slot->count) {
        attribute_arg(r, slot, &text->constant);
    } else if (op->code == OP_UNKNOWN && constexpr_op) {
        slot = &op->arg[op->args++]; /* there is room: see build_args */
        slot->key = mil_copy(r, text->key);
        attribute_arg(r, slot, &text->constant);
    } else {
        return false;
    }
    return true;
}

static void build_args(Reader *r, Op *op)
{
    if (op->code == OP_UNKNOWN)
        op->arg = arena_many(&r->m->arena, (size_t)(r->args + r->attrs), Arg);
    for (int i = 0; i < r->args; i++) {
        if (op->code != OP_UNKNOWN) {
            known_arg(r, op, &r->arg[i]);
            continue;
        }
        Arg *arg = &op->arg[op->args++];
        arg->key = mil_copy(r, r->arg[i].key);
        arg->list = r->arg[i].list;
        fill_arg(r, arg, &r->arg[i]);
    }
}

static void build_attrs(Reader *r, Op *op)
{
    int kept = 0;
    for (int i = 0; i < r->attrs; i++)
        if (!special_attr(r, op, &r->attr[i]))
            r->attr[kept++] = r->attr[i];
    r->attrs = kept;
    if (kept)
        op->attr = mil_take_attrs(r, &op->attrs);
}

static void build_results(Reader *r, Op *op)
{
    op->result = arena_many(&r->m->arena, (size_t)r->results, Value *);
    for (int i = 0; i < r->results; i++) {
        Value *v = mil_make_value(r, r->result[i].type, r->result[i].name);
        v->def = op;
        v->index = i;
        op->result[op->results++] = v;
        mil_define_value(r, v);
    }
}

void mil_statement_end(Reader *r, Span spelling)
{
    OpCode code = find_op(r, spelling);
    Op *op = code == OP_UNKNOWN ? op_new_unknown(r->f, mil_copy(r, spelling), spelling)
                                : op_new(r->f, code, spelling);
    if (r->opset.length)
        op->opset = mil_copy(r, r->opset);
    bool valued = false;
    for (int i = 0; i < r->attrs; i++)
        valued = valued || mil_is(r, r->attr[i].key, "val");
    build_args(r, op);
    build_attrs(r, op);
    if (code == OP_CONST && !valued)
        diag_rule(r->diags, DIAG_ERROR, "mil-const-value", spelling,
                  "a constant needs a value: [val = TYPE(..)]");
    build_results(r, op);
}
