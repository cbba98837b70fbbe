/* Rules of scatters, sorting, one_hot, windows, and what moves blocks between channels and space. */
#include "ir/infer.h"

#include <string.h>

/* ---- scatters: data with updates at indices; the shape is that of data ---- */

static bool check_scatter(const Op *op, Error *err)
{
    static const char *const same[] = {"data", "updates", NULL};
    static const char *const modes[] = {"update", "add", "sub", "mul", "div", "max", "min"};
    const Type *indices = infer_type(op, "indices");
    const char *mode;
    if (!dtype_is_int(indices->dtype))
        return infer_fail(op, err, "indices is %s, expected integers", shown_type(indices).text) >= 0;
    if (!infer_same_dtype(op, same, err) || !infer_text(op, "mode", "add", &mode, err))
        return false;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(mode, modes[i]) == 0)
            return true;
    return infer_fail(op, err, "there is no mode \"%.40s\"", mode) >= 0;
}

static int scattered(const Op *op, const Type *expected, Type *out, Error *err)
{
    const Type *updates = infer_type(op, "updates"), *data = infer_type(op, "data");
    if (!dims_fit(updates, expected))
        return infer_fail(op, err, "updates is %s, expected %s for data %s and indices %s",
                          shown_dims(updates).text, shown_dims(expected).text, shown_dims(data).text,
                          shown_dims(infer_type(op, "indices")).text);
    out[0] = *data;
    return 1;
}

int infer_scatter(const Op *op, Type *out, int limit, Error *err)
{
    const Type *data = infer_type(op, "data"), *indices = infer_type(op, "indices");
    int axis;
    if (!check_scatter(op, err) || !infer_axis(op, "axis", 0, data->rank, &axis, err))
        return -1;
    if (indices->rank != 1)
        return infer_fail(op, err, "indices is %s, expected a row", shown_dims(indices).text);
    Type expected = *data;
    expected.dim[axis] = indices->dim[0];
    return scattered(op, &expected, out, err);
}

int infer_scatter_along_axis(const Op *op, Type *out, int limit, Error *err)
{
    const Type *data = infer_type(op, "data"), *indices = infer_type(op, "indices");
    int axis;
    if (!check_scatter(op, err) || !infer_axis(op, "axis", 0, data->rank, &axis, err))
        return -1;
    Type within = *indices;
    if (indices->rank == data->rank)
        within.dim[axis] = data->dim[axis];
    if (!dims_fit(&within, data))
        return infer_fail(op, err, "data %s and indices %s may differ in axis %d only", shown_dims(data).text,
                          shown_dims(indices).text, axis);
    return scattered(op, indices, out, err);
}

int infer_scatter_nd(const Op *op, Type *out, int limit, Error *err)
{
    const Type *data = infer_type(op, "data"), *indices = infer_type(op, "indices");
    if (!check_scatter(op, err))
        return -1;
    int64_t depth = indices->rank ? indices->dim[indices->rank - 1] : -1;
    if (depth < 0 || depth > data->rank || indices->rank - 1 + data->rank - depth > IR_MAX_RANK)
        return infer_fail(op, err, "data %s and indices %s: the last axis of the indices is a number of axes",
                          shown_dims(data).text, shown_dims(indices).text);
    Type expected = {.kind = TY_TENSOR};
    for (int i = 0; i < indices->rank - 1; i++)
        expected.dim[expected.rank++] = indices->dim[i];
    for (int i = (int)depth; i < data->rank; i++)
        expected.dim[expected.rank++] = data->dim[i];
    return scattered(op, &expected, out, err);
}

/* ---- sorting, one_hot, windows ---- */

int infer_argsort(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    bool ascending;
    int axis;
    if (!dtype_is_float(x->dtype) && !dtype_is_int(x->dtype))
        return infer_fail(op, err, "x is %s, expected numbers", shown_type(x).text);
    if (!infer_axis(op, "axis", -1, x->rank, &axis, err) ||
        !infer_bool(op, "ascending", false, &ascending, err))
        return -1;
    out[0] = *x;
    out[0].dtype = DT_INT32;
    return 1;
}

int infer_one_hot(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const same[] = {"on_value", "off_value", NULL};
    const Type *indices = infer_type(op, "indices"), *on = infer_type(op, "on_value"),
               *off = infer_type(op, "off_value");
    int64_t length = DIM_UNKNOWN;
    int axis;
    if (!dtype_is_int(indices->dtype) || indices->rank == IR_MAX_RANK)
        return infer_fail(op, err, "indices is %s, expected integers of at most %d axes",
                          shown_type(indices).text, IR_MAX_RANK - 1);
    if (!infer_axis(op, "axis", -1, indices->rank + 1, &axis, err) ||
        (on && !infer_same_dtype(op, same, err)))
        return -1;
    const Value *size = op_arg(op, "one_hot_vector_size");
    if (value_literal(size) && !infer_int(op, "one_hot_vector_size", 0, &length, err))
        return -1;
    if (value_literal(size) && length < 0)
        return infer_fail(op, err, "one_hot_vector_size is %lld, expected a length", (long long)length);
    out[0] = (Type){.kind = TY_TENSOR, .rank = indices->rank + 1};
    out[0].dtype = on ? on->dtype : off ? off->dtype : DT_INT32;
    for (int i = 0; i < out[0].rank; i++)
        out[0].dim[i] = i == axis ? length : indices->dim[i < axis ? i : i - 1];
    return 1;
}

int infer_sliding_windows(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t size, stride;
    int axis;
    if (x->rank == IR_MAX_RANK)
        return infer_fail(op, err, "x %s has %d axes already", shown_dims(x).text, IR_MAX_RANK);
    if (!infer_axis(op, "axis", 0, x->rank, &axis, err) || !infer_int(op, "size", 1, &size, err) ||
        !infer_int(op, "stride", 1, &stride, err))
        return -1;
    int64_t n = x->dim[axis];
    if (size < 1 || stride < 1 || size > INT32_MAX || (n >= 0 && size > n))
        return infer_fail(op, err, "windows of %lld with stride %lld do not fit axis %d of x %s",
                          (long long)size, (long long)stride, axis, shown_dims(x).text);
    out[0] = (Type){.kind = TY_TENSOR, .dtype = x->dtype, .rank = x->rank + 1};
    for (int i = 0; i < x->rank; i++)
        out[0].dim[i <= axis ? i : i + 1] = x->dim[i];
    out[0].dim[axis] = n < 0 ? DIM_UNKNOWN : (n - size) / stride + 1;
    out[0].dim[axis + 1] = size;
    return 1;
}

/* ---- blocks: [N, C, H, W] and [N, C / b / b, H * b, W * b] ---- */

static int blocks(const Op *op, const char *key, bool to_space, Type *out, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t b;
    if (x->rank != 4)
        return infer_fail(op, err, "x %s has rank %d, expected [N, C, H, W]", shown_dims(x).text, x->rank);
    if (!infer_int(op, key, 1, &b, err))
        return -1;
    if (b < 1 || b > 1 << 15)
        return infer_fail(op, err, "%s is %lld, expected 1 to %d", key, (long long)b, 1 << 15);
    out[0] = *x;
    for (int i = 1; i < 4; i++) {
        bool divide = (i == 1) == to_space;
        int64_t by = i == 1 ? b * b : b, n = x->dim[i];
        if (n >= 0 && (divide ? n % by != 0 : n > INT64_MAX / by))
            return infer_fail(op, err, "axis %d of x %s cannot be divided by %lld", i, shown_dims(x).text,
                              (long long)by);
        out[0].dim[i] = by == 1 ? n : n < 0 ? DIM_UNKNOWN : divide ? n / by : n * by;
    }
    return 1;
}

int infer_depth_to_space(const Op *op, Type *out, int limit, Error *err)
{
    return blocks(op, op->code == OP_DEPTH_TO_SPACE ? "block_size" : "upscale_factor", true, out, err);
}

int infer_space_to_depth(const Op *op, Type *out, int limit, Error *err)
{
    return blocks(op, op->code == OP_SPACE_TO_DEPTH ? "block_size" : "downscale_factor", false, out, err);
}

/* ---- tensor_buffer: the same elements with explicit strides, in programs that a partitioner printed ---- */

int infer_from_buffer(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "input");
    if (x->kind != TY_BUFFER)
        return infer_fail(op, err, "input is %s, expected a tensor_buffer", shown_type(x).text);
    out[0] = type_tensor(x->dtype, x->rank, x->dim);
    return 1;
}

int infer_to_buffer(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "input");
    int64_t strides[IR_MAX_RANK], factors[IR_MAX_RANK];
    if (x->kind != TY_TENSOR)
        return infer_fail(op, err, "input is %s, expected a tensor", shown_type(x).text);
    if (!infer_const_ints(op, "strides", x->rank, 0, strides, err) ||
        !infer_const_ints(op, "interleave_factors", x->rank, 1, factors, err))
        return -1;
    out[0] = *x;
    out[0].kind = TY_BUFFER;
    if (op->results == 1 && op->result[0]->type->kind == TY_BUFFER) { /* strides are what is declared */
        out[0].strides = op->result[0]->type->strides;
        out[0].interleave = op->result[0]->type->interleave;
    }
    return out[0].strides ? 1 : infer_fail(op, err, "its result must be declared as a tensor_buffer");
}
