/* Calibration: a package is run on a text, and the largest magnitude of every value that the run shows is
 * kept, for passes/range.c. As a file it is JSON:
 *
 *     {"version": 1, "model": "gpt2", "tokens": 12, "programs": {"attention_00": {"qkv": 4.14}, ...}}
 */
#ifndef TOOLS_ANEC_CALIBRATE_H
#define TOOLS_ANEC_CALIBRATE_H

#include "passes/passes.h"

typedef struct Calibrated {
    Arena arena;
    char *model;
    int64_t tokens;
    int count, cap;
    CalibratedValue *value;
    int rounds, settled_cap;
    int *settled; /* in which round each value was seen without a NaN; 0: not yet */
    bool unsettled;
} Calibrated;

/* Runs PACKAGE on TEXT, or for "@FILE" on the text in it, in pieces of the longest prompt that it takes.
 *
 * Programs hand on fp16, and what comes behind an infinity is not to be seen. While c->unsettled, another
 * round is due, with a package that was compiled with what the rounds before have seen. */
MUST_USE bool calibrate_package(const char *package, const char *text, Calibrated *c, Error *err);

/* False where the file is no calibration, or one of another model than NAME. */
MUST_USE bool calibrate_read(const char *path, const char *model, Calibrated *c, Error *err);
MUST_USE bool calibrate_write(const Calibrated *c, const char *path, Error *err);
void calibrate_free(Calibrated *c);

#endif
