/* Inside frontend/mlpackage. */
#ifndef FRONTEND_MLPACKAGE_DECODE_H
#define FRONTEND_MLPACKAGE_DECODE_H

#include "base/coreml.pb-c.h"
#include "ir/ir.h"

typedef struct Decode {
    Arena *arena; /* of the module */
    bool bare;    /* scalars are spelled `int32` */
} Decode;

/* NULL with err set. */
MUST_USE const Type *decode_type(const Decode *d, const Cm__ValueType *t, Error *err);
/* The constant, checked to be one of its type; its type goes to *type. */
MUST_USE const Literal *decode_value(const Decode *d, const Cm__Value *v, const Type **type, Error *err);

#endif
