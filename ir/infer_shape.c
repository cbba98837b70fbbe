/* Rules of ops that change shapes, join, repeat, or make tensors out of shapes. */
#include "ir/infer.h"

#include <math.h>
#include <string.h>

/* ---- reshape ---- */

static bool is_symbol(int64_t d)
{
    return d == DIM_S || d == DIM_T;
}

/* Of two shapes of one element count: what is left when the symbols that stand in both are cancelled. */
typedef struct Volume {
    int64_t lengths; /* the product of the numbers; -1: too large */
    int symbols;
    int64_t symbol[IR_MAX_RANK];
    bool unknown;
} Volume;

static Volume volume_of(const int64_t *dim, int rank)
{
    Volume v = {0};
    Type numbers = {.kind = TY_TENSOR};
    for (int i = 0; i < rank; i++) {
        if (is_symbol(dim[i]))
            v.symbol[v.symbols++] = dim[i];
        else if (dim[i] == DIM_UNKNOWN)
            v.unknown = true;
        else
            numbers.dim[numbers.rank++] = dim[i];
    }
    v.lengths = type_elements(&numbers);
    return v;
}

static void cancel(Volume *a, Volume *b)
{
    for (int i = 0; i < a->symbols; i++)
        for (int k = 0; k < b->symbols; k++)
            if (a->symbol[i] == b->symbol[k]) {
                a->symbol[i--] = a->symbol[--a->symbols];
                b->symbol[k] = b->symbol[--b->symbols];
                break;
            }
}

/* `to` with one -1 (at `open`; or none, -1) as a shape for the elements of x: fills in that length. */
static bool fill_shape(const Type *x, int64_t *to, int n, int open)
{
    Volume from = volume_of(x->dim, x->rank), into = volume_of(to, n);
    if (from.unknown)
        return true;
    cancel(&from, &into);
    if (from.lengths < 0 || into.lengths < 0 || into.symbols)
        return false;
    if (open < 0)
        return !from.symbols && from.lengths == into.lengths;
    if (into.lengths == 0 || from.symbols > 1 || from.lengths % into.lengths)
        return false;
    if (from.symbols && from.lengths != into.lengths)
        return false; /* a multiple of S is no length */
    to[open] = from.symbols ? from.symbol[0] : from.lengths / into.lengths;
    return true;
}

int infer_reshape(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t to[IR_MAX_RANK];
    int n = infer_row(op, "shape", err), open = -1;
    if (n < 0)
        return -1;
    Known known = infer_ints(op, "shape", n, to, err);
    if (known == KNOWN_WRONG)
        return -1;
    for (int i = 0; i < n; i++) {
        if (known == KNOWN_NOT)
            to[i] = DIM_UNKNOWN;
        else if (to[i] == 0 && n == x->rank)
            to[i] = x->dim[i]; /* copied */
        else if (to[i] < 0 && !is_symbol(to[i]) && (to[i] != -1 || open >= 0))
            return infer_fail(op, err,
                              "shape has the length %lld at %d: expected lengths, and -1 at most once",
                              (long long)to[i], i);
        else if (to[i] == -1)
            open = i;
    }
    Type wanted = type_tensor(x->dtype, n, to);
    if (known == KNOWN && !fill_shape(x, to, n, open))
        return infer_fail(op, err, "x %s cannot take the shape %s: the numbers of elements differ",
                          shown_dims(x).text, shown_dims(&wanted).text);
    out[0] = type_tensor(x->dtype, n, to);
    return 1;
}

/* ---- axes ---- */

int infer_transpose(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t perm[IR_MAX_RANK];
    bool seen[IR_MAX_RANK] = {false};
    if (!infer_const_ints(op, "perm", x->rank, 0, perm, err))
        return -1;
    out[0] = *x;
    for (int i = 0; i < x->rank; i++) {
        int64_t axis = perm[i] < 0 ? perm[i] + x->rank : perm[i];
        if (axis < 0 || axis >= x->rank || seen[axis])
            return infer_fail(op, err, "perm is no order of the %d axes of x %s: %lld at %d", x->rank,
                              shown_dims(x).text, (long long)perm[i], i);
        seen[axis] = true;
        out[0].dim[i] = x->dim[axis];
    }
    return 1;
}

int infer_expand_dims(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x"), *axes = infer_type(op, "axes");
    bool set[IR_MAX_RANK];
    int64_t added = axes->rank == 0 ? 1 : axes->dim[0];
    if (added < 0 || added > IR_MAX_RANK - x->rank)
        return infer_fail(op, err, "x %s with %s more axes has more than %d", shown_dims(x).text,
                          shown_dim(added).text, IR_MAX_RANK);
    int rank = x->rank + (int)added;
    if (!infer_axes(op, "axes", rank, set, err))
        return -1;
    out[0] = (Type){.kind = TY_TENSOR, .dtype = x->dtype, .rank = rank};
    for (int i = 0, from = 0; i < rank; i++)
        out[0].dim[i] = set[i] || from == x->rank ? 1 : x->dim[from++];
    return 1;
}

int infer_squeeze(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    bool given = op_arg(op, "axes") != NULL, set[IR_MAX_RANK];
    if (!infer_axes(op, "axes", x->rank, set, err))
        return -1;
    out[0] = (Type){.kind = TY_TENSOR, .dtype = x->dtype};
    for (int i = 0; i < x->rank; i++) {
        bool drop = set[i] && (given || x->dim[i] == 1);
        if (drop && !dim_fits(x->dim[i], 1))
            return infer_fail(op, err, "axis %d of x %s has the length %s, only 1 can be dropped", i,
                              shown_dims(x).text, shown_dim(x->dim[i]).text);
        if (!drop)
            out[0].dim[out[0].rank++] = x->dim[i];
    }
    return 1;
}

/* ---- joining and splitting ---- */

/* All values have the element type of the first, and its shape but for `axis` (-1: no exception). */
static bool check_values(const Op *op, const Arg *values, int axis, Error *err)
{
    const Type *first = values->values[0]->type;
    for (int i = 1; i < values->count; i++) {
        const Type *t = values->values[i]->type;
        bool fits = t->rank == first->rank && t->dtype == first->dtype;
        for (int d = 0; fits && d < t->rank; d++)
            fits = d == axis || dim_fits(t->dim[d], first->dim[d]);
        if (!fits && axis >= 0)
            return infer_fail(op, err, "value %d is %s and value 0 is %s: they may differ in axis %d only", i,
                              shown_type(t).text, shown_type(first).text, axis) >= 0;
        if (!fits)
            return infer_fail(op, err, "value %d is %s and value 0 is %s: they must be the same", i,
                              shown_type(t).text, shown_type(first).text) >= 0;
    }
    return true;
}

/* The sum of the lengths of the axis; a symbol has no sum with anything but nothing. */
static bool joined_length(const Op *op, const Arg *values, int axis, int64_t *out, Error *err)
{
    int64_t sum = 0, symbol = 0;
    bool unknown = false;
    for (int i = 0; i < values->count; i++) {
        int64_t n = values->values[i]->type->dim[axis];
        unknown = unknown || n == DIM_UNKNOWN;
        if (n == DIM_UNKNOWN)
            continue;
        if ((is_symbol(n) && (symbol || sum)) || (symbol && n))
            return infer_fail(op, err, "axis %d: %s cannot be added to %s", axis, shown_dim(n).text,
                              shown_dim(symbol ? symbol : sum).text) >= 0;
        if (is_symbol(n))
            symbol = n;
        else if (n > INT64_MAX / 2 - sum)
            return infer_fail(op, err, "axis %d becomes too long", axis) >= 0;
        else
            sum += n;
    }
    *out = unknown ? DIM_UNKNOWN : symbol ? symbol : sum;
    return true;
}

int infer_concat(const Op *op, Type *out, int limit, Error *err)
{
    const Arg *values = op_find_arg(op, "values");
    const Type *first = values->values[0]->type;
    bool interleave;
    int axis;
    if (!infer_axis(op, "axis", 0, first->rank, &axis, err) ||
        !infer_bool(op, "interleave", false, &interleave, err) ||
        !check_values(op, values, interleave ? -1 : axis, err))
        return -1;
    out[0] = *first;
    for (int i = 1; i < values->count; i++)
        for (int d = 0; d < first->rank; d++)
            out[0].dim[d] = dim_known(out[0].dim[d], values->values[i]->type->dim[d]);
    return joined_length(op, values, axis, &out[0].dim[axis], err) ? 1 : -1;
}

int infer_stack(const Op *op, Type *out, int limit, Error *err)
{
    const Arg *values = op_find_arg(op, "values");
    const Type *first = values->values[0]->type;
    int axis;
    if (first->rank == IR_MAX_RANK)
        return infer_fail(op, err, "value 0 %s has %d axes already", shown_dims(first).text, IR_MAX_RANK);
    if (!infer_axis(op, "axis", 0, first->rank + 1, &axis, err) || !check_values(op, values, -1, err))
        return -1;
    out[0] = (Type){.kind = TY_TENSOR, .dtype = first->dtype, .rank = first->rank + 1};
    for (int i = 0; i < out[0].rank; i++)
        out[0].dim[i] = i == axis ? values->count : first->dim[i < axis ? i : i - 1];
    return 1;
}

/* Into num_splits equal parts. */
static int split_evenly(const Op *op, const Type *x, int axis, Type *out, int limit, Error *err)
{
    int64_t parts, n = x->dim[axis];
    if (!infer_int(op, "num_splits", 0, &parts, err))
        return -1;
    if (parts < 1 || parts > limit)
        return infer_fail(op, err, "num_splits is %lld, expected 1 to %d", (long long)parts, limit);
    if ((n >= 0 && n % parts) || (is_symbol(n) && parts > 1))
        return infer_fail(op, err, "axis %d of x %s cannot be split into %lld equal parts", axis,
                          shown_dims(x).text, (long long)parts);
    for (int i = 0; i < (int)parts; i++) {
        out[i] = *x;
        out[i].dim[axis] = n < 0 ? n : n / parts;
    }
    return (int)parts;
}

static int split_sizes(const Op *op, const Type *x, int axis, Type *out, int limit, Error *err)
{
    const Literal *sizes = value_literal(op_arg(op, "split_sizes"));
    int64_t left = x->dim[axis];
    if (!sizes || sizes->kind != LIT_INT || sizes->count < 1 || sizes->count > (size_t)limit)
        return infer_fail(op, err, "split_sizes must be a constant list of 1 to %d integers", limit);
    for (size_t i = 0; i < sizes->count; i++) {
        int64_t size = sizes->ints[i];
        bool all = is_symbol(size) && size == left && sizes->count == 1;
        if (!all && (size < 0 || (left >= 0 && size > left)))
            return infer_fail(op, err, "split_sizes do not add up to axis %d of x %s", axis,
                              shown_dims(x).text);
        out[i] = *x;
        out[i].dim[axis] = size;
        left = all ? 0 : left >= 0 ? left - size : left;
    }
    if (left > 0)
        return infer_fail(op, err, "split_sizes leave %lld of axis %d of x %s", (long long)left, axis,
                          shown_dims(x).text);
    return (int)sizes->count;
}

int infer_split(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int axis;
    if (!infer_axis(op, "axis", 0, x->rank, &axis, err))
        return -1;
    if (!op_arg(op, "split_sizes") && !op_arg(op, "num_splits"))
        return infer_fail(op, err, "one of num_splits and split_sizes must be given");
    if (!op_arg(op, "split_sizes"))
        return split_evenly(op, x, axis, out, limit, err);
    int64_t parts;
    int n = split_sizes(op, x, axis, out, limit, err);
    if (n >= 0 && !infer_int(op, "num_splits", n, &parts, err))
        return -1;
    return n < 0 || parts == n
               ? n
               : infer_fail(op, err, "num_splits is %lld, but there are %d split_sizes", (long long)parts, n);
}

/* ---- repeating and padding ---- */

int infer_tile(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t reps[IR_MAX_RANK];
    Known known = infer_ints(op, "reps", x->rank, reps, err);
    if (known == KNOWN_WRONG)
        return -1;
    out[0] = *x;
    for (int i = 0; i < x->rank; i++) {
        int64_t n = x->dim[i], most = n > 0 ? INT64_MAX / n : INT64_MAX;
        if (known == KNOWN && (reps[i] < 0 || reps[i] > most || (is_symbol(n) && reps[i] != 1)))
            return infer_fail(op, err, "axis %d of x %s cannot be repeated %lld times", i, shown_dims(x).text,
                              (long long)reps[i]);
        out[0].dim[i] = known != KNOWN ? DIM_UNKNOWN : n < 0 ? n : n * reps[i];
    }
    return 1;
}

static bool pad_axis(const Op *op, const Type *x, int axis, const int64_t *pad, bool reflect, int64_t *out,
                     Error *err)
{
    const int64_t most = (int64_t)1 << 40;
    int64_t n = x->dim[axis], widest = reflect && n >= 0 ? n - 1 : most;
    if (pad[0] < 0 || pad[1] < 0 || pad[0] > widest || pad[1] > widest ||
        (is_symbol(n) && (pad[0] || pad[1])))
        return infer_fail(op, err, "axis %d of x %s cannot be padded by %lld and %lld", axis,
                          shown_dims(x).text, (long long)pad[0], (long long)pad[1]) >= 0;
    *out = n < 0 ? n : n > INT64_MAX / 2 ? DIM_UNKNOWN : n + pad[0] + pad[1];
    return true;
}

/* pad: before and after of the last axes */
int infer_pad(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x"), *pad_type = infer_type(op, "pad");
    int64_t pad[2 * IR_MAX_RANK], n = pad_type->rank == 1 ? pad_type->dim[0] : DIM_UNKNOWN;
    const Literal *l = value_literal(op_arg(op, "pad"));
    const char *mode;
    if (!infer_text(op, "mode", "constant", &mode, err))
        return -1;
    bool reflect = strcmp(mode, "reflect") == 0;
    if (!reflect && strcmp(mode, "constant") != 0 && strcmp(mode, "replicate") != 0)
        return infer_fail(op, err, "there is no mode \"%.40s\": expected constant, reflect or replicate",
                          mode);
    if (n < 0 || n % 2 || n > 2 * x->rank)
        return infer_fail(op, err, "pad %s does not fit x %s: expected two numbers for each of the last axes",
                          shown_dims(pad_type).text, shown_dims(x).text);
    bool known = l && l->kind == LIT_INT && l->count == (size_t)n;
    if (known)
        memcpy(pad, l->ints, (size_t)n * sizeof *pad);
    int first = x->rank - (int)n / 2;
    out[0] = *x;
    for (int i = first; i < x->rank; i++) {
        if (!known)
            out[0].dim[i] = DIM_UNKNOWN;
        else if (!pad_axis(op, x, i, pad + 2 * (i - first), reflect, &out[0].dim[i], err))
            return -1;
    }
    return 1;
}

/* ---- made from shapes ---- */

int infer_shape(const Op *op, Type *out, int limit, Error *err)
{
    int64_t rank = infer_type(op, "x")->rank;
    out[0] = type_tensor(DT_INT32, 1, &rank);
    return 1;
}

int infer_fill(const Op *op, Type *out, int limit, Error *err)
{
    const Type *value = infer_type(op, "value");
    int64_t dim[IR_MAX_RANK];
    int n = infer_row(op, "shape", err);
    if (n < 0)
        return -1;
    Known known = infer_ints(op, "shape", n, dim, err);
    if (known == KNOWN_WRONG)
        return -1;
    for (int i = 0; i < n; i++) {
        if (known == KNOWN_NOT)
            dim[i] = DIM_UNKNOWN;
        else if (dim[i] < 0 && !is_symbol(dim[i]))
            return infer_fail(op, err, "shape has the length %lld", (long long)dim[i]);
    }
    out[0] = type_tensor(value ? value->dtype : DT_FP32, n, dim);
    return 1;
}

/* start, start + step ... before end. A symbol is a length only where it is counted from 0 by ones. */
static bool range_length(const Op *op, int64_t *out, Error *err)
{
    double start, end, step;
    int64_t symbol;
    *out = DIM_UNKNOWN;
    if (!arg_float(op, "start", &start) || !arg_float(op, "end", &end) || !arg_float(op, "step", &step))
        return true;
    if (arg_int(op, "end", &symbol) && is_symbol(symbol)) {
        if (start != 0 || step != 1)
            return infer_fail(op, err, "a range up to %s must begin at 0 with step 1",
                              shown_dim(symbol).text) >= 0;
        *out = symbol;
        return true;
    }
    double n = ceil((end - start) / step);
    if (!(fabs(n) < 1e15))
        return infer_fail(op, err, "no range goes from %g to %g by %g", start, end, step) >= 0;
    *out = n > 0 ? (int64_t)n : 0;
    return true;
}

int infer_range_1d(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"start", "end", "step", NULL};
    const Type *start = infer_type(op, "start");
    int64_t n;
    if (!dtype_is_float(start->dtype) && !dtype_is_int(start->dtype))
        return infer_fail(op, err, "start is %s, expected a number", shown_type(start).text);
    if (!infer_same_dtype(op, keys, err) || !range_length(op, &n, err))
        return -1;
    out[0] = type_tensor(start->dtype, 1, &n);
    return 1;
}
