/* Softmax and the normalisations. All see a tensor as a set of groups: the elements of one group are
 * normalised together. */
#include <math.h>

#include "runtime/eval/eval.h"

bool eval_softmax(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    int axis;
    int64_t stride[IR_MAX_RANK];
    if (!call_axis(c, "axis", -1, x->rank, &axis, err))
        return false;
    tensor_strides(x, stride);
    int64_t n = x->dim[axis], step = stride[axis];
    for (int64_t i = 0; i < x->count; i++) {
        if (i / step % n != 0)
            continue;
        double most = tensor_get(x, i), sum = 0;
        for (int64_t k = 1; k < n; k++)
            most = fmax(most, tensor_get(x, i + k * step));
        for (int64_t k = 0; k < n; k++)
            sum += exp(tensor_get(x, i + k * step) - most);
        for (int64_t k = 0; k < n; k++)
            tensor_put(out, i + k * step, exp(tensor_get(x, i + k * step) - most) / sum);
    }
    return true;
}

/* A tensor split in two index spaces: `group` walks where groups begin, `member` the elements within one. */
typedef struct Split {
    int groups, members;
    int64_t group_dim[IR_MAX_RANK], group_stride[IR_MAX_RANK];
    int64_t member_dim[IR_MAX_RANK], member_stride[IR_MAX_RANK];
} Split;

static void split_axes(const Tensor *x, const bool *within, Split *s)
{
    int64_t stride[IR_MAX_RANK];
    tensor_strides(x, stride);
    s->groups = s->members = 0;
    for (int i = 0; i < x->rank; i++) {
        int *n = within[i] ? &s->members : &s->groups;
        (within[i] ? s->member_dim : s->group_dim)[*n] = x->dim[i];
        (within[i] ? s->member_stride : s->group_stride)[*n] = stride[i];
        ++*n;
    }
}

static Cursor walk_groups(const Split *s)
{
    Cursor c;
    cursor_begin(&c, s->groups, s->group_dim);
    cursor_lane(&c, 0, s->group_stride);
    return c;
}

static Cursor walk_members(const Split *s, int64_t first)
{
    Cursor c;
    cursor_begin(&c, s->members, s->member_dim);
    cursor_lane(&c, first, s->member_stride);
    return c;
}

static void moments(const Tensor *x, const Split *s, int64_t first, double *mean, double *variance)
{
    double sum = 0, squares = 0;
    int64_t n = 0;
    for (Cursor c = walk_members(s, first); c.left > 0; cursor_next(&c), n++)
        sum += tensor_get(x, c.at[0]);
    *mean = sum / (double)n;
    for (Cursor c = walk_members(s, first); c.left > 0; cursor_next(&c)) {
        double d = tensor_get(x, c.at[0]) - *mean;
        squares += d * d;
    }
    *variance = squares / (double)n;
}

/* gamma and beta have the shape of the axes that are normalised. */
bool eval_layer_norm(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *axes = call_operand(c, "axes");
    const Tensor *gamma = call_operand(c, "gamma"), *beta = call_operand(c, "beta");
    Tensor *out = c->result[0];
    double epsilon = call_number(c, "epsilon", 1e-5f);
    bool within[IR_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        within[i] = !axes;
    for (int64_t i = 0; axes && i < axes->count; i++) {
        int64_t axis = tensor_get_int(axes, i);
        axis += axis < 0 ? x->rank : 0;
        if (axis < 0 || axis >= x->rank)
            return call_error(c, err, "axes are out of range");
        within[axis] = true;
    }
    Split s;
    split_axes(x, within, &s);
    for (Cursor g = walk_groups(&s); g.left > 0; cursor_next(&g)) {
        double mean, variance;
        moments(x, &s, g.at[0], &mean, &variance);
        double scale = 1 / sqrt(variance + epsilon);
        int64_t k = 0;
        for (Cursor m = walk_members(&s, g.at[0]); m.left > 0; cursor_next(&m), k++) {
            double v = (tensor_get(x, m.at[0]) - mean) * scale;
            v = gamma ? v * tensor_get(gamma, k) : v;
            tensor_put(out, m.at[0], beta ? v + tensor_get(beta, k) : v);
        }
    }
    return true;
}

/* x [N, C, ...]; everything else [C] */
bool eval_batch_norm(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *mean = call_operand(c, "mean"),
                 *variance = call_operand(c, "variance");
    const Tensor *gamma = call_operand(c, "gamma"), *beta = call_operand(c, "beta");
    Tensor *out = c->result[0];
    double epsilon = call_number(c, "epsilon", 1e-5f);
    int64_t stride[IR_MAX_RANK];
    if (x->rank < 2)
        return call_error(c, err, "x has rank %d", x->rank);
    tensor_strides(x, stride);
    for (int64_t i = 0; i < x->count; i++) {
        int64_t channel = i / stride[1] % x->dim[1];
        double v =
            (tensor_get(x, i) - tensor_get(mean, channel)) / sqrt(tensor_get(variance, channel) + epsilon);
        v = gamma ? v * tensor_get(gamma, channel) : v;
        tensor_put(out, i, beta ? v + tensor_get(beta, channel) : v);
    }
    return true;
}

/* x [N, C, ...]: each channel of each item on its own; gamma and beta [C] */
bool eval_instance_norm(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *gamma = call_operand(c, "gamma"),
                 *beta = call_operand(c, "beta");
    Tensor *out = c->result[0];
    double epsilon = call_number(c, "epsilon", 1e-5f);
    bool within[IR_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        within[i] = i >= 2;
    if (x->rank < 3)
        return call_error(c, err, "x has rank %d", x->rank);
    Split s;
    split_axes(x, within, &s);
    for (Cursor g = walk_groups(&s); g.left > 0; cursor_next(&g)) {
        double mean, variance;
        moments(x, &s, g.at[0], &mean, &variance);
        double scale = 1 / sqrt(variance + epsilon);
        for (Cursor m = walk_members(&s, g.at[0]); m.left > 0; cursor_next(&m)) {
            double v = (tensor_get(x, m.at[0]) - mean) * scale;
            v = gamma ? v * tensor_get(gamma, g.index[1]) : v;
            tensor_put(out, m.at[0], beta ? v + tensor_get(beta, g.index[1]) : v);
        }
    }
    return true;
}

/* x [..., three axes]: each group of three divided by its Euclidean length */
bool eval_l2_norm(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    double epsilon = call_number(c, "epsilon", 1e-6f);
    bool within[IR_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        within[i] = i >= x->rank - 3;
    Split s;
    split_axes(x, within, &s);
    for (Cursor g = walk_groups(&s); g.left > 0; cursor_next(&g)) {
        double squares = 0;
        for (Cursor m = walk_members(&s, g.at[0]); m.left > 0; cursor_next(&m))
            squares += tensor_get(x, m.at[0]) * tensor_get(x, m.at[0]);
        double scale = 1 / sqrt(squares + epsilon);
        for (Cursor m = walk_members(&s, g.at[0]); m.left > 0; cursor_next(&m))
            tensor_put(c->result[0], m.at[0], tensor_get(x, m.at[0]) * scale);
    }
    return true;
}

/* x [N, C, ...]: by the squares of `size` channels around each, the middle one at size / 2 */
bool eval_local_response_norm(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    double alpha = call_number(c, "alpha", 1e-4f), beta = call_number(c, "beta", 0.75),
           k = call_number(c, "k", 1);
    int64_t size = call_int(c, "size", 1), stride[IR_MAX_RANK];
    if (x->rank < 3 || size < 1)
        return call_error(c, err, "x has rank %d and size is %lld", x->rank, (long long)size);
    tensor_strides(x, stride);
    for (int64_t i = 0; i < x->count; i++) {
        int64_t channel = i / stride[1] % x->dim[1], first = channel - size / 2, end = first + size;
        double squares = 0;
        for (int64_t n = first < 0 ? 0 : first; n < end && n < x->dim[1]; n++) {
            double v = tensor_get(x, i + (n - channel) * stride[1]);
            squares += v * v;
        }
        tensor_put(c->result[0], i, tensor_get(x, i) / pow(k + alpha / (double)size * squares, beta));
    }
    return true;
}

/* ---- activations with numbers for each channel: x [N, C, ...], alpha and beta [C] ---- */

static int64_t channel_of(const Tensor *x, int64_t i)
{
    int64_t stride[IR_MAX_RANK];
    tensor_strides(x, stride);
    return x->rank > 1 ? i / stride[1] % x->dim[1] : 0;
}

bool eval_prelu(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *alpha = call_operand(c, "alpha");
    for (int64_t i = 0; i < x->count; i++) {
        double v = tensor_get(x, i);
        tensor_put(c->result[0], i, v > 0 ? v : v * tensor_get(alpha, channel_of(x, i)));
    }
    return true;
}

bool eval_softplus_parametric(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *alpha = call_operand(c, "alpha"),
                 *beta = call_operand(c, "beta");
    for (int64_t i = 0; i < x->count; i++) {
        int64_t channel = channel_of(x, i);
        double v = tensor_get(x, i) * tensor_get(beta, channel);
        double soft = v > 0 ? v + log1p(exp(-v)) : log1p(exp(v));
        tensor_put(c->result[0], i, tensor_get(alpha, channel) * soft);
    }
    return true;
}
