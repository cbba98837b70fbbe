#include "runtime/device.h"

#include <math.h>
#include <string.h>

void trace_element(TraceStep *s, double element)
{
    float x = (float)element;
    s->nans += isnan(x) != 0;
    s->infinities += isinf(x) != 0;
    if (!isfinite(x))
        return;
    s->least = s->seen && s->least < x ? s->least : x;
    s->most = s->seen && s->most > x ? s->most : x;
    s->seen = true;
}

void trace_program(const Trace *trace, const Kernel *k, int inputs, double seconds)
{
    const Port *first = &k->port[inputs];
    TraceStep step = {.name = first->name, .kind = "ane program", .type = first->type, .seconds = seconds};
    for (int i = 0; i < k->ports; i++)
        step.bytes += (double)k->port[i].bytes;
    trace->step(trace->context, &step);
}

Kernel *device_compile(Device *d, const Func *f, const BlobResolver *blobs, Error *err)
{
    return d->compile(d, f, blobs, err);
}

int kernel_port(const Kernel *k, PortKind kind, const char *name)
{
    for (int i = 0; i < k->ports; i++)
        if (k->port[i].kind == kind && strcmp(k->port[i].name, name) == 0)
            return i;
    return -1;
}

static bool overlap(const PortData *a, const PortData *b)
{
    const char *x = a->data, *y = b->data;
    return x < y + b->bytes && y < x + a->bytes;
}

static bool check_port(const Kernel *k, const PortData *data, int i, Error *err)
{
    const Port *port = &k->port[i];
    if (!data[i].data)
        return error_set(err, "%s: nothing is bound to `%s`", k->name, port->name);
    if (data[i].bytes != port->bytes)
        return error_set(err, "%s: %zu bytes are bound to `%s`, which takes %zu", k->name, data[i].bytes,
                         port->name, port->bytes);
    size_t align = (size_t)(dtype_info[port->type->dtype].bits + 7) / 8;
    if ((uintptr_t)data[i].data % align)
        return error_set(err, "%s: the memory bound to `%s` is not aligned to its elements", k->name,
                         port->name);
    if (port->kind == PORT_INPUT)
        return true;
    for (int j = 0; j < k->ports; j++)
        if (j != i && overlap(&data[i], &data[j]))
            return error_set(err, "%s: the memory bound to `%s` and to `%s` overlaps", k->name, port->name,
                             k->port[j].name);
    return true;
}

bool device_run(Kernel *k, const PortData *data, int count, const Trace *trace, Error *err)
{
    if (count != k->ports)
        return error_set(err, "%s: %d memories are bound to %d ports", k->name, count, k->ports);
    for (int i = 0; i < count; i++)
        if (!check_port(k, data, i, err))
            return false;
    return k->device->run(k, data, trace, err);
}

void kernel_release(Kernel *k)
{
    if (k)
        k->device->release(k);
}

void device_close(Device *d)
{
    if (d)
        d->close(d);
}
