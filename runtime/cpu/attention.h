/* The chain of ops that is an attention's scores. Internal to runtime/cpu. */
#ifndef RUNTIME_CPU_ATTENTION_H
#define RUNTIME_CPU_ATTENTION_H

#include "runtime/cpu/lower.h"

enum { SCORES_INNER = 16 };

typedef struct Scores {
    const Value *q, *k, *v, *mask;     /* mask NULL: none; added to the scaled scores */
    bool q_turned, k_turned, v_turned; /* [.., d, S] rather than [.., S, d] */
    double scale;
    bool scaled;
    int64_t heads, kv_heads, queries, keys, d;
    const Op *inner[SCORES_INNER + 4]; /* casts fill SCORES_INNER at most */
    int inners;
} Scores;

/* Whether pv is the product of softmax(scale Q K^T + mask) with V. */
bool cpu_match_scores(Lowering *l, const Op *pv, Scores *s);
/* A match of those ops that needs q, k and v. */
Match *cpu_scores_match(Lowering *l, const Op *root, const Scores *s, bool (*emit)(Lowering *, const Match *),
                        const void *own, size_t size);

#endif
