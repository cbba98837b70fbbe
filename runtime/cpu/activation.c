/* Activations that were taken apart into arithmetic, found by what they compute: the ops between a value and
 * a result that depends on nothing else are tried on numbers, and compared with the activations the kernels
 * have. Any order of factors and any spelling of the cube is found, and constants may have been rounded to
 * fp16. */
#include <math.h>
#include <string.h>

#include "runtime/cpu/lower.h"

enum { CONE_OPS = 16, CONE_VALUES = 2 * CONE_OPS };

/* The ops from a value x to the last one, each after those it uses. */
typedef struct Cone {
    const Op *op[CONE_OPS];
    int ops;
    const Value *x;
} Cone;

/* Smooth functions only: two of them that agree on all the samples are the same. */
static bool is_smooth(OpCode code)
{
    switch (code) {
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_REAL_DIV:
    case OP_POW:
    case OP_SQUARE:
    case OP_TANH:
    case OP_ERF:
    case OP_EXP:
    case OP_SIGMOID: return true;
    default: return false;
    }
}

static double apply(OpCode code, double a, double b)
{
    switch (code) {
    case OP_ADD: return a + b;
    case OP_SUB: return a - b;
    case OP_MUL: return a * b;
    case OP_REAL_DIV: return a / b;
    case OP_POW: return pow(a, b);
    case OP_SQUARE: return a * a;
    case OP_TANH: return tanh(a);
    case OP_ERF: return erf(a);
    case OP_EXP: return exp(a);
    default: return 1 / (1 + exp(-a));
    }
}

static bool in_cone(const Cone *c, const Op *op)
{
    for (int i = 0; i < c->ops; i++)
        if (c->op[i] == op)
            return true;
    return false;
}

/* Adds v's op and what it uses, down to c->x and scalar constants. */
static bool add_to_cone(Cone *c, const Value *v, int depth)
{
    double number;
    if (v == c->x || cpu_scalar_const(v, &number) || (v->def && in_cone(c, v->def)))
        return true;
    const Op *op = v->def;
    if (!op || !is_smooth(op->code) || depth == CONE_OPS)
        return false;
    for (int i = 0; i < op->args; i++)
        if (op->arg[i].count && !add_to_cone(c, op->arg[i].values[0], depth + 1))
            return false;
    if (c->ops == CONE_OPS)
        return false;
    c->op[c->ops++] = op;
    return true;
}

static double cone_operand(const Cone *c, const double *result, const Value *v, double x)
{
    double number = 0;
    if (v == c->x)
        return x;
    for (int i = 0; i < c->ops; i++)
        if (v->def == c->op[i])
            return result[i];
    cpu_scalar_const(v, &number);
    return number;
}

static double cone_at(const Cone *c, double x)
{
    double result[CONE_OPS];
    for (int i = 0; i < c->ops; i++) {
        const Op *op = c->op[i];
        double a = cone_operand(c, result, op->arg[0].values[0], x);
        double b = op->args > 1 && op->arg[1].count ? cone_operand(c, result, op->arg[1].values[0], x) : 0;
        result[i] = apply(op->code, a, b);
    }
    return result[c->ops - 1];
}

static double gelu_tanh(double x)
{
    return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

static double gelu_erf(double x)
{
    return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
}

static double silu(double x)
{
    return x / (1 + exp(-x));
}

static const struct {
    MapOp map;
    double (*f)(double);
} known[] = {{MAP_GELU_TANH, gelu_tanh}, {MAP_GELU_ERF, gelu_erf}, {MAP_SILU, silu}};

/* The two gelus differ by 4.7e-4 near 2.2; constants in fp16 move either by 3e-5. */
static bool agrees(const Cone *c, double (*f)(double))
{
    static const double samples[] = {0,    0.1,  -0.1, 0.35, -0.6, 0.9, -1.1, 1.4,  -1.7,
                                     2,    -2.2, 2.3,  -2.6, 2.9,  -3,  3.4,  -3.7, 4.1,
                                     -4.8, 5.5,  -6.5, 8,    -9,   20,  -30,  100,  -300};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        double want = f(samples[i]), got = cone_at(c, samples[i]);
        if (!(fabs(got - want) <= 6e-5 * fmax(1, fabs(want))))
            return false;
    }
    return true;
}

static bool recognise(const Cone *c, MapOp *map)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (agrees(c, known[i].f)) {
            *map = known[i].map;
            return true;
        }
    return false;
}

/* Whether the results of all but the last op are used inside only. */
static bool cone_closed(Lowering *l, const Cone *c)
{
    for (int i = 0; i < c->ops - 1; i++) {
        const Value *v = c->op[i]->result[0];
        int uses = 0;
        for (int k = 0; k < c->ops; k++)
            FOR_EACH_ARG(c->op[k], slot)
        uses += *slot == v;
        if (uses != cpu_node(l, v)->uses)
            return false;
    }
    return true;
}

/* The values that x may be: what the last op reaches through smooth ops, of its shape and no constant. */
static int candidates(const Op *last, const Value **out)
{
    const Op *queue[CONE_OPS];
    int ops = 0, n = 0;
    double number;
    queue[ops++] = last;
    for (int i = 0; i < ops; i++)
        FOR_EACH_ARG(queue[i], slot)
        {
            const Value *v = *slot;
            bool seen = cpu_scalar_const(v, &number) || !dims_equal(v->type, last->result[0]->type);
            for (int k = 0; k < n; k++)
                seen = seen || out[k] == v;
            if (seen || n == CONE_VALUES)
                continue;
            out[n++] = v;
            if (v->def && is_smooth(v->def->code) && ops < CONE_OPS)
                queue[ops++] = v->def;
        }
    return n;
}

static bool find_arithmetic(Lowering *l, const Op *op, Activation *out)
{
    const Value *x[CONE_VALUES];
    if ((op->code != OP_MUL && op->code != OP_REAL_DIV) || !dtype_is_float(op->result[0]->type->dtype))
        return false;
    int n = candidates(op, x);
    for (int i = 0; i < n; i++) {
        Cone c = {.x = x[i]};
        if (cpu_node(l, x[i])->uses < 2 || !add_to_cone(&c, op->result[0], 0) || c.op[c.ops - 1] != op)
            continue;
        if (!recognise(&c, &out->map) || !cone_closed(l, &c))
            continue;
        out->x = c.x;
        out->inners = c.ops - 1;
        memcpy(out->inner, c.op, sizeof c.op);
        return true;
    }
    return false;
}

static MapOp single_map(const Op *op)
{
    switch (op->code) {
    case OP_RELU: return MAP_RELU;
    case OP_SIGMOID: return MAP_SIGMOID;
    case OP_SILU: return MAP_SILU;
    case OP_TANH: return MAP_TANH;
    case OP_ERF: return MAP_ERF;
    case OP_EXP: return MAP_EXP;
    case OP_GELU: {
        const char *mode = op_arg(op, "mode") ? arg_string(op, "mode") : "EXACT";
        return !mode                                     ? MAP_NONE
               : strcmp(mode, "EXACT") == 0              ? MAP_GELU_ERF
               : strcmp(mode, "TANH_APPROXIMATION") == 0 ? MAP_GELU_TANH
                                                         : MAP_NONE;
    }
    default: return MAP_NONE;
    }
}

bool cpu_find_activation(Lowering *l, const Op *op, Activation *out)
{
    MapOp map = single_map(op);
    if (map == MAP_NONE)
        return find_arithmetic(l, op, out);
    const Value *x = op_arg(op, "x");
    *out = (Activation){.map = map, .x = x};
    return dtype_is_float(x->type->dtype);
}

const char *cpu_map_name(MapOp map)
{
    static const char *const name[MAP_COUNT] = {
        [MAP_NONE] = "",     [MAP_RELU] = "relu",      [MAP_SIGMOID] = "sigmoid",
        [MAP_SILU] = "silu", [MAP_GELU_TANH] = "gelu", [MAP_GELU_ERF] = "gelu",
        [MAP_TANH] = "tanh", [MAP_ERF] = "erf",        [MAP_EXP] = "exp"};
    return name[map];
}

static bool emit_activation(Lowering *l, const Match *m)
{
    const Activation *a = m->own;
    return cpu_emit_map(l, m->root->result[0], a->x, a->map, cpu_map_name(a->map));
}

Match *cpu_match_activation(Lowering *l, const Op *op)
{
    Activation a;
    if (op->results != 1 || type_elements(op->result[0]->type) <= 0 || !cpu_find_activation(l, op, &a))
        return NULL;
    if (cpu_node(l, op->result[0])->stored)
        return NULL;
    Match *m = cpu_match_new(l, op, emit_activation, &a, sizeof a);
    for (int i = 0; i < a.inners; i++)
        cpu_match_inner(m, a.inner[i]);
    cpu_match_outer(m, a.x);
    return m;
}
