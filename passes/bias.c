#include "passes/bias.h"

#include <math.h>

#include "passes/match.h"

typedef struct Bias {
    Func *f;
    Op *op; /* the sum */
    Value *x, *distance;
    const Value *slopes; /* float constant */
    double x_sign, slope_sign;
} Bias;

static bool is_distance(const Value *v)
{
    const Literal *l = value_literal(v);
    return l && l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_DISTANCE;
}

static bool are_slopes(const Value *v)
{
    const Literal *l = value_literal(v);
    if (!l || l->kind != LIT_FLOAT)
        return false;
    for (size_t i = 0; i < l->count; i++)
        if (fabs(l->floats[i]) < 1e-6)
            return false;
    return true;
}

/* Whether v is c * distance. */
static bool match_product(Bias *b, const Value *v)
{
    const Op *mul = def_of(v, OP_MUL);
    if (!mul)
        return false;
    Value *x = op_arg(mul, "x"), *y = op_arg(mul, "y");
    b->distance = is_distance(x) ? x : y;
    b->slopes = is_distance(x) ? y : x;
    return is_distance(b->distance) && are_slopes(b->slopes);
}

static bool match(Bias *b, Func *f, Op *op)
{
    if (op->code != OP_ADD && op->code != OP_SUB)
        return false;
    Value *x = op_arg(op, "x"), *y = op_arg(op, "y");
    double minus = op->code == OP_SUB ? -1 : 1;
    bool second = match_product(b, y);
    if (!second && !match_product(b, x))
        return false;
    b->f = f;
    b->op = op;
    b->x = second ? x : y;
    b->x_sign = second ? 1 : minus;
    b->slope_sign = second ? minus : 1;
    return !is_known(b->x) && dims_equal(b->x->type, op->result[0]->type);
}

/* c ** power * factor */
static Value *table(Bias *b, double power, double factor)
{
    const Literal *l = value_literal(b->slopes);
    double *numbers = arena_many(&b->f->module->arena, l->count, double);
    for (size_t i = 0; i < l->count; i++)
        numbers[i] = pow(l->floats[i], power) * factor;
    Value *v = const_value(b->f, b->op, func_fresh_name(b->f, "slopes"), b->slopes->type,
                           literal_floats(&b->f->module->arena, numbers, l->count));
    v->span = v->def->span = b->op->span;
    return v;
}

static Value *binary(Bias *b, OpCode code, Value *x, Value *y, const char *name)
{
    Op *op = op_new_before(b->f, b->op, code, b->op->span);
    op_set(op, "x", x);
    op_set(op, "y", y);
    return op_add_result(op, name, b->op->result[0]->type);
}

/* A number that x is multiplied by goes into the table. */
static double take_factor(Bias *b)
{
    Op *mul = def_of(b->x, OP_MUL);
    double factor;
    for (int i = 0; mul && b->x->uses == 1 && i < 2; i++)
        if (op_arg(mul, i ? "x" : "y")->type->rank == 0 &&
            const_number(op_arg(mul, i ? "x" : "y"), &factor)) {
            b->x = op_arg(mul, i ? "y" : "x");
            return factor;
        }
    return 1;
}

static void rewrite(Bias *b)
{
    Value *old = b->op->result[0];
    double factor = take_factor(b);
    Value *steep = binary(b, OP_MUL, b->x, table(b, -1, factor * b->x_sign * b->slope_sign),
                          func_fresh_name(b->f, "steep"));
    Value *sum = binary(b, OP_ADD, steep, b->distance, func_fresh_name(b->f, "biased"));
    Value *made = binary(b, OP_MUL, sum, table(b, 1, b->slope_sign), func_fresh_name(b->f, "sloped"));
    value_replace(old, made);
    op_unlink(b->op);
}

void bias_factor(Func *f)
{
    Bias b;
    func_count_uses(f);
    for (Op *op = f->first, *next; op; op = next) {
        next = op->next;
        FOR_EACH_ARG(op, slot)
            while ((*slot)->forward)
                *slot = (*slot)->forward;
        if (match(&b, f, op))
            rewrite(&b);
    }
    func_settle(f);
    func_sweep(f);
}
