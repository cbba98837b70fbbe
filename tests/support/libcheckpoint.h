/* Small GPT-2 style checkpoints for tests: config.json, model.safetensors and, from 260 tokens up, vocab.json
 * and merges.txt of a byte-level tokenizer. The same spec gives the same bytes. Knows nothing of the
 * compiler's readers. */
#ifndef TESTS_SUPPORT_LIBCHECKPOINT_H
#define TESTS_SUPPORT_LIBCHECKPOINT_H

#include <stdint.h>

#include "base/error.h"

typedef struct CheckpointSpec {
    int layers, heads, dim, inner, context, vocab;
    const char *dtype;  /* "f32", "f16" or "bf16" */
    const char *prefix; /* in front of every name but lm_head.weight */
    bool linear;        /* projections are [out, in], as nanoGPT's; else Conv1D's [in, out] */
    bool separate_head; /* lm_head.weight of its own values, and tie_word_embeddings false */
    bool buffers;       /* the causal masks that old exports hold */
    bool unaligned;     /* data at an odd address */
    uint64_t seed;
    const char *broken; /* one of checkpoint_faults, or NULL */
    const char *loud;   /* weights with this in their names are `gain` times as large; NULL: none */
    double gain;
} CheckpointSpec;

typedef struct CheckpointFault {
    const char *name, *what;
} CheckpointFault;
/* Ends with a row whose name is NULL. */
extern const CheckpointFault checkpoint_faults[];

/* 2 layers, 2 heads, dim 32, inner 128, context 64, vocab 300, f32, Conv1D, tied. */
CheckpointSpec checkpoint_spec(void);
/* Writes into `dir`, which is made where it is absent. */
MUST_USE bool checkpoint_write(const CheckpointSpec *spec, const char *dir, Error *err);

#endif
