/* decompose: in programs, ops that the profile does not take as they are become several that it does.
 * Tanh-GELU is
 *
 *     0.5 * x * (1 + tanh(0.7978846 * (x + 0.044715 * x^3)))
 *
 * `split` is not here: it becomes slices when it gets its physical form. */
#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pipeline.h"
#include "passes/support.h"

typedef struct Decompose {
    Func *f;
    Op *before; /* what is built stands before this op */
    Error err;
} Decompose;

static Value *finish(Decompose *d, Op *op, const char *stem)
{
    return op_infer(op, stem, &d->err) ? op->result[0] : NULL;
}

static Value *binary(Decompose *d, OpCode code, Value *x, Value *y, const char *stem)
{
    if (!x || !y)
        return NULL;
    Op *op = op_new_before(d->f, d->before, code, d->before->span);
    op_set(op, "x", x);
    op_set(op, "y", y);
    return finish(d, op, stem);
}

static Value *number(Decompose *d, double v)
{
    return inline_float(d->f->module, DT_FP32, v);
}

static Value *unary(Decompose *d, OpCode code, Value *x, const char *stem)
{
    if (!x)
        return NULL;
    Op *op = op_new_before(d->f, d->before, code, d->before->span);
    op_set(op, "x", x);
    return finish(d, op, stem);
}

/* 0.5 * x * (1 + bend) */
static Value *halved(Decompose *d, Value *x, Value *bend)
{
    Value *gate = binary(d, OP_ADD, bend, number(d, 1), "gate");
    return binary(d, OP_MUL, binary(d, OP_MUL, x, number(d, 0.5), "half"), gate, "gelu");
}

static Value *gelu(Decompose *d, const Op *op, Value *x)
{
    const char *mode = arg_string(op, "mode");
    if (mode && strcmp(mode, "SIGMOID_APPROXIMATION") == 0)
        return binary(d, OP_MUL, x,
                      unary(d, OP_SIGMOID, binary(d, OP_MUL, x, number(d, 1.702), "inner"), "gate"), "gelu");
    if (!mode || strcmp(mode, "EXACT") == 0)
        return halved(d, x, unary(d, OP_ERF, binary(d, OP_MUL, x, number(d, sqrt(0.5)), "inner"), "bend"));
    Value *cube = binary(d, OP_MUL, binary(d, OP_MUL, x, x, "squared"), x, "cube");
    Value *sum = binary(d, OP_ADD, x, binary(d, OP_MUL, cube, number(d, 0.044715), "cubic"), "sum");
    return halved(
        d, x, unary(d, OP_TANH, binary(d, OP_MUL, sum, number(d, 0.79788456080286535588), "inner"), "bend"));
}

static Value *power(Decompose *d, const Op *op, Value *x, double exponent)
{
    double epsilon = op->code == OP_RSQRT ? 1e-12 : op->code == OP_INVERSE ? 1e-4 : 0;
    if (op->code != OP_SQRT && op->code != OP_REAL_DIV)
        arg_float(op, "epsilon", &epsilon);
    if (epsilon != 0)
        x = binary(d, OP_ADD, x, number(d, epsilon), "above_zero");
    return binary(d, OP_POW, x, number(d, exponent), "power");
}

static Value *mean(Decompose *d, const Op *op, Value *x)
{
    bool set[IR_MAX_RANK];
    double n = 1;
    if (!op_axes(op, set))
        return NULL;
    for (int i = 0; i < x->type->rank; i++)
        n *= set[i] ? (double)x->type->dim[i] : 1;
    Op *sum = op_new_before(d->f, d->before, OP_REDUCE_SUM, op->span);
    op_set(sum, "x", x);
    op_set(sum, "axes", op_arg(op, "axes"));
    op_set(sum, "keep_dims", op_arg(op, "keep_dims"));
    return binary(d, OP_MUL, finish(d, sum, "sum"), number(d, 1 / n), "mean");
}

static Value *clipped(Decompose *d, Value *x, double low, double high)
{
    return binary(d, OP_MINIMUM, binary(d, OP_MAXIMUM, x, number(d, low), "raised"), number(d, high),
                  "clipped");
}

/* Copies side by side, along one axis after the other. */
static Value *tiled(Decompose *d, const Op *op, Value *x)
{
    int64_t reps[IR_MAX_RANK];
    int rank = arg_ints(op, "reps", reps, IR_MAX_RANK);
    for (int axis = 0; axis < rank && x; axis++) {
        if (reps[axis] == 1)
            continue;
        Value **copies = arena_many(&d->f->module->arena, (size_t)reps[axis], Value *);
        for (int64_t i = 0; i < reps[axis]; i++)
            copies[i] = x;
        Op *join = op_new_before(d->f, d->before, OP_CONCAT, op->span);
        op_set_list(join, "values", copies, (int)reps[axis]);
        op_set(join, "axis", inline_int(d->f->module, axis));
        op_set(join, "interleave", inline_bool(d->f->module, false));
        x = finish(d, join, "tiled");
    }
    return x;
}

static Value *reshaped(Decompose *d, const Op *op, Value *x)
{
    const Type *t = op->result[0]->type;
    Op *shape = op_new_before(d->f, d->before, OP_RESHAPE, op->span);
    op_set(shape, "x", x);
    op_set(shape, "shape", inline_ints(d->f->module, t->dim, t->rank));
    return finish(d, shape, "shaped");
}

/* x * x * ...: the base may be negative, and the ANE's pow is only proven for positive ones. */
static Value *whole_power(Decompose *d, Value *x, int exponent)
{
    Value *v = x;
    for (int i = 1; i < exponent; i++)
        v = binary(d, OP_MUL, v, x, i == 1 ? "squared" : "cube");
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
static Value *simpler(Decompose *d, const Op *op)
{
    Value *x = op_arg(op, "x");
    double low = 0, high = 6;
    switch (op->code) {
    case OP_GELU: return gelu(d, op, x);
    case OP_SILU: return binary(d, OP_MUL, x, unary(d, OP_SIGMOID, x, "gate"), "silu");
    case OP_SQUARE: return binary(d, OP_MUL, x, x, "squared");
    case OP_SQRT: return power(d, op, x, 0.5);
    case OP_RSQRT: return power(d, op, x, -0.5);
    case OP_INVERSE: return power(d, op, x, -1);
    case OP_REAL_DIV: return binary(d, OP_MUL, x, power(d, op, op_arg(op, "y"), -1), "quotient");
    case OP_REDUCE_MEAN: return mean(d, op, x);
    case OP_CLIP:
        if (!arg_float(op, "alpha", &low) || !arg_float(op, "beta", &high))
            return NULL;
        return clipped(d, x, low, high);
    case OP_RELU6: return clipped(d, x, low, high);
    case OP_POW: return whole_power(d, x, small_exponent(op));
    case OP_TILE: return tiled(d, op, x);
    case OP_EXPAND_DIMS:
    case OP_SQUEEZE: return reshaped(d, op, x);
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
    Decompose d = {.f = f, .before = op};
    bool wanted = p->profile->op[op->code] == PROFILE_DECOMPOSE && op->code != OP_SPLIT;
    if (!wanted && !small_exponent(op))
        return true;
    Value *v = simpler(&d, op);
    if (!v) {
        diag_error(p->diags, op->span, "%s: %s", op->spelling, d.err.text);
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
