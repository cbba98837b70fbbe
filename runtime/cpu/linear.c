/* Projections: linear and 1x1 conv with constant weights, together with a bias, an activation, or a residual
 * that is added; and matmul of two computed values. */
#include <string.h>

#include "runtime/cpu/lower.h"

/* ---- matching ---- */

typedef struct Projection {
    const Op *core; /* OP_LINEAR or OP_CONV */
    const Value *x, *weight, *bias, *residual;
    const Value *scales; /* of a weight that is int8; NULL: it is a float */
    MapOp map;
    const Op *inner[24];
    int inners;
} Projection;

static bool is_number(const Op *op, const char *key, int64_t want, int64_t otherwise)
{
    int64_t v = otherwise;
    return (!op_arg(op, key) || arg_int(op, key, &v)) && v == want;
}

static bool all_numbers(const Op *op, const char *key, int64_t want)
{
    int64_t v[2 * IR_MAX_RANK];
    int n = arg_ints(op, key, v, 2 * IR_MAX_RANK);
    for (int i = 0; i < n; i++)
        if (v[i] != want)
            return false;
    return n >= 0 || !op_arg(op, key);
}

static bool is_matrix(const Type *t)
{
    for (int i = 2; i < t->rank; i++)
        if (t->dim[i] != 1)
            return false;
    return t->rank >= 2 && type_elements(t) > 0;
}

/* A constant matrix [m, k] or [m, k, 1, 1], behind casts. */
static const Value *weight_matrix(const Op *op)
{
    const Value *w = cpu_through_casts(op_arg(op, "weight"));
    bool floats = w->type->dtype == DT_FP16 || w->type->dtype == DT_FP32;
    return cpu_is_constant(w) && floats && is_matrix(w->type) ? w : NULL;
}

/* The form of 8 bits that is multiplied as it is stored; anything else is unpacked. */
static bool match_bytes(const Value *w, Projection *p)
{
    const Op *op = cpu_def_of(w, OP_CONSTEXPR_BLOCKWISE_SHIFT_SCALE);
    const Value *data = op ? op_arg(op, "data") : NULL, *scales = op ? op_arg(op, "scale") : NULL;
    if (!op || op_arg(op, "offset") || data->type->dtype != DT_INT8 || scales->type->dtype != DT_FP16 ||
        !value_literal(data) || !value_literal(scales) || !is_matrix(scales->type) ||
        scales->type->rank != data->type->rank || scales->type->dim[0] != data->type->dim[0] ||
        scales->type->dim[1] * KERNEL_BLOCK != data->type->dim[1])
        return false;
    p->weight = data;
    p->scales = scales;
    return true;
}

static bool is_pointwise(const Op *conv)
{
    const Type *x = op_arg(conv, "x")->type;
    return x->rank >= 3 && x->dim[0] == 1 && is_number(conv, "groups", 1, 1) &&
           all_numbers(conv, "strides", 1) && all_numbers(conv, "pad", 0);
}

static bool is_vector(const Value *v, int64_t m)
{
    return cpu_is_constant(cpu_through_casts(v)) && dtype_is_float(v->type->dtype) &&
           type_elements(v->type) == m;
}

/* v is a linear, or a 1x1 conv. */
static bool match_core(const Value *v, Projection *p)
{
    const Op *op = v->def;
    if (!op || (op->code != OP_LINEAR && op->code != OP_CONV))
        return false;
    p->weight = weight_matrix(op);
    p->bias = op_arg(op, "bias") ? cpu_through_casts(op_arg(op, "bias")) : NULL;
    p->x = op_arg(op, "x");
    if (!p->weight || !dtype_is_float(p->x->type->dtype) || type_elements(p->x->type) <= 0)
        return false;
    if (op->code == OP_CONV && !is_pointwise(op))
        return false;
    if (p->bias && !is_vector(p->bias, p->weight->type->dim[0]))
        return false;
    match_bytes(p->weight, p);
    p->core = op;
    return true;
}

/* Whether the constant b lies along the channels of v: axis 1 of a conv's result, the last of a linear's. */
static bool is_channel_bias(const Value *b, const Value *v, const Op *core)
{
    int axis = core->code == OP_CONV ? 1 : v->type->rank - 1, at = axis - (v->type->rank - b->type->rank);
    if (!is_vector(b, v->type->dim[axis]) || b->type->rank > v->type->rank)
        return false;
    return v->type->dim[axis] == 1 || (at >= 0 && b->type->dim[at] == v->type->dim[axis]);
}

/* v is a projection that may have had a bias added. */
static bool match_biased(Lowering *l, const Value *v, Projection *p)
{
    const Op *add = cpu_def_of(v, OP_ADD);
    if (match_core(v, p))
        return true;
    for (int side = 0; add && side < 2; side++) {
        const Value *inner = op_arg(add, side ? "y" : "x"), *bias = op_arg(add, side ? "x" : "y");
        if (!cpu_used_once(l, inner) || !match_core(inner, p))
            continue;
        if (p->bias || !is_channel_bias(bias, inner, p->core) || !dims_equal(inner->type, v->type))
            return false;
        p->bias = cpu_through_casts(bias);
        p->inner[p->inners++] = p->core;
        return true;
    }
    return false;
}

/* v is that, with an activation behind it. */
static bool match_active(Lowering *l, const Value *v, Projection *p)
{
    Activation a;
    if (match_biased(l, v, p))
        return true;
    if (!v->def || v->def->results != 1 || !cpu_find_activation(l, v->def, &a) || !match_biased(l, a.x, p))
        return false;
    for (int i = 0; i < a.inners; i++)
        p->inner[p->inners++] = a.inner[i];
    p->inner[p->inners++] = a.x->def;
    p->map = a.map;
    return true;
}

/* v is that, added to a value of the same shape. */
static bool match_residual(Lowering *l, const Value *v, Projection *p)
{
    const Op *add = cpu_def_of(v, OP_ADD);
    for (int side = 0; add && side < 2; side++) {
        const Value *inner = op_arg(add, side ? "y" : "x"), *other = op_arg(add, side ? "x" : "y");
        Projection whole = {0};
        if (!cpu_used_once(l, inner) || cpu_is_constant(other) || !dims_equal(inner->type, v->type) ||
            !dims_equal(other->type, v->type) || !dtype_is_float(other->type->dtype))
            continue;
        if (!match_active(l, inner, &whole) || whole.map != MAP_NONE)
            continue;
        *p = whole;
        p->residual = other;
        p->inner[p->inners++] = inner->def;
        return true;
    }
    return false;
}

/* ---- running ---- */

typedef struct Product {
    Linear layer; /* without data */
    size_t n;     /* columns; 1: a vector */
    size_t ld_x, ld_y;
    int weight, scales, bias, residual; /* views, or -1 */
} Product;

static Linear layer_of(const Run *r, const CpuStep *s, const Product *p)
{
    Linear layer = p->layer;
    layer.w.data = view_data(r, &s->view[p->weight]);
    if (p->scales >= 0)
        layer.scales = view_data(r, &s->view[p->scales]);
    if (p->bias >= 0)
        layer.bias.data = view_data(r, &s->view[p->bias]);
    return layer;
}

static bool run_product(const Run *r, const CpuStep *s, Error *err)
{
    const Product *p = s->own;
    Linear layer = layer_of(r, s, p);
    float *y = view_data(r, &s->out);
    const float *x = view_data(r, &s->view[0]);
    if (p->residual >= 0)
        memcpy(y, view_data(r, &s->view[p->residual]), layer.m * p->n * sizeof *y);
    if (p->n == 1)
        compute_matvec(r->compute, &layer, &y, 1, x);
    else
        compute_linear(r->compute, &layer, x, p->ld_x, p->n, y, p->ld_y);
    return true;
}

/* Products of several matrices with one vector: one step for the threads in place of several. */
enum { MOST_TOGETHER = 4 };
typedef struct Together {
    int count;
    Product product[MOST_TOGETHER];
    int out[MOST_TOGETHER]; /* views; the first is the step's own */
} Together;

static bool run_together(const Run *r, const CpuStep *s, Error *err)
{
    const Together *t = s->own;
    Linear layers[MOST_TOGETHER];
    float *ys[MOST_TOGETHER];
    for (int i = 0; i < t->count; i++) {
        layers[i] = layer_of(r, s, &t->product[i]);
        ys[i] = view_data(r, i ? &s->view[t->out[i]] : &s->out);
    }
    compute_matvec(r->compute, layers, ys, t->count, view_data(r, &s->view[0]));
    return true;
}

/* ---- emission ---- */

/* v, fp32, as [rows, columns] with contiguous rows: of a linear's operand or result the columns are what
 * stands before the last axis. */
static bool as_columns(const View *v, bool conv, View *out)
{
    View turned = *v;
    if (!conv) {
        int perm[IR_MAX_RANK];
        perm[0] = v->rank - 1;
        for (int i = 1; i < v->rank; i++)
            perm[i] = i - 1;
        turned = view_transpose(v, perm);
    }
    int channel = conv ? 1 : 0;
    int64_t dim[2] = {turned.dim[channel], 1};
    for (int i = channel + 1; i < v->rank; i++)
        dim[1] *= turned.dim[i];
    if (!view_reshape(&turned, 2, dim, out))
        return false;
    if (dim[1] == 1)
        return dim[0] == 1 || out->stride[0] == 1;
    return out->stride[1] == 1 && out->stride[0] >= dim[1];
}

/* The strides of a value whose columns are contiguous channel by channel. */
static View column_layout(const View *shape, bool conv)
{
    View out = view_dense(shape->block, DT_FP32, shape->rank, shape->dim);
    int last = shape->rank - 1;
    if (conv || last < 1)
        return out;
    int64_t step = 1;
    for (int i = last; i-- > 0; step *= shape->dim[i])
        out.stride[i] = step;
    out.stride[last] = step;
    return out;
}

/* A copy of v in that layout. */
static View column_copy(Lowering *l, const Value *name, const View *v, bool conv)
{
    View to = column_layout(v, conv);
    to.block = cpu_block_new(l, view_bytes(&to));
    cpu_emit_copy(l, name, "copy", v, &to);
    return to;
}

static bool columns_of(Lowering *l, const Value *v, bool conv, View *out)
{
    View wide;
    if (!cpu_value_f32(l, v, &wide))
        return false;
    if (as_columns(&wide, conv, out))
        return true;
    wide = column_copy(l, v, &wide, conv);
    return as_columns(&wide, conv, out);
}

/* A vector or matrix of constants, fp16 or fp32 as it lies in the file. */
static bool constant_operand(Lowering *l, const Value *v, View *view, bool *half)
{
    if (!cpu_value_dense(l, v, view))
        return false;
    if (view->store != DT_FP16 && view->store != DT_FP32 && !cpu_value_f32(l, v, view))
        return false;
    *half = view->store == DT_FP16;
    return true;
}

/* A residual as the result lies in memory: its rows without gaps. */
static bool residual_columns(Lowering *l, const Value *v, bool conv, size_t n, View *out)
{
    View wide;
    if (!columns_of(l, v, conv, out))
        return false;
    if (n == 1 || out->stride[0] == (int64_t)n)
        return true;
    if (!cpu_value_f32(l, v, &wide))
        return false;
    wide = column_copy(l, v, &wide, conv);
    return as_columns(&wide, conv, out);
}

/* The product without its residual; x is the first of the views, weights and bias are added to them. */
static bool product_of(Lowering *l, const Match *match, View *views, int *count, Product *own)
{
    const Projection *p = match->own;
    const int64_t *w = p->weight->type->dim;
    *own = (Product){.layer = {.m = (size_t)w[0], .k = (size_t)w[1], .ldw = (size_t)w[1], .map = p->map},
                     .weight = (*count)++,
                     .scales = p->scales ? (*count)++ : -1,
                     .bias = p->bias ? (*count)++ : -1,
                     .residual = -1};
    if (p->scales ? !cpu_value_dense(l, p->weight, &views[own->weight]) ||
                        !cpu_value_dense(l, p->scales, &views[own->scales])
                  : !constant_operand(l, p->weight, &views[own->weight], &own->layer.w.half))
        return false;
    if (views[0].dim[0] != w[1])
        return error_set(l->err, "%s: x has %lld channels, the weight takes %lld",
                         match->root->result[0]->name, (long long)views[0].dim[0], (long long)w[1]);
    own->n = (size_t)views[0].dim[1];
    own->ld_x = own->n == 1 ? 1 : (size_t)views[0].stride[0];
    own->ld_y = own->n;
    return !p->bias || constant_operand(l, p->bias, &views[own->bias], &own->layer.bias.half);
}

static View result_of(Lowering *l, const Match *match)
{
    const Value *out = match->root->result[0];
    View shape = view_dense(0, DT_FP32, out->type->rank, out->type->dim);
    shape = column_layout(&shape, ((const Projection *)match->own)->core->code == OP_CONV);
    return cpu_result_like(l, out, &shape);
}

static double product_flops(const Product *p)
{
    return 2.0 * (double)p->layer.m * (double)p->layer.k * (double)p->n;
}

static bool emit_alone(Lowering *l, const Match *match)
{
    const Projection *p = match->own;
    bool conv = p->core->code == OP_CONV;
    Product own;
    View views[5];
    int count = 1;
    if (!columns_of(l, p->x, conv, &views[0]) || !product_of(l, match, views, &count, &own))
        return false;
    if (p->residual) {
        if (!residual_columns(l, p->residual, conv, own.n, &views[own.residual = count++]))
            return false;
        own.layer.accumulate = true;
    }
    View to = result_of(l, match);
    const Compute *c = &l->kernel->device->compute;
    if (own.n > 1 && !cpu_reserve(l, compute_gemm_room(c, own.layer.m, own.n, own.layer.k)))
        return false;
    const char *kind = arena_printf(&l->kernel->arena, "%s%s%s%s", own.n == 1 ? "matvec" : "linear",
                                    p->map ? "+" : "", cpu_map_name(p->map), p->residual ? "+residual" : "");
    CpuStep *s =
        cpu_step_add(l, run_product, kind, match->root->result[0], to, views, count, &own, sizeof own);
    s->flops = product_flops(&own);
    return true;
}

static bool emit_together(Lowering *l, const Match *const *match, int n)
{
    Together own = {.count = n};
    View views[1 + 4 * MOST_TOGETHER], first = {0};
    int count = 1;
    double flops = 0;
    if (!columns_of(l, ((const Projection *)match[0]->own)->x, false, &views[0]))
        return false;
    for (int i = 0; i < n; i++) {
        if (!product_of(l, match[i], views, &count, &own.product[i]))
            return false;
        View to = result_of(l, match[i]);
        if (i)
            views[own.out[i] = count++] = to;
        else
            first = to;
        flops += product_flops(&own.product[i]);
    }
    CpuStep *s = cpu_step_add(l, run_together, "matvecs", match[0]->root->result[0], first, views, count,
                              &own, sizeof own);
    s->flops = flops;
    return true;
}

/* Whether a product with one vector needs nothing but that, and so can be done as soon as the vector is
 * there. */
static bool is_plain_vector(const Match *m)
{
    const Projection *p = m->own;
    return p->core->code == OP_LINEAR && !p->residual && type_elements(p->x->type) == p->weight->type->dim[1];
}

static bool emit_projection(Lowering *l, const Match *match);

/* Queries, keys and values; gate and up: the products with the same vector are done where the first stands.
 */
static int find_together(Lowering *l, const Match *first, const Match **out)
{
    int n = 0;
    out[n++] = first;
    for (int i = 0; i < l->ops && is_plain_vector(first) && n < MOST_TOGETHER; i++) {
        const Match *m = l->op[i].match;
        if (m && m != first && m->emit == emit_projection && !l->op[i].claimed && is_plain_vector(m) &&
            ((const Projection *)m->own)->x == ((const Projection *)first->own)->x)
            out[n++] = m;
    }
    return n;
}

static bool emit_projection(Lowering *l, const Match *match)
{
    const Match *all[MOST_TOGETHER];
    int n = find_together(l, match, all);
    for (int i = 0; i < n; i++)
        l->op[cpu_node(l, all[i]->root->result[0])->op].claimed = true; /* emitted */
    return n > 1 ? emit_together(l, all, n) : emit_alone(l, match);
}

Match *cpu_match_linear(Lowering *l, const Op *op)
{
    if (op->results != 1 || !dtype_is_float(op->result[0]->type->dtype) || cpu_node(l, op->result[0])->stored)
        return NULL;
    Projection p = {0};
    if (!match_active(l, op->result[0], &p)) {
        p = (Projection){0};
        if (!match_residual(l, op->result[0], &p))
            return NULL;
    }
    Match *m = cpu_match_new(l, op, emit_projection, &p, sizeof p);
    for (int i = 0; i < p.inners; i++)
        cpu_match_inner(m, p.inner[i]);
    cpu_match_outer(m, p.x);
    cpu_match_outer(m, p.weight);
    cpu_match_outer(m, p.scales);
    cpu_match_outer(m, p.bias);
    cpu_match_outer(m, p.residual);
    return cpu_match_closed(l, m) ? m : NULL;
}

/* ---- matmul of two values ---- */

typedef struct Batches {
    Gemm gemm;    /* without addresses */
    View a, b, c; /* the batch axes only */
} Batches;

static bool run_matmul(const Run *r, const CpuStep *s, Error *err)
{
    const Batches *own = s->own;
    Gemm g = own->gemm;
    const float *a = view_data(r, &s->view[0]), *b = view_data(r, &s->view[1]);
    float *c = view_data(r, &s->out);
    int64_t index[IR_MAX_RANK] = {0};
    for (int64_t left = view_count(&own->c); left > 0; left--) {
        g.a = a;
        g.b = b;
        g.c = c;
        for (int i = 0; i < own->c.rank; i++) {
            g.a += index[i] * own->a.stride[i];
            g.b += index[i] * own->b.stride[i];
            g.c += index[i] * own->c.stride[i];
        }
        compute_gemm(r->compute, &g);
        for (int i = own->c.rank; i-- > 0;) {
            if (++index[i] < own->c.dim[i])
                break;
            index[i] = 0;
        }
    }
    return true;
}

/* The last two axes as a matrix of rows or of columns that are contiguous; copies what is neither. */
static bool matrix_of(Lowering *l, const Value *v, bool transposed, View *view, size_t *ld, bool *turned)
{
    if (!cpu_value_f32(l, v, view))
        return false;
    int r = view->rank;
    if (view->stride[r - 1] != 1 && view->stride[r - 2] != 1)
        *view = cpu_dense_copy(l, v, view, DT_FP32);
    *turned = view->stride[r - 1] != 1;
    int64_t stride = view->stride[*turned ? r - 1 : r - 2], least = view->dim[*turned ? r - 2 : r - 1];
    if (stride < least) { /* the stride of an axis of length 1 says nothing */
        *view = cpu_dense_copy(l, v, view, DT_FP32);
        *turned = false;
        stride = view->dim[r - 1];
    }
    *ld = (size_t)stride;
    *turned ^= transposed;
    return true;
}

bool cpu_emit_matmul(Lowering *l, const Op *op, bool *done)
{
    if (op->code != OP_MATMUL || cpu_node(l, op->result[0])->stored)
        return true;
    const Value *out = op->result[0], *x = op_arg(op, "x"), *y = op_arg(op, "y");
    bool flip_x = false, flip_y = false;
    arg_bool(op, "transpose_x", &flip_x);
    arg_bool(op, "transpose_y", &flip_y);
    if (x->type->rank < 2 || y->type->rank < 2 || !dtype_is_float(out->type->dtype) ||
        type_elements(x->type) <= 0 || type_elements(y->type) <= 0)
        return true;
    Batches own = {0};
    Gemm *g = &own.gemm;
    View views[2];
    if (!matrix_of(l, x, flip_x, &views[0], &g->lda, &g->a_transposed) ||
        !matrix_of(l, y, flip_y, &views[1], &g->ldb, &g->b_transposed))
        return false;
    int rank = out->type->rank;
    g->m = (size_t)out->type->dim[rank - 2];
    g->n = (size_t)out->type->dim[rank - 1];
    g->k = (size_t)x->type->dim[x->type->rank - (flip_x ? 2 : 1)];
    g->alpha = 1;
    g->ldc = g->n;
    View a = views[0], b = views[1];
    a.rank -= 2;
    b.rank -= 2;
    if (!view_broadcast(&a, rank - 2, out->type->dim, &own.a) ||
        !view_broadcast(&b, rank - 2, out->type->dim, &own.b))
        return true;
    View to = cpu_result_new(l, out, DT_FP32);
    own.c = to;
    own.c.rank -= 2;
    if (!cpu_reserve(l, compute_gemm_room(&l->kernel->device->compute, g->m, g->n, g->k)))
        return false;
    CpuStep *s = cpu_step_add(l, run_matmul, "matmul", out, to, views, 2, &own, sizeof own);
    s->flops = 2.0 * (double)view_count(&to) * (double)g->k;
    *done = true;
    return true;
}
