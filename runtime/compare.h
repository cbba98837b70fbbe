/* A device that runs every program on two others and keeps how far apart their results are. */
#ifndef RUNTIME_COMPARE_H
#define RUNTIME_COMPARE_H

#include "runtime/device.h"

/* One program's results. An element's difference is held against the largest magnitude of its tensor in the
 * reference, so that values near zero do not count more than they matter. */
typedef struct Difference {
    const char *name; /* the program's, as the caller calls it */
    int runs;
    int64_t elements;
    int64_t wrong;                  /* NaN or infinite in one of the two and not in the other */
    double absolute, relative;      /* the worst of all elements and runs */
    double tested_us, reference_us; /* of the last run */
} Difference;

typedef struct Comparison Comparison;

/* Both must outlive it. What it hands on is the reference's result: an error does not travel from program to
 * program. */
Comparison *comparison_new(Device *tested, Device *reference);
Device *comparison_device(Comparison *c); /* its kernels must be released before comparison_free */
void comparison_free(Comparison *c);      /* NULL is allowed */

/* What was seen so far, one for each kernel that was compiled, in that order; owned by c. Kernels are called
 * like their module: `name` is told by `namer`, or is the function's where that is NULL or gives NULL. */
const Difference *comparison_results(const Comparison *c, int *count);
void comparison_name(Comparison *c, const char *(*namer)(void *context, const Func *f), void *context);

/* Whether no element is further off than `bound`, relatively, and none is wrong. */
bool difference_is_within(const Difference *d, double bound);

#endif
