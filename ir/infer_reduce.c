/* Rules of reductions: sums and extremes over axes, and the k greatest. */
#include "ir/infer.h"

#include <string.h>

/* x without the axes of the set, or with them of length 1. */
static Type reduced(const Type *x, const bool *set, bool keep)
{
    Type r = {.kind = TY_TENSOR, .dtype = x->dtype};
    for (int i = 0; i < x->rank; i++)
        if (!set[i] || keep)
            r.dim[r.rank++] = set[i] ? 1 : x->dim[i];
    return r;
}

static bool need_numbers(const Op *op, const Type *x, Error *err)
{
    return dtype_is_float(x->dtype) || dtype_is_int(x->dtype) ||
           infer_fail(op, err, "x is %s, expected numbers", shown_type(x).text) >= 0;
}

int infer_reduce(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    bool set[IR_MAX_RANK], keep;
    if (!need_numbers(op, x, err) || !infer_axes(op, "axes", x->rank, set, err) ||
        !infer_bool(op, "keep_dims", false, &keep, err))
        return -1;
    out[0] = reduced(x, set, keep);
    return 1;
}

/* The element type of positions. */
static bool index_dtype(const Op *op, const char *key, DType *out, Error *err)
{
    const char *name;
    if (!infer_text(op, key, "int32", &name, err))
        return false;
    *out = dtype_from_name(name, strlen(name));
    return dtype_is_int(*out) ||
           infer_fail(op, err, "%s is \"%.40s\", expected an integer type", key, name) >= 0;
}

int infer_reduce_arg(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    bool set[IR_MAX_RANK] = {false}, keep;
    int axis;
    DType dtype;
    if (!need_numbers(op, x, err) || !infer_axis(op, "axis", -1, x->rank, &axis, err) ||
        !infer_bool(op, "keep_dims", false, &keep, err) || !index_dtype(op, "output_dtype", &dtype, err))
        return -1;
    set[axis] = true;
    out[0] = reduced(x, set, keep);
    out[0].dtype = dtype;
    return 1;
}

/* k elements of the axis, all of them for -1; unknown where k is computed at run time. */
static bool topk_length(const Op *op, int64_t length, int64_t *out, Error *err)
{
    const Value *k = op_arg(op, "k");
    *out = DIM_UNKNOWN;
    if (k && !value_literal(k))
        return true;
    if (!infer_int(op, "k", 1, out, err))
        return false;
    if (*out == -1)
        *out = length;
    else if (*out < 0 || (length >= 0 && *out > length))
        return infer_fail(op, err, "k is %lld, expected 0 to %s (the axis of x %s), or -1 for all",
                          (long long)*out, shown_dim(length).text, shown_dims(infer_type(op, "x")).text) >= 0;
    return true;
}

int infer_topk(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int axis;
    bool places;
    DType dtype;
    int64_t k;
    if (!need_numbers(op, x, err) || !infer_axis(op, "axis", -1, x->rank, &axis, err) ||
        !topk_length(op, x->dim[axis], &k, err) || !infer_bool(op, "return_indices", true, &places, err) ||
        !index_dtype(op, "output_indices_dtype", &dtype, err))
        return -1;
    out[0] = *x;
    out[0].dim[axis] = k;
    if (!places)
        return 1;
    out[1] = out[0];
    out[1].dtype = dtype;
    return 2;
}
