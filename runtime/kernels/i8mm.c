/* NEON with FEAT_I8MM, which Apple's chips have from the M2 on: for weights of 8 bits, an instruction
 * multiplies eight columns of two rows with both parts of x (split.inc), 32 products in place of sdot's 16.
 * The price is that two rows have to be brought side by side. The rest is that of the level below. */
#include "runtime/kernels/levels.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_MATMUL_INT8)
#include "runtime/kernels/split.inc"

enum { PAIRS = ROWS / 2 };

/* Of eight columns each: the high parts, then the low ones. Each scale twice. */
static void input_take(Input *in, const float *x, size_t n)
{
    in->n = n;
    for (size_t b = 0; b * BLOCK < n || b % (STEP / BLOCK); b++) {
        int8_t high[BLOCK], low[BLOCK], *part = in->part + 2 * BLOCK * b;
        in->scale[2 * b] = in->scale[2 * b + 1] = split_at(high, low, x, n, b);
        for (int i = 0; i < BLOCK; i += 8) {
            memcpy(part + 2 * i, high + i, 8);
            memcpy(part + 2 * i + 8, low + i, 8);
        }
    }
}

/* Clang makes two instructions of this, and of a product with 256 that it sees. */
#if defined(__GNUC__)
INLINE int8x16_t first_halves(int8x16_t a, int8x16_t b)
{
    int8x16_t out;
    __asm__("zip1 %0.2d, %1.2d, %2.2d" : "=w"(out) : "w"(a), "w"(b));
    return out;
}
#define HIDE(v) __asm__("" : "+w"(v))
#else
INLINE int8x16_t first_halves(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s64(vzip1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}
#define HIDE(v) ((void)(v))
#endif

INLINE int8x16_t second_halves(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s64(vzip2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

/* A block of x in registers. */
typedef struct Parts {
    int8x16_t eight[4];
} Parts;

/* A block of two rows: the first one's product with the high parts, with the low parts, the second one's. */
INLINE int32x4_t dot_block(const int8x16_t *one, const int8x16_t *two, const Parts *x)
{
    int32x4_t sum = vmmlaq_s32(vdupq_n_s32(0), first_halves(one[0], two[0]), x->eight[0]);
    sum = vmmlaq_s32(sum, second_halves(one[0], two[0]), x->eight[1]);
    sum = vmmlaq_s32(sum, first_halves(one[1], two[1]), x->eight[2]);
    return vmmlaq_s32(sum, second_halves(one[1], two[1]), x->eight[3]);
}

/* Of two blocks: both rows' products with the first, then with the second, as floats. */
INLINE float32x4_t join_parts(int32x4_t first, int32x4_t second, int32x4_t by)
{
    return vcvtq_f32_s32(vmlaq_s32(vuzp2q_s32(first, second), vuzp1q_s32(first, second), by));
}

#define LOAD_PARTS(p, half, other_half, x)                                                                   \
    do {                                                                                                     \
        LOAD_PAIR(p, half, (x).eight[0], (x).eight[1]);                                                      \
        LOAD_PAIR(p, other_half, (x).eight[2], (x).eight[3]);                                                \
    } while (0)

/* Of rows 2 i and 2 i + 1, block by block: lanes 0 and 2 of sum[i] += the products of the first one, lanes 1
 * and 3 those of the second one. Blocks 2 and 3 come first: what moves the pointers on is the load of block
 * 0. */
INLINE void add_step(float32x4_t *sum, Places *p, const int8_t *part, const float *scale, int32x4_t by,
                     int pairs)
{
    float32x4_t last[PAIRS], s01 = vld1q_f32(scale), s23 = vld1q_f32(scale + 4);
    Parts x, next;
    LOAD_PARTS(part, 128, 160, x);
    LOAD_PARTS(part, 192, 224, next);
    UNROLL for (int i = 0; i < pairs; i++)
    {
        int8x16_t one[2], two[2];
        LOAD_PAIR(p->q[2 * i], 64, one[0], one[1]);
        LOAD_PAIR(p->q[2 * i + 1], 64, two[0], two[1]);
        int32x4_t third = dot_block(one, two, &x);
        IN_TURN(third, p->q[2 * i], p->q[2 * i + 1]);
        LOAD_PAIR(p->q[2 * i], 96, one[0], one[1]);
        LOAD_PAIR(p->q[2 * i + 1], 96, two[0], two[1]);
        last[i] = join_parts(third, dot_block(one, two, &next), by);
        IN_TURN(last[i], p->q[2 * (i + 1) % (2 * pairs)], p->q[(2 * i + 3) % (2 * pairs)]);
    }
    LOAD_PARTS(part, 0, 32, x);
    LOAD_PARTS(part, 64, 96, next);
    UNROLL for (int i = 0; i < pairs; i++)
    {
        int8x16_t one[2], two[2];
        float16x8_t of_one, of_two;
        LOAD_PAIR(p->q[2 * i], 32, one[0], one[1]);
        LOAD_PAIR(p->q[2 * i + 1], 32, two[0], two[1]);
        int32x4_t second = dot_block(one, two, &next);
        IN_TURN(second, p->q[2 * i], p->q[2 * i + 1]);
        TAKE_PAIR(p->q[2 * i], one[0], one[1]);
        TAKE_PAIR(p->q[2 * i + 1], two[0], two[1]);
        float32x4_t both = join_parts(dot_block(one, two, &x), second, by);
        IN_TURN(both, p->scales[2 * i], p->scales[2 * i + 1]);
        TAKE_SCALES(p->scales[2 * i], of_one);
        TAKE_SCALES(p->scales[2 * i + 1], of_two);
        float16x8_t halves = vzip1q_f16(of_one, of_two);
        sum[i] = vfmaq_f32(sum[i], both, vmulq_f32(vcvt_f32_f16(vget_low_f16(halves)), s01));
        sum[i] = vfmaq_f32(sum[i], last[i], vmulq_f32(vcvt_high_f32_f16(halves), s23));
        IN_TURN(sum[i], p->q[2 * (i + 1) % (2 * pairs)], p->q[(2 * i + 3) % (2 * pairs)]);
    }
}

/* sum[i] = the products of rows 2 i and 2 i + 1 with the input, each in two parts. */
INLINE void rows_product(float32x4_t *sum, Places *p, const Input *in, int pairs)
{
    const int8_t *part = in->part;
    const float *scale = in->scale;
    int32x4_t by = vdupq_n_s32(256);
    size_t left = in->n;
    HIDE(by);
    UNROLL for (int i = 0; i < pairs; i++) sum[i] = vdupq_n_f32(0);
    for (; left >= STEP; left -= STEP, part += 2 * STEP, scale += 2 * STEP / BLOCK)
        add_step(sum, p, part, scale, by, pairs);
    if (left) {
        Rest rest[ROWS];
        places_rest(p, rest, left, 2 * pairs);
        add_step(sum, p, part, scale, by, pairs);
    }
}

/* Of two pairs of rows. */
INLINE float32x4_t sums_of_four(const float32x4_t *s)
{
    return vaddq_f32(vcombine_f32(vget_low_f32(s[0]), vget_low_f32(s[1])),
                     vcombine_f32(vget_high_f32(s[0]), vget_high_f32(s[1])));
}

INLINE void eight_rows(float32x4_t *out, Places *p, const Input *in)
{
    float32x4_t sum[PAIRS];
    rows_product(sum, p, in, PAIRS);
    out[0] = sums_of_four(sum);
    out[1] = sums_of_four(sum + 2);
}

/* As a pair of the row and itself. */
static float one_row(const Q8Rows *row, const Input *in)
{
    Places twice;
    float32x4_t sum;
    places_take(&twice, row, 0, 0, 2);
    rows_product(&sum, &twice, in, 1);
    return vgetq_lane_f32(sum, 0) + vgetq_lane_f32(sum, 2);
}

static void i8mm_matvec_pair_q8(float *y, const Q8Rows *w, size_t other, const float *x, size_t m, size_t k)
{
    matvec_pair(y, w, other, x, m, k, (Method){input_take, eight_rows, one_row});
}

bool kernels_init_i8mm(Kernels *k)
{
    k->matvec_pair_q8 = i8mm_matvec_pair_q8;
    k->split_input = true;
    return true;
}
#else
bool kernels_init_i8mm(Kernels *k)
{
    (void)k;
    return false;
}
#endif
