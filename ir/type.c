#include "ir/type.h"

#include <string.h>

#include "ir/literal.h"

const DTypeInfo dtype_info[DT_COUNT] = {
    [DT_NONE] = {"?", 0, CLASS_NONE, 0},
#define DTYPE(id, spelling, bits, class, blob) [DT_##id] = {spelling, bits, class, blob},
#include "ir/dtypes.def"
};

DType dtype_from_name(const char *name, size_t length)
{
    for (int d = DT_NONE + 1; d < DT_COUNT; d++)
        if (strlen(dtype_info[d].name) == length && memcmp(dtype_info[d].name, name, length) == 0)
            return (DType)d;
    return DT_NONE;
}

DType dtype_from_blob_code(uint32_t code)
{
    for (int d = DT_NONE + 1; d < DT_COUNT; d++)
        if (code && (uint32_t)dtype_info[d].blob_code == code)
            return (DType)d;
    return DT_NONE;
}

bool dtype_is_float(DType d)
{
    return dtype_info[d].class == CLASS_FLOAT;
}

bool dtype_is_int(DType d)
{
    return dtype_info[d].class == CLASS_INT || dtype_info[d].class == CLASS_UINT;
}

Type type_scalar(DType dtype)
{
    return (Type){.kind = TY_TENSOR, .dtype = dtype, .bare = true};
}

Type type_tensor(DType dtype, int rank, const int64_t *dims)
{
    Type t = {.kind = TY_TENSOR, .dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        t.dim[i] = dims[i];
    return t;
}

const Type *type_copy(Arena *a, const Type *t)
{
    return arena_copy(a, t, sizeof *t);
}

bool dims_equal(const Type *a, const Type *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

bool type_equal(const Type *a, const Type *b)
{
    if (a->kind != b->kind || a->dtype != b->dtype || !dims_equal(a, b))
        return false;
    if (a->elements != b->elements || (a->kind == TY_LIST && a->list_length != b->list_length))
        return false;
    for (int i = 0; i < a->elements; i++)
        if (!type_equal(a->element[i], b->element[i]))
            return false;
    return true;
}

bool type_is_static(const Type *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] < 0)
            return false;
    return true;
}

int64_t type_elements(const Type *t)
{
    const int64_t limit = (int64_t)1 << 62;
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] < 0 || (t->dim[i] && n > limit / t->dim[i]))
            return -1;
        n *= t->dim[i];
    }
    return n;
}

int64_t type_bytes(const Type *t)
{
    int64_t n = type_elements(t), bits = dtype_info[t->dtype].bits;
    if (n < 0 || !bits || n > ((int64_t)1 << 56))
        return -1;
    return (n * bits + 7) / 8;
}

static void dim_print(Text *out, int64_t d)
{
    if (d == DIM_S)
        text_putc(out, 'S');
    else if (d == DIM_T)
        text_putc(out, 'T');
    else if (d < 0)
        text_putc(out, '?');
    else
        int_print(out, DT_INT64, d);
}

void dims_print(Text *out, int rank, const int64_t *dims)
{
    text_putc(out, '[');
    for (int i = 0; i < rank; i++) {
        if (i)
            text_puts(out, ", ");
        dim_print(out, dims[i]);
    }
    text_putc(out, ']');
}

static void print_tensor(Text *out, const Type *t)
{
    if (t->rank == 0 && t->bare) {
        text_puts(out, dtype_info[t->dtype].name);
        return;
    }
    text_puts(out, "tensor<");
    text_puts(out, dtype_info[t->dtype].name);
    text_puts(out, ", ");
    dims_print(out, t->rank, t->dim);
    text_putc(out, '>');
}

static void print_elements(Text *out, const char *open, const Type *t)
{
    text_puts(out, open);
    for (int i = 0; i < t->elements; i++) {
        if (i)
            text_puts(out, ", ");
        type_print(out, t->element[i]);
    }
}

void type_print(Text *out, const Type *t)
{
    switch (t->kind) {
    case TY_TENSOR: print_tensor(out, t); break;
    case TY_STATE:
        text_puts(out, "state<");
        print_tensor(out, t);
        text_putc(out, '>');
        break;
    case TY_BUFFER: /* no space around '=': as Apple's tools print it */
        text_printf(out, "tensor_buffer<%s, shape=", dtype_info[t->dtype].name);
        dims_print(out, t->rank, t->dim);
        text_puts(out, ", strides=");
        dims_print(out, t->rank, t->strides);
        text_puts(out, ", interleave_factors=");
        dims_print(out, t->rank, t->interleave);
        text_putc(out, '>');
        break;
    case TY_LIST:
        print_elements(out, "list<", t);
        text_puts(out, ", ");
        dim_print(out, t->list_length);
        text_putc(out, '>');
        break;
    case TY_DICT:
        print_elements(out, "dict<", t);
        text_putc(out, '>');
        break;
    case TY_TUPLE:
        print_elements(out, "tuple<", t);
        text_putc(out, '>');
        break;
    }
}

static const char *kept(Arena *a, Text *t)
{
    const char *s = arena_str(a, text_cstr(t), t->size);
    text_free(t);
    return s;
}

const char *type_text(Arena *a, const Type *t)
{
    Text out = {0};
    type_print(&out, t);
    return kept(a, &out);
}

const char *dims_text(Arena *a, const Type *t)
{
    Text out = {0};
    dims_print(&out, t->rank, t->dim);
    return kept(a, &out);
}

bool dims_broadcast(const Type *a, const Type *b, Type *out)
{
    Type r = {.kind = TY_TENSOR, .dtype = a->dtype, .rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < r.rank; i++) {
        int ia = i - (r.rank - a->rank), ib = i - (r.rank - b->rank);
        int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da != db && da != 1 && db != 1 && da != DIM_UNKNOWN && db != DIM_UNKNOWN)
            return false;
        r.dim[i] = da == 1 ? db : db == 1 ? da : da == DIM_UNKNOWN ? db : da;
    }
    r.bare = r.rank == 0 && a->bare;
    *out = r;
    return true;
}
