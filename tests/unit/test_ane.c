/* The driver of the Neural Engine against the stand-in of tests/support/libane.h. Nothing here has met a real
 * one. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/half.h"
#include "frontend/mil/mil.h"
#include "runtime/ane/program.h"
#include "runtime/device.h"
#include "tests/support/libane.h"
#include "tests/support/libdifference.h"
#include "tests/unit/check.h"

#ifdef __APPLE__

int main(void)
{
    puts("0 passed, 0 failed, 1 skipped");
    return 0;
}

#else

enum { C = 4, S = 32, N = C * S };

/* b comes before a, and the result depends on which is which. */
static const char mil[] =
    "program(1.3)\n"
    "[buildInfo = dict<string, string>({{\"coremlc-version\", \"3505.4.1\"}})]\n"
    "{\n"
    "    func main<ios18>(tensor<fp16, [1, 4, 1, 32]> b, tensor<fp16, [1, 4, 1, 32]> a) {\n"
    "            tensor<fp16, [1, 4, 1, 32]> d = sub(x = a, y = b)[name = string(\"d\")];\n"
    "            tensor<fp16, [1, 4, 1, 32]> c = add(x = d, y = d)[name = string(\"c\")];\n"
    "        } -> (d, c);\n"
    "}";

/* As in a new process. */
static void fresh(void)
{
    standin_reset();
    ane_compiles_forget();
}

typedef struct Fixture {
    Device *device;
    Module *module;
    Kernel *kernel;
    char *text;
    Error err;
} Fixture;

static void start(Fixture *f)
{
    Source source = {"test.mil", mil, strlen(mil)};
    Diags diags = {.out = stderr};
    memset(f, 0, sizeof *f);
    f->module = mil_read(&source, &diags);
    f->device = ane_device_open("", &f->err);
    if (f->device && f->module)
        f->kernel = device_compile(f->device, module_find(f->module, "main"), NULL, &f->err);
}

static void stop(Fixture *f)
{
    kernel_release(f->kernel);
    device_close(f->device);
    module_free(f->module);
}

static bool run(Fixture *f)
{
    return difference_is_right(f->kernel, 2, 0, &f->err);
}

static void check_clean(const char *what)
{
    CHECK_TOLD(standin.live == 0, "%s: %d objects are left", what, standin.live);
    CHECK_TOLD(!standin.complaint[0], "%s: %s", what, standin.complaint);
}

static void test_runs(bool named)
{
    Fixture f;
    fresh();
    standin.named = named;
    start(&f);
    CHECK_TOLD(f.kernel != NULL, "it compiles: %s", f.err.text);
    for (int i = 0; f.kernel && i < 3; i++)
        CHECK_TOLD(run(&f), "it runs %s: %s", named ? "by name" : "by alphabet", f.err.text);
    stop(&f);
    check_clean(named ? "by name" : "by alphabet");
    CHECK_TOLD(standin.compiles == 1 && standin.loads == 1 && standin.evaluations == 3, "%d %d %d",
               standin.compiles, standin.loads, standin.evaluations);
}

/* What the system has compiled before costs nothing. */
static void test_known(void)
{
    Fixture f;
    fresh();
    standin.known = true;
    start(&f);
    CHECK_TOLD(f.kernel && run(&f) && standin.compiles == 0, "%d compiles: %s", standin.compiles, f.err.text);
    stop(&f);
    check_clean("known");
}

/* One source twice is one program: they would share the folder that the compiler reads. */
static void test_shared(void)
{
    Fixture f;
    fresh();
    start(&f);
    Kernel *again = device_compile(f.device, module_find(f.module, "main"), NULL, &f.err);
    CHECK_TOLD(again && standin.compiles == 1 && standin.loads == 1, "%d compiles", standin.compiles);
    kernel_release(f.kernel);
    f.kernel = again;
    CHECK_TOLD(again && run(&f), "the other goes on: %s", f.err.text);
    stop(&f);
    check_clean("shared");
}

/* ---- several functions ---- */

/* Two functions that differ in what they compute, in length and in the order of their names. */
static const char two[] =
    "program(1.3)\n"
    "[buildInfo = dict<string, string>({{\"coremlc-version\", \"3505.4.1\"}})]\n"
    "{\n"
    "    func long<ios18>(tensor<fp16, [1, 4, 1, 64]> b, tensor<fp16, [1, 4, 1, 64]> a) {\n"
    "            tensor<fp16, [1, 4, 1, 64]> d = sub(x = a, y = b)[name = string(\"d\")];\n"
    "            tensor<fp16, [1, 4, 1, 64]> c = add(x = d, y = d)[name = string(\"c\")];\n"
    "        } -> (d, c);\n"
    "    func brief<ios18>(tensor<fp16, [1, 4, 1, 32]> a, tensor<fp16, [1, 4, 1, 32]> b) {\n"
    "            tensor<fp16, [1, 4, 1, 32]> c = mul(x = a, y = b)[name = string(\"c\")];\n"
    "            tensor<fp16, [1, 4, 1, 32]> d = sub(x = b, y = a)[name = string(\"d\")];\n"
    "        } -> (c, d);\n"
    "}";

/* With a = 3 and b = 5 everywhere: whether the results are these. */
static bool gives(Kernel *k, float c, float d)
{
    static uint16_t memory[4][2 * N];
    static const char *const name[] = {"a", "b", "c", "d"};
    PortData data[4];
    size_t bytes = k->port[0].bytes;
    for (int i = 0; i < 4; i++) {
        for (int n = 0; n < 2 * N; n++)
            memory[i][n] = half_from_float(i == 0 ? 3.0f : i == 1 ? 5.0f : 0.0f);
        data[kernel_port(k, i < 2 ? PORT_INPUT : PORT_OUTPUT, name[i])] = (PortData){memory[i], bytes};
    }
    Error err;
    bool right = device_run(k, data, 4, NULL, &err);
    for (size_t n = 0; n < bytes / 2; n++)
        right &= half_to_float(memory[2][n]) == c && half_to_float(memory[3][n]) == d;
    return right;
}

/* Both are compiled and loaded once, run in turn, and either may go first. */
static void test_procedures(bool named)
{
    Error err = {{0}};
    Source source = {"two.mil", two, strlen(two)};
    Diags diags = {.out = stderr};
    fresh();
    standin.named = named;
    Module *m = mil_read(&source, &diags);
    Device *device = ane_device_open("", &err);
    Kernel *a = device && m ? device_compile(device, module_find(m, "long"), NULL, &err) : NULL;
    Kernel *b = a ? device_compile(device, module_find(m, "brief"), NULL, &err) : NULL;
    CHECK_TOLD(b && standin.compiles == 1 && standin.loads == 1, "%d compiles, %d loads: %s",
               standin.compiles, standin.loads, err.text);
    CHECK_TOLD(b && gives(b, 15, 2) && gives(a, -4, -2) && gives(b, 15, 2), "%s", named ? "named" : "not");
    kernel_release(a);
    CHECK(b && gives(b, 15, 2));
    kernel_release(b);
    device_close(device);
    module_free(m);
    check_clean("procedures");
}

/* A call that fails `times` times with this error; part of the message that is wanted, or NULL: it recovers.
 */
static void test_failure(const char *call, int times, const char *text, const char *wanted)
{
    Fixture f;
    fresh();
    standin.fail = call;
    standin.fail_times = times;
    standin.fail_text = text;
    start(&f);
    bool ok = f.kernel && run(&f);
    if (wanted) {
        CHECK_TOLD(!ok && strstr(f.err.text, wanted), "%s: wanted \"%s\" in: %s", call, wanted, f.err.text);
    } else {
        CHECK_TOLD(ok, "%s %d times: %s", call, times, f.err.text);
    }
    stop(&f);
    check_clean(call);
}

static void test_failures(void)
{
    const char *busy = "ANEProgramProcessRequestDirect() Failed with status=0x5 : no resources";
    test_failure("descriptor", 1, NULL, "makes no descriptor");
    test_failure("model", 1, NULL, "makes no model");
    test_failure("compile", 1, "InvalidMILProgram", "the MIL text was refused");
    test_failure("compile", 1, "ANECCompile() FAILED", "no form for it");
    test_failure("compile", 1, NULL, "gives no reason");
    test_failure("load", 1, NULL, NULL);
    test_failure("load", 3, busy, NULL);
    test_failure("load", 2, "Failed with status=0x50", "loading failed");
    test_failure("surface", 1, NULL, "no memory for a surface");
    test_failure("identifier", 1, NULL, "gives the program no identifier");
    test_failure("wrap", 1, NULL, "does not take a surface");
    test_failure("lock", 1, NULL, "cannot be locked");
    test_failure("request", 1, NULL, "makes no request");
    test_failure("unload", 1, NULL, NULL);
    test_failure("unload", 1, busy, NULL);
    test_failure("exists", 1, NULL, NULL);
    test_failure("evaluate", 2, busy, NULL);
    test_failure("evaluate", 1, "Failed with status=0x1d : Program Inference error",
                 "differ from the program's");
}

static void test_hidden(const char *what)
{
    Error err;
    fresh();
    standin.hide = what;
    Device *d = ane_device_open("", &err);
    CHECK_TOLD(!d && strstr(err.text, what), "%s hidden: %s", what, d ? "opened" : err.text);
    device_close(d);
}

static void test_encoding(const char *encoding, bool fits)
{
    Error err;
    fresh();
    standin.encoding = encoding;
    Device *d = ane_device_open("", &err);
    CHECK_TOLD((d != NULL) == fits, "encoding %s", encoding);
    device_close(d);
}

static void test_encodings(void)
{
    test_encoding("B36@0:8I16@20^@28", true);
    test_encoding("c36@0:8i16@\"NSDictionary\"20^@28", true); /* BOOL as signed char: the same registers */
    test_encoding("B36@0:8I16r@20o^@28", true);
    test_encoding("B40@0:8Q16@24^@32", false);
    test_encoding("B28@0:8I16^@20", false);
    test_encoding("v36@0:8I16@20^@28", false);
    test_encoding("B36@0:8I16@20d28", false);
}

/* ---- budget ---- */

/* Program number n: any difference makes another program. */
static char *text_of(int n, char *text, size_t size)
{
    snprintf(text, size, "%s", mil);
    char *number = strstr(text, "3505.4.1");
    memcpy(number, "36", 2);
    number[2] = (char)('0' + n / 100);
    number[3] = (char)('0' + n / 10 % 10);
    number[5] = (char)('0' + n % 10);
    return text;
}

static void start_as(Fixture *f, const AneOptions *options, int n)
{
    char *text = xmalloc(sizeof mil);
    Source source = {"test.mil", text_of(n, text, sizeof mil), strlen(mil)};
    Diags diags = {.out = stderr};
    f->text = text;
    f->module = mil_read(&source, &diags);
    f->device = f->device ? f->device : ane_device_open_as(options, &f->err);
    f->kernel = f->device && f->module
                    ? device_compile(f->device, module_find(f->module, "main"), NULL, &f->err)
                    : NULL;
}

static void stop_but_device(Fixture *f)
{
    kernel_release(f->kernel);
    module_free(f->module);
    free(f->text);
}

/* The process's budget ends with a message, not with a crash. */
static void test_budget(int limit, int wanted)
{
    Fixture first = {0}, f;
    AneOptions options = {.library = "", .compiles = limit};
    fresh();
    start_as(&first, &options, 0);
    int made = 1;
    for (bool ok = true; ok && made < 200; made += ok) {
        f = (Fixture){.device = first.device};
        start_as(&f, &options, made);
        ok = f.kernel;
        stop_but_device(&f);
    }
    char message[64];
    snprintf(message, sizeof message, "has compiled %d programs", wanted);
    CHECK_TOLD(made == wanted && strstr(f.err.text, message), "%d: %s", made, f.err.text);
    CHECK_TOLD(standin.compiles == wanted, "%d compiles", standin.compiles);
    CHECK_TOLD(run(&first), "what is there goes on: %s", first.err.text);
    stop_but_device(&first);
    device_close(first.device);
    check_clean("budget");
}

/* Five programs where two have room: the one that was used longest ago goes, and comes back when it runs.
 * `told`: the driver knows of the two; else the engine says that it has no resources. */
static void test_room(bool told)
{
    enum { MANY = 5 };
    Fixture f[MANY] = {{0}};
    AneOptions options = {.library = "", .resident = told ? 2 : 0};
    fresh();
    standin.room = 2;
    for (int i = 0; i < MANY; i++) {
        f[i].device = f[0].device;
        start_as(&f[i], &options, i);
        CHECK_TOLD(f[i].kernel && standin.loaded <= 2, "%d of %d loaded: %s", standin.loaded, i + 1,
                   f[i].err.text);
    }
    int loads = standin.loads;
    CHECK_TOLD(f[4].kernel && run(&f[4]) && run(&f[3]) && standin.loads == loads, "the last two stay: %s",
               f[3].err.text);
    CHECK(f[0].kernel && run(&f[0]) && run(&f[3]) && standin.loads == loads + 1); /* 4 has gone, not 3 */
    for (int i = 0; i < MANY; i++)
        CHECK_TOLD(f[i].kernel && run(&f[i]), "%d: %s", i, f[i].err.text);
    CHECK_TOLD(standin.compiles == MANY, "%d compiles", standin.compiles);
    for (int i = 0; i < MANY; i++)
        stop_but_device(&f[i]);
    device_close(f[0].device);
    CHECK_TOLD(standin.loaded == 0, "%d are still loaded", standin.loaded);
    check_clean("room");
}

/* ---- calls that never come back ---- */

/* The thread that hangs keeps what it works with: the objects stay, and nothing is called any more. Later
 * tests would count them; this one therefore runs in a process of its own. */
static int hang(const char *call, const char *wanted)
{
    Fixture f = {0};
    AneOptions options = {.library = "", .seconds = 0.3};
    fresh();
    standin.fail = call;
    standin.fail_times = 1;
    standin.hangs = true;
    start_as(&f, &options, 0);
    bool ok = f.kernel && run(&f);
    bool told = !ok && strstr(f.err.text, wanted) && strstr(f.err.text, "no answer within");
    bool stays = !f.kernel || (!run(&f) && strstr(f.err.text, "no longer answers"));
    if (!told || !stays)
        fprintf(stderr, "%s: %s\n", call, f.err.text);
    stop_but_device(&f);
    device_close(f.device);
    return told && stays && !*standin.complaint ? 0 : 1;
}

static void test_hang(const char *call, const char *wanted)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(hang(call, wanted));
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK_TOLD(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s that hangs: status %x", call, status);
}

static void test_hangs(void)
{
    test_hang("exists", "asking for the compiled program: no answer within 0.3 s");
    test_hang("compile", "compiling: no answer within 3 s");
    test_hang("load", "loading: no answer within 0.3 s");
    test_hang("evaluate", "evaluating: no answer within 0.3 s");
}

/* ---- what is optional ---- */

static const AnePort ports[] = {{"b", C, S * 2}, {"a", C, S * 2}},
                     outs[] = {{"d", C, S * 2}, {"c", C, S * 2}};

static AneProgram *open_program(AneEngine *e, Error *err)
{
    AneSource source = {.name = "main",
                        .mil = mil,
                        .mil_size = strlen(mil),
                        .input = ports,
                        .output = outs,
                        .inputs = 2,
                        .outputs = 2};
    *e = (AneEngine){0};
    return apple_open(&e->apple, "", err) ? ane_program_open(e, &source, err) : NULL;
}

/* Each of the special ways, once; then the same without the method that it needs. */
static void test_special(const char *hide, bool real_time, bool statistics, bool chain)
{
    AneEngine e;
    Error err = {{0}};
    fresh();
    standin.hide = hide;
    AneProgram *p = open_program(&e, &err);
    CHECK_TOLD(p != NULL, "%s", err.text);
    AneEvaluation how = {.qos = 9, .real_time = real_time, .statistics = statistics};
    bool ok = p && (chain ? ane_program_chain(p, &err) : ane_program_evaluate(p, &how, &err));
    CHECK_TOLD(ok == !hide, "without %s: %s", hide ? hide : "nothing", err.text);
    CHECK_TOLD(ok || strstr(err.text, "this system's framework has no"), "%s", err.text);
    ane_program_close(p);
    check_clean(hide ? hide : "special");
}

static void test_specials(void)
{
    test_special(NULL, false, false, false);
    test_special(NULL, true, false, false);
    test_special(NULL, false, true, false);
    test_special(NULL, true, true, false);
    test_special(NULL, false, false, true);
    test_special("evaluateRealTimeWithModel:options:request:error:", true, false, false);
    test_special("_ANEClient", true, false, false);
    test_special("_ANEPerformanceStats", false, true, false);
    test_special("_ANEChainingRequest", false, false, true);
    test_special("_ANEBuffer", false, false, true);
}

static void test_names(void)
{
    AneEngine e;
    Error err;
    char chip[32], build[32];
    fresh();
    ane_program_close(open_program(&e, &err));
    ane_engine_name(&e, chip, build, sizeof chip);
    CHECK_TEXT(chip, "stand-in");
    CHECK(ane_engine_now(&e) > 0);
    standin.hide = "_ANEDeviceInfo";
    ane_program_close(open_program(&e, &err));
    ane_engine_name(&e, chip, build, sizeof chip);
    CHECK_TEXT(chip, "unknown");
    check_clean("names");
}

static void test_report(void)
{
    Apple a;
    Error err;
    Text report = {0};
    fresh();
    CHECK_TOLD(apple_open(&a, "", &err) && apple_report(&a, &report), "%s", err.text);
    CHECK_TOLD(strstr(text_cstr(&report), "ok   -[_ANEInMemoryModel compileWithQoS:options:error:]: is "),
               "%s", text_cstr(&report));
    CHECK_TOLD(!apple_open(&a, "/no/such/library", &err) && strstr(err.text, "no Neural Engine here"), "%s",
               err.text);
    text_free(&report);
}

int main(void)
{
    test_report();
    test_runs(false);
    test_procedures(false);
    test_procedures(true);
    test_runs(true);
    test_known();
    test_shared();
    test_failures();
    test_hidden("_ANEInMemoryModel");
    test_hidden("_ANERequest");
    test_hidden("evaluateWithQoS:options:request:error:");
    test_encodings();
    test_specials();
    test_names();
    test_budget(0, 110);
    test_budget(7, 7);
    test_room(true);
    test_room(false);
    test_hangs();
    return check_report();
}

#endif
