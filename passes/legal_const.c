#include <string.h>

#include "ir/literal.h"
#include "passes/legal.h"
#include "passes/match.h"

struct Shared {
    const char *key;
    Value *value;
    UT_hash_handle hh;
};

/* ---- one of each ---- */

static Value *find_shared(Legal *l, const char *key)
{
    Shared *found;
    HASH_FIND_STR(l->shared, key, found);
    return found ? found->value : NULL;
}

static Value *share(Legal *l, const char *key, Value *v)
{
    Shared *s = arena_new(l->arena, Shared);
    *s = (Shared){.key = key, .value = v};
    HASH_ADD_KEYPTR(hh, l->shared, s->key, strlen(s->key), s);
    return v;
}

void legal_free_shared(Legal *l)
{
    HASH_CLEAR(hh, l->shared);
}

static Value *add_named(Legal *l, const char *stem, const Type *t, const Literal *literal)
{
    return const_value(l->to, NULL, names_unique(&l->names, stem), t, literal);
}

/* A named constant; the same stem with the same content is one. */
static Value *named(Legal *l, const char *stem, const Type *t, const Literal *literal)
{
    Text key = {0};
    text_printf(&key, "%s=", stem);
    literal_print(&key, t, literal);
    Value *v = find_shared(l, text_cstr(&key));
    if (!v)
        v = share(l, arena_str(l->arena, key.data, key.size), add_named(l, stem, t, literal));
    text_free(&key);
    return v;
}

static Value *attribute(Legal *l, const char *stem, Type t, const Literal *literal)
{
    if (t.rank == 0) /* program 1.0 spells scalars as tensors */
        t.bare = strcmp(l->to->module->version, "1.0") != 0;
    return l->ane ? named(l, stem, &t, literal) : const_inline(l->to->module, &t, literal);
}

Value *legal_ints(Legal *l, const char *stem, const int64_t *values, int count)
{
    int64_t n = count;
    return attribute(l, stem, type_tensor(DT_INT32, 1, &n),
                     literal_ints(l->arena, values, (size_t)count));
}

Value *legal_int(Legal *l, const char *stem, int64_t value)
{
    return attribute(l, stem, type_scalar(DT_INT32), literal_ints(l->arena, &value, 1));
}

Value *legal_bool(Legal *l, const char *stem, bool value)
{
    int64_t v = value;
    return attribute(l, stem, type_scalar(DT_BOOL), literal_ints(l->arena, &v, 1));
}

Value *legal_string(Legal *l, const char *stem, const char *value)
{
    return attribute(l, stem, type_scalar(DT_STRING), literal_string(l->arena, value));
}

Value *legal_attribute(Legal *l, const Op *op, const char *key)
{
    const Value *v = op_arg(op, key);
    if (!v || !value_literal(v))
        return NULL;
    Type t = *v->type;
    if (dtype_is_float(t.dtype))
        t.dtype = l->real;
    const char *stem = arena_printf(l->arena, "%s_%s", legal_stem(l, op->result[0]), key);
    return attribute(l, stem, t, value_literal(v));
}

/* ---- weights ---- */

Value *legal_weight(Legal *l, const WeightRef *w, const Type *t, const char *stem)
{
    Type half = *t;
    half.dtype = DT_FP16;
    const char *dims = dims_text(l->arena, t);
    const char *key = arena_printf(l->arena, "weight %s %d %d %lld %s", w->name ? w->name : "", (int)w->kind,
                                   w->transposed, (long long)w->window, dims);
    Value *v = find_shared(l, key);
    return v ? v : share(l, key, add_named(l, stem, &half, literal_weight(l->arena, w)));
}

/* Inside a CPU function weights are widened, once each. */
static Value *widened(Legal *l, Value *w, const char *stem)
{
    const char *key = arena_printf(l->arena, "wide %s", w->name);
    Value *v = find_shared(l, key);
    return v ? v : share(l, key, legal_cast(l, w, l->real, stem));
}

/* Whether the layout keeps the order of the axes that are longer than 1. */
static bool keeps_order(const Layout *layout, const Type *t)
{
    int last = -1;
    for (int i = 0; i < layout->rank; i++) {
        int axis = layout->axis[i];
        if (axis < 0 || t->dim[axis] == 1)
            continue;
        if (axis < last)
            return false;
        last = axis;
    }
    return true;
}

static Value *weight_constant(Legal *l, const Value *v, const Layout *layout, const char *stem, bool stored)
{
    WeightRef ref = value_literal(v)->weight;
    Type t = layout_type(layout, v->type);
    if (!keeps_order(layout, v->type)) {
        if (v->type->rank != 2) {
            error_set(&l->err, "a weight of rank %d cannot be turned", v->type->rank);
            return NULL;
        }
        ref.transposed = !ref.transposed;
    }
    Value *w = legal_weight(l, &ref, &t, stem);
    return l->ane || stored ? w : widened(l, w, arena_printf(l->arena, "%s_wide", stem));
}

/* ---- numbers ---- */

/* Where the element of the physical constant with these indices lies in the logical one. */
static size_t source_of(const Layout *layout, const Type *logical, const int64_t *index)
{
    int64_t at = 0;
    for (int axis = 0; axis < logical->rank; axis++) {
        int i = layout_find(layout, axis);
        at = at * logical->dim[axis] + (i < 0 ? 0 : index[i]);
    }
    return (size_t)at;
}

static void next_index(const Type *t, int64_t *index)
{
    for (int i = t->rank - 1; i >= 0 && ++index[i] == t->dim[i]; i--)
        index[i] = 0;
}

static const Literal *moved(Legal *l, const Value *v, const Layout *layout, const Type *to)
{
    const Literal *from = value_literal(v);
    Arena *a = &l->to->module->arena;
    int64_t index[IR_MAX_RANK] = {0}, *ints = arena_many(a, from->count, int64_t);
    double *floats = arena_many(a, from->count, double);
    for (size_t i = 0; i < from->count; i++, next_index(to, index)) {
        size_t at = source_of(layout, v->type, index);
        if (from->kind == LIT_FLOAT)
            floats[i] = from->floats[at];
        else
            ints[i] = from->ints[at];
    }
    return from->kind == LIT_FLOAT ? literal_floats(a, floats, from->count)
                                   : literal_ints(a, ints, from->count);
}

Value *legal_constant(Legal *l, const Value *v, const Layout *layout, const char *stem, bool stored)
{
    const Literal *literal = value_literal(v);
    if (!literal || (literal->kind != LIT_WEIGHT && literal->kind != LIT_FLOAT && literal->kind != LIT_INT)) {
        error_set(&l->err, "a constant is no number");
        return NULL;
    }
    if (literal->kind == LIT_WEIGHT)
        return weight_constant(l, v, layout, stem, stored);
    Type t = v->type->rank ? layout_type(layout, v->type) : *v->type;
    if (dtype_is_float(t.dtype))
        t.dtype = l->real;
    return attribute(l, stem, t, v->type->rank ? moved(l, v, layout, &t) : literal);
}
