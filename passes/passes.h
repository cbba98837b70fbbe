/* From the graph of a model to the plan of a package: passes.def lists the passes, pipeline.c orders them.
 *
 *     Plan *plan = passes_run(model, &options, diags);   // NULL: diags has said why
 *     ... backend/package.h writes it ...
 *     plan_free(plan);
 */
#ifndef PASSES_PASSES_H
#define PASSES_PASSES_H

#include <stdio.h>

#include "ir/plan.h"

/* The largest magnitudes that a run of the model's package had, compiled without rescaling. */
typedef struct CalibratedValue {
    const char *program, *value; /* "attention_00" (without the bucket), "scores" */
    double most;
} CalibratedValue;

typedef struct Calibration {
    int count;
    const CalibratedValue *value;
} Calibration;

/* PipelineOptions.fuse: what becomes one program. Above 0: so many blocks (passes/grow.c). */
enum { FUSE_AUTO = 0, FUSE_PAIR = -1 };

typedef struct PipelineOptions {
    const char *profile;    /* a built-in name or a file (ir/profile.h); NULL: "safe" */
    const int64_t *buckets; /* sequence lengths of prefill that the model asks for, in any order */
    int bucket_count;       /* 0: 32, 64, 128, 256, 512, 1024 */
    ModelInfo model;
    const char *dump_stages; /* names of passes with commas between, "input", or "all"; NULL: none */
    FILE *dump;              /* where they are printed */
    Text *stats;             /* what each pass did and how long it took; NULL: not wanted */
    Text *explain;           /* every program, and why it begins and ends where it does; NULL: not wanted */
    /* The numbers of the weights, for the analysis of ranges, which reads those of the programs once; NULL:
     * ranges are not looked at, and nothing is rescaled. */
    const WeightSource *weights;
    int fuse;                       /* FUSE_AUTO: what is predicted to take least */
    bool no_rescale;                /* only look at ranges, and that for `explain` */
    const Calibration *calibration; /* NULL: none */
    /* One program and nothing else: it takes 1 .. context tokens at consecutive positions, keeps the KV cache
     * in states, and gives the logits of the last token. What Core ML's public API can run. */
    bool stateful;
    bool decode_int8; /* the decode program reads weights of 8 bits */
} PipelineOptions;

/* The plan of `model` (frontend/anel/anel.h describes such graphs), which is left as it is. Buckets are those
 * asked for that are at most the context, rounded up to the profile's multiple; where they come near the
 * context without reaching it, one more holds all of it. Spans point into the model's sources, which must
 * outlive the plan. */
MUST_USE Plan *passes_run(const Func *model, const PipelineOptions *options, Diags *diags);
void plan_free(Plan *plan); /* NULL is allowed */

/* The stages in the order in which they run, one a line: name and summary. */
void passes_list(Text *out);

#endif
