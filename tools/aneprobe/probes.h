/* The functions behind probes.def. */
#ifndef TOOLS_ANEPROBE_PROBES_H
#define TOOLS_ANEPROBE_PROBES_H

#include "tools/aneprobe/probe.h"

/* Results may differ so much from the CPU's, as a part of the largest magnitude: the worst published error of
 * the engine's tables is 1.5e-2 (docs/numerics.md). */
#define TOLERANCE 2e-2

#define PROBE(name, function, keys, question, method) bool function(Lab *lab, Result *r, Error *err);
#include "tools/aneprobe/probes.def"
#undef PROBE

/* What the engine made of a program. */
typedef enum Outcome { OUTCOME_RIGHT, OUTCOME_WRONG, OUTCOME_REFUSED } Outcome;

/* Builds no more: compiles, runs and compares with the CPU. `why` says what was refused, or how far the
 * result is off. False only where the probe's program is wrong. */
MUST_USE bool try_program(Lab *lab, Draft *b, size_t surface_unit, Outcome *out, Error *why, Error *err);

/* The same with inputs from 0.5 to 1.5. */
MUST_USE bool try_inputs(Lab *lab, Draft *b, size_t surface_unit, bool positive, Outcome *out, Error *why,
                         Error *err);

/* int8 weights [outputs, inputs, 1, 1] with one scale for each output. */
Node build_int8_weight(Draft *b, int64_t outputs, int64_t inputs);

/* op.NAME = what the outcome says, given what the base profile does with it. */
void result_op(const Lab *lab, Result *r, const char *op, Outcome outcome, const char *note);

#endif
