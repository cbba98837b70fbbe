/* Softmax and layer_norm over one axis: along contiguous rows, or down the columns of a channel-major matrix.
 */
#include "runtime/cpu/lower.h"

typedef struct Norm {
    bool softmax, columns;
    size_t n, others;  /* length of the axis; how many there are of it */
    size_t ld_x, ld_y; /* from one row to the next; of columns: from one channel to the next */
    int gamma, beta;   /* views, or -1 */
    float epsilon;
} Norm;

typedef struct NormRun {
    const Norm *n;
    const Kernels *k;
    float *y;
    const float *x, *gamma, *beta;
} NormRun;

static void norm_rows(void *context, int index, int count)
{
    const NormRun *r = context;
    size_t begin, end;
    pool_range(r->n->others, 1, index, count, &begin, &end);
    for (size_t i = begin; i < end; i++) {
        float *y = r->y + i * r->n->ld_y;
        const float *x = r->x + i * r->n->ld_x;
        if (r->n->softmax)
            r->k->softmax_row(y, x, r->n->n);
        else
            r->k->layer_norm_row(y, x, r->gamma, r->beta, r->n->epsilon, r->n->n);
    }
}

static bool run_norm(const Run *r, const CpuStep *s, Error *err)
{
    enum { PARALLEL_FROM = 1 << 14 };
    const Norm *n = s->own;
    NormRun run = {n,
                   r->compute->kernels,
                   view_data(r, &s->out),
                   view_data(r, &s->view[0]),
                   n->gamma < 0 ? NULL : view_data(r, &s->view[n->gamma]),
                   n->beta < 0 ? NULL : view_data(r, &s->view[n->beta])};
    if (n->columns && n->softmax)
        compute_softmax_columns(r->compute, run.y, n->ld_y, run.x, n->ld_x, n->n, n->others);
    else if (n->columns)
        compute_layer_norm_columns(r->compute, run.y, n->ld_y, run.x, n->ld_x, run.gamma, run.beta,
                                   n->epsilon, n->n, n->others);
    else if (n->n * n->others >= PARALLEL_FROM && n->others > 1)
        pool_run(r->compute->pool, norm_rows, &run);
    else
        norm_rows(&run, 0, 1);
    return true;
}

/* v as [others, axis], with the axis last. */
static bool two_axes(const View *v, int axis, View *out)
{
    int perm[IR_MAX_RANK], n = 0;
    for (int i = 0; i < v->rank; i++)
        if (i != axis)
            perm[n++] = i;
    perm[n] = axis;
    View turned = view_transpose(v, perm);
    int64_t dim[2] = {1, v->dim[axis]};
    for (int i = 0; i < n; i++)
        dim[0] *= turned.dim[i];
    return view_reshape(&turned, 2, dim, out);
}

/* Fills in how the kernels walk x and y; false: they cannot. */
static bool lay_out(const View *x, const View *y, int axis, Norm *n)
{
    View a, b;
    if (!two_axes(x, axis, &a) || !two_axes(y, axis, &b))
        return false;
    n->others = (size_t)a.dim[0];
    n->n = (size_t)a.dim[1];
    if ((a.stride[1] == 1 && b.stride[1] == 1) || n->n == 1) {
        n->ld_x = (size_t)a.stride[0];
        n->ld_y = (size_t)b.stride[0];
        return n->n > 1 || n->others == 1;
    }
    n->columns = (a.stride[0] == 1 && b.stride[0] == 1) || n->others == 1;
    n->ld_x = (size_t)a.stride[1];
    n->ld_y = (size_t)b.stride[1];
    return n->columns;
}

/* views[0] is x. Nothing is emitted where the kernels cannot walk it, dense neither. */
static bool emit_axis(Lowering *l, const Op *op, int axis, Norm *n, View *views, int count)
{
    const Value *out = op->result[0];
    View x = views[0], compact = view_like(&x), dense = view_dense(0, DT_FP32, x.rank, x.dim);
    if (!lay_out(&x, &compact, axis, n)) {
        if (!lay_out(&dense, &dense, axis, n))
            return false;
        views[0] = cpu_dense_copy(l, out, &x, DT_FP32);
    }
    View y = cpu_result_like(l, out, &views[0]);
    CpuStep *s = cpu_step_add(l, run_norm, op->spelling, out, y, views, count, n, sizeof *n);
    s->flops = (n->softmax ? 4.0 : 7.0) * (double)view_count(&y);
    return true;
}

static bool emit_softmax(Lowering *l, const Op *op, bool *done)
{
    int64_t axis = -1;
    View x;
    if (op_arg(op, "axis") && !arg_int(op, "axis", &axis))
        return true;
    if (!cpu_value_f32(l, op_arg(op, "x"), &x))
        return false;
    axis += axis < 0 ? x.rank : 0;
    if (axis < 0 || axis >= x.rank || view_count(&x) == 0)
        return true;
    Norm n = {.softmax = true, .gamma = -1, .beta = -1};
    *done = emit_axis(l, op, (int)axis, &n, &x, 1);
    return true;
}

static bool add_vector(Lowering *l, const Op *op, const char *key, View *views, int *count, int *index)
{
    const Value *v = op_arg(op, key);
    View dense;
    *index = -1;
    if (!v)
        return true;
    if (!cpu_value_f32(l, v, &dense))
        return false;
    if (!view_is_dense(&dense))
        dense = cpu_dense_copy(l, v, &dense, DT_FP32);
    *index = *count;
    views[(*count)++] = dense;
    return true;
}

static bool emit_layer_norm(Lowering *l, const Op *op, bool *done)
{
    int64_t axis;
    double epsilon = 1e-5;
    View views[3];
    int count = 1;
    Norm n = {0};
    if (!op_arg(op, "axes") || arg_ints(op, "axes", &axis, 1) != 1)
        return true;
    if (op_arg(op, "epsilon") && !arg_float(op, "epsilon", &epsilon))
        return true;
    n.epsilon = (float)epsilon;
    if (!cpu_value_f32(l, op_arg(op, "x"), &views[0]))
        return false;
    axis += axis < 0 ? views[0].rank : 0;
    if (axis < 0 || axis >= views[0].rank || view_count(&views[0]) == 0)
        return true;
    if (!add_vector(l, op, "gamma", views, &count, &n.gamma) ||
        !add_vector(l, op, "beta", views, &count, &n.beta))
        return false;
    *done = emit_axis(l, op, (int)axis, &n, views, count);
    return true;
}

bool cpu_emit_norm(Lowering *l, const Op *op, bool *done)
{
    if (op->code == OP_SOFTMAX && !cpu_node(l, op->result[0])->stored)
        return emit_softmax(l, op, done);
    if (op->code == OP_LAYER_NORM && !cpu_node(l, op->result[0])->stored)
        return emit_layer_norm(l, op, done);
    return true;
}
