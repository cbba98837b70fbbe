/* Rules of einsum, and of ops that move whole blocks or sequences, or take a shape from other tensors. */
#include "ir/infer.h"

#include <string.h>

/* ---- einsum ---- */

/* "nchw,nwhu->nchu" or "chw,whr->chr", with any letters: 4, 3, or 0 where it is neither. */
static int einsum_rank(const char *equation)
{
    static const char *const patterns[] = {"abc,cbd->abd", "abcd,adce->abce"};
    for (int p = 0; p < 2; p++) {
        const char *pattern = patterns[p], *e = equation;
        char letter[5] = {0};
        bool fits = true;
        for (; fits && *pattern && *e; pattern++) {
            while (*e == ' ')
                e++;
            int i = *pattern - 'a';
            bool is_letter = (*e >= 'a' && *e <= 'z') || (*e >= 'A' && *e <= 'Z');
            if (i < 0 || i > 4) {
                fits = *e++ == *pattern;
                continue;
            }
            fits = is_letter && (letter[i] ? letter[i] == *e : !memchr(letter, *e, sizeof letter));
            letter[i] = *e++;
        }
        if (fits && !*pattern && !*e)
            return 3 + p;
    }
    return 0;
}

static bool broadcast_dim(const Op *op, const Type *x, const Type *y, int axis, int64_t *out, Error *err)
{
    int64_t a = x->dim[axis], b = y->dim[axis];
    if (!dim_fits(a, b) && a != 1 && b != 1)
        return infer_fail(op, err, "value 0 %s and value 1 %s: axis %d cannot be broadcast",
                          shown_dims(x).text, shown_dims(y).text, axis) >= 0;
    *out = a == 1 ? b : b == 1 ? a : dim_known(a, b);
    return true;
}

int infer_einsum(const Op *op, Type *out, int limit, Error *err)
{
    const Arg *values = op_find_arg(op, "values");
    const char *equation;
    if (values->count != 2)
        return infer_fail(op, err, "there are %d values, expected 2", values->count);
    if (!infer_text(op, "equation", "", &equation, err))
        return -1;
    const Type *x = values->values[0]->type, *y = values->values[1]->type;
    int rank = einsum_rank(equation);
    if (!rank)
        return infer_fail(
            op, err, "the equation \"%.60s\" is neither \"nchw,nwhu->nchu\" nor \"chw,whr->chr\"", equation);
    if (x->rank != rank || y->rank != rank || x->dtype != y->dtype || !dtype_is_float(x->dtype))
        return infer_fail(op, err, "value 0 is %s and value 1 is %s: expected floats of rank %d",
                          shown_type(x).text, shown_type(y).text, rank);
    if (!dim_fits(x->dim[rank - 1], y->dim[rank - 3]))
        return infer_fail(op, err, "value 0 %s and value 1 %s: the last axis does not fit axis %d",
                          shown_dims(x).text, shown_dims(y).text, rank - 3);
    out[0] = *x;
    out[0].dim[rank - 1] = y->dim[rank - 1];
    if (!broadcast_dim(op, x, y, rank - 2, &out[0].dim[rank - 2], err) ||
        (rank == 4 && !broadcast_dim(op, x, y, 0, &out[0].dim[0], err)))
        return -1;
    return 1;
}

/* ---- blocks between the batch and the image ---- */

/* The four numbers of a constant [2, 2]. */
static bool read_margins(const Op *op, const char *key, int64_t margin[4], Error *err)
{
    const Type *t = infer_type(op, key);
    const Literal *l = value_literal(op_arg(op, key));
    if (t->rank != 2 || t->dim[0] != 2 || t->dim[1] != 2 || !l || l->kind != LIT_INT)
        return infer_fail(op, err, "%s is %s, expected a constant [2, 2] of integers", key,
                          shown_type(t).text) >= 0;
    for (int i = 0; i < 4; i++) {
        margin[i] = l->ints[i];
        if (margin[i] < 0 || margin[i] > INT32_MAX)
            return infer_fail(op, err, "%s holds %lld, expected 0 or more", key, (long long)margin[i]) >= 0;
    }
    return true;
}

static bool read_block(const Op *op, int64_t block[2], Error *err)
{
    const Type *x = infer_type(op, "x");
    if (x->rank != 4)
        return infer_fail(op, err, "x %s has rank %d, expected [N, C, H, W]", shown_dims(x).text, x->rank) >=
               0;
    if (!infer_const_ints(op, "block_shape", 2, 1, block, err))
        return false;
    for (int i = 0; i < 2; i++)
        if (block[i] < 1 || block[i] > INT16_MAX)
            return infer_fail(op, err, "block_shape holds %lld, expected 1 or more", (long long)block[i]) >=
                   0;
    return true;
}

int infer_space_to_batch(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t block[2], pad[4];
    if (!read_block(op, block, err) || !read_margins(op, "paddings", pad, err))
        return -1;
    out[0] = *x;
    if (x->dim[0] > INT32_MAX)
        return infer_fail(op, err, "x %s is too large", shown_dims(x).text);
    out[0].dim[0] = x->dim[0] < 0 ? DIM_UNKNOWN : x->dim[0] * block[0] * block[1];
    for (int i = 0; i < 2; i++) {
        int64_t n = x->dim[2 + i], padded = n < 0 ? n : n + pad[2 * i] + pad[2 * i + 1];
        if (n >= 0 && (n > INT32_MAX || padded % block[i]))
            return infer_fail(op, err, "axis %d of x %s with its padding is %lld, which %lld does not divide",
                              2 + i, shown_dims(x).text, (long long)padded, (long long)block[i]);
        out[0].dim[2 + i] = n < 0 ? DIM_UNKNOWN : padded / block[i];
    }
    return 1;
}

int infer_batch_to_space(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t block[2], crop[4];
    if (!read_block(op, block, err) || !read_margins(op, "crops", crop, err))
        return -1;
    out[0] = *x;
    if (x->dim[0] >= 0 && x->dim[0] % (block[0] * block[1]))
        return infer_fail(op, err, "axis 0 of x %s cannot be divided by %lld", shown_dims(x).text,
                          (long long)(block[0] * block[1]));
    out[0].dim[0] = x->dim[0] < 0 ? DIM_UNKNOWN : x->dim[0] / (block[0] * block[1]);
    for (int i = 0; i < 2; i++) {
        int64_t n = x->dim[2 + i], cut = crop[2 * i] + crop[2 * i + 1];
        if (n >= 0 && (n > INT32_MAX || n * block[i] < cut))
            return infer_fail(op, err, "crops take %lld from axis %d of x %s, which becomes %lld",
                              (long long)cut, 2 + i, shown_dims(x).text, (long long)(n * block[i]));
        out[0].dim[2 + i] = n < 0 ? DIM_UNKNOWN : n * block[i] - cut;
    }
    return 1;
}

int infer_reverse_sequence(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x"), *lengths = infer_type(op, "lengths");
    int sequence, batch;
    if (!infer_axis(op, "seq_axis", 0, x->rank, &sequence, err) ||
        !infer_axis(op, "batch_axis", 0, x->rank, &batch, err))
        return -1;
    if (lengths->rank != 1 || !dtype_is_int(lengths->dtype) || !dim_fits(lengths->dim[0], x->dim[batch]))
        return infer_fail(op, err, "lengths is %s, expected one integer for each index of axis %d of x %s",
                          shown_type(lengths).text, batch, shown_dims(x).text);
    out[0] = *x;
    return 1;
}

/* ---- shapes from elsewhere ---- */

/* How many of a list are given; all lists of reshape_like have as many as there are ref_tensors. */
static const Arg *reference_list(const Op *op, const char *key, int count, Error *err)
{
    const Arg *arg = op_find_arg(op, key);
    if (arg->count == count)
        return arg;
    infer_fail(op, err, "there are %d %s for %d ref_tensors", arg->count, key, count);
    return NULL;
}

static bool reference_number(const Op *op, const Arg *arg, int i, int64_t *out, Error *err)
{
    const Literal *l = value_literal(arg->values[i]);
    if (!l || l->kind != LIT_INT || l->count != 1)
        return infer_fail(op, err, "%s must be constants", arg->key) >= 0;
    *out = l->ints[0];
    return true;
}

/* As a slice of Python's: from the end where negative, and never out of range. */
static int slice_end(int64_t v, int rank)
{
    v += v < 0 ? rank : 0;
    return v < 0 ? 0 : v > rank ? rank : (int)v;
}

int infer_reshape_like(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int count = op_find_arg(op, "ref_tensors")->count;
    const Arg *refs = op_find_arg(op, "ref_tensors"), *begins = reference_list(op, "begins", count, err),
              *ends = begins ? reference_list(op, "ends", count, err) : NULL,
              *masks = ends ? reference_list(op, "end_masks", count, err) : NULL;
    if (!masks)
        return -1;
    out[0] = (Type){.kind = TY_TENSOR, .dtype = x->dtype};
    for (int i = 0; i < count; i++) {
        const Type *ref = refs->values[i]->type;
        int64_t begin, end, mask;
        if (!reference_number(op, begins, i, &begin, err) || !reference_number(op, ends, i, &end, err) ||
            !reference_number(op, masks, i, &mask, err))
            return -1;
        int last = mask ? ref->rank : slice_end(end, ref->rank);
        for (int d = slice_end(begin, ref->rank); d < last; d++) {
            if (out[0].rank == IR_MAX_RANK)
                return infer_fail(op, err, "the shape has more than %d axes", IR_MAX_RANK);
            out[0].dim[out[0].rank++] = ref->dim[d];
        }
    }
    int64_t have = type_elements(x), want = type_elements(&out[0]);
    if (have >= 0 && want >= 0 && have != want)
        return infer_fail(op, err, "x %s cannot take the shape %s: the numbers of elements differ",
                          shown_dims(x).text, shown_dims(&out[0]).text);
    return 1;
}

static int64_t flat_length(const Type *x, int from, int to)
{
    Type part = {.kind = TY_TENSOR};
    for (int i = from; i < to; i++)
        part.dim[part.rank++] = x->dim[i];
    return part.rank == 1 ? part.dim[0] : type_elements(&part);
}

int infer_flatten2d(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t axis;
    if (!infer_int(op, "axis", 1, &axis, err))
        return -1;
    int64_t at = axis < 0 ? axis + x->rank : axis;
    if (at < 0 || at > x->rank)
        return infer_fail(op, err, "axis %lld is out of range for a tensor of rank %d", (long long)axis,
                          x->rank);
    int64_t dim[2] = {flat_length(x, 0, (int)at), flat_length(x, (int)at, x->rank)};
    out[0] = type_tensor(x->dtype, 2, dim);
    return 1;
}

int infer_fill_like(const Op *op, Type *out, int limit, Error *err)
{
    const Type *value = infer_type(op, "value");
    if (value && value->rank != 0)
        return infer_fail(op, err, "value is %s, expected one number", shown_type(value).text);
    out[0] = *infer_type(op, "ref_tensor");
    out[0].dtype = value ? value->dtype : DT_FP32;
    return 1;
}
