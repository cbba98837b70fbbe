/* Text: a growable string on the heap. `data` is always NUL-terminated once anything was added. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

#include "base/error.h"

typedef struct Text {
    char *data;
    size_t size; /* bytes, without the NUL */
    size_t cap;
} Text;

void text_add(Text *t, const char *bytes, size_t size);
void text_puts(Text *t, const char *s);
void text_putc(Text *t, char c);
void text_printf(Text *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
void text_vprintf(Text *t, const char *fmt, va_list ap);
/* The string so far; "" where nothing was added. Owned by t. */
const char *text_cstr(const Text *t);
void text_clear(Text *t); /* keeps the memory */
void text_free(Text *t);

/* Whether s ends with `end`. */
bool text_ends_with(const char *s, const char *end);

/* Edit distance (Levenshtein) for "did you mean", at most `limit` + 1. */
int text_distance(const char *a, const char *b, int limit);

#endif
