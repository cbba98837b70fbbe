/* Gathers. Indices come at run time; negative ones count from the end, and those out of range are errors. */
#include "runtime/eval/eval.h"

static bool read_index(const EvalCall *c, const Tensor *indices, int64_t i, int64_t n, int64_t *out,
                       Error *err)
{
    int64_t v = tensor_get_int(indices, i);
    *out = v < 0 ? v + n : v;
    if (*out < 0 || *out >= n)
        return call_error(c, err, "index %lld is out of range for %lld elements", (long long)v, (long long)n);
    return true;
}

static int64_t product(const int64_t *dim, int first, int end)
{
    int64_t n = 1;
    for (int i = first; i < end; i++)
        n *= dim[i];
    return n;
}

/* x [batch, outer, n, run], indices [batch, picks] -> [batch, outer, picks, run] */
bool eval_gather(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *indices = call_operand(c, "indices");
    Tensor *out = c->result[0];
    int64_t batches = call_int(c, "batch_dims", 0);
    int axis;
    if (!call_axis(c, "axis", 0, x->rank, &axis, err))
        return false;
    if (batches < 0 || batches > axis || batches > indices->rank)
        return call_error(c, err, "batch_dims is out of range");
    int64_t batch = product(x->dim, 0, (int)batches), outer = product(x->dim, (int)batches, axis);
    int64_t n = x->dim[axis], run = product(x->dim, axis + 1, x->rank);
    int64_t picks = product(indices->dim, (int)batches, indices->rank);
    if (batch * outer * picks * run != out->count || batch * picks != indices->count)
        return call_error(c, err, "the indices do not fit the declared shape");
    for (int64_t i = 0; i < batch * outer * picks; i++) {
        int64_t at, bo = i / picks;
        if (!read_index(c, indices, bo / outer * picks + i % picks, n, &at, err))
            return false;
        tensor_move(out, i * run, x, (bo * n + at) * run, run);
    }
    return true;
}

/* out[.., i, ..] = x[.., indices[.., i, ..], ..] */
bool eval_gather_along_axis(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *indices = call_operand(c, "indices");
    Tensor *out = c->result[0];
    int axis;
    if (!call_axis(c, "axis", 0, x->rank, &axis, err))
        return false;
    int64_t run = product(x->dim, axis + 1, x->rank), n = x->dim[axis];
    int64_t picks = indices->rank == x->rank ? indices->dim[axis] : -1;
    if (picks < 0 || indices->count != out->count || product(x->dim, 0, axis) * picks * run != out->count)
        return call_error(c, err, "the indices do not fit the declared shape");
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at, outer = i / (picks * run);
        if (!read_index(c, indices, i, n, &at, err))
            return false;
        tensor_move(out, i, x, (outer * n + at) * run + i % run, 1);
    }
    return true;
}

/* The last axis of the indices is an index into the axes of x behind the batch. */
bool eval_gather_nd(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *indices = call_operand(c, "indices");
    Tensor *out = c->result[0];
    int64_t batches = call_int(c, "batch_dims", 0);
    if (indices->rank < 1 || batches < 0 || batches >= indices->rank)
        return call_error(c, err, "batch_dims is out of range");
    int64_t depth = indices->dim[indices->rank - 1];
    if (batches + depth > x->rank)
        return call_error(c, err, "the indices have more components than x has axes");
    int begin = (int)batches, end = (int)(batches + depth);
    int64_t batch = product(x->dim, 0, begin), run = product(x->dim, end, x->rank);
    int64_t item = product(x->dim, begin, end) * run, tuples = product(indices->dim, 0, indices->rank - 1);
    if (tuples * run != out->count || (batch && tuples % batch))
        return call_error(c, err, "the indices do not fit the declared shape");
    for (int64_t i = 0; i < tuples; i++) {
        int64_t from = 0;
        for (int64_t k = 0; k < depth; k++) {
            int64_t at;
            if (!read_index(c, indices, i * depth + k, x->dim[begin + k], &at, err))
                return false;
            from = from * x->dim[begin + k] + at;
        }
        tensor_move(out, i * run, x, i / (tuples / batch) * item + from * run, run);
    }
    return true;
}

/* The indices of what is not zero, one row each. */
bool eval_non_zero(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    int64_t next = 0;
    Cursor at;
    cursor_begin(&at, x->rank, x->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        if (tensor_get(x, i) == 0)
            continue;
        if (next + x->rank > out->count)
            return call_error(c, err, "there are more elements that are not zero than rows");
        for (int d = 0; d < x->rank; d++)
            tensor_put_int(out, next++, at.index[d]);
    }
    return next == out->count || call_error(c, err, "there are fewer elements that are not zero than rows");
}
