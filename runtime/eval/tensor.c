#include "runtime/eval/eval.h"

#include <string.h>

#include "base/half.h"

Tensor tensor_of(const Type *t, DType store, void *data)
{
    Tensor out = {.store = store, .rank = t->rank, .count = type_elements(t)};
    memcpy(out.dim, t->dim, sizeof out.dim);
    out.data = data;
    return out;
}

bool tensor_is_float(const Tensor *t)
{
    return dtype_is_float(t->store);
}

double tensor_get(const Tensor *t, int64_t i)
{
    switch (t->store) {
    case DT_FP32: return ((const float *)t->constant)[i];
    case DT_FP16: return half_to_float(((const uint16_t *)t->constant)[i]);
    case DT_BF16: return bf16_to_float(((const uint16_t *)t->constant)[i]);
    case DT_FP64: return ((const double *)t->constant)[i];
    default: return (double)tensor_get_int(t, i);
    }
}

/* A double that no int64 is (a NaN too) becomes 0: the conversion would be undefined. */
static int64_t cut(double v)
{
    return v > -0x1p63 && v < 0x1p63 ? (int64_t)v : 0;
}

int64_t tensor_get_int(const Tensor *t, int64_t i)
{
    switch (t->store) {
    case DT_INT32: return ((const int32_t *)t->constant)[i];
    case DT_BOOL:
    case DT_UINT8: return ((const uint8_t *)t->constant)[i];
    case DT_INT8: return ((const int8_t *)t->constant)[i];
    case DT_INT16: return ((const int16_t *)t->constant)[i];
    case DT_UINT16: return ((const uint16_t *)t->constant)[i];
    case DT_UINT32: return ((const uint32_t *)t->constant)[i];
    case DT_INT64:
    case DT_UINT64: return ((const int64_t *)t->constant)[i];
    default: return cut(tensor_get(t, i));
    }
}

static uint16_t bf16_from_float(float f)
{
    uint32_t u = float_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40); /* NaN */
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

void tensor_put(Tensor *t, int64_t i, double v)
{
    switch (t->store) {
    case DT_FP32: ((float *)t->data)[i] = (float)v; break;
    case DT_FP16: ((uint16_t *)t->data)[i] = half_from_float((float)v); break;
    case DT_BF16: ((uint16_t *)t->data)[i] = bf16_from_float((float)v); break;
    case DT_FP64: ((double *)t->data)[i] = v; break;
    case DT_BOOL: ((uint8_t *)t->data)[i] = v != 0; break;
    default: tensor_put_int(t, i, cut(v));
    }
}

void tensor_put_int(Tensor *t, int64_t i, int64_t v)
{
    switch (t->store) {
    case DT_INT32:
    case DT_UINT32: ((uint32_t *)t->data)[i] = (uint32_t)v; break;
    case DT_BOOL: ((uint8_t *)t->data)[i] = v != 0; break;
    case DT_INT8:
    case DT_UINT8: ((uint8_t *)t->data)[i] = (uint8_t)v; break;
    case DT_INT16:
    case DT_UINT16: ((uint16_t *)t->data)[i] = (uint16_t)v; break;
    case DT_INT64:
    case DT_UINT64: ((int64_t *)t->data)[i] = v; break;
    default: tensor_put(t, i, (double)v);
    }
}

void tensor_move(Tensor *to, int64_t to_first, const Tensor *from, int64_t from_first, int64_t count)
{
    size_t size = (size_t)dtype_info[to->store].bits / 8;
    if (to->store == from->store && count) {
        memcpy((char *)to->data + (size_t)to_first * size,
               (const char *)from->constant + (size_t)from_first * size, (size_t)count * size);
        return;
    }
    bool real = tensor_is_float(to) || tensor_is_float(from);
    for (int64_t i = 0; i < count; i++) {
        if (real)
            tensor_put(to, to_first + i, tensor_get(from, from_first + i));
        else
            tensor_put_int(to, to_first + i, tensor_get_int(from, from_first + i));
    }
}

void tensor_strides(const Tensor *t, int64_t *stride)
{
    int64_t step = 1;
    for (int i = t->rank; i-- > 0;) {
        stride[i] = step;
        step *= t->dim[i];
    }
}

/* ---- cursor ---- */

void cursor_begin(Cursor *c, int rank, const int64_t *dim)
{
    *c = (Cursor){.rank = rank, .left = 1};
    for (int i = 0; i < rank; i++) {
        c->dim[i] = dim[i];
        c->left *= dim[i];
    }
}

void cursor_lane(Cursor *c, int64_t first, const int64_t *stride)
{
    for (int i = 0; i < c->rank; i++)
        c->stride[c->lanes][i] = stride[i];
    c->at[c->lanes++] = first;
}

void cursor_broadcast(Cursor *c, const Tensor *t)
{
    int64_t dense[IR_MAX_RANK], stride[IR_MAX_RANK] = {0};
    tensor_strides(t, dense);
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] != 1)
            stride[c->rank - t->rank + i] = dense[i];
    cursor_lane(c, 0, stride);
}

void cursor_next(Cursor *c)
{
    c->left--;
    for (int i = c->rank; i-- > 0;) {
        bool wrap = ++c->index[i] == c->dim[i];
        int64_t by = wrap ? 1 - c->dim[i] : 1;
        for (int l = 0; l < c->lanes; l++)
            c->at[l] += by * c->stride[l][i];
        if (!wrap)
            return;
        c->index[i] = 0;
    }
}
