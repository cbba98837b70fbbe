/* Ops of the graph as a function of their own. */
#ifndef PASSES_OUTLINE_H
#define PASSES_OUTLINE_H

#include "passes/pipeline.h"

/* A function `name` of copies of the ops, in the order given, which must be one in which each stands behind
 * what it uses. Constants are copied along. Values get the names of their roles, or of their ops. The graph's
 * values must have their Info (users.h). */
Func *outline(Pipeline *p, const char *name, Op *const *ops, int count, Value *const *in, int ins,
              Value *const *out, int outs);

#endif
