/* The Neural Engine as programs open it: with a package's limits, and with this program as its own worker
 * (runtime/remote/), another process of the same executable that is started when the first may compile no
 * more. */
#ifndef TOOLS_SHARED_ENGINE_H
#define TOOLS_SHARED_ENGINE_H

#include "ir/plan.h"
#include "runtime/device.h"

typedef struct EngineOptions {
    const char *framework; /* as ane_device_open takes it */
    const Plan *plan;      /* whose limits count; NULL: the safe ones */
    double seconds;        /* of a call */
    bool remember;         /* programs are noted in the user's index */
} EngineOptions;

MUST_USE Device *engine_open(const EngineOptions *options, Error *err);

/* Whether the command line is a worker's; to be asked first in main. */
bool worker_is_asked(int argc, char **argv);
/* Serves standard input; returns the exit status. */
int worker_main(void);

#endif
