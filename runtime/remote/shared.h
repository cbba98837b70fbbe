/* Memory of two processes: a file without a name, mapped by both. It holds the ports of one program at a
 * time, one behind the other. */
#ifndef RUNTIME_REMOTE_SHARED_H
#define RUNTIME_REMOTE_SHARED_H

#include "runtime/device.h"

typedef struct Shared {
    int fd; /* -1: none */
    char *data;
    size_t size;
} Shared;

/* A new one, of no bytes. */
MUST_USE bool shared_create(Shared *s, Error *err);
/* Makes it so long at the least; its memory may move. The bytes are written, so that a full disk is an error
 * here and not a signal later. */
MUST_USE bool shared_grow(Shared *s, size_t size, Error *err);
/* Maps what another process has made; fails where it is shorter. */
MUST_USE bool shared_map(Shared *s, size_t size, Error *err);
void shared_close(Shared *s);

/* Where the ports of a kernel lie, in their order, each at a multiple of 64: fills offset[0 .. ports),
 * returns the bytes of all. */
size_t shared_layout(const Port *port, int ports, size_t *offset);

#endif
