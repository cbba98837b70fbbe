/* The stand-in of the Neural Engine's framework must be stricter than the real one: each row is something
 * wrong that a driver could do, done here by calling the framework as our driver never does, and where it
 * must show. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/half.h"
#include "frontend/mil/blob.h"
#include "runtime/ane/surface.h"
#include "tests/support/libane.h"
#include "tests/unit/check.h"

#ifdef __APPLE__

int main(void)
{
    puts("0 passed, 0 failed, 1 skipped");
    return 0;
}

#else

enum { C = 4, S = 32, N = C * S, BYTES = 49152, RECORD = 64, HEADERS = 128, LIMIT = 119 };

typedef enum Fault {
    NONE,
    TEXT_AS_STRING,
    NIL_WEIGHTS,
    WEIGHTS_OF_TEXT,
    PLIST_OF_OPTIONS,
    TYPES_DIFFER,
    ROWS_OF_31,
    UNKNOWN_NAME,
    NO_TEXT_FILE,
    NO_WEIGHT_FILE,
    SHORT_WEIGHT_FILE,
    PAST_THE_LIMIT,
    NIL_OPTIONS,
    QUALITY_OF_64,
    LOAD_UNCOMPILED,
    LOAD_TWICE,
    LOAD_RELEASED,
    TEXT_GONE,
    SMALL_SURFACE,
    UNEQUAL_SURFACES,
    LOCKED_SURFACE,
    DECLARED_ORDER,
    INDEX_TWICE,
    ONE_INPUT,
    NIL_PROCEDURE,
    PROCEDURE_1,
    USE_AFTER_UNLOAD,
    UNLOAD_TWICE,
    RELEASED_LOADED,
    RELEASED_TWICE
} Fault;

/* b comes before a: alphabetical order is not that of the text. c = a - b + w, with w = 1. */
static const char good[] =
    "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-version\", \"3505.4.1\"}})]\n{\n"
    "    func main<ios18>(tensor<fp16, [1, 4, 1, 32]> b, tensor<fp16, [1, 4, 1, 32]> a) {\n"
    "            tensor<fp16, [1, 4, 1, 1]> w = const()[name = string(\"w\"), "
    "val = tensor<fp16, [1, 4, 1, 1]>(BLOBFILE(path = string(\"@model_path/weights/w.bin\"), "
    "offset = uint64(64)))];\n"
    "            tensor<fp16, [1, 4, 1, 32]> d = sub(x = a, y = b)[name = string(\"d\")];\n"
    "            tensor<fp16, [1, 4, 1, 32]> c = add(x = d, y = w)[name = string(\"c\")];\n"
    "        } -> (c);\n}\n";

typedef struct Client {
    Apple a;
    Fault fault;
    char *text, *folder;
    char blob[HEADERS + 2 * C];
    CF mil, weights, options;
    Id model;
    AneSurface surface[3]; /* a, b, c */
    const char *shown;     /* where the fault has shown; NULL: nowhere yet */
} Client;

static char temporary[] = "/tmp/test_standin.XXXXXX";

static bool step(Client *k, bool ok, const char *name)
{
    if (!ok && !k->shown)
        k->shown = name;
    return ok;
}

/* ---- text, weights, files ---- */

static char *replaced(const char *text, const char *what, const char *with)
{
    Text t = {0};
    for (const char *p = text; *p;)
        if (strncmp(p, what, strlen(what)) == 0) {
            text_puts(&t, with);
            p += strlen(what);
        } else {
            text_putc(&t, *p++);
        }
    return t.data;
}

static char *text_of(Fault f)
{
    if (f == TYPES_DIFFER)
        return replaced(good, "sub(x = a, y = b)", "sub(x = a, y = fp32(1))");
    if (f == ROWS_OF_31)
        return replaced(good, "4, 1, 32", "4, 1, 31");
    return replaced(good, f == UNKNOWN_NAME ? "x = a" : "x = q", f == UNKNOWN_NAME ? "x = nobody" : "x = q");
}

static void make_blob(char *out)
{
    uint32_t head[] = {1, BLOB_VERSION}, record[] = {0xdeadbeef, 1};
    uint64_t place[] = {2 * C, HEADERS};
    memset(out, 0, HEADERS);
    memcpy(out, head, sizeof head);
    memcpy(out + RECORD, record, sizeof record);
    memcpy(out + RECORD + 8, place, sizeof place);
    for (int i = 0; i < C; i++) {
        uint16_t one = half_from_float(1);
        memcpy(out + HEADERS + 2 * i, &one, 2);
    }
}

static CF weights_of(Client *k)
{
    const Apple *a = &k->a;
    bool text = k->fault == WEIGHTS_OF_TEXT;
    CF names[] = {cf_string(a, "offset"), cf_string(a, "data")};
    CF values[] = {cf_number(a, 0), text ? cf_string(a, "bytes") : cf_data(a, k->blob, sizeof k->blob)};
    CF path = cf_string(a, "@model_path/weights/w.bin"), entry = cf_dictionary(a, names, values, 2);
    CF all = cf_dictionary(a, &path, &entry, 1),
       parts[] = {names[0], names[1], values[0], values[1], path, entry};
    for (int i = 0; i < 6; i++)
        cf_release(a, parts[i]);
    return all;
}

static void write_file(const Client *k, const char *name, const void *data, size_t size)
{
    Error err;
    char *path = path_join(k->folder, name);
    CHECK_TOLD(file_write_atomic(path, data, size, &err), "%s", err.text);
    free(path);
}

static void write_folder(Client *k)
{
    char id[256];
    CHECK(cf_text(&k->a, (CF)model_id(&k->a, k->model), id, sizeof id));
    k->folder = path_join(temporary, id);
    char *weights = path_join(k->folder, "weights");
    mkdir(k->folder, 0700);
    mkdir(weights, 0700);
    free(weights);
    if (k->fault != NO_TEXT_FILE)
        write_file(k, "model.mil", k->text, strlen(k->text));
    if (k->fault != NO_WEIGHT_FILE)
        write_file(k, "weights/w.bin", k->blob, sizeof k->blob - (k->fault == SHORT_WEIGHT_FILE));
}

/* ---- the calls ---- */

static bool make(Client *k)
{
    const Apple *a = &k->a;
    k->text = text_of(k->fault);
    make_blob(k->blob);
    bool string = k->fault == TEXT_AS_STRING;
    k->mil = string ? cf_string(a, k->text) : cf_data(a, k->text, strlen(k->text));
    k->weights = k->fault == NIL_WEIGHTS ? NULL : weights_of(k);
    CF plist = k->fault == PLIST_OF_OPTIONS ? cf_data(a, "x", 1) : NULL;
    Id descriptor = descriptor_make(a, apple_class(a, CLASS_DESCRIPTOR), (Id)(uintptr_t)k->mil,
                                    (Id)(uintptr_t)k->weights, (Id)(uintptr_t)plist);
    cf_release(a, plist);
    if (!step(k, descriptor != NULL, "descriptor"))
        return false;
    Id model = model_make(a, apple_class(a, CLASS_MODEL), descriptor);
    k->model = model ? a->objc_retain(model) : NULL;
    return step(k, model != NULL, "model");
}

static bool compile_and_load(Client *k)
{
    const Apple *a = &k->a;
    Id failure = NULL, options = k->fault == NIL_OPTIONS ? NULL : (Id)(uintptr_t)k->options;
    unsigned qos = k->fault == QUALITY_OF_64 ? 64 : 21;
    if (k->fault == TEXT_GONE)
        memset(k->text, 'x', 8);
    for (int i = 0; k->fault == PAST_THE_LIMIT && i < LIMIT; i++)
        CHECK(model_compile(a, k->model, qos, options, &failure));
    if (k->fault != LOAD_UNCOMPILED &&
        !step(k, model_compile(a, k->model, qos, options, &failure), "compile"))
        return false;
    bool ok = step(k, model_load(a, k->model, qos, options, &failure), "load");
    if (k->fault == LOAD_TWICE)
        (void)model_load(a, k->model, qos, options, &failure);
    return ok;
}

static bool make_surfaces(Client *k)
{
    Error err;
    for (int i = 0; i < 3; i++) {
        k->surface[i] = (AneSurface){.bytes = BYTES, .stride = 2 * S};
        if (k->fault == SMALL_SURFACE)
            k->surface[i].bytes = 2 * N; /* as many as the tensor has */
        if (k->fault == UNEQUAL_SURFACES && i == 1)
            k->surface[i].bytes += 16384;
        uint16_t values[N];
        for (int n = 0; n < N; n++)
            values[n] = half_from_float(i ? 2.0f : 7.0f);
        AnePort port = {"x", C, 2 * S};
        if (!surface_open(&k->a, &k->surface[i], &err) ||
            !surface_write(&k->a, &k->surface[i], &port, values, &err))
            return step(k, false, "surface");
    }
    return true;
}

static Id request_of(Client *k)
{
    const Apple *a = &k->a;
    /* Alphabetical: a is 0, b is 1; declared: b is 0. */
    int first = k->fault == DECLARED_ORDER || k->fault == INDEX_TWICE,
        second = k->fault == DECLARED_ORDER ? 0 : 1;
    CF objects[] = {(CF)k->surface[0].object, (CF)k->surface[1].object, (CF)k->surface[2].object};
    CF numbers[] = {cf_number(a, first), cf_number(a, second), cf_number(a, 0),
                    cf_number(a, k->fault == PROCEDURE_1)};
    size_t inputs = k->fault == ONE_INPUT ? 1 : 2;
    CF lists[] = {cf_array(a, objects, inputs), cf_array(a, numbers, inputs), cf_array(a, objects + 2, 1),
                  cf_array(a, numbers + 2, 1)};
    Id request = request_make(a, apple_class(a, CLASS_REQUEST), (Id)(uintptr_t)lists[0],
                              (Id)(uintptr_t)lists[1], (Id)(uintptr_t)lists[2], (Id)(uintptr_t)lists[3], NULL,
                              NULL, k->fault == NIL_PROCEDURE ? NULL : (Id)(uintptr_t)numbers[3]);
    for (int i = 0; i < 4; i++) {
        cf_release(a, numbers[i]);
        cf_release(a, lists[i]);
    }
    return request;
}

static bool is_right(Client *k)
{
    Error err;
    uint16_t got[N] = {0};
    AnePort port = {"c", C, 2 * S};
    bool ok = surface_read(&k->a, &k->surface[2], &port, got, &err);
    for (int n = 0; n < N; n++)
        ok &= half_to_float(got[n]) == 6; /* 7 - 2 + 1 */
    return ok;
}

static bool evaluate(Client *k)
{
    const Apple *a = &k->a;
    Id failure = NULL, options = (Id)(uintptr_t)k->options, request = request_of(k);
    if (!step(k, request != NULL, "request"))
        return false;
    if (k->fault == USE_AFTER_UNLOAD)
        CHECK(model_unload(a, k->model, 21, &failure));
    if (k->fault == LOCKED_SURFACE)
        a->IOSurfaceLock(k->surface[0].surface, 0, NULL);
    bool ok = step(k, model_evaluate(a, k->model, 21, options, request, &failure), "evaluate");
    if (k->fault == LOCKED_SURFACE)
        a->IOSurfaceUnlock(k->surface[0].surface, 0, NULL);
    return ok && step(k, is_right(k), "numbers");
}

static void end(Client *k, bool loaded)
{
    const Apple *a = &k->a;
    Id failure = NULL;
    for (int i = 0; i < 3; i++)
        surface_close(a, &k->surface[i]);
    bool keep = k->fault == RELEASED_LOADED || k->fault == USE_AFTER_UNLOAD;
    if (loaded && !keep)
        step(k, model_unload(a, k->model, 21, &failure), "unload");
    if (k->fault == UNLOAD_TWICE)
        (void)model_unload(a, k->model, 21, &failure);
    if (k->model)
        a->objc_release(k->model);
    if (k->fault == RELEASED_TWICE)
        a->objc_release(k->model);
    if (k->fault == LOAD_RELEASED)
        (void)model_load(a, k->model, 21, (Id)(uintptr_t)k->options, &failure);
    cf_release(a, k->mil);
    cf_release(a, k->weights);
    cf_release(a, k->options);
}

/* Does it all with one fault; the first step that refuses, "complaint" where all went on but it was noted, or
 * "nowhere". */
static const char *shows(Fault fault)
{
    Client k = {.fault = fault};
    Error err;
    standin_reset();
    CHECK_TOLD(apple_open(&k.a, "", &err), "%s", err.text);
    void *pool = k.a.objc_autoreleasePoolPush();
    k.options = cf_dictionary(&k.a, NULL, NULL, 0);
    bool loaded = false;
    if (make(&k)) {
        write_folder(&k);
        loaded = compile_and_load(&k);
        (void)(loaded && make_surfaces(&k) && evaluate(&k));
    }
    k.a.objc_autoreleasePoolPop(pool);
    end(&k, loaded);
    if (k.folder)
        CHECK(dir_remove(k.folder, &err));
    free(k.folder);
    free(k.text);
    return k.shown ? k.shown : *standin.complaint ? "complaint" : "nowhere";
}

/* The same, in a process of its own where it ends in a crash, as with the real framework. */
static const char *shows_or_aborts(Fault fault)
{
    int status = 0;
    if (fault != LOAD_RELEASED)
        return shows(fault);
    pid_t child = fork();
    if (child == 0) {
        (void)shows(fault);
        _exit(0);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT ? "abort" : "nowhere";
}

static const struct {
    Fault fault;
    const char *what, *shows;
} faults[] = {
    {NONE, "nothing", "nowhere"},
    {TEXT_AS_STRING, "an NSString as the text", "descriptor"},
    {NIL_WEIGHTS, "nil weights", "descriptor"},
    {WEIGHTS_OF_TEXT, "weights that are no NSData", "descriptor"},
    {PLIST_OF_OPTIONS, "an options plist", "complaint"},
    {TYPES_DIFFER, "MIL that the verifier rejects", "compile"},
    {ROWS_OF_31, "MIL that the engine's rules reject", "compile"},
    {UNKNOWN_NAME, "MIL that names nobody", "compile"},
    {NO_TEXT_FILE, "no model.mil", "compile"},
    {NO_WEIGHT_FILE, "no weight file", "compile"},
    {SHORT_WEIGHT_FILE, "a weight file that is short", "compile"},
    {PAST_THE_LIMIT, "one compilation too many", "compile"},
    {NIL_OPTIONS, "nil options", "compile"},
    {QUALITY_OF_64, "a quality of service of 64", "complaint"},
    {LOAD_UNCOMPILED, "loading what is not compiled", "complaint"},
    {LOAD_TWICE, "loading twice", "complaint"},
    {LOAD_RELEASED, "loading a released model", "abort"},
    {TEXT_GONE, "text that is freed while the model lives", "compile"},
    {SMALL_SURFACE, "surfaces below 49152 bytes", "evaluate"},
    {UNEQUAL_SURFACES, "surfaces of two sizes on one side", "evaluate"},
    {LOCKED_SURFACE, "a locked surface", "evaluate"},
    {DECLARED_ORDER, "inputs in the order of the text", "numbers"},
    {INDEX_TWICE, "one index for two inputs", "evaluate"},
    {ONE_INPUT, "an input that is not bound", "evaluate"},
    {NIL_PROCEDURE, "no procedure", "request"},
    {PROCEDURE_1, "a procedure that is not there", "evaluate"},
    {USE_AFTER_UNLOAD, "evaluating after unloading", "evaluate"},
    {UNLOAD_TWICE, "unloading twice", "complaint"},
    {RELEASED_LOADED, "releasing a loaded model", "complaint"},
    {RELEASED_TWICE, "releasing twice", "complaint"},
};

int main(void)
{
    Error err;
    if (!mkdtemp(temporary))
        return 1;
    setenv("TMPDIR", temporary, 1);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const char *at = shows_or_aborts(faults[i].fault);
        CHECK_TOLD(strcmp(at, faults[i].shows) == 0, "%s shows in %s, not in %s (%s)", faults[i].what, at,
                   faults[i].shows, standin.complaint);
        CHECK_TOLD(standin.live == 0, "%s: %d objects are left", faults[i].what, standin.live);
    }
    CHECK(dir_remove(temporary, &err));
    return check_report();
}

#endif
