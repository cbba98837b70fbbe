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

/* Collects and prints. Zero-initialise, then set `out` (usually stderr), or `sink`. */
typedef struct Diags {
    FILE *out; /* NULL: count only */
    int errors, warnings;
    int limit;   /* errors shown before the rest is only counted; 0 = 20 */
    bool quiet;  /* drop warnings */
    bool colour; /* ANSI colours */
    /* Takes everything instead of `out`: check/ sorts before it prints. `rule` may be NULL. */
    void (*sink)(void *context, DiagKind kind, const char *rule, Span at, const char *text);
    void *context;
} Diags;

/* A note belongs to the error or warning before it, and is dropped with it. */
void diag_error(Diags *d, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_warning(Diags *d, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_note(Diags *d, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* A diagnostic that belongs to a rule of check/rules.def ("mil-type"). Printed as the others are. */
void diag_rule(Diags *d, DiagKind kind, const char *rule, Span at, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* The smallest span that covers both (of one source; otherwise a). */
Span span_join(Span a, Span b);
/* 1-based line and column (in bytes) of the span's start. */
void span_position(Span at, int *line, int *column);

#endif
