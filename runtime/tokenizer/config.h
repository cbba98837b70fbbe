/* The parts of a tokenizer.json that say how a text is prepared and cut before byte pair encoding. */
#ifndef RUNTIME_TOKENIZER_CONFIG_H
#define RUNTIME_TOKENIZER_CONFIG_H

#include "base/json_tree.h"
#include "runtime/tokenizer/internal.h"

/* Fills in kind, nfc, prefix, digits, pattern and split_spaces from "normalizer" and "pre_tokenizer". Fails
 * on everything whose effect is not known exactly. */
bool config_read(Tokenizer *t, const JsonNode *root, Error *err);

/* The token that texts begin with, from "post_processor" (a TemplateProcessing that starts with a special
 * token), or -1. */
int32_t config_begin(const JsonNode *root);

/* The byte of a piece <0xNN> with upper-case digits, or -1. */
int config_byte_token(const char *key);

/* A key (with a NUL behind it) with " " for the text that stands for it; the same where it is not in there.
 */
Slice key_to_piece(Arena *arena, Slice key, Slice space);

/* A boolean member, `fallback` where it is missing or null. */
bool config_flag(const JsonNode *object, const char *name, bool fallback, bool *value, Error *err);

#endif
