#include "runtime/kernels/limits.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/arena.h"
#include "base/clock.h"

struct LimitsProbe {
    float *memory;
    size_t floats;
};

/* The hardware stops at a page's boundary, so it's also tried with asking for the next page. */
enum { PASSES = 4, AHEAD = 1024 };
#define HUGE_PAGE ((size_t)2 << 20)
#define CHAIN_ROUNDS 30000

typedef struct Reading {
    const Kernels *kernels;
    const float *data;
    size_t floats, ahead;
    volatile float sum; /* so that no load is left out */
} Reading;

static void read_part(void *ctx, int index, int count)
{
    Reading *r = ctx;
    size_t at, end;
    pool_range(r->floats, 1024, index, count, &at, &end);
    r->sum = r->kernels->read(r->data + at, end - at, r->ahead);
}

LimitsProbe *limits_open(size_t bytes, Error *err)
{
    void *memory;
    int code = posix_memalign(&memory, HUGE_PAGE, bytes);
    if (code != 0) {
        error_set_errno(err, code, "no memory to measure the bandwidth with (%zu MB)", bytes >> 20);
        return NULL;
    }
#if defined(MADV_HUGEPAGE)
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    memset(memory, 0, bytes);
    LimitsProbe *p = xmalloc(sizeof *p);
    *p = (LimitsProbe){memory, bytes / sizeof(float)};
    return p;
}

void limits_close(LimitsProbe *p)
{
    if (p)
        free(p->memory);
    free(p);
}

/* Bytes a second over PASSES runs, which is what a decode of as many tokens could have had. */
static double read_rate(const LimitsProbe *p, Compute *c, size_t ahead)
{
    Reading r = {.kernels = c->kernels, .data = p->memory, .floats = p->floats, .ahead = ahead};
    double start = clock_seconds();
    for (int i = 0; i < PASSES; i++)
        pool_run(c->pool, read_part, &r);
    return PASSES * (double)(p->floats * sizeof(float)) / (clock_seconds() - start);
}

static double best_read(const LimitsProbe *p, Compute *c)
{
    double plain = read_rate(p, c, 0), asking = read_rate(p, c, AHEAD);
    return plain > asking ? plain : asking;
}

typedef struct Chains {
    const Kernels *kernels;
    volatile float result;
} Chains;

static void chain_part(void *ctx, int index, int count)
{
    Chains *c = ctx;
    c->result = c->kernels->fma_chains(0.5f, CHAIN_ROUNDS);
}

static double best_flops(Compute *c)
{
    double best = 0, work = (double)CHAIN_ROUNDS * c->kernels->chain_flops * pool_threads(c->pool);
    Chains chains = {.kernels = c->kernels};
    for (int i = 0; i < PASSES; i++) {
        double start = clock_seconds();
        pool_run(c->pool, chain_part, &chains);
        double reached = work / (clock_seconds() - start);
        best = reached > best ? reached : best;
    }
    return best;
}

Limits limits_measure(LimitsProbe *p, Compute *c)
{
    return (Limits){best_read(p, c), best_flops(c)};
}
