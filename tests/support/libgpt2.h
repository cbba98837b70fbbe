/* GPT-2's forward pass in double precision, straight from a safetensors file: the reference that compiled
 * models are held against. Written for clarity from the definition of the model (pre-LN, tanh GELU, causal
 * attention with scores divided by sqrt(head size), tied head unless there is lm_head.weight); shares no code
 * with what it judges. */
#ifndef TESTS_SUPPORT_LIBGPT2_H
#define TESTS_SUPPORT_LIBGPT2_H

#include "base/error.h"

typedef struct Gpt2 Gpt2;

/* `path` is a folder with model.safetensors and config.json, or a safetensors file. heads > 0 overrides
 * n_head of the config, and is needed where there is none. Conv1D or Linear layout is told by the shape of
 * c_attn; biases may be absent. */
MUST_USE Gpt2 *gpt2_open(const char *path, int heads, Error *err);
void gpt2_close(Gpt2 *m);
int gpt2_vocab(const Gpt2 *m);
int gpt2_context(const Gpt2 *m);
/* count rows of vocab logits into out, for ids[0..count). */
MUST_USE bool gpt2_logits(const Gpt2 *m, const int *ids, int count, double *out, Error *err);

#endif
