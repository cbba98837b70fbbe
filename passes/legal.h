/* Inside legalise: every value of a specialised function (logical axes, fp32) gets one or more forms: tensors
 * of the physical function that hold it, with their axes in some order. Ops that only rename axes cost
 * nothing; others ask for their operands in the order they need. */
#ifndef PASSES_LEGAL_H
#define PASSES_LEGAL_H

#include "passes/names.h"
#include "passes/pipeline.h"

/* Physical axis i holds logical axis axis[i]; -1: of length 1, no logical axis. Logical axes of length 1 may
 * be missing. */
typedef struct Layout {
    int rank;
    int axis[IR_MAX_RANK];
} Layout;

typedef struct Form Form;
struct Form {
    Layout layout;
    Value *value; /* in the physical function */
    Form *next;
};

typedef struct Shared Shared;

typedef struct Legal {
    Pipeline *p;
    Instance *instance;
    bool ane;
    DType real; /* of floats inside: fp16 on the ANE, fp32 on the CPU */
    Func *to;
    Arena *arena; /* scratch */
    Names names;
    Shared *shared; /* constants that were made before */
    Error err;
} Legal;

/* ---- legal_forms.c: layouts and conversions ---- */

/* Axes in their order: on the ANE padded in front to four, on the CPU as they are. */
Layout layout_plain(const Legal *l, int rank);
/* All other axes in order, then `last`; four at least. */
Layout layout_last(int rank, int last);
/* [S, D] as [1, D, 1, S]; other ranks plain. */
Layout layout_home(const Legal *l, int rank);
/* Where a logical axis lies; -1: nowhere. */
int layout_find(const Layout *layout, int axis);
/* The lengths of `logical` in this layout. */
Type layout_type(const Layout *layout, const Type *logical);

/* The form in which the value was made; NULL for constants. */
const Form *form_of(const Value *v);
void form_add(Legal *l, Value *v, const Layout *layout, Value *physical);
/* The value in this layout: an existing form, or a new one made by moves; constants are made in it. NULL:
 * l->err. */
Value *form_want(Legal *l, Value *v, const Layout *layout);
/* Reshapes x to t's lengths; where x is a reshape itself, from what that took. */
Value *legal_reshape(Legal *l, Value *x, const Type *t, const char *stem);

/* ---- legal_const.c ---- */

/* A constant of the model in a layout: numbers and tables of the inner type, weights as fp16 (on the CPU cast
 * to fp32 afterwards, unless `stored`). */
Value *legal_constant(Legal *l, const Value *v, const Layout *layout, const char *stem, bool stored);
/* A weight of the given lengths, in fp16. */
Value *legal_weight(Legal *l, const WeightRef *w, const Type *t, const char *stem);
/* Attributes: named constants on the ANE, equal ones shared; in place on the CPU. */
Value *legal_ints(Legal *l, const char *stem, const int64_t *values, int count);
Value *legal_int(Legal *l, const char *stem, int64_t value);
Value *legal_bool(Legal *l, const char *stem, bool value);
Value *legal_string(Legal *l, const char *stem, const char *value);
/* op's attribute `key` as it is; NULL where it is not given. */
Value *legal_attribute(Legal *l, const Op *op, const char *key);
void legal_free_shared(Legal *l);

/* ---- legalise.c ---- */

Op *legal_op(Legal *l, OpCode code, Span at);
/* Gives op its result, named after `stem`; NULL: l->err. */
Value *legal_finish(Legal *l, Op *op, const char *stem);
/* The stem for what makes v: its name without a number. */
const char *legal_stem(Legal *l, const Value *v);
Value *legal_cast(Legal *l, Value *x, DType to, const char *stem);

/* ---- legal_ops.c ---- */

/* Writes op into the physical function. False: l->err. */
MUST_USE bool legal_emit(Legal *l, const Op *op);

#endif
