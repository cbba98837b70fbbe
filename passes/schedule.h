/* The order in which the graph's ops run when each group runs at once. */
#ifndef PASSES_SCHEDULE_H
#define PASSES_SCHEDULE_H

#include "passes/pipeline.h"

/* Ops that run together: a group, or a stretch of ops that are in none, as long as can be. */
typedef struct Run {
    int group; /* 0: none */
    int ops, cap;
    Op **op;
} Run;

typedef struct Schedule {
    int runs, cap;
    Run *run;
} Schedule;

/* Groups that wait for each other in a circle are dissolved until there are none. Values must have their
 * Info. */
void schedule_make(Pipeline *p, Schedule *out, Arena *a);

#endif
