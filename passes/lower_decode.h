#ifndef PASSES_LOWER_DECODE_H
#define PASSES_LOWER_DECODE_H

#include "ir/plan.h"

/* Appends the program "decode" and the states of the KV cache to the plan. `model` is left as it is. `tokens`
 * is 1, or DIM_UNKNOWN for a program that takes 1 .. context tokens at consecutive positions. With `int8` its
 * projections read weights of 8 bits (passes/quantise.h).
 * False: the graph cannot be decoded token by token; err says why. */
MUST_USE bool lower_decode(const Func *model, int64_t context, int64_t tokens, bool int8, Plan *plan,
                           Error *err);

#endif
