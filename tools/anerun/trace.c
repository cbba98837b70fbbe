#include "tools/anerun/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_BYTES ((size_t)256 << 20)

static void add_to_kind(Tracing *t, const TraceStep *s)
{
    int last = (int)(sizeof t->kind / sizeof *t->kind) - 1, i = 0; /* what finds no room shares the last */
    while (i < t->kinds && i < last && strcmp(t->kind[i].name, s->kind) != 0)
        i++;
    TraceKind *k = &t->kind[i];
    if (i == t->kinds) {
        *k = (TraceKind){0};
        snprintf(k->name, sizeof k->name, "%s", i == last ? "others" : s->kind);
        t->kinds++;
    }
    k->count++;
    k->seconds += s->seconds;
    k->bytes += s->bytes;
    k->flops += s->flops;
}

static double rate(double amount, double seconds)
{
    return seconds > 0 ? amount / seconds * 1e-9 : 0;
}

static void show_step(void *context, const TraceStep *s)
{
    fprintf(stderr, "%-28s %-24s %9.1f us %8.1f GB/s %8.1f GFLOP/s  [%g, %g]", s->name, s->kind,
            s->seconds * 1e6, rate(s->bytes, s->seconds), rate(s->flops, s->seconds), (double)s->least,
            (double)s->most);
    if (s->nans || s->infinities)
        fprintf(stderr, "  %lld NaN, %lld inf", (long long)s->nans, (long long)s->infinities);
    fputc('\n', stderr);
    add_to_kind(context, s);
}

const Trace *tracing_begin(Tracing *t, int threads)
{
    *t = (Tracing){.trace = {.ranges = true, .step = show_step, .context = t}};
    Compute c;
    Error ignored;
    LimitsProbe *probe = limits_open(PROBE_BYTES, &ignored);
    compute_open(&c, threads);
    t->threads = pool_threads(c.pool);
    if (probe)
        t->limits = limits_measure(probe, &c);
    compute_close(&c);
    limits_close(probe);
    return &t->trace;
}

static int slower_first(const void *a, const void *b)
{
    double x = ((const TraceKind *)a)->seconds, y = ((const TraceKind *)b)->seconds;
    return (x < y) - (x > y);
}

/* The part of the nearer limit that is reached; data in the caches can go beyond that of memory. */
static void show_fraction(const Tracing *t, const TraceKind *k)
{
    double read = rate(k->bytes, k->seconds) * 1e9 / t->limits.read,
           flops = rate(k->flops, k->seconds) * 1e9 / t->limits.flops;
    fprintf(stderr, "  %3.0f %% of %s", 100 * (read > flops ? read : flops),
            read > flops ? "bandwidth" : "arithmetic");
}

void tracing_end(Tracing *t)
{
    double all = 0;
    qsort(t->kind, (size_t)t->kinds, sizeof *t->kind, slower_first);
    for (int i = 0; i < t->kinds; i++)
        all += t->kind[i].seconds;
    if (t->kinds)
        fprintf(stderr, "\n%-24s %7s %12s %6s %13s %16s\n", "all steps", "count", "time", "", "read+written",
                "");
    for (int i = 0; i < t->kinds; i++) {
        const TraceKind *k = &t->kind[i];
        fprintf(stderr, "%-24s %7ld %9.3f ms %4.0f %% %8.1f GB/s %8.1f GFLOP/s", k->name, k->count,
                k->seconds * 1e3, all > 0 ? 100 * k->seconds / all : 0, rate(k->bytes, k->seconds),
                rate(k->flops, k->seconds));
        if (t->limits.read > 0)
            show_fraction(t, k);
        fputc('\n', stderr);
    }
    if (t->limits.read > 0)
        fprintf(stderr, "this machine, %d thread%s: reads %.1f GB/s, computes %.0f GFLOP/s\n", t->threads,
                t->threads == 1 ? "" : "s", t->limits.read * 1e-9, t->limits.flops * 1e-9);
}
