/* Products with one vector: bound by how fast the weights can be read. */
#include "runtime/kernels/compute.h"

enum { ROWS = 512, HALF = ROWS / 2 };

typedef struct Matvec {
    const Kernels *kernels;
    const Linear *layers;
    float *const *ys;
    int count;
    const float *x;
} Matvec;

/* y[0..n) of rows [row, row + n), n <= ROWS, from their products. */
static void finish_rows(const Kernels *k, const Linear *l, size_t row, size_t n, float *sum, float *y)
{
    float bias[ROWS];
    if (l->bias.data) {
        operand_floats(k, l->bias, row, n, bias);
        k->add(sum, sum, bias, n);
    }
    if (l->accumulate)
        k->add(sum, sum, y + row, n);
    k->map[l->map](y + row, sum, n);
}

/* n <= ROWS rows of fp32 from `row` on. */
static void some_rows(const Kernels *k, const Linear *l, size_t row, size_t n, const float *x, float *y)
{
    float sum[ROWS];
    k->matvec_f32(sum, (const float *)l->w.data + row * l->ldw, l->ldw, x, n, l->k);
    finish_rows(k, l, row, n, sum, y);
}

/* A few cold numbers: waiting for them behind every product would cost as much as a hundred rows. */
static void fetch_bias(const Linear *l, size_t row, size_t n)
{
    size_t size = l->bias.half ? sizeof(uint16_t) : sizeof(float);
    if (l->bias.data)
        fetch_soon((const char *)l->bias.data + row * size, n * size);
}

/* sum[2n] = the products of n rows from `row` on and of as many from `other` on. */
static void products_of_two(const Kernels *k, const Linear *l, size_t row, size_t other, size_t n,
                            const float *x, float *sum)
{
    if (l->scales) {
        Q8Rows rows = linear_q8(l, row, 0);
        k->matvec_pair_q8(sum, &rows, other - row, x, n, l->k);
    } else {
        const uint16_t *w = l->w.data;
        k->matvec_pair_f16(sum, w + row * l->ldw, w + other * l->ldw, l->ldw, x, n, l->k);
    }
}

/* n <= HALF rows from `row` on and as many from `other` on. */
static void two_places(const Kernels *k, const Linear *l, size_t row, size_t other, size_t n, const float *x,
                       float *y)
{
    float sum[ROWS];
    fetch_bias(l, row, n);
    fetch_bias(l, other, n);
    products_of_two(k, l, row, other, n, x, sum);
    finish_rows(k, l, row, n, sum, y);
    finish_rows(k, l, other, n, sum + n, y);
}

/* By the same leaf as all others, whose arithmetic may be its own. */
static void one_row(const Kernels *k, const Linear *l, size_t row, const float *x, float *y)
{
    float twice[2];
    products_of_two(k, l, row, row, 1, x, twice);
    finish_rows(k, l, row, 1, twice, y);
}

/* Rows [row, end): of f16 and of 8 bits both halves side by side, and what is left of an odd number. */
static void rows_part(const Kernels *k, const Linear *l, size_t row, size_t end, const float *x, float *y)
{
    if (!l->w.half && !l->scales) {
        for (; row < end; row += ROWS)
            some_rows(k, l, row, least(ROWS, end - row), x, y);
        return;
    }
    size_t half = (end - row) / 2;
    for (size_t i = 0; i < half; i += HALF)
        two_places(k, l, row + i, row + half + i, least(HALF, half - i), x, y);
    if (row + 2 * half < end)
        one_row(k, l, end - 1, x, y);
}

static void matvec_part(void *ctx, int index, int count)
{
    const Matvec *mv = ctx;
    for (int i = 0; i < mv->count; i++) {
        size_t row, end;
        pool_range(mv->layers[i].m, 4, index, count, &row, &end);
        rows_part(mv->kernels, &mv->layers[i], row, end, mv->x, mv->ys[i]);
    }
}

void compute_matvec(Compute *c, const Linear *layers, float *const *ys, int count, const float *x)
{
    Matvec mv = {c->kernels, layers, ys, count, x};
    size_t weights = 0;
    for (int i = 0; i < count; i++)
        weights += layers[i].m * layers[i].k;
    compute_step(c, weights, matvec_part, &mv);
}
