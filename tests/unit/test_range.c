/* Bounds hold: whatever goes in, no op makes a value outside of what passes/range.h says of it, also with the
 * Neural Engine's modelled rounding and tables. And they are not idle: some are reached. */
#include "passes/range.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "frontend/mil/mil.h"
#include "runtime/eval/eval.h"
#include "runtime/interpret.h"
#include "tests/unit/check.h"

enum { C = 8, S = 32, N = C * S, MOST_VALUES = 64 };

static uint64_t state = 20240607;

static double uniform(void) /* [0, 1) */
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (double)(state >> 11) * 0x1p-53;
}

/* ---- a program ---- */

typedef struct Kept {
    const char *name;
    Interval all;
    double sum, likely_sum;
} Kept;

typedef struct Trial {
    Text text;
    Source source;
    Module *module;
    Func *func;
    Arena arena;
    int kept;
    Kept value[MOST_VALUES];
    int outside; /* values that were seen outside */
    double seen; /* the largest magnitude of the last op's */
} Trial;

/* Of x and z, [1, C, 1, S]; the last value is y. */
static bool trial_read(Trial *p, const char *body)
{
    Diags diags = {.out = stdout};
    text_printf(&p->text,
                "program(1.3)\n[buildInfo = dict<string, string>({{\"a\", \"b\"}})]\n{\n    func "
                "main<ios18>(tensor<fp32, [1, %d, 1, %d]> x, tensor<fp32, [1, %d, 1, %d]> z) {\n%s    } -> "
                "(y);\n}",
                C, S, C, S, body);
    p->source = (Source){"test", text_cstr(&p->text), p->text.size};
    p->module = mil_read(&p->source, &diags);
    p->func = p->module ? p->module->func[0] : NULL;
    CHECK_TOLD(p->func != NULL, "%s", body);
    return p->func != NULL;
}

static void trial_free(Trial *p)
{
    module_free(p->module);
    text_free(&p->text);
    arena_free(&p->arena);
}

static void trial_bound(Trial *p, Interval x, Interval z)
{
    Range r = {.arena = &p->arena};
    bound_new(&r, p->func->param[0], x, interval_most(x));
    bound_new(&r, p->func->param[1], z, interval_most(z));
    range_function(&r, p->func);
    for (Op *op = p->func->first; op; op = op->next)
        for (int i = 0; i < op->results && op->code != OP_CONST && p->kept < MOST_VALUES; i++) {
            const Bound *b = op->result[i]->mark;
            p->value[p->kept++] = (Kept){op->result[i]->name, b->all, b->sum, b->likely_sum};
        }
    range_clear(p->func);
    range_free(&r);
}

static const Kept *find(const Trial *p, const char *name)
{
    for (int i = 0; i < p->kept; i++)
        if (strcmp(p->value[i].name, name) == 0)
            return &p->value[i];
    return NULL;
}

static void watch(void *context, const TraceStep *step)
{
    Trial *p = context;
    const Kept *k = find(p, step->name);
    if (!k)
        return;
    p->outside += step->seen && ((double)step->least < k->all.low || (double)step->most > k->all.high);
    p->outside += (step->nans || step->infinities) && isfinite(interval_most(k->all));
    p->seen = step->seen ? fmax(fabs((double)step->least), fabs((double)step->most)) : 0;
}

static void trial_run(Trial *p, float *x, float *z, Engine *engine)
{
    Error err;
    Tensor param[2] = {tensor_of(p->func->param[0]->type, DT_FP32, x),
                       tensor_of(p->func->param[1]->type, DT_FP32, z)};
    Tensor output = {0};
    Trace trace = {.ranges = true, .step = watch, .context = p};
    InterpretOptions options = {.trace = &trace, .engine = engine};
    bool ok = interpret(p->func, param, &output, NULL, &options, &err);
    CHECK_TOLD(ok, "%s", err.text);
    free(output.data);
}

/* Ends of the interval, and what lies between them. */
static void fill(float *x, Interval in)
{
    for (int i = 0; i < N; i++) {
        double u = uniform(), v = u < 0.25  ? in.low
                                  : u < 0.5 ? in.high
                                            : in.low + (in.high - in.low) * uniform();
        x[i] = (float)v;
    }
}

/* ---- every kind of op ---- */

typedef struct Case {
    const char *body;
    bool bounded; /* finite for finite operands: it has a rule */
    double least; /* of the operands */
} Case;

#define HOME "tensor<fp32, [1, 8, 1, 32]>"
#define I4 "tensor<int32, [4]>"
#define WINDOW                                                                                               \
    "strides = tensor<int32, [2]>([1, 1]), pad_type = string(\"valid\"), pad = " I4 "([0, 0, 0, 0]), "       \
    "dilations = tensor<int32, [2]>([1, 1]), groups = int32(1)"
#define UNARY(op) HOME " y = " op "(x = x)[name = string(\"y\")];\n"
#define BINARY(op) HOME " y = " op "(x = x, y = z)[name = string(\"y\")];\n"
#define WITH(op, more) HOME " y = " op "(x = x, " more ")[name = string(\"y\")];\n"
#define REDUCE(op, axis, type)                                                                               \
    type " y = " op "(x = x, axes = tensor<int32, [1]>([" axis                                               \
         "]), keep_dims = bool(true))[name = string(\"y\")];\n"

static const Case cases[] = {
    {UNARY("abs"), true, -1},
    {UNARY("ceil"), true, -1},
    {UNARY("floor"), true, -1},
    {UNARY("round"), true, -1},
    {UNARY("sign"), true, -1},
    {UNARY("relu"), true, -1},
    {UNARY("relu6"), true, -1},
    {UNARY("identity"), true, -1},
    {UNARY("sigmoid"), true, -1},
    {UNARY("tanh"), true, -1},
    {UNARY("erf"), true, -1},
    {UNARY("atan"), true, -1},
    {UNARY("sin"), true, -1},
    {UNARY("cos"), true, -1},
    {UNARY("softsign"), true, -1},
    {UNARY("softplus"), true, -1},
    {UNARY("silu"), true, -1},
    {UNARY("square"), true, -1},
    {UNARY("sqrt"), true, 0},
    {UNARY("exp2"), true, -0.01},
    {UNARY("exp"), true, -0.01},
    {UNARY("asin"), false, -1},
    {UNARY("sinh"), false, -0.01},
    {WITH("gelu", "mode = string(\"TANH_APPROXIMATION\")"), true, -1},
    {WITH("gelu", "mode = string(\"EXACT\")"), true, -1},
    {WITH("clip", "alpha = fp32(-3), beta = fp32(0x1.8p+0)"), true, -1},
    {WITH("leaky_relu", "alpha = fp32(0x1p-3)"), true, -1},
    {WITH("linear_activation", "alpha = fp32(-2), beta = fp32(5)"), true, -1},
    {WITH("threshold", "alpha = fp32(1)"), true, -1},
    {WITH("log", "epsilon = fp32(0x1p-10)"), true, 0},
    {WITH("rsqrt", "epsilon = fp32(0x1p-10)"), true, 0},
    {WITH("inverse", "epsilon = fp32(0x1p-10)"), true, 0},
    {WITH("elu", "alpha = fp32(1)"), false, -1},
    {BINARY("add"), true, -1},
    {BINARY("sub"), true, -1},
    {BINARY("mul"), true, -1},
    {BINARY("maximum"), true, -1},
    {BINARY("minimum"), true, -1},
    {BINARY("real_div"), false, -1},
    {BINARY("real_div"), true, 0.5},
    {BINARY("mod"), false, 0.5},
    {WITH("mul", "y = x"), true, -1},
    {WITH("pow", "y = fp32(2)"), true, -1},
    {WITH("pow", "y = fp32(3)"), true, -1},
    {WITH("pow", "y = fp32(0x1p-1)"), true, 0},
    {WITH("pow", "y = fp32(-0x1p-1)"), true, 0.5},
    {HOME " y = mul(x = fp32(-0x1.8p+2), y = x)[name = string(\"y\")];\n", true, -1},
    {HOME " y = add(x = x, y = tensor<fp32, [1, 8, 1, 1]>([[[[1]], [[-2]], [[3]], [[-4]], [[5]], [[-6]], "
          "[[70]], [[-8]]]]))[name = string(\"y\")];\n",
     true, -1},
    {HOME " n = relu(x = x)[name = string(\"n\")];\n" HOME " y = sub(x = z, y = n)[name = string(\"y\")];\n",
     true, -1},
    {WITH("softmax", "axis = int32(-1)"), true, -1},
    {WITH("layer_norm",
          "axes = tensor<int32, [1]>([1]), gamma = tensor<fp32, [8]>([1, -2, 3, 0, 5, 6, 7, "
          "-20]), beta = tensor<fp32, [8]>([0, 1, -1, 4, 9, 0, 0, 2]), epsilon = fp32(0x1p-17)"),
     true, -1},
    {WITH("layer_norm", "axes = tensor<int32, [1]>([3]), epsilon = fp32(0x1p-17)"), true, -1},
    {WITH("instance_norm", "epsilon = fp32(0x1p-17)"), false, -1},
    {REDUCE("reduce_sum", "1", "tensor<fp32, [1, 1, 1, 32]>"), true, -1},
    {REDUCE("reduce_sum", "3", "tensor<fp32, [1, 8, 1, 1]>"), true, -1},
    {REDUCE("reduce_mean", "1", "tensor<fp32, [1, 1, 1, 32]>"), true, -1},
    {REDUCE("reduce_max", "1", "tensor<fp32, [1, 1, 1, 32]>"), true, -1},
    {REDUCE("reduce_min", "3", "tensor<fp32, [1, 8, 1, 1]>"), true, -1},
    {REDUCE("reduce_sum_square", "1", "tensor<fp32, [1, 1, 1, 32]>"), true, -1},
    {REDUCE("reduce_l2_norm", "1", "tensor<fp32, [1, 1, 1, 32]>"), false, -1},
    {"tensor<fp32, [1, 1, 8, 32]> y = reshape(x = x, shape = " I4 "([1, 1, 8, 32]))[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 32, 1, 8]> y = transpose(x = x, perm = " I4 "([0, 3, 2, 1]))[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 3, 1, 32]> y = slice_by_size(x = x, begin = " I4 "([0, 4, 0, 0]), size = " I4
     "([1, 3, 1, 32]))[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 16, 1, 32]> y = concat(values = (x, z), axis = int32(1), interleave = "
     "bool(false))[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 8, 1, 64]> y = concat(values = (x, z), axis = int32(3), interleave = "
     "bool(true))[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 8, 1, 64]> y = tile(x = x, reps = " I4 "([1, 1, 1, 2]))[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 4, 1, 32]> u, tensor<fp32, [1, 4, 1, 32]> y = split(x = x, num_splits = int32(2), "
     "axis = int32(1))[name = string(\"u\")];\n",
     true, -1},
    {HOME " p = softmax(x = x, axis = int32(-1))[name = string(\"p\")];\n"
          "tensor<fp32, [1, 8, 1, 1]> y = matmul(x = p, y = z, transpose_x = bool(false), transpose_y = "
          "bool(true))[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 8, 1, 1]> y = matmul(x = x, y = z, transpose_x = bool(false), transpose_y = "
     "bool(true))[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 8, 32, 32]> y = matmul(x = x, y = z, transpose_x = bool(true), transpose_y = "
     "bool(false))[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 2, 1, 32]> y = conv(x = x, weight = tensor<fp32, [2, 8, 1, 1]>([[[[1]], [[-2]], "
     "[[3]], [[-4]], [[5]], [[6]], [[-7]], [[8]]], [[[0]], [[0]], [[1]], [[0]], [[9]], [[0]], [[0]], "
     "[[-1]]]]), bias = tensor<fp32, [2]>([-30, 2]), " WINDOW ")[name = string(\"y\")];\n",
     true, -1},
    {HOME
     " n = layer_norm(x = x, axes = tensor<int32, [1]>([1]), gamma = tensor<fp32, [8]>([1, -2, 3, 0, 5, 6, "
     "7, -20]), beta = tensor<fp32, [8]>([0, 1, -1, 4, 9, 0, 0, 2]), epsilon = fp32(0x1p-17))[name = "
     "string(\"n\")];\n"
     "tensor<fp32, [1, 1, 1, 32]> y = conv(x = n, weight = tensor<fp32, [1, 8, 1, 1]>([[[[1]], [[-2]], "
     "[[3]], [[-4]], [[5]], [[6]], [[-7]], [[8]]]]), " WINDOW ")[name = string(\"y\")];\n",
     true, -1},
    {"tensor<fp32, [1, 2, 1, 30]> y = conv(x = x, weight = tensor<fp32, [2, 4, 1, 3]>([[[[1, 2, 3]], "
     "[[4, -5, 6]], [[7, 8, 9]], [[1, 1, 1]]], [[[-1, 2, 3]], [[0, 0, 6]], [[7, 8, -9]], [[0, 0, 0]]]]), "
     "strides = "
     "tensor<int32, [2]>([1, 1]), pad_type = string(\"valid\"), pad = " I4 "([0, 0, 0, 0]), dilations = "
     "tensor<int32, [2]>([1, 1]), groups = int32(2))[name = string(\"y\")];\n",
     true, -1},
    /* a norm by the mean square, as decompose leaves it */
    {HOME " q = mul(x = x, y = x)[name = string(\"q\")];\n"
          "tensor<fp32, [1, 1, 1, 32]> s = reduce_sum(x = q, axes = tensor<int32, [1]>([1]), keep_dims = "
          "bool(true))[name = string(\"s\")];\n"
          "tensor<fp32, [1, 1, 1, 32]> m = mul(x = s, y = fp32(0x1p-3))[name = string(\"m\")];\n"
          "tensor<fp32, [1, 1, 1, 32]> e = add(x = m, y = fp32(0x1p-13))[name = string(\"e\")];\n"
          "tensor<fp32, [1, 1, 1, 32]> r = pow(x = e, y = fp32(-0x1p-1))[name = string(\"r\")];\n" HOME
          " y = mul(x = x, y = r)[name = string(\"y\")];\n",
     true, -1},
    {HOME " q = square(x = x)[name = string(\"q\")];\n"
          "tensor<fp32, [1, 8, 1, 1]> m = reduce_mean(x = q, axes = tensor<int32, [1]>([3]), keep_dims = "
          "bool(true))[name = string(\"m\")];\n"
          "tensor<fp32, [1, 8, 1, 1]> r = rsqrt(x = m, epsilon = fp32(0x1p-13))[name = string(\"r\")];\n" HOME
          " y = mul(x = r, y = x)[name = string(\"y\")];\n",
     true, -1},
};
enum { CASES = sizeof cases / sizeof *cases };

/* What may overflow on the engine is bounded no longer: an infinity is what comes then. */
static bool fits(const Trial *p)
{
    for (int i = 0; i < p->kept; i++)
        if (isfinite(p->value[i].all.high) && fmax(interval_most(p->value[i].all), p->value[i].sum) >= 32768)
            return false;
    return true;
}

/* Operands of sizes from tiny to what fp16 just holds. */
static void run_case(const Case *c, Engine *engine)
{
    static const double sizes[] = {0.01, 1, 7, 40, 3000};
    float x[N], z[N];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Interval ix = {c->least * sizes[i], sizes[i] * (0.5 + uniform())};
        Interval iz = {c->least * sizes[i] * uniform(), sizes[i]};
        if (c->least > 0)
            iz.low = c->least * sizes[i];
        Trial p = {0};
        if (!trial_read(&p, c->body))
            return;
        trial_bound(&p, ix, iz);
        for (int k = 0; k < 6 && (!engine || fits(&p)); k++) {
            fill(x, ix);
            fill(z, iz);
            trial_run(&p, x, z, engine);
        }
        CHECK_TOLD(p.outside == 0, "%d values outside, operands up to %g%s:\n%s", p.outside, sizes[i],
                   engine ? ", engine" : "", c->body);
        const Kept *y = find(&p, "y");
        CHECK_TOLD(y && (!c->bounded || isfinite(interval_most(y->all)) || sizes[i] > 50), "no bound:\n%s",
                   c->body);
        trial_free(&p);
    }
}

static void test_every_op(void)
{
    Arena a = {0};
    Error err;
    static const char *const profiles[] = {"safe", "m3", "m4"};
    for (int i = 0; i < CASES; i++) {
        run_case(&cases[i], NULL);
        for (size_t k = 0; k < sizeof profiles / sizeof *profiles; k++) {
            Engine *e = engine_new(profile_load(&a, profiles[k], &err));
            run_case(&cases[i], e);
            engine_free(e);
        }
    }
    arena_free(&a);
}

/* ---- bounds that are reached ---- */

#define ROW "tensor<fp32, [1, 8, 1, 1]>([[[[1]], [[-2]], [[3]], [[-4]], [[5]], [[6]], [[-7]], [[8]]]])"
static const double row[C] = {1, -2, 3, -4, 5, 6, -7, 8};

/* x = most * sign(w): the sum of all |w| * most. */
static void test_box_is_reached(void)
{
    Trial p = {0};
    float x[N], z[N] = {0};
    if (!trial_read(&p, "tensor<fp32, [1, 1, 1, 32]> y = conv(x = x, weight = " ROW ", " WINDOW
                        ")[name = string(\"y\")];\n"))
        return;
    trial_bound(&p, interval_around(2), interval_around(1));
    for (int i = 0; i < N; i++)
        x[i] = row[i / S] < 0 ? -2 : 2;
    trial_run(&p, x, z, NULL);
    const Kept *y = find(&p, "y");
    CHECK(y && p.outside == 0 && p.seen == 72 && y->sum >= 72 && y->sum < 72.5);
    /* eight terms of up to 2 * |w|, with signs of their own: sqrt(sum (2 w)^2) = 28.57 */
    CHECK(y && fabs(y->likely_sum - 2 * sqrt(204)) < 0.1);
    trial_free(&p);
}

/* Behind a norm x = w - mean(w) makes the sum sqrt(8) * |w - mean(w)|_2, as much as Cauchy-Schwarz says for
 * weights whose mean is 0. */
static void test_norm_is_reached(void)
{
    Trial p = {0};
    float x[N], z[N] = {0};
    double mean = 0, squares = 0;
    if (!trial_read(&p, HOME " n = layer_norm(x = x, axes = tensor<int32, [1]>([1]), epsilon = "
                             "fp32(0x1p-17))[name = string(\"n\")];\n"
                             "tensor<fp32, [1, 1, 1, 32]> y = conv(x = n, weight = " ROW ", " WINDOW
                             ")[name = string(\"y\")];\n"))
        return;
    trial_bound(&p, interval_around(1000), interval_around(1));
    for (int i = 0; i < C; i++)
        mean += row[i] / C;
    for (int i = 0; i < C; i++)
        squares += row[i] * row[i];
    for (int i = 0; i < N; i++)
        x[i] = (float)(100 * (row[i / S] - mean));
    trial_run(&p, x, z, NULL);
    const Kept *y = find(&p, "y");
    CHECK(y && p.outside == 0 && y->sum >= sqrt(8 * squares) && y->sum < 1.1 * sqrt(8 * squares));
    CHECK(p.seen > 0.9 * sqrt(8 * squares));
    trial_free(&p);
}

int main(void)
{
    test_every_op();
    test_box_is_reached();
    test_norm_is_reached();
    return check_report();
}
