#include "runtime/ane/budget.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/arena.h"
#include "base/file.h"
#include "runtime/ane/failure.h"

enum { PATH = 1024, TRIES = 6, FIRST_WAIT_MS = 100, COMPILE_PATIENCE = 10 };

static void wait_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

CF ane_no_options(const Apple *a)
{
    return cf_dictionary(a, NULL, NULL, 0);
}

/* ---- the folder that the compiler reads ---- */

static const char root[] = "@model_path/";

/* Below the folder, and never out of it. */
static char *path_of(const AneProgram *p, const char *file, Error *err)
{
    if (strncmp(file, root, strlen(root)) == 0 && !strstr(file, ".."))
        return path_join(p->folder, file + strlen(root));
    error_set(err, "%s: not a path below %s", file, root);
    return NULL;
}

static bool make_folder(const char *path, Error *err)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST || error_set_errno(err, errno, "cannot make %s", path);
}

bool ane_write_file(const AneProgram *p, const AneFile *f, Error *err)
{
    char *path = path_of(p, f->path, err);
    if (!path)
        return false;
    char *folder = path_dir(path);
    bool ok = make_folder(folder, err) && file_write_atomic(path, f->data, f->size, err);
    free(folder);
    free(path);
    return ok;
}

/* Leftovers of an earlier run make the compiler refuse: it starts empty. */
static bool write_folder(const AneProgram *p, const AneSource *s, Error *err)
{
    if (file_exists(p->folder) && !dir_remove(p->folder, err))
        return false;
    AneFile mil = {"@model_path/model.mil", s->mil, s->mil_size};
    bool ok = make_folder(p->folder, err) && ane_write_file(p, &mil, err);
    for (int i = 0; ok && i < s->files; i++)
        ok = ane_write_file(p, &s->file[i], err);
    return ok;
}

static bool name_folder(AneProgram *p, Error *err)
{
    const Apple *a = &p->engine->apple;
    char temporary[PATH];
    if (!cf_text(a, a->NSTemporaryDirectory(), temporary, PATH))
        return error_set(err, "the system names no temporary folder");
    p->folder = path_join(temporary, p->identifier);
    return true;
}

/* ---- descriptor and model ---- */

static CF weights_of(const Apple *a, const AneSource *s)
{
    CF *key = xcalloc((size_t)s->files + 1, sizeof *key),
       *value = xcalloc((size_t)s->files + 1, sizeof *value);
    for (int i = 0; i < s->files; i++) {
        CF names[] = {cf_string(a, "offset"), cf_string(a, "data")};
        CF values[] = {cf_number(a, 0), cf_data(a, s->file[i].data, s->file[i].size)};
        key[i] = cf_string(a, s->file[i].path);
        value[i] = cf_dictionary(a, names, values, 2);
        for (int k = 0; k < 2; k++) {
            cf_release(a, names[k]);
            cf_release(a, values[k]);
        }
    }
    CF all = cf_dictionary(a, key, value, (size_t)s->files);
    for (int i = 0; i < s->files; i++) {
        cf_release(a, key[i]);
        cf_release(a, value[i]);
    }
    free(key);
    free(value);
    return all;
}

static bool make_model(AneProgram *p, const AneSource *s, Error *err)
{
    const Apple *a = &p->engine->apple;
    /* The model keeps the NSData, which points to bytes of ours. */
    p->mil = xmalloc(s->mil_size + 1);
    memcpy(p->mil, s->mil, s->mil_size);
    CF mil = cf_data(a, p->mil, s->mil_size), weights = weights_of(a, s);
    Id descriptor = descriptor_make(a, apple_class(a, CLASS_DESCRIPTOR), (Id)(uintptr_t)mil,
                                    (Id)(uintptr_t)weights, NULL);
    Id model = descriptor ? model_make(a, apple_class(a, CLASS_MODEL), descriptor) : NULL;
    p->model = model ? a->objc_retain(model) : NULL;
    cf_release(a, mil);
    cf_release(a, weights);
    if (!model)
        return error_set(err, "the framework makes no %s of this program",
                         descriptor ? "model" : "descriptor");
    return cf_text(a, (CF)model_id(a, model), p->identifier, ANE_IDENTIFIER) ||
           error_set(err, "the framework gives the program no identifier");
}

/* ---- calls that may fail for a while, or never come back ---- */

/* One call on the watchdog's thread, where there is a time limit; so many times as long. */
static bool guarded(AneProgram *p, const char *step, double factor, bool (*call)(void *, Error *), Error *err)
{
    AneEngine *e = p->engine;
    p->transient = false;
    if (e->time_limit <= 0)
        return call(p, err);
    if (!e->watch && !(e->watch = watch_open(err)))
        return false;
    return watch_call(e->watch, e->time_limit * factor, call, p, err) ||
           (watch_is_stuck(e->watch) && error_prefix(err, "%s", step));
}

/* Pools belong to a thread: what a call leaves behind is told before its pool goes. */
static bool finish(AneProgram *p, bool ok, Id failure, const char *step, void *pool, Error *err)
{
    const Apple *a = &p->engine->apple;
    p->transient = !ok && failure_is_transient(a, failure);
    if (!ok)
        failure_tell(a, failure, step, err);
    a->objc_autoreleasePoolPop(pool);
    return ok;
}

static bool exists_once(void *program, Error *err)
{
    AneProgram *p = program;
    const Apple *a = &p->engine->apple;
    void *pool = a->objc_autoreleasePoolPush();
    p->compiled = model_is_compiled(a, p->model);
    return finish(p, true, NULL, NULL, pool, err);
}

static bool compile_once(void *program, Error *err)
{
    AneProgram *p = program;
    const Apple *a = &p->engine->apple;
    void *pool = a->objc_autoreleasePoolPush();
    CF options = ane_no_options(a);
    Id failure = NULL;
    bool ok = model_compile(a, p->model, ANE_QOS, (Id)(uintptr_t)options, &failure);
    cf_release(a, options);
    return finish(p, ok, failure, "compiling", pool, err);
}

static bool load_once(void *program, Error *err)
{
    AneProgram *p = program;
    const Apple *a = &p->engine->apple;
    void *pool = a->objc_autoreleasePoolPush();
    CF options = ane_no_options(a);
    Id failure = NULL;
    bool ok = model_load(a, p->model, ANE_QOS, (Id)(uintptr_t)options, &failure);
    cf_release(a, options);
    return finish(p, ok, failure, "loading", pool, err);
}

static bool unload_once(void *program, Error *err)
{
    AneProgram *p = program;
    const Apple *a = &p->engine->apple;
    void *pool = a->objc_autoreleasePoolPush();
    Id failure = NULL;
    bool ok = model_unload(a, p->model, ANE_QOS, &failure);
    return finish(p, ok, failure, "unloading", pool, err);
}

static bool evaluate_once(void *program, Error *err)
{
    AneProgram *p = program;
    const Apple *a = &p->engine->apple;
    void *pool = a->objc_autoreleasePoolPush();
    CF options = ane_no_options(a);
    Id failure = NULL;
    bool ok = model_evaluate(a, p->model, ANE_QOS, (Id)(uintptr_t)options, p->request, &failure);
    cf_release(a, options);
    return finish(p, ok, failure, "evaluating", pool, err);
}

/* ---- compile and load ---- */

static bool compile(AneProgram *p, Error *err)
{
    if (!guarded(p, "asking for the compiled program", 1, exists_once, err))
        return false;
    if (p->compiled)
        return true; /* costs nothing of the process's budget */
    return budget_compile(p->engine, err) && guarded(p, "compiling", COMPILE_PATIENCE, compile_once, err);
}

/* Once more after any failure. While the engine is busy, one program of ours after the other makes room, and
 * where there is none, pauses grow. */
bool ane_load(AneProgram *p, Error *err)
{
    AneEngine *e = p->engine;
    long wait = FIRST_WAIT_MS;
    budget_make_room(e, p);
    budget_touch(p);
    for (int i = 0; i < TRIES && !p->loaded; i++) {
        p->loaded = guarded(p, "loading", 1, load_once, err);
        e->loaded += p->loaded;
        if (p->loaded || watch_is_stuck(e->watch) || (i > 0 && !p->transient))
            break;
        if (p->transient && budget_unload_one(e, p))
            continue;
        wait_ms(wait);
        wait *= 2;
    }
    return p->loaded;
}

bool ane_unload(AneProgram *p, Error *err)
{
    if (!p->loaded || !guarded(p, "unloading", 1, unload_once, err))
        return false;
    p->loaded = false;
    p->engine->loaded--;
    return true;
}

/* ---- surfaces and request ---- */

static bool open_surfaces(const Apple *a, CF attributes, bool output, const AnePort *port, int count,
                          size_t unit, AneSurface *s, Error *err)
{
    surface_layout(a, attributes, output, port, count, unit, s);
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
    const Apple *a = &p->engine->apple;
    CF in, in_index, out, out_index, procedure = cf_number(a, 0);
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
    p->request = request ? p->engine->apple.objc_retain(request) : NULL;
    return request;
}

static bool bind(AneProgram *p, Error *err)
{
    const Apple *a = &p->engine->apple;
    CF attributes = (CF)model_attributes(a, p->model);
    return open_surfaces(a, attributes, false, p->input, p->inputs, p->surface_unit, p->in, err) &&
           open_surfaces(a, attributes, true, p->output, p->outputs, p->surface_unit, p->out, err) &&
           make_request(p, err);
}

/* ---- life ---- */

static void free_program(AneProgram *p)
{
    const Apple *a = &p->engine->apple;
    Error ignored;
    if (p->folder && file_exists(p->folder))
        (void)!dir_remove(p->folder, &ignored);
    if (watch_is_stuck(p->engine->watch))
        return; /* the call that hangs still works with it */
    for (int i = 0; i < p->inputs; i++)
        surface_close(a, &p->in[i]);
    for (int i = 0; i < p->outputs; i++)
        surface_close(a, &p->out[i]);
    if (p->request)
        a->objc_release(p->request);
    for (int i = 0; i < 2 && p->loaded; i++)
        (void)!ane_unload(p, &ignored);
    if (p->model)
        a->objc_release(p->model);
    free(p->folder);
    free(p->mil);
    free(p->input);
    free(p->output);
    free(p->in);
    free(p->out);
    free(p);
}

static AneProgram *new_program(AneEngine *e, const AneSource *s)
{
    AneProgram *p = xcalloc(1, sizeof *p);
    *p = (AneProgram){
        .engine = e, .users = 1, .inputs = s->inputs, .outputs = s->outputs, .surface_unit = s->surface_unit};
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
    AneProgram *p = new_program(e, s), *known = NULL;
    void *pool = a->objc_autoreleasePoolPush();
    bool ok = make_model(p, s, err);
    if (ok)
        HASH_FIND_STR(e->program, p->identifier, known);
    ok = ok && (known || (name_folder(p, err) && write_folder(p, s, err) && compile(p, err) &&
                          ane_load(p, err) && bind(p, err)));
    if (ok && !known)
        HASH_ADD_STR(e->program, identifier, p);
    if (!ok || known)
        free_program(p);
    a->objc_autoreleasePoolPop(pool);
    if (!ok) {
        error_prefix(err, "%s on the Neural Engine", s->name);
        return NULL;
    }
    if (!known)
        return p;
    known->users++;
    return known;
}

void ane_program_close(AneProgram *p)
{
    if (!p || --p->users)
        return;
    const Apple *a = &p->engine->apple;
    void *pool = a->objc_autoreleasePoolPush();
    if (!watch_is_stuck(p->engine->watch))
        HASH_DEL(p->engine->program, p);
    free_program(p);
    a->objc_autoreleasePoolPop(pool);
}

bool ane_engine_is_stuck(const AneEngine *e)
{
    return watch_is_stuck(e->watch);
}

void ane_engine_close(AneEngine *e)
{
    watch_close(e->watch);
}

/* ---- evaluate ---- */

static bool evaluate(AneProgram *p, Error *err)
{
    long wait = FIRST_WAIT_MS;
    bool ok = false;
    for (int i = 0; i < TRIES && !ok; i++, wait *= 2) {
        ok = guarded(p, "evaluating", 1, evaluate_once, err);
        if (ok || !p->transient)
            break;
        wait_ms(wait);
    }
    return ok;
}

bool ane_program_write(AneProgram *p, const void *const *input, Error *err)
{
    for (int i = 0; i < p->inputs; i++)
        if (!surface_write(&p->engine->apple, &p->in[i], &p->input[i], input[i], err))
            return false;
    return true;
}

bool ane_program_read(AneProgram *p, void *const *output, Error *err)
{
    for (int i = 0; i < p->outputs; i++)
        if (!surface_read(&p->engine->apple, &p->out[i], &p->output[i], output[i], err))
            return false;
    return true;
}

bool ane_program_evaluate(AneProgram *p, AneEvaluation *how, Error *err)
{
    const Apple *a = &p->engine->apple;
    void *pool = a->objc_autoreleasePoolPush();
    budget_touch(p);
    bool ok = (p->loaded || ane_load(p, err)) && (how ? ane_evaluate_as(p, how, err) : evaluate(p, err));
    a->objc_autoreleasePoolPop(pool);
    return ok;
}

bool ane_program_run(AneProgram *p, const void *const *input, void *const *output, Error *err)
{
    return ane_program_write(p, input, err) && ane_program_evaluate(p, NULL, err) &&
           ane_program_read(p, output, err);
}
