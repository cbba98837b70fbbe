/* --trace: a line for every step, and at the end the kinds of steps beside the machine's limits. */
#ifndef TOOLS_ANERUN_TRACE_H
#define TOOLS_ANERUN_TRACE_H

#include "runtime/device.h"
#include "runtime/kernels/limits.h"

/* All steps of one kind. */
typedef struct TraceKind {
    char name[48];
    long count;
    double seconds, bytes, flops;
} TraceKind;

typedef struct Tracing {
    Trace trace;
    Limits limits; /* 0 where they could not be measured */
    int threads, kinds;
    TraceKind kind[64];
} Tracing;

/* Measures the limits with `threads` threads (0: one a core); the trace to give to a session, which must not
 * outlive t. */
const Trace *tracing_begin(Tracing *t, int threads);

/* Prints the table on standard error. */
void tracing_end(Tracing *t);

#endif
