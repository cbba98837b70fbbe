/* Types of values: tensors (a scalar is a tensor of rank 0), states, and the containers that occur in
 * attributes. */
#ifndef IR_TYPE_H
#define IR_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

typedef enum DType {
    DT_NONE,
#define DTYPE(id, spelling, bits, class, blob) DT_##id,
#include "ir/dtypes.def"
    DT_COUNT
} DType;

typedef enum DClass { CLASS_NONE, CLASS_BOOL, CLASS_INT, CLASS_UINT, CLASS_FLOAT, CLASS_STRING } DClass;

typedef struct DTypeInfo {
    const char *name;
    int bits;
    DClass class;
    int blob_code;
} DTypeInfo;
extern const DTypeInfo dtype_info[DT_COUNT];

DType dtype_from_name(const char *name, size_t length); /* DT_NONE where there is none */
DType dtype_from_blob_code(uint32_t code);
bool dtype_is_float(DType d);
bool dtype_is_int(DType d); /* signed or unsigned */

/* A dimension: a length >= 0, or one of these. S and T stand in a model until it is specialised:
 * S tokens are computed now, T = S plus those in the KV cache are attended to. They also stand in the integer
 * constants of shapes, so they are numbers that no axis, index or length is. */
enum { DIM_UNKNOWN = -1, DIM_S = -1000000001, DIM_T = -1000000002 };

enum { IR_MAX_RANK = 8 };

typedef enum TypeKind {
    TY_TENSOR,
    TY_STATE,  /* dtype and dims are those of the tensor it holds */
    TY_BUFFER, /* tensor_buffer: a tensor with explicit strides */
    TY_LIST,   /* element[0], list_length (or DIM_UNKNOWN) */
    TY_DICT,   /* element[0] = key, element[1] = value */
    TY_TUPLE   /* element[0..elements) */
} TypeKind;

typedef struct Type Type;
struct Type {
    TypeKind kind;
    DType dtype;
    int rank;
    bool bare; /* rank 0, spelled `int32` and not `tensor<int32, []>`; no part of type equality */
    int64_t dim[IR_MAX_RANK];
    int elements;
    const Type **element;
    int64_t list_length;
    const int64_t *strides, *interleave; /* TY_BUFFER: rank values each */
};

Type type_scalar(DType dtype);
Type type_tensor(DType dtype, int rank, const int64_t *dims);
const Type *type_copy(Arena *a, const Type *t);
bool type_equal(const Type *a, const Type *b);
bool dims_equal(const Type *a, const Type *b);
/* No DIM_* left. */
bool type_is_static(const Type *t);
/* Product of the dimensions; -1 where one is not a length or the product passes 2^62. */
int64_t type_elements(const Type *t);
/* Bytes of the packed payload; -1 where not known. Sub-byte types are packed to the end of the tensor. */
int64_t type_bytes(const Type *t);

/* MIL spelling, "tensor<fp16, [1, 64]>"; symbolic dimensions print as S and T, unknown ones as ?. */
void type_print(Text *out, const Type *t);
/* "[S, 768]" alone, for messages. */
void dims_print(Text *out, int rank, const int64_t *dims);
const char *type_text(Arena *a, const Type *t);
const char *dims_text(Arena *a, const Type *t);

/* Numpy broadcasting; false where the shapes do not fit. S and T are equal only to themselves and to 1. */
bool dims_broadcast(const Type *a, const Type *b, Type *out);

#endif
