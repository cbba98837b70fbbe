/* A model's graph, evaluated one op after the other at S = T: every token at once, the KV cache empty before.
 * Slow and plain: it shows what a graph means before any pass has touched it. */
#ifndef TESTS_SUPPORT_LIBGRAPH_H
#define TESTS_SUPPORT_LIBGRAPH_H

#include "ir/plan.h"

/* count rows of the graph's output, for ids[0..count) at positions 0, 1 ..; weights as fp32. */
MUST_USE bool graph_logits(const Func *model, const WeightSource *weights, const int *ids, int count,
                           double *out, Error *err);

#endif
