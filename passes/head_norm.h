/* Norms of queries and keys, in a form that lies within an attention program. */
#ifndef PASSES_HEAD_NORM_H
#define PASSES_HEAD_NORM_H

#include "ir/ir.h"

/*     layer_norm(heads)    ->   sums, products and a root, as an RMS norm is written
 *     heads * (w + c)      ->   heads * w + heads * c
 *
 * layer_norm is not for the ANE (docs/devices.md: fp16 sums over a whole row); over the few elements of a
 * head its parts are. What is no head, or does not come from a projection, is left alone. False: `err`. */
MUST_USE bool head_norms(Func *f, Error *err);

/* The same for one op, of any rank: a layer_norm over the last axis, and a product (any other op is left
 * alone). What is new stands before `op`, which is gone where it changed. */
MUST_USE bool layer_norm_expand(Func *f, Op *op, Error *err);
MUST_USE bool scale_distribute(Func *f, Op *op, Error *err);

#endif
