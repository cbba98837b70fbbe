/* How fast the kernels are beside what the machine can do: bytes read per second for decoding, multiply-
 * adds per second for the prefill. Sizes are those of GPT-2 124M.
 * usage: bench_kernels [LEVEL [THREADS [PART OF A NAME]]]; without, every level this CPU has, on 1 and on all
 * threads. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/median.h"
#include "runtime/kernels/kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

enum { RUNS = 9, WIDTH = 768, LAYERS = 12, VOCABULARY = 50257 };

typedef struct Bench {
    Compute c;
    uint16_t *weights; /* all of the model's */
    size_t count;
    float *x, *y;
    double read, fma; /* the limits: GB/s, GFLOP/s */
    const char *only;
} Bench;

/* The median time of one call, in seconds; each run repeats it for at least 20 ms. */
static double measure(void (*fn)(Bench *b, size_t n), Bench *b, size_t n)
{
    double times[RUNS];
    fn(b, n);
    double start = clock_seconds();
    fn(b, n);
    int repeats = 1 + (int)(0.02 / (clock_seconds() - start + 1e-9));
    for (int run = 0; run < RUNS; run++) {
        start = clock_seconds();
        for (int i = 0; i < repeats; i++)
            fn(b, n);
        times[run] = (clock_seconds() - start) / repeats;
    }
    return median_of(times, RUNS);
}

/* ---- limits ---- */

static volatile uint64_t sink;

/* In 16-byte words, prefetching as the kernels do. */
#if defined(__GNUC__)
typedef uint64_t Word __attribute__((vector_size(16)));
#define FETCH(p) __builtin_prefetch(p)
#else
typedef uint64_t Word;
#define FETCH(p) ((void)(p))
#endif
enum { WORDS = 64 / sizeof(Word) };

static void read_part(void *ctx, int index, int count)
{
    const Bench *b = ctx;
    size_t at, end;
    pool_range(b->count * 2 / sizeof(Word), WORDS, index, count, &at, &end);
    const Word *w = (const Word *)(const void *)b->weights;
    Word s[WORDS] = {0};
    for (; at + WORDS <= end; at += WORDS) {
        FETCH(w + at + 32 * WORDS);
        for (size_t i = 0; i < WORDS; i++)
            s[i] ^= w[at + i];
    }
    uint64_t all = 0;
    for (size_t i = 0; i < sizeof s / 8; i++)
        all ^= ((const uint64_t *)(const void *)s)[i];
    sink = all;
}

static void read_all(Bench *b, size_t n)
{
    pool_run(b->c.pool, read_part, b);
}

enum { STEPS = 100000 };

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx512f"))) static double spin_avx512(void)
{
    __m512 s[16], a = _mm512_set1_ps(0.5f);
    for (int j = 0; j < 16; j++)
        s[j] = _mm512_set1_ps((float)j);
    for (int i = 0; i < STEPS; i++)
        _Pragma("GCC unroll 16") for (int j = 0; j < 16; j++) s[j] = _mm512_fmadd_ps(s[j], a, a);
    for (int j = 0; j < 16; j++)
        sink += (uint64_t)_mm512_cvtss_f32(s[j]);
    return STEPS * 16.0 * 16 * 2;
}

__attribute__((target("avx2,fma"))) static double spin_avx2(void)
{
    __m256 s[12], a = _mm256_set1_ps(0.5f);
    for (int j = 0; j < 12; j++)
        s[j] = _mm256_set1_ps((float)j);
    for (int i = 0; i < STEPS; i++)
        _Pragma("GCC unroll 12") for (int j = 0; j < 12; j++) s[j] = _mm256_fmadd_ps(s[j], a, a);
    for (int j = 0; j < 12; j++)
        sink += (uint64_t)_mm256_cvtss_f32(s[j]);
    return STEPS * 12.0 * 8 * 2;
}
#endif

/* Flops done by one thread; 0 where there is no such loop for the level. */
static double spin(KernelLevel level)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (level == LEVEL_AVX512 || level == LEVEL_AMX)
        return spin_avx512();
    if (level == LEVEL_AVX2)
        return spin_avx2();
#endif
    return 0;
}

static void spin_part(void *ctx, int index, int count)
{
    spin(((const Bench *)ctx)->c.kernels->level);
}

static void spin_all(Bench *b, size_t n)
{
    pool_run(b->c.pool, spin_part, b);
}

/* ---- what is measured ---- */

static Linear layer(const Bench *b, size_t at, size_t m, size_t k)
{
    return (Linear){.w = {b->weights + at, true}, .m = m, .k = k, .ldw = k};
}

/* Every matrix of one decode step. */
static void decode(Bench *b, size_t n)
{
    static const size_t shape[][2] = {
        {3 * WIDTH, WIDTH}, {WIDTH, WIDTH}, {4 * WIDTH, WIDTH}, {WIDTH, 4 * WIDTH}};
    size_t at = 0;
    for (int i = 0; i <= LAYERS; i++) {
        for (int j = 0; j < (i < LAYERS ? 4 : 1); j++) {
            Linear l = i < LAYERS ? layer(b, at, shape[j][0], shape[j][1]) : layer(b, at, VOCABULARY, WIDTH);
            compute_matvec(&b->c, &l, &b->y, 1, b->x);
            at += l.m * l.k;
        }
    }
}

/* Eight bits and scales: n is the shape; matrices follow one another, so that each comes from memory. */
typedef struct Shape {
    size_t m, k;
} Shape;
static const Shape bytes_shape[] = {
    {WIDTH, WIDTH}, {3 * WIDTH, WIDTH}, {4 * WIDTH, WIDTH}, {WIDTH, 4 * WIDTH}, {VOCABULARY, WIDTH}};
enum { SHAPES = sizeof bytes_shape / sizeof *bytes_shape };

/* Bytes of a matrix: the weights and, behind them, the scales. */
static size_t bytes_size(Shape s)
{
    return s.m * s.k + s.m * KERNEL_BLOCKS(s.k) * 2;
}

static size_t bytes_matrices(const Bench *b, Shape s)
{
    return b->count * sizeof *b->weights / bytes_size(s);
}

static void bytes(Bench *b, size_t n)
{
    Shape s = bytes_shape[n];
    for (size_t i = 0; i < bytes_matrices(b, s); i++) {
        const char *at = (const char *)b->weights + i * bytes_size(s);
        Linear l = {.w = {at, false}, .m = s.m, .k = s.k, .ldw = s.k};
        l.scales = (const uint16_t *)(const void *)(at + s.m * s.k);
        compute_matvec(&b->c, &l, &b->y, 1, b->x);
    }
}

static void up(Bench *b, size_t n)
{
    Linear l = layer(b, 0, 4 * WIDTH, WIDTH);
    compute_linear(&b->c, &l, b->x, n, n, b->y, n);
}

static void up_gelu(Bench *b, size_t n)
{
    Linear l = layer(b, 0, 4 * WIDTH, WIDTH);
    l.map = MAP_GELU_TANH;
    compute_linear(&b->c, &l, b->x, n, n, b->y, n);
}

static void down(Bench *b, size_t n)
{
    Linear l = layer(b, 0, WIDTH, 4 * WIDTH);
    compute_linear(&b->c, &l, b->x, n, n, b->y, n);
}

static void square(Bench *b, size_t n)
{
    Gemm g = {
        .m = n, .n = n, .k = n, .a = b->x, .lda = n, .b = b->x, .ldb = n, .alpha = 1, .c = b->y, .ldc = n};
    g.b_transposed = true;
    compute_gemm(&b->c, &g);
}

static void prefill(Bench *b, size_t n)
{
    Prefill p = {.heads = 12, .kv_heads = 12, .d = 64, .s = n, .q = b->x, .k = b->x + WIDTH * n, .out = b->y};
    p.v = p.k + WIDTH * n;
    p.ldq = p.ldk = p.ldv = p.ldo = n;
    p.scale = 0.125f;
    p.causal = true;
    compute_attention_prefill(&b->c, &p);
}

/* The caches of one layer after another, so that they come from memory. */
static void attend(Bench *b, size_t n)
{
    size_t cache = n * WIDTH;
    for (size_t i = 0; i < LAYERS; i++) {
        Decode p = {12, 12, 64, 0, n, b->x, b->weights + 2 * i * cache, NULL, n * 64, n * 64, 0.125f, b->y};
        p.v = p.k + cache;
        compute_attention_decode(&b->c, &p);
    }
}

static void gelu(Bench *b, size_t n)
{
    compute_map(&b->c, MAP_GELU_TANH, b->y, b->x, n * 4 * WIDTH);
}

static void exponential(Bench *b, size_t n)
{
    compute_map(&b->c, MAP_EXP, b->y, b->x, n * 4 * WIDTH);
}

static void layer_norm(Bench *b, size_t n)
{
    compute_layer_norm_columns(&b->c, b->y, n, b->x, n, NULL, NULL, 1e-5f, WIDTH, n);
}

static void softmax(Bench *b, size_t n)
{
    compute_softmax_rows(&b->c, b->y, b->x, n, n);
}

static void transpose(Bench *b, size_t n)
{
    compute_transpose(&b->c, b->y, WIDTH, b->x, n, n, WIDTH);
}

static void to_half(Bench *b, size_t n)
{
    compute_half_from_float(&b->c, (uint16_t *)(void *)b->y, b->x, n * WIDTH);
}

static void nothing(void *ctx, int index, int count)
{
    (void)ctx;
}

static void step(Bench *b, size_t n)
{
    pool_run(b->c.pool, nothing, NULL);
}

/* One row: `amount` flops or bytes a call, against the limit. */
static void show(Bench *b, const char *name, void (*fn)(Bench *b, size_t n), size_t n, double amount,
                 double limit, const char *unit)
{
    if (b->only && !strstr(name, b->only))
        return;
    double seconds = measure(fn, b, n), rate = amount / seconds * 1e-9;
    printf("  %-28s %5zu %10.1f us", name, n, seconds * 1e6);
    if (amount > 0)
        printf(" %8.1f %s", rate, unit);
    if (limit > 0)
        printf(" %5.0f %%", 100 * rate / limit);
    printf("\n");
    fflush(stdout);
}

static void bench(Bench *b)
{
    static const size_t lengths[] = {32, 128, 512, 1024};
    double weights = 2.0 * (double)b->count, threads = pool_threads(b->c.pool);
    b->read = weights / measure(read_all, b, 0) * 1e-9;
    double flops = spin(b->c.kernels->level) * threads;
    b->fma = flops / measure(spin_all, b, 0) * 1e-9;
    printf("%s, %d threads: reads %.1f GB/s, fp32 fma %.0f GFLOP/s\n",
           kernels_level_name(b->c.kernels->level), (int)threads, b->read, b->fma);
    show(b, "empty step", step, 0, 0, 0, "");
    show(b, "decode, all matrices", decode, 1, weights, b->read, "GB/s   ");
    show(b, "decode, attention", attend, 1024, 1024.0 * WIDTH * 2 * 2 * LAYERS, b->read, "GB/s   ");
    for (size_t i = 0; i < SHAPES; i++) {
        Shape s = bytes_shape[i];
        char name[64];
        snprintf(name, sizeof name, "bytes, %zu -> %zu", s.k, s.m);
        show(b, name, bytes, i, (double)(bytes_size(s) * bytes_matrices(b, s)), b->read, "GB/s   ");
    }
    for (int i = 0; i < 4; i++) {
        size_t n = lengths[i];
        double linear = 2.0 * 4 * WIDTH * WIDTH * (double)n, nn = (double)n;
        show(b, "linear 768 -> 3072", up, n, linear, b->fma, "GFLOP/s");
        show(b, "linear 768 -> 3072, gelu", up_gelu, n, linear, b->fma, "GFLOP/s");
        show(b, "linear 3072 -> 768", down, n, linear, b->fma, "GFLOP/s");
        show(b, "gemm n x n x n, B transposed", square, n, 2 * nn * nn * nn, b->fma, "GFLOP/s");
        show(b, "attention, causal", prefill, n, 2.0 * WIDTH * nn * (nn + 1), b->fma, "GFLOP/s");
    }
    size_t n = 512;
    double numbers = (double)n * WIDTH;
    show(b, "gelu_tanh [3072,n]", gelu, n, 4 * numbers, 0, "G/s    ");
    show(b, "exp [3072,n]", exponential, n, 4 * numbers, 0, "G/s    ");
    show(b, "layer_norm_columns [768,n]", layer_norm, n, numbers, 0, "G/s    ");
    show(b, "softmax_rows [n,n]", softmax, n, (double)(n * n), 0, "G/s    ");
    show(b, "transpose [n,768]", transpose, n, numbers, 0, "G/s    ");
    show(b, "half_from_float [768,n]", to_half, n, numbers, 0, "G/s    ");
}

int main(int argc, char **argv)
{
    Bench b = {.count = (size_t)LAYERS * 12 * WIDTH * WIDTH + (size_t)VOCABULARY * WIDTH};
    b.only = argc > 3 ? argv[3] : NULL;
    size_t floats = (size_t)4 * WIDTH * 1024;
    b.weights = aligned_alloc(64, b.count * sizeof *b.weights / 64 * 64 + 64);
    b.x = malloc(floats * sizeof *b.x);
    b.y = malloc(floats * sizeof *b.y);
    if (!b.weights || !b.x || !b.y)
        return 1;
    for (size_t i = 0; i < b.count; i++)
        b.weights[i] = (uint16_t)(0x2000 + i * 2654435761u % 4096);
    for (size_t i = 0; i < floats; i++)
        b.x[i] = (float)(i * 2654435761u % 4096) / 4096 - 0.5f;
    for (int level = LEVEL_REF; level < LEVEL_COUNT; level++) {
        int most = pool_default_threads();
        if (!kernels_for((KernelLevel)level) ||
            (argc > 1 ? strcmp(argv[1], kernels_level_name((KernelLevel)level)) != 0 : level == LEVEL_REF))
            continue;
        for (int threads = argc > 2 ? atoi(argv[2]) : 1; threads <= most;
             threads += threads < most ? most - threads : 1) {
            compute_open(&b.c, threads);
            b.c.kernels = kernels_for((KernelLevel)level);
            bench(&b);
            compute_close(&b.c);
            if (argc > 2)
                break;
        }
    }
    free(b.weights);
    free(b.x);
    free(b.y);
    return 0;
}
