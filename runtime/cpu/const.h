/* The numbers behind constants. Internal to runtime/cpu. */
#ifndef RUNTIME_CPU_CONST_H
#define RUNTIME_CPU_CONST_H

#include "runtime/cpu/plan.h"
#include "runtime/eval/constant.h"

enum { CONST_WIDEN_MOST = 1 << 16 }; /* elements; larger constants are used as they lie in the file */

/* Memory that lives as long as the kernel, aligned to 64 bytes, counted in Kernel.constants. */
void *cpu_const_room(CpuKernel *k, size_t bytes);

/* The elements of an OP_CONST of a checked type: in the blob as they are, or copied from the text. */
MUST_USE bool cpu_const_resolve(CpuKernel *k, const BlobResolver *blobs, const Value *v, const void **data,
                                DType *store, Error *err);

#endif
