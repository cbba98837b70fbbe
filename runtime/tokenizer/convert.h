/* Other programs' tokenizers to the one tokenizer.json (docs/tokenizer.md). The same input gives the same
 * bytes. What cannot be done exactly is refused by name. `out` is appended to, and only on success;
 * tokenizer_open takes what is written. GPT-2's two files: tokenizer_json_from_bpe. */
#ifndef RUNTIME_TOKENIZER_CONVERT_H
#define RUNTIME_TOKENIZER_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* A SentencePiece tokenizer.model of `size` bytes: BPE and unigram models without normalization (the rule
 * "identity"). Texts begin with its bos token where it has one, as Llama's do. */
MUST_USE bool tokenizer_json_from_spm(const void *model, size_t size, Text *out, Error *err);

/* llama2.c's tokenizer.bin: a uint32 (the longest piece), then for each of the model's `count` ids a float
 * score, an int32 length and the bytes; little-endian. Ids 0, 1, 2 are unknown, begin and end, 3..258 the
 * bytes. A text is encoded as by run.c's encode with bos, of which the begin token is left to the caller. */
MUST_USE bool tokenizer_json_from_llama2c(const void *data, size_t size, size_t count, Text *out, Error *err);

typedef struct TokenizerString {
    const char *data; /* not NUL-terminated */
    size_t size;
} TokenizerString;

/* A GGUF file's metadata tokenizer.ggml.*; what the file lacks is NULL, 0 or as said here. */
typedef struct TokenizerArrays {
    const char *model; /* "gpt2" (byte-level BPE) or "llama" (SentencePiece BPE) */
    const char *pre;   /* gpt2: the split pattern's name; NULL: GPT-2's */
    size_t count;      /* of tokens, scores and types */
    const TokenizerString *tokens;
    const float *scores;           /* llama; NULL: all are 0 */
    const int32_t *types;          /* token_type 1..6; NULL: all are normal */
    const TokenizerString *merges; /* gpt2: "left right" */
    size_t merge_count;
    int32_t begin;       /* bos_token_id, or -1 */
    int32_t unknown;     /* llama: unknown_token_id, or -1; counts where no type says it */
    int add_begin;       /* add_bos_token: 0, 1, or -1 where it does not say */
    int dummy_prefix;    /* add_space_prefix, the same */
    int collapse_spaces; /* remove_extra_whitespaces, the same */
} TokenizerArrays;

MUST_USE bool tokenizer_json_from_arrays(const TokenizerArrays *arrays, Text *out, Error *err);

#endif
