#include "runtime/eval/constant.h"

#include "base/half.h"

void *constant_room(Arena *a, size_t bytes)
{
    uintptr_t at = (uintptr_t)arena_alloc(a, bytes + 64);
    return (void *)((at + 63) & ~(uintptr_t)63);
}

DType constant_store(DType dtype)
{
    const DTypeInfo *info = &dtype_info[dtype];
    return info->bits >= 8 ? dtype : info->class == CLASS_INT ? DT_INT8 : DT_UINT8;
}

/* Elements below 8 bits, one to a byte: they are packed to the end of the tensor, the low bits first. */
static const void *unpacked(Arena *a, DType dtype, const uint8_t *packed, int64_t count)
{
    int bits = dtype_info[dtype].bits;
    unsigned mask = (1u << bits) - 1, sign = dtype_info[dtype].class == CLASS_INT ? 1u << (bits - 1) : 0;
    uint8_t *out = constant_room(a, (size_t)count);
    for (int64_t i = 0; i < count; i++) {
        int64_t first = i * bits;
        unsigned both = packed[first / 8];
        if (first % 8 + bits > 8)
            both |= (unsigned)packed[first / 8 + 1] << 8;
        unsigned v = both >> (first % 8) & mask;
        out[i] = (uint8_t)((v ^ sign) - sign);
    }
    return out;
}

static bool resolve_blob(Arena *a, const BlobResolver *blobs, const Value *v, const void **data, Error *err)
{
    const Literal *l = value_literal(v);
    DType dtype = v->type->dtype;
    int64_t count = type_elements(v->type);
    if (!blobs || !blobs->find)
        return error_set(err, "there are no weight files for BLOBFILE constants");
    if (!blobs->find(blobs->context, l->blob.path, l->blob.offset, dtype, count, data, err))
        return false;
    if (dtype_info[dtype].bits < 8) {
        *data = unpacked(a, dtype, *data, count);
        return true;
    }
    if ((uintptr_t)*data % (size_t)(dtype_info[dtype].bits / 8) != 0)
        return error_set(err, "the blob at offset %llu is not aligned to its elements",
                         (unsigned long long)l->blob.offset);
    return true;
}

/* A number as its MIL type holds it. */
static double rounded(DType dtype, double v)
{
    return dtype == DT_FP16 ? (double)half_to_float(half_from_float((float)v)) : v;
}

static bool copy_literal(Arena *a, const Value *v, const void **data, DType *store, Error *err)
{
    const Literal *l = value_literal(v);
    DClass class = dtype_info[v->type->dtype].class;
    *store = class == CLASS_FLOAT ? DT_FP32 : class == CLASS_BOOL ? DT_BOOL : DT_INT32;
    if ((l->kind != LIT_INT && l->kind != LIT_FLOAT) || (int64_t)l->count != type_elements(v->type))
        return error_set(err, "its value does not fit its type");
    Tensor t = tensor_of(v->type, *store, constant_room(a, l->count * (size_t)(dtype_info[*store].bits / 8)));
    for (size_t i = 0; i < l->count; i++) {
        if (l->kind == LIT_INT && class != CLASS_FLOAT)
            tensor_put_int(&t, (int64_t)i, l->ints[i]);
        else
            tensor_put(&t, (int64_t)i,
                       rounded(v->type->dtype, l->kind == LIT_INT ? (double)l->ints[i] : l->floats[i]));
    }
    *data = t.data;
    return true;
}

bool constant_resolve(Arena *a, const BlobResolver *blobs, const Value *v, const void **data, DType *store,
                      Error *err)
{
    switch (value_literal(v)->kind) {
    case LIT_BLOB: *store = constant_store(v->type->dtype); return resolve_blob(a, blobs, v, data, err);
    case LIT_WEIGHT: return error_set(err, "its numbers were not written to a weight file");
    case LIT_INT:
    case LIT_FLOAT: return copy_literal(a, v, data, store, err);
    default: return error_set(err, "constants of this kind are not supported");
    }
}
