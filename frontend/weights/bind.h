/* Binds a model's weights to a checkpoint: every weight must be there in the declared shape, and every tensor
 * of the checkpoint must be used, or one of the two is not what the user thinks it is. */
#ifndef FRONTEND_WEIGHTS_BIND_H
#define FRONTEND_WEIGHTS_BIND_H

#include "base/diag.h"
#include "frontend/weights/weights.h"
#include "ir/plan.h"

typedef struct Bound Bound;

/* Checks all LIT_WEIGHT constants of `model` against `w`. Names are resolved as by weights_resolve. A matrix
 * that the model declares as Conv1D [in, out] may be stored as Linear [out, in] and the other way round:
 * non-square matrices tell, and the square ones follow them. Missing, mis-shaped and surplus tensors are
 * reported at the line that declares the weight (surplus ones without a line), with the nearest name. NULL
 * where there were errors. Both must outlive the result. */
MUST_USE Bound *bind_weights(const Func *model, const Weights *w, Diags *diags);
/* The same, but tensors whose names begin with one of these, with or without an exporter's prefix, may be
 * there without being used. */
MUST_USE Bound *bind_weights_but(const Func *model, const Weights *w, const char *const *ignore, int ignored,
                                 Diags *diags);
void bound_free(Bound *b); /* NULL is allowed */

/* The numbers, for the backend; valid until bound_free. */
WeightSource bound_source(const Bound *b);
#endif
