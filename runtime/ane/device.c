/* The Neural Engine as a device: a function's module becomes MIL text again, with the weight files that it
 * names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "ir/type.h"
#include "runtime/ane/budget.h"
#include "runtime/device.h"
#include "runtime/remote/remote.h"

enum { MOST_WORKERS = 16 };

typedef struct AneDevice {
    Device base;
    AneEngine engine;
    AneOptions options;
    int workers;
    Device *worker[MOST_WORKERS]; /* for what this process may not compile any more */
} AneDevice;

typedef struct AneKernel {
    Kernel base;
    Arena arena;
    AneProgram *program;
    int inputs, outputs;
    const void **input;
    void **output;
} AneKernel;

/* ---- what a function names ---- */

static bool add_file(AneSource *s, AneFile *list, const Value *v, const BlobResolver *blobs, Error *err)
{
    const Literal *l = value_literal(v);
    if (!l || l->kind != LIT_BLOB)
        return true;
    for (int i = 0; i < s->files; i++)
        if (strcmp(list[i].path, l->blob.path) == 0)
            return true;
    if (!blobs || !blobs->file)
        return error_set(err, "%s: nobody has the weight files", l->blob.path);
    AneFile *f = &list[s->files++];
    f->path = l->blob.path;
    return blobs->file(blobs->context, f->path, &f->data, &f->size, err);
}

static int count_values(const Module *m)
{
    int n = 0;
    for (int i = 0; i < m->funcs; i++)
        for (const Op *op = m->func[i]->first; op; op = op->next) {
            n += op->results;
            FOR_EACH_ARG(op, slot)
                n += *slot != NULL;
        }
    return n;
}

/* The weight files of all functions: they are compiled together. */
static bool find_files(AneKernel *k, AneSource *s, const Module *m, const BlobResolver *blobs, Error *err)
{
    AneFile *list = arena_many(&k->arena, (size_t)count_values(m) + 1, AneFile);
    s->file = list;
    for (int n = 0; n < m->funcs; n++)
        for (const Op *op = m->func[n]->first; op; op = op->next) {
            for (int i = 0; i < op->results; i++)
                if (!add_file(s, list, op->result[i], blobs, err))
                    return false;
            FOR_EACH_ARG(op, slot)
                if (!add_file(s, list, *slot, blobs, err))
                    return false;
        }
    return true;
}

static bool take_port(AneKernel *k, Port *port, AnePort *out, const Value *v, PortKind kind, Error *err)
{
    const Type *t = v->type;
    int64_t bytes = t->kind == TY_TENSOR ? type_bytes(t) : -1;
    if (bytes <= 0 || t->rank < 1)
        return error_set(err, "%s: the Neural Engine takes tensors of fixed shape, not %s", v->name,
                         type_text(&k->arena, t));
    int64_t rows = type_elements(t) / t->dim[t->rank - 1];
    *port = (Port){kind, v->name, t, (size_t)bytes};
    *out = (AnePort){v->name, (size_t)rows, (size_t)(bytes / rows)};
    return true;
}

static bool take_ports(AneKernel *k, AneSource *s, const Func *f, Error *err)
{
    Port *port = arena_many(&k->arena, (size_t)(f->params + f->outputs) + 1, Port);
    AnePort *in = arena_many(&k->arena, (size_t)f->params + 1, AnePort);
    AnePort *out = arena_many(&k->arena, (size_t)f->outputs + 1, AnePort);
    for (int i = 0; i < f->params; i++)
        if (!take_port(k, &port[i], &in[i], f->param[i], PORT_INPUT, err))
            return false;
    for (int i = 0; i < f->outputs; i++)
        if (!take_port(k, &port[f->params + i], &out[i], f->output[i], PORT_OUTPUT, err))
            return false;
    k->inputs = s->inputs = f->params;
    k->outputs = s->outputs = f->outputs;
    s->input = in;
    s->output = out;
    k->input = arena_many(&k->arena, (size_t)f->params + 1, const void *);
    k->output = arena_many(&k->arena, (size_t)f->outputs + 1, void *);
    k->base.ports = f->params + f->outputs;
    k->base.port = port;
    return true;
}

static void release(Kernel *kernel)
{
    AneKernel *k = (AneKernel *)kernel;
    ane_program_close(k->program);
    arena_free(&k->arena);
    free(k);
}

/* ---- beyond the budget ---- */

/* The engine's room is not divided by process: each new one takes half of what this one had. */
static bool open_worker(AneDevice *d, Error *err)
{
    AneEngine *e = &d->engine;
    AneOptions o = d->options;
    if (d->workers == MOST_WORKERS)
        return error_set(err, "%d processes have compiled all that they may", MOST_WORKERS + 1);
    o.resident = e->load_limit > 1 ? e->load_limit / 2 : e->load_limit;
    Device *worker = remote_device_open(d->options.worker, &o, err);
    if (!worker)
        return false;
    d->worker[d->workers++] = worker;
    if (e->load_limit > 1)
        e->load_limit -= o.resident;
    budget_make_room(e, NULL);
    return true;
}

/* In the newest worker, or where that is spent too, in a new one. */
static Kernel *compile_elsewhere(AneDevice *d, const Func *f, const BlobResolver *blobs, Error *err)
{
    for (;;) {
        Device *newest = d->workers ? d->worker[d->workers - 1] : NULL;
        Kernel *k = newest ? device_compile(newest, f, blobs, err) : NULL;
        if (k)
            budget_learn(&d->engine);
        if (k || (newest && !remote_device_is_spent(newest)) || !open_worker(d, err))
            return k;
    }
}

/* ---- the device ---- */

/* For people: the first weight file's name without folder and ending, which is the program's. */
static const char *title_of(AneKernel *k, const AneSource *s)
{
    const char *path = s->files ? s->file[0].path : s->name, *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    return arena_str(&k->arena, base, strcspn(base, "."));
}

static Kernel *compile(Device *device, const Func *f, const BlobResolver *blobs, Error *err)
{
    AneDevice *d = (AneDevice *)device;
    AneKernel *k = xcalloc(1, sizeof *k);
    AneSource s = {.name = f->name, .function = f->name, .number = func_number(f)};
    Text mil = {0};
    d->engine.exhausted = false;
    k->base = (Kernel){.device = device, .name = f->name, .steps = 1};
    if (take_ports(k, &s, f, err) && find_files(k, &s, f->module, blobs, err)) {
        module_print(&mil, f->module);
        s.mil = text_cstr(&mil);
        s.mil_size = mil.size;
        s.title = title_of(k, &s);
        k->program = ane_program_open(&d->engine, &s, err);
    }
    text_free(&mil);
    if (k->program)
        return &k->base;
    release(&k->base);
    return d->engine.exhausted && d->options.worker ? compile_elsewhere(d, f, blobs, err) : NULL;
}

static bool run(Kernel *kernel, const PortData *data, const Trace *trace, Error *err)
{
    AneKernel *k = (AneKernel *)kernel;
    double start = clock_seconds();
    for (int i = 0; i < k->inputs; i++)
        k->input[i] = data[i].data;
    for (int i = 0; i < k->outputs; i++)
        k->output[i] = data[k->inputs + i].data;
    if (!ane_program_run(k->program, k->input, k->output, err))
        return false;
    if (trace)
        trace_program(trace, kernel, k->inputs, clock_seconds() - start);
    return true;
}

static void close_device(Device *device)
{
    AneDevice *d = (AneDevice *)device;
    for (int i = 0; i < d->workers; i++)
        device_close(d->worker[i]);
    if (ane_engine_is_stuck(&d->engine))
        return; /* the call that hangs still works with it */
    ane_engine_close(&d->engine);
    free(d);
}

Device *ane_device_open(const char *library, Error *err)
{
    return ane_device_open_as(&(AneOptions){.library = library, .seconds = ANE_SECONDS}, err);
}

Device *ane_device_open_as(const AneOptions *options, Error *err)
{
    AneDevice *d = xcalloc(1, sizeof *d);
    d->options = *options;
    d->engine = (AneEngine){.compile_limit = options->compiles,
                            .load_limit = options->resident,
                            .time_limit = options->seconds,
                            .surface_least = (size_t)options->surface_bytes};
    d->base =
        (Device){"ane", "Apple Neural Engine, by the private framework", compile, run, release, close_device};
    if (apple_open(&d->engine.apple, options->library, err)) {
        if (options->remember)
            ane_engine_remember(&d->engine);
        return &d->base;
    }
    free(d);
    return NULL;
}

bool ane_device_is_spent(const Device *ane)
{
    return ((const AneDevice *)ane)->engine.exhausted;
}

int ane_device_processes(const Device *ane)
{
    return 1 + ((const AneDevice *)ane)->workers;
}
