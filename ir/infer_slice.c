/* Rules of slices and gathers. Corners and indices may be computed at run time; then lengths that depend on
 * them are unknown. */
#include "ir/infer.h"

#include <stdio.h>

/* ---- slice_by_index, slice_update ---- */

/* The operands that say which elements: for each axis of x. */
typedef struct Corners {
    int rank;
    Known begin_known, end_known, stride_known;
    int64_t begin[IR_MAX_RANK], end[IR_MAX_RANK], stride[IR_MAX_RANK];
    int64_t begin_mask[IR_MAX_RANK], end_mask[IR_MAX_RANK], squeeze[IR_MAX_RANK];
} Corners;

static bool read_corners(const Op *op, int rank, Corners *c, Error *err)
{
    *c = (Corners){.rank = rank};
    c->begin_known = infer_ints(op, "begin", rank, c->begin, err);
    if (c->begin_known == KNOWN_WRONG)
        return false;
    c->end_known = infer_ints(op, "end", rank, c->end, err);
    if (c->end_known == KNOWN_WRONG)
        return false;
    c->stride_known = infer_ints(op, "stride", rank, c->stride, err);
    if (c->stride_known == KNOWN_WRONG)
        return false;
    for (int i = 0; i < rank && !op_arg(op, "stride"); i++)
        c->stride[i] = 1;
    c->stride_known = op_arg(op, "stride") ? c->stride_known : KNOWN;
    for (int i = 0; i < rank && c->stride_known == KNOWN; i++)
        if (c->stride[i] == 0 || c->stride[i] < -INT32_MAX || c->stride[i] > INT32_MAX)
            return infer_fail(op, err, "stride %lld of axis %d is no step", (long long)c->stride[i], i) >= 0;
    return infer_const_ints(op, "begin_mask", rank, 0, c->begin_mask, err) &&
           infer_const_ints(op, "end_mask", rank, 0, c->end_mask, err) &&
           infer_const_ints(op, "squeeze_mask", rank, 0, c->squeeze, err);
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Elements of begin:end:stride over n, as Python counts them; a mask leaves its side open. */
static int64_t python_length(const Corners *c, int i, int64_t n)
{
    int64_t step = c->stride[i], low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    int64_t begin = c->begin[i] < 0 ? c->begin[i] + n : c->begin[i];
    int64_t end = c->end[i] < 0 ? c->end[i] + n : c->end[i];
    int64_t from = c->begin_mask[i] ? (step > 0 ? low : high) : clamp(begin, low, high);
    int64_t to = c->end_mask[i] ? (step > 0 ? high : low) : clamp(end, low, high);
    int64_t span = step > 0 ? to - from : from - to, by = step > 0 ? step : -step;
    return span > 0 ? (span - 1) / by + 1 : 0;
}

/* The length of the slice on one axis; DIM_UNKNOWN where it depends on what is known only at run time. */
static int64_t slice_length(const Corners *c, int i, int64_t n)
{
    bool begin_known = c->begin_known == KNOWN || c->begin_mask[i];
    bool end_known = c->end_known == KNOWN || c->end_mask[i];
    if (c->stride_known != KNOWN)
        return DIM_UNKNOWN;
    bool from_first = c->begin_mask[i] || (c->begin_known == KNOWN && c->begin[i] == 0);
    bool to_last = c->end_mask[i] || (c->end_known == KNOWN && c->end[i] == n && n < DIM_UNKNOWN);
    if (n < 0 && from_first && to_last && (c->stride[i] == 1 || (c->stride[i] == -1 && c->begin_mask[i])))
        return n;
    return begin_known && end_known && n >= 0 ? python_length(c, i, n) : DIM_UNKNOWN;
}

static bool slice_dims(const Op *op, const Type *x, Type *out, Error *err)
{
    Corners c;
    if (!read_corners(op, x->rank, &c, err))
        return false;
    *out = (Type){.kind = TY_TENSOR, .dtype = x->dtype};
    for (int i = 0; i < x->rank; i++) {
        int64_t n = x->dim[i], at = c.begin[i];
        if (!c.squeeze[i])
            out->dim[out->rank++] = slice_length(&c, i, n);
        else if (c.begin_known == KNOWN && n >= 0 && (at < -n || at >= n))
            return infer_fail(op, err, "index %lld is out of range for axis %d of x %s", (long long)at, i,
                              shown_dims(x).text) >= 0;
    }
    return true;
}

int infer_slice_by_index(const Op *op, Type *out, int limit, Error *err)
{
    return slice_dims(op, infer_type(op, "x"), &out[0], err) ? 1 : -1;
}

int infer_slice_update(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"x", "update", NULL};
    const Type *x = infer_type(op, "x"), *update = infer_type(op, "update");
    Type slice;
    if (!infer_same_dtype(op, keys, err) || !slice_dims(op, x, &slice, err))
        return -1;
    if (!dims_fit(update, &slice))
        return infer_fail(op, err, "update %s does not have the shape %s of the slice of x %s",
                          shown_dims(update).text, shown_dims(&slice).text, shown_dims(x).text);
    out[0] = *x;
    return 1;
}

/* ---- slice_by_size ---- */

/* One axis of length n, where begin and size are known; -1 as a size means up to the end. */
static bool sized_length(const Op *op, const Type *x, int i, int64_t begin, int64_t size, int64_t *out,
                         Error *err)
{
    int64_t n = x->dim[i];
    bool sensible = size >= -1 || size == DIM_S || size == DIM_T;
    if (n < 0 && sensible) { /* S: all of it, or a number that has to be believed */
        *out = size == n || (size == -1 && begin == 0) ? n : size == -1 ? DIM_UNKNOWN : size;
        return true;
    }
    int64_t from = begin < 0 ? begin + n : begin;
    bool fits = n >= 0 && from >= 0 && from <= n && size >= -1 && size <= n - from;
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)size);
    if (!fits)
        return infer_fail(op, err, "begin %lld and size %s do not lie in axis %d of x %s", (long long)begin,
                          size == DIM_S || size == DIM_T ? shown_dim(size).text : number, i,
                          shown_dims(x).text) >= 0;
    *out = size == -1 ? n - from : size;
    return true;
}

int infer_slice_by_size(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t begin[IR_MAX_RANK], size[IR_MAX_RANK];
    Known begin_known = infer_ints(op, "begin", x->rank, begin, err);
    Known size_known = begin_known == KNOWN_WRONG ? KNOWN_WRONG : infer_ints(op, "size", x->rank, size, err);
    if (size_known == KNOWN_WRONG)
        return -1;
    out[0] = *x;
    for (int i = 0; i < x->rank; i++) {
        out[0].dim[i] = DIM_UNKNOWN;
        if (size_known == KNOWN && begin_known == KNOWN) {
            if (!sized_length(op, x, i, begin[i], size[i], &out[0].dim[i], err))
                return -1;
        } else if (size_known == KNOWN && size[i] != -1) {
            if (!sized_length(op, x, i, 0, size[i], &out[0].dim[i], err)) /* fits somewhere */
                return -1;
        }
    }
    return 1;
}

/* ---- gathers ---- */

static bool check_indices(const Op *op, const Type *indices, Error *err)
{
    return dtype_is_int(indices->dtype) ||
           infer_fail(op, err, "indices is %s, expected integers", shown_type(indices).text) >= 0;
}

static bool push_dims(const Op *op, Type *out, const Type *from, int first, int end, Error *err)
{
    for (int i = first; i < end; i++) {
        if (out->rank == IR_MAX_RANK)
            return infer_fail(op, err, "x %s and indices %s: the result has more than %d axes",
                              shown_dims(infer_type(op, "x")).text,
                              shown_dims(infer_type(op, "indices")).text, IR_MAX_RANK) >= 0;
        out->dim[out->rank++] = from->dim[i];
    }
    return true;
}

/* The first batch_dims axes are the same in x and the indices. */
static bool batch_dims(const Op *op, int most, int *out, Error *err)
{
    const Type *x = infer_type(op, "x"), *indices = infer_type(op, "indices");
    int64_t n;
    if (!infer_int(op, "batch_dims", 0, &n, err))
        return false;
    bool fits = n >= 0 && n <= most && n <= indices->rank;
    for (int i = 0; fits && i < n; i++)
        fits = dim_fits(x->dim[i], indices->dim[i]);
    *out = (int)n;
    return fits || infer_fail(op, err, "x %s and indices %s cannot have %lld batch dimensions",
                              shown_dims(x).text, shown_dims(indices).text, (long long)n) >= 0;
}

/* x[.., axis, ..] with the axis replaced by those of the indices */
int infer_gather(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x"), *indices = infer_type(op, "indices");
    int axis, batch;
    if (!check_indices(op, indices, err) || !infer_axis(op, "axis", 0, x->rank, &axis, err) ||
        !batch_dims(op, axis, &batch, err))
        return -1;
    out[0] = (Type){.kind = TY_TENSOR, .dtype = x->dtype};
    return push_dims(op, &out[0], x, 0, axis, err) &&
                   push_dims(op, &out[0], indices, batch, indices->rank, err) &&
                   push_dims(op, &out[0], x, axis + 1, x->rank, err)
               ? 1
               : -1;
}

int infer_gather_along_axis(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x"), *indices = infer_type(op, "indices");
    int axis;
    if (!check_indices(op, indices, err) || !infer_axis(op, "axis", 0, x->rank, &axis, err))
        return -1;
    Type expected = *x;
    if (indices->rank == x->rank)
        expected.dim[axis] = indices->dim[axis];
    if (!dims_fit(&expected, indices))
        return infer_fail(op, err, "x %s and indices %s may differ in axis %d only", shown_dims(x).text,
                          shown_dims(indices).text, axis);
    out[0] = *indices;
    out[0].dtype = x->dtype;
    return 1;
}

/* The last axis of the indices counts the axes of x that are picked from. */
int infer_gather_nd(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x"), *indices = infer_type(op, "indices");
    int batch;
    if (!check_indices(op, indices, err) || !batch_dims(op, x->rank, &batch, err))
        return -1;
    int64_t depth = indices->rank ? indices->dim[indices->rank - 1] : DIM_UNKNOWN;
    if (depth < 0 || depth > x->rank - batch || batch >= indices->rank)
        return infer_fail(op, err,
                          "x %s and indices %s: the last axis of the indices must be a number of axes of x",
                          shown_dims(x).text, shown_dims(indices).text);
    out[0] = (Type){.kind = TY_TENSOR, .dtype = x->dtype};
    return push_dims(op, &out[0], indices, 0, indices->rank - 1, err) &&
                   push_dims(op, &out[0], x, batch + (int)depth, x->rank, err)
               ? 1
               : -1;
}

/* ---- where elements are not zero: [how many, rank], known at run time ---- */

int infer_non_zero(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t dim[2] = {DIM_UNKNOWN, x->rank};
    if (x->dtype == DT_STRING)
        return infer_fail(op, err, "x is %s, expected numbers", shown_type(x).text);
    out[0] = type_tensor(DT_INT32, 2, dim);
    return 1;
}
