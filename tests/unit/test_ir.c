/* Type rules: each row is an op in a one-statement program; its declared result types, worked out by hand
 * from the definition of the op in coremltools, must be what the rule infers, to the letter. Rows that begin
 * with `!` expect that text as the error. At the end every rule of ops.def must have had rows of both kinds
 * (where it can fail). */
#include <math.h>

#include "frontend/mil/mil.h"
#include "ir/literal.h"
#include "tests/unit/check.h"

typedef struct Row {
    const char *params, *statement, *expected;
} Row;

/* ---- the harness ---- */

enum { RULE_PASSED = 1, RULE_FAILED = 2 };
static int seen[OP_COUNT];

static Module *read_text(const char *text, char **messages)
{
    size_t size;
    Diags diags = {.out = open_memstream(messages, &size), .quiet = true};
    Source *source = xcalloc(1, sizeof *source); /* spans point to it */
    *source = (Source){"t", text, strlen(text)};
    Module *m = mil_read_model(source, &diags);
    fclose(diags.out);
    free(source);
    return m;
}

/* "T r0, U r1 = STATEMENT" of "T, U" */
static void add_results(Text *program, const char *types)
{
    int n = 0, depth = 0;
    for (const char *p = types; *p; p++) {
        depth += *p == '<' || *p == '[';
        depth -= *p == '>' || *p == ']';
        if (*p == ',' && depth == 0)
            text_printf(program, " r%d, ", n++);
        else
            text_putc(program, *p);
    }
    text_printf(program, " r%d = ", n);
}

static void inferred_types(Text *out, const Op *op, Error *err)
{
    Type types[64];
    int n = op_result_types(op, types, 64, err);
    for (int i = 0; i < n; i++) {
        text_puts(out, i ? ", " : "");
        type_print(out, &types[i]);
    }
    if (n < 0)
        text_printf(out, "!%s", err->text);
}

static void check_row(const Row *row)
{
    bool fails = row->expected[0] == '!';
    Text program = {0}, got = {0};
    Error err = {""};
    char *messages = NULL;
    text_printf(&program, "program(1.3)\n{ func main<ios18>(%s) { ", row->params);
    if (*row->expected)
        add_results(&program, fails ? "tensor<fp32, [?]>" : row->expected);
    text_printf(&program, "%s; } -> (); }", row->statement);
    Module *m = read_text(text_cstr(&program), &messages);
    const char *said = strstr(messages, "error: ");
    if (m) {
        Op *op = m->func[0]->last;
        seen[op->code] |= RULE_PASSED;
        inferred_types(&got, op, &err);
    } else if (said) {
        OpCode code = op_from_spelling(row->statement, strcspn(row->statement, "("));
        seen[code] |= RULE_FAILED;
        text_printf(&got, "!%.*s", (int)strcspn(said + 7, "\n"), said + 7);
    }
    if (strcmp(text_cstr(&got), row->expected) != 0)
        printf("%s\n", row->statement);
    CHECK_TEXT(text_cstr(&got), row->expected);
    module_free(m);
    free(messages);
    text_free(&program);
    text_free(&got);
}

static void check_rows(const Row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_row(&rows[i]);
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof *(rows))

/* ---- elementwise ---- */

#define X23 "tensor<fp16, [2, 3]> x"
#define SCORES "tensor<fp32, [12, S, T]> x"

static void test_elementwise(void)
{
    static const Row rows[] = {
        {X23, "tanh(x = x)", "tensor<fp16, [2, 3]>"},
        {"tensor<fp32, []> x", "exp(x = x)", "fp32"},
        {"tensor<int32, [4]> x", "abs(x = x)", "tensor<int32, [4]>"},
        {"tensor<int32, [4]> x", "exp(x = x)", "!exp: x is tensor<int32, [4]>, expected floats"},
        {"tensor<bool, [4]> x", "logical_not(x = x)", "tensor<bool, [4]>"},
        {X23, "logical_not(x = x)", "!logical_not: x is tensor<fp16, [2, 3]>, expected bools"},
        {X23, "clip(alpha = fp16(0x0p+0), beta = fp16(0x1.8p+2), x = x)", "tensor<fp16, [2, 3]>"},
        {X23, "gelu(mode = string(\"TANH\"), x = x)",
         "!gelu: there is no mode \"TANH\": expected EXACT, TANH_APPROXIMATION or SIGMOID_APPROXIMATION"},
        {X23, "cast(dtype = string(\"int32\"), x = x)", "tensor<int32, [2, 3]>"},
        {X23, "cast(dtype = string(\"half\"), x = x)",
         "!cast: x is tensor<fp16, [2, 3]> and cannot be cast to \"half\""},
        {X23 ", string d", "cast(dtype = d, x = x)", "!cast: dtype must be a constant string"},
        {"tensor<fp32, [4, 1, S]> x, tensor<fp32, [3, 1]> y", "add(x = x, y = y)", "tensor<fp32, [4, 3, S]>"},
        {"tensor<fp32, [?, 8]> x, tensor<fp32, [5, 1]> y", "mul(x = x, y = y)", "tensor<fp32, [5, 8]>"},
        {"tensor<fp32, [2, 3]> x, tensor<fp32, [2, 4]> y", "sub(x = x, y = y)",
         "!sub: x [2, 3] and y [2, 4] cannot be broadcast to one shape"},
        {"tensor<fp32, [S]> x, tensor<fp32, [T]> y", "add(x = x, y = y)",
         "!add: x [S] and y [T] cannot be broadcast to one shape"},
        {"tensor<fp32, [2]> x, tensor<fp16, [2]> y", "add(x = x, y = y)",
         "!add: x is tensor<fp32, [2]> and y is tensor<fp16, [2]>: their element types must be the same"},
        {"tensor<bool, [2]> x", "add(x = x, y = x)", "!add: x is tensor<bool, [2]>, expected numbers"},
        {"tensor<int32, [T]> x, tensor<int32, [1]> y", "less_equal(x = x, y = y)", "tensor<bool, [T]>"},
        {X23, "logical_and(x = x, y = x)", "!logical_and: x is tensor<fp16, [2, 3]>, expected bools"},
        {"tensor<bool, [T]> c", "select(a = fp32(0x0p+0), b = fp32(-0x1.388p+13), cond = c)",
         "tensor<fp32, [T]>"},
        {X23, "select(a = x, b = x, cond = x)", "!select: cond is tensor<fp16, [2, 3]>, expected bools"},
        {X23 ", tensor<bool, [4]> c", "select(a = x, b = x, cond = c)",
         "!select: cond [4] and a, b [2, 3] cannot be broadcast to one shape"},
        {SCORES, "causal(x = x)", "tensor<fp32, [12, S, T]>"},
        {SCORES, "causal(window = int32(4096), x = x)", "tensor<fp32, [12, S, T]>"},
        {SCORES, "causal(window = int32(-1), x = x)", "!causal: window is -1, expected 0 (none) or more"},
        {"tensor<fp32, [12, T, S]> x", "causal(x = x)",
         "!causal: x [12, T, S] must end in the axes S, T: scores of queries against cached keys"},
    };
    CHECK_ROWS(rows);
}

static void test_norms(void)
{
    static const Row rows[] = {
        {SCORES, "softmax(axis = int32(-1), x = x)", "tensor<fp32, [12, S, T]>"},
        {SCORES, "softmax(axis = int32(3), x = x)",
         "!softmax: axis 3 is out of range for a tensor of rank 3"},
        {"tensor<fp32, [S, 8]> x, tensor<fp32, [8]> g",
         "layer_norm(axes = tensor<int32, [1]>([-1]), beta = g, gamma = g, x = x)", "tensor<fp32, [S, 8]>"},
        {"tensor<fp32, [1, 8, 1, S]> x, tensor<fp32, [8]> g",
         "layer_norm(axes = tensor<int32, [1]>([1]), gamma = g, x = x)", "tensor<fp32, [1, 8, 1, S]>"},
        {"tensor<fp32, [S, 8]> x, tensor<fp32, [9]> g",
         "layer_norm(axes = tensor<int32, [1]>([-1]), gamma = g, x = x)",
         "!layer_norm: gamma [9] does not fit the normalised axes of x [S, 8]: expected [8]"},
        {"tensor<fp32, [S, 8]> x", "layer_norm(axes = tensor<int32, [2]>([1, -1]), x = x)",
         "!layer_norm: axes names axis 1 twice"},
        {"tensor<fp16, [1, 4, 9]> x, tensor<fp16, [4]> c", "batch_norm(mean = c, variance = c, x = x)",
         "tensor<fp16, [1, 4, 9]>"},
        {"tensor<fp16, [1, 4, 9]> x, tensor<fp16, [3]> c", "batch_norm(mean = c, variance = c, x = x)",
         "!batch_norm: mean [3] does not fit the channels of x [1, 4, 9]: expected [4]"},
        {"tensor<fp16, [1, 4]> x", "instance_norm(x = x)",
         "!instance_norm: x [1, 4] has rank 2, expected at least 3"},
        {"tensor<int32, [3, 4]> x", "cumsum(axis = int32(1), x = x)", "tensor<int32, [3, 4]>"},
        {"tensor<bool, [3, 4]> x", "reverse(x = x)", "tensor<bool, [3, 4]>"},
    };
    CHECK_ROWS(rows);
}

/* ---- products ---- */

static void test_products(void)
{
    static const Row rows[] = {
        {"tensor<fp32, [S, 8]> x, tensor<fp32, [6, 8]> w, tensor<fp32, [6]> b",
         "linear(bias = b, weight = w, x = x)", "tensor<fp32, [S, 6]>"},
        {"tensor<fp32, [S, 8]> x, tensor<fp32, [8, 6]> w", "linear(weight = w, x = x)",
         "!linear: x [S, 8] and weight [8, 6]: the last axis of x is 8, the weight takes 6"},
        {"tensor<fp32, [S, 8]> x, tensor<fp32, [6, 8]> w, tensor<fp32, [8]> b",
         "linear(bias = b, weight = w, x = x)", "!linear: bias [8] does not fit weight [6, 8]: expected [6]"},
        {"tensor<fp32, [12, S, 64]> x, tensor<fp32, [12, T, 64]> y",
         "matmul(transpose_x = bool(false), transpose_y = bool(true), x = x, y = y)",
         "tensor<fp32, [12, S, T]>"},
        {"tensor<fp32, [2, 1, 3, 4]> x, tensor<fp32, [5, 4, 6]> y", "matmul(x = x, y = y)",
         "tensor<fp32, [2, 5, 3, 6]>"},
        {"tensor<fp32, [4]> x, tensor<fp32, [7, 4, 6]> y", "matmul(x = x, y = y)", "tensor<fp32, [7, 6]>"},
        {"tensor<fp32, [4]> x", "matmul(x = x, y = x)", "fp32"},
        {"tensor<fp32, [12, S, 64]> x, tensor<fp32, [12, 64, S]> y",
         "matmul(transpose_y = bool(true), x = x, y = y)",
         "!matmul: x [12, S, 64] and y [12, 64, S] transposed: x has 64 columns, y has S rows"},
        {"tensor<fp32, [2, 3, 4]> x, tensor<fp32, [3, 4, 5]> y", "matmul(x = x, y = y)",
         "!matmul: x [2, 3, 4] and y [3, 4, 5]: the axes in front of the matrices cannot be broadcast to "
         "one shape"},
    };
    CHECK_ROWS(rows);
}

#define CONV_INPUT "tensor<fp16, [1, 6, 10, 11]> x, tensor<fp16, [4, 3, 3, 2]> w"
#define INTS2 "tensor<int32, [2]>"
#define INTS4 "tensor<int32, [4]>"

static void test_conv(void)
{
    static const Row rows[] = {
        {"tensor<fp16, [1, 8, 1, S]> x, tensor<fp16, [24, 8, 1, 1]> w", "conv(weight = w, x = x)",
         "tensor<fp16, [1, 24, 1, S]>"},
        {CONV_INPUT, "conv(groups = int32(2), pad_type = string(\"valid\"), weight = w, x = x)",
         "tensor<fp16, [1, 4, 8, 10]>"},
        {CONV_INPUT,
         "conv(groups = int32(2), pad_type = string(\"same\"), strides = " INTS2
         "([2, 3]), weight = w, x = x)",
         "tensor<fp16, [1, 4, 5, 4]>"},
        {CONV_INPUT,
         "conv(dilations = " INTS2 "([2, 1]), groups = int32(2), pad = " INTS4
         "([1, 2, 0, 3]), pad_type = string(\"custom\"), strides = " INTS2 "([2, 2]), weight = w, x = x)",
         "tensor<fp16, [1, 4, 5, 7]>"}, /* (10+3-4-1)/2+1, (11+3-1-1)/2+1 */
        {CONV_INPUT, "conv(weight = w, x = x)",
         "!conv: x [1, 6, 10, 11] and weight [4, 3, 3, 2] in 1 groups: x has 6 channels, the weight takes 3"},
        {CONV_INPUT, "conv(groups = int32(2), pad_type = string(\"full\"), weight = w, x = x)",
         "!conv: there is no pad_type \"full\": expected valid, same, same_lower or custom"},
        {CONV_INPUT, "conv(groups = int32(2), strides = " INTS2 "([0, 1]), weight = w, x = x)",
         "!conv: strides holds 0, expected 1 to 1073741824"},
        {"tensor<fp16, [1, 3, 2]> x, tensor<fp16, [4, 3, 3]> w", "conv(weight = w, x = x)",
         "!conv: the kernel of weight [4, 3, 3] does not fit in x [1, 3, 2] with its padding"},
        {"tensor<fp16, [1, 3, 2]> x, tensor<fp16, [4, 3, 1, 1]> w", "conv(weight = w, x = x)",
         "!conv: x [1, 3, 2] and weight [4, 3, 1, 1]: expected [N, C, ...] and [O, C / groups, ...] of one "
         "rank, "
         "3 to 5"},
    };
    CHECK_ROWS(rows);
}

/* ---- reductions ---- */

static void test_reductions(void)
{
    static const Row rows[] = {
        {SCORES, "reduce_sum(axes = " INTS2 "([0, -1]), keep_dims = bool(false), x = x)",
         "tensor<fp32, [S]>"},
        {SCORES, "reduce_mean(axes = " INTS2 "([0, -1]), keep_dims = bool(true), x = x)",
         "tensor<fp32, [1, S, 1]>"},
        {SCORES, "reduce_max(x = x)", "fp32"},
        {SCORES, "reduce_min(axes = tensor<int32, [1]>([3]), x = x)",
         "!reduce_min: axes 3 is out of range for a tensor of rank 3"},
        {"tensor<bool, [2]> x", "reduce_prod(x = x)",
         "!reduce_prod: x is tensor<bool, [2]>, expected numbers"},
        {SCORES, "reduce_argmax(axis = int32(1), x = x)", "tensor<int32, [12, T]>"},
        {SCORES, "reduce_argmin(keep_dims = bool(true), output_dtype = string(\"uint16\"), x = x)",
         "tensor<uint16, [12, S, 1]>"},
        {SCORES, "reduce_argmax(output_dtype = string(\"fp16\"), x = x)",
         "!reduce_argmax: output_dtype is \"fp16\", expected an integer type"},
        {"tensor<fp16, [5, 9]> x", "topk(axis = int32(0), k = int32(3), x = x)",
         "tensor<fp16, [3, 9]>, tensor<int32, [3, 9]>"},
        {"tensor<fp16, [5, 9]> x", "topk(k = int32(-1), x = x)",
         "tensor<fp16, [5, 9]>, tensor<int32, [5, 9]>"},
        {"tensor<fp16, [5, 9]> x, int32 k", "topk(k = k, return_indices = bool(false), x = x)",
         "tensor<fp16, [5, ?]>"},
        {"tensor<fp16, [5, 9]> x", "topk(k = int32(10), x = x)",
         "!topk: k is 10, expected 0 to 9 (the axis of x [5, 9]), or -1 for all"},
    };
    CHECK_ROWS(rows);
}

/* ---- shapes ---- */

static void test_reshape(void)
{
    static const Row rows[] = {
        {"tensor<fp32, [S, 96]> x", "reshape(shape = tensor<int32, [3]>([S, 12, 8]), x = x)",
         "tensor<fp32, [S, 12, 8]>"},
        {"tensor<fp32, [S, 96]> x", "reshape(shape = tensor<int32, [3]>([-1, 12, 8]), x = x)",
         "tensor<fp32, [S, 12, 8]>"},
        {"tensor<fp32, [S, 96]> x", "reshape(shape = tensor<int32, [3]>([S, -1, 8]), x = x)",
         "tensor<fp32, [S, 12, 8]>"},
        {"tensor<fp32, [4, 6]> x", "reshape(shape = " INTS2 "([0, -1]), x = x)", "tensor<fp32, [4, 6]>"},
        {"tensor<fp32, [0, 6]> x", "reshape(shape = tensor<int32, [3]>([2, 0, 5]), x = x)",
         "tensor<fp32, [2, 0, 5]>"},
        {"tensor<fp32, [1]> x", "reshape(shape = tensor<int32, [0]>([]), x = x)", "fp32"},
        {"tensor<fp32, [?, 6]> x", "reshape(shape = " INTS2 "([-1, 3]), x = x)", "tensor<fp32, [?, 3]>"},
        {"tensor<fp32, [4, 6]> x, tensor<int32, [3]> s", "reshape(shape = s, x = x)",
         "tensor<fp32, [?, ?, ?]>"},
        {"tensor<fp32, [S, 96]> x", "reshape(shape = tensor<int32, [3]>([S, 12, 7]), x = x)",
         "!reshape: x [S, 96] cannot take the shape [S, 12, 7]: the numbers of elements differ"},
        {"tensor<fp32, [S, 96]> x", "reshape(shape = " INTS2 "([-1, 8]), x = x)",
         "!reshape: x [S, 96] cannot take the shape [?, 8]: the numbers of elements differ"},
        {"tensor<fp32, [S, 96]> x", "reshape(shape = " INTS2 "([T, 96]), x = x)",
         "!reshape: x [S, 96] cannot take the shape [T, 96]: the numbers of elements differ"},
        {"tensor<fp32, [4, 6]> x", "reshape(shape = " INTS2 "([-1, -1]), x = x)",
         "!reshape: shape has the length -1 at 1: expected lengths, and -1 at most once"},
        {"tensor<fp32, [4, 6]> x", "reshape(shape = int32(24), x = x)",
         "!reshape: shape is int32, expected a row of integers"},
        {"tensor<fp32, [S, 12, 8]> x", "transpose(perm = tensor<int32, [3]>([1, 0, -1]), x = x)",
         "tensor<fp32, [12, S, 8]>"},
        {"tensor<fp32, [S, 12]> x", "transpose(perm = " INTS2 "([1, 1]), x = x)",
         "!transpose: perm is no order of the 2 axes of x [S, 12]: 1 at 1"},
        {"tensor<fp32, [S, 12]> x", "expand_dims(axes = " INTS2 "([0, -1]), x = x)",
         "tensor<fp32, [1, S, 12, 1]>"},
        {"tensor<fp32, [1, 1, 1, 1, 1, 1, 1]> x", "expand_dims(axes = " INTS2 "([0, 1]), x = x)",
         "!expand_dims: x [1, 1, 1, 1, 1, 1, 1] with 2 more axes has more than 8"},
        {"tensor<fp32, [1, S, 1]> x", "squeeze(x = x)", "tensor<fp32, [S]>"},
        {"tensor<fp32, [1, S, 1]> x", "squeeze(axes = tensor<int32, [1]>([-1]), x = x)",
         "tensor<fp32, [1, S]>"},
        {"tensor<fp32, [1, S, 1]> x", "squeeze(axes = tensor<int32, [1]>([1]), x = x)",
         "!squeeze: axis 1 of x [1, S, 1] has the length S, only 1 can be dropped"},
    };
    CHECK_ROWS(rows);
}

static void test_joins(void)
{
    static const Row rows[] = {
        {"tensor<fp16, [1, 4, S]> a, tensor<fp16, [1, 2, S]> b",
         "concat(axis = int32(1), values = (a, b, a))", "tensor<fp16, [1, 10, S]>"},
        {"tensor<fp16, [S, 2]> a, tensor<fp16, [0, 2]> b", "concat(axis = int32(0), values = (a, b))",
         "tensor<fp16, [S, 2]>"},
        {"tensor<fp16, [?, 2]> a, tensor<fp16, [3, ?]> b", "concat(axis = int32(0), values = (a, b))",
         "tensor<fp16, [?, 2]>"},
        {"tensor<int32, [1]> p", "concat(axis = int32(0), values = (tensor<int32, [1]>([0]), p, p))",
         "tensor<int32, [3]>"},
        {"tensor<fp16, [S, 2]> a", "concat(axis = int32(0), values = (a, a))",
         "!concat: axis 0: S cannot be added to S"},
        {"tensor<fp16, [4, 2]> a, tensor<fp16, [4, 3]> b", "concat(axis = int32(0), values = (a, b))",
         "!concat: value 1 is tensor<fp16, [4, 3]> and value 0 is tensor<fp16, [4, 2]>: they may differ in "
         "axis 0 "
         "only"},
        {"tensor<fp16, [4, 2]> a, tensor<fp16, [3, 2]> b",
         "concat(axis = int32(0), interleave = bool(true), values = (a, b))",
         "!concat: value 1 is tensor<fp16, [3, 2]> and value 0 is tensor<fp16, [4, 2]>: they must be the "
         "same"},
        {"tensor<fp16, [S, 2]> a", "stack(axis = int32(-1), values = (a, a, a))", "tensor<fp16, [S, 2, 3]>"},
        {"tensor<fp16, [S]> a, tensor<fp16, [T]> b", "stack(axis = int32(0), values = (a, b))",
         "!stack: value 1 is tensor<fp16, [T]> and value 0 is tensor<fp16, [S]>: they must be the same"},
        {"tensor<fp32, [S, 12]> x", "split(axis = int32(-1), num_splits = int32(3), x = x)",
         "tensor<fp32, [S, 4]>, tensor<fp32, [S, 4]>, tensor<fp32, [S, 4]>"},
        {"tensor<fp32, [S, 12]> x", "split(axis = int32(1), split_sizes = " INTS2 "([2, 10]), x = x)",
         "tensor<fp32, [S, 2]>, tensor<fp32, [S, 10]>"},
        {"tensor<fp32, [S, 12]> x", "split(axis = int32(1), num_splits = int32(5), x = x)",
         "!split: axis 1 of x [S, 12] cannot be split into 5 equal parts"},
        {"tensor<fp32, [S, 12]> x", "split(axis = int32(0), num_splits = int32(2), x = x)",
         "!split: axis 0 of x [S, 12] cannot be split into 2 equal parts"},
        {"tensor<fp32, [S, 12]> x", "split(axis = int32(1), split_sizes = " INTS2 "([2, 9]), x = x)",
         "!split: split_sizes leave 1 of axis 1 of x [S, 12]"},
        {"tensor<fp32, [S, 12]> x", "split(axis = int32(1), x = x)",
         "!split: one of num_splits and split_sizes must be given"},
        {"tensor<fp32, [2, S]> x", "tile(reps = " INTS2 "([3, 1]), x = x)", "tensor<fp32, [6, S]>"},
        {"tensor<fp32, [2, S]> x", "tile(reps = " INTS2 "([3, 2]), x = x)",
         "!tile: axis 1 of x [2, S] cannot be repeated 2 times"},
        {"tensor<fp32, [S, 2, 3]> x", "pad(pad = " INTS4 "([1, 0, 2, 4]), x = x)", "tensor<fp32, [S, 3, 9]>"},
        {"tensor<fp32, [2, 3]> x", "pad(mode = string(\"reflect\"), pad = " INTS2 "([3, 0]), x = x)",
         "!pad: axis 1 of x [2, 3] cannot be padded by 3 and 0"},
        {"tensor<fp32, [2, 3]> x", "pad(pad = tensor<int32, [3]>([3, 0, 0]), x = x)",
         "!pad: pad [3] does not fit x [2, 3]: expected two numbers for each of the last axes"},
    };
    CHECK_ROWS(rows);
}

static void test_slices(void)
{
    static const Row rows[] = {
        {"tensor<fp16, [1, 12, S]> x",
         "slice_by_size(begin = tensor<int32, [3]>([0, 4, 0]), size = "
         "tensor<int32, [3]>([1, 4, -1]), x = x)",
         "tensor<fp16, [1, 4, S]>"},
        {"tensor<fp16, [12]> x",
         "slice_by_size(begin = tensor<int32, [1]>([-4]), size = tensor<int32, [1]>([-1]), x = x)",
         "tensor<fp16, [4]>"},
        {"tensor<fp16, [12]> x, tensor<int32, [1]> b",
         "slice_by_size(begin = b, size = tensor<int32, [1]>([5]), x = x)", "tensor<fp16, [5]>"},
        {"tensor<fp16, [12]> x",
         "slice_by_size(begin = tensor<int32, [1]>([8]), size = tensor<int32, [1]>([5]), x = x)",
         "!slice_by_size: begin 8 and size 5 do not lie in axis 0 of x [12]"},
        {"tensor<fp16, [9, 10]> x",
         "slice_by_index(begin = " INTS2 "([1, -3]), end = " INTS2 "([-1, 100]), stride = " INTS2
         "([3, 2]), x = x)",
         "tensor<fp16, [3, 2]>"},
        {"tensor<fp16, [9, 10]> x",
         "slice_by_index(begin = " INTS2 "([7, 0]), end = " INTS2 "([1, 0]), begin_mask = "
         "tensor<bool, [2]>([false, true]), end_mask = tensor<bool, [2]>([false, true]), stride = " INTS2
         "([-2, -4]), x = x)",
         "tensor<fp16, [3, 3]>"},
        {"tensor<fp16, [9, S]> x",
         "slice_by_index(begin = " INTS2 "([4, 0]), end = " INTS2 "([0, 0]), end_mask = "
         "tensor<bool, [2]>([false, true]), squeeze_mask = tensor<bool, [2]>([true, false]), x = x)",
         "tensor<fp16, [S]>"},
        {"tensor<fp16, [9, 4]> x, " INTS2 " b",
         "slice_by_index(begin = b, end = b, squeeze_mask = "
         "tensor<bool, [2]>([true, false]), x = x)",
         "tensor<fp16, [?]>"},
        {"tensor<fp16, [9]> x",
         "slice_by_index(begin = tensor<int32, [1]>([9]), end = tensor<int32, [1]>([0]), "
         "squeeze_mask = tensor<bool, [1]>([true]), x = x)",
         "!slice_by_index: index 9 is out of range for axis 0 of x [9]"},
        {"tensor<fp16, [9]> x",
         "slice_by_index(begin = " INTS2 "([0, 0]), end = tensor<int32, [1]>([0]), x = x)",
         "!slice_by_index: begin has 2 elements, expected 1"},
        {"tensor<fp16, [12, T, 64]> x, tensor<fp16, [12, 1, 64]> u, tensor<int32, [3]> b",
         "slice_update(begin = b, end = b, update = u, x = x)", "tensor<fp16, [12, T, 64]>"},
        {"tensor<fp16, [9]> x, tensor<fp16, [3]> u",
         "slice_update(begin = tensor<int32, [1]>([2]), end = tensor<int32, [1]>([6]), update = u, x = x)",
         "!slice_update: update [3] does not have the shape [4] of the slice of x [9]"},
    };
    CHECK_ROWS(rows);
}

static void test_gathers(void)
{
    static const Row rows[] = {
        {"tensor<fp16, [50, 8]> x, tensor<int32, [S]> i", "gather(axis = int32(0), indices = i, x = x)",
         "tensor<fp16, [S, 8]>"},
        {"tensor<fp16, [5, 6, 7]> x, tensor<int32, [2, 3]> i", "gather(axis = int32(1), indices = i, x = x)",
         "tensor<fp16, [5, 2, 3, 7]>"},
        {"tensor<fp16, [5, 6]> x, int32 i", "gather(axis = int32(-1), indices = i, x = x)",
         "tensor<fp16, [5]>"},
        {"tensor<fp16, [5, 6, 7]> x, tensor<int32, [5, 3]> i",
         "gather(axis = int32(1), batch_dims = int32(1), indices = i, x = x)", "tensor<fp16, [5, 3, 7]>"},
        {"tensor<fp16, [5, 6, 7]> x, tensor<int32, [4, 3]> i",
         "gather(axis = int32(1), batch_dims = int32(1), indices = i, x = x)",
         "!gather: x [5, 6, 7] and indices [4, 3] cannot have 1 batch dimensions"},
        {"tensor<fp16, [5]> x, tensor<fp16, [4]> i", "gather(indices = i, x = x)",
         "!gather: indices is tensor<fp16, [4]>, expected integers"},
        {"tensor<fp16, [5, 6]> x, tensor<int32, [5, 2]> i",
         "gather_along_axis(axis = int32(1), indices = i, x = x)", "tensor<fp16, [5, 2]>"},
        {"tensor<fp16, [5, 6]> x, tensor<int32, [4, 2]> i",
         "gather_along_axis(axis = int32(1), indices = i, x = x)",
         "!gather_along_axis: x [5, 6] and indices [4, 2] may differ in axis 1 only"},
        {"tensor<fp16, [5, 6, 7]> x, tensor<int32, [3, 2]> i", "gather_nd(indices = i, x = x)",
         "tensor<fp16, [3, 7]>"},
        {"tensor<fp16, [5, 6, 7]> x, tensor<int32, [5, 3, 1]> i",
         "gather_nd(batch_dims = int32(1), indices = i, x = x)", "tensor<fp16, [5, 3, 7]>"},
        {"tensor<fp16, [5, 6]> x, tensor<int32, [3, 3]> i", "gather_nd(indices = i, x = x)",
         "!gather_nd: x [5, 6] and indices [3, 3]: the last axis of the indices must be a number of axes "
         "of x"},
    };
    CHECK_ROWS(rows);
}

static void test_makers(void)
{
    static const Row rows[] = {
        {"tensor<fp16, [5, ?]> x", "shape(x = x)", "tensor<int32, [2]>"},
        {"state<tensor<fp16, [5]>> x", "shape(x = x)",
         "!shape: x is state<tensor<fp16, [5]>>, expected a tensor"},
        {"", "fill(shape = " INTS2 "([2, S]), value = fp16(0x1p+0))", "tensor<fp16, [2, S]>"},
        {INTS2 " s", "fill(shape = s)", "tensor<fp32, [?, ?]>"},
        {"", "fill(shape = " INTS2 "([2, -3]))", "!fill: shape has the length -3"},
        {"", "fill(shape = " INTS2 "([2147483647, 2147483647]))", "tensor<fp32, [2147483647, 2147483647]>"},
        {"", "fill(shape = tensor<int32, [3]>([2147483647, 2147483647, 9]))",
         "!fill: the result [2147483647, 2147483647, 9] has too many elements"},
        {"", "range_1d(end = int32(T), start = int32(0), step = int32(1))", "tensor<int32, [T]>"},
        {"", "range_1d(end = int32(10), start = int32(1), step = int32(4))", "tensor<int32, [3]>"},
        {"", "range_1d(end = fp32(0x0p+0), start = fp32(0x1p+0), step = fp32(-0x1p-2))", "tensor<fp32, [4]>"},
        {"int32 n", "range_1d(end = n, start = int32(1), step = int32(4))", "tensor<int32, [?]>"},
        {"", "range_1d(end = int32(10), start = int32(1), step = int32(0))",
         "!range_1d: no range goes from 1 to 10 by 0"},
        {"", "range_1d(end = int32(S), start = int32(1), step = int32(1))",
         "!range_1d: a range up to S must begin at 0 with step 1"},
        {"state<tensor<fp16, [12, T, 64]>> k", "read_state(input = k)", "tensor<fp16, [12, T, 64]>"},
        {"tensor<fp16, [2]> k", "read_state(input = k)",
         "!read_state: input is tensor<fp16, [2]>, expected a state"},
        {"state<tensor<fp16, [2]>> k, tensor<fp16, [2]> d", "write_state(data = d, input = k)", ""},
        {"state<tensor<fp16, [2]>> k, tensor<fp16, [3]> d", "write_state(data = d, input = k)",
         "!write_state: data tensor<fp16, [3]> cannot be written to input state<tensor<fp16, [2]>>: the "
         "types must be "
         "the same"},
        {"tensor<fp32, [12, S, 64]> x", "cache(x = x)", "tensor<fp32, [12, T, 64]>"},
        {"tensor<fp32, [12, 7, 64]> x", "cache(x = x)",
         "tensor<fp32, [12, 9, 64]>"}, /* specialised already */
        {"tensor<fp32, [S, S, 64]> x", "cache(x = x)",
         "!cache: x [S, S, 64] must have exactly one axis S, that of the tokens"},
        {"", "const()[val = int32(3)]", "int32"},
    };
    CHECK_ROWS(rows);
}

/* Rules, by name, of which no row passed or failed. */
#include "tests/unit/infer_rows.inc"

static void test_coverage(void)
{
    static const char *const rules[] = {
#define OP(id, spelling, opset, flags, infer, eval, operands, results) [OP_##id] = #infer,
#include "ir/ops.def"
    };
    static const char *const cannot_fail[] = {"const", NULL};
    for (int code = OP_UNKNOWN + 1; code < OP_COUNT; code++) {
        int all = 0, needed = RULE_PASSED | RULE_FAILED;
        for (int other = OP_UNKNOWN + 1; other < OP_COUNT; other++)
            if (strcmp(rules[other], rules[code]) == 0)
                all |= seen[other];
        for (int i = 0; cannot_fail[i]; i++)
            if (strcmp(rules[code], cannot_fail[i]) == 0)
                needed = RULE_PASSED;
        if ((all & needed) != needed)
            printf("rule %s: %s\n", rules[code], all & RULE_PASSED ? "no failing row" : "no passing row");
        CHECK((all & needed) == needed);
    }
}

/* ---- numbers ---- */

static void check_float(DType d, double v, const char *expected)
{
    Text t = {0};
    float_print(&t, d, v);
    CHECK_TEXT(text_cstr(&t), expected);
    text_free(&t);
}

static void test_floats(void)
{
    check_float(DT_FP32, 0, "0x0p+0");
    check_float(DT_FP32, -0.0, "-0x0p+0");
    check_float(DT_FP32, 1, "0x1p+0");
    check_float(DT_FP32, 0.1, "0x1.99999ap-4");
    check_float(DT_FP64, 0.1, "0x1.999999999999ap-4");
    check_float(DT_FP16, 0.1, "0x1.998p-4");
    check_float(DT_FP16, 65504, "0x1.ffcp+15");
    check_float(DT_FP16, 65519, "0x1.ffcp+15");
    check_float(DT_FP16, 65520, "inf");
    check_float(DT_FP16, -1e9, "-inf");
    check_float(DT_FP16, 0x1p-24, "0x1p-24");
    check_float(DT_FP16, 0x1.8p-24, "0x1p-23"); /* a tie: to even */
    check_float(DT_FP16, 0x1p-25, "0x0p+0");    /* a tie: to even */
    check_float(DT_FP16, 0x1.8p-25, "0x1p-24");
    check_float(DT_FP16, 0x3p-24, "0x1.8p-23");
    check_float(DT_FP16, 1 + 0x1p-11, "0x1p+0");
    check_float(DT_FP16, 1 + 0x1p-11 + 0x1p-40, "0x1.004p+0"); /* one rounding, not two through fp32 */
    check_float(DT_FP32, 0x1p-149, "0x1p-149");
    check_float(DT_FP32, 1e39, "inf");
    check_float(DT_FP64, 0x1p-1074, "0x1p-1074");
    check_float(DT_BF16, 1.00390625, "0x1p+0");
    check_float(DT_BF16, 3.3895313892515355e38, "0x1.fep+127");
    check_float(DT_FP32, (double)NAN, "nan");
}

/* ---- the verifier, on graphs that no text could say ---- */

static char *verify_text(const Func *f, bool expected)
{
    char *messages = NULL;
    size_t size;
    Diags diags = {.out = open_memstream(&messages, &size)};
    CHECK(func_verify(f, "after test", &diags) == expected);
    fclose(diags.out);
    return messages;
}

static void check_verify(const Func *f, const char *expected)
{
    char *got = verify_text(f, !*expected);
    CHECK_TEXT(got, expected);
    free(got);
}

static void test_verify(void)
{
    Error err;
    Module *m = module_new("1.3");
    Func *f = func_new(m, "main", "ios16");
    int64_t dims[] = {2, 3};
    Type t = type_tensor(DT_FP32, 2, dims), other = type_tensor(DT_FP16, 2, dims);
    Value *x = func_add_param(f, "x", &t, (Span){0});
    Op *a = op_new(f, OP_RELU, (Span){0}), *b = op_new(f, OP_TANH, (Span){0});
    op_set(a, "x", x);
    CHECK(op_infer(a, "a", &err));
    op_set(b, "x", a->result[0]);
    CHECK(op_infer(b, "b", &err));
    func_add_output(f, b->result[0]);
    check_verify(f, "");

    op_move_before(b, a);
    check_verify(f, "error: after test: tanh: x uses a_0 before it is defined\n");
    op_move_before(a, b);
    b->result[0]->name = "a_0";
    check_verify(f, "error: after test: main: a_0 is defined twice\n");
    b->result[0]->name = "b-1";
    check_verify(f, "error: after test: main: \"b-1\" is no name of a value\n");
    b->result[0]->name = "b";
    b->result[0]->type = &other;
    check_verify(
        f, "error: after test: b is declared as tensor<fp16, [2, 3]>, but tanh gives tensor<fp32, [2, 3]>\n");
    b->result[0]->type = &t;
    value_replace(a->result[0], x);
    check_verify(f, "error: after test: tanh: x uses a_0, which was replaced\n");
    func_settle(f);
    check_verify(f, "");
    op_unlink(b);
    check_verify(f, "error: after test: main: output b is not defined\n");
    f->outputs = 0;

    double one = 1;
    Op *c = op_new(f, OP_MUL, (Span){0});
    op_set(c, "x", x);
    CHECK(!op_infer(c, "c", &err));
    CHECK_TEXT(err.text, "mul: operand y is missing");
    op_set(c, "y", const_inline(m, &t, literal_floats(&m->arena, &one, 1)));
    op_add_result(c, "c", &t);
    check_verify(f, "error: after test: mul: 1 floats do not make a tensor<fp32, [2, 3]>\n");
    op_unlink(c);
    Op *s = op_new(f, OP_READ_STATE, (Span){0});
    op_set(s, "input", x);
    op_add_result(s, "s", &t);
    check_verify(f, "error: after test: read_state: needs opset ios18, this is ios16\n");
    module_free(m);
}

int main(void)
{
    test_elementwise();
    test_norms();
    test_products();
    test_conv();
    test_reductions();
    test_reshape();
    test_joins();
    test_slices();
    test_gathers();
    test_makers();
    test_more_rules();
    test_coverage();
    test_floats();
    test_verify();
    return check_report();
}
