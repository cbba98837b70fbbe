#include "tools/anec/calibrate.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "runtime/session.h"
#include "runtime/tokenizer/tokenizer.h"

/* What is taken for an infinity, and by how much more it was if that did not do. */
static const double BEYOND_HALF = 131072, FARTHER = 16;
enum { VERSION = 1, TEXT_LIMIT = 16 << 20, FILE_LIMIT = 64 << 20 };

void calibrate_free(Calibrated *c)
{
    arena_free(&c->arena);
}

/* ---- running ---- */

/* Steps of one program follow one another, and come again for every piece of the text. */
typedef struct Watch {
    Calibrated *c;
    const char *program; /* without the bucket; NULL: not for the Neural Engine */
} Watch;

static int value_of(Calibrated *c, const char *program, const char *name)
{
    for (int i = 0; i < c->count; i++)
        if (strcmp(c->value[i].value, name) == 0 && strcmp(c->value[i].program, program) == 0)
            return i;
    int settled = c->count, never = 0;
    CalibratedValue made = {arena_str(&c->arena, program, strlen(program)),
                            arena_str(&c->arena, name, strlen(name)), 0};
    arena_push(&c->arena, c->value, c->count, c->cap, made);
    arena_push(&c->arena, c->settled, settled, c->settled_cap, never);
    return c->count - 1;
}

static void enter(void *context, const char *program, bool engine)
{
    Watch *w = context;
    w->program = engine ? arena_str(&w->c->arena, program, strcspn(program, ".")) : NULL;
}

/* What was rescaled since an earlier round is smaller now than it is: it was settled then. */
static void step(void *context, const TraceStep *s)
{
    Watch *w = context;
    Calibrated *c = w->c;
    if (!w->program || !s->name)
        return;
    int i = value_of(c, w->program, s->name);
    double *most = &c->value[i].most;
    bool before = c->settled[i] && c->settled[i] < c->rounds;
    c->unsettled |= s->nans || s->infinities;
    if (s->infinities) {
        *most = before ? *most * FARTHER : BEYOND_HALF;
        c->settled[i] = c->rounds;
    } else if (!s->nans && s->seen && !before) {
        *most = fmax(*most, fmax(fabs((double)s->least), fabs((double)s->most)));
        c->settled[i] = c->rounds;
    }
}

static bool run_pieces(Session *s, const int32_t *ids, size_t count, Calibrated *c, Error *err)
{
    Watch watch = {.c = c};
    Trace trace = {.ranges = true, .step = step, .enter = enter, .context = &watch};
    size_t longest = (size_t)session_longest_prompt(s);
    bool ok = true;
    c->rounds++;
    c->unsettled = false;
    session_trace(s, &trace);
    for (size_t at = 0; ok && at < count; at += longest) {
        size_t n = count - at < longest ? count - at : longest;
        session_rewind(s, 0);
        ok = session_prefill(s, ids + at, (int)n, err);
    }
    session_trace(s, NULL);
    return ok;
}

static void add_id(int32_t **ids, size_t *count, int32_t id)
{
    *ids = xrealloc(*ids, (*count + 1) * sizeof **ids);
    (*ids)[(*count)++] = id;
}

/* "1,2,3": of a model that has no tokenizer. */
static bool read_ids(const char *text, int32_t **ids, size_t *count, Error *err)
{
    for (const char *p = text; *p; p += *p == ',') {
        char *end;
        long id = strtol(p, &end, 10);
        if (end == p || id < 0 || id > INT32_MAX || (*end && *end != ',' && *end != '\n'))
            return error_set(err, "the checkpoint has no tokenizer: give the ids of tokens, with commas "
                                  "between them, in place of a text");
        add_id(ids, count, (int32_t)id);
        p = *end == '\n' ? end + 1 : end;
    }
    return true;
}

static bool read_text(Package *package, const char *text, size_t size, int32_t **ids, size_t *count,
                      Error *err)
{
    size_t bytes;
    const char *json = package_tokenizer(package, &bytes);
    if (!json)
        return read_ids(text, ids, count, err);
    Tokenizer *t = tokenizer_open(json, bytes, err);
    if (!t)
        return false;
    if (tokenizer_begin(t) >= 0)
        add_id(ids, count, tokenizer_begin(t));
    bool ok = tokenizer_encode(t, text, size, false, ids, count, err);
    tokenizer_close(t);
    return ok;
}

static bool encode(Package *package, const char *text, size_t size, int32_t **ids, size_t *count, Error *err)
{
    int64_t vocab = package_manifest(package)->plan.model.vocab;
    if (!read_text(package, text, size, ids, count, err))
        return false;
    for (size_t i = 0; i < *count; i++)
        if ((*ids)[i] >= vocab)
            return error_set(err, "token %d: the model has %lld", (*ids)[i], (long long)vocab);
    return *count > 0 || error_set(err, "the text has no tokens");
}

static bool run_text(Package *package, const char *text, size_t size, Calibrated *c, Error *err)
{
    int32_t *ids = NULL;
    size_t count = 0;
    bool ok = encode(package, text, size, &ids, &count, err);
    Device *device = ok ? cpu_device_open(NULL, err) : NULL;
    Session *s = device ? session_new(package, device, err) : NULL;
    const char *model = package_manifest(package)->plan.model.name;
    c->model = arena_str(&c->arena, model, strlen(model));
    c->tokens = (int64_t)count;
    ok = s && run_pieces(s, ids, count, c, err);
    session_free(s);
    device_close(device);
    free(ids);
    return ok;
}

bool calibrate_package(const char *path, const char *text, Calibrated *c, Error *err)
{
    char *read = NULL;
    size_t size = strlen(text);
    if (*text == '@' && !file_read(text + 1, TEXT_LIMIT, &read, &size, err))
        return false;
    Package *package = package_open(path, NULL, NULL, err);
    bool ok = package && run_text(package, read ? read : text, size, c, err);
    package_close(package);
    free(read);
    return ok;
}

/* ---- as a file ---- */

static bool add_program(Calibrated *c, const char *program, json_t *values)
{
    const char *name;
    json_t *number;
    if (!json_is_object(values))
        return false;
    json_object_foreach(values, name, number)
    {
        double most = json_number_value(number);
        if (!json_is_number(number) || !(most >= 0) || !isfinite(most))
            return false;
        CalibratedValue made = {arena_str(&c->arena, program, strlen(program)),
                                arena_str(&c->arena, name, strlen(name)), most};
        arena_push(&c->arena, c->value, c->count, c->cap, made);
    }
    return true;
}

static bool take(Calibrated *c, json_t *root, const char *path, const char *model, Error *err)
{
    const char *of = json_string_value(json_object_get(root, "model")), *program;
    json_t *programs = json_object_get(root, "programs"), *values;
    if (json_integer_value(json_object_get(root, "version")) != VERSION || !of || !json_is_object(programs))
        return error_set(err, "%s: no calibration of this version of anec: --calibrate TEXT makes one", path);
    if (strcmp(of, model) != 0)
        return error_set(err, "%s: a calibration of %s, not of %s", path, of, model);
    c->tokens = json_integer_value(json_object_get(root, "tokens"));
    c->model = arena_str(&c->arena, of, strlen(of));
    json_object_foreach(programs, program, values)
    {
        if (!add_program(c, program, values))
            return error_set(err, "%s: \"%s\" holds something else than positive numbers", path, program);
    }
    return true;
}

bool calibrate_read(const char *path, const char *model, Calibrated *c, Error *err)
{
    char *text;
    size_t size;
    json_error_t at;
    if (!file_read(path, FILE_LIMIT, &text, &size, err))
        return false;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &at);
    bool ok = root ? take(c, root, path, model, err) : error_set(err, "%s:%d: %s", path, at.line, at.text);
    json_decref(root);
    free(text);
    return ok;
}

bool calibrate_write(const Calibrated *c, const char *path, Error *err)
{
    json_t *programs = json_object();
    for (int i = 0; i < c->count; i++) {
        const CalibratedValue *v = &c->value[i];
        json_t *program = json_object_get(programs, v->program);
        if (!program) {
            program = json_object();
            json_object_set_new(programs, v->program, program);
        }
        json_object_set_new(program, v->value, json_real(v->most));
    }
    json_t *root = json_pack("{s:i, s:s, s:I, s:o}", "version", VERSION, "model", c->model, "tokens",
                             (json_int_t)c->tokens, "programs", programs);
    char *text = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(root);
    bool ok = text ? file_write_atomic(path, text, strlen(text), err)
                   : error_set(err, "%s: the calibration has names that are no UTF-8", path);
    free(text);
    return ok;
}
