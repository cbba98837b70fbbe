/* What slides a window over the spatial axes of x [N, C, spatial...]: conv, conv_transpose, pools. */
#include <math.h>
#include <string.h>

#include "runtime/eval/eval.h"

enum { MAX_SPATIAL = 3 };

typedef struct Window {
    int spatial;
    int64_t stride[MAX_SPATIAL], dilation[MAX_SPATIAL],
        before[MAX_SPATIAL]; /* zeros before the first element */
} Window;

static void spatial_numbers(const EvalCall *c, const char *name, int spatial, int64_t *out)
{
    const Tensor *t = call_operand(c, name);
    for (int i = 0; i < spatial; i++)
        out[i] = t && i < t->count ? tensor_get_int(t, i) : 1;
}

static bool read_window(const EvalCall *c, const Tensor *x, const int64_t *kernel, Window *w, Error *err)
{
    w->spatial = x->rank - 2;
    if (w->spatial < 1 || w->spatial > MAX_SPATIAL)
        return call_error(c, err, "x has rank %d", x->rank);
    spatial_numbers(c, "strides", w->spatial, w->stride);
    spatial_numbers(c, "dilations", w->spatial, w->dilation);
    const char *kind = call_string(c, "pad_type", "valid");
    const Tensor *pad = call_operand(c, "pad");
    bool lower = strcmp(kind, "same_lower") == 0;
    for (int i = 0; i < w->spatial; i++) {
        w->before[i] = 0;
        if (strcmp(kind, "custom") == 0 && pad && 2 * i < pad->count)
            w->before[i] = tensor_get_int(pad, 2 * i);
        if (strcmp(kind, "same") != 0 && !lower)
            continue;
        int64_t reach = (kernel[i] - 1) * w->dilation[i] + 1, length = x->dim[i + 2];
        int64_t outs = (length + w->stride[i] - 1) / w->stride[i];
        int64_t all = (outs - 1) * w->stride[i] + reach - length;
        w->before[i] = all > 0 ? (all + lower) / 2 : 0;
    }
    return true;
}

/* ---- conv: weight [O, C / groups, kernel...] ---- */

/* The kernel at output position `out`: adds one channel of x times one of the weight. */
static void dot_window(Sum *sum, const Tensor *x, int64_t x_first, const Tensor *weight, int64_t w_first,
                       const Window *w, const int64_t *out)
{
    Cursor k;
    cursor_begin(&k, w->spatial, weight->dim + 2);
    for (; k.left > 0; cursor_next(&k), w_first++) {
        int64_t at = 0;
        bool inside = true;
        for (int i = 0; i < w->spatial; i++) {
            int64_t p = out[i] * w->stride[i] + k.index[i] * w->dilation[i] - w->before[i];
            inside = inside && p >= 0 && p < x->dim[i + 2];
            at = at * x->dim[i + 2] + p;
        }
        if (inside)
            sum_add(sum, tensor_get(x, x_first + at), tensor_get(weight, w_first));
    }
}

bool eval_conv(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *weight = call_operand(c, "weight"),
                 *bias = call_operand(c, "bias");
    Tensor *out = c->result[0];
    Window w;
    if (!read_window(c, x, weight->dim + 2, &w, err))
        return false;
    int64_t groups = call_int(c, "groups", 1), ins = weight->dim[1], outs = weight->dim[0], plane = 1,
            taps = 1;
    if (groups < 1 || outs % groups || ins * groups != x->dim[1])
        return call_error(c, err, "the channels do not fit the groups");
    for (int i = 0; i < w.spatial; i++) {
        plane *= x->dim[i + 2];
        taps *= weight->dim[i + 2];
    }
    Cursor at;
    cursor_begin(&at, out->rank, out->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t o = at.index[1], first = o / (outs / groups) * ins;
        Sum sum = sum_begin(c->engine, bias ? tensor_get(bias, o) : 0);
        for (int64_t k = 0; k < ins; k++)
            dot_window(&sum, x, (at.index[0] * x->dim[1] + first + k) * plane, weight, (o * ins + k) * taps,
                       &w, at.index + 2);
        tensor_put(out, i, sum_end(&sum));
    }
    return true;
}

/* ---- conv_transpose: weight [C, O / groups, kernel...] ---- */

/* Padding is cut from the full result. "same" leaves stride elements for each of x, so that the cut is what
 * the kernel reaches over, the smaller half in front. */
static void read_cuts(const EvalCall *c, const Tensor *x, const Tensor *weight, Window *w)
{
    const char *kind = call_string(c, "pad_type", "valid");
    bool lower = strcmp(kind, "same_lower") == 0;
    if (strcmp(kind, "same") != 0 && !lower)
        return;
    for (int i = 0; i < w->spatial; i++) {
        int64_t full = (x->dim[i + 2] - 1) * w->stride[i] + (weight->dim[i + 2] - 1) * w->dilation[i] + 1;
        int64_t cut = full - x->dim[i + 2] * w->stride[i];
        w->before[i] = cut > 0 ? (cut + lower) / 2 : 0;
    }
}

/* What one channel of x adds to the output position `out`: the taps whose x lies there. */
static void gather_window(Sum *sum, const Tensor *x, int64_t x_first, const Tensor *weight, int64_t w_first,
                          const Window *w, const int64_t *out)
{
    Cursor k;
    cursor_begin(&k, w->spatial, weight->dim + 2);
    for (; k.left > 0; cursor_next(&k), w_first++) {
        int64_t at = 0;
        bool inside = true;
        for (int i = 0; i < w->spatial; i++) {
            int64_t p = out[i] + w->before[i] - k.index[i] * w->dilation[i];
            inside = inside && p >= 0 && p % w->stride[i] == 0 && p / w->stride[i] < x->dim[i + 2];
            at = at * x->dim[i + 2] + p / w->stride[i];
        }
        if (inside)
            sum_add(sum, tensor_get(x, x_first + at), tensor_get(weight, w_first));
    }
}

bool eval_conv_transpose(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *weight = call_operand(c, "weight"),
                 *bias = call_operand(c, "bias");
    Tensor *out = c->result[0];
    Window w;
    if (!read_window(c, x, weight->dim + 2, &w, err))
        return false;
    read_cuts(c, x, weight, &w);
    int64_t groups = call_int(c, "groups", 1), outs = weight->dim[1], plane = 1, taps = 1;
    if (groups < 1 || x->dim[1] % groups || weight->dim[0] != x->dim[1] || outs * groups != out->dim[1])
        return call_error(c, err, "the channels do not fit the groups");
    int64_t ins = x->dim[1] / groups;
    for (int i = 0; i < w.spatial; i++) {
        plane *= x->dim[i + 2];
        taps *= weight->dim[i + 2];
    }
    Cursor at;
    cursor_begin(&at, out->rank, out->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t o = at.index[1], first = o / outs * ins;
        Sum sum = sum_begin(c->engine, bias ? tensor_get(bias, o) : 0);
        for (int64_t k = first; k < first + ins; k++)
            gather_window(&sum, x, (at.index[0] * x->dim[1] + k) * plane, weight,
                          (k * outs + o % outs) * taps, &w, at.index + 2);
        tensor_put(out, i, sum_end(&sum));
    }
    return true;
}

/* ---- pools ---- */

typedef enum Pool { POOL_MAX, POOL_AVERAGE, POOL_L2 } Pool;

typedef struct Pooled {
    double most, sum, squares;
    int64_t inside, padded; /* elements of x, and those with the padding, that the window covers */
} Pooled;

static Pooled pool_window(const Tensor *x, int64_t first, const int64_t *kernel, const Window *w,
                          const int64_t *after, const int64_t *out)
{
    Pooled p = {.most = -INFINITY};
    Cursor k;
    cursor_begin(&k, w->spatial, kernel);
    for (; k.left > 0; cursor_next(&k)) {
        int64_t at = 0;
        bool inside = true, counted = true;
        for (int i = 0; i < w->spatial; i++) {
            int64_t q = out[i] * w->stride[i] + k.index[i] - w->before[i];
            inside = inside && q >= 0 && q < x->dim[i + 2];
            counted = counted && q < x->dim[i + 2] + after[i];
            at = at * x->dim[i + 2] + q;
        }
        p.padded += counted;
        p.inside += inside;
        double v = inside ? tensor_get(x, first + at) : 0;
        p.sum += v;
        p.squares += v * v;
        if (inside && !(v <= p.most))
            p.most = v;
    }
    return p;
}

static bool pool(const EvalCall *c, Pool kind, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *sizes = call_operand(c, "kernel_sizes"),
                 *pad = call_operand(c, "pad");
    Tensor *out = c->result[0];
    bool exclude = kind == POOL_AVERAGE && call_bool(c, "exclude_padding_from_average", false);
    bool custom = strcmp(call_string(c, "pad_type", "valid"), "custom") == 0;
    bool same = strncmp(call_string(c, "pad_type", "valid"), "same", 4) == 0;
    int64_t kernel[MAX_SPATIAL], after[MAX_SPATIAL], plane = 1;
    Window w;
    if (x->rank < 3 || x->rank > 2 + MAX_SPATIAL || sizes->count != x->rank - 2)
        return call_error(c, err, "x has rank %d and the kernel %lld axes", x->rank, (long long)sizes->count);
    for (int i = 0; i < x->rank - 2; i++)
        kernel[i] = tensor_get_int(sizes, i);
    if (!read_window(c, x, kernel, &w, err))
        return false;
    for (int i = 0; i < w.spatial; i++) {
        after[i] = custom && pad && 2 * i + 1 < pad->count ? tensor_get_int(pad, 2 * i + 1)
                   : same                                  ? kernel[i]
                                                           : 0;
        plane *= x->dim[i + 2];
    }
    Cursor at;
    cursor_begin(&at, out->rank, out->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        Pooled p =
            pool_window(x, (at.index[0] * x->dim[1] + at.index[1]) * plane, kernel, &w, after, at.index + 2);
        double mean = p.sum / (double)(exclude ? p.inside : p.padded);
        tensor_put(out, i, kind == POOL_MAX ? p.most : kind == POOL_AVERAGE ? mean : sqrt(p.squares));
    }
    return true;
}

bool eval_max_pool(const EvalCall *c, Error *err)
{
    return pool(c, POOL_MAX, err);
}

bool eval_avg_pool(const EvalCall *c, Error *err)
{
    return pool(c, POOL_AVERAGE, err);
}

bool eval_l2_pool(const EvalCall *c, Error *err)
{
    return pool(c, POOL_L2, err);
}
