/* Literals. Their type is known before them, so their brackets and numbers are checked and converted as they
 * come, into one flat array for a tensor. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/mil/reader.h"
#include "ir/literal.h"

#define PUSH(items, count, cap, value)                                                                       \
    do {                                                                                                     \
        if ((count) == (cap)) {                                                                              \
            (cap) = (cap) ? 2 * (cap) : 64;                                                                  \
            (items) = xrealloc((items), (cap) * sizeof *(items));                                            \
        }                                                                                                    \
        (items)[(count)++] = (value);                                                                        \
    } while (0)

/* The first error of a literal; the rest of it is skipped. */
static void spoil(Reader *r, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void spoil(Reader *r, Span at, const char *fmt, ...)
{
    char text[300];
    va_list ap;
    if (!r->builder.bad) {
        va_start(ap, fmt);
        vsnprintf(text, sizeof text, fmt, ap);
        va_end(ap);
        diag_rule(r->diags, DIAG_ERROR, "mil-literal", at, "%s", text);
    }
    r->builder.bad = true;
}

void mil_builder_free(Builder *b)
{
    free(b->element);
    free(b->child);
}

/* ---- frames ---- */

static void push_frame(Builder *b, const Type *type)
{
    Frame *f = &b->frame[b->frames++];
    *f = (Frame){.type = type, .first = b->children};
    for (int i = 0; i < type->rank; i++)
        f->row[i] = type->dim[i] < 0 ? -1 : type->dim[i];
    if (type->kind == TY_TENSOR)
        b->elements = 0;
}

void mil_literal_begin(Reader *r, const Type *type)
{
    Builder *b = &r->builder;
    b->bad = false;
    b->frames = 0;
    b->children = 0;
    b->result = NULL;
    push_frame(b, type);
}

/* The type of the next child of an open container; NULL where it has all of them. */
static const Type *child_type(const Builder *b, const Frame *f)
{
    size_t n = b->children - f->first;
    switch (f->type->kind) {
    case TY_LIST: return f->type->element[0];
    case TY_DICT: return f->type->element[n % 2];
    default: return n < (size_t)f->type->elements ? f->type->element[n] : NULL;
    }
}

/* The frame that the next bracket or scalar belongs to: the innermost, or a new one for the child that
 * begins. NULL where the literal is to be skipped. */
static Frame *current(Reader *r, Span at)
{
    Builder *b = &r->builder;
    if (b->bad || !b->frames)
        return NULL;
    Frame *f = &b->frame[b->frames - 1];
    if (!f->open)
        return f;
    const Type *type = child_type(b, f);
    if (!type || b->frames > MAX_TYPE_DEPTH) {
        spoil(r, at, "the tuple has only %d elements", f->type->elements);
        return NULL;
    }
    push_frame(b, type);
    return &b->frame[b->frames - 1];
}

/* The innermost frame is done. */
static void complete(Reader *r, Literal *l)
{
    Builder *b = &r->builder;
    b->frames--;
    if (b->frames)
        PUSH(b->child, b->children, b->children_cap, l);
    else
        b->result = l;
}

static void complete_tensor(Reader *r, const Type *type)
{
    Builder *b = &r->builder;
    Arena *a = &r->m->arena;
    Literal *l = arena_new(a, Literal);
    l->count = b->elements;
    DClass class = dtype_info[type->dtype].class;
    l->kind = class == CLASS_STRING ? LIT_STRING : class == CLASS_FLOAT ? LIT_FLOAT : LIT_INT;
    if (l->kind == LIT_STRING) {
        const char **strings = arena_many(a, b->elements, const char *);
        for (size_t i = 0; i < b->elements; i++)
            strings[i] = b->element[i].s;
        l->strings = strings;
    } else if (l->kind == LIT_FLOAT) {
        double *floats = arena_many(a, b->elements, double);
        for (size_t i = 0; i < b->elements; i++)
            floats[i] = b->element[i].d;
        l->floats = floats;
    } else {
        int64_t *ints = arena_many(a, b->elements, int64_t);
        for (size_t i = 0; i < b->elements; i++)
            ints[i] = b->element[i].i;
        l->ints = ints;
    }
    complete(r, l);
}

/* ---- brackets ---- */

static char bracket_of(const Type *t)
{
    return t->kind == TY_DICT ? '{' : t->kind == TY_TUPLE ? '(' : '[';
}

void mil_literal_open(Reader *r, char bracket, Span at)
{
    Frame *f = current(r, at);
    if (!f)
        return;
    if (bracket != bracket_of(f->type))
        spoil(r, at, "unexpected '%c' in a constant of type %s", bracket, type_text(&r->scratch, f->type));
    else if (f->type->kind != TY_TENSOR)
        f->open = true;
    else if (f->axis == f->type->rank)
        spoil(r, at, "too many brackets for %s", type_text(&r->scratch, f->type));
    else {
        if (f->axis)
            f->length[f->axis - 1]++;
        f->length[f->axis++] = 0;
    }
}

static void close_row(Reader *r, Frame *f, Span at)
{
    int axis = --f->axis;
    if (f->row[axis] < 0)
        f->row[axis] = f->length[axis];
    if (f->length[axis] != f->row[axis])
        spoil(r, at, "there are %lld elements here, expected %lld", (long long)f->length[axis],
              (long long)f->row[axis]);
    else if (axis == 0)
        complete_tensor(r, f->type);
}

void mil_literal_close(Reader *r, Span at)
{
    Builder *b = &r->builder;
    if (b->bad || !b->frames)
        return;
    Frame *f = &b->frame[b->frames - 1];
    if (f->type->kind == TY_TENSOR) {
        close_row(r, f, at);
        return;
    }
    Literal *l = arena_new(&r->m->arena, Literal);
    l->kind = LIT_TREE;
    l->count = b->children - f->first;
    l->children =
        arena_copy(&r->m->arena, l->count ? b->child + f->first : NULL, l->count * sizeof *b->child);
    b->children = f->first;
    complete(r, l);
}

/* ---- scalars ---- */

static int64_t integer_value(Reader *r, DType d, Span at)
{
    const char *s = mil_text(r, at);
    bool minus = *s == '-';
    uint64_t v = 0, most = d == DT_UINT64 ? UINT64_MAX : (uint64_t)INT64_MAX + minus;
    for (uint32_t i = minus; i < at.length; i++) {
        uint64_t digit = (uint64_t)(s[i] - '0');
        if (v > (most - digit) / 10) {
            spoil(r, at, "the number is too large for %s", dtype_info[d].name);
            return 0;
        }
        v = 10 * v + digit;
    }
    if (minus && v && dtype_info[d].class == CLASS_UINT)
        spoil(r, at, "%s holds no negative numbers", dtype_info[d].name);
    int64_t bits = minus ? (int64_t)(0 - v) : (int64_t)v; /* of uint64 the bits are kept */
    if (bits == DIM_S || bits == DIM_T)
        spoil(r, at, "this number stands for a symbolic length inside the compiler and cannot be read");
    return bits;
}

static double float_value(Reader *r, DType d, Span at)
{
    double v = strtod(mil_text(r, at), NULL), rounded = float_round(d, v);
    bool infinite = memchr(mil_text(r, at), 'n', at.length) != NULL; /* inf or nan as such */
    if (isinf(rounded) && !infinite)
        spoil(r, at, "the number is too large for %s", dtype_info[d].name);
    return rounded;
}

/* A word among integers: true and false, or S and T in the shapes of models. */
static bool word_value(Reader *r, const Type *t, Span at, int64_t *out)
{
    bool symbol = at.length == 1;
    if (symbol ? t->dtype != DT_INT32 && t->dtype != DT_INT64 : t->dtype != DT_BOOL)
        return false;
    *out = symbol ? mil_symbol(r, at) : *mil_text(r, at) == 't';
    return true;
}

static void add_element(Reader *r, const Type *t, Scalar kind, Span at)
{
    union Element e = {0};
    Builder *b = &r->builder;
    DClass class = dtype_info[t->dtype].class;
    bool fits = true;
    if (kind == SCALAR_STRING && class == CLASS_STRING)
        e.s = mil_string_value(r, at);
    else if ((kind == SCALAR_INT || kind == SCALAR_FLOAT) && class == CLASS_FLOAT)
        e.d = float_value(r, t->dtype, at);
    else if (kind == SCALAR_INT && (class == CLASS_INT || class == CLASS_UINT))
        e.i = integer_value(r, t->dtype, at);
    else
        fits = kind == SCALAR_WORD && word_value(r, t, at, &e.i);
    if (!fits)
        spoil(r, at, "this cannot be an element of %s", type_text(&r->scratch, t));
    PUSH(b->element, b->elements, b->elements_cap, e);
}

void mil_literal_scalar(Reader *r, Scalar kind, Span at)
{
    Frame *f = current(r, at);
    if (!f)
        return;
    const Type *t = f->type;
    if (t->kind != TY_TENSOR || f->axis != t->rank) {
        spoil(r, at, "expected '%c': the constant is of type %s", bracket_of(t), type_text(&r->scratch, t));
        return;
    }
    if (f->axis)
        f->length[f->axis - 1]++;
    add_element(r, t, kind, at);
    if (t->rank == 0 && !r->builder.bad)
        complete_tensor(r, t);
}

Constant mil_literal_end(Reader *r, const Type *type, Span at)
{
    Error err;
    Constant c = {type, r->builder.bad ? NULL : r->builder.result, at};
    if (c.literal && !literal_check(type, c.literal, &err)) {
        diag_rule(r->diags, DIAG_ERROR, "mil-literal", at, "%s", err.text);
        c.literal = NULL;
    }
    return c;
}

const char *mil_string_value(Reader *r, Span at)
{
    static const char escapes[] = "\"\\ntr", values[] = "\"\\\n\t\r";
    const char *s = mil_text(r, at) + 1, *end = s + at.length - 2;
    char *out = arena_alloc(&r->m->arena, at.length), *to = out;
    while (s < end) {
        if (*s != '\\') {
            *to++ = *s++;
            continue;
        }
        const char *found = memchr(escapes, s[1], sizeof escapes - 1);
        if (!found) {
            uint32_t offset = (uint32_t)(s - mil_text(r, at));
            diag_rule(r->diags, DIAG_ERROR, "mil-syntax", (Span){r->src, at.start + offset, 2},
                      "there is no such escape in strings");
        }
        *to++ = found ? values[found - escapes] : s[1];
        s += 2;
    }
    return out;
}

/* ---- references ---- */

enum {
    SEEN_NAME = 1,
    SEEN_TRANSPOSED = 2,
    SEEN_WINDOW = 4,
    SEEN_PATH = 8,
    SEEN_OFFSET = 16,
    SEEN_SCALE = 32
};
enum { HALF_SHIFT = 40 }; /* the range of fp16, subnormals included */

static bool first_time(Reader *r, int bit, Span key)
{
    if (r->reference.seen & bit)
        diag_rule(r->diags, DIAG_ERROR, "mil-literal", key, "this was given already");
    r->reference.seen |= bit;
    return true;
}

void mil_reference_constant(Reader *r, Span key, Constant value)
{
    Reference *ref = &r->reference;
    const Literal *l = value.literal;
    bool is_path = mil_is(r, key, "path");
    if (!is_path && !mil_is(r, key, "offset")) {
        diag_rule(r->diags, DIAG_ERROR, "mil-literal", key, "BLOBFILE takes path and offset");
    } else if (l && (l->count != 1 || l->kind != (is_path ? LIT_STRING : LIT_INT))) {
        diag_rule(r->diags, DIAG_ERROR, "mil-literal", value.span, "expected %s",
                  is_path ? "a string" : "an integer");
    } else if (first_time(r, is_path ? SEEN_PATH : SEEN_OFFSET, key) && l) {
        if (is_path)
            ref->path = l->strings[0];
        else if (value.type->dtype != DT_UINT64 && l->ints[0] < 0)
            diag_rule(r->diags, DIAG_ERROR, "mil-literal", value.span, "an offset cannot be negative");
        else
            ref->offset = (uint64_t)l->ints[0];
    }
}

void mil_reference_scalar(Reader *r, Span key, Scalar kind, Span at)
{
    WeightRef *w = &r->reference.weight;
    Constant number = {0};
    bool scale = kind == SCALAR_INT && mil_is(r, key, "scale");
    if (kind == SCALAR_STRING && mil_is(r, key, "name") && first_time(r, SEEN_NAME, key)) {
        w->name = mil_string_value(r, at);
    } else if (kind == SCALAR_WORD && mil_is(r, key, "transposed") && first_time(r, SEEN_TRANSPOSED, key)) {
        w->transposed = *mil_text(r, at) == 't';
    } else if ((scale || (kind == SCALAR_INT && mil_is(r, key, "window"))) &&
               first_time(r, scale ? SEEN_SCALE : SEEN_WINDOW, key)) {
        mil_literal_begin(r, mil_scalar(r, DT_INT64));
        mil_literal_scalar(r, kind, at);
        number = mil_literal_end(r, mil_scalar(r, DT_INT64), at);
        int64_t n = number.literal ? number.literal->ints[0] : 0;
        if (scale)
            w->scale = n < -HALF_SHIFT ? -HALF_SHIFT : n > HALF_SHIFT ? HALF_SHIFT : (int)n;
        else
            w->window = n;
    } else {
        diag_rule(
            r->diags, DIAG_ERROR, "mil-literal", key,
            "WEIGHT takes name = \"..\", transposed and scale, INT8 and SCALES too, CAUSAL_MASK window, "
            "DISTANCE transposed");
    }
}

Constant mil_reference_end(Reader *r, const Type *type, LiteralKind kind, WeightKind weight, Span at)
{
    Reference ref = r->reference;
    Constant c = {type, NULL, at};
    Error err;
    r->reference = (Reference){0};
    ref.weight.kind = weight;
    int needs = kind == LIT_BLOB               ? SEEN_PATH | SEEN_OFFSET
                : weight == WEIGHT_CAUSAL_MASK ? SEEN_WINDOW
                : weight == WEIGHT_DISTANCE    ? 0
                                               : SEEN_NAME;
    int allows = kind == LIT_WEIGHT && weight != WEIGHT_CAUSAL_MASK ? needs | SEEN_TRANSPOSED : needs;
    allows |= kind == LIT_WEIGHT && weight == WEIGHT_TENSOR ? SEEN_SCALE : 0;
    if ((ref.seen & needs) != needs || (ref.seen & ~allows)) {
        diag_rule(r->diags, DIAG_ERROR, "mil-literal", at, "expected %s",
                  kind == LIT_BLOB               ? "BLOBFILE(path = .., offset = ..)"
                  : weight == WEIGHT_CAUSAL_MASK ? "CAUSAL_MASK(window = 0)"
                  : weight == WEIGHT_DISTANCE    ? "DISTANCE()"
                  : weight == WEIGHT_INT8        ? "INT8(name = \"..\")"
                  : weight == WEIGHT_SCALES      ? "SCALES(name = \"..\")"
                                                 : "WEIGHT(name = \"..\")");
        return c;
    }
    Arena *a = &r->m->arena;
    c.literal = kind == LIT_BLOB ? literal_blob(a, ref.path ? ref.path : "", ref.offset)
                                 : literal_weight(a, &ref.weight);
    if (!literal_check(type, c.literal, &err)) {
        diag_rule(r->diags, DIAG_ERROR, "mil-literal", at, "%s", err.text);
        c.literal = NULL;
    }
    return c;
}
