/* Primitives that move elements. */
#include "frontend/anel/elaborate.h"

#include <string.h>

/* How many elements, as number * S^s * T^t. */
typedef struct Size {
    double number;
    int s, t;
} Size;

static Size size_of(int rank, const int64_t *dims)
{
    Size size = {1, 0, 0};
    for (int i = 0; i < rank; i++) {
        size.s += dims[i] == DIM_S;
        size.t += dims[i] == DIM_T;
        if (dims[i] != DIM_S && dims[i] != DIM_T)
            size.number *= (double)dims[i];
    }
    return size;
}

/* Gives a length of -1 the rest. */
static bool complete_shape(Elab *e, Call *c, const Type *from, int64_t *dims, int rank)
{
    int open = -1;
    for (int i = 0; i < rank; i++) {
        if (dims[i] == -1 && open < 0) {
            open = i;
        } else if (dims[i] < 1 && dims[i] != DIM_S && dims[i] != DIM_T) {
            elab_error(e, c->at[1],
                       "reshape: a length is 1 or more, S or T; one of them may be -1, the rest");
            return false;
        }
    }
    if (open < 0)
        return true;
    dims[open] = 1;
    Size have = size_of(from->rank, from->dim), want = size_of(rank, dims);
    int s = have.s - want.s, t = have.t - want.t;
    if (have.number == want.number && s + t == 1 && (s == 1 || t == 1))
        dims[open] = s ? DIM_S : DIM_T;
    else if (s == 0 && t == 0 && have.number >= want.number)
        dims[open] = (int64_t)(have.number / want.number); /* the caller compares the products */
    return true;
}

AnelValue primitive_reshape(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    int64_t dims[IR_MAX_RANK];
    int rank;
    if (!x || !arg_whole_list(e, c, 1, true, dims, IR_MAX_RANK, &rank))
        return anel_error;
    Type t = tensor_type(x);
    if (!complete_shape(e, c, &t, dims, rank))
        return anel_error;
    Size have = size_of(t.rank, t.dim), want = size_of(rank, dims);
    if (have.number != want.number || have.s != want.s || have.t != want.t) {
        Type wanted = type_tensor(t.dtype, rank, dims);
        return elab_error(e, c->span, "reshape: %s does not have as many elements as %s", dims_string(e, &t),
                          dims_string(e, &wanted));
    }
    return emit_reshape(e, x, rank, dims, c->span);
}

static bool order_of(Elab *e, Call *c, int rank, int64_t *perm)
{
    int count;
    bool seen[IR_MAX_RANK] = {false};
    if (!arg_whole_list(e, c, 1, false, perm, IR_MAX_RANK, &count))
        return false;
    bool ok = count == rank;
    for (int i = 0; ok && i < count; i++) {
        ok = perm[i] >= 0 && perm[i] < rank && !seen[perm[i]];
        if (ok)
            seen[perm[i]] = true;
    }
    if (!ok)
        elab_error(e, c->at[1], "transpose: the order must hold each axis from 0 to %d once", rank - 1);
    return ok;
}

AnelValue primitive_transpose(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    int64_t perm[IR_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    if (!x)
        return anel_error;
    Type t = tensor_type(x);
    if (t.rank < 2)
        return elab_error(e, c->at[0], "transpose: %s has fewer than two axes", dims_string(e, &t));
    if (c->given[1] && !order_of(e, c, t.rank, perm))
        return anel_error;
    if (!c->given[1]) {
        perm[t.rank - 2] = t.rank - 1;
        perm[t.rank - 1] = t.rank - 2;
    }
    if (x->weight && t.rank == 2) { /* another layout of the same tensor */
        AnelValue v = anel_tensor(e, NULL);
        *v.tensor = *x;
        v.tensor->flipped = x->flipped != (perm[0] == 1);
        return v;
    }
    return emit_transpose(e, x, perm, c->span);
}

/* ---- parts ---- */

static bool sizes_of(Elab *e, Call *c, int64_t length, int64_t *sizes, int limit, int *count)
{
    int64_t sum = 0, parts;
    if (c->arg[1].kind == ANEL_LIST) {
        if (!arg_whole_list(e, c, 1, false, sizes, limit, count))
            return false;
        bool ok = *count > 0;
        for (int i = 0; i < *count; i++) {
            ok = ok && sizes[i] > 0 && sizes[i] <= length;
            sum += ok ? sizes[i] : 0;
        }
        if (!ok || sum != length)
            elab_error(e, c->at[1], "split: the parts are %s, which do not add up to %lld",
                       describe(e, &c->arg[1]), (long long)length);
        return ok && sum == length;
    }
    if (!arg_whole(e, c, 1, 1, 1, limit, &parts))
        return false;
    if (length % parts != 0) {
        elab_error(e, c->at[1], "split: a length of %lld cannot be split into %lld equal parts",
                   (long long)length, (long long)parts);
        return false;
    }
    *count = (int)parts;
    for (int i = 0; i < *count; i++)
        sizes[i] = length / parts;
    return true;
}

static bool fixed_axis(Elab *e, Call *c, int i, const Type *t, int *axis)
{
    if (!arg_axis(e, c, i, -1, t->rank, axis))
        return false;
    if (t->dim[*axis] < 0)
        elab_error(e, c->span, "%s: axis %d of %s has no fixed length", c->name, *axis, dims_string(e, t));
    return t->dim[*axis] >= 0;
}

AnelValue primitive_split(Elab *e, Call *c)
{
    enum { MOST = 64 };
    AnelTensor *x = arg_tensor(e, c, 0);
    int64_t sizes[MOST];
    int axis, count;
    if (!x)
        return anel_error;
    Type t = tensor_type(x);
    if (!fixed_axis(e, c, 2, &t, &axis) || !sizes_of(e, c, t.dim[axis], sizes, MOST, &count))
        return anel_error;
    if (count == 1)
        return anel_list(arena_copy(&e->scratch, &c->arg[0], sizeof c->arg[0]), 1);
    Value *v = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, OP_SPLIT, c->span);
    op_set(op, "x", v);
    if (c->arg[1].kind == ANEL_LIST)
        op_set(op, "split_sizes", inline_ints(e->module, sizes, count));
    else
        op_set(op, "num_splits", inline_int(e->module, count));
    op_set(op, "axis", inline_int(e->module, axis == t.rank - 1 ? -1 : axis));
    return emit(e, op, c->span);
}

/* Every part is a tensor like the first but for the length of `axis`. */
static bool parts_fit(Elab *e, Call *c, const Type *first, int axis)
{
    for (int i = 1; i < c->arg[0].list.count; i++) {
        Type t = tensor_type(c->arg[0].list.item[i].tensor), same = t;
        if (t.rank == first->rank)
            same.dim[axis] = first->dim[axis];
        if (!dims_equal(&same, first) || t.dtype != first->dtype || t.dim[axis] < 0 || first->dim[axis] < 0) {
            elab_error(e, c->span, "concat: %s and %s do not fit along axis %d", dims_string(e, first),
                       dims_string(e, &t), axis);
            return false;
        }
    }
    return true;
}

AnelValue primitive_concat(Elab *e, Call *c)
{
    enum { MOST = 256 };
    const AnelValue *list = &c->arg[0];
    Value *values[MOST];
    int axis;
    bool ok = list->kind == ANEL_LIST && list->list.count >= 1 && list->list.count <= MOST;
    for (int i = 0; ok && i < list->list.count; i++)
        ok = list->list.item[i].kind == ANEL_TENSOR;
    if (!ok)
        return elab_error(e, c->at[0], "concat: takes a list of 1 to %d tensors, concat([a, b]), not %s",
                          MOST, describe(e, list));
    Type t = tensor_type(list->list.item[0].tensor);
    if (!arg_axis(e, c, 1, -1, t.rank, &axis) || !parts_fit(e, c, &t, axis))
        return anel_error;
    for (int i = 0; i < list->list.count; i++)
        values[i] = tensor_value(e, list->list.item[i].tensor, c->at[0]);
    if (list->list.count == 1)
        return list->list.item[0];
    Op *op = begin_op(e, OP_CONCAT, c->span);
    op_set_list(op, "values", values, list->list.count);
    op_set(op, "axis", inline_int(e->module, axis == t.rank - 1 ? -1 : axis));
    op_set(op, "interleave", inline_bool(e->module, false));
    return emit(e, op, c->span);
}

AnelValue primitive_slice(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    int64_t start, end, begin[IR_MAX_RANK] = {0};
    int axis;
    if (!x)
        return anel_error;
    Type t = tensor_type(x);
    if (!fixed_axis(e, c, 3, &t, &axis) || !arg_whole(e, c, 1, 0, 0, t.dim[axis] - 1, &start) ||
        !arg_whole(e, c, 2, t.dim[axis], start + 1, t.dim[axis], &end))
        return anel_error;
    if (start == 0 && end == t.dim[axis])
        return c->arg[0];
    begin[axis] = start;
    t.dim[axis] = end - start;
    Value *v = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, OP_SLICE_BY_SIZE, c->span);
    op_set(op, "x", v);
    op_set(op, "begin", inline_ints(e->module, begin, t.rank));
    op_set(op, "size", inline_ints(e->module, t.dim, t.rank));
    return emit(e, op, c->span);
}

/* [.., n, ..] -> [.., n, 1, ..] -> [.., n, times, ..] -> [.., n * times, ..] */
AnelValue primitive_repeat(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    int64_t times, dims[IR_MAX_RANK + 1], reps[IR_MAX_RANK + 1];
    int axis;
    if (!x || !arg_whole(e, c, 1, 1, 1, 1 << 20, &times))
        return anel_error;
    Type t = tensor_type(x);
    if (!fixed_axis(e, c, 2, &t, &axis))
        return anel_error;
    if (times == 1)
        return c->arg[0];
    if (t.rank == IR_MAX_RANK || t.dim[axis] > INT32_MAX / times)
        return elab_error(e, c->span, "repeat: %s is too large", dims_string(e, &t));
    for (int i = 0; i <= t.rank; i++) {
        dims[i] = i <= axis ? t.dim[i] : i == axis + 1 ? 1 : t.dim[i - 1];
        reps[i] = i == axis + 1 ? times : 1;
    }
    AnelValue wide = emit_reshape(e, x, t.rank + 1, dims, c->span);
    if (wide.kind == ANEL_ERROR)
        return wide;
    Op *op = begin_op(e, OP_TILE, c->span);
    op_set(op, "x", wide.tensor->value);
    op_set(op, "reps", inline_ints(e->module, reps, t.rank + 1));
    AnelValue tiled = emit(e, op, c->span);
    if (tiled.kind == ANEL_ERROR)
        return tiled;
    t.dim[axis] *= times;
    return emit_reshape(e, tiled.tensor, t.rank, t.dim, c->span);
}

/* ---- heads ---- */

AnelValue primitive_split_heads(Elab *e, Call *c)
{
    static const int64_t perm[] = {1, 0, 2};
    AnelTensor *x = arg_tensor(e, c, 0);
    int64_t heads;
    if (!x || !arg_whole(e, c, 1, 1, 1, 1 << 20, &heads))
        return anel_error;
    Type t = tensor_type(x);
    if (t.rank != 2 || t.dim[1] < 0)
        return elab_error(e, c->at[0], "split_heads: x must be [S, D], not %s", dims_string(e, &t));
    if (t.dim[1] % heads != 0)
        return elab_error(e, c->span, "split_heads: a length of %lld cannot be split into %lld heads",
                          (long long)t.dim[1], (long long)heads);
    int64_t dims[] = {t.dim[0], heads, t.dim[1] / heads};
    AnelValue split = emit_reshape(e, x, 3, dims, c->span);
    return split.kind == ANEL_ERROR ? split : emit_transpose(e, split.tensor, perm, c->span);
}

AnelValue primitive_merge_heads(Elab *e, Call *c)
{
    static const int64_t perm[] = {1, 0, 2};
    AnelTensor *x = arg_tensor(e, c, 0);
    if (!x)
        return anel_error;
    Type t = tensor_type(x);
    if (t.rank != 3 || t.dim[0] < 0 || t.dim[2] < 0)
        return elab_error(e, c->at[0], "merge_heads: x must be [heads, S, length], not %s",
                          dims_string(e, &t));
    int64_t dims[] = {t.dim[1], t.dim[0] * t.dim[2]};
    AnelValue turned = emit_transpose(e, x, perm, c->span);
    return turned.kind == ANEL_ERROR ? turned : emit_reshape(e, turned.tensor, 2, dims, c->span);
}
