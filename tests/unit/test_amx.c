/* What tiles of bf16 numbers could get wrong, on tiles in plain C where the CPU has none: numbers that are
 * not finite, the work for a block, a level that computes wrongly. test_kernels.c compares its products. */
#include <float.h>
#include <math.h>

#include "base/half.h"
#include "tests/support/libamx.h"
#include "tests/unit/check.h"

static bool is_about(float got, double want)
{
    if (isnan(want))
        return isnan(got);
    if (fabs(want) > (double)FLT_MAX)
        return got == copysignf(INFINITY, (float)want);
    return fabs(got - want) <= 1e-6 * fabs(want);
}

/* Infinities and NaN on either side, where parts of numbers are 0: what IEEE makes of the whole numbers. */
static void test_tile_specials(Compute *c)
{
    enum { M = 5, N = 3, K = 40, COUNT = 7 };
    static const float special[COUNT] = {INFINITY, -INFINITY, NAN, 0, 0x1p-133f, 3.4e38f, 1};
    uint16_t w[M * K];
    float x[K * N], y[M * N];
    for (size_t s = 0; s < COUNT * COUNT; s++) {
        float left = special[s / COUNT], right = special[s % COUNT];
        for (size_t i = 0; i < M * K; i++)
            w[i] = half_from_float(i % K == 33 ? left : 0.75f);
        for (size_t i = 0; i < K * N; i++)
            x[i] = i / N == 33 ? right : 0.5f;
        Linear l = {.w = {w, true}, .m = M, .k = K, .ldw = K};
        compute_linear(c, &l, x, N, N, y, N);
        double want = 39 * 0.375 + (double)half_to_float(w[33]) * right;
        int wrong = 0;
        for (size_t i = 0; i < M * N; i++)
            wrong += !is_about(y[i], want);
        CHECK_TOLD(wrong == 0, "%g times %g gives %g", (double)left, (double)right, (double)y[0]);
    }
}

/* 256 deep: 8 groups of 5 products of parts for 4 tiles of sums. */
static void test_tile_work(const Kernels *k)
{
    const Kernels *tiles = k->halves;
    static _Alignas(64) float left[32 * 256], right[48 * 256], c[32 * 32];
    amx_work();
    tiles->enter();
    tiles->tile(256, left, right, c, 32, NULL, false, NULL);
    AmxWork whole = amx_work();
    tiles->tile_half(256, left, right, c, 32, NULL, false, NULL);
    AmxWork half = amx_work();
    tiles->leave();
    CHECK(whole.dots == 8 * 20 && whole.loads == 8 * 12);
    CHECK(half.dots == 8 * 10 && half.loads == 8 * 8);
}

int main(void)
{
    Kernels k;
    if (!kernels_for(LEVEL_AVX512)) {
        SKIP("no AVX-512: the kernels of AMX are not tested");
        return check_report();
    }
    CHECK(amx_in_c(&k, 0));
    if (!k.halves)
        return check_report();
    Compute c;
    compute_open(&c, 1);
    c.kernels = &k;
    c.sgemm = NULL;
    test_tile_specials(&c);
    test_tile_work(&k);
    compute_close(&c);
    CHECK(!amx_in_c(&k, 0x80000000u) && !amx_in_c(&k, 0x00000100u) && !amx_in_c(&k, 0x7f800000u));
    return check_report();
}
