/* The Neural Engine's programs compared with the CPU's, for the commands of anerun. */
#ifndef TOOLS_ANERUN_COMPARE_H
#define TOOLS_ANERUN_COMPARE_H

#include "runtime/compare.h"
#include "runtime/session.h"

/* The worst difference, relative to a tensor's largest element, that fp16 sums in another order explain. */
#define ENGINE_BOUND 2e-2

/* Runs the prefill of ids[0..count) in the smallest bucket that fits, each program of the engine on both
 * devices, and appends a table and a verdict. *within: whether no program is further off than the bound. */
MUST_USE bool engine_compare(Package *p, Device *tested, Device *cpu, const int32_t *ids, int count,
                             double bound, Text *out, bool *within, Error *err);

/* The table and the verdict alone. */
bool engine_table(const Comparison *c, const char *tested, double bound, Text *out);

#endif
