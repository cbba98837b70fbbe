/* The model of the Neural Engine's numerics: each behaviour by itself, with the numbers that the sources of
 * the profiles give, and in programs. */
#include <math.h>
#include <stdarg.h>

#include "base/text.h"
#include "frontend/mil/mil.h"
#include "runtime/eval/eval.h"
#include "runtime/interpret.h"
#include "tests/unit/check.h"

static Arena arena;

static const Profile *profile(const char *lines)
{
    Error err;
    const Profile *p = profile_parse(&arena, lines, "test", &err);
    CHECK_TOLD(p != NULL, "%s", err.text);
    return p;
}

/* ---- programs ---- */

enum { MOST_ELEMENTS = 4096 };

typedef struct Result {
    float y[MOST_ELEMENTS];
    int events;
    EngineEvent event[8];
    char program[2000];
} Result;

/* x [n] of fp32 through BODY, which makes y [m] of fp32; twice: on the device and op by op. */
static void run(const Profile *p, const float *x, int n, int m, Result *r, const char *body)
{
    Error err;
    snprintf(r->program, sizeof r->program,
             "program(1.3)\n[buildInfo = dict<string, string>({{\"a\", \"b\"}})]\n{\n    func "
             "main<ios18>(tensor<fp32, [%d]> x) {\n%s    } -> (y);\n}",
             n, body);
    Source source = {"test", r->program, strlen(r->program)};
    Diags diags = {.out = stdout};
    Module *module = mil_read(&source, &diags);
    CHECK(module != NULL);
    if (!module)
        return;
    for (int pass = 0; pass < 2; pass++) {
        Engine *e = engine_new(p);
        Func *f = module->func[0];
        float y[MOST_ELEMENTS], *made = y;
        if (pass) {
            Tensor param = tensor_of(f->param[0]->type, DT_FP32, (void *)(uintptr_t)x), output;
            InterpretOptions options = {.engine = e};
            bool ok = interpret(f, &param, &output, NULL, &options, &err);
            CHECK_TOLD(ok, "%s", err.text);
            made = output.data;
        } else {
            DeviceOptions options = {.threads = 1, .engine = e};
            Device *d = cpu_device_open(&options, &err);
            Kernel *k = device_compile(d, f, NULL, &err);
            PortData data[2] = {{(void *)(uintptr_t)x, (size_t)n * 4}, {y, (size_t)m * 4}};
            CHECK_TOLD(k && device_run(k, data, 2, NULL, &err), "%s", err.text);
            kernel_release(k);
            device_close(d);
        }
        if (pass)
            CHECK(memcmp(r->y, made, (size_t)m * 4) == 0);
        memcpy(r->y, made, (size_t)m * 4);
        const EngineEvent *event = engine_events(e, &r->events);
        for (int i = 0; i < r->events && i < 8; i++)
            r->event[i] = event[i];
        if (pass)
            free(made);
        engine_free(e);
    }
    module_free(module); /* of the events, op is a number from here on */
}

/* y = the sum of x[i] * w[i], as a matmul */
static double dot(const Profile *p, const float *x, const float *w, int n, Result *r)
{
    Text body = {0};
    text_printf(&body,
                "tensor<fp32, [1, %d]> row = reshape(shape = tensor<int32, [2]>([1, %d]), x = x)[name = "
                "string(\"row\")];\ntensor<fp32, [%d, 1]> w = const()[name = string(\"w\"), val = "
                "tensor<fp32, [%d, 1]>([",
                n, n, n, n);
    for (int i = 0; i < n; i++)
        text_printf(&body, "%s[%a]", i ? ", " : "", (double)w[i]);
    text_printf(&body, "])];\ntensor<fp32, [1, 1]> out = matmul(transpose_x = bool(false), transpose_y = "
                       "bool(false), x = row, y = w)[name = string(\"out\")];\n"
                       "tensor<fp32, [1]> y = reshape(shape = tensor<int32, [1]>([1]), x = out)[name = "
                       "string(\"y\")];\n");
    run(p, x, n, 1, r, text_cstr(&body));
    text_free(&body);
    return (double)r->y[0];
}

/* ---- rounding ---- */

static void test_rounding(void)
{
    Engine *e = engine_new(profile("# away\nrounding = away\nsmallest_value = 6.103515625e-05\n"));
    CHECK(engine_round(e, 2049) == 2050 && engine_round(e, -2049) == -2050);
    CHECK(engine_round(e, 2051) == 2052 && engine_round(e, 2048) == 2048);
    CHECK(engine_round(e, 65504) == 65504 && engine_round(e, 65519.9) == 65504);
    CHECK(isinf(engine_round(e, 65520)) && engine_round(e, -65520) == -(double)INFINITY);
    CHECK(engine_round(e, 6.1e-5) == 0 && signbit(engine_round(e, -6.1e-5)));
    CHECK(engine_round(e, 0x1p-14) == 0x1p-14);
    CHECK(isnan(engine_round(e, NAN)) && isinf(engine_round(e, INFINITY)));
    engine_free(e);
    e = engine_new(profile("# even\nrounding = even\nsmallest_value = none\n"));
    CHECK(engine_round(e, 2049) == 2048 && engine_round(e, 2051) == 2052);
    CHECK(engine_round(e, 6.1e-5) != 0 && engine_round(e, 3 * 0x1p-25) == 0x1p-23);
    CHECK(engine_round(e, 0x1p-25) == 0 && engine_round(e, 0x1.8p-24) == 0x1p-23);
    engine_free(e);
}

static void test_values(void)
{
    static const float x[4] = {300, 4, 200, -300};
    static const char body[] =
        "tensor<fp32, [4]> a = mul(x = x, y = x)[name = string(\"a\")];\n"
        "tensor<fp32, [4]> y = add(x = a, y = fp32(0x1.0p-1))[name = string(\"y\")];\n";
    Result r;
    run(profile("# safe\n"), x, 4, 4, &r, body);
    CHECK(isinf(r.y[0]) && isinf(r.y[3]) && r.y[1] == 16.5f);
    /* 40000 stands between multiples of 32: 40000.5 does not move it */
    CHECK(r.y[2] == 40000);
    /* the sum is infinite because a is: no event of its own */
    CHECK(r.events == 1 && r.event[0].fault == FAULT_VALUE && r.event[0].count == 2);
    CHECK(r.event[0].largest == 90000);
}

/* exp(1000) has no magnitude to tell. */
static void test_unbounded(void)
{
    static const float x[2] = {1000, 1};
    Result r;
    run(profile("# safe\n"), x, 2, 2, &r, "tensor<fp32, [2]> y = exp(x = x)[name = string(\"y\")];\n");
    CHECK(isinf(r.y[0]) && r.events == 1 && isinf(r.event[0].largest) && r.event[0].count == 1);
}

/* ---- the accumulator ---- */

static void test_accumulator(void)
{
    static const float x[4] = {128, 128, 100, 1}, fits[4] = {128, 127, 1, 1}, over[4] = {200, 128, -200, 1};
    Result r;
    const Profile *safe = profile("# safe\n");
    CHECK(dot(safe, x, fits, 4, &r) == 32736 && r.events == 0); /* 32741, in steps of 16 */
    /* what comes after the end does not bring it back */
    CHECK(isinf(dot(safe, x, over, 4, &r)) && r.events == 1);
    CHECK(r.event[0].fault == FAULT_SUM && r.event[0].count == 1 && r.event[0].largest == 41984);
    CHECK(dot(profile("# M3\noverflow = zero\n"), x, over, 4, &r) == 0 && r.events == 1);
    CHECK(dot(profile("# wide\naccumulator = 65536\n"), x, over, 4, &r) == 21984 && r.events == 0);
    static const float minus[4] = {-128, -128, -1, 0};
    CHECK(dot(safe, x, minus, 4, &r) == -(double)INFINITY);
}

static void test_products(void)
{
    static const float x[3] = {0x1p-8f, 0x1p-8f, 1}, w[3] = {0x1p-7f, 0x1.8p-7f, 0.25f};
    Result r;
    CHECK(dot(profile("# M3\n"), x, w, 3, &r) == 0.25); /* both are below 2^-14, also 1.5 * 2^-15 */
    double fixed = dot(profile("# M4\nproducts = fixed\nsmallest_product = 1.52587890625e-05\n"
                               "smallest_value = none\n"),
                       x, w, 3, &r);
    CHECK(fixed == 0.25); /* 0.25 + 2.5 * 2^-15 is 0.25 again in fp16 */
    static const float small[3] = {0x1p-7f, 0x1.8p-7f, 0};
    fixed = dot(profile("# M4\nproducts = fixed\nsmallest_product = 1.52587890625e-05\n"
                        "smallest_value = none\n"),
                x, small, 3, &r);
    CHECK(fixed == 0x1.4p-14); /* 2.5 * 2^-15, a multiple of 2^-16 */
    /* fp16 has no 1 + 2^-11: a product loses it */
    static const float near[2] = {0x1.004p0f, 0}, one[2] = {0x1.004p0f, 0};
    CHECK(dot(profile("# M3\n"), near, one, 2, &r) == 0x1.008p0);
}

static void test_reductions(void)
{
    enum { N = 2049 };
    static float x[N];
    static const char body[] =
        "tensor<fp32, [1]> y = reduce_sum(axes = tensor<int32, [1]>([0]), keep_dims = bool(true), x = x)"
        "[name = string(\"y\")];\n";
    Result r;
    for (int i = 0; i < N; i++)
        x[i] = 1;
    run(profile("# away\n"), x, N, 1, &r, body);
    CHECK(r.y[0] == 2050);
    run(profile("# even\nrounding = even\n"), x, N, 1, &r, body);
    CHECK(r.y[0] == 2048);
    /* 2048 halves behind 2048: each is lost in fp16, all together are not */
    for (int i = 0; i < N; i++)
        x[i] = i ? 0.5f : 2048;
    run(profile("# even\nrounding = even\n"), x, N, 1, &r, body);
    CHECK(r.y[0] == 2048);
    run(profile("# fp32\nreductions = fp32\n"), x, N, 1, &r, body);
    CHECK(r.y[0] == 3072);
}

static void test_slices(void)
{
    static const float x[4] = {5000, 5000, 4000, -4095};
    static const char body[] = "tensor<fp32, [3]> y = slice_by_size(begin = tensor<int32, [1]>([%d]), size = "
                               "tensor<int32, [1]>([3]), x = x)[name = string(\"y\")];\n";
    char text[300];
    Result r;
    snprintf(text, sizeof text, body, 1);
    run(profile("# M1\nslice_clamp = 4094\n"), x, 4, 3, &r, text);
    CHECK(isinf(r.y[0]) && r.y[1] == 4000 && r.y[2] == -INFINITY);
    CHECK(r.events == 1 && r.event[0].fault == FAULT_SLICE && r.event[0].count == 2);
    run(profile("# M4\nslice_clamp = none\n"), x, 4, 3, &r, text);
    CHECK(r.y[0] == 5000 && r.events == 0);
    snprintf(text, sizeof text, body, 0);
    run(profile("# M1\nslice_clamp = 4094\n"), x, 4, 3, &r, text);
    CHECK(r.y[0] == 5000 && r.events == 0);
}

/* ---- functions ---- */

static double sigmoid(double x, double a, double b)
{
    return 1 / (1 + exp(-x));
}
static double tanh_of(double x, double a, double b)
{
    return tanh(x);
}
static double erf_of(double x, double a, double b)
{
    return erf(x);
}
static double gelu(double x, double a, double b)
{
    return 0.5 * x * (1 + erf(x * sqrt(0.5)));
}
static double silu(double x, double a, double b)
{
    return x / (1 + exp(-x));
}
static double exp_of(double x, double a, double b)
{
    return exp(x);
}
static double log_of(double x, double a, double b)
{
    return log(x);
}
static double rsqrt(double x, double a, double b)
{
    return 1 / sqrt(x);
}
static double sqrt_of(double x, double a, double b)
{
    return sqrt(x);
}
static double inverse(double x, double a, double b)
{
    return 1 / x;
}

/* What fp16 has as the unit of a number's last place. */
static double unit(double v)
{
    int exponent;
    frexp(v, &exponent);
    return ldexp(1, exponent - 11);
}

/* The worst error of a table is the published one: not more, and not much less. */
static void test_tables(void)
{
    static const struct Case {
        OpCode code;
        double (*f)(double, double, double);
        double from, to, error;
        bool ulps;
    } cases[] = {
        {OP_SIGMOID, sigmoid, -40, 40, 3.4e-3, false}, {OP_TANH, tanh_of, -9, 9, 1.6e-3, false},
        {OP_ERF, erf_of, -6, 6, 7e-4, false},          {OP_GELU, gelu, -20, 20, 6e-3, false},
        {OP_SILU, silu, -60, 60, 1.5e-2, false},       {OP_EXP, exp_of, -9, 11, 9, true},
        {OP_LOG, log_of, 1e-4, 100, 6.6e-3, false},    {OP_RSQRT, rsqrt, 1e-4, 100, 2.1, true},
        {OP_SQRT, sqrt_of, 1e-4, 100, 1.2, true},      {OP_INVERSE, inverse, 1e-3, 100, 13.5, true},
    };
    Engine *e = engine_new(profile("# safe\n"));
    Engine *none = engine_new(profile("# none\nerror.sigmoid = none\n"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct Case *c = &cases[i];
        double worst = 0;
        for (int k = 0; k <= 20000; k++) {
            double x = c->from + (c->to - c->from) * k / 20000, right = c->f(x, 0, 0);
            double got = engine_map(e, c->code, c->f, x, 0, 0), error = fabs(got - right);
            worst = fmax(worst, c->ulps ? error / unit(right) : error);
        }
        CHECK_TOLD(worst <= 1.02 * c->error && worst > 0.35 * c->error, "%s: %g where %g was published",
                   op_info(c->code)->spelling, worst, c->error);
        CHECK(engine_map(e, c->code, c->f, INFINITY, 0, 0) == c->f(INFINITY, 0, 0));
    }
    CHECK(engine_map(none, OP_SIGMOID, sigmoid, 0.3, 0, 0) == sigmoid(0.3, 0, 0));
    CHECK(engine_map(e, OP_SIGMOID, sigmoid, 0.3, 0, 0) != sigmoid(0.3, 0, 0));
    CHECK(engine_map(e, OP_SIGMOID, sigmoid, 0, 0, 0) == 0.5 && engine_map(e, OP_SILU, silu, 0, 0, 0) == 0);
    engine_free(none);
    engine_free(e);
}

/* The same in a program, rounded. */
static void test_table_in_program(void)
{
    static const float x[2] = {0.3f, -1.7f};
    Result r, exact;
    const char *body = "tensor<fp32, [2]> y = sigmoid(x = x)[name = string(\"y\")];\n";
    run(profile("# safe\n"), x, 2, 2, &r, body);
    run(profile("# exact\nerror.sigmoid = none\n"), x, 2, 2, &exact, body);
    for (int i = 0; i < 2; i++) {
        double right = sigmoid((double)x[i], 0, 0);
        CHECK(fabs((double)r.y[i] - right) < 3.4e-3 + 3e-4 && r.y[i] != exact.y[i]);
        CHECK(fabs((double)exact.y[i] - right) < 3e-4);
    }
}

int main(void)
{
    test_rounding();
    test_values();
    test_unbounded();
    test_accumulator();
    test_products();
    test_reductions();
    test_slices();
    test_tables();
    test_table_in_program();
    arena_free(&arena);
    return check_report();
}
