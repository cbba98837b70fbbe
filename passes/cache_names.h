/* Names of the KV cache's tensors: prefill fills what decode reads. */
#ifndef PASSES_CACHE_NAMES_H
#define PASSES_CACHE_NAMES_H

#include "base/arena.h"

/* The state of the n-th `cache` op of the model (from 0, in the order of the ops): "cache_000". */
const char *cache_name(Arena *a, int n);

#endif
