/* Rules of products: linear, matmul, conv. */
#include "ir/infer.h"

#include <stdio.h>
#include <string.h>

/* x [..., in], weight [out, in], bias [out] -> [..., out] */
int infer_linear(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"x", "weight", "bias", NULL};
    const Type *x = infer_type(op, "x"), *weight = infer_type(op, "weight"), *bias = infer_type(op, "bias");
    if (weight->rank != 2 || x->rank < 1)
        return infer_fail(op, err, "x %s and weight %s: expected [..., in] and [out, in]", shown_dims(x).text,
                          shown_dims(weight).text);
    if (!infer_same_dtype(op, keys, err))
        return -1;
    int64_t ins = x->dim[x->rank - 1], outs = weight->dim[0];
    if (!dim_fits(ins, weight->dim[1]))
        return infer_fail(op, err, "x %s and weight %s: the last axis of x is %s, the weight takes %s",
                          shown_dims(x).text, shown_dims(weight).text, shown_dim(ins).text,
                          shown_dim(weight->dim[1]).text);
    if (bias && (bias->rank != 1 || !(dim_fits(bias->dim[0], outs) || bias->dim[0] == 1)))
        return infer_fail(op, err, "bias %s does not fit weight %s: expected [%s]", shown_dims(bias).text,
                          shown_dims(weight).text, shown_dim(outs).text);
    out[0] = *x;
    out[0].dim[x->rank - 1] = outs;
    return 1;
}

/* ---- matmul ---- */

/* An operand as a stack of matrices: a vector is a row on the left and a column on the right. */
typedef struct Matrices {
    Type batch; /* the axes in front of the last two */
    int64_t rows, columns;
    bool vector;
} Matrices;

static bool as_matrices(const Op *op, bool left, Matrices *m, Error *err)
{
    const Type *t = infer_type(op, left ? "x" : "y");
    bool transposed;
    if (!infer_bool(op, left ? "transpose_x" : "transpose_y", false, &transposed, err))
        return false;
    if (t->rank < 1 || (t->rank == 1 && transposed))
        return infer_fail(op, err, "%s has rank %d, expected at least %d", left ? "x" : "y", t->rank,
                          transposed ? 2 : 1) >= 0;
    *m = (Matrices){.vector = t->rank == 1};
    if (m->vector) {
        m->rows = left ? 1 : t->dim[0];
        m->columns = left ? t->dim[0] : 1;
        return true;
    }
    m->batch = *t;
    m->batch.rank = t->rank - 2;
    m->rows = t->dim[t->rank - (transposed ? 1 : 2)];
    m->columns = t->dim[t->rank - (transposed ? 2 : 1)];
    return true;
}

static const char *transposed_text(const Op *op, const char *key)
{
    bool on = false;
    return arg_bool(op, key, &on) && on ? " transposed" : "";
}

/* "x [12, S, 64] and y [12, T, 64] transposed: WHY" */
static int mismatch(const Op *op, const char *why, Error *err)
{
    return infer_fail(op, err, "x %s%s and y %s%s: %s", shown_dims(infer_type(op, "x")).text,
                      transposed_text(op, "transpose_x"), shown_dims(infer_type(op, "y")).text,
                      transposed_text(op, "transpose_y"), why);
}

int infer_matmul(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"x", "y", NULL};
    Matrices x, y;
    if (!infer_same_dtype(op, keys, err) || !as_matrices(op, true, &x, err) ||
        !as_matrices(op, false, &y, err))
        return -1;
    if (!dim_fits(x.columns, y.rows)) {
        char why[512];
        snprintf(why, sizeof why, "x has %s columns, y has %s rows", shown_dim(x.columns).text,
                 shown_dim(y.rows).text);
        return mismatch(op, why, err);
    }
    if (!dims_broadcast(&x.batch, &y.batch, &out[0]))
        return mismatch(op, "the axes in front of the matrices cannot be broadcast to one shape", err);
    Type *r = &out[0];
    r->dtype = infer_type(op, "x")->dtype;
    if (!x.vector)
        r->dim[r->rank++] = x.rows;
    if (!y.vector)
        r->dim[r->rank++] = y.columns;
    return 1;
}

/* ---- conv: x [N, C, spatial...], weight [O, C / groups, kernel...] ---- */

enum { MAX_SPATIAL = 3, MOST = 1 << 30 /* strides, dilations, pads and kernels: no sum of them overflows */ };

typedef enum PadType { PAD_VALID, PAD_SAME, PAD_CUSTOM } PadType;

typedef struct Window {
    int spatial;
    PadType pad_type;
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
static int64_t conv_length(int64_t length, int64_t kernel, const Window *w, int i)
{
    bool point = kernel == 1 && w->stride[i] == 1 && w->pad[2 * i] + w->pad[2 * i + 1] == 0;
    if (point || (w->pad_type == PAD_SAME && w->stride[i] == 1))
        return length; /* S stays S */
    if (length < 0 || kernel < 0)
        return DIM_UNKNOWN;
    if (w->pad_type == PAD_SAME)
        return length / w->stride[i] + (length % w->stride[i] != 0);
    int64_t room = length + w->pad[2 * i] + w->pad[2 * i + 1] - (kernel - 1) * w->dilation[i] - 1;
    return room < 0 ? 0 : room / w->stride[i] + 1;
}

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
    static const char *const keys[] = {"x", "weight", "bias", NULL};
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
        out[0].dim[i + 2] = conv_length(length, kernel, &w, i);
        if (out[0].dim[i + 2] == 0)
            return infer_fail(op, err, "the kernel of weight %s does not fit in x %s with its padding",
                              shown_dims(weight).text, shown_dims(x).text);
    }
    return 1;
}
