/* Ops that move elements, or make them from shapes. */
#include <string.h>

#include "runtime/eval/eval.h"

bool eval_transpose(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *perm = call_operand(c, "perm");
    Tensor *out = c->result[0];
    int64_t stride[IR_MAX_RANK], moved[IR_MAX_RANK];
    tensor_strides(x, stride);
    for (int i = 0; i < x->rank; i++) {
        int64_t axis = tensor_get_int(perm, i);
        axis += axis < 0 ? x->rank : 0;
        if (axis < 0 || axis >= x->rank || x->dim[axis] != out->dim[i])
            return call_error(c, err, "perm does not fit");
        moved[i] = stride[axis];
    }
    Cursor at;
    cursor_begin(&at, out->rank, out->dim);
    cursor_lane(&at, 0, moved);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at))
        tensor_move(out, i, x, at.at[0], 1);
    return true;
}

/* The elements behind one index of the axis. */
static int64_t behind(const Tensor *t, int axis)
{
    int64_t n = 1;
    for (int i = axis + 1; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

/* Copies `part` into `whole` (or back), where it takes the indices from `first` on along the axis, every
 * `spread`-th. */
static void place(Tensor *whole, Tensor *part, int axis, int64_t first, int64_t spread, bool back)
{
    int64_t run = behind(part, axis), n = part->dim[axis], total = whole->dim[axis];
    int64_t item = run * n, outer = item > 0 ? part->count / item : 0;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < n; i++) {
            int64_t at = (o * total + first + i * spread) * run, from = (o * n + i) * run;
            if (back)
                tensor_move(part, from, whole, at, run);
            else
                tensor_move(whole, at, part, from, run);
        }
}

bool eval_concat(const EvalCall *c, Error *err)
{
    Tensor *out = c->result[0];
    bool interleave = call_bool(c, "interleave", false);
    int axis;
    if (!call_axis(c, "axis", 0, out->rank, &axis, err))
        return false;
    int64_t first = 0;
    for (int i = 0; i < c->count[0]; i++) {
        Tensor *part = c->operand[0][i];
        place(out, part, axis, interleave ? i : first, interleave ? c->count[0] : 1, false);
        first += part->dim[axis];
    }
    return true;
}

bool eval_stack(const EvalCall *c, Error *err)
{
    Tensor *out = c->result[0];
    int axis;
    if (!call_axis(c, "axis", 0, out->rank, &axis, err))
        return false;
    for (int i = 0; i < c->count[0]; i++) {
        Tensor part = *c->operand[0][i]; /* with an axis of length 1 put in */
        memcpy(part.dim, out->dim, sizeof part.dim);
        part.rank = out->rank;
        part.dim[axis] = 1;
        place(out, &part, axis, i, 1, false);
    }
    return true;
}

bool eval_split(const EvalCall *c, Error *err)
{
    Tensor *x = call_operand(c, "x");
    int axis;
    if (!call_axis(c, "axis", 0, x->rank, &axis, err))
        return false;
    int64_t first = 0;
    for (int i = 0; i < c->results; i++) {
        place(x, c->result[i], axis, first, 1, true);
        first += c->result[i]->dim[axis];
    }
    return true;
}

/* out[i] = x[i mod dim]: tile, and by reading backwards, reverse. */
bool eval_tile(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    int64_t stride[IR_MAX_RANK];
    tensor_strides(x, stride);
    Cursor at;
    cursor_begin(&at, out->rank, out->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t from = 0;
        for (int d = 0; d < x->rank; d++)
            from += at.index[d] % x->dim[d] * stride[d];
        tensor_move(out, i, x, from, 1);
    }
    return true;
}

bool eval_reverse(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *axes = call_operand(c, "axes");
    int64_t stride[IR_MAX_RANK], first = 0;
    bool turned[IR_MAX_RANK];
    tensor_strides(x, stride);
    for (int i = 0; i < x->rank; i++)
        turned[i] = !axes;
    for (int64_t i = 0; axes && i < axes->count; i++) {
        int64_t axis = tensor_get_int(axes, i);
        axis += axis < 0 ? x->rank : 0;
        if (axis < 0 || axis >= x->rank)
            return call_error(c, err, "axes are out of range");
        turned[axis] = true;
    }
    for (int i = 0; i < x->rank; i++)
        if (turned[i]) {
            first += (x->dim[i] - 1) * stride[i];
            stride[i] = -stride[i];
        }
    Cursor at;
    cursor_begin(&at, x->rank, x->dim);
    cursor_lane(&at, first, stride);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at))
        tensor_move(c->result[0], i, x, at.at[0], 1);
    return true;
}

/* ---- pad ---- */

typedef enum PadMode { PAD_CONSTANT, PAD_REFLECT, PAD_REPLICATE } PadMode;

/* The index of x behind an index of the padded axis; -1: the constant. */
static int64_t padded(int64_t i, int64_t n, PadMode mode)
{
    if (i >= 0 && i < n)
        return i;
    if (mode == PAD_CONSTANT)
        return -1;
    if (mode == PAD_REPLICATE)
        return i < 0 ? 0 : n - 1;
    return i < 0 ? -i : 2 * (n - 1) - i;
}

static bool pad_mode(const EvalCall *c, PadMode *mode, Error *err)
{
    const char *name = call_string(c, "mode", "constant");
    *mode = strcmp(name, "reflect") == 0     ? PAD_REFLECT
            : strcmp(name, "replicate") == 0 ? PAD_REPLICATE
                                             : PAD_CONSTANT;
    if (*mode == PAD_CONSTANT && strcmp(name, "constant") != 0)
        return call_error(c, err, "there is no mode \"%.40s\"", name);
    return true;
}

/* pad = [before, after] of the last pad.count / 2 axes */
bool eval_pad(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *pad = call_operand(c, "pad");
    Tensor *out = c->result[0];
    double constant = call_number(c, "constant_val", 0);
    int64_t stride[IR_MAX_RANK], before[IR_MAX_RANK] = {0};
    PadMode mode;
    if (!pad_mode(c, &mode, err))
        return false;
    int skipped = x->rank - (int)(pad->count / 2);
    if (skipped < 0)
        return call_error(c, err, "pad has more axes than x");
    for (int d = skipped; d < x->rank; d++)
        before[d] = tensor_get_int(pad, 2 * (d - skipped));
    tensor_strides(x, stride);
    Cursor at;
    cursor_begin(&at, out->rank, out->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t from = 0;
        for (int d = 0; d < x->rank && from >= 0; d++) {
            int64_t p = padded(at.index[d] - before[d], x->dim[d], mode);
            if (p >= x->dim[d] || (p < 0 && mode != PAD_CONSTANT))
                return call_error(c, err, "the padding is wider than what it reflects");
            from = p < 0 ? -1 : from + p * stride[d];
        }
        if (from < 0)
            tensor_put(out, i, constant);
        else
            tensor_move(out, i, x, from, 1);
    }
    return true;
}

/* ---- made from shapes ---- */

bool eval_shape(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    for (int i = 0; i < x->rank; i++)
        tensor_put_int(c->result[0], i, x->dim[i]);
    return true;
}

bool eval_fill(const EvalCall *c, Error *err)
{
    double value = call_number(c, "value", 0);
    for (int64_t i = 0; i < c->result[0]->count; i++)
        tensor_put(c->result[0], i, value);
    return true;
}

bool eval_fill_like(const EvalCall *c, Error *err)
{
    return eval_fill(c, err);
}

bool eval_range_1d(const EvalCall *c, Error *err)
{
    double start = call_number(c, "start", 0), step = call_number(c, "step", 1);
    for (int64_t i = 0; i < c->result[0]->count; i++)
        tensor_put(c->result[0], i, start + (double)i * step);
    return true;
}

/* Outside of the diagonals -lower .. upper of the last two axes: 0. Negative: no limit on that side. */
bool eval_band_part(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    int64_t lower = call_int(c, "lower", -1), upper = call_int(c, "upper", -1);
    if (x->rank < 2)
        return call_error(c, err, "x has rank %d", x->rank);
    int64_t rows = x->dim[x->rank - 2], columns = x->dim[x->rank - 1];
    for (int64_t i = 0; i < x->count; i++) {
        int64_t m = i / columns % rows, n = i % columns;
        if ((lower < 0 || m - n <= lower) && (upper < 0 || n - m <= upper))
            tensor_move(c->result[0], i, x, i, 1);
        else
            tensor_put_int(c->result[0], i, 0);
    }
    return true;
}
