/* The driver of the Neural Engine against the stand-in of tests/support/libane.h. Nothing here has met a real
 * one. */
#include <string.h>

#include "base/half.h"
#include "frontend/mil/mil.h"
#include "runtime/ane/program.h"
#include "runtime/device.h"
#include "tests/support/libane.h"
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

typedef struct Fixture {
    Device *device;
    Module *module;
    Kernel *kernel;
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

/* Runs with b = i and a = 2 i + 1; whether d is a - b and c twice that. */
static bool run(Fixture *f)
{
    static uint16_t a[N], b[N], c[N], d[N];
    for (int i = 0; i < N; i++) {
        b[i] = half_from_float((float)i);
        a[i] = half_from_float((float)(2 * i + 1));
        c[i] = d[i] = 0;
    }
    PortData data[4];
    data[kernel_port(f->kernel, PORT_INPUT, "a")] = (PortData){a, sizeof a};
    data[kernel_port(f->kernel, PORT_INPUT, "b")] = (PortData){b, sizeof b};
    data[kernel_port(f->kernel, PORT_OUTPUT, "c")] = (PortData){c, sizeof c};
    data[kernel_port(f->kernel, PORT_OUTPUT, "d")] = (PortData){d, sizeof d};
    if (!device_run(f->kernel, data, 4, NULL, &f->err))
        return false;
    bool right = true;
    for (int i = 0; i < N; i++)
        right &= half_to_float(d[i]) == (float)(i + 1) && half_to_float(c[i]) == (float)(2 * i + 2);
    return right;
}

static void check_clean(const char *what)
{
    CHECK_TOLD(standin.live == 0, "%s: %d objects are left", what, standin.live);
    CHECK_TOLD(!standin.complaint[0], "%s: %s", what, standin.complaint);
}

static void test_runs(bool named)
{
    Fixture f;
    standin_reset();
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
    standin_reset();
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
    standin_reset();
    start(&f);
    Kernel *again = device_compile(f.device, module_find(f.module, "main"), NULL, &f.err);
    CHECK_TOLD(again && standin.compiles == 1 && standin.loads == 1, "%d compiles", standin.compiles);
    kernel_release(f.kernel);
    f.kernel = again;
    CHECK_TOLD(again && run(&f), "the other goes on: %s", f.err.text);
    stop(&f);
    check_clean("shared");
}

/* A call that fails `times` times with this error; part of the message that is wanted, or NULL: it recovers.
 */
static void test_failure(const char *call, int times, const char *text, const char *wanted)
{
    Fixture f;
    standin_reset();
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
    test_failure("request", 1, NULL, "makes no request");
    test_failure("evaluate", 2, busy, NULL);
    test_failure("evaluate", 1, "Failed with status=0x1d : Program Inference error",
                 "differ from the program's");
}

static void test_hidden(const char *what)
{
    Error err;
    standin_reset();
    standin.hide = what;
    Device *d = ane_device_open("", &err);
    CHECK_TOLD(!d && strstr(err.text, what), "%s hidden: %s", what, d ? "opened" : err.text);
    device_close(d);
}

static void test_encoding(const char *encoding, bool fits)
{
    Error err;
    standin_reset();
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

/* The process's budget ends with a message, not with a crash. */
static void test_budget(void)
{
    Fixture f;
    Error err;
    standin_reset();
    start(&f);
    int made = 1;
    for (; made < 200; made++) {
        char text[sizeof mil + 8];
        snprintf(text, sizeof text, "%s", mil);
        char *number = strstr(text, "3505.4.1"); /* any difference makes another program */
        memcpy(number, "36", 2);
        number[2] = (char)('0' + made / 100);
        number[3] = (char)('0' + made / 10 % 10);
        number[5] = (char)('0' + made % 10);
        Source source = {"test.mil", text, strlen(text)};
        Diags diags = {.out = stderr};
        Module *m = mil_read(&source, &diags);
        Kernel *k = m ? device_compile(f.device, module_find(m, "main"), NULL, &err) : NULL;
        kernel_release(k);
        module_free(m);
        if (!k)
            break;
    }
    CHECK_TOLD(made == 110 && strstr(err.text, "has compiled 110 programs"), "%d: %s", made, err.text);
    stop(&f);
    check_clean("budget");
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
    standin_reset();
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
    standin_reset();
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
    standin_reset();
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
    test_budget();
    return check_report();
}

#endif
