/* Inside passes/: how large the values of a function can become, from the weights and from what is known of
 * its parameters. range.c is the pass; range_ops.c, range_sums.c and range_norms.c follow the values. */
#ifndef PASSES_RANGE_H
#define PASSES_RANGE_H

#include "base/threads.h"
#include "ir/plan.h"
#include "passes/interval.h"

/* What is known of a value; in Value.mark while a function is looked at. Two things are followed side by
 * side: what can be at all (`all`, `channel`, `sum`), and what is to be expected (`likely...`, magnitudes).
 */
typedef struct Bound {
    Interval all;
    double likely;
    double measured;                  /* by the calibration; 0: it was not */
    double factor;                    /* of safety that is within `likely`: 1 where nothing was measured */
    double *channel, *likely_channel; /* magnitudes along axis 1 of [1, C, ...]; NULL, both: none */
    /* x[c] = gamma[c] * z[c] + beta[c] with |z|_2 <= radius, for the channels of each column: what a norm
     * makes. NULL, both: no such thing. */
    double *gamma, *beta, radius;
    double spread;    /* how large |w . z| / |w|_2 is expected to be */
    bool sums_to_one; /* a softmax over the last axis */
    /* Of a sum: no partial sum in any order is larger. 0: the value is no sum. */
    double sum, likely_sum;
    bool products;       /* the sum is one of products, and goes through the accumulator */
    bool weights_larger; /* of a conv: than what they meet, where both are as expected */
} Bound;

typedef struct Range {
    Arena *arena;                /* of the bounds */
    const WeightSource *weights; /* NULL: weights are not known */
    Pool *pool;                  /* made when there are weights to read, as the next; range_free */
    uint16_t *buffer;            /* rows of weights, for each thread */
    /* The largest magnitude of a value that a calibration saw; 0: none. `measured` may be NULL. */
    double (*measured)(void *context, const char *value);
    void *context;
} Range;

enum {
    RANGE_SIGMAS = 8, /* standard deviations of normed values that are to be expected */
    RANGE_SAFETY = 4  /* times what a calibration saw is to be expected */
};

/* Bounds for every value of f, whose parameters have theirs already (or are not known). They stay in
 * Value.mark until range_clear. */
void range_function(Range *r, const Func *f);
/* Ends the marks of all values, of constants that are written in place too. */
void range_clear(const Func *f);
void range_free(Range *r);

/* ---- range_ops.c ---- */

/* A bound for v: nothing known but the interval and what is expected. */
Bound *bound_new(Range *r, Value *v, Interval all, double likely);
/* That of v; constants get one when they are asked for. */
const Bound *bound_of(Range *r, Value *v);
double bound_most(const Bound *b);
/* The numbers of a constant, in r->arena; NULL: not known. */
double *range_numbers(Range *r, const Value *v);

/* ---- range_sums.c ---- */

void bound_conv(Range *r, Op *op); /* conv, linear */
void bound_matmul(Range *r, Op *op);
void bound_reduction(Range *r, Op *op);

/* ---- range_norms.c ---- */

/* layer_norm; or, where op is the product that ends one, a norm by the mean square written as single ops.
 * False: op is neither. */
bool bound_norm(Range *r, Op *op);
/* What the model's graph knows of a value that is a parameter of a program: `channels` of it for each token.
 * False: nothing. */
bool bound_graph(Range *r, const Value *graph, int64_t channels, Value *param);

#endif
