/* Every level of the kernels this CPU has against sums in double precision, at awkward sizes and
 * addresses; results that must not depend on the number of threads; the pool. Their speed is measured by
 * tests/support/bench_kernels.c. */
#include <math.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/half.h"
#include "runtime/kernels/kernels.h"
#include "tests/support/libamx.h"
#include "tests/unit/check.h"

static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 259};
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- data ---- */

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

/* Arrays are as long as they say and not aligned beyond their element, so that the sanitizer sees every
 * step outside. */
typedef struct Floats {
    void *memory;
    float *data;
    size_t n;
} Floats;

typedef struct Halves {
    void *memory;
    uint16_t *data;
} Halves;

static Floats floats_new(size_t n)
{
    Floats f = {malloc((n + 1) * sizeof(float)), NULL, n};
    f.data = (float *)f.memory + 1;
    for (size_t i = 0; i < n; i++)
        f.data[i] = random_float();
    return f;
}

static Floats floats_copy(const Floats *from)
{
    Floats f = floats_new(from->n);
    memcpy(f.data, from->data, from->n * sizeof(float));
    return f;
}

static Halves halves_of(const Floats *from)
{
    Halves h = {malloc((from->n + 1) * sizeof(uint16_t)), NULL};
    h.data = (uint16_t *)h.memory + 1;
    for (size_t i = 0; i < from->n; i++)
        h.data[i] = half_from_float(from->data[i]);
    return h;
}

/* The values that survive the way through f16. */
static void round_to_half(Floats *f)
{
    for (size_t i = 0; i < f->n; i++)
        f->data[i] = half_to_float(half_from_float(f->data[i]));
}

static bool same_bits(const Floats *a, const Floats *b)
{
    return memcmp(a->data, b->data, a->n * sizeof(float)) == 0;
}

static bool close_to(double got, double want, double tolerance)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    return fabs(got - want) <= tolerance;
}

/* got[i] within tolerance * scale[i] (1 where scale is NULL) of want[i]; says where not. */
static bool all_close(const char *what, const float *got, const double *want, const double *scale,
                      double tolerance, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (close_to(got[i], want[i], tolerance * (scale ? scale[i] : 1) + 1e-37))
            continue;
        printf("%s: element %zu of %zu is %.9g, not %.9g\n", what, i, n, (double)got[i], want[i]);
        return false;
    }
    return true;
}

static Compute compute_for(const Kernels *k, int threads)
{
    Compute c;
    compute_open(&c, threads);
    c.kernels = k;
    c.sgemm = NULL; /* test_blas.c has that */
    return c;
}

/* ---- f16 ---- */

static void test_half_to_float(const Kernels *k)
{
    enum { N = 65536 };
    uint16_t *h = malloc(N * sizeof *h);
    float *f = malloc(N * sizeof *f);
    for (int i = 0; i < N; i++)
        h[i] = (uint16_t)i;
    k->half_to_float(f, h, N);
    int wrong = 0;
    for (int i = 0; i < N; i++)
        wrong += float_bits(f[i]) != float_bits(half_to_float(h[i])) &&
                 !(isnan(f[i]) && isnan(half_to_float(h[i])));
    CHECK(wrong == 0);
    free(h);
    free(f);
}

/* Every number of f16, the points half way between neighbours, what is just beside those, and noise. */
static void test_half_from_float(const Kernels *k)
{
    enum { EACH = 5, N = 65536 * EACH + 3 };
    Floats x = floats_new(N);
    uint16_t *h = malloc(N * sizeof *h);
    for (uint32_t i = 0; i < 65536; i++) {
        uint32_t value = float_bits(half_to_float((uint16_t)i)),
                 next = float_bits(half_to_float((uint16_t)(i + 1)));
        uint32_t middle = value + (next - value) / 2;
        uint32_t points[EACH] = {value, middle, middle - 1, middle + 1, random_bits()};
        for (int j = 0; j < EACH; j++)
            x.data[i * EACH + (uint32_t)j] = float_from_bits(points[j]);
    }
    k->half_from_float(h, x.data, N);
    int wrong = 0;
    for (int i = 0; i < N; i++)
        wrong += isnan(x.data[i]) ? (h[i] & 0x7fff) <= 0x7c00 : h[i] != half_from_float(x.data[i]);
    CHECK(wrong == 0);
    free(x.memory);
    free(h);
}

/* ---- functions of one number ---- */

static double exact_map(MapOp op, double x)
{
    switch (op) {
    case MAP_RELU: return x < 0 ? 0 : x;
    case MAP_SIGMOID: return 1 / (1 + exp(-x));
    case MAP_SILU: return x == -INFINITY ? 0 : x / (1 + exp(-x));
    case MAP_GELU_TANH:
        return x == -INFINITY ? 0 : x / (1 + exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
    case MAP_GELU_ERF: return x == -INFINITY ? 0 : 0.5 * x * erfc(-x * 0.70710678118654752);
    case MAP_TANH: return tanh(x);
    case MAP_ERF: return erf(x);
    case MAP_EXP: return x > 88.7228394 ? INFINITY : exp(x);
    default: return x;
    }
}

/* Both signs of 1e-30 to 1e4 in small factors, the ends of exp, subnormals, the specials. */
static Floats map_inputs(void)
{
    static const float special[] = {0,        -0.0f,   INFINITY, -INFINITY, NAN,      1e-45f,
                                    -1e-40f,  65504,   -65504,   88.72283f, 88.73f,   -87.3f,
                                    -103.9f,  -104.5f, 3.4e38f,  -3.4e38f,  0.62499f, 0.62500006f,
                                    0.99999f, 1,       3.9999f,  4.00001f,  -1,       1e20f};
    Floats x = floats_new(40000 + COUNT(special));
    memcpy(x.data, special, sizeof special);
    for (size_t i = COUNT(special); i < x.n; i++) {
        size_t j = i - COUNT(special);
        float size = j < 20000 ? powf(10, -30 + 34 * (float)j / 20000) : 12 * (float)(j - 20000) / 20000;
        x.data[i] = random_bits() & 1 ? size : -size;
    }
    return x;
}

static void test_map(const Kernels *k, MapOp op)
{
    Floats x = map_inputs(), y = floats_copy(&x);
    double *want = malloc(x.n * sizeof *want), *scale = malloc(x.n * sizeof *scale);
    bool relative = op == MAP_SIGMOID || op == MAP_TANH || op == MAP_ERF || op == MAP_EXP;
    for (size_t i = 0; i < x.n; i++) {
        want[i] = exact_map(op, x.data[i]);
        scale[i] = relative ? fabs(want[i]) : fabs((double)x.data[i]);
    }
    char what[64];
    snprintf(what, sizeof what, "%s map %d", kernels_level_name(k->level), (int)op);
    k->map[op](y.data, x.data, x.n);
    CHECK(all_close(what, y.data, want, scale, 3e-7, x.n));
    for (size_t s = 0; s < COUNT(sizes); s++) { /* the same numbers from short arrays, in place */
        Floats part = floats_new(sizes[s]);
        memcpy(part.data, x.data, part.n * sizeof(float));
        k->map[op](part.data, part.data, part.n);
        CHECK(all_close(what, part.data, want, scale, 3e-7, part.n));
        free(part.memory);
    }
    free(x.memory);
    free(y.memory);
    free(want);
    free(scale);
}

static void test_arrays(const Kernels *k, size_t n)
{
    Floats a = floats_new(n), b = floats_new(n), y = floats_new(n);
    int wrong = 0;
    k->add(y.data, a.data, b.data, n);
    for (size_t i = 0; i < n; i++)
        wrong += y.data[i] != a.data[i] + b.data[i];
    k->sub(y.data, a.data, b.data, n);
    for (size_t i = 0; i < n; i++)
        wrong += y.data[i] != a.data[i] - b.data[i];
    k->mul(y.data, a.data, b.data, n);
    for (size_t i = 0; i < n; i++)
        wrong += y.data[i] != a.data[i] * b.data[i];
    k->scale(y.data, a.data, 3, n);
    for (size_t i = 0; i < n; i++)
        wrong += y.data[i] != 3 * a.data[i];
    CHECK(wrong == 0);
    free(a.memory);
    free(b.memory);
    free(y.memory);
}

/* ---- rows and columns ---- */

typedef enum Norm { SOFTMAX, LAYER, RMS } Norm;

/* Along n elements that are `step` apart. */
static void exact_norm(Norm norm, double *y, const float *x, size_t step, const float *g, const float *b,
                       size_t n)
{
    double most = -INFINITY, sum = 0, mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, x[i * step]);
        mean += norm == LAYER ? x[i * step] / (double)n : 0;
    }
    for (size_t i = 0; i < n; i++) {
        sum += exp(x[i * step] - most);
        square += (x[i * step] - mean) * (x[i * step] - mean) / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double unit = (x[i * step] - mean) / sqrt(square + 1e-5f);
        y[i * step] =
            norm == SOFTMAX ? exp(x[i * step] - most) / sum : unit * g[i] + (norm == LAYER ? b[i] : 0);
    }
}

/* Neighbours lie apart, so that dividing by the variance doesn't blow up a rounding error. */
static float spread(float x, size_t i)
{
    float size = 2 + 8 * fabsf(x);
    return i % 2 ? 3 + size : 3 - size;
}

static void test_row(const Kernels *k, Norm norm, size_t n)
{
    Floats x = floats_new(n), g = floats_new(n), b = floats_new(n);
    double *want = malloc(n * sizeof *want);
    for (size_t i = 0; i < n; i++)
        x.data[i] = spread(x.data[i], i);
    exact_norm(norm, want, x.data, 1, g.data, b.data, n);
    if (norm == SOFTMAX)
        k->softmax_row(x.data, x.data, n);
    else if (norm == LAYER)
        k->layer_norm_row(x.data, x.data, g.data, b.data, 1e-5f, n);
    else
        k->rms_norm_row(x.data, x.data, g.data, 1e-5f, n);
    CHECK(all_close("row", x.data, want, NULL, 4e-6, n));
    free(x.memory);
    free(g.memory);
    free(b.memory);
    free(want);
}

static void test_columns(Compute *c, Norm norm, size_t channels, size_t n)
{
    Floats x = floats_new(channels * n), g = floats_new(channels), b = floats_new(channels);
    double *want = malloc(x.n * sizeof *want);
    for (size_t i = 0; i < x.n; i++)
        x.data[i] = spread(x.data[i], i / n);
    for (size_t j = 0; j < n; j++)
        exact_norm(norm, want + j, x.data + j, n, g.data, b.data, channels);
    if (norm == SOFTMAX)
        compute_softmax_columns(c, x.data, n, x.data, n, channels, n);
    else if (norm == LAYER)
        compute_layer_norm_columns(c, x.data, n, x.data, n, g.data, b.data, 1e-5f, channels, n);
    else
        compute_rms_norm_columns(c, x.data, n, x.data, n, g.data, 1e-5f, channels, n);
    CHECK(all_close("columns", x.data, want, NULL, 4e-6, x.n));
    free(x.memory);
    free(g.memory);
    free(b.memory);
    free(want);
}

static void test_softmax_specials(const Kernels *k)
{
    float x[] = {-INFINITY, 2, -INFINITY, 2, -INFINITY}, all[3] = {-INFINITY, -INFINITY, -INFINITY}, y[5];
    k->softmax_row(y, x, 5);
    CHECK(y[0] == 0 && y[1] == 0.5f && y[2] == 0 && y[3] == 0.5f && y[4] == 0);
    k->softmax_columns(y, 1, x, 1, 5, 1);
    CHECK(y[0] == 0 && y[1] == 0.5f && y[2] == 0 && y[3] == 0.5f && y[4] == 0);
    k->softmax_row(y, all, 3);
    CHECK(isnan(y[0]) && isnan(y[1]) && isnan(y[2]));
}

static void test_transpose(Compute *c, size_t m, size_t n)
{
    Floats x = floats_new(m * n), y = floats_new(m * n);
    compute_transpose(c, y.data, m, x.data, n, m, n);
    int wrong = 0;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            wrong += y.data[j * m + i] != x.data[i * n + j];
    CHECK(wrong == 0);
    free(x.memory);
    free(y.memory);
}

/* ---- linear layers ---- */

typedef struct Layer {
    Floats w, bias;
    Halves half_w, half_bias;
    Linear linear;
} Layer;

static Layer layer_new(size_t m, size_t k, bool half)
{
    size_t ldw = k + 3;
    Layer l = {.w = floats_new(m * ldw), .bias = floats_new(m)};
    if (half) {
        round_to_half(&l.w);
        round_to_half(&l.bias);
    }
    l.half_w = halves_of(&l.w);
    l.half_bias = halves_of(&l.bias);
    l.linear = (Linear){.m = m, .k = k, .ldw = ldw};
    l.linear.w = half ? (Operand){l.half_w.data, true} : (Operand){l.w.data, false};
    l.linear.bias = half ? (Operand){l.half_bias.data, true} : (Operand){l.bias.data, false};
    return l;
}

static void layer_free(Layer *l)
{
    free(l->w.memory);
    free(l->bias.memory);
    free(l->half_w.memory);
    free(l->half_bias.memory);
}

/* Column j of Y and the sum of the sizes of its terms. */
static void exact_linear(const Layer *l, const float *x, size_t ldx, size_t n, const float *old, double *y,
                         double *size)
{
    for (size_t i = 0; i < l->linear.m; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0, total = 0;
            for (size_t p = 0; p < l->linear.k; p++) {
                double term = (double)l->w.data[i * l->linear.ldw + p] * x[p * ldx + j];
                sum += term;
                total += fabs(term);
            }
            sum += (l->linear.bias.data ? l->bias.data[i] : 0) + (l->linear.accumulate ? old[i * n + j] : 0);
            y[i * n + j] = exact_map(l->linear.map, sum);
            size[i * n + j] = total + 2;
        }
    }
}

/* n == 0: through compute_matvec. */
static void test_linear(Compute *c, size_t m, size_t k, size_t n, bool half, int variant)
{
    size_t columns = n ? n : 1, ldx = columns + (n > 1 ? 5 : 0);
    Layer l = layer_new(m, k, half);
    l.linear.accumulate = variant & 1;
    l.linear.map = variant & 2 ? MAP_GELU_TANH : MAP_NONE;
    if (variant & 4)
        l.linear.bias.data = NULL;
    Floats x = floats_new(k * ldx), y = floats_new(m * columns);
    double *want = malloc(y.n * sizeof *want), *size = malloc(y.n * sizeof *size);
    exact_linear(&l, x.data, ldx, columns, y.data, want, size);
    if (n)
        compute_linear(c, &l.linear, x.data, ldx, n, y.data, n);
    else
        compute_matvec(c, &l.linear, &y.data, 1, x.data);
    char what[96];
    snprintf(what, sizeof what, "%s linear m %zu k %zu n %zu half %d variant %d",
             kernels_level_name(c->kernels->level), m, k, n, half, variant);
    double tolerance = half && n <= 1 && c->kernels->half_input ? 0x1p-12 + 1e-6 : 1e-6;
    CHECK(all_close(what, y.data, want, size, tolerance, y.n));
    layer_free(&l);
    free(x.memory);
    free(y.memory);
    free(want);
    free(size);
}

static void test_linears(Compute *c)
{
    int variant = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(sizes); j++)
            test_linear(c, sizes[i], sizes[j], 0, (i + j) % 2, variant++ % 8);
    static const size_t ms[] = {1, 5, 14, 15, 29, 172}, ks[] = {1, 15, 17, 256, 300},
                        ns[] = {1, 2, 7, 16, 17, 32, 33, 65};
    for (size_t i = 0; i < COUNT(ms); i++)
        for (size_t j = 0; j < COUNT(ks); j++)
            for (size_t h = 0; h < COUNT(ns); h++)
                test_linear(c, ms[i], ks[j], ns[h], (i + j + h) % 2, variant++ % 8);
    test_linear(c, 2099, 70, 0, true, 1);   /* several runs of rows from two places, and one left */
    test_linear(c, 3, 8200, 300, true, 0); /* more columns than are packed at once */
    test_linear(c, 700, 64, 130, true, 3);
}

/* Weights at the ends of f16's range. */
static void test_linear_specials(Compute *c)
{
    enum { K = 35 };
    uint16_t w[4 * K] = {0};
    float x[K], y[4], wide[K * 2], out[4 * 2];
    w[3] = 0x7bff;          /* 65504 */
    w[K + 34] = 0xfbff;     /* -65504 */
    w[2 * K + 33] = 0x0001; /* 2^-24 */
    w[3 * K + 1] = 0x7c00;  /* inf */
    for (int i = 0; i < K; i++)
        x[i] = wide[2 * i] = wide[2 * i + 1] = 2;
    Linear l = {.w = {w, true}, .m = 4, .k = K, .ldw = K};
    float *ys = y;
    compute_matvec(c, &l, &ys, 1, x);
    CHECK(y[0] == 131008 && y[1] == -131008 && y[2] == 0x1p-23f && y[3] == INFINITY);
    compute_linear(c, &l, wide, 2, 2, out, 2);
    CHECK(out[0] == 131008 && out[3] == -131008 && out[5] == 0x1p-23f && out[6] == INFINITY);
}

static void test_matvecs_together(Compute *c)
{
    Layer a = layer_new(37, 130, true), b = layer_new(300, 130, true);
    Floats x = floats_new(130), ya = floats_new(37), yb = floats_new(300), za = floats_new(37),
           zb = floats_new(300);
    Linear layers[] = {a.linear, b.linear};
    float *ys[] = {ya.data, yb.data};
    compute_matvec(c, layers, ys, 2, x.data);
    compute_matvec(c, &layers[0], &za.data, 1, x.data);
    compute_matvec(c, &layers[1], &zb.data, 1, x.data);
    CHECK(same_bits(&ya, &za) && same_bits(&yb, &zb));
    layer_free(&a);
    layer_free(&b);
    free(x.memory);
    free(ya.memory);
    free(yb.memory);
    free(za.memory);
    free(zb.memory);
}

static void test_gemm(Compute *c, size_t m, size_t n, size_t k, bool ta, bool tb)
{
    Floats a = floats_new(m * k), b = floats_new(k * n), y = floats_new(m * n);
    double *want = malloc(y.n * sizeof *want);
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t p = 0; p < k; p++)
                sum += (double)a.data[ta ? p * m + i : i * k + p] * b.data[tb ? j * k + p : p * n + j];
            want[i * n + j] = -0.5 * sum;
        }
    }
    Gemm g = {.m = m,
              .n = n,
              .k = k,
              .a = a.data,
              .lda = ta ? m : k,
              .a_transposed = ta,
              .b = b.data,
              .alpha = -0.5f};
    g.ldb = tb ? k : n;
    g.b_transposed = tb;
    g.c = y.data;
    g.ldc = n;
    compute_gemm(c, &g);
    CHECK(all_close("gemm", y.data, want, NULL, 1e-6 * (double)k, y.n));
    free(a.memory);
    free(b.memory);
    free(y.memory);
    free(want);
}

/* ---- attention ---- */

typedef struct Attention {
    Floats q, k, v, mask, out;
    Halves half_mask;
    Prefill p;
} Attention;

static Attention attention_new(size_t heads, size_t kv, size_t d, size_t s, bool causal, int mask)
{
    size_t ld = s + 3;
    Attention a = {floats_new(heads * d * ld),
                   floats_new(kv * d * ld),
                   floats_new(kv * d * ld),
                   floats_new(s * ld),
                   floats_new(heads * d * ld),
                   {NULL, NULL},
                   {.heads = heads, .kv_heads = kv, .d = d, .s = s}};
    for (size_t i = 0; i < a.q.n; i++)
        a.q.data[i] *= 4;
    for (size_t i = 0; i < a.mask.n; i++) /* about half is hidden, never the first key */
        a.mask.data[i] = i % ld && random_bits() & 1 ? -INFINITY : a.mask.data[i];
    round_to_half(&a.mask);
    a.half_mask = halves_of(&a.mask);
    a.p.q = a.q.data;
    a.p.k = a.k.data;
    a.p.v = a.v.data;
    a.p.out = a.out.data;
    a.p.ldq = a.p.ldk = a.p.ldv = a.p.ldo = a.p.ld_mask = ld;
    a.p.scale = 0.37f;
    a.p.causal = causal;
    if (mask)
        a.p.mask = mask == 1 ? (Operand){a.mask.data, false} : (Operand){a.half_mask.data, true};
    return a;
}

static void attention_free(Attention *a)
{
    free(a->q.memory);
    free(a->k.memory);
    free(a->v.memory);
    free(a->mask.memory);
    free(a->out.memory);
    free(a->half_mask.memory);
}

static bool prefill_is_right(const Attention *a, size_t head, size_t query)
{
    const Prefill *p = &a->p;
    size_t kv = head / (p->heads / p->kv_heads), keys = p->causal ? query + 1 : p->s, ld = p->ldq;
    double *weight = malloc(keys * sizeof *weight), most = -INFINITY, sum = 0;
    for (size_t key = 0; key < keys; key++) {
        double dot = 0;
        for (size_t i = 0; i < p->d; i++)
            dot += (double)p->q[(head * p->d + i) * ld + query] * p->k[(kv * p->d + i) * ld + key];
        weight[key] = dot * p->scale + (p->mask.data ? a->mask.data[query * ld + key] : 0);
        most = fmax(most, weight[key]);
    }
    for (size_t key = 0; key < keys; key++)
        sum += weight[key] = exp(weight[key] - most);
    bool right = true;
    for (size_t i = 0; i < p->d && right; i++) {
        double want = 0;
        for (size_t key = 0; key < keys; key++)
            want += weight[key] / sum * p->v[(kv * p->d + i) * ld + key];
        right = close_to(p->out[(head * p->d + i) * ld + query], want, 4e-6);
    }
    free(weight);
    return right;
}

static void test_prefill(Compute *c, size_t heads, size_t kv, size_t d, size_t s, bool causal, int mask)
{
    Attention a = attention_new(heads, kv, d, s, causal, mask);
    compute_attention_prefill(c, &a.p);
    int wrong = 0;
    for (size_t head = 0; head < heads; head++)
        for (size_t query = 0; query<s; query += s> 100 ? 7 : 1)
            wrong += !prefill_is_right(&a, head, query);
    if (wrong)
        printf("prefill: heads %zu/%zu d %zu s %zu causal %d mask %d\n", heads, kv, d, s, causal, mask);
    CHECK(wrong == 0);
    attention_free(&a);
}

static void test_decode(Compute *c, size_t heads, size_t kv, size_t d, size_t start, size_t n)
{
    Floats q = floats_new(heads * d), k = floats_new(kv * (n + 2) * d), v = floats_new(k.n),
           out = floats_new(q.n);
    round_to_half(&k);
    round_to_half(&v);
    Halves hk = halves_of(&k), hv = halves_of(&v);
    size_t stride = (n + 2) * d;
    Decode p = {heads, kv, d, start, n, q.data, hk.data, hv.data, stride, stride, 0.3f, out.data};
    compute_attention_decode(c, &p);
    double *want = calloc(q.n, sizeof *want), *weight = malloc(n * sizeof *weight);
    for (size_t h = 0; h < heads; h++) {
        const float *keys = k.data + h / (heads / kv) * stride, *values = v.data + h / (heads / kv) * stride;
        double most = -INFINITY, sum = 0;
        for (size_t t = start; t < n; t++) {
            weight[t] = 0;
            for (size_t i = 0; i < d; i++)
                weight[t] += 0.3f * (double)q.data[h * d + i] * keys[t * d + i];
            most = fmax(most, weight[t]);
        }
        for (size_t t = start; t < n; t++)
            sum += weight[t] = exp(weight[t] - most);
        for (size_t t = start; t < n; t++)
            for (size_t i = 0; i < d; i++)
                want[h * d + i] += weight[t] / sum * values[t * d + i];
    }
    CHECK(all_close("decode", out.data, want, NULL, 2e-6, out.n));
    free(q.memory);
    free(k.memory);
    free(v.memory);
    free(out.memory);
    free(hk.memory);
    free(hv.memory);
    free(want);
    free(weight);
}

static void test_attention(Compute *c)
{
    static const size_t lengths[] = {1, 5, 16, 31, 32, 33, 70, 300}, widths[] = {1, 8, 17, 40, 64};
    int variant = 0;
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t j = 0; j < COUNT(widths); j++, variant++)
            test_prefill(c, 4, variant % 3 == 0 ? 4 : variant % 3, widths[j], lengths[i], variant % 2,
                         variant / 2 % 3);
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (size_t j = 0; j < COUNT(widths); j++)
            test_decode(c, 6, i % 2 ? 2 : 6, widths[j], lengths[i] / 3, lengths[i]);
}

/* ---- threads ---- */

/* A run of everything that is split, as one array. */
static Floats run_all(Compute *c)
{
    uint64_t saved = random_state;
    random_state = 1234567;
    Layer l = layer_new(200, 520, true);
    Floats x = floats_new(520 * 70), y = floats_new(200 * 70 + 200 + 520 * 70);
    Attention a = attention_new(3, 3, 40, 150, true, 0);
    compute_linear(c, &l.linear, x.data, 70, 70, y.data, 70);
    float *vector = y.data + 200 * 70;
    compute_matvec(c, &l.linear, &vector, 1, x.data);
    compute_layer_norm_columns(c, vector + 200, 70, x.data, 70, NULL, NULL, 1e-5f, 520, 70);
    compute_attention_prefill(c, &a.p);
    Floats all = floats_new(y.n + a.out.n);
    memcpy(all.data, y.data, y.n * sizeof(float));
    memcpy(all.data + y.n, a.out.data, a.out.n * sizeof(float));
    layer_free(&l);
    attention_free(&a);
    free(x.memory);
    free(y.memory);
    random_state = saved;
    return all;
}

static void test_thread_counts(const Kernels *k)
{
    Compute one = compute_for(k, 1);
    Floats want = run_all(&one);
    for (int threads = 2; threads <= 7; threads++) {
        Compute many = compute_for(k, threads);
        Floats got = run_all(&many);
        CHECK(same_bits(&got, &want));
        free(got.memory);
        compute_close(&many);
    }
    free(want.memory);
    compute_close(&one);
}

typedef struct Tally {
    atomic_int calls[16];
    int plain[16];
    int count;
} Tally;

static void tally(void *ctx, int index, int count)
{
    Tally *t = ctx;
    atomic_fetch_add(&t->calls[index], 1);
    t->plain[index]++;
    if (index == 0)
        t->count = count;
}

static void test_pool(int threads, int steps)
{
    Pool *pool = pool_new(threads);
    Tally t = {.count = 0};
    CHECK(pool_threads(pool) == threads);
    for (int i = 0; i < steps; i++) {
        pool_run(pool, tally, &t);
        if (i % (steps / 4) == 0) /* long enough for everyone to fall asleep */
            nanosleep(&(struct timespec){0, 2000000}, NULL);
    }
    int wrong = t.count != threads;
    for (int i = 0; i < 16; i++)
        wrong +=
            atomic_load(&t.calls[i]) != (i < threads ? steps : 0) || t.plain[i] != atomic_load(&t.calls[i]);
    CHECK(wrong == 0);
    pool_free(pool);
}

static void test_ranges(void)
{
    for (size_t total = 0; total < 70; total++) {
        for (int count = 1; count < 6; count++) {
            size_t at = 0;
            bool right = true;
            for (int i = 0; i < count; i++) {
                size_t begin, end;
                pool_range(total, 8, i, count, &begin, &end);
                right = right && begin == at && end >= begin && (end == total || end % 8 == 0);
                at = end;
            }
            CHECK(right && at == total);
        }
    }
}

static void test_threads(void)
{
    CHECK(pool_threads(NULL) == 1 && pool_default_threads() >= 1);
    test_ranges();
    for (int threads = 1; threads <= 9; threads += 2)
        test_pool(threads, threads <= 3 ? 20000 : 2000);
}

/* ---- all of it ---- */

static void test_level(const Kernels *k)
{
    printf("level %s\n", kernels_level_name(k->level));
    Compute c = compute_for(k, 3);
    test_half_to_float(k);
    test_half_from_float(k);
    for (int op = MAP_NONE; op < MAP_COUNT; op++)
        test_map(k, (MapOp)op);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        test_arrays(k, sizes[i]);
        for (int norm = SOFTMAX; norm <= RMS; norm++) {
            test_row(k, (Norm)norm, sizes[i]);
            for (size_t j = 0; j < COUNT(sizes); j++)
                test_columns(&c, (Norm)norm, sizes[i], sizes[j]);
        }
        for (size_t j = 0; j < COUNT(sizes); j++)
            test_transpose(&c, sizes[i], sizes[j]);
    }
    test_softmax_specials(k);
    test_linears(&c);
    test_linear_specials(&c);
    test_matvecs_together(&c);
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (int t = 0; t < 4; t++)
            test_gemm(&c, sizes[i], sizes[(i + 3) % COUNT(sizes)], sizes[(i + 7) % COUNT(sizes)], t & 1,
                      t & 2);
    test_attention(&c);
    compute_close(&c);
    test_thread_counts(k);
}

static void test_levels(void)
{
    CHECK(kernels_get() == kernels_for(LEVEL_REF)); /* ANEC_CPU says so */
    CHECK(kernels_for(LEVEL_COUNT) == NULL && kernels_for((KernelLevel)-1) == NULL);
    for (int level = LEVEL_REF; level < LEVEL_COUNT; level++)
        CHECK(!kernels_for((KernelLevel)level) ||
              kernels_for((KernelLevel)level)->level == (KernelLevel)level);
    CHECK_TEXT(kernels_level_name(LEVEL_AVX512), "avx512");
    CHECK_TEXT(kernels_level_name(LEVEL_AMX), "amx");
    CHECK_TEXT(kernels_level_name(LEVEL_DOTPROD), "dotprod");
    CHECK_TEXT(kernels_level_name(LEVEL_I8MM), "i8mm");
}

int main(void)
{
    setenv("ANEC_CPU", "ref", 1);
    test_levels();
    test_threads();
    for (int level = LEVEL_REF; level < LEVEL_COUNT; level++)
        if (kernels_for((KernelLevel)level))
            test_level(kernels_for((KernelLevel)level));
    Kernels amx;
    if (kernels_for(LEVEL_AVX512) && amx_in_c(&amx, 0))
        test_level(&amx);
    return check_report();
}
