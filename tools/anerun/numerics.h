/* --numerics ane: a model of the Neural Engine's arithmetic, and what it says in the end. */
#ifndef TOOLS_ANERUN_NUMERICS_H
#define TOOLS_ANERUN_NUMERICS_H

#include "ir/plan.h"
#include "runtime/eval/engine.h"

/* A built-in profile's name, or a file. NULL: there is no such profile, or none of an engine. */
MUST_USE Engine *numerics_open(Arena *a, const char *profile, Error *err);

/* On standard error: a line for each value that passed a limit, and one in the end. Programs are named as the
 * plan has them; without one (NULL), by `name`. Returns how many elements there were. */
int64_t numerics_report(const Engine *e, const Plan *plan, const char *name);

#endif
