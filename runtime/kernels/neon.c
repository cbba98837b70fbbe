/* NEON of ARMv8.2: 4 floats a vector, a register block of 5 x 16. */
#include "base/half.h"
#include "runtime/kernels/levels.h"

#if defined(__aarch64__) && defined(__ARM_NEON)
#include <arm_neon.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
#define SQUARE 4
typedef float32x4_t V;
enum { W = 4, MR = 5, NV = 4, VECTORS = KERNEL_BLOCK / W };

/* clang-format off */
INLINE V vset(float x) { return vdupq_n_f32(x); }
INLINE V vload(const float *p) { return vld1q_f32(p); }
INLINE void vstore(float *p, V v) { vst1q_f32(p, v); }
INLINE V vadd(V a, V b) { return vaddq_f32(a, b); }
INLINE V vsub(V a, V b) { return vsubq_f32(a, b); }
INLINE V vmul(V a, V b) { return vmulq_f32(a, b); }
INLINE V vdiv(V a, V b) { return vdivq_f32(a, b); }
INLINE V vsqrt(V a) { return vsqrtq_f32(a); }
INLINE V vmax(V a, V b) { return vmaxq_f32(a, b); }
INLINE V vmin(V a, V b) { return vminq_f32(a, b); }
INLINE V vfma(V a, V b, V c) { return vfmaq_f32(c, a, b); }
INLINE V vfnma(V a, V b, V c) { return vfmsq_f32(c, a, b); }
INLINE V vabs(V a) { return vabsq_f32(a); }
INLINE V vround(V a) { return vrndnq_f32(a); }
INLINE V vless(V a, V b, V x, V y) { return vbslq_f32(vcltq_f32(a, b), x, y); }
INLINE V vcopysign(V a, V b) { return vbslq_f32(vdupq_n_u32(0x80000000), b, a); }
INLINE float vmost(V a) { return vmaxvq_f32(a); }
/* clang-format on */

INLINE V vload_part(const float *p, size_t n)
{
    float some[W] = {0};
    memcpy(some, p, n * sizeof *p);
    return vload(some);
}

INLINE void vstore_part(float *p, V v, size_t n)
{
    float some[W];
    vstore(some, v);
    memcpy(p, some, n * sizeof *p);
}

INLINE void vstore_whole(int16_t *p, V v)
{
    vst1_s16(p, vqmovn_s32(vcvtnq_s32_f32(v)));
}

INLINE V vblock(const int8_t *w, const int16_t *n)
{
    int32x4_t sum = vdupq_n_s32(0);
    UNROLL for (int i = 0; i < 32; i += 16) {
        int8x16_t bytes = vld1q_s8(w + i);
        int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
        int16x8_t n0 = vld1q_s16(n + i), n1 = vld1q_s16(n + i + 8);
        sum = vmlal_s16(sum, vget_low_s16(low), vget_low_s16(n0));
        sum = vmlal_high_s16(sum, low, n0);
        sum = vmlal_s16(sum, vget_low_s16(high), vget_low_s16(n1));
        sum = vmlal_high_s16(sum, high, n1);
    }
    return vcvtq_f32_s32(sum);
}

INLINE V vload_half(const uint16_t *p)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
}

INLINE V vload_half_part(const uint16_t *p, size_t n)
{
    uint16_t some[W] = {0};
    memcpy(some, p, n * sizeof *p);
    return vload_half(some);
}

INLINE void vstore_half(uint16_t *p, V v)
{
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}

INLINE void vstore_half_part(uint16_t *p, V v, size_t n)
{
    uint16_t some[W];
    vstore_half(some, v);
    memcpy(p, some, n * sizeof *p);
}

/* 2^n for whole |n| < 127 */
INLINE V power2(int32x4_t n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}

/* In two steps, because 2^n itself may be no float; only the second one can round. */
INLINE V vscale2(V a, V n)
{
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    return vmul(vmul(a, power2(half)), power2(vsubq_s32(whole, half)));
}

INLINE void vsum4(float *out, V a, V b, V c, V d)
{
    vstore(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
}

INLINE float vsum(V a)
{
    return vaddvq_f32(a);
}

INLINE void transpose_square(float *y, size_t ldy, const float *x, size_t ldx)
{
    V a = vload(x), b = vload(x + ldx), c = vload(x + 2 * ldx), d = vload(x + 3 * ldx);
    V ac0 = vzip1q_f32(a, c), ac1 = vzip2q_f32(a, c), bd0 = vzip1q_f32(b, d), bd1 = vzip2q_f32(b, d);
    vstore(y, vzip1q_f32(ac0, bd0));
    vstore(y + ldy, vzip2q_f32(ac0, bd0));
    vstore(y + 2 * ldy, vzip1q_f32(ac1, bd1));
    vstore(y + 3 * ldy, vzip2q_f32(ac1, bd1));
}

INLINE void vload_q8(V *out, const int8_t *p)
{
    UNROLL for (int i = 0; i < VECTORS; i += 4)
    {
        int8x16_t bytes = vld1q_s8(p + i * W);
        int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
        out[i] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
        out[i + 1] = vcvtq_f32_s32(vmovl_high_s16(low));
        out[i + 2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
        out[i + 3] = vcvtq_f32_s32(vmovl_high_s16(high));
    }
}

#include "runtime/kernels/leaves.inc"
#include "runtime/kernels/q8.inc"

bool kernels_init_neon(Kernels *k)
{
    set_leaves(k);
    set_q8_leaves(k);
    return true;
}
#else
bool kernels_init_neon(Kernels *k)
{
    (void)k;
    return false;
}
#endif
