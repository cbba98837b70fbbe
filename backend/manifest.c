#include "backend/manifest.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static json_t *dims(const Type *t)
{
    json_t *list = json_array();
    for (int i = 0; i < t->rank; i++)
        json_array_append_new(list, json_integer(t->dim[i]));
    return list;
}

static json_t *typed(const char *name, const Type *t)
{
    return json_pack("{s:s, s:s, s:o}", "name", name, "type", dtype_info[t->dtype].name, "shape", dims(t));
}

static json_t *model(const ModelInfo *m)
{
    json_t *j = json_pack("{s:s, s:I, s:I}", "name", m->name, "context", (json_int_t)m->context, "vocab",
                          (json_int_t)m->vocab);
    json_object_set_new(j, "bos", m->bos < 0 ? json_null() : json_integer(m->bos));
    json_object_set_new(j, "eos", m->eos < 0 ? json_null() : json_integer(m->eos));
    return j;
}

static json_t *states(const Plan *plan)
{
    json_t *list = json_array();
    for (int i = 0; i < plan->states; i++) {
        json_t *j = typed(plan->state[i].name, plan->state[i].type);
        json_object_set_new(j, "axis", json_integer(plan->state[i].axis));
        json_array_append_new(list, j);
    }
    return list;
}

static json_t *programs(const Plan *plan)
{
    json_t *list = json_array();
    for (int i = 0; i < plan->programs; i++) {
        const Program *p = plan->program[i];
        json_t *file = json_sprintf("mil/%s.mil", p->name);
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:s}", "name", p->name, "file", file, "place",
                                              p->place == PLACE_ANE ? "ane" : "cpu", "kind", p->kind));
    }
    return list;
}

static json_t *bindings(const Binding *b, int count)
{
    json_t *j = json_object();
    for (int i = 0; i < count; i++)
        json_object_set_new(j, b[i].port, json_string(b[i].buffer));
    return j;
}

static json_t *stores(const Step *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->stores; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:s}", "buffer", s->store[i].buffer, "first",
                                              (json_int_t)s->store[i].first, "count",
                                              (json_int_t)s->store[i].count, "state", s->store[i].state));
    return list;
}

static json_t *step(const Step *s)
{
    json_t *j = json_pack("{s:s, s:s, s:o, s:o}", "program", s->program->name, "function", s->function, "in",
                          bindings(s->input, s->inputs), "out", bindings(s->output, s->outputs));
    if (s->stores)
        json_object_set_new(j, "store", stores(s));
    return j;
}

static json_t *entry(const Entry *e)
{
    static const char *const kinds[] = {"prefill", "head", "decode"};
    json_t *buffers = json_array(), *steps = json_array();
    for (int i = 0; i < e->buffers; i++)
        json_array_append_new(buffers, typed(e->buffer[i].name, e->buffer[i].type));
    for (int i = 0; i < e->steps; i++)
        json_array_append_new(steps, step(&e->step[i]));
    return json_pack("{s:s, s:I, s:o, s:o}", "kind", kinds[e->kind], "bucket", (json_int_t)e->bucket,
                     "buffers", buffers, "steps", steps);
}

static json_t *entries(const Plan *plan)
{
    json_t *list = json_array();
    for (int i = 0; i < plan->entries; i++)
        json_array_append_new(list, entry(&plan->entry[i]));
    return list;
}

static json_t *listed(const ManifestFile *f, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:I, s:s}", "path", f[i].path, "size",
                                              (json_int_t)f[i].size, "sha256", f[i].sha256));
    return list;
}

static int append(const char *bytes, size_t size, void *out)
{
    text_add(out, bytes, size);
    return 0;
}

void manifest_print(Text *out, const Plan *plan, const ManifestFile *files, int count)
{
    json_t *tokenizer = json_null();
    for (int i = 0; i < count; i++)
        if (strcmp(files[i].path, "tokenizer.json") == 0)
            tokenizer = json_string(files[i].path);
    json_t *j = json_object();
    json_object_set_new(j, "format", json_string("anec-package"));
    json_object_set_new(j, "version", json_integer(1));
    json_object_set_new(j, "generator", json_string("anec " ANEC_VERSION));
    json_object_set_new(j, "model", model(&plan->model));
    json_object_set_new(j, "profile", json_string(plan->profile));
    json_object_set_new(j, "limits",
                        json_pack("{s:I, s:I, s:I}", "compiles", (json_int_t)plan->compiles, "resident",
                                  (json_int_t)plan->resident, "surface_bytes",
                                  (json_int_t)plan->surface_bytes));
    json_object_set_new(j, "tokenizer", tokenizer);
    json_object_set_new(j, "states", states(plan));
    json_object_set_new(j, "programs", programs(plan));
    json_object_set_new(j, "entries", entries(plan));
    json_object_set_new(j, "files", listed(files, count));
    json_dump_callback(j, append, out, JSON_INDENT(1));
    text_putc(out, '\n');
    json_decref(j);
}
