/* Conversions of tensor elements against arithmetic in double precision. */
#include <math.h>
#include <stdint.h>

#include "base/arena.h"
#include "frontend/weights/weights.h"
#include "tests/unit/check.h"

/* ---- what is expected ---- */

/* The value of fp16 bits. */
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    double x = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return h & 0x8000 ? -x : x;
}

/* The nearest fp16 to a double below 65520, ties to even (the default rounding of rint). */
static uint16_t nearest_half(double x)
{
    uint16_t sign = signbit(x) ? 0x8000 : 0;
    double a = fabs(x);
    int exponent;
    if (a < ldexp(1, -14))
        return (uint16_t)(sign | (int)rint(ldexp(a, 24)));
    frexp(a, &exponent);                               /* a in [2^(exponent-1), 2^exponent) */
    int mantissa = (int)rint(ldexp(a, 11 - exponent)); /* 1024..2048; 2048 carries into the exponent below */
    return (uint16_t)(sign + ((exponent + 14) << 10) + (mantissa - 1024));
}

static uint32_t state = 1;
static uint32_t draw(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

/* ---- tensors ---- */

/* A tensor of `count` doubles stored as `type` (exactly, where they fit), three bytes off any alignment. */
static Tensor make(WeightType type, int64_t rows, int64_t columns, const double *x)
{
    static const int widths[] = {[W_F32] = 4, [W_F16] = 2, [W_BF16] = 2, [W_F64] = 8, [W_I64] = 8};
    size_t count = (size_t)(rows * columns), width = (size_t)widths[type];
    uint8_t *block = xmalloc(count * width + 3), *data = block + 3;
    for (size_t i = 0; i < count; i++) {
        float f = (float)x[i];
        uint16_t h = type == W_F16 && !isnan(x[i]) && !isinf(x[i]) ? nearest_half(x[i]) : 0;
        uint32_t bits;
        memcpy(&bits, &f, 4);
        uint16_t b = (uint16_t)(bits >> 16);
        if (type == W_F16 && (isnan(x[i]) || isinf(x[i])))
            h = (uint16_t)((bits >> 16 & 0x8000) | (isnan(x[i]) ? 0x7e00 : 0x7c00));
        memcpy(data + i * width,
               type == W_F64   ? (const void *)&x[i]
               : type == W_F32 ? (const void *)&f
               : type == W_F16 ? (const void *)&h
                               : (const void *)&b,
               type == W_I64 ? 2 : width);
    }
    return (Tensor){.name = "t",
                    .file = "f",
                    .type = type,
                    .type_name = "?",
                    .rank = 2,
                    .shape = {rows, columns},
                    .data = data,
                    .size = count * width};
}

static void drop(Tensor *t)
{
    free((void *)(uintptr_t)(t->data - 3));
}

/* ---- every value ---- */

static void test_every_half(void)
{
    Tensor t = {.name = "t", .file = "f", .type = W_F16, .type_name = "F16", .rank = 1, .shape = {0x7c00}};
    for (int sign = 0; sign < 2; sign++) {
        uint16_t *bits = xmalloc(0x7c00 * sizeof *bits), *same = xmalloc(0x7c00 * sizeof *same);
        float *f = xmalloc(0x7c00 * sizeof *f);
        int wrong = 0;
        for (int i = 0; i < 0x7c00; i++)
            bits[i] = (uint16_t)(i | sign << 15);
        t.data = (const uint8_t *)bits;
        t.size = 2 * 0x7c00;
        TensorIssue issue;
        CHECK(tensor_to_f32(&t, false, f, 0, 0x7c00, &issue));
        CHECK(tensor_to_f16(&t, false, same, 0, 0x7c00, &issue));
        for (int i = 0; i < 0x7c00; i++)
            wrong += f[i] != half_value(bits[i]) || !signbit(f[i]) != !sign || same[i] != bits[i];
        CHECK(wrong == 0);
        free(bits);
        free(same);
        free(f);
    }
}

/* Every fp16 number, every midpoint between two, and the floats beside the midpoints; in long runs and in
 * short ones, which take other paths. */
static void test_rounding(void)
{
    enum { COUNT = 0x7bff * 4 };
    double *x = xmalloc(COUNT * sizeof *x);
    for (int i = 0; i < 0x7bff; i++) {
        float middle = (float)((half_value((uint16_t)i) + half_value((uint16_t)(i + 1))) / 2);
        x[4 * i] = half_value((uint16_t)i);
        x[4 * i + 1] = middle;
        x[4 * i + 2] = -nextafterf(middle, 0);
        x[4 * i + 3] = nextafterf(middle, 1e9f);
    }
    Tensor t = make(W_F32, COUNT, 1, x), wide = make(W_F64, COUNT, 1, x);
    uint16_t *h = xmalloc(COUNT * sizeof *h);
    TensorIssue issue;
    int wrong = 0;
    CHECK(tensor_to_f16(&t, false, h, 0, COUNT, &issue));
    for (int i = 0; i < COUNT; i++)
        wrong += h[i] != nearest_half(x[i]);
    CHECK(wrong == 0);
    for (size_t i = 0; i < COUNT; i += 7)
        wrong += !tensor_to_f16(&t, false, h + i, i, COUNT - i < 7 ? COUNT - i : 7, &issue);
    for (int i = 0; i < COUNT; i++)
        wrong += h[i] != nearest_half(x[i]);
    CHECK(wrong == 0);
    CHECK(tensor_to_f16(&wide, false, h, 0, COUNT, &issue));
    for (int i = 0; i < COUNT; i++)
        wrong += h[i] != nearest_half(x[i]);
    CHECK(wrong == 0);
    drop(&t);
    drop(&wide);
    free(h);
    free(x);
}

/* ---- ranges and transposes ---- */

static size_t source_of(size_t i, bool transpose, size_t rows, size_t columns)
{
    return transpose ? i % rows * columns + i / rows : i;
}

static int compare_range(const Tensor *t, const double *x, bool transpose, size_t first, size_t count)
{
    uint16_t *h = xmalloc((count + 1) * sizeof *h);
    float *f = xmalloc((count + 1) * sizeof *f);
    TensorIssue issue;
    h[count] = 0xbeef; /* is written to by nobody */
    f[count] = 12345;
    int wrong = !tensor_to_f16(t, transpose, h, first, count, &issue) +
                !tensor_to_f32(t, transpose, f, first, count, &issue);
    for (size_t i = 0; i < count; i++) {
        double expected = x[source_of(first + i, transpose, (size_t)t->shape[0], (size_t)t->shape[1])];
        wrong += f[i] != (float)expected || h[i] != nearest_half(expected);
    }
    wrong += h[count] != 0xbeef || f[count] != 12345;
    free(h);
    free(f);
    return wrong;
}

static void test_ranges(void)
{
    static const int sizes[] = {1, 2, 7, 8, 63, 64, 65, 130, 200};
    static const WeightType types[] = {W_F32, W_F16, W_BF16, W_F64};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (int k = 0; k < SIZES * SIZES; k++) {
        int rows = sizes[k / SIZES], columns = sizes[k % SIZES];
        size_t count = (size_t)rows * (size_t)columns;
        double *x = xmalloc(count * sizeof *x);
        for (size_t i = 0; i < count; i++)
            x[i] =
                ((int)(draw() % 255) - 127) * ldexp(1, (int)(draw() % 12) - 8); /* exact in bf16 and fp16 */
        Tensor t = make(types[k % 4], rows, columns, x);
        int wrong = 0;
        for (int transpose = 0; transpose < 2; transpose++) {
            wrong += compare_range(&t, x, transpose, 0, count);
            for (int i = 0; i < 20; i++) {
                size_t first = draw() % count;
                wrong += compare_range(&t, x, transpose, first, draw() % (count - first + 1));
            }
        }
        CHECK(wrong == 0);
        drop(&t);
        free(x);
    }
}

static void test_large(void)
{
    size_t rows = 300, columns = 1000;
    double *x = xmalloc(rows * columns * sizeof *x);
    for (size_t i = 0; i < rows * columns; i++)
        x[i] = (int)(draw() % 2001) - 1000;
    Tensor t = make(W_F32, (int64_t)rows, (int64_t)columns, x);
    CHECK(compare_range(&t, x, true, 0, rows * columns) == 0);
    CHECK(compare_range(&t, x, true, 12345, 234567) == 0);
    CHECK(compare_range(&t, x, false, 1, rows * columns - 1) == 0);
    drop(&t);
    free(x);
}

/* ---- faults ---- */

static void check_fault(WeightType type, double value, bool half, TensorFault expected)
{
    enum { ROWS = 70, COLUMNS = 90 };
    double *x = xcalloc(ROWS * COLUMNS, sizeof *x);
    static uint16_t h[ROWS * COLUMNS];
    static float f[ROWS * COLUMNS];
    TensorIssue issue;
    x[3 * COLUMNS + 80] = value; /* first in source order */
    x[68 * COLUMNS + 2] = value; /* first in transposed order */
    Tensor t = make(type, ROWS, COLUMNS, x);
    for (int transpose = 0; transpose < 2; transpose++) {
        bool ok = half ? tensor_to_f16(&t, transpose, h, 0, ROWS * COLUMNS, &issue)
                       : tensor_to_f32(&t, transpose, f, 0, ROWS * COLUMNS, &issue);
        CHECK(ok == (expected == TENSOR_FINE));
        CHECK(issue.fault == expected);
        CHECK(ok || issue.index == (transpose ? 68 * COLUMNS + 2 : 3 * COLUMNS + 80));
        CHECK(ok || isnan(value) || issue.value == value);
    }
    /* A range without the element is fine. */
    CHECK(tensor_to_f16(&t, false, h, 0, 3 * COLUMNS + 80, &issue));
    CHECK(tensor_to_f16(&t, true, h, 0, 2 * ROWS + 68, &issue));
    drop(&t);
    free(x);
}

static void test_faults(void)
{
    static const WeightType types[] = {W_F32, W_F16, W_BF16, W_F64};
    for (int i = 0; i < 4; i++)
        for (int half = 0; half < 2; half++) {
            check_fault(types[i], NAN, half, TENSOR_NAN);
            check_fault(types[i], INFINITY, half, TENSOR_INFINITE);
            check_fault(types[i], -INFINITY, half, TENSOR_INFINITE);
            check_fault(types[i], -65280, half, TENSOR_FINE);
        }
    check_fault(W_F32, 65520, true, TENSOR_OVERFLOW);
    check_fault(W_F32, -65520, true, TENSOR_OVERFLOW);
    check_fault(W_F32, 65519.996, true, TENSOR_FINE);
    check_fault(W_F32, 65520, false, TENSOR_FINE);
    check_fault(W_F32, ldexp(1, 127), true, TENSOR_OVERFLOW);
    check_fault(W_BF16, ldexp(1, 127), true, TENSOR_OVERFLOW);
    check_fault(W_BF16, ldexp(1, 127), false, TENSOR_FINE);
    check_fault(W_F64, 1e300, true, TENSOR_OVERFLOW);
    check_fault(W_F64, -1e300, false, TENSOR_OVERFLOW);
    check_fault(W_F64, 1e-300, false, TENSOR_FINE);
}

static void test_messages(void)
{
    Error err;
    Tensor t = {.name = "h.0.w\n",
                .file = "m.safetensors",
                .type = W_F32,
                .type_name = "F32",
                .rank = 2,
                .shape = {4, 5}};
    tensor_issue_error(&t, &(TensorIssue){TENSOR_NAN, 13, NAN}, &err);
    CHECK_TEXT(err.text, "m.safetensors: tensor \"h.0.w\\x0a\" element [2, 3] is not a number: "
                         "the checkpoint is damaged or its "
                         "training diverged");
    tensor_issue_error(&t, &(TensorIssue){TENSOR_INFINITE, 0, -INFINITY}, &err);
    CHECK_TEXT(
        err.text,
        "m.safetensors: tensor \"h.0.w\\x0a\" element [0, 0] is -infinity: the checkpoint is damaged or its "
        "training diverged");
    tensor_issue_error(&t, &(TensorIssue){TENSOR_OVERFLOW, 19, 70000}, &err);
    CHECK_TEXT(err.text, "m.safetensors: tensor \"h.0.w\\x0a\" element [3, 4] is 70000, "
                         "too large for the type it is converted to");
}

static void test_unconverted(void)
{
    Tensor t = {.name = "ids",
                .file = "f",
                .type = W_I64,
                .type_name = "I64",
                .rank = 1,
                .shape = {1},
                .data = (const uint8_t[8]){0},
                .size = 8};
    TensorIssue issue;
    Error err;
    uint16_t h;
    CHECK(!tensor_to_f16(&t, false, &h, 0, 1, &issue));
    CHECK(issue.fault == TENSOR_UNCONVERTED);
    tensor_issue_error(&t, &issue, &err);
    CHECK(strstr(err.text, "f: tensor \"ids\" has elements of type I64, which cannot be converted"));
}

int main(void)
{
    test_every_half();
    test_rounding();
    test_ranges();
    test_large();
    test_faults();
    test_messages();
    test_unconverted();
    return check_report();
}
