/* Rules of ops whose result has the shape of x, or of all operands broadcast. */
#include "ir/infer.h"

#include <string.h>

/* ---- one operand ---- */

typedef enum Takes { TAKES_FLOATS, TAKES_NUMBERS, TAKES_ALL, TAKES_BOOLS } Takes;

static Takes takes(OpCode code)
{
    switch (code) {
    case OP_LOGICAL_NOT: return TAKES_BOOLS;
    case OP_BAND_PART:
    case OP_IDENTITY:
    case OP_REVERSE: return TAKES_ALL;
    case OP_ABS:
    case OP_CLIP:
    case OP_CUMSUM:
    case OP_EXP2:
    case OP_SIGN:
    case OP_THRESHOLD:
    case OP_SQUARE: return TAKES_NUMBERS;
    default: return TAKES_FLOATS;
    }
}

static bool check_dtype(const Op *op, const Type *x, Error *err)
{
    bool ok = false;
    switch (takes(op->code)) {
    case TAKES_FLOATS: ok = dtype_is_float(x->dtype); break;
    case TAKES_NUMBERS: ok = dtype_is_float(x->dtype) || dtype_is_int(x->dtype); break;
    case TAKES_BOOLS: ok = x->dtype == DT_BOOL; break;
    case TAKES_ALL: ok = true; break;
    }
    const char *const expected[] = {"floats", "numbers", "any elements", "bools"};
    return ok ||
           infer_fail(op, err, "x is %s, expected %s", shown_type(x).text, expected[takes(op->code)]) >= 0;
}

/* gamma, beta and the like: shape [length], or absent. */
static bool check_channels(const Op *op, const char *const *keys, int64_t channels, Error *err)
{
    const Type *x = infer_type(op, "x");
    for (; *keys; keys++) {
        const Type *t = infer_type(op, *keys);
        if (t && (t->rank != 1 || !dim_fits(t->dim[0], channels)))
            return infer_fail(op, err, "%s %s does not fit the channels of x %s: expected [%s]", *keys,
                              shown_dims(t).text, shown_dims(x).text, shown_dim(channels).text) >= 0;
    }
    return true;
}

static bool check_layer_norm(const Op *op, const Type *x, Error *err)
{
    static const char *const keys[] = {"gamma", "beta"};
    bool set[IR_MAX_RANK];
    if (!infer_axes(op, "axes", x->rank, set, err))
        return false;
    Type within = {.kind = TY_TENSOR};
    for (int i = 0; i < x->rank; i++)
        if (set[i])
            within.dim[within.rank++] = x->dim[i];
    for (int i = 0; i < 2; i++) {
        const Type *t = infer_type(op, keys[i]);
        if (t && !dims_fit(t, &within))
            return infer_fail(op, err, "%s %s does not fit the normalised axes of x %s: expected %s", keys[i],
                              shown_dims(t).text, shown_dims(x).text, shown_dims(&within).text) >= 0;
    }
    return true;
}

static bool check_channel_norm(const Op *op, const Type *x, int least, Error *err)
{
    static const char *const batch[] = {"mean", "variance", "gamma", "beta", NULL};
    static const char *const instance[] = {"gamma", "beta", NULL};
    if (x->rank < least)
        return infer_fail(op, err, "x %s has rank %d, expected at least %d", shown_dims(x).text, x->rank,
                          least) >= 0;
    return check_channels(op, op->code == OP_BATCH_NORM ? batch : instance, x->dim[1], err);
}

/* S and T before specialisation, numbers after it. */
static bool check_causal(const Op *op, const Type *x, Error *err)
{
    int64_t queries = x->rank < 2 ? DIM_UNKNOWN : x->dim[x->rank - 2];
    int64_t keys = x->rank < 2 ? DIM_UNKNOWN : x->dim[x->rank - 1], window;
    if (!(queries == DIM_S && keys == DIM_T) && !(queries >= 0 && keys >= 0))
        return infer_fail(op, err, "x %s must end in the axes S, T: scores of queries against cached keys",
                          shown_dims(x).text) >= 0;
    if (!infer_int(op, "window", 0, &window, err))
        return false;
    return window >= 0 ||
           infer_fail(op, err, "window is %lld, expected 0 (none) or more", (long long)window) >= 0;
}

static bool check_gelu(const Op *op, Error *err)
{
    static const char *const modes[] = {"EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION"};
    const char *mode;
    if (!infer_text(op, "mode", modes[0], &mode, err))
        return false;
    for (int i = 0; i < 3; i++)
        if (strcmp(mode, modes[i]) == 0)
            return true;
    return infer_fail(op, err, "there is no mode \"%.40s\": expected %s, %s or %s", mode, modes[0], modes[1],
                      modes[2]) >= 0;
}

static bool need_rank(const Op *op, const Type *x, int least, int most, Error *err)
{
    return (x->rank >= least && x->rank <= most) || infer_fail(op, err, "x %s has rank %d, expected %d to %d",
                                                               shown_dims(x).text, x->rank, least, most) >= 0;
}

/* alpha and beta: one number for each channel */
static bool check_parametric(const Op *op, const Type *x, Error *err)
{
    static const char *const keys[] = {"alpha", "beta", NULL};
    return need_rank(op, x, 3, 5, err) && check_channels(op, keys, x->dim[1], err);
}

static bool check_response(const Op *op, const Type *x, Error *err)
{
    int64_t size;
    if (!need_rank(op, x, 3, 4, err) || !infer_int(op, "size", 1, &size, err))
        return false;
    return (size >= 1 && size <= INT32_MAX) ||
           infer_fail(op, err, "size is %lld, expected 1 or more", (long long)size) >= 0;
}

static bool check_special(const Op *op, const Type *x, Error *err)
{
    bool set[IR_MAX_RANK];
    int axis;
    switch (op->code) {
    case OP_SOFTMAX: return infer_axis(op, "axis", -1, x->rank, &axis, err);
    case OP_CUMSUM: return infer_axis(op, "axis", 0, x->rank, &axis, err);
    case OP_REVERSE: return infer_axes(op, "axes", x->rank, set, err);
    case OP_LAYER_NORM: return check_layer_norm(op, x, err);
    case OP_BATCH_NORM: return check_channel_norm(op, x, 2, err);
    case OP_INSTANCE_NORM: return check_channel_norm(op, x, 3, err);
    case OP_CAUSAL: return check_causal(op, x, err);
    case OP_GELU: return check_gelu(op, err);
    case OP_PRELU:
    case OP_SOFTPLUS_PARAMETRIC: return check_parametric(op, x, err);
    case OP_BAND_PART: return need_rank(op, x, 2, IR_MAX_RANK, err);
    case OP_L2_NORM: return need_rank(op, x, 3, IR_MAX_RANK, err);
    case OP_LOCAL_RESPONSE_NORM: return check_response(op, x, err);
    default: return true;
    }
}

int infer_unary(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    if (!check_dtype(op, x, err) || !check_special(op, x, err))
        return -1;
    out[0] = *x;
    return 1;
}

int infer_cast(const Op *op, Type *out, int limit, Error *err)
{
    const char *name;
    if (!infer_text(op, "dtype", "", &name, err))
        return -1;
    DType d = dtype_from_name(name, strlen(name));
    if (d == DT_NONE || d == DT_STRING || infer_type(op, "x")->dtype == DT_STRING)
        return infer_fail(op, err, "x is %s and cannot be cast to \"%.40s\"",
                          shown_type(infer_type(op, "x")).text, name);
    out[0] = *infer_type(op, "x");
    out[0].dtype = d;
    return 1;
}

/* ---- several operands ---- */

static bool broadcast(const Op *op, const char *a, const char *b, Type *out, Error *err)
{
    const Type *x = infer_type(op, a), *y = infer_type(op, b);
    if (!dims_broadcast(x, y, out))
        return infer_fail(op, err, "%s %s and %s %s cannot be broadcast to one shape", a, shown_dims(x).text,
                          b, shown_dims(y).text) >= 0;
    return true;
}

static bool check_pair(const Op *op, Type *out, Error *err)
{
    static const char *const keys[] = {"x", "y", NULL};
    return infer_same_dtype(op, keys, err) && broadcast(op, "x", "y", out, err);
}

int infer_binary(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    if (!dtype_is_float(x->dtype) && !dtype_is_int(x->dtype))
        return infer_fail(op, err, "x is %s, expected numbers", shown_type(x).text);
    return check_pair(op, &out[0], err) ? 1 : -1;
}

int infer_compare(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    bool logical = op->code == OP_LOGICAL_AND || op->code == OP_LOGICAL_OR || op->code == OP_LOGICAL_XOR;
    if (logical ? x->dtype != DT_BOOL : x->dtype == DT_STRING)
        return infer_fail(op, err, "x is %s, expected %s", shown_type(x).text, logical ? "bools" : "numbers");
    if (!check_pair(op, &out[0], err))
        return -1;
    out[0].dtype = DT_BOOL;
    return 1;
}

int infer_select(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"a", "b", NULL};
    const Type *cond = infer_type(op, "cond");
    Type both;
    if (cond->dtype != DT_BOOL)
        return infer_fail(op, err, "cond is %s, expected bools", shown_type(cond).text);
    if (!infer_same_dtype(op, keys, err) || !broadcast(op, "a", "b", &both, err))
        return -1;
    if (!dims_broadcast(&both, cond, &out[0]))
        return infer_fail(op, err, "cond %s and a, b %s cannot be broadcast to one shape",
                          shown_dims(cond).text, shown_dims(&both).text);
    return 1;
}
