/* AVX-512 F, BW, VL, DQ: 16 floats a vector, a register block of 14 x 32. The transposition is AVX2's. */
#include "base/half.h"
#include "runtime/kernels/levels.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))
typedef __m512 V;
enum { W = 16, MR = 14, NV = 2, VECTORS = KERNEL_BLOCK / W };

/* clang-format off */
INLINE V vset(float x) { return _mm512_set1_ps(x); }
INLINE V vload(const float *p) { return _mm512_loadu_ps(p); }
INLINE void vstore(float *p, V v) { _mm512_storeu_ps(p, v); }
INLINE V vadd(V a, V b) { return _mm512_add_ps(a, b); }
INLINE V vsub(V a, V b) { return _mm512_sub_ps(a, b); }
INLINE V vmul(V a, V b) { return _mm512_mul_ps(a, b); }
INLINE V vdiv(V a, V b) { return _mm512_div_ps(a, b); }
INLINE V vsqrt(V a) { return _mm512_sqrt_ps(a); }
INLINE V vmax(V a, V b) { return _mm512_max_ps(a, b); }
INLINE V vmin(V a, V b) { return _mm512_min_ps(a, b); }
INLINE V vfma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
INLINE V vfnma(V a, V b, V c) { return _mm512_fnmadd_ps(a, b, c); }
INLINE V vabs(V a) { return _mm512_abs_ps(a); }
INLINE V vround(V a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE V vcopysign(V a, V b) { return _mm512_or_ps(vabs(a), _mm512_and_ps(vset(-0.0f), b)); }
INLINE V vscale2(V a, V n) { return _mm512_scalef_ps(a, n); }
INLINE float vsum(V a) { return _mm512_reduce_add_ps(a); }
INLINE float vmost(V a) { return _mm512_reduce_max_ps(a); }
INLINE V vload_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
/* clang-format on */

INLINE V vless(V a, V b, V x, V y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

INLINE void vstore_whole(int16_t *p, V v)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(v)));
}

INLINE V vblock(const int8_t *w, const int16_t *n)
{
    __m512i wide = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)w));
    return _mm512_cvtepi32_ps(_mm512_madd_epi16(wide, _mm512_loadu_si512(n)));
}

INLINE __mmask16 first(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

INLINE V vload_part(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(first(n), p);
}

INLINE void vstore_part(float *p, V v, size_t n)
{
    _mm512_mask_storeu_ps(p, first(n), v);
}

INLINE V vload_half_part(const uint16_t *p, size_t n)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p));
}

INLINE __m256i to_half(V v)
{
    return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE void vstore_half(uint16_t *p, V v)
{
    _mm256_storeu_si256((__m256i *)p, to_half(v));
}

INLINE void vstore_half_part(uint16_t *p, V v, size_t n)
{
    _mm256_mask_storeu_epi16(p, first(n), to_half(v));
}

INLINE __m256 fold(V a)
{
    return _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
}

INLINE void vsum4(float *out, V a, V b, V c, V d)
{
    __m256 pairs = _mm256_hadd_ps(_mm256_hadd_ps(fold(a), fold(b)), _mm256_hadd_ps(fold(c), fold(d)));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1)));
}

INLINE void vload_q8(V *out, const int8_t *p)
{
    UNROLL for (int i = 0; i < VECTORS; i++) out[i] =
        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p + i * W))));
}

#include "runtime/kernels/leaves.inc"
#include "runtime/kernels/q8.inc"

bool kernels_init_avx512(Kernels *k)
{
    set_leaves(k);
    set_q8_leaves(k);
    return true;
}
#else
bool kernels_init_avx512(Kernels *k)
{
    (void)k;
    return false;
}
#endif
