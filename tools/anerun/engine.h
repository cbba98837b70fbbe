/* The Neural Engine for the commands of anerun: opened with a package's limits, compared with the CPU. */
#ifndef TOOLS_ANERUN_ENGINE_H
#define TOOLS_ANERUN_ENGINE_H

#include "runtime/compare.h"
#include "runtime/session.h"

typedef struct EngineOptions {
    const char *framework; /* as ane_device_open takes it */
    const Plan *plan;      /* whose limits count; NULL: the safe ones */
    double seconds;        /* of a call */
    bool remember;         /* programs are noted in the user's index */
} EngineOptions;

MUST_USE Device *engine_open(const EngineOptions *options, Error *err);

/* The worst difference, relative to a tensor's largest element, that fp16 sums in another order explain. */
#define ENGINE_BOUND 2e-2

/* Runs the prefill of ids[0..count) in the smallest bucket that fits, each program of the engine on both
 * devices, and appends a table and a verdict. *within: whether no program is further off than the bound. */
MUST_USE bool engine_compare(Package *p, Device *tested, Device *cpu, const int32_t *ids, int count,
                             double bound, Text *out, bool *within, Error *err);

/* The table and the verdict alone. */
bool engine_table(const Comparison *c, const char *tested, double bound, Text *out);

#endif
