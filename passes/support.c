#include "passes/support.h"

#include <string.h>

#include "passes/match.h"
#include "passes/pipeline.h"

enum { MOST_RANK = 4 };

int type_token_axis(const Type *t)
{
    int axis = -1;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] == DIM_S || t->dim[i] == DIM_T) {
            if (axis >= 0)
                return -1;
            axis = i;
        }
    return axis;
}

static const char *objection_to_type(const Type *t)
{
    if (!dtype_is_float(t->dtype))
        return "works on whole numbers";
    return t->rank > MOST_RANK ? "has more than four axes" : NULL;
}

static const char *objection_to_linear(const Profile *profile, const Op *op, Arena *a)
{
    const Value *w = op_arg(op, "weight"), *b = op_arg(op, "bias");
    if (!is_weight(w) || (b && !is_weight(b)))
        return "has a weight that is computed";
    if (w->type->dim[0] > profile->conv_outputs)
        return arena_printf(a, "has %lld outputs, profile %s allows %lld", (long long)w->type->dim[0],
                            profile->name, (long long)profile->conv_outputs);
    if (w->type->dim[1] > profile->axis)
        return arena_printf(a, "has %lld inputs, profile %s allows %lld", (long long)w->type->dim[1],
                            profile->name, (long long)profile->axis);
    int rank = op_arg(op, "x")->type->rank;
    return rank == 2 || rank == 3 ? NULL : "has an input that is neither of rank 2 nor 3";
}

static const char *objection_to_matmul(const Op *op)
{
    const Value *x = op_arg(op, "x"), *y = op_arg(op, "y");
    if (is_known(x) || is_known(y))
        return "multiplies by a constant in a form that is no linear";
    return x->type->rank < 2 || y->type->rank < 2 ? "multiplies by a vector" : NULL;
}

static const char *objection_to_reduction(const Op *op)
{
    bool set[IR_MAX_RANK];
    const Type *t = op_arg(op, "x")->type;
    if (!op_axes(op, set))
        return "has axes that are no constants";
    for (int i = 0; i < t->rank; i++)
        if (set[i] && t->dim[i] < 0)
            return "reduces over the tokens";
    return NULL;
}

static const char *objection_to_form(const Profile *profile, const Op *op, Arena *a)
{
    double number;
    switch (op->code) {
    case OP_LINEAR: return objection_to_linear(profile, op, a);
    case OP_MATMUL: return objection_to_matmul(op);
    case OP_SOFTMAX:
        return op_axis(op, -1) == op_arg(op, "x")->type->rank - 1 ? NULL : "is not over the last axis";
    case OP_POW: return const_number(op_arg(op, "y"), &number) ? NULL : "has an exponent that is computed";
    case OP_REDUCE_SUM:
    case OP_REDUCE_MEAN:
    case OP_LAYER_NORM: return objection_to_reduction(op);
    case OP_CAST: return "changes the type";
    default: return NULL;
    }
}

static const char *objection_to_types(const Op *op)
{
    const char *why = NULL;
    FOR_EACH_DATA(op, slot)
        if (!why)
            why = objection_to_type((*slot)->type);
    for (int i = 0; i < op->results && !why; i++)
        why = objection_to_type(op->result[i]->type);
    return why;
}

enum { MOST_PARTS = 4 };

/* What an op is written with besides itself, up to OP_UNKNOWN: passes/decompose.c, and the physical forms. */
static void parts_of(const Profile *profile, const Op *op, OpCode part[MOST_PARTS])
{
    static const struct {
        OpCode op, part[MOST_PARTS];
    } parts[] = {
        {OP_SILU, {OP_SIGMOID, OP_MUL, OP_UNKNOWN}},
        {OP_SQUARE, {OP_MUL, OP_UNKNOWN}},
        {OP_SQRT, {OP_POW, OP_UNKNOWN}},
        {OP_RSQRT, {OP_POW, OP_ADD, OP_UNKNOWN}},
        {OP_INVERSE, {OP_POW, OP_ADD, OP_UNKNOWN}},
        {OP_REAL_DIV, {OP_POW, OP_MUL, OP_UNKNOWN}},
        {OP_REDUCE_MEAN, {OP_REDUCE_SUM, OP_MUL, OP_UNKNOWN}},
        {OP_CLIP, {OP_MAXIMUM, OP_MINIMUM, OP_UNKNOWN}},
        {OP_RELU6, {OP_MAXIMUM, OP_MINIMUM, OP_UNKNOWN}},
        {OP_TILE, {OP_CONCAT, OP_UNKNOWN}},
        {OP_EXPAND_DIMS, {OP_RESHAPE, OP_UNKNOWN}},
        {OP_SQUEEZE, {OP_RESHAPE, OP_UNKNOWN}},
        {OP_SPLIT, {OP_SLICE_BY_SIZE, OP_UNKNOWN}},
    };
    const char *mode = op->code == OP_GELU ? arg_string(op, "mode") : NULL;
    part[0] = OP_UNKNOWN;
    if (op->code == OP_LINEAR && op_arg(op, "bias")) {
        part[0] = OP_ADD;
        part[1] = OP_UNKNOWN;
    }
    if (profile->op[op->code] != PROFILE_DECOMPOSE && op->code != OP_SPLIT)
        return;
    if (op->code == OP_GELU) {
        part[0] = !mode || strcmp(mode, "EXACT") == 0          ? OP_ERF
                  : strcmp(mode, "SIGMOID_APPROXIMATION") == 0 ? OP_SIGMOID
                                                               : OP_TANH;
        part[1] = OP_MUL;
        part[2] = part[0] == OP_SIGMOID ? OP_UNKNOWN : OP_ADD;
        part[3] = OP_UNKNOWN;
    }
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].op == op->code)
            memcpy(part, parts[i].part, sizeof parts[i].part);
}

static bool does_not_work(const Profile *profile, OpCode code)
{
    ProfileOp what = profile->op[code];
    return what == PROFILE_FAILS || what == PROFILE_DISPUTED || what == PROFILE_CPU;
}

static const char *objection_to_parts(const Profile *profile, const Op *op, Arena *a)
{
    OpCode part[MOST_PARTS];
    parts_of(profile, op, part);
    for (int i = 0; part[i] != OP_UNKNOWN; i++) {
        ProfileOp what = profile->op[part[i]];
        if (does_not_work(profile, part[i]))
            return arena_printf(a, "is written with %s, which profile %s has as: %s",
                                op_info(part[i])->spelling, profile->name, profile_op_name(what));
    }
    return NULL;
}

const char *ane_objection(const Profile *profile, const Op *op, Arena *a)
{
    const char *why = objection_to_types(op);
    if (why)
        return why;
    if (op->code == OP_CACHE && profile->concat_outputs && does_not_work(profile, OP_CONCAT))
        return arena_printf(a, "is an output of its own, and profile %s has neither those nor concat",
                            profile->name);
    if (op->code == OP_CAUSAL || op->code == OP_CACHE)
        return NULL;
    if (profile->op[op->code] != PROFILE_NATIVE && profile->op[op->code] != PROFILE_DECOMPOSE)
        return arena_printf(a, "is not listed by profile %s", profile->name);
    if (profile->op[op->code] == PROFILE_DECOMPOSE && !can_decompose(op))
        return "cannot be taken apart";
    why = objection_to_parts(profile, op, a);
    return why ? why : objection_to_form(profile, op, a);
}

const char *ane_objection_to_parts_of_norm(const Profile *profile, const Op *op, Arena *a)
{
    static const OpCode parts[][2] = {{OP_REDUCE_MEAN, OP_REDUCE_SUM},
                                      {OP_RSQRT, OP_POW},
                                      {OP_SUB, OP_SUB},
                                      {OP_SQUARE, OP_MUL},
                                      {OP_MUL, OP_MUL},
                                      {OP_ADD, OP_ADD}};
    bool set[IR_MAX_RANK];
    int rank = op_arg(op, "x")->type->rank;
    const char *why = objection_to_types(op);
    if (why)
        return why;
    if (!op_axes(op, set) || !set[rank - 1] || rank != 2 || set[0])
        return "is not over the last axis of two";
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        OpCode part = profile->op[parts[i][0]] == PROFILE_DECOMPOSE ? parts[i][1] : parts[i][0];
        if (profile->op[part] != PROFILE_NATIVE)
            return arena_printf(a, "is written with %s, which profile %s has as: %s", op_info(part)->spelling,
                                profile->name, profile_op_name(profile->op[part]));
    }
    return NULL;
}
