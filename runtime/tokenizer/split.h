/* The split patterns of tokenizers: where a text may be cut into words before byte pair encoding. Patterns
 * are recognised by their text; a table in split.c says what each does. */
#ifndef RUNTIME_TOKENIZER_SPLIT_H
#define RUNTIME_TOKENIZER_SPLIT_H

#include <stddef.h>

typedef struct SplitPattern SplitPattern;

/* GPT-2's pattern, which the ByteLevel pre-tokenizer uses when the file gives none. */
extern const SplitPattern *const split_gpt2;
extern const SplitPattern *const split_llama3; /* the same as cl100k */
extern const SplitPattern *const split_qwen2;

/* The pattern written as this regular expression in a tokenizer.json, or NULL where it is not known. */
const SplitPattern *split_pattern_find(const char *regex);

const char *split_pattern_regex(const SplitPattern *pattern);

/* The length (above 0) of the first word of a text of `size` > 0 bytes. */
size_t split_next(const SplitPattern *pattern, const char *text, size_t size);

/* The length of the white space at the start. */
size_t split_space(const char *text, size_t size);

/* The length of the first number character (\p{N}); 0 where the text starts with something else. */
size_t split_number(const char *text, size_t size);

#endif
