#include "backend/quantise.h"

#include <math.h>

#include "base/half.h"
#include "ir/ir.h"

static uint16_t scale_of(const float *x)
{
    float most = 0;
    for (int i = 0; i < WEIGHT_BLOCK; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return half_from_float(most / 127);
}

bool quantise_scales(const float *x, int64_t blocks, uint16_t *scale)
{
    bool finite = true;
    for (int64_t i = 0; i < blocks; i++) {
        scale[i] = scale_of(x + i * WEIGHT_BLOCK);
        finite &= isfinite(half_to_float(scale[i])) != 0;
    }
    return finite;
}

/* A scale that was rounded down, or that is among fp16's smallest, leaves numbers above 127. */
static int8_t round_number(float x)
{
    return (int8_t)lrintf(x > 127 ? 127 : x < -127 ? -127 : x);
}

void quantise_numbers(const float *x, int64_t blocks, int8_t *q)
{
    for (int64_t i = 0; i < blocks; i++, x += WEIGHT_BLOCK, q += WEIGHT_BLOCK) {
        float scale = half_to_float(scale_of(x));
        for (int k = 0; k < WEIGHT_BLOCK; k++)
            q[k] = scale > 0 ? round_number(x[k] / scale) : 0;
    }
}
