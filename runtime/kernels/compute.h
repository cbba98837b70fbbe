/* What the drivers share among themselves. */
#ifndef RUNTIME_KERNELS_COMPUTE_H
#define RUNTIME_KERNELS_COMPUTE_H

#include <string.h>

#include "runtime/kernels/kernels.h"

/* pool_run, or a plain call where `elements` (numbers touched) are too few to be worth waking a thread. */
void compute_step(Compute *c, size_t elements, void (*fn)(void *ctx, int index, int count), void *ctx);

static inline size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Asks for n bytes that will be read soon. */
static inline void fetch_soon(const void *data, size_t n)
{
#if defined(__GNUC__)
    for (size_t at = 0; at < n; at += 64)
        __builtin_prefetch((const char *)data + at);
#else
    (void)data, (void)n;
#endif
}

/* Asks for the next of these rows. */
static inline void fetch_row(Ahead *a)
{
    if (a->rows == 0)
        return;
    fetch_soon(a->first, a->bytes);
    a->first += a->stride;
    a->rows--;
}

static inline size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t greatest(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* to[n] = elements [at, at + n) of an operand, as floats. */
static inline void operand_floats(const Kernels *k, Operand o, size_t at, size_t n, float *to)
{
    if (o.half)
        k->half_to_float(to, (const uint16_t *)o.data + at, n);
    else
        memcpy(to, (const float *)o.data + at, n * sizeof *to);
}

/* The rows of a layer with scales, from row i and column p (a multiple of KERNEL_BLOCK) on. */
static inline Q8Rows linear_q8(const Linear *l, size_t i, size_t p)
{
    size_t blocks = KERNEL_BLOCKS(l->k);
    return (Q8Rows){(const int8_t *)l->w.data + i * l->ldw + p, l->scales + i * blocks + p / KERNEL_BLOCK,
                    l->ldw, blocks};
}

/* Runs the register block on a part of C, which may be smaller than it: m <= mr rows, n <= nr columns. */
void compute_tile(const Kernels *k, size_t depth, const float *a, const float *b, float *c, size_t ldc,
                  const float *bias, bool load, size_t m, size_t n, const Ahead *ahead);

/* Packs the first min(m, mr) rows of the transpose of X[depth,m] as a panel of A; rows that are missing
 * become 0. */
void compute_pack_transposed(const Kernels *k, float *to, const float *x, size_t ldx, size_t m, size_t depth);

#endif
