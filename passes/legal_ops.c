/* One function for each kind of op. */
#include <string.h>

#include "passes/legal.h"
#include "passes/match.h"

static const char *stem_of(Legal *l, const Op *op)
{
    return legal_stem(l, op->result[0]);
}

static const char *joined(Legal *l, const char *stem, const char *suffix)
{
    return arena_printf(l->arena, "%s_%s", stem, suffix);
}

static bool define(Legal *l, const Op *op, Value *made, const Layout *layout)
{
    if (!made)
        return false;
    form_add(l, op->result[0], layout, made);
    return true;
}

static bool unsupported(Legal *l, const Op *op, const char *why)
{
    return error_set(&l->err, "%s: %s", op->spelling, why);
}

/* The layout in which x was made; of a constant, the plain one. */
static Layout layout_now(const Legal *l, const Value *x)
{
    return form_of(x) ? form_of(x)->layout : layout_plain(l, x->type->rank);
}

/* The op has other names for the same elements: no op at all. */
static bool rename_axes(Legal *l, const Op *op, const int to[IR_MAX_RANK])
{
    Value *x = op_arg(op, "x");
    Layout from = layout_now(l, x), layout = from;
    for (int i = 0; i < from.rank; i++)
        layout.axis[i] = from.axis[i] < 0 ? -1 : to[from.axis[i]];
    return define(l, op, form_want(l, x, &from), &layout);
}

/* ---- elementwise ---- */

static const char *number_stem(Legal *l, const Op *op, const char *key)
{
    const char *word = op->code == OP_MUL   ? "scale"
                       : op->code == OP_ADD ? "term"
                       : op->code == OP_POW ? "exponent"
                                            : key;
    return joined(l, stem_of(l, op), word);
}

/* The operand that decides the layout: one that has all the axes of the result. */
static const Value *leading_operand(const Op *op)
{
    FOR_EACH_DATA(op, slot)
        if (!is_known(*slot) && dims_equal((*slot)->type, op->result[0]->type))
            return *slot;
    return NULL;
}

/* What the layout of a result is for an operand of lower rank, whose axes are the last ones. */
static Layout broadcast_layout(const Layout *layout, int missing)
{
    Layout out = *layout;
    for (int i = 0; i < out.rank; i++)
        out.axis[i] = out.axis[i] < missing ? -1 : out.axis[i] - missing;
    return out;
}

static Value *elementwise_operand(Legal *l, const Op *op, const char *key, Value *v, const Layout *layout)
{
    Layout mine = broadcast_layout(layout, op->result[0]->type->rank - v->type->rank);
    if (!is_known(v))
        return form_want(l, v, &mine);
    return legal_constant(l, v, &mine, number_stem(l, op, key), false);
}

static bool emit_elementwise(Legal *l, const Op *op)
{
    const Value *leading = leading_operand(op);
    Value *args[OP_MAX_OPERANDS] = {NULL};
    Layout layout = leading ? layout_now(l, leading) : layout_home(l, op->result[0]->type->rank);
    for (int i = 0; i < op->args; i++)
        if (op->arg[i].count) {
            const char *key = op->arg[i].key;
            args[i] = is_data(op, key) ? elementwise_operand(l, op, key, op->arg[i].values[0], &layout)
                                       : legal_attribute(l, op, key);
            if (!args[i])
                return false;
        }
    Op *made = legal_op(l, op->code, op->span);
    for (int i = 0; i < op->args; i++)
        op_set(made, op->arg[i].key, args[i]);
    return define(l, op, legal_finish(l, made, stem_of(l, op)), &layout);
}

/* ---- products ---- */

/* [.., S, I] with the channels second, as conv wants them: [1, I, 1, S] or [1, I, B, S]. */
static Layout conv_layout(int rank)
{
    return rank == 2 ? layout_last(2, 0) : (Layout){4, {-1, 2, 0, 1}};
}

static Value *conv(Legal *l, const Op *op, Value *x, const char *stem)
{
    static const int64_t ones[2] = {1, 1}, zeros[4] = {0, 0, 0, 0};
    const Value *w = op_arg(op, "weight");
    int64_t dims[4] = {w->type->dim[0], w->type->dim[1], 1, 1};
    Type t = type_tensor(DT_FP16, 4, dims);
    Value *weight = legal_weight(l, &value_literal(w)->weight, &t, joined(l, stem, "weight"));
    Value *strides = legal_ints(l, "strides", ones, 2), *pad_type = legal_string(l, "pad_type", "valid");
    Value *pad = legal_ints(l, "pads", zeros, 4), *dilations = legal_ints(l, "dilations", ones, 2);
    Value *groups = legal_int(l, "groups", 1);
    Op *made = legal_op(l, OP_CONV, op->span);
    op_set(made, "x", x);
    op_set(made, "weight", weight);
    op_set(made, "strides", strides);
    op_set(made, "pad_type", pad_type);
    op_set(made, "pad", pad);
    op_set(made, "dilations", dilations);
    op_set(made, "groups", groups);
    return legal_finish(l, made, op_arg(op, "bias") ? joined(l, stem, "conv") : stem);
}

/* conv 1x1, and the bias as an addition of its own. */
static bool emit_conv(Legal *l, const Op *op)
{
    const char *stem = stem_of(l, op);
    Layout layout = conv_layout(op_arg(op, "x")->type->rank);
    Value *x = form_want(l, op_arg(op, "x"), &layout), *made = x ? conv(l, op, x, stem) : NULL;
    const Value *b = op_arg(op, "bias");
    if (made && b) {
        int64_t dims[4] = {1, b->type->dim[0], 1, 1};
        Type t = type_tensor(DT_FP16, 4, dims);
        Value *bias = legal_weight(l, &value_literal(b)->weight, &t, joined(l, stem, "bias"));
        Op *add = legal_op(l, OP_ADD, op->span);
        op_set(add, "x", made);
        op_set(add, "y", bias);
        made = legal_finish(l, add, stem);
    }
    return define(l, op, made, &layout);
}

static Value *want_plain(Legal *l, Value *v, const char *stem)
{
    Layout layout = layout_plain(l, v->type->rank);
    return is_known(v) ? legal_constant(l, v, &layout, stem, false) : form_want(l, v, &layout);
}

/* All operands with their axes as the model has them, all results as well. */
static bool emit_plain(Legal *l, const Op *op)
{
    Arg *args = arena_many(l->arena, (size_t)op->args, Arg);
    const char *stem = stem_of(l, op);
    for (int i = 0; i < op->args; i++) {
        args[i] = op->arg[i];
        args[i].values = arena_many(l->arena, (size_t)args[i].count, Value *);
        for (int k = 0; k < args[i].count; k++) {
            args[i].values[k] = is_data(op, args[i].key)
                                    ? want_plain(l, op->arg[i].values[k], joined(l, stem, args[i].key))
                                    : legal_attribute(l, op, args[i].key);
            if (!args[i].values[k])
                return false;
        }
    }
    Op *made = legal_op(l, op->code, op->span);
    for (int i = 0; i < op->args; i++)
        if (args[i].list)
            op_set_list(made, args[i].key, args[i].values, args[i].count);
        else if (args[i].count)
            op_set(made, args[i].key, args[i].values[0]);
    if (!legal_finish(l, made, stem))
        return false;
    for (int i = 0; i < op->results; i++) {
        Layout layout = layout_plain(l, op->result[i]->type->rank);
        form_add(l, op->result[i], &layout, made->result[i]);
    }
    return true;
}

static bool emit_matmul(Legal *l, const Op *op)
{
    if (!l->ane)
        return emit_plain(l, op);
    Value *x = want_plain(l, op_arg(op, "x"), "x"), *y = x ? want_plain(l, op_arg(op, "y"), "y") : NULL;
    if (!y)
        return false;
    Value *turn_x = legal_bool(l, "transpose_x", op_flag(op, "transpose_x", false));
    bool turned = op_flag(op, "transpose_y", false);
    Value *turn_y = legal_bool(l, turned ? "transpose_keys" : "transpose_y", turned);
    Op *made = legal_op(l, OP_MATMUL, op->span);
    op_set(made, "x", x);
    op_set(made, "y", y);
    op_set(made, "transpose_x", turn_x);
    op_set(made, "transpose_y", turn_y);
    Layout layout = layout_plain(l, op->result[0]->type->rank);
    return define(l, op, legal_finish(l, made, stem_of(l, op)), &layout);
}

/* ---- norms and reductions ---- */

/* On the ANE the softmax is over the last axis. */
static bool emit_softmax(Legal *l, const Op *op)
{
    Value *in = op_arg(op, "x");
    int axis = op_axis(op, -1);
    Layout layout = layout_now(l, in);
    if (axis < 0)
        return unsupported(l, op, "the axis is no constant");
    if (layout_find(&layout, axis) < 0 || (l->ane && layout.axis[layout.rank - 1] != axis))
        layout =
            axis == in->type->rank - 1 ? layout_plain(l, in->type->rank) : layout_last(in->type->rank, axis);
    Value *x = form_want(l, in, &layout);
    if (!x)
        return false;
    int at = layout_find(&layout, axis);
    Value *where = legal_int(l, joined(l, stem_of(l, op), "axis"), at == layout.rank - 1 ? -1 : at);
    Op *made = legal_op(l, OP_SOFTMAX, op->span);
    op_set(made, "x", x);
    op_set(made, "axis", where);
    return define(l, op, legal_finish(l, made, stem_of(l, op)), &layout);
}

/* The physical places of a set of axes, rising; -1 where one has none. */
static int places_of(const Layout *layout, const bool set[IR_MAX_RANK], int rank, int64_t out[IR_MAX_RANK])
{
    int n = 0, wanted = 0;
    for (int a = 0; a < rank; a++)
        wanted += set[a];
    for (int i = 0; i < layout->rank; i++)
        if (layout->axis[i] >= 0 && set[layout->axis[i]])
            out[n++] = i;
    return n == wanted ? n : -1;
}

static bool emit_layer_norm(Legal *l, const Op *op)
{
    Value *in = op_arg(op, "x");
    bool set[IR_MAX_RANK];
    int64_t at[IR_MAX_RANK];
    int rank = in->type->rank, axes = 0;
    if (!op_axes(op, set))
        return unsupported(l, op, "the axes are no constants");
    for (int i = 0; i < rank; i++)
        axes += set[i];
    Layout layout = axes == 1 ? layout_home(l, rank) : layout_plain(l, rank);
    Layout inner = {.rank = axes, .axis = {0, 1, 2, 3, 4, 5, 6, 7}};
    int n = places_of(&layout, set, rank, at);
    const char *stem = stem_of(l, op);
    Value *x = form_want(l, in, &layout), *g = op_arg(op, "gamma"), *b = op_arg(op, "beta");
    Value *gamma = g ? legal_constant(l, g, &inner, joined(l, stem, "gamma"), false) : NULL;
    Value *beta = b ? legal_constant(l, b, &inner, joined(l, stem, "beta"), false) : NULL;
    if (!x || (g && !gamma) || (b && !beta))
        return false;
    Value *where = legal_ints(l, joined(l, stem, "axes"), at, n),
          *epsilon = legal_attribute(l, op, "epsilon");
    Op *made = legal_op(l, OP_LAYER_NORM, op->span);
    op_set(made, "x", x);
    op_set(made, "axes", where);
    op_set(made, "gamma", gamma);
    op_set(made, "beta", beta);
    op_set(made, "epsilon", epsilon);
    return define(l, op, legal_finish(l, made, stem), &layout);
}

/* Axes are kept: without them, the result's other axes are where they were. */
static bool emit_reduction(Legal *l, const Op *op)
{
    Value *in = op_arg(op, "x");
    bool set[IR_MAX_RANK];
    int64_t at[IR_MAX_RANK];
    Layout layout = layout_now(l, in);
    int n = op_axes(op, set) ? places_of(&layout, set, in->type->rank, at) : -1;
    if (n < 0)
        return l->ane ? unsupported(l, op, "the axes have no place") : emit_plain(l, op);
    Value *x = form_want(l, in, &layout);
    const char *stem = stem_of(l, op);
    Value *where = legal_ints(l, joined(l, stem, "axes"), at, n);
    Value *keep = legal_bool(l, "keep_dims", true);
    Op *made = legal_op(l, op->code, op->span);
    op_set(made, "x", x);
    op_set(made, "axes", where);
    op_set(made, "keep_dims", keep);
    if (!op_flag(op, "keep_dims", false))
        for (int i = 0; i < layout.rank; i++) {
            int axis = layout.axis[i], left = 0;
            for (int a = 0; a < axis; a++)
                left += !set[a];
            layout.axis[i] = axis < 0 || set[axis] ? -1 : left;
        }
    return define(l, op, legal_finish(l, made, stem), &layout);
}

/* ---- movement ---- */

static bool emit_transpose(Legal *l, const Op *op)
{
    int64_t perm[IR_MAX_RANK];
    int to[IR_MAX_RANK];
    if (!op_perm(op, perm))
        return unsupported(l, op, "the permutation is no constant");
    for (int i = 0; i < op->result[0]->type->rank; i++)
        to[perm[i]] = i;
    return rename_axes(l, op, to);
}

static bool emit_alias(Legal *l, const Op *op)
{
    static const int same[IR_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    return rename_axes(l, op, same);
}

/* Axes of length 1 come or go: the others are matched in order. */
static bool emit_unit_axes(Legal *l, const Op *op)
{
    const Type *from = op_arg(op, "x")->type, *t = op->result[0]->type;
    int to[IR_MAX_RANK];
    for (int i = 0, k = 0; i < from->rank; i++) {
        to[i] = -1;
        if (from->dim[i] == 1)
            continue;
        while (k < t->rank && t->dim[k] == 1)
            k++;
        to[i] = k++;
    }
    return rename_axes(l, op, to);
}

static bool emit_slice(Legal *l, const Op *op, Value *in, const Layout *layout, const int64_t *begin,
                       Value *result)
{
    int64_t first[IR_MAX_RANK] = {0};
    Type size = layout_type(layout, result->type);
    for (int i = 0; i < layout->rank; i++)
        first[i] = layout->axis[i] < 0 ? 0 : begin[layout->axis[i]];
    const char *stem = legal_stem(l, result);
    Value *x = form_want(l, in, layout);
    Value *from = legal_ints(l, joined(l, stem, "begin"), first, layout->rank);
    Value *length = legal_ints(l, joined(l, stem, "size"), size.dim, layout->rank);
    if (!x)
        return false;
    Op *made = legal_op(l, OP_SLICE_BY_SIZE, op->span);
    op_set(made, "x", x);
    op_set(made, "begin", from);
    op_set(made, "size", length);
    Value *v = legal_finish(l, made, stem);
    if (v)
        form_add(l, result, layout, v);
    return v != NULL;
}

/* A layout that has a place for every axis that is cut. */
static Layout layout_for_cut(const Legal *l, const Value *x)
{
    Layout layout = layout_now(l, x);
    for (int i = 0; i < x->type->rank; i++)
        if (layout_find(&layout, i) < 0)
            return layout_plain(l, x->type->rank);
    return layout;
}

/* Parts are slices: the ANE has them in every sweep, and on the CPU they are views. */
static bool emit_split(Legal *l, const Op *op)
{
    Value *x = op_arg(op, "x");
    int axis = op_axis(op, 0);
    int64_t begin[IR_MAX_RANK] = {0};
    Layout layout = layout_for_cut(l, x);
    if (axis < 0)
        return unsupported(l, op, "the axis is no constant");
    for (int i = 0; i < op->results; i++) {
        if (!emit_slice(l, op, x, &layout, begin, op->result[i]))
            return false;
        begin[axis] += op->result[i]->type->dim[axis];
    }
    return true;
}

static bool emit_slice_by_size(Legal *l, const Op *op)
{
    Value *x = op_arg(op, "x");
    int64_t begin[IR_MAX_RANK];
    Layout layout = layout_for_cut(l, x);
    if (arg_ints(op, "begin", begin, IR_MAX_RANK) != x->type->rank)
        return l->ane ? unsupported(l, op, "its begin is no constant") : emit_plain(l, op);
    return emit_slice(l, op, x, &layout, begin, op->result[0]);
}

static bool emit_concat(Legal *l, const Op *op)
{
    const Arg *values = op_find_arg(op, "values");
    int axis = -1;
    int64_t given;
    const Type *t = op->result[0]->type;
    if (arg_int(op, "axis", &given))
        axis = (int)(given < 0 ? given + t->rank : given);
    if (axis < 0 || op_flag(op, "interleave", false))
        return l->ane ? unsupported(l, op, "interleaves") : emit_plain(l, op);
    Layout layout = layout_for_cut(l, values->values[0]);
    Value **parts = arena_many(l->arena, (size_t)values->count, Value *);
    for (int i = 0; i < values->count; i++) {
        parts[i] = form_want(l, values->values[i], &layout);
        if (!parts[i])
            return false;
    }
    Value *where = legal_int(l, "axis", layout_find(&layout, axis));
    Value *interleave = legal_bool(l, "interleave", false);
    Op *made = legal_op(l, OP_CONCAT, op->span);
    op_set_list(made, "values", parts, values->count);
    op_set(made, "axis", where);
    op_set(made, "interleave", interleave);
    return define(l, op, legal_finish(l, made, stem_of(l, op)), &layout);
}

/* ---- models only ---- */

/* The mask is a constant: 0 where the key is seen. */
static bool emit_causal(Legal *l, const Op *op)
{
    Value *in = op_arg(op, "x");
    WeightRef ref = {.kind = WEIGHT_CAUSAL_MASK, .name = "causal"};
    arg_int(op, "window", &ref.window);
    Layout layout = layout_plain(l, in->type->rank);
    Type mask = layout_type(&layout, in->type);
    for (int i = 0; i < mask.rank - 2; i++)
        mask.dim[i] = 1;
    Value *x = form_want(l, in, &layout), *m = legal_weight(l, &ref, &mask, "mask");
    if (m && !l->ane)
        m = legal_cast(l, m, l->real, "mask_wide");
    if (!x || !m)
        return false;
    Op *made = legal_op(l, OP_ADD, op->span);
    op_set(made, "x", x);
    op_set(made, "y", m);
    return define(l, op, legal_finish(l, made, stem_of(l, op)), &layout);
}

/* Rows are gathered as they are stored, and widened then. */
static bool emit_gather(Legal *l, const Op *op)
{
    Value *table = op_arg(op, "x");
    if (l->ane || !is_weight(table))
        return emit_plain(l, op);
    const char *stem = stem_of(l, op);
    Layout plain = layout_plain(l, table->type->rank), layout = layout_plain(l, op->result[0]->type->rank);
    Value *rows = legal_constant(l, table, &plain, joined(l, stem, "table"), true);
    Value *indices = want_plain(l, op_arg(op, "indices"), "indices");
    if (!rows || !indices)
        return false;
    Value *axis = legal_attribute(l, op, "axis");
    Op *made = legal_op(l, OP_GATHER, op->span);
    op_set(made, "x", rows);
    op_set(made, "indices", indices);
    op_set(made, "axis", axis);
    Value *half = legal_finish(l, made, joined(l, stem, "half"));
    return half && define(l, op, legal_cast(l, half, l->real, stem), &layout);
}

/* ---- reshape ---- */

/* Axes that are longer than 1, and what became of them: x's axes a[i..] and the result's axes b[i..] in
 * groups of equal products. */
typedef struct Groups {
    int groups;
    int a[IR_MAX_RANK][IR_MAX_RANK], as[IR_MAX_RANK], b[IR_MAX_RANK][IR_MAX_RANK], bs[IR_MAX_RANK];
} Groups;

static int next_long(const Type *t, int *i)
{
    while (*i < t->rank && t->dim[*i] == 1)
        ++*i;
    return *i < t->rank ? (*i)++ : -1;
}

/* False: the products never meet. */
static bool find_groups(const Type *x, const Type *y, Groups *g)
{
    *g = (Groups){0};
    for (int i = 0, k = 0;;) {
        int a = next_long(x, &i), b = next_long(y, &k), n = g->groups;
        if (a < 0 || b < 0)
            return a == b;
        int64_t pa = x->dim[a], pb = y->dim[b];
        g->a[n][g->as[n]++] = a;
        g->b[n][g->bs[n]++] = b;
        while (pa != pb) {
            int next = pa < pb ? next_long(x, &i) : next_long(y, &k);
            if (next < 0)
                return false;
            if (pa < pb) {
                pa *= x->dim[next];
                g->a[n][g->as[n]++] = next;
            } else {
                pb *= y->dim[next];
                g->b[n][g->bs[n]++] = next;
            }
        }
        g->groups++;
    }
}

static int group_of(const Groups *g, bool after, int axis)
{
    for (int n = 0; n < g->groups; n++)
        for (int i = 0; i < (after ? g->bs[n] : g->as[n]); i++)
            if ((after ? g->b[n][i] : g->a[n][i]) == axis)
                return n;
    return -1;
}

/* The axes of the other side in the order that a layout of one side gives to the groups; -1 where a group's
 * axes do not lie side by side and in order. */
static int translate(const Groups *g, bool after, const Layout *layout, const Type *t, int out[IR_MAX_RANK])
{
    int n = 0;
    for (int i = 0; i < layout->rank;) {
        int axis = layout->axis[i];
        if (axis < 0 || t->dim[axis] == 1) {
            i++;
            continue;
        }
        int k = group_of(g, after, axis), count = after ? g->bs[k] : g->as[k];
        const int *mine = after ? g->b[k] : g->a[k], *other = after ? g->a[k] : g->b[k];
        for (int j = 0; j < count; j++, i++) {
            while (i < layout->rank && (layout->axis[i] < 0 || t->dim[layout->axis[i]] == 1))
                i++;
            if (i == layout->rank || layout->axis[i] != mine[j])
                return -1;
        }
        for (int j = 0; j < (after ? g->as[k] : g->bs[k]); j++)
            out[n++] = other[j];
    }
    return n;
}

/* A layout with these long axes: the home layout where it has this order, else padded in front. */
static Layout layout_of_order(const Legal *l, const int *order, int count, int rank)
{
    Layout home = layout_home(l, rank), padded = {0};
    if (rank == 2 && count == 2 && order[0] == 1)
        return home;
    for (int pad = 4 - count; pad > 0; pad--)
        padded.axis[padded.rank++] = -1;
    for (int i = 0; i < count; i++)
        padded.axis[padded.rank++] = order[i];
    return padded;
}

static bool emit_reshape(Legal *l, const Op *op)
{
    Value *in = op_arg(op, "x");
    const Type *from = in->type, *to = op->result[0]->type;
    Layout source = layout_now(l, in), target;
    Groups g;
    int order[IR_MAX_RANK], n = -1;
    if (find_groups(from, to, &g))
        n = translate(&g, false, &source, from, order);
    if (n >= 0) {
        target = layout_of_order(l, order, n, to->rank);
    } else { /* not where it lies: the result is to be at home, and x is brought there */
        target = layout_home(l, to->rank);
        n = find_groups(from, to, &g) ? translate(&g, true, &target, to, order) : -1;
        source = n < 0 ? layout_plain(l, from->rank) : layout_of_order(l, order, n, from->rank);
        if (n < 0)
            target = layout_plain(l, to->rank);
    }
    Value *x = form_want(l, in, &source);
    Type t = layout_type(&target, to);
    return x && define(l, op, legal_reshape(l, x, &t, stem_of(l, op)), &target);
}

/* ---- all ---- */

/* A flat switch. */
bool legal_emit(Legal *l, const Op *op)
{
    switch (op->code) {
    case OP_CONST: return true;
    case OP_LINEAR: return l->ane ? emit_conv(l, op) : emit_plain(l, op);
    case OP_MATMUL: return emit_matmul(l, op);
    case OP_SOFTMAX: return emit_softmax(l, op);
    case OP_LAYER_NORM: return emit_layer_norm(l, op);
    case OP_REDUCE_SUM:
    case OP_REDUCE_MEAN:
    case OP_REDUCE_MAX:
    case OP_REDUCE_MIN:
    case OP_REDUCE_SUM_SQUARE: return emit_reduction(l, op);
    case OP_TRANSPOSE: return emit_transpose(l, op);
    case OP_RESHAPE: return emit_reshape(l, op);
    case OP_IDENTITY: return emit_alias(l, op);
    case OP_EXPAND_DIMS:
    case OP_SQUEEZE: return emit_unit_axes(l, op);
    case OP_SPLIT: return emit_split(l, op);
    case OP_SLICE_BY_SIZE: return emit_slice_by_size(l, op);
    case OP_CONCAT: return emit_concat(l, op);
    case OP_CAUSAL: return emit_causal(l, op);
    case OP_GATHER: return emit_gather(l, op);
    default:
        if (op_info(op->code)->flags & F_ELEMENTWISE)
            return emit_elementwise(l, op);
        return l->ane ? unsupported(l, op, "has no physical form") : emit_plain(l, op);
    }
}
