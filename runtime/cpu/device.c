/* The device: running the steps of a kernel. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "runtime/cpu/lower.h"
#include "runtime/eval/eval.h"

static void measure_range(const Run *r, const View *v, TraceStep *out)
{
    Tensor t = {.store = v->store, .data = view_data(r, v)};
    Cursor at;
    cursor_begin(&at, v->rank, v->dim);
    cursor_lane(&at, 0, v->stride);
    for (; at.left > 0; cursor_next(&at))
        trace_element(out, tensor_get(&t, at.at[0]));
}

static bool run_traced(const Run *r, const CpuStep *s, const Trace *trace, Error *err)
{
    double start = clock_seconds();
    if (!s->run(r, s, err))
        return false;
    TraceStep t = {.name = s->name,
                   .kind = s->kind,
                   .type = s->type,
                   .seconds = clock_seconds() - start,
                   .bytes = s->bytes,
                   .flops = s->flops};
    if (s->work)
        s->work(r, s, &t.bytes, &t.flops);
    if (trace->ranges)
        measure_range(r, &s->out, &t);
    trace->step(trace->context, &t);
    return true;
}

static bool cpu_run(Kernel *kernel, const PortData *data, const Trace *trace, Error *err)
{
    CpuKernel *k = (CpuKernel *)kernel;
    Run r = {k->device, k->block, data, &k->device->compute};
    for (int i = 0; i < k->steps; i++) {
        const CpuStep *s = &k->step[i];
        bool ok = trace ? run_traced(&r, s, trace, err) : s->run(&r, s, err);
        if (!ok)
            return false;
    }
    return true;
}

static void cpu_release(Kernel *kernel)
{
    CpuKernel *k = (CpuKernel *)kernel;
    arena_free(&k->arena);
    free(k);
}

static void cpu_close(Device *device)
{
    CpuDevice *d = (CpuDevice *)device;
    compute_close(&d->compute);
    free(d->memory);
    free(d);
}

Device *cpu_device_open(const DeviceOptions *options, Error *err)
{
    if (blas_complaint()) {
        error_set(err, "ANEC_BLAS: %s", blas_complaint());
        return NULL;
    }
    CpuDevice *d = xcalloc(1, sizeof *d);
    if (options)
        d->options = *options;
    compute_open(&d->compute, d->options.threads);
    int threads = pool_threads(d->compute.pool);
    snprintf(d->description, sizeof d->description, "%d thread%s, %s%s%s", threads, threads == 1 ? "" : "s",
             kernels_level_name(d->compute.kernels->level), *blas_name() ? " and " : "", blas_name());
    d->base = (Device){"cpu", d->description, cpu_compile, cpu_run, cpu_release, cpu_close};
    return &d->base;
}
