/* Softmax, layer_norm and RMS norm over one axis: along contiguous rows, or down the columns of a
 * channel-major matrix. MIL has no RMS norm; models write it as x * rsqrt(mean(x^2) + epsilon) * gamma. */
#include "runtime/cpu/lower.h"

typedef enum NormKind { SOFTMAX, LAYER_NORM, RMS_NORM } NormKind;

typedef struct Norm {
    NormKind kind;
    bool columns;
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
        if (r->n->kind == SOFTMAX)
            r->k->softmax_row(y, x, r->n->n);
        else if (r->n->kind == LAYER_NORM)
            r->k->layer_norm_row(y, x, r->gamma, r->beta, r->n->epsilon, r->n->n);
        else
            r->k->rms_norm_row(y, x, r->gamma, r->n->epsilon, r->n->n);
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
    if (n->columns && n->kind == SOFTMAX)
        compute_softmax_columns(r->compute, run.y, n->ld_y, run.x, n->ld_x, n->n, n->others);
    else if (n->columns && n->kind == RMS_NORM)
        compute_rms_norm_columns(r->compute, run.y, n->ld_y, run.x, n->ld_x, run.gamma, n->epsilon, n->n,
                                 n->others);
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
static bool emit_axis(Lowering *l, const char *kind, const Value *out, int axis, Norm *n, View *views,
                      int count)
{
    View x = views[0], compact = view_like(&x), dense = view_dense(0, DT_FP32, x.rank, x.dim);
    if (!lay_out(&x, &compact, axis, n)) {
        if (!lay_out(&dense, &dense, axis, n))
            return false;
        views[0] = cpu_dense_copy(l, out, &x, DT_FP32);
    }
    View y = cpu_result_like(l, out, &views[0]);
    CpuStep *s = cpu_step_add(l, run_norm, kind, out, y, views, count, n, sizeof *n);
    s->flops = (n->kind == LAYER_NORM ? 7.0 : 4.0) * (double)view_count(&y);
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
    Norm n = {.kind = SOFTMAX, .gamma = -1, .beta = -1};
    *done = emit_axis(l, op->spelling, op->result[0], (int)axis, &n, &x, 1);
    return true;
}

static bool add_vector(Lowering *l, const Value *v, View *views, int *count, int *index)
{
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
    Norm n = {.kind = LAYER_NORM};
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
    if (!add_vector(l, op_arg(op, "gamma"), views, &count, &n.gamma) ||
        !add_vector(l, op_arg(op, "beta"), views, &count, &n.beta))
        return false;
    *done = emit_axis(l, op->spelling, op->result[0], (int)axis, &n, views, count);
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

/* ---- RMS norm ---- */

typedef struct RmsNorm {
    const Value *x, *gamma; /* gamma NULL: none */
    int axis;
    double epsilon;
} RmsNorm;

/* The result of an op of this code, which joins the group. */
static const Op *take(Match *m, const Value *v, OpCode code)
{
    const Op *op = cpu_def_of(v, code);
    if (op)
        cpu_match_inner(m, op);
    return op;
}

/* v is rsqrt(mean(x^2) + epsilon) of x, over one axis that stays. */
static bool match_inverse(Match *m, const Value *v, RmsNorm *n)
{
    double added = 0, inside = 1e-12; /* rsqrt's own epsilon where it says nothing */
    int64_t axis;
    bool keep = false;
    const Op *root = take(m, v, OP_RSQRT), *sum = root ? take(m, op_arg(root, "x"), OP_ADD) : NULL;
    if (!sum || (op_arg(root, "epsilon") && !arg_float(root, "epsilon", &inside)))
        return false;
    bool swapped = cpu_scalar_const(op_arg(sum, "x"), &added);
    if (!swapped && !cpu_scalar_const(op_arg(sum, "y"), &added))
        return false;
    const Op *mean = take(m, op_arg(sum, swapped ? "y" : "x"), OP_REDUCE_MEAN);
    if (!mean || arg_ints(mean, "axes", &axis, 1) != 1 || !arg_bool(mean, "keep_dims", &keep) || !keep)
        return false;
    const Op *square = take(m, op_arg(mean, "x"), OP_SQUARE);
    if (!square || op_arg(square, "x") != n->x)
        return false;
    n->axis = (int)axis + (axis < 0 ? n->x->type->rank : 0);
    n->epsilon = added + inside;
    return true;
}

/* op is x * rsqrt(..), either way round. */
static bool match_normalized(Match *m, const Op *op, RmsNorm *n)
{
    int inners = m->inners;
    for (int side = 0; op && side < 2; side++) {
        m->inners = inners;
        n->x = op_arg(op, side ? "y" : "x");
        if (match_inverse(m, op_arg(op, side ? "x" : "y"), n))
            return true;
    }
    m->inners = inners;
    return false;
}

/* Along the axis of x, and of length 1 along all others. */
static bool is_vector(const Value *v, const RmsNorm *n)
{
    const Type *t = v->type, *x = n->x->type;
    int from_right = x->rank - 1 - n->axis, at = t->rank - 1 - from_right;
    return at >= 0 && dtype_is_float(t->dtype) && t->dim[at] == x->dim[n->axis] &&
           type_elements(t) == t->dim[at];
}

/* Contiguous vectors, or the columns of one matrix: what the kernels walk. */
static bool can_walk(const RmsNorm *n)
{
    const Type *t = n->x->type;
    int64_t before = 1;
    if (n->axis < 0 || n->axis >= t->rank || type_elements(t) <= 0 || t->dim[n->axis] < 2)
        return false;
    for (int i = 0; i < n->axis; i++)
        before *= t->dim[i];
    return n->axis == t->rank - 1 || before == 1;
}

static bool emit_rms_norm(Lowering *l, const Match *m)
{
    const RmsNorm *own = m->own;
    Norm n = {.kind = RMS_NORM, .gamma = -1, .beta = -1, .epsilon = (float)own->epsilon};
    View views[2];
    int count = 1;
    if (!cpu_value_f32(l, own->x, &views[0]) || !add_vector(l, own->gamma, views, &count, &n.gamma))
        return false;
    return emit_axis(l, "rms_norm", m->root->result[0], own->axis, &n, views, count) ||
           error_set(l->err, "%s: cannot be walked", m->root->result[0]->name);
}

Match *cpu_match_rms_norm(Lowering *l, const Op *op)
{
    RmsNorm own = {0};
    if (op->code != OP_MUL || !dtype_is_float(op->result[0]->type->dtype) ||
        cpu_node(l, op->result[0])->stored)
        return NULL;
    Match *m = cpu_match_new(l, op, emit_rms_norm, &own, sizeof own);
    bool found = match_normalized(m, op, &own);
    for (int side = 0; !found && side < 2; side++) {
        const Op *inner = cpu_def_of(op_arg(op, side ? "y" : "x"), OP_MUL);
        own = (RmsNorm){.gamma = op_arg(op, side ? "x" : "y")};
        found = match_normalized(m, inner, &own) && is_vector(own.gamma, &own);
        if (found)
            cpu_match_inner(m, inner);
        else
            m->inners = 0;
    }
    if (!found || !can_walk(&own) || !dims_equal(own.x->type, op->result[0]->type))
        return NULL;
    m->own = arena_copy(&l->kernel->arena, &own, sizeof own);
    cpu_match_outer(m, own.x);
    cpu_match_outer(m, own.gamma);
    return cpu_match_closed(l, m) ? m : NULL;
}
