/* assemble: entry points, as steps over named buffers. */
#include <string.h>

#include "passes/pipeline.h"

static const Type *static_type(Pipeline *p, const Type *symbolic, int64_t bucket)
{
    Type t = *symbolic;
    for (int i = 0; i < t.rank; i++)
        if (t.dim[i] == DIM_S || t.dim[i] == DIM_T)
            t.dim[i] = bucket;
    return type_copy(&p->plan->arena, &t);
}

static void add_buffers(Pipeline *p, Entry *e)
{
    static const char *const ports[] = {"token", "position"};
    Arena *a = &p->plan->arena;
    e->buffer = arena_many(a, (size_t)p->carriers + 2, Buffer);
    for (int i = 0; i < 2; i++) { /* inputs of the entry, even those that the model does not read */
        Type t = type_tensor(DT_INT32, 1, &e->bucket);
        e->buffer[e->buffers++] = (Buffer){ports[i], type_copy(a, &t)};
    }
    for (int i = 0; i < p->carriers; i++)
        if (strcmp(p->carrier[i].name, ports[0]) != 0 && strcmp(p->carrier[i].name, ports[1]) != 0)
            e->buffer[e->buffers++] =
                (Buffer){p->carrier[i].name, static_type(p, p->carrier[i].type, e->bucket)};
}

static void add_stores(Pipeline *p, Step *step, const Segment *s)
{
    step->store = arena_many(&p->plan->arena, (size_t)s->outputs, CacheStore);
    for (int i = 0; i < s->outputs; i++) {
        const Wire *w = &p->wire[s->output[i]];
        if (w->state)
            step->store[step->stores++] =
                (CacheStore){p->carrier[w->half_carrier].name, w->first, w->channels, w->state};
    }
}

static Step step_of(const Instance *i)
{
    return (Step){.program = i->program,
                  .function = i->physical->name,
                  .inputs = i->inputs,
                  .outputs = i->outputs,
                  .input = i->input,
                  .output = i->output};
}

static void add_prefill(Pipeline *p, Entry *e, Instance *const *instance, int64_t bucket)
{
    *e = (Entry){.kind = ENTRY_PREFILL, .bucket = bucket};
    e->step = arena_many(&p->plan->arena, (size_t)p->segments, Step);
    add_buffers(p, e);
    for (int s = 0; s < p->segments; s++) {
        Step *step = &e->step[e->steps++];
        *step = step_of(instance[s]);
        add_stores(p, step, instance[s]->segment);
    }
}

static Buffer buffer_of(Pipeline *p, const char *name, const Type *type)
{
    Type t = *type;
    return (Buffer){name, type_copy(&p->plan->arena, &t)};
}

static void add_head(Pipeline *p, Entry *e, const Instance *head)
{
    Arena *a = &p->plan->arena;
    *e = (Entry){.kind = ENTRY_HEAD, .bucket = 1, .steps = 1, .buffers = 2};
    e->step = arena_new(a, Step);
    *e->step = step_of(head);
    e->buffer = arena_many(a, 2, Buffer);
    e->buffer[0] = buffer_of(p, "hidden", head->physical->param[0]->type);
    e->buffer[1] = buffer_of(p, "logits", head->physical->output[0]->type);
}

/* The function's own parameters and results, under their names; states are bound to themselves. */
static void add_decode(Pipeline *p, Entry *e, const Program *program)
{
    static const char *const inputs[] = {"token", "position"};
    Arena *a = &p->plan->arena;
    const Func *f = module_find(program->module, "main");
    int64_t one = 1;
    Type id = type_tensor(DT_INT32, 1, &one);
    *e = (Entry){.kind = ENTRY_DECODE, .bucket = 1, .steps = 1, .buffers = 3};
    e->buffer = arena_many(a, 3, Buffer);
    for (int i = 0; i < 2; i++)
        e->buffer[i] = buffer_of(p, inputs[i], &id);
    e->buffer[2] = buffer_of(p, "logits", f->output[0]->type);
    e->step = arena_new(a, Step);
    *e->step = (Step){.program = program, .function = "main", .inputs = f->params, .outputs = 1};
    e->step->input = arena_many(a, (size_t)f->params, Binding);
    for (int i = 0; i < f->params; i++)
        e->step->input[i] = (Binding){f->param[i]->name, f->param[i]->name};
    e->step->output = arena_new(a, Binding);
    *e->step->output = (Binding){f->output[0]->name, "logits"};
}

static const Program *decode_program(const Pipeline *p)
{
    for (int i = 0; i < p->plan->programs; i++)
        if (strcmp(p->plan->program[i]->kind, "decode") == 0)
            return p->plan->program[i];
    return NULL;
}

bool pass_assemble(Pipeline *p)
{
    Plan *plan = p->plan;
    plan->entries = p->buckets + 2;
    plan->entry = arena_many(&plan->arena, (size_t)plan->entries, Entry);
    for (int b = 0; b < p->buckets; b++)
        add_prefill(p, &plan->entry[b], &p->instance[b * p->segments], p->bucket[b]);
    add_head(p, &plan->entry[p->buckets], p->instance[p->instances - 1]);
    add_decode(p, &plan->entry[p->buckets + 1], decode_program(p));
    for (int i = 0; i < plan->entries; i++)
        pipeline_count(p, "steps", plan->entry[i].steps);
    return true;
}
