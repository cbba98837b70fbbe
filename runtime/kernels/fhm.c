/* NEON with FEAT_FHM, which every Apple M chip has: an instruction multiplies four pairs of f16 exactly and
 * adds them to fp32 sums, so weights are never converted. The price: x is rounded to f16 once for each call,
 * scaled by a power of two to its top of range, which is an error of 2^-12 of each number, as where it enters
 * a program of the Neural Engine. The rest is NEON's. */
#include "runtime/kernels/levels.h"

#if defined(__aarch64__) && defined(__ARM_FEATURE_FP16_FML)
#include <arm_neon.h>
#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
enum { STEP = 64, CHUNK = 4096, ROWS = 8 };

/* Columns [at, at + n) of x as f16 times 2^-exponent, with zeros up to the next whole step. */
typedef struct Input {
    float16_t x[CHUNK];
    float factor; /* 2^exponent */
    size_t n;
} Input;

/* The largest number comes to lie below 2^15: f16 ends at 65504, and has its full precision down to 2^-14. */
static void input_take(Input *in, const float *x, size_t n)
{
    float most;
    int exponent = 0;
    float32x4_t four = vdupq_n_f32(0);
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        four = vmaxq_f32(four, vabsq_f32(vld1q_f32(x + i)));
    for (most = vmaxvq_f32(four); i < n; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    if (most > 0 && most < INFINITY)
        (void)frexp((double)most, &exponent);
    exponent = most > 0 && most < INFINITY ? exponent - 15 : 0;
    exponent = exponent < -100 ? -100 : exponent;
    float down = ldexpf(1, -exponent);
    in->factor = ldexpf(1, exponent);
    in->n = n;
    for (i = 0; i + 4 <= n; i += 4)
        vst1_f16(in->x + i, vcvt_f16_f32(vmulq_n_f32(vld1q_f32(x + i), down)));
    for (; i < n; i++)
        in->x[i] = (float16_t)(x[i] * down);
    for (; i % STEP; i++)
        in->x[i] = 0;
}

/* Compilers make two loads of what is one instruction, and sums of addresses of what are pointers with
 * constant distances: loads of two vectors, BYTES behind p, of a row that has STEP numbers there. */
#if defined(__GNUC__)
#define LOAD_PAIR(p, bytes, a, b)                                                                            \
    __asm__("ldp %q0, %q1, [%2, #" #bytes "]"                                                                \
            : "=w"(a), "=w"(b)                                                                               \
            : "r"(p), "m"(*(const float16_t(*)[STEP])(p)))
#define KEEP_POINTER(p) __asm__("" : "+r"(p))
#else
#define LOAD_PAIR(p, bytes, a, b) ((a) = vld1q_f16((p) + (bytes) / 2), (b) = vld1q_f16((p) + (bytes) / 2 + 8))
#define KEEP_POINTER(p) ((void)(p))
#endif

/* sum[r] += the products of 16 columns: four sums of each row at a time would not fit into the registers. */
#define ADD_COLUMNS(bytes)                                                                                   \
    do {                                                                                                     \
        float16x8_t x0, x1, a, b;                                                                            \
        LOAD_PAIR(x, bytes, x0, x1);                                                                         \
        UNROLL for (int r = 0; r < rows; r++)                                                                \
        {                                                                                                    \
            LOAD_PAIR(w[r], bytes, a, b);                                                                    \
            sum[r] = vfmlalq_low_f16(sum[r], a, x0);                                                         \
            sum[r] = vfmlalq_high_f16(sum[r], a, x0);                                                        \
            sum[r] = vfmlalq_low_f16(sum[r], b, x1);                                                         \
            sum[r] = vfmlalq_high_f16(sum[r], b, x1);                                                        \
        }                                                                                                    \
    } while (0)

INLINE void add_step(float32x4_t *sum, const float16_t *const *w, const float16_t *x, int rows)
{
    ADD_COLUMNS(0);
    ADD_COLUMNS(32);
    ADD_COLUMNS(64);
    ADD_COLUMNS(96);
}

/* out[r] = the product of the row at w[r] with the input. */
INLINE void rows_product(float *out, const float16_t *const *w, const Input *in, int rows)
{
    float32x4_t sum[ROWS];
    const float16_t *at[ROWS];
    size_t left = in->n;
    const float16_t *x = in->x;
    UNROLL for (int r = 0; r < rows; r++)
    {
        sum[r] = vdupq_n_f32(0);
        at[r] = w[r];
    }
    for (; left >= STEP; left -= STEP, x += STEP) {
        add_step(sum, at, x, rows);
        UNROLL for (int r = 0; r < rows; r++)
        {
            at[r] += STEP;
            KEEP_POINTER(at[r]);
        }
    }
    if (left) {
        float16_t rest[ROWS][STEP];
        const float16_t *last[ROWS];
        memset(rest, 0, sizeof rest);
        for (int r = 0; r < rows; r++) {
            memcpy(rest[r], w[r] + in->n - left, left * sizeof(float16_t));
            last[r] = rest[r];
        }
        add_step(sum, last, x, rows);
    }
    UNROLL for (int r = 0; r < rows; r++) out[r] = vaddvq_f32(sum[r]) * in->factor;
}

/* A row's sum is the same whatever rows are beside it. */
INLINE void rows_add(float *y, const float16_t *w, size_t ldw, const Input *in, size_t m)
{
    for (size_t i = 0; i < m; i++) {
        const float16_t *row = w + i * ldw;
        float sum;
        rows_product(&sum, &row, in, 1);
        y[i] += sum;
    }
}

/* Four rows from each of two places. */
static void fhm_matvec_pair_f16(float *y, const uint16_t *w, const uint16_t *w2, size_t ldw, const float *x,
                                size_t m, size_t k)
{
    Input in;
    memset(y, 0, 2 * m * sizeof *y);
    for (size_t at = 0; at < k; at += CHUNK) {
        const float16_t *a = (const float16_t *)w + at, *b = (const float16_t *)w2 + at;
        size_t i = 0;
        input_take(&in, x + at, k - at < CHUNK ? k - at : CHUNK);
        for (; i + 4 <= m; i += 4) {
            const float16_t *row[ROWS];
            float sum[ROWS];
            for (size_t r = 0; r < 4; r++) {
                row[r] = a + (i + r) * ldw;
                row[4 + r] = b + (i + r) * ldw;
            }
            rows_product(sum, row, &in, ROWS);
            for (size_t r = 0; r < 4; r++) {
                y[i + r] += sum[r];
                y[m + i + r] += sum[4 + r];
            }
        }
        rows_add(y + i, a + i * ldw, ldw, &in, m - i);
        rows_add(y + m + i, b + i * ldw, ldw, &in, m - i);
    }
}

bool kernels_init_fhm(Kernels *k)
{
    k->matvec_pair_f16 = fhm_matvec_pair_f16;
    k->half_input = true;
    return true;
}
#else
bool kernels_init_fhm(Kernels *k)
{
    (void)k;
    return false;
}
#endif
