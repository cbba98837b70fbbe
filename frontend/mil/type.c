#include <string.h>

#include "frontend/mil/reader.h"

const Type *mil_scalar(Reader *r, DType d)
{
    if (!r->scalar[d]) {
        Type t = type_scalar(d);
        r->scalar[d] = type_copy(&r->m->arena, &t);
    }
    return r->scalar[d];
}

Type *mil_dims(Reader *r)
{
    return arena_new(&r->m->arena, Type);
}

void mil_dim(Reader *r, Type *dims, int64_t d, Span at)
{
    if (dims->rank < IR_MAX_RANK)
        dims->dim[dims->rank] = d;
    if (dims->rank == IR_MAX_RANK)
        diag_rule(r->diags, DIAG_ERROR, "mil-type", at, "a tensor has at most %d axes", IR_MAX_RANK);
    if (dims->rank <= IR_MAX_RANK)
        dims->rank++; /* one too many remembers that it was reported */
}

int64_t mil_length(Reader *r, Span at)
{
    const char *s = mil_text(r, at);
    int64_t n = 0;
    for (uint32_t i = 0; i < at.length; i++) {
        if (s[i] == '-' || n > (INT64_MAX - 9) / 10) {
            diag_rule(r->diags, DIAG_ERROR, "mil-type", at,
                      s[i] == '-' ? "a length cannot be negative" : "the length is too large");
            return 1;
        }
        n = 10 * n + (s[i] - '0');
    }
    return n;
}

int64_t mil_symbol(Reader *r, Span at)
{
    return *mil_text(r, at) == 'S' ? DIM_S : DIM_T;
}

const Type *mil_tensor(Reader *r, DType d, Type *dims)
{
    dims->kind = TY_TENSOR;
    dims->dtype = d;
    if (dims->rank > IR_MAX_RANK)
        dims->rank = IR_MAX_RANK;
    return dims;
}

const Type *mil_state(Reader *r, const Type *inner, Span at)
{
    if (inner->kind != TY_TENSOR) {
        diag_rule(r->diags, DIAG_ERROR, "mil-type", at, "a state holds a tensor");
        return inner;
    }
    Type t = *inner;
    t.kind = TY_STATE;
    return type_copy(&r->m->arena, &t);
}

/* ---- containers ---- */

/* Levels of containers, no deeper than MAX_TYPE_DEPTH by construction. */
static int depth_of(const Type *t)
{
    int most = 0;
    for (int i = 0; i < t->elements; i++) {
        int depth = depth_of(t->element[i]);
        most = depth > most ? depth : most;
    }
    return most + 1;
}

/* A type that may be an element; where it is too deep, something shallow instead. */
static const Type *checked_element(Reader *r, const Type *t, Span at)
{
    if (t->kind == TY_STATE || t->kind == TY_BUFFER)
        diag_rule(r->diags, DIAG_ERROR, "mil-type", at,
                  "only tensors, lists, dicts and tuples can be elements");
    if (depth_of(t) < MAX_TYPE_DEPTH)
        return t;
    diag_rule(r->diags, DIAG_ERROR, "mil-type", at, "types are nested more than %d deep", MAX_TYPE_DEPTH);
    return mil_scalar(r, DT_INT32);
}

const Type *mil_container(Reader *r, TypeKind kind, const Type *a, const Type *b, int64_t length, Span at)
{
    Type *t = arena_new(&r->m->arena, Type);
    t->kind = kind;
    t->elements = b ? 2 : 1;
    t->list_length = length;
    t->element = arena_many(&r->m->arena, 2, const Type *);
    t->element[0] = checked_element(r, a, at);
    if (b)
        t->element[1] = checked_element(r, b, at);
    return t;
}

Type *mil_tuple(Reader *r, Type *tuple, const Type *element, Span at)
{
    Arena *a = &r->m->arena;
    if (!tuple) {
        tuple = arena_new(a, Type);
        tuple->kind = TY_TUPLE;
    }
    int n = tuple->elements;
    if ((n & (n - 1)) == 0) { /* full at each power of two */
        const Type **grown = arena_many(a, n ? 2 * (size_t)n : 1, const Type *);
        if (n)
            memcpy(grown, tuple->element, (size_t)n * sizeof *grown);
        tuple->element = grown;
    }
    tuple->element[tuple->elements++] = checked_element(r, element, at);
    return tuple;
}

/* tensor_buffer<fp16, shape=[..], strides=[..], interleave_factors=[..]> */
const Type *mil_buffer(Reader *r, DType d, const Span key[3], Type *const list[3], Span at)
{
    static const char *const names[] = {"shape", "strides", "interleave_factors"};
    Type *t = list[0];
    for (int i = 0; i < 3; i++) {
        if (!mil_is(r, key[i], names[i]))
            diag_rule(r->diags, DIAG_ERROR, "mil-type", key[i], "expected %s", names[i]);
        if (list[i]->rank != t->rank)
            diag_rule(r->diags, DIAG_ERROR, "mil-type", at, "%s and shape have different lengths", names[i]);
    }
    t->kind = TY_BUFFER;
    t->dtype = d;
    t->strides = list[1]->dim;
    t->interleave = list[2]->dim;
    if (t->rank > IR_MAX_RANK)
        t->rank = IR_MAX_RANK;
    return t;
}
