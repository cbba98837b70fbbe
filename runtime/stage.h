/* An entry point of a package made ready to run: its functions compiled, its buffers placed, every port bound
 * once. */
#ifndef RUNTIME_STAGE_H
#define RUNTIME_STAGE_H

#include "runtime/device.h"
#include "runtime/package.h"

typedef struct Stage Stage;

/* Programs that are meant for the Neural Engine are compiled for `ane`, all others, and where it is NULL all,
 * for `cpu`. `state[i]` is the memory of the plan's i-th state. All must outlive the stage. */
MUST_USE Stage *stage_new(Package *package, Device *cpu, Device *ane, const Entry *entry, void *const *state,
                          Error *err);
void stage_free(Stage *s); /* NULL is allowed */

/* The memory of one of the entry's buffers (an input to fill, an output to read); NULL where there is none.
 * Inputs and outputs of the entry have memory of their own; what lies between steps shares it and holds
 * anything after a run. */
void *stage_buffer(Stage *s, const char *name);
const Type *stage_type(const Stage *s, const char *name);

/* Runs all steps. `positions`: how many rows each store copies into the KV cache. */
MUST_USE bool stage_run(Stage *s, int positions, const Trace *trace, Error *err);

#endif
