/* Inside ir/: what the type rules (infer_*.c) share. */
#ifndef IR_INFER_H
#define IR_INFER_H

#include "ir/ir.h"

/* A rule writes the result types of op and returns how many; -1 with err set where the operands do not fit.
 * Required operands are there, and are tensors (states for the ops of states), before a rule is asked. */
typedef int InferFn(const Op *op, Type *out, int limit, Error *err);

#define OP(id, spelling, opset, flags, infer, eval, operands, results) InferFn infer_##infer;
#include "ir/ops.def"

/* ---- messages ---- */

/* "SPELLING: text"; returns -1. */
int infer_fail(const Op *op, Error *err, const char *fmt, ...) PRINTF_LIKE(3, 4);

typedef struct Shown {
    char text[200];
} Shown;
Shown shown_dims(const Type *t);
Shown shown_type(const Type *t);
Shown shown_dim(int64_t d);

/* ---- operands ---- */

const Type *infer_type(const Op *op, const char *key); /* NULL: not given */

/* Constant operands, `fallback` where not given. False with err set where one is given that is no constant of
 * the right kind: what decides about a type cannot be computed at run time. */
MUST_USE bool infer_int(const Op *op, const char *key, int64_t fallback, int64_t *out, Error *err);
MUST_USE bool infer_bool(const Op *op, const char *key, bool fallback, bool *out, Error *err);
MUST_USE bool infer_text(const Op *op, const char *key, const char *fallback, const char **out, Error *err);
/* One of the names of a list that ends with NULL. */
MUST_USE bool infer_named(const Op *op, const char *key, const char *fallback, const char *const *names,
                          Error *err);
/* The sampling modes of resizing. */
extern const char *const infer_samplings[];
/* An axis in 0 .. rank-1; negative ones count from the end. */
MUST_USE bool infer_axis(const Op *op, const char *key, int64_t fallback, int rank, int *axis, Error *err);
/* A set of different axes of a tensor of the rank; all of them where not given. */
MUST_USE bool infer_axes(const Op *op, const char *key, int rank, bool set[IR_MAX_RANK], Error *err);

/* A list of integers that may be computed at run time. */
typedef enum Known { KNOWN_WRONG = -1, KNOWN_NOT, KNOWN } Known;
/* Exactly `count` integers into out: KNOWN. Not a constant, or not given: KNOWN_NOT. Another number of them,
 * or a type that is not a row of integers: KNOWN_WRONG with err set. */
Known infer_ints(const Op *op, const char *key, int count, int64_t *out, Error *err);
/* As infer_ints where only a constant will do and what is not given is `fallback`. */
MUST_USE bool infer_const_ints(const Op *op, const char *key, int count, int64_t fallback, int64_t *out,
                               Error *err);
/* The number of elements of a row operand; -1 with err set where it is no row of at most IR_MAX_RANK. */
int infer_row(const Op *op, const char *key, Error *err);

/* All of the operands' element types are x's; `keys` ends with NULL, those that are not given are skipped. */
MUST_USE bool infer_same_dtype(const Op *op, const char *const *keys, Error *err);

/* ---- dimensions ---- */

/* Whether two lengths may be the same: equal, or one unknown. */
bool dim_fits(int64_t a, int64_t b);
/* The better known of two that fit. */
int64_t dim_known(int64_t a, int64_t b);
bool dims_fit(const Type *a, const Type *b);

#endif
