/* Diagnostics that point at source text: `file:line:col: error: text`, the line, and `^~~~` under the span.
 * Spans are byte offsets; lines and columns are computed only when a message is printed. */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/error.h"

/* One text that was read. `text` is NUL-terminated at text[size]; both strings are owned by the caller. */
typedef struct Source {
    const char *name; /* as the user wrote the path */
    const char *text;
    size_t size;
} Source;

/* A piece of a source; source == NULL means "nowhere". */
typedef struct Span {
    const Source *source;
    uint32_t start, length;
} Span;

typedef enum { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE } DiagKind;

/* Collects and prints. Zero-initialise, then set `out` (usually stderr). */
typedef struct Diags {
    FILE *out; /* NULL: count only */
    int errors, warnings;
    int limit;   /* errors shown before the rest is only counted; 0 = 20 */
    bool quiet;  /* drop warnings */
    bool colour; /* ANSI colours */
} Diags;

/* A note belongs to the error or warning before it, and is dropped with it. */
void diag_error(Diags *d, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_warning(Diags *d, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_note(Diags *d, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The smallest span that covers both (of one source; otherwise a). */
Span span_join(Span a, Span b);
/* 1-based line and column (in bytes) of the span's start. */
void span_position(Span at, int *line, int *column);

#endif
