#include "runtime/stage.h"

#include <stdlib.h>
#include <string.h>

#include "base/placement.h"

enum { ALIGN = 64 };

/* Channels of a fp16 buffer that go into the KV cache. */
typedef struct Store {
    const uint16_t *from; /* [heads * d, columns] */
    uint16_t *to;         /* [heads, length, d] */
    int64_t heads, d, length, columns;
} Store;

typedef struct Bound {
    Kernel *kernel;
    PortData *data; /* one per port */
    Store *store;
    int stores;
} Bound;

struct Stage {
    const Entry *entry;
    const Plan *plan;
    void *const *state;
    Bound *bound;  /* one per step */
    char **buffer; /* one per Entry.buffer */
    char *memory;
};

static int buffer_index(const Entry *e, const char *name)
{
    for (int i = 0; i < e->buffers; i++)
        if (strcmp(e->buffer[i].name, name) == 0)
            return i;
    return -1;
}

/* ---- placing ---- */

static bool is_port(const char *name)
{
    static const char *const ports[] = {"token", "position", "hidden", "logits"};
    for (int i = 0; i < 4; i++)
        if (strcmp(ports[i], name) == 0)
            return true;
    return false;
}

static void touch(const Entry *e, Lifetime *life, const Binding *b, int count, int step)
{
    for (int i = 0; i < count; i++) {
        int k = buffer_index(e, b[i].buffer);
        if (k < 0)
            continue; /* a state */
        if (step < life[k].first)
            life[k].first = step;
        if (step > life[k].last)
            life[k].last = step;
    }
}

static bool place_buffers(Stage *s, Error *err)
{
    const Entry *e = s->entry;
    Lifetime *life = xcalloc((size_t)e->buffers, sizeof *life);
    for (int i = 0; i < e->buffers; i++) {
        bool port = is_port(e->buffer[i].name);
        life[i].size = (size_t)type_bytes(e->buffer[i].type);
        life[i].first = port ? 0 : e->steps;
        life[i].last = port ? e->steps : 0;
    }
    for (int i = 0; i < e->steps; i++) {
        touch(e, life, e->step[i].input, e->step[i].inputs, i);
        touch(e, life, e->step[i].output, e->step[i].outputs, i);
    }
    size_t total = placement(life, e->buffers, ALIGN);
    s->memory = calloc(1, total + ALIGN);
    if (!s->memory) {
        free(life);
        return error_set(err, "not enough memory: the activations take %zu bytes", total);
    }
    char *base = s->memory + (ALIGN - (uintptr_t)s->memory % ALIGN);
    s->buffer = xcalloc((size_t)e->buffers, sizeof *s->buffer);
    for (int i = 0; i < e->buffers; i++)
        s->buffer[i] = base + life[i].offset;
    free(life);
    return true;
}

/* ---- binding ---- */

static const Type *state_type(const Stage *s, const char *name, void **data)
{
    for (int i = 0; i < s->plan->states; i++)
        if (strcmp(s->plan->state[i].name, name) == 0) {
            *data = s->state[i];
            return s->plan->state[i].type;
        }
    return NULL;
}

/* Memory and type behind a binding's buffer, a state's included. */
static const Type *resolve(const Stage *s, const char *name, void **data)
{
    int i = buffer_index(s->entry, name);
    if (i < 0)
        return state_type(s, name, data);
    *data = s->buffer[i];
    return s->entry->buffer[i].type;
}

static bool mismatch(const Step *step, const Binding *binding, const Type *port, const Type *buffer,
                     Error *err)
{
    Arena a = {0};
    error_set(err, "%s: %s of function %s is %s, but the manifest binds %s to it", step->program->name,
              binding->port, step->function, type_text(&a, port), buffer ? type_text(&a, buffer) : "nothing");
    arena_free(&a);
    return false;
}

static bool bind_one(Stage *s, Bound *b, const Step *step, const Binding *binding, bool output, Error *err)
{
    void *data = NULL;
    const Type *type = resolve(s, binding->buffer, &data);
    int port = kernel_port(b->kernel, output ? PORT_OUTPUT : PORT_INPUT, binding->port);
    if (port < 0 && !output)
        port = kernel_port(b->kernel, PORT_STATE, binding->port);
    if (port < 0)
        return error_set(err, "%s: function %s has no %s %s", step->program->name, step->function,
                         output ? "result" : "parameter", binding->port);
    const Port *p = &b->kernel->port[port];
    if (!type || type->dtype != p->type->dtype || !dims_equal(type, p->type))
        return mismatch(step, binding, p->type, type, err);
    b->data[port] = (PortData){data, p->bytes};
    return true;
}

static bool bind_step(Stage *s, Bound *b, const Step *step, Error *err)
{
    b->data = xcalloc((size_t)b->kernel->ports, sizeof *b->data);
    for (int i = 0; i < step->inputs; i++)
        if (!bind_one(s, b, step, &step->input[i], false, err))
            return false;
    for (int i = 0; i < step->outputs; i++)
        if (!bind_one(s, b, step, &step->output[i], true, err))
            return false;
    for (int i = 0; i < b->kernel->ports; i++)
        if (!b->data[i].data)
            return error_set(err, "%s: %s of function %s is not bound", step->program->name,
                             b->kernel->port[i].name, step->function);
    return true;
}

static void bind_store(Stage *s, Store *out, const CacheStore *c)
{
    void *data = NULL;
    const Type *t = state_type(s, c->state, &data);
    int axis = 0;
    for (int i = 0; i < s->plan->states; i++)
        if (strcmp(s->plan->state[i].name, c->state) == 0)
            axis = s->plan->state[i].axis;
    *out = (Store){.to = data, .heads = 1, .d = 1, .length = t->dim[axis], .columns = s->entry->bucket};
    for (int i = 0; i < axis; i++)
        out->heads *= t->dim[i];
    for (int i = axis + 1; i < t->rank; i++)
        out->d *= t->dim[i];
    out->from = (const uint16_t *)s->buffer[buffer_index(s->entry, c->buffer)] + c->first * out->columns;
}

static bool make_step(Stage *s, Package *package, Device *cpu, Device *ane, int i, Error *err)
{
    const Step *step = &s->entry->step[i];
    Bound *b = &s->bound[i];
    BlobResolver blobs = {
        .find = package_blob, .context = package, .file = package_file, .folder = package_folder(package)};
    const Func *f = package_function(package, step->program, step->function, err);
    Device *device = ane && step->program->place == PLACE_ANE ? ane : cpu;
    b->kernel = f ? device_compile(device, f, &blobs, err) : NULL;
    if (!b->kernel)
        return error_prefix(err, "%s", step->program->name);
    if (!bind_step(s, b, step, err))
        return false;
    b->stores = step->stores;
    b->store = xcalloc((size_t)step->stores, sizeof *b->store);
    for (int k = 0; k < step->stores; k++)
        bind_store(s, &b->store[k], &step->store[k]);
    return true;
}

Stage *stage_new(Package *package, Device *cpu, Device *ane, const Entry *entry, void *const *state,
                 Error *err)
{
    Stage *s = xcalloc(1, sizeof *s);
    s->entry = entry;
    s->plan = &package_manifest(package)->plan;
    s->state = state;
    s->bound = xcalloc((size_t)entry->steps, sizeof *s->bound);
    bool ok = place_buffers(s, err);
    for (int i = 0; ok && i < entry->steps; i++)
        ok = make_step(s, package, cpu, ane, i, err);
    if (ok)
        return s;
    stage_free(s);
    return NULL;
}

void stage_free(Stage *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->entry->steps; i++) {
        kernel_release(s->bound[i].kernel);
        free(s->bound[i].data);
        free(s->bound[i].store);
    }
    free(s->bound);
    free(s->buffer);
    free(s->memory);
    free(s);
}

void *stage_buffer(Stage *s, const char *name)
{
    int i = buffer_index(s->entry, name);
    return i < 0 ? NULL : s->buffer[i];
}

const Type *stage_type(const Stage *s, const char *name)
{
    int i = buffer_index(s->entry, name);
    return i < 0 ? NULL : s->entry->buffer[i].type;
}

/* ---- running ---- */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* to[head][p][i] = from[head * d + i][p], in tiles that stay in the first cache. */
static void run_store(const Store *s, int64_t positions)
{
    enum { TILE = 32 };
    for (int64_t h = 0; h < s->heads; h++)
        for (int64_t i0 = 0; i0 < s->d; i0 += TILE)
            for (int64_t p0 = 0; p0 < positions; p0 += TILE) {
                const uint16_t *from = s->from + h * s->d * s->columns;
                uint16_t *to = s->to + h * s->length * s->d;
                for (int64_t p = p0; p < least(p0 + TILE, positions); p++)
                    for (int64_t i = i0; i < least(i0 + TILE, s->d); i++)
                        to[p * s->d + i] = from[i * s->columns + p];
            }
}

bool stage_run(Stage *s, int positions, const Trace *trace, Error *err)
{
    for (int i = 0; i < s->entry->steps; i++) {
        const Program *program = s->entry->step[i].program;
        Bound *b = &s->bound[i];
        if (trace && trace->enter)
            trace->enter(trace->context, program->name, program->place == PLACE_ANE);
        if (!device_run(b->kernel, b->data, b->kernel->ports, trace, err))
            return error_prefix(err, "%s", s->entry->step[i].program->name);
        for (int k = 0; k < b->stores; k++)
            run_store(&b->store[k], positions);
    }
    return true;
}
