/* The parts of a tokenizer.json that say how a text is prepared and cut before byte pair encoding. */
#ifndef RUNTIME_TOKENIZER_CONFIG_H
#define RUNTIME_TOKENIZER_CONFIG_H

#include <jansson.h>

#include "runtime/tokenizer/internal.h"

/* Fills in kind, nfc, prefix, digits, pattern and split_spaces from "normalizer" and "pre_tokenizer". Fails
 * on everything whose effect is not known exactly. */
bool config_read(Tokenizer *t, json_t *root, Error *err);

/* The token that texts begin with, from "post_processor" (a TemplateProcessing that starts with a special
 * token), or -1. */
int32_t config_begin(json_t *root);

/* The byte of a piece <0xNN> with upper-case digits, or -1. */
int config_byte_token(const char *key);

/* A boolean member, `fallback` where it is missing or null. */
bool config_flag(json_t *object, const char *name, bool fallback, bool *value, Error *err);

#endif
