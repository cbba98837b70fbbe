/* Tokenizers: text to token ids and back. A package holds one tokenizer.json, in Hugging Face's layout or in
 * SentencePiece's terms (docs/tokenizer.md). A checkpoint that has only vocab.json and merges.txt gets one
 * made from them (tokenizer_json_from_bpe); convert.h does it for other programs' files.
 *
 * Texts are bytes, not C strings: NUL is an ordinary byte, and nothing has to be valid UTF-8. A byte that
 * belongs to no valid character counts as a character that is neither letter, number nor white space.
 * For byte-level vocabularies decoding what was encoded gives the same bytes back, whatever they are (unless
 * the file asks for a prefix space or a normalization, which change the text before it is encoded). */
#ifndef RUNTIME_TOKENIZER_TOKENIZER_H
#define RUNTIME_TOKENIZER_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

typedef struct Tokenizer Tokenizer;

/* Reads a tokenizer.json of `size` bytes; the text is not needed afterwards. A Tokenizer is never changed
 * once it is open, so several threads may use it. Fails on what it cannot do exactly, naming it. */
MUST_USE Tokenizer *tokenizer_open(const char *json, size_t size, Error *err);
/* NULL is allowed. */
void tokenizer_close(Tokenizer *t);

/* Appends the ids of `text` to *ids, a malloc'ed array of *count entries that the caller frees (start with
 * NULL and 0; on failure both are as they were). With parse_special the special tokens ("<|endoftext|>")
 * that stand in the text become their ids; without it they are plain text, which is what a user's words
 * must be. Added tokens that are not special are found in both cases. Adds no begin or end token of its
 * own. Takes time in proportion to the text (times a logarithm for one word without end). */
MUST_USE bool tokenizer_encode(const Tokenizer *t, const char *text, size_t size, bool parse_special,
                               int32_t **ids, size_t *count, Error *err);

/* As tokenizer_encode with parse_special, but a special token is found only where all of its bytes have a 0
 * in `plain`, which has one byte for each of text's: what a person said stays plain text in the midst of a
 * template's marks. */
MUST_USE bool tokenizer_encode_marked(const Tokenizer *t, const char *text, const char *plain, size_t size,
                                      int32_t **ids, size_t *count, Error *err);

/* One more than the highest id; ids between may be unused. */
int tokenizer_vocab_size(const Tokenizer *t);
/* The bytes of a token (not NUL-terminated, perhaps part of a character) and their number; NULL and 0 for
 * an id that is out of range or unused. A special token gives its name: leave it out with
 * tokenizer_is_special. Owned by t. */
const char *tokenizer_piece(const Tokenizer *t, int32_t id, size_t *length);
/* Special: a mark such as the end of the text, which stands for no text. */
bool tokenizer_is_special(const Tokenizer *t, int32_t id);
/* The id of the token whose bytes (a special token's name) are exactly `piece`, or -1. */
int32_t tokenizer_find(const Tokenizer *t, const char *piece);

/* The token that this tokenizer's texts begin with, or -1: it is for the caller to put it there. */
int32_t tokenizer_begin(const Tokenizer *t);

/* Appends the bytes of `count` tokens; special tokens and ids that do not exist add nothing. */
void tokenizer_decode(const Tokenizer *t, const int32_t *ids, size_t count, Text *out);

/* Makes the tokenizer.json of a GPT-2 style tokenizer (byte-level BPE, GPT-2's split pattern) from the
 * texts of its vocab.json and merges.txt. Same input, same bytes. Pieces become special tokens when their
 * id is in `special` (config.json's bos, eos and pad ids; -1 entries are passed over), or when they look
 * like <|name|> and no merge makes them. `out` is appended to, and only on success. */
MUST_USE bool tokenizer_json_from_bpe(const char *vocab_json, size_t vocab_size, const char *merges_txt,
                                      size_t merges_size, const int32_t *special, size_t special_count,
                                      Text *out, Error *err);

#endif
