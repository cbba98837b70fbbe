#include "runtime/cpu/const.h"

void *cpu_const_room(CpuKernel *k, size_t bytes)
{
    k->base.constants += bytes;
    return constant_room(&k->arena, bytes);
}

bool cpu_const_resolve(CpuKernel *k, const BlobResolver *blobs, const Value *v, const void **data,
                       DType *store, Error *err)
{
    if (!constant_resolve(&k->arena, blobs, v, data, store, err))
        return false;
    bool copied = value_literal(v)->kind != LIT_BLOB || dtype_info[v->type->dtype].bits < 8;
    if (copied)
        k->base.constants += (size_t)type_elements(v->type) * (size_t)(dtype_info[*store].bits / 8);
    return true;
}
