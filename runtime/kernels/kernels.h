/* The arithmetic of the CPU device.
 *
 * Leaves are the functions of `struct Kernels`: single-threaded, no allocation, no globals. ref.c
 * defines what each means; avx2.c, avx512.c and neon.c replace them with faster ones. Drivers (the
 * functions below the struct) split a whole operation over the threads of a `Compute`.
 *
 * Conventions. Sizes count elements. A leading dimension `ld*` is the distance between rows in elements
 * and is at least the row's length. f16 is IEEE binary16 in uint16_t. Pointers need the alignment of
 * their element only; 64 bytes is faster. Output and input may be the same array where a function says
 * "in place"; otherwise they must not overlap. Sums are kept in fp32. A result depends on the level and
 * the shape, never on the number of threads. */
#ifndef RUNTIME_KERNELS_KERNELS_H
#define RUNTIME_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/threads.h"
#include "runtime/kernels/blas.h"

typedef enum KernelLevel {
    LEVEL_REF,
    LEVEL_NEON,
    LEVEL_DOTPROD, /* NEON with sdot */
    LEVEL_FHM,     /* and fmlal */
    LEVEL_I8MM,    /* and smmla */
    LEVEL_AVX2,
    LEVEL_AVX512,
    LEVEL_AMX, /* AVX-512 with tiles of bf16 for f16 weights */
    LEVEL_COUNT
} KernelLevel;

typedef enum MapOp {
    MAP_NONE, /* y = x */
    MAP_RELU,
    MAP_SIGMOID,
    MAP_SILU,      /* x * sigmoid(x) */
    MAP_GELU_TANH, /* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) */
    MAP_GELU_ERF,  /* 0.5 x (1 + erf(x / sqrt 2)) */
    MAP_TANH,
    MAP_ERF,
    MAP_EXP,
    MAP_COUNT
} MapOp;

/* Rows of memory that will be read next. */
typedef struct Ahead {
    const char *first;
    size_t stride, rows, bytes; /* rows are `stride` apart, of `bytes` each */
} Ahead;

/* Rows of weights of 8 bits: number j of a row is q[j] * scales[j / KERNEL_BLOCK]. The rows of q are ldq
 * apart, those of the scales lds, each KERNEL_BLOCKS(k) long. Any bits are allowed in either. */
enum { KERNEL_BLOCK = 32 };
#define KERNEL_BLOCKS(k) ((k) / KERNEL_BLOCK + ((k) % KERNEL_BLOCK != 0))
typedef struct Q8Rows {
    const int8_t *q;
    const uint16_t *scales; /* f16 */
    size_t ldq, lds;
} Q8Rows;

typedef struct Kernels {
    KernelLevel level;

    /* y[i] = x[i]; exactly base/half.h (round to nearest even), except for the payload of a NaN. */
    void (*half_to_float)(float *y, const uint16_t *x, size_t n);
    void (*half_from_float)(uint16_t *y, const float *x, size_t n);

    /* y[i] = op(x[i]), in place. Error at most 3e-7 of the result for exp, sigmoid, tanh, erf; for the
     * gelus and silu at most 3e-7 |x|. NaN stays NaN, infinities give the limits. */
    void (*map[MAP_COUNT])(float *y, const float *x, size_t n);

    void (*add)(float *y, const float *a, const float *b, size_t n); /* in place */
    void (*sub)(float *y, const float *a, const float *b, size_t n); /* in place */
    void (*mul)(float *y, const float *a, const float *b, size_t n); /* in place */
    void (*scale)(float *y, const float *x, float s, size_t n);      /* in place: y = s x */

    /* y[m] = W[m,k] . x[k] */
    void (*matvec_f16)(float *y, const uint16_t *w, size_t ldw, const float *x, size_t m, size_t k);
    void (*matvec_f32)(float *y, const float *w, size_t ldw, const float *x, size_t m, size_t k);
    /* y[2m] = the products of m rows at w, then of m rows at w2: two places are read from memory at once.
     * Where half_input is set, x is rounded to 11 bits (and no finer than 2^-40 of its largest number). */
    bool half_input;
    void (*matvec_pair_f16)(float *y, const uint16_t *w, const uint16_t *w2, size_t ldw, const float *x,
                            size_t m, size_t k);
    /* y[2m] = the products of m rows from w on with x[k], then of m rows from the row `other` of w on. A
     * block's products are added up before its scale is applied. Where split_input is set, x is rounded to
     * 2^-15 of the largest of its block's (and no finer than 2^-96); an inf or NaN in it makes all results
     * NaN. */
    bool split_input;
    void (*matvec_pair_q8)(float *y, const Q8Rows *w, size_t other, const float *x, size_t m, size_t k);
    /* y[n] = the first n numbers of one row; exact. */
    void (*q8_to_float)(float *y, const int8_t *q, const uint16_t *scales, size_t n);
    /* y[n] = p[m] . V[m,n]: rows of V weighted by p. */
    void (*sum_rows_f16)(float *y, const uint16_t *v, size_t ldv, const float *p, size_t m, size_t n);

    /* Over one contiguous row, in place. gamma and beta may be NULL. An all -inf row gives NaN. */
    void (*softmax_row)(float *y, const float *x, size_t n);
    void (*layer_norm_row)(float *y, const float *x, const float *gamma, const float *beta, float eps,
                           size_t n);
    void (*rms_norm_row)(float *y, const float *x, const float *gamma, float eps, size_t n);

    /* Over the c rows of X[c,n], for each of its n columns, in place; gamma[c], beta[c] may be NULL. */
    void (*softmax_columns)(float *y, size_t ldy, const float *x, size_t ldx, size_t c, size_t n);
    void (*layer_norm_columns)(float *y, size_t ldy, const float *x, size_t ldx, const float *gamma,
                               const float *beta, float eps, size_t c, size_t n);
    void (*rms_norm_columns)(float *y, size_t ldy, const float *x, size_t ldx, const float *gamma, float eps,
                             size_t c, size_t n);

    /* Y[n,m] = X[m,n] transposed. */
    void (*transpose)(float *y, size_t ldy, const float *x, size_t ldx, size_t m, size_t n);

    /* The register block of the matrix product: C[mr,nr] = A . B, only the first nr/2 columns for
     * tile_half. A is packed [ceil(k/16)][mr][16] (16 successive k of a row side by side), B is packed
     * [k][nr], both aligned to 64 bytes. To it are added the old contents of C if `load`, and bias[mr]
     * per row (NULL: none). A level may pack otherwise, in whole groups of 32 k: A in mr floats for each k,
     * B in nb, which is nr elsewhere. Meanwhile `ahead` (NULL: nothing) is asked for, as far as there is time
     * for it. */
    int mr, nr, nb;
    void (*tile)(size_t k, const float *a, const float *b, float *c, size_t ldc, const float *bias, bool load,
                 const Ahead *ahead);
    void (*tile_half)(size_t k, const float *a, const float *b, float *c, size_t ldc, const float *bias,
                      bool load, const Ahead *ahead);
    /* Packs m <= mr rows of W[m,k] as A; rows that are missing become 0. pack_q8 fills whole blocks of k. */
    void (*pack_f16)(float *a, const uint16_t *w, size_t ldw, size_t m, size_t k);
    void (*pack_f32)(float *a, const float *w, size_t ldw, size_t m, size_t k);
    void (*pack_q8)(float *a, const Q8Rows *w, size_t m, size_t k);
    /* Packs n <= nr columns of X[k,n] as B; columns that are missing become 0. */
    void (*pack_columns)(float *b, const float *x, size_t ldx, size_t k, size_t n);
    /* Before the first and after the last call of a tile on a thread; NULL: nothing to do. */
    void (*enter)(void);
    void (*leave)(void);
    /* The table whose register block multiplies f16 weights; NULL: this one. */
    const struct Kernels *halves;

    /* One block of nr queries of an attention head after the product K^T Q: S[m,nr] (aligned to 64
     * bytes) becomes exp(scale * S - max over the column), sum[nr] the column's sum. */
    void (*softmax_block)(float *s, float *sum, float scale, size_t m);

    /* Loads n floats in order, asking for what comes `ahead` of them (0: not); the result means nothing. */
    float (*read)(const float *p, size_t n, size_t ahead);
    /* `n` rounds of multiply-adds in registers alone, enough of them at once to hide their latency: what a
     * core can compute at the most. chain_flops is what a round computes; the result means nothing. */
    float (*fma_chains)(float x, size_t n);
    int chain_flops;
} Kernels;

/* The best level this CPU has, or the one the environment variable ANEC_CPU names (ref, neon,
 * dotprod, fhm, i8mm, avx2, avx512, amx), if the CPU has it. Chosen once. */
const Kernels *kernels_get(void);
/* NULL if this CPU or this build has no such level. */
const Kernels *kernels_for(KernelLevel level);
const char *kernels_level_name(KernelLevel level);

/* ---- drivers ---- */

/* A pool, a set of kernels and a workspace that only grows. One operation at a time. */
typedef struct Compute {
    const Kernels *kernels;
    Pool *pool;      /* NULL: serial */
    float *work;     /* aligned to 64 bytes */
    size_t room;     /* floats in work */
    void *memory;    /* the allocation behind work */
    BlasSgemm sgemm; /* for large products; NULL: our own kernels for all */
} Compute;

/* threads as for pool_new; the kernels and the BLAS are the chosen ones. */
void compute_open(Compute *c, int threads);
void compute_close(Compute *c);
/* Makes the workspace at least this many floats. Drivers reserve what they need by themselves, so an
 * operation that ran once, or whose *_room was reserved, does not allocate. Contents are lost. Ends the
 * process when out of memory. */
void compute_reserve(Compute *c, size_t floats);

/* A number array of either precision. data NULL: absent. */
typedef struct Operand {
    const void *data;
    bool half; /* uint16_t f16, else float */
} Operand;

/* y = map(W x + bias (+ y if accumulate)). */
typedef struct Linear {
    Operand w; /* [m,k], row-major */
    size_t m, k, ldw;
    /* f16 [m, KERNEL_BLOCKS(k)] without gaps: w.data is int8_t, each the multiple of its block's scale.
     * NULL: w is what its Operand says. */
    const uint16_t *scales;
    Operand bias; /* [m] or absent */
    MapOp map;
    bool accumulate;
} Linear;

/* `count` layers that share the input x[k] (all have the same k), each with its output ys[i][m_i], in
 * one parallel step: Q, K and V for example. Never allocates. */
void compute_matvec(Compute *c, const Linear *layers, float *const *ys, int count, const float *x);

/* Y[m,n] = map(W[m,k] . X[k,n] + bias[m] (+ Y)), channel-major: n runs along a row of X and Y. */
void compute_linear(Compute *c, const Linear *layer, const float *x, size_t ldx, size_t n, float *y,
                    size_t ldy);
/* Workspace for compute_linear and compute_gemm. */
size_t compute_gemm_room(const Compute *c, size_t m, size_t n, size_t k);

/* C[m,n] = alpha op(A)[m,k] . op(B)[k,n]. A is stored [m,k], or [k,m] if transposed; B [k,n], or [n,k]. */
typedef struct Gemm {
    size_t m, n, k;
    const float *a;
    size_t lda;
    bool a_transposed;
    const float *b;
    size_t ldb;
    bool b_transposed;
    float alpha;
    float *c;
    size_t ldc;
} Gemm;
void compute_gemm(Compute *c, const Gemm *g);

/* Attention of s queries over s keys, all channel-major [heads * d, s] f32 with row distance ld*:
 * out[h] = V[h'] . softmax(scale K[h']^T Q[h] + mask)^T, h' = h / (heads / kv_heads). */
typedef struct Prefill {
    size_t heads, kv_heads, d, s; /* heads is a multiple of kv_heads */
    const float *q, *k, *v;
    float *out; /* may be q */
    size_t ldq, ldk, ldv, ldo;
    float scale;
    bool causal;  /* a query sees no later key; the hidden part is not computed */
    Operand mask; /* [s queries, s keys] or absent; added after the scale; the same for every head */
    size_t ld_mask;
} Prefill;
void compute_attention_prefill(Compute *c, const Prefill *p);
size_t compute_attention_prefill_room(const Compute *c, size_t kv_heads, size_t d, size_t s);

/* Attention of one query over positions [start, n) of an f16 cache. */
typedef struct Decode {
    size_t heads, kv_heads, d;
    size_t start, n;       /* start < n */
    const float *q;        /* [heads, d] */
    const uint16_t *k, *v; /* [kv_heads, T, d]: a position is a row of d */
    size_t k_head, v_head; /* elements from one kv head to the next: T * d */
    float scale;
    float *out; /* [heads, d]; may be q */
} Decode;
/* Does not allocate once compute_attention_decode_room for the largest n was reserved. */
void compute_attention_decode(Compute *c, const Decode *p);
size_t compute_attention_decode_room(const Compute *c, size_t n);

/* The leaves of the same name over all threads; small sizes stay on the calling one. */
void compute_map(Compute *c, MapOp op, float *y, const float *x, size_t n);
void compute_half_to_float(Compute *c, float *y, const uint16_t *x, size_t n);
void compute_half_from_float(Compute *c, uint16_t *y, const float *x, size_t n);
/* rows contiguous rows of n each. */
void compute_softmax_rows(Compute *c, float *y, const float *x, size_t rows, size_t n);
void compute_softmax_columns(Compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t channels,
                             size_t n);
void compute_layer_norm_columns(Compute *c, float *y, size_t ldy, const float *x, size_t ldx,
                                const float *gamma, const float *beta, float eps, size_t channels, size_t n);
void compute_rms_norm_columns(Compute *c, float *y, size_t ldy, const float *x, size_t ldx,
                              const float *gamma, float eps, size_t channels, size_t n);
void compute_transpose(Compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t m, size_t n);

#endif
