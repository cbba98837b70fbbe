/* AVX2, FMA and F16C: 8 floats a vector, a register block of 6 x 16. */
#include "base/half.h"
#include "runtime/kernels/levels.h"

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define SQUARE 8
typedef __m256 V;
enum { W = 8, MR = 6, NV = 2, VECTORS = KERNEL_BLOCK / W };

/* clang-format off */
INLINE V vset(float x) { return _mm256_set1_ps(x); }
INLINE V vload(const float *p) { return _mm256_loadu_ps(p); }
INLINE void vstore(float *p, V v) { _mm256_storeu_ps(p, v); }
INLINE V vadd(V a, V b) { return _mm256_add_ps(a, b); }
INLINE V vsub(V a, V b) { return _mm256_sub_ps(a, b); }
INLINE V vmul(V a, V b) { return _mm256_mul_ps(a, b); }
INLINE V vdiv(V a, V b) { return _mm256_div_ps(a, b); }
INLINE V vsqrt(V a) { return _mm256_sqrt_ps(a); }
INLINE V vmax(V a, V b) { return _mm256_max_ps(a, b); }
INLINE V vmin(V a, V b) { return _mm256_min_ps(a, b); }
INLINE V vfma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
INLINE V vfnma(V a, V b, V c) { return _mm256_fnmadd_ps(a, b, c); }
INLINE V vabs(V a) { return _mm256_andnot_ps(vset(-0.0f), a); }
INLINE V vround(V a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE V vless(V a, V b, V x, V y) { return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ)); }
INLINE V vcopysign(V a, V b) { return _mm256_or_ps(vabs(a), _mm256_and_ps(vset(-0.0f), b)); }
INLINE V vload_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
/* clang-format on */

/* All ones in the first n lanes. */
INLINE __m256i first(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE V vload_part(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, first(n));
}

INLINE void vstore_part(float *p, V v, size_t n)
{
    _mm256_maskstore_ps(p, first(n), v);
}

INLINE __m128i to_half(V v)
{
    return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE void vstore_whole(int16_t *p, V v)
{
    __m256i n = _mm256_cvtps_epi32(v);
    __m128i low = _mm256_castsi256_si128(n), high = _mm256_extracti128_si256(n, 1);
    _mm_storeu_si128((__m128i *)p, _mm_packs_epi32(low, high));
}

INLINE __m256i half_block(const int8_t *w, const int16_t *n)
{
    __m256i wide = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w));
    return _mm256_madd_epi16(wide, _mm256_loadu_si256((const __m256i *)n));
}

INLINE V vblock(const int8_t *w, const int16_t *n)
{
    return _mm256_cvtepi32_ps(_mm256_add_epi32(half_block(w, n), half_block(w + 16, n + 16)));
}

INLINE V vload_half_part(const uint16_t *p, size_t n)
{
    uint16_t some[W] = {0};
    memcpy(some, p, n * sizeof *p);
    return vload_half(some);
}

INLINE void vstore_half(uint16_t *p, V v)
{
    _mm_storeu_si128((__m128i *)p, to_half(v));
}

INLINE void vstore_half_part(uint16_t *p, V v, size_t n)
{
    uint16_t some[W];
    vstore_half(some, v);
    memcpy(p, some, n * sizeof *p);
}

/* 2^n for whole |n| < 127 */
INLINE V power2(__m256i n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}

/* In two steps, because 2^n itself may be no float; only the second one can round. */
INLINE V vscale2(V a, V n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    return vmul(vmul(a, power2(half)), power2(_mm256_sub_epi32(whole, half)));
}

/* Both halves added up as ((0 + 1) + (2 + 3)); the same order as vsum, so that the two agree. */
INLINE void vsum4(float *out, V a, V b, V c, V d)
{
    V pairs = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

INLINE float vsum(V a)
{
    float out[4];
    vsum4(out, a, a, a, a);
    return out[0];
}

INLINE float vmost(V a)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

INLINE void transpose_square(float *y, size_t ldy, const float *x, size_t ldx)
{
    V r[8], s[8];
    for (int i = 0; i < 8; i++)
        r[i] = vload(x + (size_t)i * ldx);
    for (int i = 0; i < 4; i++) {
        s[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        s[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        vstore(y + (size_t)i * ldy, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        vstore(y + (size_t)(i + 4) * ldy, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

INLINE void vload_q8(V *out, const int8_t *p)
{
    UNROLL for (int i = 0; i < VECTORS; i++) out[i] =
        _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p + i * W))));
}

#include "runtime/kernels/leaves.inc"
#include "runtime/kernels/q8.inc"

bool kernels_init_avx2(Kernels *k)
{
    set_leaves(k);
    set_q8_leaves(k);
    return true;
}
#else
bool kernels_init_avx2(Kernels *k)
{
    (void)k;
    return false;
}
#endif
