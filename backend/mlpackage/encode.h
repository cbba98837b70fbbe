/* Inside backend/mlpackage: a Module as the messages of a Core ML model (base/coreml.proto). */
#ifndef BACKEND_MLPACKAGE_ENCODE_H
#define BACKEND_MLPACKAGE_ENCODE_H

#include "base/coreml.pb-c.h"
#include "ir/ir.h"

/* DataType of MIL.proto and ArrayDataType of FeatureTypes.proto; 0 where there is none. */
int encode_dtype(DType d);
int encode_feature_dtype(DType d);

/* NULL with err set: a type or a value that these messages have no form for. */
MUST_USE Cm__ValueType *encode_type(Arena *a, const Type *t, Error *err);
MUST_USE Cm__Value *encode_value(Arena *a, const Type *t, const Literal *l, Error *err);

/* Everything of a module but the attribute FlexibleShapeInformation, which is for the description. */
MUST_USE Cm__Program *encode_program(Arena *a, const Module *m, Error *err);

/* The inputs, outputs and states that users of the model see, and what is said about it. */
typedef struct EncodeAbout {
    const char *summary, *author, *version; /* where the module says nothing itself; NULL: not said */
    const char *const *note;                /* name, value, name, value ... NULL */
} EncodeAbout;
MUST_USE Cm__ModelDescription *encode_description(Arena *a, const Module *m, const EncodeAbout *about,
                                                  Error *err);

/* Lets tensors stand for tensor_buffers, which these messages have no type for: how a buffer lies in memory
 * is no matter of a model. */
void mlpackage_hold_tensors(Module *m);

/* 15 .. 18 of the newest function's opset. */
int encode_opset(const Module *m);

#endif
