/* Products with weights of 8 bits, on every level this CPU has, against sums in double precision: at awkward
 * sizes and addresses, with every kind of scale and of input; results that must depend neither on the number
 * of threads nor on the rows beside. Their speed is measured by tests/support/bench_kernels.c. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/half.h"
#include "runtime/kernels/kernels.h"
#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static uint64_t random_state = 88172645463325252u;

static uint32_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

/* In (-1, 1). */
static float random_float(void)
{
    return (float)((int32_t)random_bits() >> 7) * 0x1p-24f;
}

typedef enum ScaleKind {
    SCALE_USUAL,
    SCALE_SUBNORMAL,
    SCALE_HUGE,
    SCALE_ZERO,
    SCALE_ANY,
    SCALE_KINDS
} ScaleKind;
typedef enum InputKind {
    INPUT_USUAL,
    INPUT_ZERO,
    INPUT_OUTLIER, /* one number of a block is far larger than the others */
    INPUT_TINY,    /* subnormal */
    INPUT_ENDS,    /* +-65504 */
    INPUT_SPREAD,  /* from 2^-60 to 2^60 */
    INPUT_KINDS
} InputKind;

static uint16_t scale_of(ScaleKind kind)
{
    uint16_t bits = (uint16_t)random_bits();
    switch (kind) {
    case SCALE_SUBNORMAL: return bits & 0x83ff;
    case SCALE_HUGE: return (uint16_t)((bits & 0x83ff) | 0x7800);
    case SCALE_ZERO: return bits & 0x8000;
    case SCALE_ANY: return (bits & 0x7c00) == 0x7c00 ? 0 : bits;
    default: return half_from_float(0.02f * random_float());
    }
}

static float input_of(InputKind kind, size_t i)
{
    float x = random_float();
    switch (kind) {
    case INPUT_ZERO: return i % 2 ? 0.0f : -0.0f;
    case INPUT_OUTLIER: return i % 37 == 5 ? 4096 * x : x;
    case INPUT_TINY: return 0x1p-130f * x;
    case INPUT_ENDS: return x < 0 ? -65504.0f : 65504.0f;
    case INPUT_SPREAD: return ldexpf(x, (int)(random_bits() % 121) - 60);
    default: return x;
    }
}

/* Arrays end where their allocation does, so that the sanitizer sees every step outside; q and x lie where no
 * vector would. */
typedef struct Layer {
    Linear linear;
    void *q_memory, *scale_memory;
    int8_t *q;
    uint16_t *scales;
    float *bias;
} Layer;

static Layer layer_new(size_t m, size_t k, ScaleKind kind)
{
    size_t blocks = KERNEL_BLOCKS(k);
    Layer l = {.q_memory = malloc(m * k + 1), .scale_memory = malloc((m * blocks + 1) * 2)};
    l.q = (int8_t *)l.q_memory + 1;
    l.scales = (uint16_t *)l.scale_memory + 1;
    l.bias = malloc(m * sizeof *l.bias);
    for (size_t i = 0; i < m * k; i++)
        l.q[i] = (int8_t)(random_bits() % 7 == 0 ? -128 : (int)(random_bits() % 256) - 128);
    for (size_t i = 0; i < m * blocks; i++)
        l.scales[i] = scale_of(kind);
    for (size_t i = 0; i < m; i++)
        l.bias[i] = random_float();
    l.linear = (Linear){.w = {l.q, false}, .m = m, .k = k, .ldw = k, .scales = l.scales};
    l.linear.bias = (Operand){l.bias, false};
    return l;
}

static void layer_free(Layer *l)
{
    free(l->q_memory);
    free(l->scale_memory);
    free(l->bias);
}

typedef struct Floats {
    void *memory;
    float *data;
} Floats;

static Floats floats_new(size_t n, InputKind kind)
{
    Floats f = {malloc((n + 1) * sizeof(float)), NULL};
    f.data = (float *)f.memory + 1;
    for (size_t i = 0; i < n; i++)
        f.data[i] = input_of(kind, i);
    return f;
}

static Compute compute_for(const Kernels *k, int threads)
{
    Compute c;
    compute_open(&c, threads);
    c.kernels = k;
    c.sgemm = NULL;
    return c;
}

static double weight(const Linear *l, size_t i, size_t p)
{
    const int8_t *q = l->w.data;
    return q[i * l->ldw + p] * (double)half_to_float(l->scales[i * KERNEL_BLOCKS(l->k) + p / KERNEL_BLOCK]);
}

/* What row i gives without its map, and how far off a level may be: 1e-6 of the sum of what is added up (4e-6
 * of ref, whose sums are one long chain); where x is split, 2^-15 of its block's largest number (or 2^-96)
 * times each weight. */
static double exact_row(const Kernels *k, const Linear *l, size_t i, const float *x, size_t ldx, bool split,
                        double *bound)
{
    double sum = l->bias.data ? ((const float *)l->bias.data)[i] : 0, total = fabs(sum), rounding = 0;
    for (size_t p = 0; p < l->k; p += KERNEL_BLOCK) {
        double most = 0, weights = 0;
        for (size_t j = p; j < l->k && j < p + KERNEL_BLOCK; j++) {
            double w = weight(l, i, j);
            sum += w * x[j * ldx];
            total += fabs(w * x[j * ldx]);
            weights += fabs(w);
            most = fmax(most, fabs((double)x[j * ldx]));
        }
        rounding += (0x1p-15 * most + 0x1p-96) * weights;
    }
    *bound = (k->level == LEVEL_REF ? 4e-6 : 1e-6) * total + (split ? rounding : 0) + 1e-37;
    return sum;
}

static bool near_exact(const Kernels *k, const Linear *l, const float *x, size_t ldx, const float *y,
                       size_t ldy, size_t n)
{
    for (size_t i = 0; i < l->m; i++) {
        for (size_t j = 0; j < n; j++) {
            double bound, want = exact_row(k, l, i, x + j, ldx, n == 1 && k->split_input, &bound);
            float got = y[i * ldy + j];
            if (fabs(want) > 3.4e38 ? !isfinite(got) : fabs(got - want) <= bound)
                continue;
            printf("%s m %zu k %zu n %zu: row %zu column %zu is %.9g, not %.9g (+- %.3g)\n",
                   kernels_level_name(k->level), l->m, l->k, n, i, j, (double)got, want, bound);
            return false;
        }
    }
    return true;
}

static void test_matvec(Compute *c, size_t m, size_t k, ScaleKind scales, InputKind kind)
{
    Layer l = layer_new(m, k, scales);
    Floats x = floats_new(k, kind), y = floats_new(m, INPUT_USUAL);
    compute_matvec(c, &l.linear, &y.data, 1, x.data);
    CHECK(near_exact(c->kernels, &l.linear, x.data, 1, y.data, 1, 1));
    layer_free(&l);
    free(x.memory);
    free(y.memory);
}

static void test_matvecs(Compute *c)
{
    static const size_t ks[] = {1,  7,  8,   9,   15,  16,  17,  31,  32,  33,   63,   64,
                                65, 96, 127, 128, 129, 160, 255, 257, 768, 2047, 3072, 4133},
                        ms[] = {1, 2, 3, 4, 5, 7, 8, 9, 15, 17, 33};
    for (size_t i = 0; i < COUNT(ks); i++) {
        for (size_t j = 0; j < COUNT(ms); j++)
            test_matvec(c, ms[j], ks[i], SCALE_USUAL, (InputKind)((i + j) % INPUT_KINDS));
        for (int s = 0; s < SCALE_KINDS; s++)
            for (int x = 0; x < INPUT_KINDS; x++)
                test_matvec(c, 9, ks[i], (ScaleKind)s, (InputKind)x);
    }
    test_matvec(c, 1, 40000, SCALE_USUAL, INPUT_USUAL);
    test_matvec(c, 2099, 70, SCALE_USUAL, INPUT_USUAL); /* several runs of rows, and one left */
}

static void test_linear(Compute *c, size_t m, size_t k, size_t n, ScaleKind scales, bool bias)
{
    Layer l = layer_new(m, k, scales);
    size_t ldx = n + (n > 1 ? 3 : 0);
    Floats x = floats_new(k * ldx, INPUT_USUAL), y = floats_new(m * n, INPUT_USUAL);
    if (!bias)
        l.linear.bias.data = NULL;
    compute_linear(c, &l.linear, x.data, ldx, n, y.data, n);
    CHECK(near_exact(c->kernels, &l.linear, x.data, ldx, y.data, n, n));
    layer_free(&l);
    free(x.memory);
    free(y.memory);
}

static void test_linears(Compute *c)
{
    static const size_t ms[] = {1, 5, 14, 29, 172}, ks[] = {1, 17, 32, 63, 96, 256, 300, 768},
                        ns[] = {1, 2, 7, 16, 17, 33, 65};
    for (size_t i = 0; i < COUNT(ms); i++)
        for (size_t j = 0; j < COUNT(ks); j++)
            for (size_t h = 0; h < COUNT(ns); h++)
                test_linear(c, ms[i], ks[j], ns[h], (ScaleKind)((i + j + h) % SCALE_KINDS), (i + h) % 2);
}

/* The same numbers as with the weights written out. */
static void test_map_and_accumulate(Compute *c)
{
    enum { M = 11, K = 70 };
    Layer l = layer_new(M, K, SCALE_USUAL);
    Floats x = floats_new(K, INPUT_USUAL), y = floats_new(M, INPUT_USUAL), old = floats_new(M, INPUT_USUAL);
    memcpy(old.data, y.data, M * sizeof(float));
    l.linear.map = MAP_RELU;
    l.linear.accumulate = true;
    compute_matvec(c, &l.linear, &y.data, 1, x.data);
    int wrong = 0;
    for (size_t i = 0; i < M; i++) {
        double bound, want = exact_row(c->kernels, &l.linear, i, x.data, 1, c->kernels->split_input, &bound);
        want += old.data[i];
        wrong += !(fabs(y.data[i] - fmax(want, 0)) <= bound + 1e-6);
    }
    CHECK(wrong == 0);
    layer_free(&l);
    free(x.memory);
    free(y.memory);
    free(old.memory);
}

/* Three kinds of weights in one step, without memory of its own. */
static void test_mixed(const Kernels *k)
{
    enum { M = 100, K = 200 };
    Compute c = compute_for(k, 2);
    Layer a = layer_new(M, K, SCALE_USUAL), b = layer_new(M + 7, K, SCALE_SUBNORMAL);
    uint16_t halves[M * K];
    for (size_t i = 0; i < M * K; i++)
        halves[i] = half_from_float(random_float());
    Linear layers[] = {a.linear, {.w = {halves, true}, .m = M, .k = K, .ldw = K}, b.linear};
    Floats x = floats_new(K, INPUT_USUAL), y[3], z[3];
    float *ys[3];
    for (int i = 0; i < 3; i++) {
        y[i] = floats_new(layers[i].m, INPUT_USUAL);
        z[i] = floats_new(layers[i].m, INPUT_USUAL);
        ys[i] = y[i].data;
    }
    compute_matvec(&c, layers, ys, 3, x.data);
    CHECK(c.room == 0 && c.memory == NULL);
    for (int i = 0; i < 3; i++) {
        compute_matvec(&c, &layers[i], &z[i].data, 1, x.data);
        CHECK(memcmp(y[i].data, z[i].data, layers[i].m * sizeof(float)) == 0);
        free(y[i].memory);
        free(z[i].memory);
    }
    layer_free(&a);
    layer_free(&b);
    free(x.memory);
    compute_close(&c);
}

/* The same bits from any number of threads, and from each row by itself. */
static void test_same_everywhere(const Kernels *k, size_t m, size_t columns)
{
    Layer l = layer_new(m, columns, SCALE_USUAL);
    Floats x = floats_new(columns, INPUT_SPREAD), want = floats_new(m, INPUT_USUAL);
    for (int threads = 1; threads <= 5; threads++) {
        Floats y = floats_new(m, INPUT_USUAL);
        Compute c = compute_for(k, threads);
        compute_matvec(&c, &l.linear, threads == 1 ? &want.data : &y.data, 1, x.data);
        CHECK(threads == 1 || memcmp(y.data, want.data, m * sizeof(float)) == 0);
        compute_close(&c);
        free(y.memory);
    }
    Compute c = compute_for(k, 1);
    int wrong = 0;
    for (size_t i = 0; i < m; i++) {
        float alone, *y = &alone;
        Linear row = l.linear;
        row.m = 1;
        row.w.data = l.q + i * columns;
        row.scales = l.scales + i * KERNEL_BLOCKS(columns);
        row.bias.data = l.bias + i;
        compute_matvec(&c, &row, &y, 1, x.data);
        wrong += memcmp(&alone, &want.data[i], sizeof alone) != 0;
    }
    CHECK(wrong == 0);
    compute_close(&c);
    layer_free(&l);
    free(x.memory);
    free(want.memory);
}

/* What is no number stays none, wherever it is: in x, or as the scale of one block. */
static void test_no_numbers(Compute *c, size_t k)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    static const uint16_t odd_scales[] = {0x7c00, 0xfc00, 0x7e01};
    for (size_t at = 0; at < k; at += k / 5 + 1) {
        for (int i = 0; i < 3; i++) {
            float y[9], *ys = y;
            Layer l = layer_new(9, k, SCALE_USUAL);
            Floats x = floats_new(k, INPUT_USUAL);
            for (size_t r = 0; r < 9; r++)
                l.scales[r * KERNEL_BLOCKS(k) + at / KERNEL_BLOCK] = 0x3c00;
            float usual = x.data[at];
            x.data[at] = odd[i];
            compute_matvec(c, &l.linear, &ys, 1, x.data);
            int lost = 0;
            for (int r = 0; r < 9; r++)
                lost += isfinite(y[r]);
            CHECK(lost == 0);
            x.data[at] = usual;
            l.scales[4 * KERNEL_BLOCKS(k) + at / KERNEL_BLOCK] = odd_scales[i];
            compute_matvec(c, &l.linear, &ys, 1, x.data);
            CHECK(!isfinite(y[4]) && isfinite(y[3]) && isfinite(y[5]));
            layer_free(&l);
            free(x.memory);
        }
    }
}

static bool same_float(float a, double want)
{
    return isnan(want) ? isnan(a) : a == (float)want && signbit(a) == signbit((float)want);
}

/* Exactly, with every f16 as a scale. */
static void test_to_float(const Kernels *k)
{
    enum { LONGEST = 100 };
    int wrong = 0;
    for (uint32_t bits = 0; bits < 65536; bits++) {
        size_t n = bits % LONGEST + 1;
        int8_t q[LONGEST];
        uint16_t scales[4];
        float y[LONGEST + 1];
        for (size_t i = 0; i < n; i++)
            q[i] = (int8_t)(random_bits() % 256 - 128);
        for (uint32_t i = 0; i < 4; i++)
            scales[i] = (uint16_t)(bits + 16384 * i);
        y[n] = 77;
        k->q8_to_float(y, q, scales, n);
        for (size_t i = 0; i < n; i++)
            wrong += !same_float(y[i], q[i] * (double)half_to_float(scales[i / KERNEL_BLOCK]));
        wrong += y[n] != 77;
    }
    CHECK(wrong == 0);
}

static void test_level(const Kernels *k)
{
    printf("level %s\n", kernels_level_name(k->level));
    Compute c = compute_for(k, 3);
    test_to_float(k);
    test_matvecs(&c);
    test_linears(&c);
    test_map_and_accumulate(&c);
    test_no_numbers(&c, 7);
    test_no_numbers(&c, 200);
    compute_close(&c);
    test_mixed(k);
    test_same_everywhere(k, 203, 161);
    test_same_everywhere(k, 37, 4500);
}

int main(void)
{
    for (int level = LEVEL_REF; level < LEVEL_COUNT; level++)
        if (kernels_for((KernelLevel)level))
            test_level(kernels_for((KernelLevel)level));
    return check_report();
}
