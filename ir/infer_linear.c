/* Rules of products: linear, matmul, conv. */
#include "ir/infer.h"

#include <stdio.h>
#include <string.h>

/* x [..., in], weight [out, in], bias [out] -> [..., out] */
int infer_linear(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"weight", "bias", NULL};
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

static bool is_constant(const Value *v)
{
    return v->def && (op_info(v->def->code)->flags & F_CONST);
}

/* Both have one element type; since iOS 17 a constant may have another one than what is computed. */
static bool product_dtype(const Op *op, DType *out, Error *err)
{
    static const char *const keys[] = {"x", "y", NULL};
    bool x = is_constant(op_arg(op, "x")), y = is_constant(op_arg(op, "y"));
    *out = infer_type(op, x && !y ? "y" : "x")->dtype;
    return x != y || infer_same_dtype(op, keys, err);
}

int infer_matmul(const Op *op, Type *out, int limit, Error *err)
{
    Matrices x, y;
    DType dtype;
    if (!product_dtype(op, &dtype, err) || !as_matrices(op, true, &x, err) ||
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
    r->dtype = dtype;
    if (!x.vector)
        r->dim[r->rank++] = x.rows;
    if (!y.vector)
        r->dim[r->rank++] = y.columns;
    return 1;
}

/* ---- attention: query [..., L, E], key [..., S, E], value [..., S, V], a mask that fits [..., L, S] ---- */

int infer_attention(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"query", "key", "value", NULL};
    const Type *q = infer_type(op, "query"), *k = infer_type(op, "key"), *v = infer_type(op, "value"),
               *mask = infer_type(op, "attn_mask");
    int r = q->rank;
    bool fits = r >= 3 && k->rank == r && v->rank == r;
    for (int i = 0; fits && i < r - 2; i++)
        fits = dim_fits(q->dim[i], k->dim[i]) && dim_fits(q->dim[i], v->dim[i]);
    fits = fits && dim_fits(q->dim[r - 1], k->dim[r - 1]) && dim_fits(k->dim[r - 2], v->dim[r - 2]);
    if (!fits)
        return infer_fail(op, err,
                          "query %s, key %s and value %s: expected [..., L, E], [..., S, E], [..., S, V]",
                          shown_dims(q).text, shown_dims(k).text, shown_dims(v).text);
    if (!infer_same_dtype(op, keys, err))
        return -1;
    Type scores = *q, both;
    scores.dim[r - 1] = k->dim[r - 2];
    if (mask && (!dims_broadcast(&scores, mask, &both) || !dims_fit(&both, &scores) ||
                 (mask->dtype != DT_BOOL && mask->dtype != q->dtype)))
        return infer_fail(op, err, "attn_mask is %s, expected bools or floats that fit %s",
                          shown_type(mask).text, shown_dims(&scores).text);
    out[0] = *q;
    out[0].dim[r - 1] = v->dim[r - 1];
    return 1;
}
