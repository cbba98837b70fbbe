#include "backend/quantise.h"

#include <math.h>
#include <string.h>

#include "base/half.h"
#include "ir/ir.h"

/* Plain loops over arrays, which compilers make vectors of. The bits of magnitudes are ordered as they are.
 */
static uint16_t scale_of(const float *x)
{
    uint32_t bits[WEIGHT_BLOCK], most = 0;
    memcpy(bits, x, sizeof bits);
    for (int i = 0; i < WEIGHT_BLOCK; i++)
        most = (bits[i] & 0x7fffffff) > most ? bits[i] & 0x7fffffff : most;
    return half_from_float(float_from_bits(most) / 127);
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

/* A scale that was rounded down, or that is among fp16's smallest, leaves numbers above 127. With 1.5 * 2^23
 * added to it a float has the nearest whole number in its lowest bits. */
static void round_block(const float *x, float scale, int8_t *q)
{
    float n[WEIGHT_BLOCK];
    uint32_t bits[WEIGHT_BLOCK];
    for (int k = 0; k < WEIGHT_BLOCK; k++)
        n[k] = x[k] / scale;
    for (int k = 0; k < WEIGHT_BLOCK; k++)
        n[k] = n[k] > 127 ? 127 : n[k];
    for (int k = 0; k < WEIGHT_BLOCK; k++)
        n[k] = (n[k] < -127 ? -127 : n[k]) + 0x1.8p23f;
    memcpy(bits, n, sizeof bits);
    for (int k = 0; k < WEIGHT_BLOCK; k++)
        q[k] = (int8_t)(bits[k] - 0x4b400000u);
}

void quantise_numbers(const float *x, int64_t blocks, int8_t *q)
{
    for (int64_t i = 0; i < blocks; i++, x += WEIGHT_BLOCK, q += WEIGHT_BLOCK) {
        float scale = half_to_float(scale_of(x));
        if (scale > 0)
            round_block(x, scale, q);
        else
            memset(q, 0, WEIGHT_BLOCK);
    }
}
