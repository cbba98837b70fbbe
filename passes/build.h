/* Inside passes/: building ops in front of one that is there. Operands may be NULL, where an earlier step has
 * failed: the result is NULL then too, so that a chain needs one check at its end. */
#ifndef PASSES_BUILD_H
#define PASSES_BUILD_H

#include "ir/ir.h"

typedef struct Build {
    Func *f;
    Op *before; /* what is built stands before this op, and has its span */
    Error *err;
} Build;

/* Infers a new op's type and names its result after `stem`. */
Value *build_finish(Build *b, Op *op, const char *stem);
/* code(x) and code(x, y), of ops whose operands are called so. */
Value *build_unary(Build *b, OpCode code, Value *x, const char *stem);
Value *build_binary(Build *b, OpCode code, Value *x, Value *y, const char *stem);
/* A number written in place. */
Value *build_number(Build *b, double v);

#endif
