/* The numbers behind constants. */
#ifndef RUNTIME_EVAL_CONSTANT_H
#define RUNTIME_EVAL_CONSTANT_H

#include "base/arena.h"
#include "runtime/device.h"
#include "runtime/eval/eval.h"

/* Memory of the arena, aligned to 64 bytes. */
void *constant_room(Arena *a, size_t bytes);

/* How constants that are not widened are stored: as their type, but one to a byte below 8 bits. */
DType constant_store(DType dtype);

/* The elements of an OP_CONST of a static type: in the blob as they are, or copied to the arena. */
MUST_USE bool constant_resolve(Arena *a, const BlobResolver *blobs, const Value *v, const void **data,
                               DType *store, Error *err);

#endif
