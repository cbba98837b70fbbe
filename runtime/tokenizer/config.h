/* The parts of a tokenizer.json that say how a text is prepared and cut before byte pair encoding. */
#ifndef RUNTIME_TOKENIZER_CONFIG_H
#define RUNTIME_TOKENIZER_CONFIG_H

#include <jansson.h>

#include "runtime/tokenizer/internal.h"

/* Fills in kind, nfc, prefix, digits, pattern and split_spaces from "normalizer" and "pre_tokenizer". Fails
 * on everything whose effect is not known exactly. */
bool config_read(Tokenizer *t, json_t *root, Error *err);

/* A boolean member, `fallback` where it is missing or null. */
bool config_flag(json_t *object, const char *name, bool fallback, bool *value, Error *err);

#endif
