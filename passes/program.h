/* Inside passes/: which MIL program a function belongs to. */
#ifndef PASSES_PROGRAM_H
#define PASSES_PROGRAM_H

#include "passes/pipeline.h"

/* The program of p->instance[n], those before it having theirs with their functions in them: the CPU
 * functions of a bucket are one; on the ANE a segment is one, and where the profile's limits let them all
 * buckets of a segment are functions of one, which is compiled once and holds its weights once. */
Program *program_for(Pipeline *p, int n);

/* What an instance's function is called while programs grow. */
const char *program_function(const Pipeline *p, const Instance *i);

/* Names programs, and what is alone in one, after what became of them. */
void programs_settle(Pipeline *p);

#endif
