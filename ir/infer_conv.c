/* Rules of what slides a window over the spatial axes of x [N, C, spatial...]: conv, conv_transpose, pools.
 */
#include "ir/infer.h"

#include <string.h>

enum { MAX_SPATIAL = 3, MOST = 1 << 30 /* strides, dilations, pads and kernels: no sum of them overflows */ };

typedef enum PadType { PAD_VALID, PAD_SAME, PAD_CUSTOM } PadType;

typedef struct Window {
    int spatial;
    PadType pad_type;
    bool ceil; /* a last window may reach over the end */
    int64_t stride[MAX_SPATIAL], dilation[MAX_SPATIAL], pad[2 * MAX_SPATIAL];
} Window;

static bool in_range(const Op *op, const char *key, const int64_t *values, int count, int64_t least,
                     Error *err)
{
    for (int i = 0; i < count; i++)
        if (values[i] < least || values[i] > MOST)
            return infer_fail(op, err, "%s holds %lld, expected %lld to %d", key, (long long)values[i],
                              (long long)least, MOST) >= 0;
    return true;
}

static bool read_pad_type(const Op *op, PadType *out, Error *err)
{
    const char *name;
    if (!infer_text(op, "pad_type", "valid", &name, err))
        return false;
    bool same = strcmp(name, "same") == 0 || strcmp(name, "same_lower") == 0;
    *out = same ? PAD_SAME : strcmp(name, "custom") == 0 ? PAD_CUSTOM : PAD_VALID;
    if (*out == PAD_VALID && strcmp(name, "valid") != 0)
        return infer_fail(op, err,
                          "there is no pad_type \"%.40s\": expected valid, same, same_lower or custom",
                          name) >= 0;
    return true;
}

static bool read_window(const Op *op, int spatial, Window *w, Error *err)
{
    *w = (Window){.spatial = spatial};
    if (!read_pad_type(op, &w->pad_type, err) ||
        !infer_const_ints(op, "strides", spatial, 1, w->stride, err) ||
        !infer_const_ints(op, "dilations", spatial, 1, w->dilation, err) ||
        !in_range(op, "strides", w->stride, spatial, 1, err) ||
        !in_range(op, "dilations", w->dilation, spatial, 1, err))
        return false;
    if (w->pad_type != PAD_CUSTOM)
        return true;
    return infer_const_ints(op, "pad", 2 * spatial, 0, w->pad, err) &&
           in_range(op, "pad", w->pad, 2 * spatial, 0, err);
}

/* The length of one spatial axis; 0 where the kernel does not fit. */
static int64_t window_length(int64_t length, int64_t kernel, const Window *w, int i)
{
    bool point = kernel == 1 && w->stride[i] == 1 && w->pad[2 * i] + w->pad[2 * i + 1] == 0;
    if (point || (w->pad_type == PAD_SAME && w->stride[i] == 1))
        return length; /* S stays S */
    if (length < 0 || kernel < 0)
        return DIM_UNKNOWN;
    if (w->pad_type == PAD_SAME)
        return length / w->stride[i] + (length % w->stride[i] != 0);
    if (length > INT64_MAX / 2)
        return DIM_UNKNOWN;
    int64_t padded = length + w->pad[2 * i] + w->pad[2 * i + 1];
    int64_t room = padded - (kernel - 1) * w->dilation[i] - 1;
    if (room < 0)
        return 0;
    int64_t n = (room + (w->ceil ? w->stride[i] - 1 : 0)) / w->stride[i] + 1;
    /* no window begins in the padding behind */
    bool outside = w->ceil && (n - 1) * w->stride[i] >= length + w->pad[2 * i] && padded > length;
    return n - outside;
}

/* ---- conv: weight [O, C / groups, kernel...] ---- */

static bool check_channels(const Op *op, const Type *x, const Type *weight, Error *err)
{
    const Type *bias = infer_type(op, "bias");
    int64_t groups, ins = weight->dim[1], outs = weight->dim[0];
    if (!infer_int(op, "groups", 1, &groups, err) || !in_range(op, "groups", &groups, 1, 1, err))
        return false;
    if (ins >= 0 && x->dim[1] >= 0 && (ins > x->dim[1] || ins * groups != x->dim[1]))
        return infer_fail(op, err,
                          "x %s and weight %s in %lld groups: x has %lld channels, the weight takes %lld",
                          shown_dims(x).text, shown_dims(weight).text, (long long)groups,
                          (long long)x->dim[1], (long long)(ins > MOST ? ins : ins * groups)) >= 0;
    if (outs >= 0 && outs % groups)
        return infer_fail(op, err, "weight %s: its %lld outputs cannot be divided among %lld groups",
                          shown_dims(weight).text, (long long)outs, (long long)groups) >= 0;
    if (bias && (bias->rank != 1 || !dim_fits(bias->dim[0], outs)))
        return infer_fail(op, err, "bias %s does not fit weight %s: expected [%s]", shown_dims(bias).text,
                          shown_dims(weight).text, shown_dim(outs).text) >= 0;
    return true;
}

int infer_conv(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"weight", "bias", NULL};
    const Type *x = infer_type(op, "x"), *weight = infer_type(op, "weight");
    Window w;
    if (x->rank < 3 || x->rank > 2 + MAX_SPATIAL || weight->rank != x->rank)
        return infer_fail(
            op, err, "x %s and weight %s: expected [N, C, ...] and [O, C / groups, ...] of one rank, 3 to %d",
            shown_dims(x).text, shown_dims(weight).text, 2 + MAX_SPATIAL);
    if (!infer_same_dtype(op, keys, err) || !read_window(op, x->rank - 2, &w, err) ||
        !in_range(op, "the kernel", weight->dim + 2, w.spatial, DIM_UNKNOWN, err) ||
        !check_channels(op, x, weight, err))
        return -1;
    out[0] = *x;
    out[0].dim[1] = weight->dim[0];
    for (int i = 0; i < w.spatial; i++) {
        int64_t length = x->dim[i + 2], kernel = weight->dim[i + 2];
        out[0].dim[i + 2] = window_length(length, kernel, &w, i);
        if (out[0].dim[i + 2] == 0)
            return infer_fail(op, err, "the kernel of weight %s does not fit in x %s with its padding",
                              shown_dims(weight).text, shown_dims(x).text);
    }
    return 1;
}

/* ---- conv_transpose: weight [C, O / groups, kernel...] ---- */

/* False with the text set where the channels, the groups and the bias do not fit; *outs is O. */
static bool transposed_channels(const Op *op, const Type *x, const Type *weight, int64_t *outs, Error *err)
{
    const Type *bias = infer_type(op, "bias");
    int64_t groups;
    if (!infer_int(op, "groups", 1, &groups, err) || !in_range(op, "groups", &groups, 1, 1, err))
        return false;
    if (!dim_fits(x->dim[1], weight->dim[0]) || (x->dim[1] >= 0 && x->dim[1] % groups))
        return infer_fail(op, err, "x %s and weight %s do not have the same channels in %lld groups",
                          shown_dims(x).text, shown_dims(weight).text, (long long)groups) >= 0;
    *outs = weight->dim[1] < 0 || weight->dim[1] > MOST ? DIM_UNKNOWN : weight->dim[1] * groups;
    if (bias && (bias->rank != 1 || !dim_fits(bias->dim[0], *outs)))
        return infer_fail(op, err, "bias %s does not fit weight %s: expected [%s]", shown_dims(bias).text,
                          shown_dims(weight).text, shown_dim(*outs).text) >= 0;
    return true;
}

static int64_t transposed_length(int64_t length, int64_t kernel, const Window *w, int i)
{
    if (length < 0 || kernel < 0 || length > ((int64_t)1 << 32))
        return DIM_UNKNOWN;
    if (w->pad_type == PAD_SAME)
        return length * w->stride[i];
    return (length - 1) * w->stride[i] + (kernel - 1) * w->dilation[i] + 1 - w->pad[2 * i] -
           w->pad[2 * i + 1];
}

/* Strides make several lengths possible; output_shape says which. */
static bool take_output_shape(const Op *op, Type *out, Error *err)
{
    Type given = *out;
    if (!op_arg(op, "output_shape"))
        return true;
    if (!infer_const_ints(op, "output_shape", out->rank, 0, given.dim, err))
        return false;
    bool fits = dim_fits(given.dim[0], out->dim[0]) && dim_fits(given.dim[1], out->dim[1]);
    for (int i = 2; i < out->rank; i++)
        fits = fits && given.dim[i] > 0;
    if (!fits)
        return infer_fail(op, err, "output_shape %s does not begin like %s", shown_dims(&given).text,
                          shown_dims(out).text) >= 0;
    *out = given;
    return true;
}

int infer_conv_transpose(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"weight", "bias", NULL};
    const Type *x = infer_type(op, "x"), *weight = infer_type(op, "weight");
    Window w;
    if (x->rank < 3 || x->rank > 2 + MAX_SPATIAL || weight->rank != x->rank)
        return infer_fail(
            op, err, "x %s and weight %s: expected [N, C, ...] and [C, O / groups, ...] of one rank, 3 to %d",
            shown_dims(x).text, shown_dims(weight).text, 2 + MAX_SPATIAL);
    out[0] = *x;
    if (!infer_same_dtype(op, keys, err) || !read_window(op, x->rank - 2, &w, err) ||
        !in_range(op, "the kernel", weight->dim + 2, w.spatial, DIM_UNKNOWN, err) ||
        !transposed_channels(op, x, weight, &out[0].dim[1], err))
        return -1;
    for (int i = 0; i < w.spatial; i++) {
        int64_t n = transposed_length(x->dim[i + 2], weight->dim[i + 2], &w, i);
        if (n < 1 && n != DIM_UNKNOWN)
            return infer_fail(op, err, "the padding leaves nothing of axis %d of x %s", i + 2,
                              shown_dims(x).text);
        out[0].dim[i + 2] = n;
    }
    return take_output_shape(op, &out[0], err) ? 1 : -1;
}

/* ---- pools ---- */

static bool check_ceil(const Op *op, const Window *w, Error *err)
{
    bool symmetric = true;
    for (int i = 0; i < w->spatial; i++)
        symmetric = symmetric && w->pad[2 * i] == w->pad[2 * i + 1];
    if (w->ceil && (w->spatial > 2 || w->pad_type == PAD_SAME || !symmetric))
        return infer_fail(op, err, "ceil_mode needs one or two spatial axes with symmetric padding") >= 0;
    return true;
}

int infer_pool(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t kernel[MAX_SPATIAL];
    bool exclude = false;
    Window w;
    int most = op->code == OP_L2_POOL ? 4 : 2 + MAX_SPATIAL;
    if (x->rank < 3 || x->rank > most || !dtype_is_float(x->dtype))
        return infer_fail(op, err, "x is %s, expected floats [N, C, ...] of rank 3 to %d", shown_type(x).text,
                          most);
    if (!read_window(op, x->rank - 2, &w, err) ||
        !infer_const_ints(op, "kernel_sizes", w.spatial, 1, kernel, err) ||
        !in_range(op, "kernel_sizes", kernel, w.spatial, 1, err) ||
        !infer_bool(op, "ceil_mode", false, &w.ceil, err) || !check_ceil(op, &w, err) ||
        (op->code == OP_AVG_POOL && !infer_bool(op, "exclude_padding_from_average", false, &exclude, err)))
        return -1;
    out[0] = *x;
    for (int i = 0; i < w.spatial; i++) {
        out[0].dim[i + 2] = window_length(x->dim[i + 2], kernel[i], &w, i);
        if (out[0].dim[i + 2] == 0)
            return infer_fail(op, err, "the kernel does not fit in axis %d of x %s with its padding", i + 2,
                              shown_dims(x).text);
    }
    return 1;
}
