/* The meaning of every op, plainly: dense row-major tensors in, dense tensors out, one element after the
 * other. The CPU device uses these wherever it has no faster step, and checks its faster steps against them.
 *
 * Elements are read as double or int64 whatever they are stored as, and rounded once when they are stored, so
 * the storage of a tensor (Tensor.store) may differ from its MIL type: fp32 for a value declared fp16, or the
 * other way.
 */
#ifndef RUNTIME_EVAL_EVAL_H
#define RUNTIME_EVAL_EVAL_H

#include "ir/ir.h"
#include "runtime/eval/engine.h"

typedef struct Tensor {
    DType store; /* 8 bits and wider, or DT_STRING */
    int rank;
    int64_t dim[IR_MAX_RANK]; /* lengths >= 0 */
    int64_t count;            /* their product */
    union {
        void *data;
        const void *constant; /* for tensors that are only read */
        const char *string;   /* DT_STRING, of rank 0 */
    };
} Tensor;

/* One op to be evaluated. Operands are in the order of ops.def; results have their shapes and memory already.
 * No result may overlap an operand. */
typedef struct EvalCall {
    const Op *op;
    int operands;
    Tensor *const *operand[OP_MAX_OPERANDS]; /* operand[i][0 .. count[i]) */
    int count[OP_MAX_OPERANDS];              /* 0: not given */
    int results;
    Tensor *const *result;
    Engine *engine; /* whose numerics are modelled; NULL: exact */
} EvalCall;

/* False with err set: an index out of range at run time, or an op that cannot be evaluated. */
typedef bool EvalFn(const EvalCall *c, Error *err);

/* eval_NAME for every row of ops.def. */
#define OP(id, spelling, opset, flags, infer, eval, operands, results) EvalFn eval_##eval;
#include "ir/ops.def"

EvalFn *eval_function(OpCode code);

/* ---- tensors ---- */

/* A static tensor type as a dense tensor stored as `store`. */
Tensor tensor_of(const Type *t, DType store, void *data);

double tensor_get(const Tensor *t, int64_t i);
/* Floats are cut towards zero. */
int64_t tensor_get_int(const Tensor *t, int64_t i);
/* Rounds to nearest even; integers take the value cut towards zero, modulo 2^bits. */
void tensor_put(Tensor *t, int64_t i, double v);
void tensor_put_int(Tensor *t, int64_t i, int64_t v);
/* Elements that are no integers in storage. */
bool tensor_is_float(const Tensor *t);
/* `count` elements one after the other, converted where the storage differs. */
void tensor_move(Tensor *to, int64_t to_first, const Tensor *from, int64_t from_first, int64_t count);
/* Strides in elements. */
void tensor_strides(const Tensor *t, int64_t *stride);

/* ---- for evaluators ---- */

/* NULL: not given. */
Tensor *call_operand(const EvalCall *c, const char *name);
double call_number(const EvalCall *c, const char *name, double otherwise);
int64_t call_int(const EvalCall *c, const char *name, int64_t otherwise);
bool call_bool(const EvalCall *c, const char *name, bool otherwise);
const char *call_string(const EvalCall *c, const char *name, const char *otherwise);
/* An axis operand in 0 .. rank-1. */
MUST_USE bool call_axis(const EvalCall *c, const char *name, int64_t otherwise, int rank, int *axis,
                        Error *err);
/* "NAME: " and the text. */
bool call_error(const EvalCall *c, Error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Walks an index space in row-major order; at[lane] is the element of each operand that the index means. */
enum { CURSOR_LANES = 4 };
typedef struct Cursor {
    int rank, lanes;
    int64_t dim[IR_MAX_RANK], index[IR_MAX_RANK];
    int64_t stride[CURSOR_LANES][IR_MAX_RANK];
    int64_t at[CURSOR_LANES];
    int64_t left; /* indices still to come, this one included */
} Cursor;

void cursor_begin(Cursor *c, int rank, const int64_t *dim);
/* Adds an operand with one stride for each dimension. */
void cursor_lane(Cursor *c, int64_t first, const int64_t *stride);
/* Adds an operand that is broadcast to the index space, its dimensions aligned to the right. */
void cursor_broadcast(Cursor *c, const Tensor *t);
void cursor_next(Cursor *c);

#endif
