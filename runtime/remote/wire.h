/* Messages between two processes of this program over a stream socket:
 *
 *     kind, u32    length of the body, u64    body
 *
 * in the machine's own byte order, both ends being one executable on one machine. A body is made of numbers
 * (u64) and texts (u64 length, bytes); whoever reads one checks every length against what is left of it. */
#ifndef RUNTIME_REMOTE_WIRE_H
#define RUNTIME_REMOTE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

typedef enum WireKind {
    /* to the worker */
    WIRE_OPEN = 1, /* version, library, compiles, resident, surface_bytes, remember, seconds in nanoseconds */
    WIRE_COMPILE,  /* number of the function, folder of the weight files, MIL text */
    WIRE_RUN,      /* number of the kernel, whose ports are in the shared memory (shared.h) */
    WIRE_RELEASE,  /* number of the kernel */
    /* its answers */
    WIRE_DONE,  /* after COMPILE the kernel's number, else nothing */
    WIRE_FAILED /* whether the process may compile no more; what is wrong */
} WireKind;

typedef struct Wire {
    int fd;
    double seconds; /* the longest that nothing may come, or be taken; 0: for ever */
} Wire;

/* Fails where the other end is gone, or takes nothing for too long. */
MUST_USE bool wire_send(Wire *w, WireKind kind, const Text *body, Error *err);

/* What comes next. At the end of the stream, between messages: true, and *kind is 0. */
MUST_USE bool wire_header(Wire *w, uint32_t *kind, uint64_t *length, Error *err);
MUST_USE bool wire_read(Wire *w, void *to, size_t size, Error *err);
/* A whole body into `out`, which is emptied first; fails where it is longer than `limit`. */
MUST_USE bool wire_body(Wire *w, uint64_t length, size_t limit, Text *out, Error *err);

/* ---- bodies ---- */

void wire_put_number(Text *body, uint64_t v);
void wire_put_text(Text *body, const void *data, size_t size);

typedef struct Body {
    const char *at;
    size_t left;
} Body;

MUST_USE bool wire_take_number(Body *b, uint64_t *v);
/* *text points into the body, and is not terminated. */
MUST_USE bool wire_take_text(Body *b, const char **text, size_t *size);

#endif
