#include "runtime/cpu/const.h"

#include "base/half.h"

void *cpu_const_room(CpuKernel *k, size_t bytes)
{
    uintptr_t at = (uintptr_t)arena_alloc(&k->arena, bytes + 64);
    k->base.constants += bytes;
    return (void *)((at + 63) & ~(uintptr_t)63);
}

static bool resolve_blob(const BlobResolver *blobs, const Value *v, const void **data, Error *err)
{
    const Literal *l = value_literal(v);
    DType dtype = v->type->dtype;
    if (!blobs || !blobs->find)
        return error_set(err, "there are no weight files for BLOBFILE constants");
    if (!blobs->find(blobs->context, l->blob.path, l->blob.offset, dtype, type_elements(v->type), data, err))
        return false;
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

static bool copy_literal(CpuKernel *k, const Value *v, const void **data, DType *store, Error *err)
{
    const Literal *l = value_literal(v);
    DClass class = dtype_info[v->type->dtype].class;
    *store = class == CLASS_FLOAT ? DT_FP32 : class == CLASS_BOOL ? DT_BOOL : DT_INT32;
    if ((l->kind != LIT_INT && l->kind != LIT_FLOAT) || (int64_t)l->count != type_elements(v->type))
        return error_set(err, "its value does not fit its type");
    Tensor t =
        tensor_of(v->type, *store, cpu_const_room(k, l->count * (size_t)(dtype_info[*store].bits / 8)));
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

bool cpu_const_resolve(CpuKernel *k, const BlobResolver *blobs, const Value *v, const void **data,
                       DType *store, Error *err)
{
    switch (value_literal(v)->kind) {
    case LIT_BLOB: *store = v->type->dtype; return resolve_blob(blobs, v, data, err);
    case LIT_WEIGHT: return error_set(err, "its numbers were not written to a weight file");
    case LIT_INT:
    case LIT_FLOAT: return copy_literal(k, v, data, store, err);
    default: return error_set(err, "constants of this kind are not supported");
    }
}
