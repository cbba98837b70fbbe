/* decompose: in programs, ops that the profile does not take as they are become several that it does.
 * Tanh-GELU is
 *
 *     0.5 * x * (1 + tanh(0.7978846 * (x + 0.044715 * x^3)))
 *
 * `split` is not here: it becomes slices when it gets its physical form. */
#include <math.h>
#include <string.h>

#include "passes/build.h"
#include "passes/match.h"
#include "passes/pipeline.h"
#include "passes/support.h"

/* 0.5 * x * (1 + bend) */
static Value *halved(Build *b, Value *x, Value *bend)
{
    Value *gate = build_binary(b, OP_ADD, bend, build_number(b, 1), "gate");
    return build_binary(b, OP_MUL, build_binary(b, OP_MUL, x, build_number(b, 0.5), "half"), gate, "gelu");
}

static Value *gelu(Build *b, const Op *op, Value *x)
{
    const char *mode = arg_string(op, "mode");
    if (mode && strcmp(mode, "SIGMOID_APPROXIMATION") == 0)
        return build_binary(
            b, OP_MUL, x,
            build_unary(b, OP_SIGMOID, build_binary(b, OP_MUL, x, build_number(b, 1.702), "inner"), "gate"),
            "gelu");
    if (!mode || strcmp(mode, "EXACT") == 0)
        return halved(
            b, x,
            build_unary(b, OP_ERF, build_binary(b, OP_MUL, x, build_number(b, sqrt(0.5)), "inner"), "bend"));
    Value *cube = build_binary(b, OP_MUL, build_binary(b, OP_MUL, x, x, "squared"), x, "cube");
    Value *sum =
        build_binary(b, OP_ADD, x, build_binary(b, OP_MUL, cube, build_number(b, 0.044715), "cubic"), "sum");
    return halved(b, x,
                  build_unary(b, OP_TANH,
                              build_binary(b, OP_MUL, sum, build_number(b, 0.79788456080286535588), "inner"),
                              "bend"));
}

static Value *power(Build *b, const Op *op, Value *x, double exponent)
{
    double epsilon = op->code == OP_RSQRT ? 1e-12 : op->code == OP_INVERSE ? 1e-4 : 0;
    if (op->code != OP_SQRT && op->code != OP_REAL_DIV)
        arg_float(op, "epsilon", &epsilon);
    if (epsilon != 0)
        x = build_binary(b, OP_ADD, x, build_number(b, epsilon), "above_zero");
    return build_binary(b, OP_POW, x, build_number(b, exponent), "power");
}

static Value *mean(Build *b, const Op *op, Value *x)
{
    bool set[IR_MAX_RANK];
    double n = 1;
    if (!op_axes(op, set))
        return NULL;
    for (int i = 0; i < x->type->rank; i++)
        n *= set[i] ? (double)x->type->dim[i] : 1;
    Op *sum = op_new_before(b->f, b->before, OP_REDUCE_SUM, op->span);
    op_set(sum, "x", x);
    op_set(sum, "axes", op_arg(op, "axes"));
    op_set(sum, "keep_dims", op_arg(op, "keep_dims"));
    return build_binary(b, OP_MUL, build_finish(b, sum, "sum"), build_number(b, 1 / n), "mean");
}

static Value *clipped(Build *b, Value *x, double low, double high)
{
    return build_binary(b, OP_MINIMUM, build_binary(b, OP_MAXIMUM, x, build_number(b, low), "raised"),
                        build_number(b, high), "clipped");
}

/* Copies side by side, along one axis after the other. */
static Value *tiled(Build *b, const Op *op, Value *x)
{
    int64_t reps[IR_MAX_RANK];
    int rank = arg_ints(op, "reps", reps, IR_MAX_RANK);
    for (int axis = 0; axis < rank && x; axis++) {
        if (reps[axis] == 1)
            continue;
        Value **copies = arena_many(&b->f->module->arena, (size_t)reps[axis], Value *);
        for (int64_t i = 0; i < reps[axis]; i++)
            copies[i] = x;
        Op *join = op_new_before(b->f, b->before, OP_CONCAT, op->span);
        op_set_list(join, "values", copies, (int)reps[axis]);
        op_set(join, "axis", inline_int(b->f->module, axis));
        op_set(join, "interleave", inline_bool(b->f->module, false));
        x = build_finish(b, join, "tiled");
    }
    return x;
}

static Value *reshaped(Build *b, const Op *op, Value *x)
{
    const Type *t = op->result[0]->type;
    Op *shape = op_new_before(b->f, b->before, OP_RESHAPE, op->span);
    op_set(shape, "x", x);
    op_set(shape, "shape", inline_ints(b->f->module, t->dim, t->rank));
    return build_finish(b, shape, "shaped");
}

/* x * x * ...: the base may be negative, and the ANE's pow is only proven for positive ones. */
static Value *whole_power(Build *b, Value *x, int exponent)
{
    Value *v = x;
    for (int i = 1; i < exponent; i++)
        v = build_binary(b, OP_MUL, v, x, i == 1 ? "squared" : "cube");
    return v;
}

/* 2, 3 or 4 where op is such a power; 0: it is not. */
static int small_exponent(const Op *op)
{
    double e;
    if (op->code != OP_POW || !const_number(op_arg(op, "y"), &e))
        return 0;
    return e == 2 || e == 3 || e == 4 ? (int)e : 0;
}

/* The value that takes the place of op's; x for what does nothing. NULL: not one of these, or err is set. */
static Value *simpler(Build *b, const Op *op)
{
    Value *x = op_arg(op, "x");
    double low = 0, high = 6;
    switch (op->code) {
    case OP_GELU: return gelu(b, op, x);
    case OP_SILU: return build_binary(b, OP_MUL, x, build_unary(b, OP_SIGMOID, x, "gate"), "silu");
    case OP_SQUARE: return build_binary(b, OP_MUL, x, x, "squared");
    case OP_SQRT: return power(b, op, x, 0.5);
    case OP_RSQRT: return power(b, op, x, -0.5);
    case OP_INVERSE: return power(b, op, x, -1);
    case OP_REAL_DIV: return build_binary(b, OP_MUL, x, power(b, op, op_arg(op, "y"), -1), "quotient");
    case OP_REDUCE_MEAN: return mean(b, op, x);
    case OP_CLIP:
        if (!arg_float(op, "alpha", &low) || !arg_float(op, "beta", &high))
            return NULL;
        return clipped(b, x, low, high);
    case OP_RELU6: return clipped(b, x, low, high);
    case OP_POW: return whole_power(b, x, small_exponent(op));
    case OP_TILE: return tiled(b, op, x);
    case OP_EXPAND_DIMS:
    case OP_SQUEEZE: return reshaped(b, op, x);
    case OP_IDENTITY: return x;
    default: return NULL;
    }
}

bool can_decompose(const Op *op)
{
    int64_t reps[IR_MAX_RANK];
    double number_;
    switch (op->code) {
    case OP_TILE: return arg_ints(op, "reps", reps, IR_MAX_RANK) == op_arg(op, "x")->type->rank;
    case OP_CLIP: return arg_float(op, "alpha", &number_) && arg_float(op, "beta", &number_);
    case OP_GELU:
    case OP_SILU:
    case OP_SQUARE:
    case OP_SQRT:
    case OP_RSQRT:
    case OP_INVERSE:
    case OP_REAL_DIV:
    case OP_REDUCE_MEAN:
    case OP_RELU6:
    case OP_EXPAND_DIMS:
    case OP_SQUEEZE:
    case OP_IDENTITY:
    case OP_SPLIT: return true;
    default: return false;
    }
}

static bool decompose_op(Pipeline *p, Func *f, Op *op)
{
    Error err;
    Build b = {f, op, &err};
    bool wanted = p->profile->op[op->code] == PROFILE_DECOMPOSE && op->code != OP_SPLIT;
    if (!wanted && !small_exponent(op))
        return true;
    Value *v = simpler(&b, op);
    if (!v) {
        diag_error(p->diags, op->span, "%s: %s", op->spelling, err.text);
        return false;
    }
    if (v->def && v->def->func == f && v != op_arg(op, "x"))
        v->name = op->result[0]->name;
    value_replace(op->result[0], v);
    op_unlink(op);
    pipeline_count(p, op->spelling, 1);
    return true;
}

bool pass_decompose(Pipeline *p)
{
    for (int s = 0; s < p->segments; s++) {
        Func *f = p->segment[s]->func;
        if (p->segment[s]->place != PLACE_ANE)
            continue;
        for (Op *op = f->first, *next; op; op = next) {
            next = op->next;
            FOR_EACH_ARG(op, slot)
                while ((*slot)->forward)
                    *slot = (*slot)->forward;
            if (!decompose_op(p, f, op))
                return false;
        }
        func_settle(f);
    }
    return true;
}
