/* A Neural Engine in another process: what a process may not compile any more, a fresh one may. The client is
 * a Device; the worker serves it until the socket ends. Processes are started with posix_spawn, never by fork
 * alone, after which Apple's frameworks are not usable. */
#ifndef RUNTIME_REMOTE_REMOTE_H
#define RUNTIME_REMOTE_REMOTE_H

#include "runtime/device.h"

/* Starts `command` (a list of words that ends with NULL: the executable's path, then its arguments), whose
 * standard input is the socket, descriptor 3 the shared memory, and which must call remote_serve; its
 * standard output is our standard error. It opens the engine with `options`. Fails where it cannot be
 * started, or has no engine. */
MUST_USE Device *remote_device_open(const char *const *command, const AneOptions *options, Error *err);

/* Whether the last program was refused because that process, too, may compile no more. */
enum { REMOTE_MEMORY = 3 }; /* the descriptor */

bool remote_device_is_spent(const Device *remote);

/* The worker: serves the other end of `fd` until it closes, over the shared memory of descriptor `memory`.
 * Fails where what comes is no message, or the other end is gone in the middle of one. */
MUST_USE bool remote_serve(int fd, int memory, Error *err);

#endif
