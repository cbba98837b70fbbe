/* Weights in 8 bits: what is stored of a block, and what weight files say of it. */
#include <math.h>

#include "backend/quantise.h"
#include "base/half.h"
#include "ir/ir.h"
#include "tests/unit/check.h"

static float x[WEIGHT_BLOCK];
static int8_t q[WEIGHT_BLOCK];

static double quantise(void)
{
    uint16_t scale = 0;
    CHECK(quantise_scales(x, 1, &scale));
    quantise_numbers(x, 1, q);
    return half_to_float(scale);
}

static void fill(float value)
{
    for (int i = 0; i < WEIGHT_BLOCK; i++)
        x[i] = value;
}

/* Numbers that are whole multiples of a scale that fp16 has come back as they were. */
static void test_exact(void)
{
    for (int i = 0; i < WEIGHT_BLOCK; i++)
        x[i] = (float)(i * 8 - 121) * 0.03125f;
    CHECK(quantise() == 0.03125 && q[0] == -121 && q[1] == -113 && q[31] == 127);
    x[31] = -3.96875f;
    CHECK(quantise() == 0.03125 && q[31] == -127);
}

/* Half a step, and what rounding the scale to fp16 takes from the largest number: 127 * 2^-11 of a step. */
static void test_bound(void)
{
    double worst = 0;
    for (int round = 0; round < 200; round++) {
        for (int i = 0; i < WEIGHT_BLOCK; i++)
            x[i] = sinf((float)(37 * round + 11 * i)) * ldexpf(1, round % 12 - 4);
        double scale = quantise();
        for (int i = 0; i < WEIGHT_BLOCK; i++) { /* with fmax, GCC 12 for aarch64 fails on this loop */
            double off = fabs(q[i] * scale - (double)x[i]) / scale;
            worst = off > worst ? off : worst;
        }
    }
    CHECK_TOLD(worst <= 0.5 + 127.0 / 2048 && worst > 0.45, "%g of a step", worst);
}

static void test_ends(void)
{
    fill(0);
    CHECK(quantise() == 0 && q[0] == 0);
    fill(1e-9f); /* its scale would be below fp16's smallest number */
    CHECK(quantise() == 0 && q[5] == 0);
    fill(4e-6f); /* half of fp16's smallest number and more is rounded up to it */
    CHECK(quantise() == 0x1p-24 && q[5] == 67);
    fill(65504);
    CHECK(fabs(quantise() * q[0] - 65504) <= 65504.0 / 2048);
    fill(9e6f);
    uint16_t scale;
    CHECK(!quantise_scales(x, 1, &scale)); /* 70866: beyond fp16 */
}

int main(void)
{
    test_exact();
    test_bound();
    test_ends();
    return check_report();
}
