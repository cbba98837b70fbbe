/* Reductions over axes, the position of the extreme, running sums, the k greatest. */
#include <math.h>

#include "runtime/eval/eval.h"

/* ---- reductions: a start, a step for each element, an end ---- */

typedef struct Reduction {
    double start;
    double (*step)(double so_far, double x);
    double (*end)(double so_far, int64_t count);
} Reduction;

/* Where each axis is reduced. */
static bool reduced_axes(const EvalCall *c, int rank, bool *reduced, Error *err)
{
    const Tensor *axes = call_operand(c, "axes");
    for (int i = 0; i < rank; i++)
        reduced[i] = !axes;
    for (int64_t i = 0; axes && i < axes->count; i++) {
        int64_t axis = tensor_get_int(axes, i);
        axis += axis < 0 ? rank : 0;
        if (axis < 0 || axis >= rank)
            return call_error(c, err, "axes are out of range for a tensor of rank %d", rank);
        reduced[axis] = true;
    }
    return true;
}

/* Lane 0 is where each group begins, in the order of the result's elements; the members of a group are walked
 * by a second cursor. */
static void split_axes(const Tensor *x, const bool *reduced, Cursor *groups, Cursor *members)
{
    int64_t stride[IR_MAX_RANK], dim[2][IR_MAX_RANK], step[2][IR_MAX_RANK];
    int n[2] = {0, 0};
    tensor_strides(x, stride);
    for (int i = 0; i < x->rank; i++) {
        int side = reduced[i];
        dim[side][n[side]] = x->dim[i];
        step[side][n[side]++] = stride[i];
    }
    cursor_begin(groups, n[0], dim[0]);
    cursor_lane(groups, 0, step[0]);
    cursor_begin(members, n[1], dim[1]);
    cursor_lane(members, 0, step[1]);
}

static bool reduce(const EvalCall *c, const Reduction *r, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    bool reduced[IR_MAX_RANK];
    Cursor groups, members;
    if (!reduced_axes(c, x->rank, reduced, err))
        return false;
    split_axes(x, reduced, &groups, &members);
    for (int64_t o = 0; groups.left > 0; o++, cursor_next(&groups)) {
        double v = r->start;
        for (Cursor m = members; m.left > 0; cursor_next(&m)) {
            v = r->step(v, tensor_get(x, groups.at[0] + m.at[0]));
            v = c->engine ? engine_partial(c->engine, v) : v;
        }
        tensor_put(out, o, r->end ? r->end(v, members.left) : v);
    }
    return true;
}

static double step_sum(double v, double x)
{
    return v + x;
}

static double step_max(double v, double x)
{
    return x > v || x != x ? x : v;
}

static double step_min(double v, double x)
{
    return x < v || x != x ? x : v;
}

static double step_prod(double v, double x)
{
    return v * x;
}

static double step_square(double v, double x)
{
    return v + x * x;
}

static double step_abs(double v, double x)
{
    return v + fabs(x);
}

static double end_root(double v, int64_t count)
{
    return sqrt(v);
}

static double end_log(double v, int64_t count)
{
    return log(v);
}

static double end_mean(double v, int64_t count)
{
    return v / (double)count;
}

#define REDUCE(name, first, step, end)                                                                       \
    bool eval_##name(const EvalCall *c, Error *err)                                                          \
    {                                                                                                        \
        static const Reduction r = {first, step, end};                                                       \
        return reduce(c, &r, err);                                                                           \
    }

REDUCE(reduce_sum, 0, step_sum, NULL)
REDUCE(reduce_max, -INFINITY, step_max, NULL)
REDUCE(reduce_min, INFINITY, step_min, NULL)
REDUCE(reduce_prod, 1, step_prod, NULL)
REDUCE(reduce_sum_square, 0, step_square, NULL)
REDUCE(reduce_l1_norm, 0, step_abs, NULL)
REDUCE(reduce_l2_norm, 0, step_square, end_root)
REDUCE(reduce_log_sum, 0, step_sum, end_log)
REDUCE(reduce_mean, 0, step_sum, end_mean)

/* Shifted by the greatest element, so that nothing overflows. */
bool eval_reduce_log_sum_exp(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    bool reduced[IR_MAX_RANK];
    Cursor groups, members;
    if (!reduced_axes(c, x->rank, reduced, err))
        return false;
    split_axes(x, reduced, &groups, &members);
    for (int64_t o = 0; groups.left > 0; o++, cursor_next(&groups)) {
        double most = -INFINITY, sum = 0;
        for (Cursor m = members; m.left > 0; cursor_next(&m))
            most = step_max(most, tensor_get(x, groups.at[0] + m.at[0]));
        double shift = isfinite(most) ? most : 0;
        for (Cursor m = members; m.left > 0; cursor_next(&m))
            sum += exp(tensor_get(x, groups.at[0] + m.at[0]) - shift);
        tensor_put(out, o, shift + log(sum));
    }
    return true;
}

/* ---- along one axis ---- */

/* x seen as [outer, n, step] with the axis in the middle. */
typedef struct Lines {
    int64_t lines, n, step;
} Lines;

static Lines lines_of(const Tensor *x, int axis)
{
    int64_t stride[IR_MAX_RANK];
    tensor_strides(x, stride);
    return (Lines){x->dim[axis] ? x->count / x->dim[axis] : 0, x->dim[axis], stride[axis]};
}

static int64_t line_first(const Lines *l, int64_t line, int64_t n)
{
    return line / l->step * n * l->step + line % l->step;
}

/* The first of the extremes; `sign` is 1 for the greatest, -1 for the least. */
static bool extreme(const EvalCall *c, double sign, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    int axis;
    if (!call_axis(c, "axis", -1, x->rank, &axis, err))
        return false;
    Lines l = lines_of(x, axis);
    for (int64_t line = 0; line < l.lines; line++) {
        int64_t first = line_first(&l, line, l.n), best = 0;
        for (int64_t k = 1; k < l.n; k++)
            if (sign * tensor_get(x, first + k * l.step) > sign * tensor_get(x, first + best * l.step))
                best = k;
        tensor_put_int(c->result[0], line, best);
    }
    return true;
}

bool eval_reduce_argmax(const EvalCall *c, Error *err)
{
    return extreme(c, 1, err);
}

bool eval_reduce_argmin(const EvalCall *c, Error *err)
{
    return extreme(c, -1, err);
}

bool eval_cumsum(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    bool exclusive = call_bool(c, "exclusive", false), reverse = call_bool(c, "reverse", false);
    int axis;
    if (!call_axis(c, "axis", 0, x->rank, &axis, err))
        return false;
    Lines l = lines_of(x, axis);
    for (int64_t line = 0; line < l.lines; line++) {
        int64_t first = line_first(&l, line, l.n);
        double sum = 0;
        for (int64_t k = 0; k < l.n; k++) {
            int64_t i = first + (reverse ? l.n - 1 - k : k) * l.step;
            double v = tensor_get(x, i);
            tensor_put(out, i, exclusive ? sum : sum + v);
            sum += v;
        }
    }
    return true;
}

/* ---- topk: a heap of the k best in the results, whose root is the worst of them, sorted at the end ---- */

typedef struct Heap {
    Tensor *values, *places;
    int64_t first, step;
    double sign;
} Heap;

/* Whether entry i is worse than entry j; of equals the later place is worse. */
static bool worse(const Heap *h, int64_t i, int64_t j)
{
    double a = h->sign * tensor_get(h->values, h->first + i * h->step);
    double b = h->sign * tensor_get(h->values, h->first + j * h->step);
    if (a != b || !h->places)
        return a < b;
    return tensor_get_int(h->places, h->first + i * h->step) >
           tensor_get_int(h->places, h->first + j * h->step);
}

static void exchange(const Heap *h, int64_t i, int64_t j)
{
    int64_t x = h->first + i * h->step, y = h->first + j * h->step;
    double v = tensor_get(h->values, x);
    tensor_put(h->values, x, tensor_get(h->values, y));
    tensor_put(h->values, y, v);
    if (!h->places)
        return;
    int64_t p = tensor_get_int(h->places, x);
    tensor_put_int(h->places, x, tensor_get_int(h->places, y));
    tensor_put_int(h->places, y, p);
}

static void sink(const Heap *h, int64_t i, int64_t n)
{
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child + 1 < n && worse(h, child + 1, child))
            child++;
        if (child >= n || !worse(h, child, i))
            return;
        exchange(h, i, child);
        i = child;
    }
}

static void heap_set(const Heap *h, int64_t i, double v, int64_t place)
{
    tensor_put(h->values, h->first + i * h->step, v);
    if (h->places)
        tensor_put_int(h->places, h->first + i * h->step, place);
}

static void top_of_line(const Heap *h, int64_t k, const Tensor *x, int64_t first, const Lines *l)
{
    for (int64_t i = 0; i < k; i++)
        heap_set(h, i, tensor_get(x, first + i * l->step), i);
    for (int64_t i = k / 2; i-- > 0;)
        sink(h, i, k);
    for (int64_t i = k; i < l->n; i++) {
        double v = tensor_get(x, first + i * l->step);
        if (h->sign * v <= h->sign * tensor_get(h->values, h->first))
            continue;
        heap_set(h, 0, v, i);
        sink(h, 0, k);
    }
    for (int64_t n = k; n-- > 1;) { /* the worst goes last */
        exchange(h, 0, n);
        sink(h, 0, n);
    }
}

bool eval_topk(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    int axis;
    if (!call_axis(c, "axis", -1, x->rank, &axis, err))
        return false;
    Lines l = lines_of(x, axis);
    int64_t k = c->result[0]->dim[axis];
    if (k > l.n)
        return call_error(c, err, "k is more than the %lld elements of the axis", (long long)l.n);
    Heap h = {c->result[0], c->results > 1 ? c->result[1] : NULL, 0, l.step,
              call_bool(c, "ascending", false) ? -1.0 : 1.0};
    for (int64_t line = 0; k > 0 && line < l.lines; line++) {
        h.first = line_first(&l, line, k);
        top_of_line(&h, k, x, line_first(&l, line, l.n), &l);
    }
    return true;
}
