/* Scatters, sorting, one_hot, windows, and what moves blocks between channels and space. */
#include <stdlib.h>
#include <string.h>

#include "runtime/eval/eval.h"

/* ---- scatters ---- */

typedef double Mix(double old, double new);

static double mix_update(double old, double new)
{
    return new;
}

static double mix_add(double old, double new)
{
    return old + new;
}

static double mix_sub(double old, double new)
{
    return old - new;
}

static double mix_mul(double old, double new)
{
    return old * new;
}

static double mix_div(double old, double new)
{
    return old / new;
}

static double mix_max(double old, double new)
{
    return new > old ? new : old;
}

static double mix_min(double old, double new)
{
    return new < old ? new : old;
}

static Mix *mix_of(const EvalCall *c)
{
    static const struct {
        const char *name;
        Mix *f;
    } known[] = {{"update", mix_update}, {"sub", mix_sub}, {"mul", mix_mul},
                 {"div", mix_div},       {"max", mix_max}, {"min", mix_min}};
    const char *mode = call_string(c, "mode", "add");
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, mode) == 0)
            return known[i].f;
    return mix_add;
}

static bool read_index(const EvalCall *c, int64_t i, int64_t n, int64_t *out, Error *err)
{
    int64_t v = tensor_get_int(call_operand(c, "indices"), i);
    *out = v < 0 ? v + n : v;
    return (*out >= 0 && *out < n) ||
           call_error(c, err, "index %lld is out of range for %lld elements", (long long)v, (long long)n);
}

static void mix(const EvalCall *c, Mix *f, int64_t to, int64_t from, int64_t count)
{
    Tensor *out = c->result[0];
    const Tensor *updates = call_operand(c, "updates");
    for (int64_t i = 0; i < count; i++)
        tensor_put(out, to + i, f(tensor_get(out, to + i), tensor_get(updates, from + i)));
}

/* data [outer, n, run], indices [picks], updates [outer, picks, run] */
bool eval_scatter(const EvalCall *c, Error *err)
{
    const Tensor *data = call_operand(c, "data"), *indices = call_operand(c, "indices");
    int axis;
    int64_t stride[IR_MAX_RANK], at;
    if (!call_axis(c, "axis", 0, data->rank, &axis, err))
        return false;
    tensor_move(c->result[0], 0, data, 0, data->count);
    tensor_strides(data, stride);
    int64_t run = stride[axis], n = data->dim[axis], picks = indices->count;
    if (!data->count || !picks)
        return true;
    if (call_operand(c, "updates")->count != data->count / n * picks)
        return call_error(c, err, "the updates do not fit the indices");
    for (int64_t i = 0; i < data->count / n / run * picks; i++) {
        if (!read_index(c, i % picks, n, &at, err))
            return false;
        mix(c, mix_of(c), (i / picks * n + at) * run, i * run, run);
    }
    return true;
}

bool eval_scatter_along_axis(const EvalCall *c, Error *err)
{
    const Tensor *data = call_operand(c, "data"), *indices = call_operand(c, "indices");
    int axis;
    int64_t stride[IR_MAX_RANK], pick;
    Cursor at;
    if (!call_axis(c, "axis", 0, data->rank, &axis, err))
        return false;
    if (call_operand(c, "updates")->count != indices->count)
        return call_error(c, err, "the updates do not fit the indices");
    tensor_move(c->result[0], 0, data, 0, data->count);
    tensor_strides(data, stride);
    cursor_begin(&at, indices->rank, indices->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t to = 0;
        if (!read_index(c, i, data->dim[axis], &pick, err))
            return false;
        for (int d = 0; d < data->rank; d++)
            to += (d == axis ? pick : at.index[d]) * stride[d];
        mix(c, mix_of(c), to, i, 1);
    }
    return true;
}

bool eval_scatter_nd(const EvalCall *c, Error *err)
{
    const Tensor *data = call_operand(c, "data"), *indices = call_operand(c, "indices");
    int64_t depth = indices->rank ? indices->dim[indices->rank - 1] : 0, run = 1, tuples = 1, at;
    if (depth > data->rank)
        return call_error(c, err, "the indices have more components than data has axes");
    for (int i = (int)depth; i < data->rank; i++)
        run *= data->dim[i];
    for (int i = 0; i + 1 < indices->rank; i++)
        tuples *= indices->dim[i];
    if (call_operand(c, "updates")->count != tuples * run)
        return call_error(c, err, "the updates do not fit the indices");
    tensor_move(c->result[0], 0, data, 0, data->count);
    for (int64_t i = 0; i < tuples; i++) {
        int64_t to = 0;
        for (int64_t k = 0; k < depth; k++) {
            if (!read_index(c, i * depth + k, data->dim[k], &at, err))
                return false;
            to = to * data->dim[k] + at;
        }
        mix(c, mix_of(c), to * run, i * run, run);
    }
    return true;
}

/* ---- sorting: equal elements keep their order ---- */

typedef struct Entry {
    double value; /* with its sign turned where the order is descending */
    int64_t place;
} Entry;

static int compare_entries(const void *a, const void *b)
{
    const Entry *x = a, *y = b;
    bool x_nan = x->value != x->value, y_nan = y->value != y->value; /* NaNs go last */
    if (x_nan != y_nan)
        return x_nan - y_nan;
    if (!x_nan && x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->place > y->place) - (x->place < y->place);
}

bool eval_argsort(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    double sign = call_bool(c, "ascending", false) ? 1 : -1;
    int64_t stride[IR_MAX_RANK];
    int axis;
    if (!call_axis(c, "axis", -1, x->rank, &axis, err))
        return false;
    tensor_strides(x, stride);
    int64_t n = x->dim[axis], step = stride[axis];
    Arena arena = {0};
    Entry *line = arena_many(&arena, (size_t)n + 1, Entry);
    for (int64_t i = 0; i < x->count; i++) {
        if (i / step % n != 0)
            continue;
        for (int64_t k = 0; k < n; k++)
            line[k] = (Entry){sign * tensor_get(x, i + k * step), k};
        qsort(line, (size_t)n, sizeof *line, compare_entries);
        for (int64_t k = 0; k < n; k++)
            tensor_put_int(c->result[0], i + k * step, line[k].place);
    }
    arena_free(&arena);
    return true;
}

/* An index out of range leaves its vector off. */
bool eval_one_hot(const EvalCall *c, Error *err)
{
    const Tensor *indices = call_operand(c, "indices");
    Tensor *out = c->result[0];
    double on = call_number(c, "on_value", 1), off = call_number(c, "off_value", 0);
    int64_t stride[IR_MAX_RANK];
    int axis;
    if (!call_axis(c, "axis", -1, out->rank, &axis, err))
        return false;
    tensor_strides(out, stride);
    int64_t n = out->dim[axis], run = stride[axis];
    for (int64_t i = 0; i < out->count; i++) {
        int64_t at = tensor_get_int(indices, i / (run * n) * run + i % run);
        tensor_put(out, i, i / run % n == at ? on : off);
    }
    return true;
}

bool eval_sliding_windows(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    int64_t stride[IR_MAX_RANK], every = call_int(c, "stride", 1);
    int axis;
    if (!call_axis(c, "axis", 0, x->rank, &axis, err))
        return false;
    int64_t windows = out->dim[axis], size = out->dim[axis + 1];
    if (every < 1 || (windows && (windows - 1) * every + size > x->dim[axis]))
        return call_error(c, err, "the windows do not fit the axis");
    tensor_strides(x, stride);
    int64_t run = stride[axis];
    for (int64_t i = 0; run && i < out->count / run; i++) {
        int64_t at = i / size % windows * every + i % size;
        tensor_move(out, i * run, x, (i / size / windows * x->dim[axis] + at) * run, run);
    }
    return true;
}

/* ---- blocks ---- */

/* For every element of the spatial side [N, C, H, W] its place on the deep side [N, C * b * b, H / b, W / b].
 * Depth comes as (row in block, column in block, channel), or the channel first for pixel_shuffle. */
static bool move_blocks(const EvalCall *c, const char *key, bool to_space, bool channel_first, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    int64_t b = call_int(c, key, 1);
    const Tensor *wide = to_space ? out : x, *deep = to_space ? x : out;
    if (b < 1 || wide->rank != 4 || wide->count != deep->count || wide->dim[2] % b || wide->dim[3] % b)
        return call_error(c, err, "x cannot be divided into blocks of %lld", (long long)b);
    int64_t channels = wide->dim[1];
    Cursor at;
    cursor_begin(&at, 4, wide->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t in_block = at.index[2] % b * b + at.index[3] % b;
        int64_t depth = channel_first ? at.index[1] * b * b + in_block : in_block * channels + at.index[1];
        int64_t place = ((at.index[0] * channels * b * b + depth) * (wide->dim[2] / b) + at.index[2] / b) *
                            (wide->dim[3] / b) +
                        at.index[3] / b;
        tensor_move(out, to_space ? i : place, x, to_space ? place : i, 1);
    }
    return true;
}

bool eval_depth_to_space(const EvalCall *c, Error *err)
{
    return move_blocks(c, "block_size", true, false, err);
}

bool eval_space_to_depth(const EvalCall *c, Error *err)
{
    return move_blocks(c, "block_size", false, false, err);
}

bool eval_pixel_shuffle(const EvalCall *c, Error *err)
{
    return move_blocks(c, "upscale_factor", true, true, err);
}

bool eval_pixel_unshuffle(const EvalCall *c, Error *err)
{
    return move_blocks(c, "downscale_factor", false, true, err);
}

/* Dense here: strides are how other devices keep it. */
bool eval_buffer(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "input");
    if (x->count != c->result[0]->count)
        return call_error(c, err, "the shapes differ");
    tensor_move(c->result[0], 0, x, 0, x->count);
    return true;
}
