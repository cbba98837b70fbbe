/* The sampler: picks the next token from a row of logits. The same options, logits and seed pick the same
 * tokens on every machine: the random numbers are PCG32, and the exponential is computed here with IEEE
 * additions and multiplications only, not by the system's libm. */
#ifndef RUNTIME_SAMPLER_H
#define RUNTIME_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* In the order in which they act, which is that of Hugging Face's generate():
 *   repeat_penalty  each token among the last repeat_last accepted ones, once: a positive logit is divided by
 *                   it, a negative one multiplied
 *   greedy          the highest logit, the lowest id among equals; the rest is not looked at
 *   temperature     logits are divided by it; 0 means greedy
 *   top_k           the k highest logits stay (the lowest ids among equals); 0: off
 *   top_p           the likeliest tokens stay until their probabilities reach top_p (one at least); 1: off
 *   min_p           tokens below min_p times the highest probability go; 0: off
 * What stays is drawn by its probabilities. */
typedef struct SamplerOptions {
    float temperature;    /* >= 0 */
    int top_k;            /* >= 0 */
    float top_p, min_p;   /* 0..1 */
    float repeat_penalty; /* > 0; 1: off */
    int repeat_last;      /* tokens looked back at; 0: none, -1: all */
    uint64_t seed;
    bool greedy;
} SamplerOptions;

/* Plain sampling: temperature 1, everything else off (repeat_last 64, seed 0). */
SamplerOptions sampler_defaults(void);

typedef struct Sampler Sampler;

/* For rows of `vocab` logits. Fails on options out of range, naming them. All memory is taken here. */
MUST_USE Sampler *sampler_new(const SamplerOptions *options, int vocab, Error *err);
void sampler_free(Sampler *s); /* NULL is allowed */

/* The picked id, or -1 and an error where the logits allow no choice: a NaN, +infinity, or nothing but
 * -infinity (-infinity alone is a token that may not come). The logits are not changed, the id is not
 * accepted. */
int sampler_pick(Sampler *s, const float *logits, Error *err);
/* Puts a token (of the prompt, or a picked one) into the history of the repeat penalty; ids out of range are
 * passed over. */
void sampler_accept(Sampler *s, int id);
/* Forgets the history and starts the random numbers again from `seed`. */
void sampler_reset(Sampler *s, uint64_t seed);

/* PCG32 (O'Neill 2014, pcg-random.org: pcg32_random_r): 64 bits of state, 2^63 streams. */
typedef struct Pcg32 {
    uint64_t state, increment;
} Pcg32;
void pcg32_seed(Pcg32 *r, uint64_t seed, uint64_t stream);
uint32_t pcg32_next(Pcg32 *r);

#endif
