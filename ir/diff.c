#include "ir/diff.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/arena.h"
#include "ir/type.h"

enum { REACH = 6 /* ops in a row that only one side has */ };

/* What is known of a value: a hash of all that it is computed from, and its partner of the other side. */
typedef struct Known {
    const Value *value;
    uint64_t hash;
    const Value *partner;
    UT_hash_handle hh;
} Known;

typedef struct Pair {
    const Value *a, *b;
} Pair;

typedef struct Diff {
    const DiffOptions *options;
    Text *out;
    Arena arena;
    const Func *fa, *fb;
    Known *known; /* of both sides */
    Pair *todo;
    int todos, cap, differences;
} Diff;

/* ---- hashes ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static uint64_t mix_text(uint64_t h, const char *s)
{
    for (; *s; s++)
        h = mix(h, (unsigned char)*s);
    return mix(h, 0);
}

/* Constants in files are alike where their types are; their contents are compared later. */
static uint64_t const_hash(Diff *d, const Value *v)
{
    const Literal *l = value_literal(v);
    Text t = {0};
    text_puts(&t, type_text(&d->arena, v->type));
    if (l->kind != LIT_BLOB && l->kind != LIT_WEIGHT)
        literal_print(&t, v->type, l);
    uint64_t h = mix_text(1, text_cstr(&t));
    text_free(&t);
    return h;
}

static uint64_t hash_of(Diff *d, const Value *v)
{
    Known *k;
    HASH_FIND_PTR(d->known, &v, k);
    return k ? k->hash : value_literal(v) ? const_hash(d, v) : 2;
}

static void know(Diff *d, const Value *v, uint64_t hash)
{
    Known *k = arena_new(&d->arena, Known);
    k->value = v;
    k->hash = hash;
    HASH_ADD_PTR(d->known, value, k);
}

static void hash_func(Diff *d, const Func *f)
{
    for (int i = 0; i < f->params; i++)
        know(d, f->param[i], mix(3, (uint64_t)i));
    for (const Op *op = f->first; op; op = op->next) {
        uint64_t h = mix_text(4, op->spelling);
        if (op->code == OP_CONST) {
            know(d, op->result[0], const_hash(d, op->result[0]));
            continue;
        }
        for (int i = 0; i < op->args; i++) {
            h = op->arg[i].count ? mix_text(h, op->arg[i].key) : h;
            for (int k = 0; k < op->arg[i].count; k++)
                h = mix(h, hash_of(d, op->arg[i].values[k]));
        }
        for (int i = 0; i < op->results; i++)
            know(d, op->result[i], mix(h, (uint64_t)i));
    }
}

/* ---- telling ---- */

static const char *name_of(const Value *v)
{
    return v->name ? v->name : "a constant";
}

static const char *made_by(const Value *v)
{
    return v->def && v->def->code != OP_CONST ? v->def->spelling : value_literal(v) ? "const" : "input";
}

static void tell(Diff *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void tell(Diff *d, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(d->out, fmt, ap);
    va_end(ap);
    text_putc(d->out, '\n');
    d->differences++;
}

static void put_value(Diff *d, Text *out, const Value *v)
{
    const Literal *l = value_literal(v);
    if (l && l->count <= 16 && l->kind != LIT_BLOB && l->kind != LIT_WEIGHT)
        literal_print(out, v->type, l);
    else
        text_printf(out, "%s %s", name_of(v), type_text(&d->arena, v->type));
}

static void tell_constants(Diff *d, const Value *a, const Value *b, const char *where)
{
    Text x = {0}, y = {0};
    put_value(d, &x, a);
    put_value(d, &y, b);
    tell(d, "changed  %s: %s is now %s", where, text_cstr(&x), text_cstr(&y));
    text_free(&x);
    text_free(&y);
}

/* ---- walking ---- */

/* False where the pair was met before; another partner than then is a difference. */
static bool meet(Diff *d, const Value *a, const Value *b)
{
    Known *k;
    HASH_FIND_PTR(d->known, &a, k);
    if (!k)
        return true; /* written in place: met once */
    if (k->partner == b)
        return false;
    if (k->partner && hash_of(d, k->partner) != hash_of(d, b))
        tell(d, "changed  where %s was used, there are now %s and %s", name_of(a), name_of(k->partner),
             name_of(b));
    bool first = !k->partner;
    k->partner = b;
    return first;
}

/* What it was met with is not its partner after all. */
static void part(Diff *d, const Value *a)
{
    Known *k;
    HASH_FIND_PTR(d->known, &a, k);
    if (k)
        k->partner = NULL;
}

static void push(Diff *d, const Value *a, const Value *b)
{
    if (d->todos == d->cap)
        d->todo = xrealloc(d->todo, (size_t)(d->cap = d->cap ? 2 * d->cap : 64) * sizeof *d->todo);
    d->todo[d->todos++] = (Pair){a, b};
}

static bool is_file_const(const Value *v)
{
    const Literal *l = value_literal(v);
    return l && (l->kind == LIT_BLOB || l->kind == LIT_WEIGHT);
}

static void compare_constants(Diff *d, const Value *a, const Value *b, const char *where)
{
    Text why = {0};
    if (hash_of(d, a) != hash_of(d, b))
        tell_constants(d, a, b, where);
    else if (is_file_const(a) && is_file_const(b) && d->options->weights &&
             !d->options->weights(d->options->context, a, b, &why))
        tell(d, "weight   %s: %s", name_of(a), text_cstr(&why));
    text_free(&why);
}

static void compare_arg(Diff *d, const Op *a, const Op *b, const Arg *x, const Arg *y)
{
    const char *name = name_of(a->result[0]);
    if (x->count && y->count && x->count != y->count)
        tell(d, "changed  %s: %s has %d values, now %d", name, x->key, x->count, y->count);
    else if (x->count && !y->count)
        tell(d, "removed  %s: %s", name, x->key);
    else if (!x->count && y->count)
        tell(d, "added    %s: %s", name, y->key);
    for (int i = 0; i < x->count && i < y->count; i++) {
        const Value *v = x->values[i], *w = y->values[i];
        char where[256];
        snprintf(where, sizeof where, "%s: %s", name, x->key);
        if (value_literal(v) && value_literal(w)) {
            if (meet(d, v, w))
                compare_constants(d, v, w, where);
        } else {
            push(d, v, w);
        }
    }
}

static const Arg *find_arg(const Op *op, const char *key)
{
    static const Arg none = {.count = 0};
    for (int i = 0; i < op->args; i++)
        if (strcmp(op->arg[i].key, key) == 0)
            return &op->arg[i];
    return &none;
}

static void compare_ops(Diff *d, const Op *a, const Op *b)
{
    for (int i = 0; i < a->args; i++)
        compare_arg(d, a, b, &a->arg[i], find_arg(b, a->arg[i].key));
    for (int i = 0; i < b->args; i++)
        if (b->arg[i].count && !find_arg(a, b->arg[i].key)->key)
            tell(d, "added    %s: %s", name_of(a->result[0]), b->arg[i].key);
}

static bool same_maker(const Value *a, const Value *b)
{
    return a->def && b->def && a->def->code != OP_CONST && strcmp(a->def->spelling, b->def->spelling) == 0;
}

/* Follows the first operand that is no constant from v, at most REACH ops, to a value that is the same as
 * `wanted` or, if `alike`, made by the same kind of op. */
static const Value *lead_back(Diff *d, const Value *v, const Value *wanted, bool alike)
{
    for (int i = 0; i < REACH && v && v->def && v->def->code != OP_CONST; i++) {
        const Value *next = NULL;
        FOR_EACH_ARG(v->def, slot) {
            if (hash_of(d, *slot) == hash_of(d, wanted) || (alike && same_maker(*slot, wanted)))
                return *slot;
            next = next || value_literal(*slot) ? next : *slot;
        }
        v = next;
    }
    return NULL;
}

static void tell_between(Diff *d, const char *what, const Value *v, const Value *end)
{
    while (v != end && v->def && v->def->code != OP_CONST) {
        const Value *next = NULL;
        tell(d, "%s  %s = %s %s", what, name_of(v), v->def->spelling, type_text(&d->arena, v->type));
        FOR_EACH_ARG(v->def, slot) {
            if (*slot == end)
                return;
            next = next || value_literal(*slot) ? next : *slot;
        }
        if (!next)
            return;
        v = next;
    }
}

/* The two are made in different ways: an op that one side has more, or another op. */
static void compare_makers(Diff *d, const Value *a, const Value *b)
{
    for (int alike = 0; alike < 2; alike++) {
        const Value *in_b = lead_back(d, b, a, alike), *in_a = in_b ? NULL : lead_back(d, a, b, alike);
        if (in_b) {
            tell_between(d, "added  ", b, in_b);
            part(d, a);
            push(d, a, in_b);
            return;
        }
        if (in_a) {
            tell_between(d, "removed", a, in_a);
            push(d, in_a, b);
            return;
        }
    }
    tell(d, "changed  %s: made by %s, now %s by %s", name_of(a), made_by(a), name_of(b), made_by(b));
    if (a->def && b->def)
        for (int i = 0; i < a->def->args && i < b->def->args; i++)
            for (int k = 0; k < a->def->arg[i].count && k < b->def->arg[i].count; k++)
                if (!value_literal(a->def->arg[i].values[k]) && !value_literal(b->def->arg[i].values[k]))
                    push(d, a->def->arg[i].values[k], b->def->arg[i].values[k]);
}

static int param_index(const Func *f, const Value *v)
{
    for (int i = 0; i < f->params; i++)
        if (f->param[i] == v)
            return i;
    return -1;
}

static void compare(Diff *d, const Value *a, const Value *b)
{
    if (!meet(d, a, b))
        return;
    bool inputs = !a->def && !b->def && !value_literal(a) && !value_literal(b);
    if (value_literal(a) && value_literal(b)) {
        compare_constants(d, a, b, name_of(a));
        return;
    }
    if (!inputs && !same_maker(a, b)) {
        compare_makers(d, a, b);
        return;
    }
    if (inputs && param_index(d->fa, a) != param_index(d->fb, b))
        tell(d, "changed  input %s is now %s", name_of(a), name_of(b));
    if (!type_equal(a->type, b->type))
        tell(d, "type     %s: %s is now %s", name_of(a), type_text(&d->arena, a->type),
             type_text(&d->arena, b->type));
    if (d->options->names && strcmp(name_of(a), name_of(b)) != 0)
        tell(d, "name     %s is now %s", name_of(a), name_of(b));
    if (!inputs && a->index != b->index)
        tell(d, "changed  result %d of %s is now result %d", a->index, a->def->spelling, b->index);
    if (!inputs)
        compare_ops(d, a->def, b->def);
}

/* The n-th write into a state, or NULL. */
static const Op *write_at(const Func *f, int n)
{
    for (const Op *op = f->first; op; op = op->next)
        if (op->code == OP_WRITE_STATE && n-- == 0)
            return op;
    return NULL;
}

static void push_roots(Diff *d)
{
    const Func *a = d->fa, *b = d->fb;
    if (a->params != b->params)
        tell(d, "changed  %d inputs, now %d", a->params, b->params);
    if (a->outputs != b->outputs)
        tell(d, "changed  %d outputs, now %d", a->outputs, b->outputs);
    const Op *x, *y;
    for (int i = 0; (x = write_at(a, i)), (y = write_at(b, i)), x && y; i++) {
        push(d, op_arg(x, "input"), op_arg(y, "input"));
        push(d, op_arg(x, "data"), op_arg(y, "data"));
    }
    if (x || y)
        tell(d, "%s  a state is written", x ? "removed" : "added  ");
    for (int i = (a->outputs < b->outputs ? a->outputs : b->outputs) - 1; i >= 0; i--)
        push(d, a->output[i], b->output[i]);
}

int func_diff(Text *out, const Func *a, const Func *b, const DiffOptions *options)
{
    Diff d = {.options = options, .out = out, .fa = a, .fb = b};
    hash_func(&d, a);
    hash_func(&d, b);
    push_roots(&d);
    while (d.todos) {
        Pair p = d.todo[--d.todos];
        compare(&d, p.a, p.b);
    }
    HASH_CLEAR(hh, d.known);
    free(d.todo);
    arena_free(&d.arena);
    return d.differences;
}
