/* Inside passes/: what the passes work on.
 *
 *   graph      the whole model: fold .. fuse_mlp change it
 *   segments   after `place`: the model cut into ANE programs and the CPU functions between them, each a
 * function of its own with symbolic S and T, over wires programs   after `specialise`: one function per
 * segment and bucket; `legalise` gives them their physical form plan       the result */
#ifndef PASSES_PIPELINE_H
#define PASSES_PIPELINE_H

#include <uthash.h>

#include "ir/profile.h"
#include "passes/passes.h"

/* A tensor that lives between functions. Types are symbolic. A value of the model with one axis of tokens is
 * carried as [1, C, 1, S], C being all its other axes in order; anything else as it is. */
typedef struct Carrier {
    const char *name;
    const Type *type;
} Carrier;

/* A value of the model that goes from one segment to others. */
typedef struct Wire {
    const Value *value; /* in the graph */
    int tokens;         /* the axis of S (or T); -1: none, or several */
    int64_t channels;   /* elements per token */
    bool half, full;    /* read as fp16 (ANE programs, the KV cache); read as it is (CPU functions) */
    int half_carrier, full_carrier; /* -1: none */
    int64_t first;                  /* its first channel in half_carrier */
    const char *state;              /* the KV cache tensor that takes it in prefill; NULL: none */
} Wire;

/* How large a value of a program can become, and how large it is expected to (passes/range.h). */
typedef struct Ranged {
    const char *name; /* in the physical functions, of all buckets */
    double most, likely;
    double sum, likely_sum; /* of its partial sums; 0: it is no sum */
    bool products, measured, weights_larger;
    UT_hash_handle hh;
} Ranged;

typedef struct Segment {
    Place place;
    const char *kind, *name; /* "attention", "attention_00"; "cpu", "glue_03" */
    const char *begins, *ends;
    Func *func; /* params and outputs are those of `input` and `output`, in order */
    int inputs, outputs;
    int *input, *output; /* wires */
    Ranged *ranged;      /* of a program, after `range`: hash by name */
} Segment;

/* A segment at one bucket. */
typedef struct Instance {
    const Segment *segment;
    int64_t bucket;
    Func *logical;  /* specialised */
    Func *physical; /* after legalise */
    Program *program;
    int inputs, outputs;
    Binding *input, *output; /* ports of the physical function, and carriers */
} Instance;

/* What a value of the graph is called inside its program: by what it is there, never by a name of the model.
 */
typedef struct Role {
    const Value *value;
    const char *name;
    UT_hash_handle hh;
} Role;

/* Counters of one pass, for --stats. */
enum { MOST_COUNTS = 12, MOST_RUNS = 32 };
typedef struct Count {
    const char *name;
    int64_t n;
} Count;

typedef struct PassRun {
    const char *name;
    double ms, verify_ms;
    int counts;
    Count count[MOST_COUNTS];
} PassRun;

typedef struct Pipeline {
    const PipelineOptions *options;
    const Profile *profile;
    Diags *diags;
    Arena arena; /* dies with the pipeline */
    Plan *plan;
    Module *module; /* of graph, segments and specialised functions */
    Func *graph;
    Role *roles;   /* hash by value */
    Value *hidden; /* after place: what the head reads */
    int64_t *bucket;
    int buckets;
    int segments, segments_cap;
    Segment **segment;
    Segment *head;
    int wires, wires_cap;
    Wire *wire;
    int carriers, carriers_cap;
    Carrier *carrier;
    int instances, instances_cap;
    Instance **instance; /* by bucket, in the order of the segments; the head's is the last */
    unsigned stamps;     /* regions that were tried */
    Text left;           /* fusions that were not possible, for --explain */
    Text fusion;         /* what `grow` chose from, for --explain */
    bool grown;          /* norms and residuals are in programs */
    Text ranges;         /* what `range` and `rescale` found and did, for --explain */
    PassRun run[MOST_RUNS];
    int runs;
} Pipeline;

/* Adds to a counter of the pass that runs; `name` is a literal. */
void pipeline_count(Pipeline *p, const char *name, int64_t n);

/* A value gets the first name that is given to it. */
void pipeline_name(Pipeline *p, const Value *v, const char *role);
const char *pipeline_role(const Pipeline *p, const Value *v); /* NULL: none */

/* For --explain: a place where a program might have been, and why there is none. `why` is a literal. */
void pipeline_left(Pipeline *p, const Op *op, const char *why);

/* What the passes of passes.def are: false where diags has an error. */
#define PASS(name, summary) bool pass_##name(Pipeline *p);
#include "passes/passes.def"

/* The token axis of a logical type: that of S or T; -1 where there is none or more than one. */
int type_token_axis(const Type *t);

/* explain.c */
void explain(const Pipeline *p, Text *out);
void explain_stats(const Pipeline *p, Text *out);

#endif
