/* The pool, the workspace, and the leaves over all threads. */
#include <stdlib.h>

#include "base/arena.h"
#include "runtime/kernels/compute.h"

/* Below this many elements a parallel step costs more than it saves. */
#define SMALL 16384

void compute_open(Compute *c, int threads)
{
    *c = (Compute){.kernels = kernels_get(), .pool = pool_new(threads), .sgemm = blas_get()};
}

void compute_close(Compute *c)
{
    pool_free(c->pool);
    free(c->memory);
    *c = (Compute){0};
}

void compute_reserve(Compute *c, size_t floats)
{
    if (floats <= c->room)
        return;
    free(c->memory);
    c->memory = xmalloc(floats * sizeof(float) + 64);
    c->work = (float *)(((uintptr_t)c->memory + 63) / 64 * 64);
    c->room = floats;
}

void compute_step(Compute *c, size_t elements, void (*fn)(void *ctx, int index, int count), void *ctx)
{
    pool_run(elements < SMALL ? NULL : c->pool, fn, ctx);
}

/* ---- arrays ---- */

typedef struct Array {
    void (*map)(float *y, const float *x, size_t n);
    void (*to_float)(float *y, const uint16_t *x, size_t n);
    void (*from_float)(uint16_t *y, const float *x, size_t n);
    float *y;
    const float *a;
    uint16_t *half_out;
    const uint16_t *half_in;
    size_t n;
} Array;

static void array_part(void *ctx, int index, int count)
{
    const Array *s = ctx;
    size_t i, end;
    pool_range(s->n, 64, index, count, &i, &end);
    size_t n = end - i;
    if (s->map)
        s->map(s->y + i, s->a + i, n);
    else if (s->to_float)
        s->to_float(s->y + i, s->half_in + i, n);
    else
        s->from_float(s->half_out + i, s->a + i, n);
}

void compute_map(Compute *c, MapOp op, float *y, const float *x, size_t n)
{
    Array s = {.map = c->kernels->map[op], .y = y, .a = x, .n = n};
    compute_step(c, n, array_part, &s);
}

void compute_half_to_float(Compute *c, float *y, const uint16_t *x, size_t n)
{
    Array s = {.to_float = c->kernels->half_to_float, .y = y, .half_in = x, .n = n};
    compute_step(c, n, array_part, &s);
}

void compute_half_from_float(Compute *c, uint16_t *y, const float *x, size_t n)
{
    Array s = {.from_float = c->kernels->half_from_float, .half_out = y, .a = x, .n = n};
    compute_step(c, n, array_part, &s);
}

/* ---- matrices: rows or columns are split ---- */

typedef enum TableOp {
    SOFTMAX_ROWS,
    SOFTMAX_COLUMNS,
    LAYER_NORM_COLUMNS,
    RMS_NORM_COLUMNS,
    TRANSPOSE
} TableOp;

typedef struct Table {
    const Kernels *kernels;
    TableOp op;
    float *y;
    const float *x, *gamma, *beta;
    size_t ldy, ldx, rows, columns;
    float eps;
} Table;

static void table_part(void *ctx, int index, int count)
{
    const Table *t = ctx;
    const Kernels *k = t->kernels;
    bool by_rows = t->op == SOFTMAX_ROWS || t->op == TRANSPOSE;
    size_t begin, end;
    pool_range(by_rows ? t->rows : t->columns, t->op == SOFTMAX_ROWS ? 1 : 16, index, count, &begin, &end);
    size_t n = end - begin;
    switch (t->op) {
    case SOFTMAX_ROWS:
        for (size_t i = begin; i < end; i++)
            k->softmax_row(t->y + i * t->ldy, t->x + i * t->ldx, t->columns);
        break;
    case SOFTMAX_COLUMNS: k->softmax_columns(t->y + begin, t->ldy, t->x + begin, t->ldx, t->rows, n); break;
    case LAYER_NORM_COLUMNS:
        k->layer_norm_columns(t->y + begin, t->ldy, t->x + begin, t->ldx, t->gamma, t->beta, t->eps, t->rows,
                              n);
        break;
    case RMS_NORM_COLUMNS:
        k->rms_norm_columns(t->y + begin, t->ldy, t->x + begin, t->ldx, t->gamma, t->eps, t->rows, n);
        break;
    case TRANSPOSE: k->transpose(t->y + begin, t->ldy, t->x + begin * t->ldx, t->ldx, n, t->columns); break;
    }
}

void compute_softmax_rows(Compute *c, float *y, const float *x, size_t rows, size_t n)
{
    Table t = {.kernels = c->kernels,
               .op = SOFTMAX_ROWS,
               .y = y,
               .x = x,
               .ldy = n,
               .ldx = n,
               .rows = rows,
               .columns = n};
    compute_step(c, rows * n, table_part, &t);
}

void compute_softmax_columns(Compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t channels,
                             size_t n)
{
    Table t = {.kernels = c->kernels, .op = SOFTMAX_COLUMNS, .y = y, .x = x, .ldy = ldy, .ldx = ldx};
    t.rows = channels;
    t.columns = n;
    compute_step(c, channels * n, table_part, &t);
}

void compute_layer_norm_columns(Compute *c, float *y, size_t ldy, const float *x, size_t ldx,
                                const float *gamma, const float *beta, float eps, size_t channels, size_t n)
{
    Table t = {
        .kernels = c->kernels, .op = LAYER_NORM_COLUMNS, .y = y, .x = x, .ldy = ldy, .ldx = ldx, .eps = eps};
    t.gamma = gamma;
    t.beta = beta;
    t.rows = channels;
    t.columns = n;
    compute_step(c, channels * n, table_part, &t);
}

void compute_rms_norm_columns(Compute *c, float *y, size_t ldy, const float *x, size_t ldx,
                              const float *gamma, float eps, size_t channels, size_t n)
{
    Table t = {
        .kernels = c->kernels, .op = RMS_NORM_COLUMNS, .y = y, .x = x, .ldy = ldy, .ldx = ldx, .eps = eps};
    t.gamma = gamma;
    t.rows = channels;
    t.columns = n;
    compute_step(c, channels * n, table_part, &t);
}

void compute_transpose(Compute *c, float *y, size_t ldy, const float *x, size_t ldx, size_t m, size_t n)
{
    Table t = {.kernels = c->kernels,
               .op = TRANSPOSE,
               .y = y,
               .x = x,
               .ldy = ldy,
               .ldx = ldx,
               .rows = m,
               .columns = n};
    compute_step(c, m * n, table_part, &t);
}
