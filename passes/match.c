#include "passes/match.h"

#include <string.h>

Op *def_of(const Value *v, OpCode code)
{
    return v && v->def && v->def->code == code ? v->def : NULL;
}

bool const_number(const Value *v, double *out)
{
    const Literal *l = v ? value_literal(v) : NULL;
    if (!l || !l->count || (l->kind != LIT_FLOAT && l->kind != LIT_INT))
        return false;
    *out = l->kind == LIT_FLOAT ? l->floats[0] : (double)l->ints[0];
    for (size_t i = 1; i < l->count; i++)
        if ((l->kind == LIT_FLOAT ? l->floats[i] : (double)l->ints[i]) != *out)
            return false;
    return *out != (double)DIM_S && *out != (double)DIM_T;
}

bool is_weight(const Value *v)
{
    const Literal *l = value_literal(v);
    return l && l->kind == LIT_WEIGHT;
}

bool is_known(const Value *v)
{
    return v->def && (op_info(v->def->code)->flags & F_CONST);
}

bool is_data(const Op *op, const char *key)
{
    static const char *const attributes[] = {"axis",
                                             "axes",
                                             "perm",
                                             "shape",
                                             "begin",
                                             "size",
                                             "end",
                                             "stride",
                                             "begin_mask",
                                             "end_mask",
                                             "squeeze_mask",
                                             "reps",
                                             "mode",
                                             "dtype",
                                             "epsilon",
                                             "alpha",
                                             "beta",
                                             "keep_dims",
                                             "num_splits",
                                             "split_sizes",
                                             "interleave",
                                             "transpose_x",
                                             "transpose_y",
                                             "window",
                                             "strides",
                                             "pad_type",
                                             "pad",
                                             "dilations",
                                             "groups",
                                             "batch_dims",
                                             "validate_indices",
                                             "exclusive",
                                             "reverse",
                                             "k"};
    if (op->code == OP_LAYER_NORM && strcmp(key, "beta") == 0)
        return true;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (strcmp(key, attributes[i]) == 0)
            return false;
    return true;
}

static int rank_of(const Op *op)
{
    const Value *x = op_arg(op, "x");
    return x ? x->type->rank : op->result[0]->type->rank;
}

int op_axis(const Op *op, int64_t fallback)
{
    int64_t axis = fallback;
    int rank = rank_of(op);
    if (op_arg(op, "axis") && !arg_int(op, "axis", &axis))
        return -1;
    if (axis < 0)
        axis += rank;
    return axis >= 0 && axis < rank ? (int)axis : -1;
}

bool op_axes(const Op *op, bool set[IR_MAX_RANK])
{
    int64_t axes[IR_MAX_RANK];
    int rank = rank_of(op), n = arg_ints(op, "axes", axes, IR_MAX_RANK);
    for (int i = 0; i < IR_MAX_RANK; i++)
        set[i] = n < 0 && i < rank;
    for (int i = 0; i < n; i++) {
        int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (axis < 0 || axis >= rank)
            return false;
        set[axis] = true;
    }
    return n >= 0 || !op_arg(op, "axes");
}

bool op_flag(const Op *op, const char *key, bool fallback)
{
    bool on = fallback;
    return arg_bool(op, key, &on) ? on : fallback;
}

bool op_perm(const Op *op, int64_t perm[IR_MAX_RANK])
{
    int rank = rank_of(op);
    if (arg_ints(op, "perm", perm, IR_MAX_RANK) != rank)
        return false;
    for (int i = 0; i < rank; i++)
        if (perm[i] < 0)
            perm[i] += rank;
    return true;
}

bool is_move(const Op *op)
{
    return op_info(op->code)->flags & F_MOVE;
}
