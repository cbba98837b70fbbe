/* Products by a BLAS, on its stand-in tests/support/shared/cblas.c: what it is asked for, and that what comes
 * out is within the bound that runtime/kernels/blas.h states. */
#include "runtime/kernels/blas.h"

#include <dlfcn.h>
#include <math.h>

#include "base/half.h"
#include "runtime/kernels/kernels.h"
#include "tests/unit/check.h"

static int *calls;
static char *complaint;

static uint64_t random_state = 88172645463325252u;

/* In (-1, 1). */
static float random_float(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (float)((int32_t)(random_state >> 32) >> 7) * 0x1p-24f;
}

static float *floats_new(size_t n)
{
    float *f = malloc(n * sizeof *f);
    for (size_t i = 0; i < n; i++)
        f[i] = random_float();
    return f;
}

static uint16_t *halves_of(float *f, size_t n)
{
    uint16_t *h = malloc(n * sizeof *h);
    for (size_t i = 0; i < n; i++) {
        h[i] = half_from_float(f[i]);
        f[i] = half_to_float(h[i]);
    }
    return h;
}

/* got against a sum in double precision: at most k + 3 roundings of fp32 on the way. */
static bool near(float got, double expected, double magnitude, size_t k)
{
    return fabs(got - expected) <= (double)(k + 3) * 0x1p-24 * magnitude;
}

typedef struct Case {
    const char *name;
    size_t m, n, k, pad_w, pad_x, pad_y;
    bool half_w, half_bias, bias, accumulate;
    MapOp map;
    int calls; /* of the BLAS */
} Case;

static const Case cases[] = {
    {"fp32 weights", 130, 130, 260, 0, 0, 0, false, false, false, false, MAP_NONE, 1},
    {"rows with gaps", 129, 131, 261, 3, 5, 7, false, false, false, false, MAP_NONE, 1},
    {"fp16 weights", 130, 130, 260, 0, 0, 0, true, false, false, false, MAP_NONE, 1},
    {"fp16 weights with gaps", 129, 131, 261, 3, 5, 7, true, false, false, false, MAP_NONE, 1},
    {"fp16 weights in three parts", 1100, 16, 2048, 1, 2, 3, true, true, true, true, MAP_NONE, 3},
    {"bias", 130, 130, 260, 0, 1, 2, true, false, true, false, MAP_NONE, 1},
    {"fp16 bias", 130, 130, 260, 0, 1, 2, false, true, true, false, MAP_NONE, 1},
    {"accumulated", 130, 130, 260, 0, 1, 2, true, false, false, true, MAP_NONE, 1},
    {"accumulated with bias", 130, 130, 260, 0, 1, 2, true, true, true, true, MAP_NONE, 1},
    {"mapped", 130, 130, 260, 0, 1, 2, true, true, true, true, MAP_RELU, 1},
    {"small", 64, 64, 64, 0, 0, 0, true, false, true, false, MAP_NONE, 0},
    {"few columns", 1024, 15, 1024, 0, 0, 0, true, false, true, false, MAP_NONE, 0},
};

static void check_rows(const Case *t, const float *w, const float *bias, const float *x, const float *old,
                       const float *y)
{
    size_t ldw = t->k + t->pad_w, ldx = t->n + t->pad_x, ldy = t->n + t->pad_y;
    int wrong = 0, touched = 0;
    for (size_t i = 0; i < t->m; i++) {
        for (size_t j = 0; j < t->n; j++) {
            double sum = t->bias ? (double)bias[i] : 0, magnitude = fabs(sum);
            if (t->accumulate) {
                sum += old[i * ldy + j];
                magnitude += fabs((double)old[i * ldy + j]);
            }
            for (size_t p = 0; p < t->k; p++) {
                double product = (double)w[i * ldw + p] * x[p * ldx + j];
                sum += product;
                magnitude += fabs(product);
            }
            if (t->map == MAP_RELU && sum < 0)
                sum = 0;
            wrong += !near(y[i * ldy + j], sum, magnitude, t->k);
        }
        for (size_t j = t->n; j < ldy; j++)
            touched += memcmp(&y[i * ldy + j], &old[i * ldy + j], sizeof *y) != 0;
    }
    CHECK_TOLD(!wrong, "%s: %d elements are wrong", t->name, wrong);
    CHECK_TOLD(!touched, "%s: %d elements between the rows were written", t->name, touched);
}

/* sgemm NULL: the stand-in, which counts. */
static void test_linear(const Case *t, int threads, BlasSgemm sgemm)
{
    size_t ldw = t->k + t->pad_w, ldx = t->n + t->pad_x, ldy = t->n + t->pad_y;
    float *w = floats_new(t->m * ldw), *bias = floats_new(t->m), *x = floats_new(t->k * ldx);
    float *y = floats_new(t->m * ldy), *old = malloc(t->m * ldy * sizeof *old);
    uint16_t *half_w = t->half_w ? halves_of(w, t->m * ldw) : NULL;
    uint16_t *half_bias = t->half_bias ? halves_of(bias, t->m) : NULL;
    /* What is not accumulated must not be read. */
    for (size_t i = 0; !t->accumulate && i < t->m * ldy; i++)
        y[i] = NAN;
    memcpy(old, y, t->m * ldy * sizeof *old);

    Linear l = {.m = t->m, .k = t->k, .ldw = ldw, .map = t->map, .accumulate = t->accumulate};
    l.w = half_w ? (Operand){half_w, true} : (Operand){w, false};
    if (t->bias)
        l.bias = half_bias ? (Operand){half_bias, true} : (Operand){bias, false};
    Compute c;
    compute_open(&c, threads);
    CHECK(c.sgemm != NULL);
    if (sgemm)
        c.sgemm = sgemm;
    compute_reserve(&c, compute_gemm_room(&c, t->m, t->n, t->k));
    const void *memory = c.memory;
    *calls = 0;
    compute_linear(&c, &l, x, ldx, t->n, y, ldy);
    CHECK_TOLD(c.memory == memory, "%s: the room is not enough", t->name);
    CHECK_TOLD(sgemm || *calls == t->calls, "%s: %d calls instead of %d", t->name, *calls, t->calls);
    CHECK_TOLD(!complaint[0], "%s: %s", t->name, complaint);
    check_rows(t, w, bias, x, old, y);
    compute_close(&c);
    free(w);
    free(bias);
    free(x);
    free(y);
    free(old);
    free(half_w);
    free(half_bias);
}

static void test_gemm(bool a_transposed, bool b_transposed, BlasSgemm sgemm)
{
    enum { M = 150, N = 170, K = 190 };
    size_t lda = (a_transposed ? M : K) + 3, ldb = (b_transposed ? K : N) + 5, ldc = N + 7;
    float *a = floats_new((a_transposed ? K : M) * lda), *b = floats_new((b_transposed ? N : K) * ldb);
    float *out = malloc(M * ldc * sizeof *out);
    for (size_t i = 0; i < M * ldc; i++)
        out[i] = NAN;
    Gemm g = {M, N, K, a, lda, a_transposed, b, ldb, b_transposed, 0.375f, out, ldc};
    Compute c;
    compute_open(&c, 2);
    if (sgemm)
        c.sgemm = sgemm;
    *calls = 0;
    compute_gemm(&c, &g);
    compute_close(&c);
    int wrong = 0;
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0, magnitude = 0;
            for (size_t p = 0; p < K; p++) {
                double product = (double)a[a_transposed ? p * lda + i : i * lda + p] *
                                 b[b_transposed ? j * ldb + p : p * ldb + j];
                sum += product;
                magnitude += fabs(product);
            }
            wrong += !near(out[i * ldc + j], 0.375 * sum, 0.375 * magnitude, K);
        }
    CHECK_TOLD((sgemm || *calls == 1) && !complaint[0] && !wrong, "A%s B%s: %d calls, %d elements wrong, %s",
               a_transposed ? "^T" : "", b_transposed ? "^T" : "", *calls, wrong, complaint);
    free(a);
    free(b);
    free(out);
}

/* Without one our own kernels do the same work. */
static void test_without(void)
{
    Compute c;
    compute_open(&c, 1);
    size_t with = compute_gemm_room(&c, 4096, 16, 4096);
    c.sgemm = NULL;
    CHECK(blas_room(&c, 4096, 16, 4096) == 0 && compute_gemm_room(&c, 4096, 16, 4096) <= with);
    Linear l = {.w = {"", true}, .m = 4096, .k = 4096, .ldw = 4096};
    Gemm g = {.m = 512, .n = 512, .k = 512};
    *calls = 0;
    CHECK(!blas_linear(&c, &l, NULL, 16, 16, NULL, 16) && !blas_gemm(&c, &g) && *calls == 0);
    compute_close(&c);
}

static void test_finding(const char *library)
{
    Error err;
    CHECK(!blas_find("off", &err) && strstr(err.text, "ANEC_BLAS is off"));
    CHECK(!blas_find("/no/such.so", &err) && strstr(err.text, "/no/such.so: cannot be loaded"));
#if defined(__APPLE__)
    const char *other = "/usr/lib/libSystem.B.dylib";
    CHECK_TOLD(blas_find(NULL, &err), "%s", err.text);
#else
    const char *other = "libm.so.6";
    CHECK(!blas_find(NULL, &err) && !blas_find("", &err));
#endif
    CHECK(!blas_find(other, &err) && strstr(err.text, "has no cblas_sgemm"));
    CHECK_TOLD(blas_find(library, &err) == blas_get(), "%s", err.text);
    CHECK_TEXT(blas_name(), library);
    CHECK(!blas_complaint());
}

/* The same work by a library that people use: Accelerate, or whichever this machine has. */
static void test_real(void)
{
    static const char *const names[] = {"libopenblas.so.0", "libblis.so.4", "libblas.so.3"};
    Error err;
    BlasSgemm sgemm = blas_find(NULL, &err);
    for (size_t i = 0; !sgemm && i < sizeof names / sizeof *names; i++)
        sgemm = blas_find(names[i], &err);
    if (!sgemm) {
        SKIP("no BLAS is installed");
        return;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        test_linear(&cases[i], 2, sgemm);
    for (int i = 0; i < 4; i++)
        test_gemm(i & 1, i & 2, sgemm);
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/');
    char library[4096];
    snprintf(library, sizeof library, "%.*s/cblas.so", slash ? (int)(slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    setenv("ANEC_BLAS", library, 1);
    void *opened = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!opened) {
        printf("%s\n", dlerror());
        return 1;
    }
    calls = dlsym(opened, "cblas_calls");
    complaint = dlsym(opened, "cblas_complaint");
    test_finding(library);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int threads = 1; threads <= 3; threads += 2)
            test_linear(&cases[i], threads, NULL);
    for (int i = 0; i < 4; i++)
        test_gemm(i & 1, i & 2, NULL);
    test_without();
    test_real();
    dlclose(opened);
    return check_report();
}
