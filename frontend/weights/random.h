/* Weights without a checkpoint: for trying shapes and measuring speed. */
#ifndef FRONTEND_WEIGHTS_RANDOM_H
#define FRONTEND_WEIGHTS_RANDOM_H

#include "ir/plan.h"

typedef struct RandomWeights RandomWeights;

/* Numbers that depend on the seed, the tensor's name and the element only: about normal with deviation 0.02,
 * as GPT-2 is initialised, and 1 for the gains of norms. Free with random_weights_free. */
RandomWeights *random_weights_new(const Func *model, uint64_t seed);
void random_weights_free(RandomWeights *r); /* NULL is allowed */
WeightSource random_weights_source(const RandomWeights *r);

#endif
