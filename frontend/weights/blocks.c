#include "frontend/weights/blocks.h"

#include <string.h>

#include "base/half.h"

static float half_at(const uint8_t *p)
{
    return half_to_float((uint16_t)(p[0] | p[1] << 8));
}

/* fp16 scale, 16 bytes: the low nibbles are elements 0..15, the high ones 16..31; 8 stands for zero. */
void block_q4_0(const uint8_t *from, float *to)
{
    float d = half_at(from);
    for (int i = 0; i < 16; i++) {
        to[i] = d * (float)((from[2 + i] & 15) - 8);
        to[i + 16] = d * (float)((from[2 + i] >> 4) - 8);
    }
}

/* fp16 scale, 32 signed bytes. */
void block_q8_0(const uint8_t *from, float *to)
{
    float d = half_at(from);
    for (int i = 0; i < 32; i++)
        to[i] = d * (float)(int8_t)from[2 + i];
}

/* Eight 6-bit scales and eight 6-bit minima in 12 bytes: the first four of each in the low six bits of bytes
 * 0..3 and 4..7; of the others, the low four bits in bytes 8..11 and the high two on top of bytes 0..7. */
static void scale_and_minimum(const uint8_t *packed, int i, float *scale, float *minimum)
{
    if (i < 4) {
        *scale = (float)(packed[i] & 63);
        *minimum = (float)(packed[i + 4] & 63);
        return;
    }
    *scale = (float)((packed[i + 4] & 15) | packed[i - 4] >> 6 << 4);
    *minimum = (float)(packed[i + 4] >> 4 | packed[i] >> 6 << 4);
}

/* Eight runs of 32 nibbles, two to a row of 32 bytes; `high` (or NULL) holds a fifth bit, run r in bit r. */
static void k_runs(const uint8_t *from, const uint8_t *high, const uint8_t *nibbles, float *to)
{
    float d = half_at(from), least = half_at(from + 2);
    for (int run = 0; run < 8; run++) {
        float scale, minimum;
        scale_and_minimum(from + 4, run, &scale, &minimum);
        for (int i = 0; i < 32; i++) {
            int q = nibbles[run / 2 * 32 + i] >> run % 2 * 4 & 15;
            if (high)
                q += (high[i] >> run & 1) << 4;
            to[32 * run + i] = d * scale * (float)q - least * minimum;
        }
    }
}

/* fp16 scale of the scales, fp16 scale of the minima, 12 bytes of both, 128 bytes of nibbles. */
void block_q4_k(const uint8_t *from, float *to)
{
    k_runs(from, NULL, from + 16, to);
}

/* As Q4_K with 32 bytes of fifth bits before the nibbles. */
void block_q5_k(const uint8_t *from, float *to)
{
    k_runs(from, from + 16, from + 48, to);
}

/* 128 bytes of low nibbles, 64 bytes of high bit pairs, 16 signed scales, fp16 scale; 32 stands for zero.
 * Each half of the block is four runs of 32 elements, with a scale for every 16. */
void block_q6_k(const uint8_t *from, float *to)
{
    float d = half_at(from + 208);
    for (int run = 0; run < 8; run++) {
        int half = run / 4, quarter = run % 4;
        const uint8_t *low = from + 64 * half + 32 * (quarter % 2), *high = from + 128 + 32 * half;
        for (int i = 0; i < 32; i++) {
            int q = (low[i] >> quarter / 2 * 4 & 15) | (high[i] >> 2 * quarter & 3) << 4;
            to[32 * run + i] = d * (float)(int8_t)from[192 + 2 * run + i / 16] * (float)(q - 32);
        }
    }
}
