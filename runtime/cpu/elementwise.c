/* Elementwise arithmetic on fp32 views with broadcasting, split over the threads along the outermost axis. */
#include <math.h>

#include "runtime/cpu/lower.h"
#include "runtime/eval/eval.h"

enum { PARALLEL_FROM = 1 << 15 }; /* elements; fewer are done before the other threads have woken up */

/* One run along the innermost axis; strides of a and b may be anything, 0 too. */
typedef void RowFn(const Kernels *k, float *y, int64_t sy, const float *a, int64_t sa, const float *b,
                   int64_t sb, int64_t n);

typedef struct Elementwise {
    RowFn *row;
    MapOp map; /* with row == NULL */
    View y, a, b;
} Elementwise;

#define STRIDED_ROW(name, expression)                                                                        \
    static void name(const Kernels *k, float *y, int64_t sy, const float *a, int64_t sa, const float *b,     \
                     int64_t sb, int64_t n)                                                                  \
    {                                                                                                        \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            float p = a[i * sa], q = b[i * sb];                                                              \
            y[i * sy] = expression;                                                                          \
        }                                                                                                    \
    }

STRIDED_ROW(strided_add, p + q)
STRIDED_ROW(strided_sub, p - q)
STRIDED_ROW(strided_mul, p *q)
STRIDED_ROW(row_div, p / q)
STRIDED_ROW(row_max, p != p || p > q ? p : q)
STRIDED_ROW(row_min, p != p || p < q ? p : q)

#define DENSE_ROW(name)                                                                                      \
    static void row_##name(const Kernels *k, float *y, int64_t sy, const float *a, int64_t sa,               \
                           const float *b, int64_t sb, int64_t n)                                            \
    {                                                                                                        \
        if (sy == 1 && sa == 1 && sb == 1)                                                                   \
            k->name(y, a, b, (size_t)n);                                                                     \
        else                                                                                                 \
            strided_##name(k, y, sy, a, sa, b, sb, n);                                                       \
    }

DENSE_ROW(add)
DENSE_ROW(sub)

static void row_mul(const Kernels *k, float *y, int64_t sy, const float *a, int64_t sa, const float *b,
                    int64_t sb, int64_t n)
{
    if (sy == 1 && sa == 1 && sb == 1)
        k->mul(y, a, b, (size_t)n);
    else if (sy == 1 && sa == 1 && sb == 0)
        k->scale(y, a, *b, (size_t)n);
    else
        strided_mul(k, y, sy, a, sa, b, sb, n);
}

static void run_part(const Run *r, const Elementwise *e, int64_t first, int64_t count)
{
    const Kernels *k = r->compute->kernels;
    float *y = view_data(r, &e->y);
    const float *a = view_data(r, &e->a), *b = view_data(r, &e->b);
    View y_part = e->y;
    int last = e->y.rank - 1;
    y_part.dim[0] = count;
    Cursor at;
    cursor_begin(&at, last, y_part.dim);
    cursor_lane(&at, first * e->y.stride[0], e->y.stride);
    cursor_lane(&at, first * e->a.stride[0], e->a.stride);
    cursor_lane(&at, first * e->b.stride[0], e->b.stride);
    for (; at.left > 0; cursor_next(&at)) {
        if (e->row)
            e->row(k, y + at.at[0], e->y.stride[last], a + at.at[1], e->a.stride[last], b + at.at[2],
                   e->b.stride[last], y_part.dim[last]);
        else
            k->map[e->map](y + at.at[0], a + at.at[1], (size_t)y_part.dim[last]);
    }
}

typedef struct Split {
    const Run *r;
    const Elementwise *e;
} Split;

static void run_split(void *context, int index, int count)
{
    const Split *s = context;
    size_t begin, end;
    pool_range((size_t)s->e->y.dim[0], s->e->y.rank == 1 ? 64 : 1, index, count, &begin, &end);
    if (begin < end)
        run_part(s->r, s->e, (int64_t)begin, (int64_t)(end - begin));
}

static bool run_elementwise(const Run *r, const CpuStep *s, Error *err)
{
    const Elementwise *e = s->own;
    Split split = {r, e};
    if (view_count(&e->y) >= PARALLEL_FROM)
        pool_run(r->compute->pool, run_split, &split);
    else
        run_part(r, e, 0, e->y.dim[0]);
    return true;
}

static void add_step(Lowering *l, const Value *v, const char *kind, RowFn *row, MapOp map, const View *y,
                     const View *a, const View *b)
{
    Elementwise e = {row, map, *y, *a, *b};
    View views[2] = {*a, *b};
    views_squeeze((View *const[]){&e.y, &e.a, &e.b}, 3);
    if (e.y.rank == 0) { /* one element */
        e.y.rank = e.a.rank = e.b.rank = 1;
        e.y.dim[0] = e.y.stride[0] = e.a.stride[0] = e.b.stride[0] = 1;
    }
    CpuStep *s = cpu_step_add(l, run_elementwise, kind, v, *y, views, row ? 2 : 1, &e, sizeof e);
    s->flops = (double)view_count(y);
}

/* ---- emission ---- */

static RowFn *row_of(OpCode code)
{
    switch (code) {
    case OP_ADD: return row_add;
    case OP_SUB: return row_sub;
    case OP_MUL: return row_mul;
    case OP_REAL_DIV: return row_div;
    case OP_MAXIMUM: return row_max;
    case OP_MINIMUM: return row_min;
    default: return NULL;
    }
}

static bool emit_binary(Lowering *l, const Op *op, RowFn *row, bool *done)
{
    const Value *out = op->result[0], *x = op_arg(op, "x"), *y = op_arg(op, "y");
    View a, b, wide_a, wide_b;
    if (!dtype_is_float(x->type->dtype) || !dtype_is_float(y->type->dtype) || type_elements(out->type) == 0)
        return true;
    if (!cpu_value_f32(l, x, &a) || !cpu_value_f32(l, y, &b))
        return false;
    if (!view_broadcast(&a, out->type->rank, out->type->dim, &wide_a) ||
        !view_broadcast(&b, out->type->rank, out->type->dim, &wide_b))
        return true;
    View to = cpu_result_like(l, out, view_has_dims(&a, out->type) ? &a : &b);
    add_step(l, out, op->spelling, row, MAP_NONE, &to, &wide_a, &wide_b);
    *done = true;
    return true;
}

/* The result has the layout of x, so that one row after the other is contiguous; else x is copied. */
bool cpu_emit_map(Lowering *l, const Value *out, const Value *x, MapOp map, const char *kind)
{
    View a;
    if (!cpu_value_f32(l, x, &a))
        return false;
    View to = cpu_result_like(l, out, &a), y = to, b = a;
    views_squeeze((View *const[]){&y, &b}, 2);
    if (y.rank > 0 && (y.stride[y.rank - 1] != 1 || b.stride[y.rank - 1] != 1)) {
        View dense = cpu_dense_copy(l, out, &a, DT_FP32);
        to = cpu_result_new(l, out, DT_FP32);
        a = dense;
    }
    add_step(l, out, kind, NULL, map, &to, &a, &a);
    return true;
}

bool cpu_emit_elementwise(Lowering *l, const Op *op, bool *done)
{
    RowFn *row = row_of(op->code);
    if (!row || cpu_node(l, op->result[0])->stored)
        return true;
    return emit_binary(l, op, row, done);
}
