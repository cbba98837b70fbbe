/* What the system compiles and loads: the folder, the descriptor, and calls that may fail for a while or
 * never come back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "runtime/ane/budget.h"
#include "runtime/ane/failure.h"

enum { PATH = 1024, TRIES = 6, COMPILE_PATIENCE = 10 };
#define FIRST_WAIT 0.1 /* seconds */

CF ane_no_options(const Apple *a)
{
    return cf_dictionary(a, NULL, NULL, 0);
}

/* ---- the folder that the compiler reads ---- */

static const char root[] = "@model_path/";

/* Below the folder, and never out of it. */
static char *path_of(const AneModel *m, const char *file, Error *err)
{
    if (strncmp(file, root, strlen(root)) == 0 && !strstr(file, ".."))
        return path_join(m->folder, file + strlen(root));
    error_set(err, "%s: not a path below %s", file, root);
    return NULL;
}

static bool make_folder(const char *path, Error *err)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST || error_set_errno(err, errno, "cannot make %s", path);
}

bool ane_write_file(const AneModel *m, const AneFile *f, Error *err)
{
    char *path = path_of(m, f->path, err);
    if (!path)
        return false;
    char *folder = path_dir(path);
    bool ok = make_folder(folder, err) && file_write_atomic(path, f->data, f->size, err);
    free(folder);
    free(path);
    return ok;
}

/* Leftovers of an earlier run make the compiler refuse: it starts empty. */
static bool write_folder(const AneModel *m, const AneSource *s, Error *err)
{
    if (file_exists(m->folder) && !dir_remove(m->folder, err))
        return false;
    AneFile mil = {"@model_path/model.mil", s->mil, s->mil_size};
    bool ok = make_folder(m->folder, err) && ane_write_file(m, &mil, err);
    for (int i = 0; ok && i < s->files; i++)
        ok = ane_write_file(m, &s->file[i], err);
    return ok;
}

static bool name_folder(AneModel *m, Error *err)
{
    const Apple *a = &m->engine->apple;
    char temporary[PATH];
    if (!cf_text(a, a->NSTemporaryDirectory(), temporary, PATH))
        return error_set(err, "the system names no temporary folder");
    m->folder = path_join(temporary, m->identifier);
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

static bool make_model(AneModel *m, const AneSource *s, Error *err)
{
    const Apple *a = &m->engine->apple;
    /* The model keeps the NSData, which points to bytes of ours. */
    m->mil = xmalloc(s->mil_size + 1);
    memcpy(m->mil, s->mil, s->mil_size);
    CF mil = cf_data(a, m->mil, s->mil_size), weights = weights_of(a, s);
    Id descriptor = descriptor_make(a, apple_class(a, CLASS_DESCRIPTOR), (Id)(uintptr_t)mil,
                                    (Id)(uintptr_t)weights, NULL);
    Id model = descriptor ? model_make(a, apple_class(a, CLASS_MODEL), descriptor) : NULL;
    m->object = model ? a->objc_retain(model) : NULL;
    cf_release(a, mil);
    cf_release(a, weights);
    if (!model)
        return error_set(err, "the framework makes no %s of this program",
                         descriptor ? "model" : "descriptor");
    return cf_text(a, (CF)model_id(a, model), m->identifier, ANE_IDENTIFIER) ||
           error_set(err, "the framework gives the program no identifier");
}

/* ---- calls that may fail for a while, or never come back ---- */

typedef bool Send(const Apple *a, AneModel *m, Id options, Id *failure);

static bool send_exists(const Apple *a, AneModel *m, Id options, Id *failure)
{
    m->compiled = model_is_compiled(a, m->object);
    return true;
}

static bool send_compile(const Apple *a, AneModel *m, Id options, Id *failure)
{
    return model_compile(a, m->object, ANE_QOS, options, failure);
}

static bool send_load(const Apple *a, AneModel *m, Id options, Id *failure)
{
    return model_load(a, m->object, ANE_QOS, options, failure);
}

static bool send_unload(const Apple *a, AneModel *m, Id options, Id *failure)
{
    return model_unload(a, m->object, ANE_QOS, failure);
}

static bool send_evaluate(const Apple *a, AneModel *m, Id options, Id *failure)
{
    return model_evaluate(a, m->object, ANE_QOS, options, m->request, failure);
}

/* What is asked of a model; `patience` counts the engine's time limits. */
typedef struct AneCall {
    const char *step;
    double patience;
    Send *send;
} AneCall;
static const AneCall exists = {"asking for the compiled program", 1, send_exists},
                     compile = {"compiling", COMPILE_PATIENCE, send_compile},
                     load = {"loading", 1, send_load}, unload = {"unloading", 1, send_unload},
                     evaluate = {"evaluating", 1, send_evaluate};

/* Pools belong to a thread: what a call leaves behind is told before its pool goes. */
static bool call_once(void *model, Error *err)
{
    AneModel *m = model;
    const Apple *a = &m->engine->apple;
    void *pool = a->objc_autoreleasePoolPush();
    CF options = ane_no_options(a);
    Id failure = NULL;
    bool ok = m->call->send(a, m, (Id)(uintptr_t)options, &failure);
    cf_release(a, options);
    m->transient = !ok && failure_is_transient(a, failure);
    m->silent = !ok && !failure;
    if (!ok)
        failure_tell(a, failure, m->call->step, err);
    a->objc_autoreleasePoolPop(pool);
    return ok;
}

/* On the watchdog's thread, where there is a time limit. */
static bool ask(AneModel *m, const AneCall *call, Error *err)
{
    AneEngine *e = m->engine;
    m->call = call;
    m->transient = false;
    if (e->time_limit <= 0)
        return call_once(m, err);
    if (!e->watch && !(e->watch = watch_open(err)))
        return false;
    return watch_call(e->watch, e->time_limit * call->patience, call_once, m, err) ||
           (watch_is_stuck(e->watch) && error_prefix(err, "%s", call->step));
}

static bool make_compiled(AneModel *m, Error *err)
{
    if (!ask(m, &exists, err))
        return false;
    if (m->compiled)
        return true; /* costs nothing of the process's budget */
    if (!budget_compile(m->engine, err))
        return false;
    bool ok = ask(m, &compile, err);
    if (!ok && m->silent)
        budget_doubt(m->engine);
    return ok;
}

/* A program of the index that the system still keeps: it may load without the files, which are most of the
 * work of a start. Whether it needs them no source tells: the long way is next. */
static bool start_warm(AneModel *m, Error *err)
{
    AneEngine *e = m->engine;
    if (!e->index || !index_find(e->index, e->build, m->identifier) || !ask(m, &exists, err) || !m->compiled)
        return false;
    budget_make_room(e, m);
    budget_touch(m);
    m->loaded = ask(m, &load, err);
    e->loaded += m->loaded;
    return m->loaded;
}

/* Once more after any failure. While the engine is busy, one program of ours after the other makes room, and
 * where there is none, pauses grow. */
bool ane_load(AneModel *m, Error *err)
{
    AneEngine *e = m->engine;
    double wait = FIRST_WAIT;
    budget_make_room(e, m);
    budget_touch(m);
    for (int i = 0; i < TRIES && !m->loaded; i++) {
        m->loaded = ask(m, &load, err);
        e->loaded += m->loaded;
        if (m->loaded || watch_is_stuck(e->watch) || (i > 0 && !m->transient))
            break;
        if (m->transient && budget_unload_one(e, m))
            continue;
        clock_sleep(wait);
        wait *= 2;
    }
    return m->loaded;
}

bool ane_unload(AneModel *m, Error *err)
{
    if (!m->loaded || !ask(m, &unload, err))
        return false;
    m->loaded = false;
    m->engine->loaded--;
    return true;
}

bool ane_evaluate(AneModel *m, Id request, Error *err)
{
    double wait = FIRST_WAIT;
    bool ok = false;
    m->request = request;
    for (int i = 0; i < TRIES && !ok; i++, wait *= 2) {
        ok = ask(m, &evaluate, err);
        if (ok || !m->transient)
            break;
        clock_sleep(wait);
    }
    return ok;
}

/* ---- life ---- */

/* Where nothing may be compiled any more, files are only written of what the system has compiled before. */
static bool may_start(AneModel *m, Error *err)
{
    return !budget_is_spent(m->engine) ||
           (ask(m, &exists, err) && (m->compiled || budget_compile(m->engine, err)));
}

static bool start(AneModel *m, const AneSource *s, Error *err)
{
    return start_warm(m, err) || (!watch_is_stuck(m->engine->watch) && may_start(m, err) &&
                                  write_folder(m, s, err) && make_compiled(m, err) && ane_load(m, err));
}

/* Saved at once where it was compiled here: that was slow, and the process may end in any way. */
static void remember(const AneModel *m, const AneSource *s)
{
    AneEngine *e = m->engine;
    uint64_t bytes = s->mil_size;
    for (int i = 0; i < s->files; i++)
        bytes += s->file[i].size;
    if (!e->index)
        return;
    index_note(e->index, e->build, m->identifier, s->title ? s->title : s->name, bytes);
    Error ignored;
    if (!m->compiled)
        (void)!index_save(e->index, &ignored);
}

static void free_model(AneModel *m)
{
    const Apple *a = &m->engine->apple;
    Error ignored;
    if (m->folder && file_exists(m->folder))
        (void)!dir_remove(m->folder, &ignored);
    if (watch_is_stuck(m->engine->watch))
        return; /* the call that hangs still works with it */
    for (int i = 0; i < 2 && m->loaded; i++)
        (void)!ane_unload(m, &ignored);
    if (m->object)
        a->objc_release(m->object);
    free(m->folder);
    free(m->mil);
    free(m);
}

AneModel *ane_model_open(AneEngine *e, const AneSource *s, Error *err)
{
    AneModel *m = xcalloc(1, sizeof *m), *known = NULL;
    *m = (AneModel){.engine = e, .users = 1};
    bool ok = make_model(m, s, err);
    if (ok)
        HASH_FIND_STR(e->model, m->identifier, known);
    ok = ok && (known || (name_folder(m, err) && start(m, s, err)));
    if (ok && !known) {
        remember(m, s);
        HASH_ADD_STR(e->model, identifier, m);
        return m;
    }
    free_model(m);
    if (known)
        known->users++;
    return known;
}

void ane_model_close(AneModel *m)
{
    if (--m->users)
        return;
    if (!watch_is_stuck(m->engine->watch))
        HASH_DEL(m->engine->model, m);
    free_model(m);
}
