/* NEON with FEAT_DotProd, which every Apple M chip has: for weights of 8 bits, an instruction multiplies
 * sixteen pairs of bytes and adds them to four sums of 32 bits, so the weights are never converted. x is
 * split into two parts of 8 bits (split.inc). The rest is NEON's. */
#include "runtime/kernels/levels.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_DOTPROD)
#include "runtime/kernels/split.inc"

/* Of each block: the high parts, then the low ones. */
static void input_take(Input *in, const float *x, size_t n)
{
    in->n = n;
    for (size_t b = 0; b * BLOCK < n || b % (STEP / BLOCK); b++) {
        int8_t *part = in->part + 2 * BLOCK * b;
        in->scale[b] = split_at(part, part + BLOCK, x, n, b);
    }
}

/* A block of x in registers. */
typedef struct Parts {
    int8x16_t high[2], low[2];
} Parts;

INLINE int32x4_t dot_block(int8x16_t a, int8x16_t b, const Parts *x)
{
    int32x4_t sum = vdotq_s32(vdotq_s32(vdupq_n_s32(0), a, x->high[0]), b, x->high[1]);
    return vdotq_s32(vdotq_s32(vshlq_n_s32(sum, 8), a, x->low[0]), b, x->low[1]);
}

#define LOAD_PARTS(p, high_at, low_at, x)                                                                    \
    do {                                                                                                     \
        LOAD_PAIR(p, high_at, (x).high[0], (x).high[1]);                                                     \
        LOAD_PAIR(p, low_at, (x).low[0], (x).low[1]);                                                        \
    } while (0)

/* sum[r] += the products of STEP columns, of which each lane gets a block; the rows' pointers move on. The
 * four blocks are added up in two pairs, since the parts of x of all four would not fit into the registers.
 */
INLINE void add_step(float32x4_t *sum, Places *p, const int8_t *part, float32x4_t scale, int rows)
{
    int32x4_t second[ROWS];
    int8x16_t a, b;
    Parts x, next;
    LOAD_PARTS(part, 128, 160, x);
    LOAD_PARTS(part, 192, 224, next);
    UNROLL for (int r = 0; r < rows; r++)
    {
        LOAD_PAIR(p->q[r], 64, a, b);
        second[r] = dot_block(a, b, &x);
        IN_TURN(second[r], p->q[r], p->scales[r]);
        LOAD_PAIR(p->q[r], 96, a, b);
        second[r] = vpaddq_s32(second[r], dot_block(a, b, &next));
        IN_TURN(second[r], p->q[(r + 1) % rows], p->scales[(r + 1) % rows]);
    }
    LOAD_PARTS(part, 0, 32, x);
    LOAD_PARTS(part, 64, 96, next);
    UNROLL for (int r = 0; r < rows; r++)
    {
        float16x4_t halves;
        LOAD_PAIR(p->q[r], 32, a, b);
        int32x4_t first = dot_block(a, b, &next);
        IN_TURN(first, p->q[r], p->scales[r]);
        TAKE_PAIR(p->q[r], a, b);
        first = vpaddq_s32(vpaddq_s32(dot_block(a, b, &x), first), second[r]);
        IN_TURN(first, p->q[r], p->scales[r]);
        TAKE_SCALES(p->scales[r], halves);
        sum[r] = vfmaq_f32(sum[r], vcvtq_f32_s32(first), vmulq_f32(vcvt_f32_f16(halves), scale));
        IN_TURN(sum[r], p->q[(r + 1) % rows], p->scales[(r + 1) % rows]);
    }
}

/* sum[r] = the product of row r with the input, in four parts. */
INLINE void rows_product(float32x4_t *sum, Places *p, const Input *in, int rows)
{
    const int8_t *part = in->part;
    const float *scale = in->scale;
    size_t left = in->n;
    UNROLL for (int r = 0; r < rows; r++) sum[r] = vdupq_n_f32(0);
    for (; left >= STEP; left -= STEP, part += 2 * STEP, scale += STEP / BLOCK)
        add_step(sum, p, part, vld1q_f32(scale), rows);
    if (left) {
        Rest rest[ROWS];
        places_rest(p, rest, left, rows);
        add_step(sum, p, part, vld1q_f32(scale), rows);
    }
}

INLINE float32x4_t sums_of_four(const float32x4_t *s)
{
    return vpaddq_f32(vpaddq_f32(s[0], s[1]), vpaddq_f32(s[2], s[3]));
}

INLINE void eight_rows(float32x4_t *out, Places *p, const Input *in)
{
    float32x4_t sum[ROWS];
    rows_product(sum, p, in, ROWS);
    out[0] = sums_of_four(sum);
    out[1] = sums_of_four(sum + 4);
}

static float one_row(const Q8Rows *row, const Input *in)
{
    Places one;
    float32x4_t sum;
    places_take(&one, row, 0, 0, 1);
    rows_product(&sum, &one, in, 1);
    return vaddvq_f32(sum);
}

static void dotprod_matvec_pair_q8(float *y, const Q8Rows *w, size_t other, const float *x, size_t m,
                                   size_t k)
{
    matvec_pair(y, w, other, x, m, k, (Method){input_take, eight_rows, one_row});
}

bool kernels_init_dotprod(Kernels *k)
{
    k->matvec_pair_q8 = dotprod_matvec_pair_q8;
    k->split_input = true;
    return true;
}
#else
bool kernels_init_dotprod(Kernels *k)
{
    (void)k;
    return false;
}
#endif
