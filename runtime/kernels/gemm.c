/* Products of matrices. B is packed once for up to `width` columns, by all threads; then each thread
 * takes its rows of C (or its columns, where that divides better). It packs A a panel (mr x DEPTH) at a time,
 * which stays in the first level cache while the register block runs over all panels of B, and A
 * is read from memory between products and not in bursts. ROWS rows of C, whose sums grow by a chunk of
 * DEPTH after another, and a chunk of B stay in the second level cache. The order of the sum over k is
 * the same for every element of C, wherever it is computed. */
#include <string.h>

#include "runtime/kernels/compute.h"

enum { DEPTH = 256, ROWS = 336, GROUP = 32, SQUARE = 16 };
#define MOST_PACKED ((size_t)2 << 20) /* floats of B */

typedef struct Product {
    const Kernels *kernels;
    size_t m, n, k;
    Operand a;
    const Linear *q8; /* where A is a layer of 8 bits; else NULL */
    size_t lda;
    bool a_transposed;
    const float *b;
    size_t ldb;
    bool b_transposed;
    Operand bias;
    float alpha;
    MapOp map;
    bool accumulate;
    float *c;
    size_t ldc;

    bool split_columns;     /* among the threads, instead of rows */
    size_t width;           /* columns of B that are packed at once: a multiple of nr */
    size_t column, columns; /* those that are packed now */
    float *packed_a;        /* one panel a thread */
    float *packed_b;        /* [chunk of DEPTH][panel][its depth, in whole groups][nb] */
} Product;

static size_t block_rows(const Kernels *k)
{
    return ROWS / (size_t)k->mr * (size_t)k->mr;
}

static size_t panel_room(const Kernels *k)
{
    return (size_t)k->mr * DEPTH;
}

static size_t packed_width(const Kernels *k, size_t n, size_t depth)
{
    size_t nr = (size_t)k->nr, most = MOST_PACKED / (depth ? depth : 1);
    if (most < 4 * nr)
        most = 4 * nr;
    size_t blocks = n / most + (n % most != 0);
    return round_up((n + blocks - 1) / (blocks ? blocks : 1), nr);
}

static size_t room_with(const Compute *c, const Kernels *k, size_t n, size_t depth)
{
    return panel_room(k) * (size_t)pool_threads(c->pool) +
           packed_width(k, n, depth) / (size_t)k->nr * round_up(depth, GROUP) * (size_t)k->nb;
}

size_t compute_gemm_room(const Compute *c, size_t m, size_t n, size_t k)
{
    const Kernels *halves = c->kernels->halves;
    size_t own = room_with(c, c->kernels, n, k), blas = blas_room(c, m, n, k);
    if (halves)
        own = greatest(own, room_with(c, halves, n, k));
    return greatest(own, blas);
}

/* ---- packing ---- */

/* Where row p of panel j / nr begins. */
static float *packed_row(const Product *g, size_t p, size_t j)
{
    size_t nr = (size_t)g->kernels->nr, nb = (size_t)g->kernels->nb, chunk = p / DEPTH * DEPTH,
           depth = round_up(least(DEPTH, g->k - chunk), GROUP), panels = round_up(g->columns, nr) / nr;
    return g->packed_b + (chunk * panels + j / nr * depth + (p - chunk)) * nb;
}

/* B[k,n]: a few rows at a time, because they are far apart. */
static void pack_rows(void *ctx, int index, int count)
{
    const Product *g = ctx;
    size_t nr = (size_t)g->kernels->nr, p, end;
    for (pool_range(g->k, GROUP, index, count, &p, &end); p < end; p += GROUP)
        for (size_t j = 0; j < g->columns; j += nr)
            g->kernels->pack_columns(packed_row(g, p, j), g->b + p * g->ldb + g->column + j, g->ldb,
                                     least(GROUP, end - p), least(nr, g->columns - j));
}

/* B[n,k]: a panel at a time. */
static void pack_transposed(void *ctx, int index, int count)
{
    const Product *g = ctx;
    size_t nr = (size_t)g->kernels->nr, j, end;
    for (pool_range(g->columns, nr, index, count, &j, &end); j < end; j += nr) {
        for (size_t p = 0; p < g->k; p += DEPTH) {
            size_t n = least(nr, end - j), depth = least(DEPTH, g->k - p);
            float *to = packed_row(g, p, j);
            if (n < nr)
                memset(to, 0, depth * nr * sizeof *to);
            g->kernels->transpose(to, nr, g->b + (g->column + j) * g->ldb + p, g->ldb, n, depth);
        }
    }
}

/* Whole squares are quick to transpose, so more columns are taken than a panel has rows. */
void compute_pack_transposed(const Kernels *k, float *to, const float *x, size_t ldx, size_t m, size_t depth)
{
    size_t mr = (size_t)k->mr, width = least(m, round_up(mr, 8));
    _Alignas(64) float square[SQUARE * SQUARE] = {0};
    for (size_t p = 0; p < depth; p += SQUARE) {
        k->transpose(square, SQUARE, x + p * ldx, ldx, least(SQUARE, depth - p), width);
        memcpy(to + p * mr, square, mr * SQUARE * sizeof *to);
    }
}

static void pack_panel_a(const Product *g, float *to, size_t i, size_t m, size_t p, size_t depth)
{
    const Kernels *k = g->kernels;
    if (!g->a_transposed) {
        if (g->q8) {
            Q8Rows rows = linear_q8(g->q8, i, p);
            k->pack_q8(to, &rows, m, depth);
        } else if (g->a.half)
            k->pack_f16(to, (const uint16_t *)g->a.data + i * g->lda + p, g->lda, m, depth);
        else
            k->pack_f32(to, (const float *)g->a.data + i * g->lda + p, g->lda, m, depth);
        return;
    }
    const float *from = (const float *)g->a.data + p * g->lda + i;
    compute_pack_transposed(k, to, from, g->lda, g->m - i, depth);
}

/* ---- multiplying ---- */

void compute_tile(const Kernels *k, size_t depth, const float *a, const float *b, float *c, size_t ldc,
                  const float *bias, bool load, size_t m, size_t n, const Ahead *ahead)
{
    size_t mr = (size_t)k->mr, nr = (size_t)k->nr;
    bool half = n <= nr / 2;
    if (m == mr && (n == nr || n == nr / 2)) {
        (half ? k->tile_half : k->tile)(depth, a, b, c, ldc, bias, load, ahead);
        return;
    }
    _Alignas(64) float whole[1024] = {0};
    for (size_t i = 0; load && i < m; i++)
        memcpy(whole + i * nr, c + i * ldc, n * sizeof *c);
    (half ? k->tile_half : k->tile)(depth, a, b, whole, nr, bias, load, ahead);
    for (size_t i = 0; i < m; i++)
        memcpy(c + i * ldc, whole + i * nr, n * sizeof *c);
}

/* Where a thread works: rows [row, row_end) of C, columns [column, column_end) of those that are packed. */
typedef struct Part {
    size_t row, row_end, column, column_end;
    float *panel; /* of A */
} Part;

/* What is packed behind the panel at row i and column p of A, in the block of rows [i0, end). */
static Ahead next_panel(const Product *g, const Part *part, size_t i, size_t i0, size_t end, size_t p)
{
    size_t size = g->q8 ? 1 : g->a.half ? sizeof(uint16_t) : sizeof(float), mr = (size_t)g->kernels->mr;
    i += mr;
    if (i >= end) {
        p += DEPTH;
        i = p < g->k ? i0 : end;
        p = p < g->k ? p : 0;
    }
    if (g->a_transposed || i >= part->row_end)
        return (Ahead){.rows = 0};
    return (Ahead){(const char *)g->a.data + (i * g->lda + p) * size, g->lda * size,
                   least(mr, part->row_end - i), least(DEPTH, g->k - p) * size};
}

/* C (+)= A . B for one block of rows and one chunk of k. */
static void multiply_block(const Product *g, const Part *part, size_t i0, size_t m, size_t p,
                           const float *bias)
{
    const Kernels *k = g->kernels;
    size_t mr = (size_t)k->mr, nr = (size_t)k->nr, depth = least(DEPTH, g->k - p),
           padded = round_up(depth, GROUP), step = padded * (size_t)k->nb;
    bool load = p > 0 || g->accumulate;
    const float *first = packed_row(g, p, part->column);
    for (size_t i = 0; i < m; i += mr) {
        const float *b = first;
        Ahead ahead = next_panel(g, part, i0 + i, i0, i0 + m, p);
        pack_panel_a(g, part->panel, i0 + i, least(mr, m - i), p, depth);
        for (size_t j = part->column; j < part->column_end; j += nr, b += step) {
            float *c = g->c + (i0 + i) * g->ldc + g->column + j;
            compute_tile(k, depth, part->panel, b, c, g->ldc, p == 0 ? bias + i : NULL, load,
                         least(mr, m - i), least(nr, part->column_end - j),
                         j == part->column ? &ahead : NULL);
        }
    }
}

static void finish_block(const Product *g, const Part *part, size_t i0, size_t m)
{
    size_t n = part->column_end - part->column;
    for (size_t i = i0; i < i0 + m; i++) {
        float *row = g->c + i * g->ldc + g->column + part->column;
        if (g->alpha != 1)
            g->kernels->scale(row, row, g->alpha, n);
        if (g->map != MAP_NONE)
            g->kernels->map[g->map](row, row, n);
    }
}

static void multiply(void *ctx, int index, int count)
{
    const Product *g = ctx;
    const Kernels *k = g->kernels;
    Part part = {0, g->m, 0, g->columns, g->packed_a + (size_t)index * panel_room(k)};
    if (g->split_columns)
        pool_range(g->columns, (size_t)k->nr, index, count, &part.column, &part.column_end);
    else
        pool_range(g->m, (size_t)k->mr, index, count, &part.row, &part.row_end);
    if (part.column == part.column_end)
        return;
    if (k->enter)
        k->enter();
    for (size_t i = part.row; i < part.row_end; i += block_rows(k)) {
        size_t m = least(block_rows(k), part.row_end - i);
        float bias[ROWS] = {0};
        if (g->bias.data)
            operand_floats(k, g->bias, i, m, bias);
        for (size_t p = 0; p == 0 || p < g->k; p += DEPTH)
            multiply_block(g, &part, i, m, p, bias);
        finish_block(g, &part, i, m);
    }
    if (k->leave)
        k->leave();
}

/* The share of the slowest thread, in panels, times what a panel weighs. */
static size_t slowest(size_t panels, size_t other, size_t threads)
{
    return (panels + threads - 1) / threads * other;
}

static void product(Compute *c, Product *g)
{
    const Kernels *k = g->kernels =
        g->a.half && !g->q8 && c->kernels->halves ? c->kernels->halves : c->kernels;
    if (g->m == 0 || g->n == 0)
        return;
    compute_reserve(c, compute_gemm_room(c, g->m, g->n, g->k));
    size_t threads = (size_t)pool_threads(c->pool);
    g->packed_a = c->work;
    g->packed_b = c->work + panel_room(k) * threads;
    g->width = packed_width(k, g->n, g->k);
    for (g->column = 0; g->column < g->n; g->column += g->width) {
        g->columns = least(g->width, g->n - g->column);
        size_t down = (g->m + (size_t)k->mr - 1) / (size_t)k->mr,
               across = (g->columns + (size_t)k->nr - 1) / (size_t)k->nr;
        g->split_columns = slowest(across, down, threads) < slowest(down, across, threads);
        compute_step(c, g->k * g->columns, g->b_transposed ? pack_transposed : pack_rows, g);
        compute_step(c, g->m * g->k, multiply, g);
    }
}

void compute_gemm(Compute *c, const Gemm *g)
{
    if (blas_gemm(c, g))
        return;
    Product p = {.m = g->m, .n = g->n, .k = g->k, .alpha = g->alpha, .c = g->c, .ldc = g->ldc};
    p.a = (Operand){g->a, false};
    p.lda = g->lda;
    p.a_transposed = g->a_transposed;
    p.b = g->b;
    p.ldb = g->ldb;
    p.b_transposed = g->b_transposed;
    product(c, &p);
}

void compute_linear(Compute *c, const Linear *l, const float *x, size_t ldx, size_t n, float *y, size_t ldy)
{
    if (n == 1 && ldx == 1 && ldy == 1) {
        compute_matvec(c, l, &y, 1, x);
        return;
    }
    if (blas_linear(c, l, x, ldx, n, y, ldy))
        return;
    Product p = {.m = l->m, .n = n, .k = l->k, .alpha = 1, .c = y, .ldc = ldy};
    p.a = l->w;
    p.q8 = l->scales ? l : NULL;
    p.lda = l->ldw;
    p.b = x;
    p.ldb = ldx;
    p.bias = l->bias;
    p.map = l->map;
    p.accumulate = l->accumulate;
    product(c, &p);
}
