#include "runtime/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/half.h"

struct Comparison {
    Device base;
    Device *tested, *reference;
    const char *(*namer)(void *context, const Func *f);
    void *context;
    Difference *result;
    int count;
};

typedef struct Pair {
    Kernel base;
    Kernel *tested, *reference;
    PortData *other; /* the tested kernel's: inputs are the caller's, outputs and states its own */
    int result;
} Pair;

/* ---- kernels ---- */

static void release(Kernel *kernel)
{
    Pair *p = (Pair *)kernel;
    for (int i = 0; p->other && i < p->base.ports; i++)
        if (p->base.port[i].kind != PORT_INPUT)
            free(p->other[i].data);
    free(p->other);
    kernel_release(p->tested);
    kernel_release(p->reference);
    free(p);
}

static int add_result(Comparison *c, const Func *f)
{
    const char *name = c->namer ? c->namer(c->context, f) : NULL;
    c->result = xrealloc(c->result, (size_t)(c->count + 1) * sizeof *c->result);
    c->result[c->count] = (Difference){.name = name ? name : f->name};
    return c->count++;
}

static Kernel *compile(Device *device, const Func *f, const BlobResolver *blobs, Error *err)
{
    Comparison *c = (Comparison *)device;
    Pair *p = xcalloc(1, sizeof *p);
    p->tested = device_compile(c->tested, f, blobs, err);
    p->reference = p->tested ? device_compile(c->reference, f, blobs, err) : NULL;
    if (!p->reference) {
        release(&p->base);
        return NULL;
    }
    p->base = *p->reference;
    p->base.device = device;
    p->result = add_result(c, f);
    p->other = xcalloc((size_t)p->base.ports + 1, sizeof *p->other);
    for (int i = 0; i < p->base.ports; i++)
        if (p->base.port[i].kind != PORT_INPUT)
            p->other[i] = (PortData){xcalloc(p->base.port[i].bytes, 1), p->base.port[i].bytes};
    return &p->base;
}

/* ---- runs ---- */

static double element(const Type *t, const void *data, int64_t i)
{
    switch (t->dtype) {
    case DT_FP16: return half_to_float(((const uint16_t *)data)[i]);
    case DT_FP32: return ((const float *)data)[i];
    case DT_INT32: return ((const int32_t *)data)[i];
    default: return ((const uint8_t *)data)[i];
    }
}

static void compare(Difference *d, const Type *t, const void *tested, const void *reference)
{
    int64_t n = type_elements(t);
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = element(t, tested, i), y = element(t, reference, i);
        if (isfinite(y) && fabs(y) > largest)
            largest = fabs(y);
        if (isfinite(x) && isfinite(y))
            worst = fabs(x - y) > worst ? fabs(x - y) : worst;
        else
            d->wrong += !(x == y || (isnan(x) && isnan(y)));
    }
    double relative = worst > 0 ? worst / (largest > 0 ? largest : worst) : 0;
    d->elements += n;
    d->absolute = worst > d->absolute ? worst : d->absolute;
    d->relative = relative > d->relative ? relative : d->relative;
}

static bool run(Kernel *kernel, const PortData *data, const Trace *trace, Error *err)
{
    Pair *p = (Pair *)kernel;
    Comparison *c = (Comparison *)kernel->device;
    for (int i = 0; i < kernel->ports; i++)
        if (kernel->port[i].kind == PORT_INPUT)
            p->other[i] = data[i];
        else if (kernel->port[i].kind == PORT_STATE)
            memcpy(p->other[i].data, data[i].data, data[i].bytes);
    double start = clock_seconds();
    if (!device_run(p->tested, p->other, kernel->ports, trace, err))
        return false;
    double middle = clock_seconds();
    if (!device_run(p->reference, data, kernel->ports, NULL, err))
        return false;
    Difference *d = &c->result[p->result];
    d->tested_us = (middle - start) * 1e6;
    d->reference_us = (clock_seconds() - middle) * 1e6;
    d->runs++;
    for (int i = 0; i < kernel->ports; i++)
        if (kernel->port[i].kind != PORT_INPUT)
            compare(d, kernel->port[i].type, p->other[i].data, data[i].data);
    return true;
}

/* ---- the device ---- */

static void close_nothing(Device *device)
{
    (void)device;
}

Comparison *comparison_new(Device *tested, Device *reference)
{
    Comparison *c = xcalloc(1, sizeof *c);
    c->base = (Device){"comparison", "two devices side by side", compile, run, release, close_nothing};
    c->tested = tested;
    c->reference = reference;
    return c;
}

Device *comparison_device(Comparison *c)
{
    return &c->base;
}

void comparison_free(Comparison *c)
{
    if (c)
        free(c->result);
    free(c);
}

void comparison_name(Comparison *c, const char *(*namer)(void *, const Func *), void *context)
{
    c->namer = namer;
    c->context = context;
}

const Difference *comparison_results(const Comparison *c, int *count)
{
    *count = c->count;
    return c->result;
}

bool difference_is_within(const Difference *d, double bound)
{
    return d->runs && !d->wrong && d->relative <= bound;
}
