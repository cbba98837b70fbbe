/* Products with one vector: bound by how fast the weights can be read. */
#include "runtime/kernels/compute.h"

enum { ROWS = 64 };

typedef struct Matvec {
    const Kernels *kernels;
    const Linear *layers;
    float *const *ys;
    int count;
    const float *x;
} Matvec;

/* Rows [row, row + n) of one layer, n <= ROWS. */
static void some_rows(const Kernels *k, const Linear *l, size_t row, size_t n, const float *x, float *y)
{
    float sum[ROWS], bias[ROWS];
    if (l->w.half)
        k->matvec_f16(sum, (const uint16_t *)l->w.data + row * l->ldw, l->ldw, x, n, l->k);
    else
        k->matvec_f32(sum, (const float *)l->w.data + row * l->ldw, l->ldw, x, n, l->k);
    if (l->bias.data) {
        operand_floats(k, l->bias, row, n, bias);
        k->add(sum, sum, bias, n);
    }
    if (l->accumulate)
        k->add(sum, sum, y + row, n);
    k->map[l->map](y + row, sum, n);
}

static void matvec_part(void *ctx, int index, int count)
{
    const Matvec *mv = ctx;
    for (int i = 0; i < mv->count; i++) {
        const Linear *l = &mv->layers[i];
        size_t row, end;
        pool_range(l->m, 4, index, count, &row, &end);
        for (; row < end; row += ROWS)
            some_rows(mv->kernels, l, row, least(ROWS, end - row), mv->x, mv->ys[i]);
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
