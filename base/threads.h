/* A pool of threads for short parallel steps. The caller is one of the threads; the others spin for some
 * 30 us after a step, so that steps in quick succession cost about a microsecond each, and sleep after
 * that. */
#ifndef BASE_THREADS_H
#define BASE_THREADS_H

#include <stddef.h>

typedef struct Pool Pool;

/* threads counts the caller; 0 = the fast cores this process may use (base/cores.h). Where the system
 * refuses a thread the pool is smaller. On macOS the calling thread and the others prefer fast cores from
 * now on. Free with pool_free. */
Pool *pool_new(int threads);
/* NULL is allowed. No step may be running. */
void pool_free(Pool *pool);
/* 1 for NULL. */
int pool_threads(const Pool *pool);
/* What pool_new(0) would make. */
int pool_default_threads(void);

/* Calls fn(ctx, index, count) once for every index in [0, count), count = pool_threads(pool), on whichever
 * threads are free, the calling one among them, and returns when all have returned. What the caller wrote
 * before is seen by all of them, and what they wrote is seen by the caller afterwards. One step at a time:
 * not from inside fn, not from two threads at once. */
void pool_run(Pool *pool, void (*fn)(void *ctx, int index, int count), void *ctx);

/* The index-th of `count` nearly equal parts of [0, total), cut at multiples of `align` (>= 1). May be
 * empty. */
void pool_range(size_t total, size_t align, int index, int count, size_t *begin, size_t *end);

#endif
