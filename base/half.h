/* 16-bit floats, exactly: IEEE binary16 with round-to-nearest-even (subnormals and infinities included; a NaN
 * stays a NaN) and bfloat16. The kernels have their own vector forms; these define the meaning. */
#ifndef BASE_HALF_H
#define BASE_HALF_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t float_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float float_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
    if (exponent == 31)
        return float_from_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent)
        return float_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    float tiny = (float)mantissa * 0x1p-24f;
    return sign ? -tiny : tiny;
}

static inline uint16_t half_from_float(float f)
{
    uint32_t u = float_bits(f);
    uint16_t sign = (uint16_t)(u >> 16 & 0x8000);
    u &= 0x7fffffff;
    if (u > 0x7f800000)
        return (uint16_t)(sign | 0x7e00); /* NaN */
    if (u >= 0x477ff000)
        return (uint16_t)(sign | 0x7c00); /* 65520 and above round to infinity */
    if (u < 0x38800000) {                 /* subnormal or zero: let the FPU round at 2^-24 */
        float rounded = float_from_bits(u) + 0.5f; /* ulp(0.5) = 2^-24 */
        return (uint16_t)(sign | (float_bits(rounded) - 0x3f000000));
    }
    u += 0xfff + (u >> 13 & 1);
    return (uint16_t)(sign | ((u >> 13) - (112 << 10)));
}

static inline float bf16_to_float(uint16_t b)
{
    return float_from_bits((uint32_t)b << 16);
}

#endif
