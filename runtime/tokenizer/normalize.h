/* Unicode normalization of texts that need not be valid UTF-8. */
#ifndef RUNTIME_TOKENIZER_NORMALIZE_H
#define RUNTIME_TOKENIZER_NORMALIZE_H

#include <stddef.h>

#include "base/text.h"

/* Appends the text in normalization form C (canonical composition). A byte that belongs to no valid character
 * is copied as it is, and characters to its left and right have nothing to do with each other. */
void normalize_nfc(const char *text, size_t size, Text *out);

#endif
