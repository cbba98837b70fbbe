/* Which files of a repository a checkpoint needs. */
#ifndef FRONTEND_HUB_CHOOSE_H
#define FRONTEND_HUB_CHOOSE_H

#include "base/error.h"

/* Marks in wanted[0..count) the config, the tokenizer's files, the licence, and one form of the weights, the
 * first there is of: model.safetensors, its shards, pytorch_model.bin, its shards, the one GGUF file. `file`
 * ("" for none) names the weights instead. *alone is set to the index of weights that are complete in
 * themselves (a file that was named, or a GGUF file), else -1. */
MUST_USE bool hub_choose(const char *const *name, int count, const char *file, bool *wanted, int *alone,
                         Error *err);

#endif
