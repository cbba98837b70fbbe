/* The meaning of every leaf, in plain C. */
#include <math.h>

#include "base/half.h"
#include "runtime/kernels/levels.h"

enum { MR = 4, NR = 8, GROUP = 16 };

static void ref_half_to_float(float *y, const uint16_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = half_to_float(x[i]);
}

static void ref_half_from_float(uint16_t *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = half_from_float(x[i]);
}

static float sigmoid(float x)
{
    return 1 / (1 + expf(-x));
}

static float silu(float x)
{
    return x == -INFINITY ? -0.0f : x * sigmoid(x);
}

static float gelu_tanh(float x)
{
    return x == -INFINITY ? -0.0f : 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
}

static float gelu_erf(float x)
{
    return x == -INFINITY ? -0.0f : 0.5f * x * (1 + erff(x * 0.70710678f));
}

static float relu(float x)
{
    return x < 0 ? 0 : x;
}

static float identity(float x)
{
    return x;
}

#define MAP(name, function)                                                                                  \
    static void ref_##name(float *y, const float *x, size_t n)                                               \
    {                                                                                                        \
        for (size_t i = 0; i < n; i++)                                                                       \
            y[i] = function(x[i]);                                                                           \
    }
MAP(none, identity)
MAP(relu, relu)
MAP(sigmoid, sigmoid)
MAP(silu, silu)
MAP(gelu_tanh, gelu_tanh)
MAP(gelu_erf, gelu_erf)
MAP(tanh, tanhf)
MAP(erf, erff)
MAP(exp, expf)
#undef MAP

static void ref_add(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void ref_sub(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] - b[i];
}

static void ref_mul(float *y, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * b[i];
}

static void ref_scale(float *y, const float *x, float s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = s * x[i];
}

static void ref_matvec_f16(float *y, const uint16_t *w, size_t ldw, const float *x, size_t m, size_t k)
{
    for (size_t i = 0; i < m; i++) {
        float sum = 0;
        for (size_t j = 0; j < k; j++)
            sum += half_to_float(w[i * ldw + j]) * x[j];
        y[i] = sum;
    }
}

static void ref_matvec_pair_f16(float *y, const uint16_t *w, const uint16_t *w2, size_t ldw, const float *x,
                                size_t m, size_t k)
{
    ref_matvec_f16(y, w, ldw, x, m, k);
    ref_matvec_f16(y + m, w2, ldw, x, m, k);
}

static void ref_matvec_f32(float *y, const float *w, size_t ldw, const float *x, size_t m, size_t k)
{
    for (size_t i = 0; i < m; i++) {
        float sum = 0;
        for (size_t j = 0; j < k; j++)
            sum += w[i * ldw + j] * x[j];
        y[i] = sum;
    }
}

static float dot_q8(const int8_t *q, const uint16_t *scales, const float *x, size_t k)
{
    float sum = 0;
    for (size_t j = 0; j < k; j += KERNEL_BLOCK) {
        float block = 0;
        for (size_t i = j; i < k && i < j + KERNEL_BLOCK; i++)
            block += (float)q[i] * x[i];
        sum += half_to_float(scales[j / KERNEL_BLOCK]) * block;
    }
    return sum;
}

static void ref_matvec_pair_q8(float *y, const Q8Rows *w, size_t other, const float *x, size_t m, size_t k)
{
    for (size_t i = 0; i < m; i++) {
        size_t j = other + i;
        y[i] = dot_q8(w->q + i * w->ldq, w->scales + i * w->lds, x, k);
        y[m + i] = dot_q8(w->q + j * w->ldq, w->scales + j * w->lds, x, k);
    }
}

static void ref_q8_to_float(float *y, const int8_t *q, const uint16_t *scales, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)q[i] * half_to_float(scales[i / KERNEL_BLOCK]);
}

static void ref_sum_rows_f16(float *y, const uint16_t *v, size_t ldv, const float *p, size_t m, size_t n)
{
    for (size_t j = 0; j < n; j++)
        y[j] = 0;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            y[j] += p[i] * half_to_float(v[i * ldv + j]);
}

/* ---- softmax and norms: rows are columns of one element with a stride ---- */

static void softmax(float *y, size_t sy, const float *x, size_t sx, float scale, size_t n, float *total)
{
    float most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, scale * x[i * sx]);
    for (size_t i = 0; i < n; i++)
        sum += y[i * sy] = expf(scale * x[i * sx] - most);
    if (total) {
        *total = sum;
        return;
    }
    for (size_t i = 0; i < n; i++)
        y[i * sy] /= sum;
}

static void norm(float *y, size_t sy, const float *x, size_t sx, const float *gamma, const float *beta,
                 float eps, size_t n, bool centre)
{
    float mean = 0, square = 0;
    for (size_t i = 0; centre && i < n; i++)
        mean += x[i * sx];
    mean /= (float)n;
    for (size_t i = 0; i < n; i++)
        square += (x[i * sx] - mean) * (x[i * sx] - mean);
    float inverse = 1 / sqrtf(square / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i * sy] = (x[i * sx] - mean) * inverse * (gamma ? gamma[i] : 1) + (beta ? beta[i] : 0);
}

static void ref_softmax_row(float *y, const float *x, size_t n)
{
    softmax(y, 1, x, 1, 1, n, NULL);
}

static void ref_layer_norm_row(float *y, const float *x, const float *gamma, const float *beta, float eps,
                               size_t n)
{
    norm(y, 1, x, 1, gamma, beta, eps, n, true);
}

static void ref_rms_norm_row(float *y, const float *x, const float *gamma, float eps, size_t n)
{
    norm(y, 1, x, 1, gamma, NULL, eps, n, false);
}

static void ref_softmax_columns(float *y, size_t ldy, const float *x, size_t ldx, size_t c, size_t n)
{
    for (size_t j = 0; j < n; j++)
        softmax(y + j, ldy, x + j, ldx, 1, c, NULL);
}

static void ref_layer_norm_columns(float *y, size_t ldy, const float *x, size_t ldx, const float *gamma,
                                   const float *beta, float eps, size_t c, size_t n)
{
    for (size_t j = 0; j < n; j++)
        norm(y + j, ldy, x + j, ldx, gamma, beta, eps, c, true);
}

static void ref_rms_norm_columns(float *y, size_t ldy, const float *x, size_t ldx, const float *gamma,
                                 float eps, size_t c, size_t n)
{
    for (size_t j = 0; j < n; j++)
        norm(y + j, ldy, x + j, ldx, gamma, NULL, eps, c, false);
}

static void ref_softmax_block(float *s, float *sum, float scale, size_t m)
{
    for (size_t j = 0; j < NR; j++)
        softmax(s + j, NR, s + j, NR, scale, m, &sum[j]);
}

static void ref_transpose(float *y, size_t ldy, const float *x, size_t ldx, size_t m, size_t n)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            y[j * ldy + i] = x[i * ldx + j];
}

/* ---- the register block ---- */

static void tile(size_t k, const float *a, const float *b, float *c, size_t ldc, const float *bias, bool load,
                 size_t columns)
{
    for (size_t i = 0; i < MR; i++) {
        for (size_t j = 0; j < columns; j++) {
            float sum = (load ? c[i * ldc + j] : 0) + (bias ? bias[i] : 0);
            for (size_t p = 0; p < k; p++)
                sum += a[(p / GROUP * MR + i) * GROUP + p % GROUP] * b[p * NR + j];
            c[i * ldc + j] = sum;
        }
    }
}

static void ref_tile(size_t k, const float *a, const float *b, float *c, size_t ldc, const float *bias,
                     bool load, const Ahead *ahead)
{
    tile(k, a, b, c, ldc, bias, load, NR);
}

static void ref_tile_half(size_t k, const float *a, const float *b, float *c, size_t ldc, const float *bias,
                          bool load, const Ahead *ahead)
{
    tile(k, a, b, c, ldc, bias, load, NR / 2);
}

static void ref_pack_f32(float *a, const float *w, size_t ldw, size_t m, size_t k)
{
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < MR; i++)
            a[(p / GROUP * MR + i) * GROUP + p % GROUP] = i < m ? w[i * ldw + p] : 0;
}

static void ref_pack_f16(float *a, const uint16_t *w, size_t ldw, size_t m, size_t k)
{
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < MR; i++)
            a[(p / GROUP * MR + i) * GROUP + p % GROUP] = i < m ? half_to_float(w[i * ldw + p]) : 0;
}

static void ref_pack_q8(float *a, const Q8Rows *w, size_t m, size_t k)
{
    for (size_t p = 0; p < k; p++)
        for (size_t i = 0; i < MR; i++)
            a[(p / GROUP * MR + i) * GROUP + p % GROUP] =
                i < m ? (float)w->q[i * w->ldq + p] * half_to_float(w->scales[i * w->lds + p / KERNEL_BLOCK])
                      : 0;
}

static void ref_pack_columns(float *b, const float *x, size_t ldx, size_t k, size_t n)
{
    for (size_t p = 0; p < k; p++)
        for (size_t j = 0; j < NR; j++)
            b[p * NR + j] = j < n ? x[p * ldx + j] : 0;
}

static float ref_read(const float *p, size_t n, size_t ahead)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    return sum;
}

enum { CHAINS = 8 };

static float ref_fma_chains(float x, size_t n)
{
    float sum[CHAINS] = {0, 1, 2, 3, 4, 5, 6, 7}, all = 0;
    for (size_t round = 0; round < n; round++)
        for (int i = 0; i < CHAINS; i++)
            sum[i] = sum[i] * x + (1 - x);
    for (int i = 0; i < CHAINS; i++)
        all += sum[i];
    return all;
}

void kernels_init_ref(Kernels *k)
{
    *k = (Kernels){
        .level = LEVEL_REF,
        .half_to_float = ref_half_to_float,
        .half_from_float = ref_half_from_float,
        .map = {[MAP_NONE] = ref_none,
                [MAP_RELU] = ref_relu,
                [MAP_SIGMOID] = ref_sigmoid,
                [MAP_SILU] = ref_silu,
                [MAP_GELU_TANH] = ref_gelu_tanh,
                [MAP_GELU_ERF] = ref_gelu_erf,
                [MAP_TANH] = ref_tanh,
                [MAP_ERF] = ref_erf,
                [MAP_EXP] = ref_exp},
        .add = ref_add,
        .sub = ref_sub,
        .mul = ref_mul,
        .scale = ref_scale,
        .matvec_f16 = ref_matvec_f16,
        .matvec_f32 = ref_matvec_f32,
        .matvec_pair_f16 = ref_matvec_pair_f16,
        .matvec_pair_q8 = ref_matvec_pair_q8,
        .q8_to_float = ref_q8_to_float,
        .sum_rows_f16 = ref_sum_rows_f16,
        .softmax_row = ref_softmax_row,
        .layer_norm_row = ref_layer_norm_row,
        .rms_norm_row = ref_rms_norm_row,
        .softmax_columns = ref_softmax_columns,
        .layer_norm_columns = ref_layer_norm_columns,
        .rms_norm_columns = ref_rms_norm_columns,
        .transpose = ref_transpose,
        .mr = MR,
        .nr = NR,
        .nb = NR,
        .tile = ref_tile,
        .tile_half = ref_tile_half,
        .pack_f16 = ref_pack_f16,
        .pack_f32 = ref_pack_f32,
        .pack_q8 = ref_pack_q8,
        .pack_columns = ref_pack_columns,
        .softmax_block = ref_softmax_block,
        .read = ref_read,
        .fma_chains = ref_fma_chains,
        .chain_flops = 2 * CHAINS,
    };
}
