#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "runtime/ane/budget.h"

/* ---- surfaces and request ---- */

static bool open_surfaces(const Apple *a, CF attributes, AneSide side, const AnePort *port, int count,
                          size_t unit, size_t least, AneSurface *s, Error *err)
{
    surface_layout(a, attributes, side, port, count, unit, least, s);
    for (int i = 0; i < count; i++)
        if (!surface_open(a, &s[i], err))
            return error_prefix(err, "%s", port[i].name);
    return true;
}

/* The objects of the surfaces, and their indices, as two arrays. */
static void arrays_of(const Apple *a, const AneSurface *s, int count, CF *objects, CF *indices)
{
    CF *object = xcalloc((size_t)count + 1, sizeof *object),
       *index = xcalloc((size_t)count + 1, sizeof *index);
    for (int i = 0; i < count; i++) {
        object[i] = (CF)s[i].object;
        index[i] = cf_number(a, s[i].index);
    }
    *objects = cf_array(a, object, (size_t)count);
    *indices = cf_array(a, index, (size_t)count);
    for (int i = 0; i < count; i++)
        cf_release(a, index[i]);
    free(object);
    free(index);
}

Id ane_make_request(const AneProgram *p, Id weights, Id statistics, Error *err)
{
    const Apple *a = apple_of(p);
    CF in, in_index, out, out_index, procedure = cf_number(a, p->procedure);
    arrays_of(a, p->in, p->inputs, &in, &in_index);
    arrays_of(a, p->out, p->outputs, &out, &out_index);
    Id request = request_make(a, apple_class(a, CLASS_REQUEST), (Id)(uintptr_t)in, (Id)(uintptr_t)in_index,
                              (Id)(uintptr_t)out, (Id)(uintptr_t)out_index, weights, statistics,
                              (Id)(uintptr_t)procedure);
    cf_release(a, in);
    cf_release(a, in_index);
    cf_release(a, out);
    cf_release(a, out_index);
    cf_release(a, procedure);
    if (!request)
        error_set(err, "the framework makes no request");
    return request;
}

static bool make_request(AneProgram *p, Error *err)
{
    Id request = ane_make_request(p, NULL, NULL, err);
    p->request = request ? apple_of(p)->objc_retain(request) : NULL;
    return request;
}

static bool bind(AneProgram *p, const AneSource *s, Error *err)
{
    const Apple *a = apple_of(p);
    CF attributes = (CF)model_attributes(a, p->model->object);
    size_t least = p->model->engine->surface_least;
    p->procedure = surface_procedure(a, attributes, s->function, s->number);
    return open_surfaces(a, attributes, (AneSide){false, p->procedure}, p->input, p->inputs, s->surface_unit,
                         least, p->in, err) &&
           open_surfaces(a, attributes, (AneSide){true, p->procedure}, p->output, p->outputs, s->surface_unit,
                         least, p->out, err) &&
           make_request(p, err);
}

/* ---- life ---- */

static void free_program(AneProgram *p)
{
    if (p->model) {
        const Apple *a = apple_of(p);
        AneEngine *e = p->model->engine;
        if (watch_is_stuck(e->watch)) {
            ane_model_close(p->model);
            p->next = e->left;
            e->left = p;
            return;
        }
        for (int i = 0; i < p->inputs; i++)
            surface_close(a, &p->in[i]);
        for (int i = 0; i < p->outputs; i++)
            surface_close(a, &p->out[i]);
        if (p->request)
            a->objc_release(p->request);
        ane_model_close(p->model);
    }
    free(p->input);
    free(p->output);
    free(p->in);
    free(p->out);
    free(p);
}

static AneProgram *new_program(const AneSource *s)
{
    AneProgram *p = xcalloc(1, sizeof *p);
    *p = (AneProgram){.inputs = s->inputs, .outputs = s->outputs};
    p->input = xcalloc((size_t)s->inputs + 1, sizeof *p->input);
    p->output = xcalloc((size_t)s->outputs + 1, sizeof *p->output);
    p->in = xcalloc((size_t)s->inputs + 1, sizeof *p->in);
    p->out = xcalloc((size_t)s->outputs + 1, sizeof *p->out);
    memcpy(p->input, s->input, (size_t)s->inputs * sizeof *p->input);
    memcpy(p->output, s->output, (size_t)s->outputs * sizeof *p->output);
    return p;
}

AneProgram *ane_program_open(AneEngine *e, const AneSource *s, Error *err)
{
    const Apple *a = &e->apple;
    AneProgram *p = new_program(s);
    void *pool = a->objc_autoreleasePoolPush();
    p->model = ane_model_open(e, s, err);
    if (!p->model || !((p->model->loaded || ane_load(p->model, err)) && bind(p, s, err))) {
        free_program(p);
        p = NULL;
        error_prefix(err, "%s on the Neural Engine", s->name);
    }
    a->objc_autoreleasePoolPop(pool);
    return p;
}

void ane_program_close(AneProgram *p)
{
    if (!p)
        return;
    const Apple *a = apple_of(p);
    void *pool = a->objc_autoreleasePoolPush();
    free_program(p);
    a->objc_autoreleasePoolPop(pool);
}

bool ane_engine_is_stuck(const AneEngine *e)
{
    return watch_is_stuck(e->watch);
}

void ane_engine_remember(AneEngine *e)
{
    char chip[sizeof e->build];
    ane_engine_name(e, chip, e->build, sizeof chip);
    e->index = index_open();
}

static void purge(void *engine, const IndexEntry *entry)
{
    Error ignored;
    (void)!ane_engine_purge(engine, entry->identifier, &ignored);
}

void ane_engine_close(AneEngine *e)
{
    Error ignored;
    if (e->index) {
        index_trim(e->index, e->build, purge, e);
        (void)!index_save(e->index, &ignored);
    }
    index_close(e->index);
    watch_close(e->watch);
}

/* ---- evaluate ---- */

bool ane_program_write(AneProgram *p, const void *const *input, Error *err)
{
    for (int i = 0; i < p->inputs; i++)
        if (!surface_write(apple_of(p), &p->in[i], &p->input[i], input[i], err))
            return false;
    return true;
}

bool ane_program_read(AneProgram *p, void *const *output, Error *err)
{
    for (int i = 0; i < p->outputs; i++)
        if (!surface_read(apple_of(p), &p->out[i], &p->output[i], output[i], err))
            return false;
    return true;
}

bool ane_program_evaluate(AneProgram *p, AneEvaluation *how, Error *err)
{
    const Apple *a = apple_of(p);
    void *pool = a->objc_autoreleasePoolPush();
    budget_touch(p->model);
    bool ok = (p->model->loaded || ane_load(p->model, err)) &&
              (how ? ane_evaluate_as(p, how, err) : ane_evaluate(p->model, p->request, err));
    a->objc_autoreleasePoolPop(pool);
    return ok;
}

bool ane_program_run(AneProgram *p, const void *const *input, void *const *output, Error *err)
{
    return ane_program_write(p, input, err) && ane_program_evaluate(p, NULL, err) &&
           ane_program_read(p, output, err);
}
