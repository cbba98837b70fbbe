/* Primitives that multiply and look up: embed, linear, matmul; and those of attention and normalisation. */
#include "frontend/anel/elaborate.h"

#include <string.h>

static AnelValue fail_shapes(Elab *e, const Call *c, const Type *a, const Type *b, const char *why)
{
    return elab_error(e, c->span, "%s: %s and %s do not fit: %s", c->name, dims_string(e, a),
                      dims_string(e, b), why);
}

static bool need_floats(Elab *e, const Call *c, int i, const Type *t)
{
    if (!dtype_is_float(t->dtype))
        elab_error(e, c->at[i], "%s: this tensor holds whole numbers; write float(x)", c->name);
    return dtype_is_float(t->dtype);
}

AnelValue primitive_embed(Elab *e, Call *c)
{
    AnelTensor *table = arg_tensor(e, c, 0), *ids = arg_tensor(e, c, 1);
    if (!table || !ids)
        return anel_error;
    Type t = tensor_type(table), i = tensor_type(ids);
    if (t.rank != 2 || t.dim[0] < 0)
        return elab_error(e, c->at[0], "embed: the table must be [rows, length], not %s", dims_string(e, &t));
    if (dtype_is_float(i.dtype))
        return elab_error(e, c->at[1], "embed: the ids must be whole numbers, such as token and position");
    Value *x = tensor_value(e, table, c->at[0]), *indices = tensor_value(e, ids, c->at[1]);
    Op *op = begin_op(e, OP_GATHER, c->span);
    op_set(op, "x", x);
    op_set(op, "indices", indices);
    op_set(op, "axis", inline_int(e->module, 0));
    return emit(e, op, c->span);
}

/* ---- linear ---- */

/* x [..., in] with a weight [out, in], which may be a transposed one. */
static AnelValue emit_linear(Elab *e, Call *c, AnelTensor *x, AnelTensor *weight, AnelTensor *bias)
{
    Value *vx = tensor_value(e, x, c->at[0]), *vw = tensor_value(e, weight, c->at[1]);
    Value *vb = bias ? tensor_value(e, bias, c->at[2]) : NULL;
    Op *op = begin_op(e, OP_LINEAR, c->span);
    op_set(op, "x", vx);
    op_set(op, "weight", vw);
    op_set(op, "bias", vb);
    return emit(e, op, c->span);
}

/* x y, or x y^T. */
static AnelValue emit_matmul(Elab *e, Call *c, AnelTensor *x, AnelTensor *y, bool transpose_y)
{
    Value *vx = tensor_value(e, x, c->at[0]), *vy = tensor_value(e, y, c->at[1]);
    Op *op = begin_op(e, OP_MATMUL, c->span);
    op_set(op, "x", vx);
    op_set(op, "y", vy);
    op_set(op, "transpose_x", inline_bool(e->module, false));
    op_set(op, "transpose_y", inline_bool(e->module, transpose_y));
    return emit(e, op, c->span);
}

/* The op takes constants; with a computed matrix it is a product. */
static AnelValue computed_linear(Elab *e, Call *c, AnelTensor *x, AnelTensor *weight)
{
    AnelValue product = emit_matmul(e, c, x, weight, true);
    if (product.kind == ANEL_ERROR || c->arg[2].kind != ANEL_TENSOR)
        return product;
    return emit_arithmetic(e, "+", &product, &c->arg[2], c->span);
}

/* Some rows of a weight. */
typedef struct Part {
    Value *whole;
    int64_t begin, size;
} Part;

/* Whether v is cut out of a weight by split or slice, along its first axis. */
static bool part_of(const AnelTensor *t, Part *out)
{
    const Op *op = t->value ? t->value->def : NULL;
    if (!op || (op->code != OP_SPLIT && op->code != OP_SLICE_BY_SIZE))
        return false;
    const Type *part = t->value->type;
    int64_t begin[IR_MAX_RANK] = {0};
    *out = (Part){.whole = op_arg(op, "x"), .size = part->dim[0]};
    const Literal *l = value_literal(out->whole);
    if (!l || l->kind != LIT_WEIGHT)
        return false;
    for (int i = 1; i < part->rank; i++)
        if (part->dim[i] != out->whole->type->dim[i])
            return false;
    if (op->code == OP_SLICE_BY_SIZE)
        arg_ints(op, "begin", begin, IR_MAX_RANK);
    for (int i = 0; op->code == OP_SPLIT && op->result[i] != t->value; i++)
        begin[0] += op->result[i]->type->dim[0];
    out->begin = begin[0];
    return true;
}

/* With some rows of a weight: these columns of the product with all of it, which is computed once, however
 * many parts are asked for. */
static AnelValue part_of_linear(Elab *e, Call *c, const AnelTensor *x, const Part *part)
{
    Part bias = {NULL, 0, 0};
    bool same = c->arg[2].kind == ANEL_TENSOR && part_of(c->arg[2].tensor, &bias) &&
                bias.begin == part->begin && bias.whole->type->dim[0] == part->whole->type->dim[0];
    Value *vx = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, OP_LINEAR, c->span);
    op_set(op, "x", vx);
    op_set(op, "weight", part->whole);
    op_set(op, "bias", same ? bias.whole : NULL);
    AnelValue all = emit(e, op, c->span);
    if (all.kind == ANEL_ERROR)
        return all;
    Type t = *all.tensor->value->type;
    int64_t begin[IR_MAX_RANK] = {0};
    begin[t.rank - 1] = part->begin;
    t.dim[t.rank - 1] = part->size;
    op = begin_op(e, OP_SLICE_BY_SIZE, c->span);
    op_set(op, "x", all.tensor->value);
    op_set(op, "begin", inline_ints(e->module, begin, t.rank));
    op_set(op, "size", inline_ints(e->module, t.dim, t.rank));
    AnelValue y = emit(e, op, c->span);
    bool add = y.kind != ANEL_ERROR && c->arg[2].kind == ANEL_TENSOR && !same;
    return add ? emit_arithmetic(e, "+", &y, &c->arg[2], c->span) : y;
}

AnelValue primitive_linear(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0), *weight = arg_tensor(e, c, 1);
    AnelTensor *bias = c->arg[2].kind == ANEL_NONE ? NULL : arg_tensor(e, c, 2);
    if (!x || !weight || (!bias && c->arg[2].kind != ANEL_NONE))
        return anel_error;
    Type tx = tensor_type(x), tw = tensor_type(weight);
    if (!need_floats(e, c, 0, &tx))
        return anel_error;
    if (tw.rank != 2)
        return elab_error(e, c->at[1], "linear: the weight must be [out, in], not %s", dims_string(e, &tw));
    if (!tx.rank || tx.dim[tx.rank - 1] != tw.dim[1])
        return fail_shapes(e, c, &tx, &tw, "the weight is [out, in], and `in` is the last length of x");
    if (bias) {
        Type tb = tensor_type(bias);
        if (tb.rank != 1 || tb.dim[0] != tw.dim[0])
            return elab_error(e, c->at[2], "linear: the bias must be [out] = [%lld], not %s",
                              (long long)tw.dim[0], dims_string(e, &tb));
    }
    Part part;
    if (part_of(weight, &part))
        return part_of_linear(e, c, x, &part);
    bool constant = weight->weight && (!bias || bias->weight);
    return constant ? emit_linear(e, c, x, weight, bias) : computed_linear(e, c, x, weight);
}

/* ---- matmul ---- */

static bool batches_fit(const Type *a, const Type *b)
{
    Type x = *a, y = *b, out;
    x.rank -= 2;
    y.rank -= 2;
    return dims_broadcast(&x, &y, &out);
}

AnelValue primitive_matmul(Elab *e, Call *c)
{
    AnelTensor *a = arg_tensor(e, c, 0), *b = arg_tensor(e, c, 1);
    if (!a || !b)
        return anel_error;
    Type x = tensor_type(a), y = tensor_type(b);
    if (!need_floats(e, c, 0, &x) || !need_floats(e, c, 1, &y))
        return anel_error;
    if (x.rank < 2 || y.rank < 2)
        return fail_shapes(e, c, &x, &y, "both need two axes or more");
    if (x.dim[x.rank - 1] != y.dim[y.rank - 2])
        return fail_shapes(e, c, &x, &y, "the last length of the first is the last but one of the second");
    if (!batches_fit(&x, &y))
        return fail_shapes(e, c, &x, &y, "before the last two, lengths must be equal or 1");
    if (b->weight && y.rank == 2) {
        AnelTensor turned = {.weight = b->weight, .flipped = !b->flipped};
        return emit_linear(e, c, a, &turned, NULL);
    }
    return emit_matmul(e, c, a, b, false);
}

/* ---- attention ---- */

static int axis_of(const Type *t, int64_t dim)
{
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] == dim)
            return i;
    return -1;
}

AnelValue primitive_cache(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    if (!x)
        return anel_error;
    Type t = tensor_type(x);
    if (!need_floats(e, c, 0, &t))
        return anel_error;
    if (axis_of(&t, DIM_S) < 0 || axis_of(&t, DIM_T) >= 0)
        return elab_error(e, c->at[0], "cache: there must be an axis S, along which to append, in %s",
                          dims_string(e, &t));
    Value *v = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, OP_CACHE, c->span);
    op_set(op, "x", v);
    return emit(e, op, c->span);
}

AnelValue primitive_causal(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    int64_t window;
    if (!x || !arg_whole(e, c, 1, 0, 0, INT32_MAX, &window))
        return anel_error;
    Type t = tensor_type(x);
    if (t.rank < 2 || t.dim[t.rank - 2] != DIM_S || t.dim[t.rank - 1] != DIM_T)
        return elab_error(e, c->at[0],
                          "causal: the scores must be [..., S, T] (queries, keys from the cache), not %s",
                          dims_string(e, &t));
    Value *v = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, OP_CAUSAL, c->span);
    op_set(op, "x", v);
    if (window)
        op_set(op, "window", inline_int(e->module, window));
    return emit(e, op, c->span);
}

AnelValue primitive_distance(Elab *e, Call *c)
{
    static const int64_t dims[2] = {DIM_S, DIM_T};
    if (!e->distance) {
        Type t = type_tensor(DT_FP32, 2, dims);
        WeightRef ref = {.kind = WEIGHT_DISTANCE};
        e->ops++;
        e->distance = const_value(e->func, NULL, func_fresh_name(e->func, "distance"), &t,
                                  literal_weight(&e->module->arena, &ref));
        e->distance->span = e->distance->def->span = c->span;
    }
    return anel_tensor(e, e->distance);
}

AnelValue primitive_softmax(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    int axis;
    if (!x)
        return anel_error;
    Type t = tensor_type(x);
    if (!need_floats(e, c, 0, &t) || !arg_axis(e, c, 1, -1, t.rank, &axis))
        return anel_error;
    Value *v = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, OP_SOFTMAX, c->span);
    op_set(op, "x", v);
    op_set(op, "axis", inline_int(e->module, axis == t.rank - 1 ? -1 : axis));
    return emit(e, op, c->span);
}

/* ---- normalisation and activation ---- */

/* No constant: `scale + 1`, say. */
static bool is_computed(const AnelValue *v)
{
    return v->kind == ANEL_TENSOR && v->tensor->value && !value_is_const(v->tensor->value);
}

/* gamma or beta: [D], or NULL where it is none or computed. False: an error. */
static bool norm_arg(Elab *e, Call *c, int i, int64_t length, Value **out)
{
    *out = NULL;
    if (c->arg[i].kind == ANEL_NONE)
        return true;
    AnelTensor *t = arg_tensor(e, c, i);
    if (!t)
        return false;
    Type type = tensor_type(t);
    if (type.rank != 1 || type.dim[0] != length) {
        elab_error(e, c->at[i], "normalize: scale and shift must be [%lld], not %s", (long long)length,
                   dims_string(e, &type));
        return false;
    }
    if (!is_computed(&c->arg[i]))
        *out = tensor_value(e, t, c->at[i]);
    return true;
}

/* Scale and shift that are computed are applied behind the norm, along its axis. */
static AnelValue apply_computed(Elab *e, Call *c, AnelValue y, int axes_behind)
{
    static const char *const operators[] = {"*", "+"};
    for (int i = 0; i < 2 && y.kind == ANEL_TENSOR; i++) {
        AnelValue by = c->arg[1 + i];
        if (!is_computed(&by) && !is_computed(&c->arg[1]))
            continue;
        if (by.kind == ANEL_TENSOR && axes_behind) {
            int64_t dims[IR_MAX_RANK] = {tensor_type(by.tensor).dim[0], 1, 1, 1, 1, 1, 1, 1};
            by = emit_reshape(e, by.tensor, axes_behind + 1, dims, c->span);
        }
        if (by.kind == ANEL_TENSOR)
            y = emit_arithmetic(e, operators[i], &y, &by, c->span);
    }
    return y;
}

AnelValue primitive_normalize(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    double epsilon;
    int axis;
    Value *gamma, *beta;
    if (!x || !arg_number(e, c, 3, 1e-5, &epsilon))
        return anel_error;
    Type t = tensor_type(x);
    if (!need_floats(e, c, 0, &t) || !arg_axis(e, c, 4, -1, t.rank, &axis))
        return anel_error;
    if (!norm_arg(e, c, 1, t.dim[axis], &gamma) || !norm_arg(e, c, 2, t.dim[axis], &beta))
        return anel_error;
    if (!(epsilon >= 0 && epsilon < 1))
        return elab_error(e, c->given[3] ? c->at[3] : c->span, "normalize: epsilon must be from 0 to 1");
    if (is_computed(&c->arg[1]))
        beta = NULL; /* the scale comes first */
    int64_t axes[1] = {axis == t.rank - 1 ? -1 : axis};
    Value *v = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, OP_LAYER_NORM, c->span);
    op_set(op, "x", v);
    op_set(op, "axes", inline_ints(e->module, axes, 1));
    op_set(op, "gamma", gamma);
    op_set(op, "beta", beta);
    op_set(op, "epsilon", inline_float(e->module, DT_FP32, epsilon));
    return apply_computed(e, c, emit(e, op, c->span), t.rank - 1 - axis);
}

static AnelValue emit_gelu(Elab *e, Call *c, const char *mode)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    if (!x)
        return anel_error;
    Type t = tensor_type(x);
    if (!need_floats(e, c, 0, &t))
        return anel_error;
    Value *v = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, OP_GELU, c->span);
    op_set(op, "x", v);
    op_set(op, "mode", inline_string(e->module, mode));
    return emit(e, op, c->span);
}

AnelValue primitive_gelu(Elab *e, Call *c)
{
    return emit_gelu(e, c, "EXACT");
}

AnelValue primitive_gelu_tanh(Elab *e, Call *c)
{
    return emit_gelu(e, c, "TANH_APPROXIMATION");
}
