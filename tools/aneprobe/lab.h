/* Where probes work: the engine, the CPU device as the reference, and one program at a time on both. */
#ifndef TOOLS_ANEPROBE_LAB_H
#define TOOLS_ANEPROBE_LAB_H

#include "base/arena.h"
#include "ir/profile.h"
#include "runtime/ane/program.h"
#include "runtime/device.h"
#include "tools/shared/draft.h"

typedef struct Lab {
    AneEngine engine;
    Device *cpu;
    const Profile *base, *safe; /* of the chip, or safe; safe */
    Arena arena;
    int repeats; /* evaluations of a measurement */
    int salt;    /* for Draft.names, where a program must be one that the system has not compiled before */
    char chip[64], build[64];
} Lab;

/* framework: as apple_open takes it. Fails where there is no engine. */
MUST_USE bool lab_open(Lab *lab, const char *framework, int repeats, Error *err);
void lab_close(Lab *lab);
/* The built-in profile of a chip by the name of its engine. */
const char *lab_base(const char *chip);

/* A program that was built, with memory for its inputs and outputs. */
typedef struct Bench {
    Lab *lab;
    Text built, mil, weights; /* what was built, and the same as the engine gets it */
    Source source;
    Module *module;
    const Func *f;
    AneFile file;
    AneProgram *program;
    int inputs, outputs;
    uint16_t **in, **out, **expected; /* dense fp16 */
    size_t *in_count, *out_count;     /* elements */
    size_t surface_unit;              /* AneSource.surface_unit */
} Bench;

/* The measured times of an evaluation, in microseconds. */
typedef struct Timing {
    double median, least, most;
} Timing;

/* What an evaluation of a program takes, the median; takes what was built, and frees it. */
MUST_USE bool lab_time(Lab *lab, Draft *b, double *us, Error *err);

/* What an evaluation costs that computes next to nothing, to be taken off others. */
MUST_USE bool lab_dispatch(Lab *lab, double *us, Error *err);

/* Takes what was built (and frees it), reads it back, makes inputs of numbers within +-1. Fails only where
 * the program is wrong. */
MUST_USE bool bench_prepare(Bench *x, Lab *lab, Draft *b, Error *err);
/* The program's n-th function from here on, with inputs of its own; the first is that of bench_prepare. */
void bench_choose(Bench *x, int n);
/* Compiles and loads it on the engine: what it refuses is an error. */
MUST_USE bool bench_load(Bench *x, Error *err);
MUST_USE bool bench_run(Bench *x, Error *err);
/* The CPU device's results, into `expected`. */
MUST_USE bool bench_expect(Bench *x, Error *err);
/* The largest difference between `out` and `expected`, as a part of the largest expected magnitude; infinite
 * where one is no number and the other is. */
double bench_difference(const Bench *x);
/* Evaluations alone, without the copies; how: NULL for the usual. */
MUST_USE bool bench_time(Bench *x, AneEvaluation *how, Timing *out, Error *err);
void bench_close(Bench *x);

/* bench_prepare and bench_load. Closed where it fails. */
MUST_USE bool bench_open(Bench *x, Lab *lab, Draft *b, Error *err);

#endif
