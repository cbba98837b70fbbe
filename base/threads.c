#include "base/threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/cores.h"

#define SPIN_NS 30000
#define MOST_THREADS 1024

/* A step is published by `step` and is over when `left` falls to 0. Each thread has a part of its own, but a
 * part belongs to whoever claims it first: a thread that is done takes parts that nobody has begun, so a step
 * does not wait for a thread that sleeps or that the system has put aside. A claim is the number of the step:
 * claim[i] goes from step - 1 to step, and whoever made it go knows that the step is not over before its part
 * is, so fn and ctx stand still.
 *
 * Both sides spin first and sleep second; the mutex is touched only around sleeping. Whoever goes to sleep
 * first announces it (sleepers, caller_sleeps) and then looks again; whoever changes the state first changes
 * it and then looks for sleepers. Both are sequentially consistent, so one of the two sees the other. */
struct Pool {
    int count;
    int64_t
        spin_ns; /* 0 when there are more threads than cores: spinning would keep the others from running */
    pthread_t *threads;
    void (*fn)(void *ctx, int index, int count);
    void *ctx;
    atomic_uint step;
    atomic_uint *claim; /* one a part */
    atomic_int left;    /* parts that are not done */
    atomic_int sleepers;
    atomic_bool caller_sleeps, stop;
    pthread_mutex_t mutex;
    pthread_cond_t work, done;
};

typedef struct Start {
    Pool *pool;
    int index;
} Start;

static void relax(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    __asm__ __volatile__("isb");
#endif
}

static bool step_is_new(const Pool *p, unsigned seen)
{
    return atomic_load(&p->step) != seen;
}

static bool step_is_over(const Pool *p, unsigned unused)
{
    return atomic_load(&p->left) == 0;
}

/* Waits a short while for a condition; returns whether it came true. */
static bool spin(const Pool *p, bool (*ready)(const Pool *, unsigned), unsigned seen)
{
    if (ready(p, seen))
        return true;
    if (!p->spin_ns)
        return false;
    for (int64_t end = clock_ns() + p->spin_ns; clock_ns() < end;) {
        for (int i = 0; i < 32; i++) {
            if (ready(p, seen))
                return true;
            relax();
        }
    }
    return false;
}

static void wait_for_step(Pool *p, unsigned seen)
{
    if (spin(p, step_is_new, seen))
        return;
    pthread_mutex_lock(&p->mutex);
    atomic_fetch_add(&p->sleepers, 1);
    while (!step_is_new(p, seen))
        pthread_cond_wait(&p->work, &p->mutex);
    atomic_fetch_sub(&p->sleepers, 1);
    pthread_mutex_unlock(&p->mutex);
}

static void wait_for_end(Pool *p)
{
    if (spin(p, step_is_over, 0))
        return;
    pthread_mutex_lock(&p->mutex);
    atomic_store(&p->caller_sleeps, true);
    while (!step_is_over(p, 0))
        pthread_cond_wait(&p->done, &p->mutex);
    atomic_store(&p->caller_sleeps, false);
    pthread_mutex_unlock(&p->mutex);
}

static void publish_step(Pool *p)
{
    atomic_store(&p->left, p->count);
    atomic_fetch_add(&p->step, 1);
    if (atomic_load(&p->sleepers) == 0)
        return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->mutex);
}

static void finish_part(Pool *p)
{
    if (atomic_fetch_sub(&p->left, 1) != 1 || !atomic_load(&p->caller_sleeps))
        return;
    pthread_mutex_lock(&p->mutex);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->mutex);
}

/* Runs the thread's own part of a step, then those that nobody has begun. */
static void run_parts(Pool *p, int own, unsigned step)
{
    for (int i = 0; i < p->count; i++) {
        int part = own + i < p->count ? own + i : own + i - p->count;
        unsigned before = step - 1;
        if (!atomic_compare_exchange_strong(&p->claim[part], &before, step))
            continue;
        p->fn(p->ctx, part, p->count);
        finish_part(p);
    }
}

static void *worker(void *argument)
{
    Start start = *(Start *)argument;
    free(argument);
    cores_prefer_fast();
    Pool *p = start.pool;
    for (unsigned seen = 0;;) {
        wait_for_step(p, seen);
        if (atomic_load(&p->stop))
            return NULL;
        /* A pool that came out smaller than asked for still has its final count here: threads start
         * before steps. */
        seen = atomic_load(&p->step);
        run_parts(p, start.index, seen);
    }
}

int pool_default_threads(void)
{
    int fast = cores_of_process().fast;
    return fast < MOST_THREADS ? fast : MOST_THREADS;
}

Pool *pool_new(int threads)
{
    Cores cores = cores_of_process();
    if (threads <= 0)
        threads = cores.fast;
    if (threads > MOST_THREADS)
        threads = MOST_THREADS;
    Pool *p = xcalloc(1, sizeof *p);
    p->threads = xcalloc((size_t)threads, sizeof *p->threads);
    p->claim = xcalloc((size_t)threads, sizeof *p->claim);
    p->spin_ns = threads <= cores.allowed ? SPIN_NS : 0;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    cores_prefer_fast();
    for (p->count = 1; p->count < threads; p->count++) {
        Start *start = xmalloc(sizeof *start);
        *start = (Start){p, p->count};
        if (pthread_create(&p->threads[p->count], NULL, worker, start) != 0) {
            free(start);
            break;
        }
    }
    return p;
}

void pool_free(Pool *p)
{
    if (!p)
        return;
    atomic_store(&p->stop, true);
    publish_step(p);
    for (int i = 1; i < p->count; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->done);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->mutex);
    free(p->threads);
    free(p->claim);
    free(p);
}

int pool_threads(const Pool *p)
{
    return p ? p->count : 1;
}

void pool_run(Pool *p, void (*fn)(void *ctx, int index, int count), void *ctx)
{
    if (!p || p->count == 1) {
        fn(ctx, 0, 1);
        return;
    }
    p->fn = fn;
    p->ctx = ctx;
    publish_step(p);
    run_parts(p, 0, atomic_load(&p->step));
    wait_for_end(p);
}

void pool_range(size_t total, size_t align, int index, int count, size_t *begin, size_t *end)
{
    size_t blocks = total / align + (total % align != 0);
    size_t each = blocks / (size_t)count, extra = blocks % (size_t)count, i = (size_t)index;
    size_t first = i * each + (i < extra ? i : extra), last = first + each + (i < extra);
    *begin = first * align < total ? first * align : total;
    *end = last * align < total ? last * align : total;
}
