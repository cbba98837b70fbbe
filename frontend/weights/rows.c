#include "frontend/weights/rows.h"

#include <string.h>

#include "base/half.h"

/* Portable loops work in runs of a fixed length, which compilers turn into vectors. */
enum { RUN = 64 };

static uint32_t load32(const uint8_t *p)
{
    uint32_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

static uint16_t load16(const uint8_t *p)
{
    uint16_t u;
    memcpy(&u, p, sizeof u);
    return u;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* ---- fp32 to fp16 ---- */

/* half_from_float without branches; what is infinite or no number comes out as infinity. */
static inline uint16_t narrow(uint32_t bits)
{
    uint32_t u = bits & 0x7fffffff;
    uint32_t tiny = float_bits(float_from_bits(u) + 0.5f) - 0x3f000000; /* ulp(0.5) = 2^-24 */
    uint32_t plain = (u + 0xfff + (u >> 13 & 1)) >> 13;
    uint32_t h = u < 0x38800000 ? tiny : plain - (112 << 10);
    h = u >= ROWS_HALF_INFINITY ? 0x7c00 : h;
    return (uint16_t)((bits >> 16 & 0x8000) | h);
}

static uint32_t narrow_portable(const uint8_t *from, uint16_t *to, size_t count)
{
    uint32_t peak = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t u = load32(from + 4 * i);
        peak = larger(peak, u & 0x7fffffff);
        to[i] = narrow(u);
    }
    return peak;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* Every CPU with AVX2 has F16C; not every compiler can ask for F16C by name. */
static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

__attribute__((target("avx2,f16c"))) static uint32_t narrow_avx2(const uint8_t *from, uint16_t *to,
                                                                 size_t count)
{
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i top = _mm256_setzero_si256();
    size_t i = 0;
    for (; count - i >= 16; i += 16) {
        __m256 a = _mm256_loadu_ps((const float *)(const void *)(from + 4 * i));
        __m256 b = _mm256_loadu_ps((const float *)(const void *)(from + 4 * i + 32));
        top = _mm256_max_epu32(top, _mm256_and_si256(_mm256_castps_si256(a), magnitude));
        top = _mm256_max_epu32(top, _mm256_and_si256(_mm256_castps_si256(b), magnitude));
        __m128i low = _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT),
                high = _mm256_cvtps_ph(b, _MM_FROUND_TO_NEAREST_INT);
        _mm256_storeu_si256((__m256i *)(void *)(to + i), _mm256_set_m128i(high, low));
    }
    uint32_t lane[8], peak = narrow_portable(from + 4 * i, to + i, count - i);
    _mm256_storeu_si256((__m256i *)(void *)lane, top);
    for (int k = 0; k < 8; k++)
        peak = larger(peak, lane[k]);
    return peak;
}

__attribute__((target("avx2,f16c"))) static void widen_avx2(const uint8_t *from, float *to, size_t count)
{
    size_t i = 0;
    for (; count - i >= 8; i += 8)
        _mm256_storeu_ps(to + i,
                         _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(from + 2 * i))));
    for (; i < count; i++)
        to[i] = half_to_float(load16(from + 2 * i));
}

#elif defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>

static uint32_t narrow_neon(const uint8_t *from, uint16_t *to, size_t count)
{
    const uint32x4_t magnitude = vdupq_n_u32(0x7fffffff);
    uint32x4_t top = vdupq_n_u32(0);
    size_t i = 0;
    for (; count - i >= 8; i += 8) {
        uint32x4_t a = vreinterpretq_u32_u8(vld1q_u8(from + 4 * i));
        uint32x4_t b = vreinterpretq_u32_u8(vld1q_u8(from + 4 * i + 16));
        top = vmaxq_u32(top, vmaxq_u32(vandq_u32(a, magnitude), vandq_u32(b, magnitude)));
        float16x4_t low = vcvt_f16_f32(vreinterpretq_f32_u32(a)),
                    high = vcvt_f16_f32(vreinterpretq_f32_u32(b));
        vst1q_u16(to + i, vcombine_u16(vreinterpret_u16_f16(low), vreinterpret_u16_f16(high)));
    }
    return larger(vmaxvq_u32(top), narrow_portable(from + 4 * i, to + i, count - i));
}

static void widen_neon(const uint8_t *from, float *to, size_t count)
{
    size_t i = 0;
    for (; count - i >= 4; i += 4)
        vst1q_f32(to + i, vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(from + 2 * i))));
    for (; i < count; i++)
        to[i] = half_to_float(load16(from + 2 * i));
}
#endif

uint32_t rows_f32_to_f16(const uint8_t *from, uint16_t *to, size_t count)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (has_avx2())
        return narrow_avx2(from, to, count);
#elif defined(__aarch64__) && defined(__ARM_NEON)
    return narrow_neon(from, to, count);
#endif
    return narrow_portable(from, to, count);
}

void rows_f16_to_f32(const uint8_t *from, float *to, size_t count)
{
#if defined(__x86_64__) && defined(__GNUC__)
    if (has_avx2()) {
        widen_avx2(from, to, count);
        return;
    }
#elif defined(__aarch64__) && defined(__ARM_NEON)
    widen_neon(from, to, count);
    return;
#endif
    for (size_t i = 0; i < count; i++)
        to[i] = half_to_float(load16(from + 2 * i));
}

/* ---- the others ---- */

uint32_t rows_f32_to_f32(const uint8_t *from, float *to, size_t count)
{
    uint32_t top[RUN] = {0}, peak = 0;
    size_t i = 0;
    for (; count - i >= RUN; i += RUN) {
        uint32_t run[RUN];
        memcpy(run, from + 4 * i, sizeof run);
        memcpy(to + i, run, sizeof run);
        for (int k = 0; k < RUN; k++)
            top[k] = larger(top[k], run[k] & 0x7fffffff);
    }
    for (int k = 0; k < RUN; k++)
        peak = larger(peak, top[k]);
    for (; i < count; i++) {
        uint32_t u = load32(from + 4 * i);
        peak = larger(peak, u & 0x7fffffff);
        to[i] = float_from_bits(u);
    }
    return peak;
}

uint32_t rows_f16_to_f16(const uint8_t *from, uint16_t *to, size_t count)
{
    uint16_t top[RUN] = {0};
    size_t i = 0;
    for (; count - i >= RUN; i += RUN) {
        uint16_t run[RUN];
        memcpy(run, from + 2 * i, sizeof run);
        memcpy(to + i, run, sizeof run);
        for (int k = 0; k < RUN; k++) {
            uint16_t u = run[k] & 0x7fff;
            top[k] = u > top[k] ? u : top[k];
        }
    }
    uint32_t peak = 0;
    for (int k = 0; k < RUN; k++)
        peak = larger(peak, top[k]);
    for (; i < count; i++) {
        to[i] = load16(from + 2 * i);
        peak = larger(peak, to[i] & 0x7fff);
    }
    return peak >= 0x7c00 ? ROWS_INFINITY : 0;
}

void rows_bf16_to_f32(const uint8_t *from, float *to, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = bf16_to_float(load16(from + 2 * i));
}

void rows_f64_to_f32(const uint8_t *from, float *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double d;
        memcpy(&d, from + 8 * i, sizeof d);
        to[i] = (float)d;
    }
}

/* ---- transposing ---- */

#if defined(__x86_64__) && defined(__GNUC__)
/* Eight rows of eight, as three rounds of interleaving. */
static void transpose8(const uint16_t *from, size_t from_pitch, uint16_t *to, size_t to_pitch)
{
    __m128i a[8], b[8];
    for (size_t i = 0; i < 8; i++)
        a[i] = _mm_loadu_si128((const __m128i *)(const void *)(from + i * from_pitch));
    for (size_t i = 0; i < 4; i++) {
        b[2 * i] = _mm_unpacklo_epi16(a[i], a[i + 4]);
        b[2 * i + 1] = _mm_unpackhi_epi16(a[i], a[i + 4]);
    }
    for (size_t i = 0; i < 4; i++) {
        a[2 * i] = _mm_unpacklo_epi16(b[i], b[i + 4]);
        a[2 * i + 1] = _mm_unpackhi_epi16(b[i], b[i + 4]);
    }
    for (size_t i = 0; i < 4; i++) {
        _mm_storeu_si128((__m128i *)(void *)(to + 2 * i * to_pitch), _mm_unpacklo_epi16(a[i], a[i + 4]));
        _mm_storeu_si128((__m128i *)(void *)(to + (2 * i + 1) * to_pitch),
                         _mm_unpackhi_epi16(a[i], a[i + 4]));
    }
}

#elif defined(__aarch64__) && defined(__ARM_NEON)
static void transpose8(const uint16_t *from, size_t from_pitch, uint16_t *to, size_t to_pitch)
{
    uint16x8_t a[8], b[8];
    for (size_t i = 0; i < 8; i++)
        a[i] = vld1q_u16(from + i * from_pitch);
    for (size_t i = 0; i < 4; i++) {
        b[2 * i] = vzip1q_u16(a[i], a[i + 4]);
        b[2 * i + 1] = vzip2q_u16(a[i], a[i + 4]);
    }
    for (size_t i = 0; i < 4; i++) {
        a[2 * i] = vzip1q_u16(b[i], b[i + 4]);
        a[2 * i + 1] = vzip2q_u16(b[i], b[i + 4]);
    }
    for (size_t i = 0; i < 4; i++) {
        vst1q_u16(to + 2 * i * to_pitch, vzip1q_u16(a[i], a[i + 4]));
        vst1q_u16(to + (2 * i + 1) * to_pitch, vzip2q_u16(a[i], a[i + 4]));
    }
}

#else
static void transpose8(const uint16_t *from, size_t from_pitch, uint16_t *to, size_t to_pitch)
{
    for (size_t c = 0; c < 8; c++)
        for (size_t r = 0; r < 8; r++)
            to[c * to_pitch + r] = from[r * from_pitch + c];
}
#endif

void rows_transpose16(const uint16_t *from, size_t from_pitch, uint16_t *to, size_t to_pitch, size_t rows,
                      size_t columns)
{
    size_t high = rows / 8 * 8, wide = columns / 8 * 8;
    for (size_t c = 0; c < wide; c += 8)
        for (size_t r = 0; r < high; r += 8)
            transpose8(from + r * from_pitch + c, from_pitch, to + c * to_pitch + r, to_pitch);
    for (size_t c = 0; c < columns; c++)
        for (size_t r = c < wide ? high : 0; r < rows; r++)
            to[c * to_pitch + r] = from[r * from_pitch + c];
}
