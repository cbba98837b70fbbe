/* Slices. Their corners may be computed at run time, while shapes are declared: what does not fit is an
 * error. */
#include "runtime/eval/eval.h"

/* A box in a tensor: `first` element and `stride` in elements for each axis of it, `dim` indices. */
typedef struct Box {
    int64_t first;
    int64_t dim[IR_MAX_RANK], stride[IR_MAX_RANK];
} Box;

static bool flag_at(const Tensor *flags, int i)
{
    return flags && i < flags->count && tensor_get_int(flags, i) != 0;
}

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* One axis as Python slices it: begin:end:step over n elements; *count elements from *begin on. */
static void python_slice(int64_t n, int64_t step, bool begin_open, bool end_open, int64_t *begin, int64_t end,
                         int64_t *count)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    int64_t from = begin_open ? (step > 0 ? 0 : n - 1) : clamp(*begin < 0 ? *begin + n : *begin, low, high);
    int64_t to = end_open ? (step > 0 ? n : -1) : clamp(end < 0 ? end + n : end, low, high);
    int64_t span = step > 0 ? to - from : from - to, by = step > 0 ? step : -step;
    *begin = from;
    *count = span > 0 ? (span - 1) / by + 1 : 0;
}

/* The box of slice_by_index and slice_update in `x`. */
static bool read_box(const EvalCall *c, const Tensor *x, Box *box, Error *err)
{
    const Tensor *begin = call_operand(c, "begin"), *end = call_operand(c, "end"),
                 *stride = call_operand(c, "stride");
    const Tensor *begin_mask = call_operand(c, "begin_mask"), *end_mask = call_operand(c, "end_mask");
    const Tensor *squeeze = call_operand(c, "squeeze_mask");
    int64_t dense[IR_MAX_RANK];
    if (begin->count != x->rank || end->count != x->rank || (stride && stride->count != x->rank))
        return call_error(c, err, "begin, end and stride must have %d elements", x->rank);
    tensor_strides(x, dense);
    box->first = 0;
    for (int i = 0; i < x->rank; i++) {
        int64_t n = x->dim[i], from = tensor_get_int(begin, i), step = stride ? tensor_get_int(stride, i) : 1;
        if (step == 0 || step < -INT32_MAX || step > INT32_MAX)
            return call_error(c, err, "the stride of axis %d is %lld", i, (long long)step);
        if (flag_at(squeeze, i)) {
            from += from < 0 ? n : 0;
            if (from < 0 || from >= n)
                return call_error(c, err, "index %lld is out of range for the %lld elements of axis %d",
                                  (long long)tensor_get_int(begin, i), (long long)n, i);
            box->dim[i] = 1;
        } else {
            python_slice(n, step, flag_at(begin_mask, i), flag_at(end_mask, i), &from, tensor_get_int(end, i),
                         &box->dim[i]);
        }
        box->first += box->dim[i] ? from * dense[i] : 0;
        box->stride[i] = dense[i] * step;
    }
    return true;
}

/* Whether the box has the shape of t, which lacks the squeezed axes. */
static bool box_fits(const EvalCall *c, const Box *box, int rank, const Tensor *t)
{
    const Tensor *squeeze = call_operand(c, "squeeze_mask");
    int at = 0;
    for (int i = 0; i < rank; i++) {
        if (flag_at(squeeze, i))
            continue;
        if (at >= t->rank || t->dim[at++] != box->dim[i])
            return false;
    }
    return at == t->rank;
}

bool eval_slice_by_index(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    Box box;
    if (!read_box(c, x, &box, err))
        return false;
    if (!box_fits(c, &box, x->rank, out))
        return call_error(c, err, "the slice does not have the declared shape: an index is out of range");
    Cursor at;
    cursor_begin(&at, x->rank, box.dim);
    cursor_lane(&at, box.first, box.stride);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at))
        tensor_move(out, i, x, at.at[0], 1);
    return true;
}

bool eval_slice_update(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *update = call_operand(c, "update");
    Tensor *out = c->result[0];
    Box box;
    if (!read_box(c, x, &box, err))
        return false;
    if (!box_fits(c, &box, x->rank, update))
        return call_error(c, err,
                          "the update does not have the shape of the slice: an index is out of range");
    tensor_move(out, 0, x, 0, out->count);
    Cursor at;
    cursor_begin(&at, x->rank, box.dim);
    cursor_lane(&at, box.first, box.stride);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at))
        tensor_move(out, at.at[0], update, i, 1);
    return true;
}

/* A size of -1 means up to the end; the declared shape says how much that is. */
bool eval_slice_by_size(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *begin = call_operand(c, "begin");
    Tensor *out = c->result[0];
    int64_t dense[IR_MAX_RANK], first = 0;
    if (begin->count != x->rank || out->rank != x->rank)
        return call_error(c, err, "begin must have %d elements", x->rank);
    tensor_strides(x, dense);
    for (int i = 0; i < x->rank; i++) {
        int64_t from = tensor_get_int(begin, i);
        from += from < 0 ? x->dim[i] : 0;
        if (from < 0 || from > x->dim[i] - out->dim[i])
            return call_error(
                c, err, "%lld elements from index %lld on are out of range for the %lld of axis %d",
                (long long)out->dim[i], (long long)tensor_get_int(begin, i), (long long)x->dim[i], i);
        first += from * dense[i];
    }
    Cursor at;
    cursor_begin(&at, out->rank, out->dim);
    cursor_lane(&at, first, dense);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at))
        tensor_move(out, i, x, at.at[0], 1);
    return true;
}
