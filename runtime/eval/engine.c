#include "runtime/eval/engine.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/eval/eval.h"

static const double HALF_MOST = 65504, HALF_NORMAL = 0x1p-14;
enum { HALF_DROPPED = 42 }; /* bits of a double's mantissa that fp16 has not */

struct Engine {
    const Profile *profile;
    Arena arena;
    EngineEvent *event;
    int events, cap;
    /* of the op that is evaluated */
    double largest;
    int64_t over;
};

Engine *engine_new(const Profile *profile)
{
    Engine *e = xcalloc(1, sizeof *e);
    e->profile = profile;
    return e;
}

void engine_free(Engine *e)
{
    if (!e)
        return;
    arena_free(&e->arena);
    free(e);
}

const Profile *engine_profile(const Engine *e)
{
    return e->profile;
}

/* ---- events ---- */

const EngineEvent *engine_events(const Engine *e, int *count)
{
    *count = e->events;
    return e->event;
}

void engine_explain(const Engine *e, EngineFault fault, Text *out)
{
    const Profile *p = e->profile;
    if (fault == FAULT_SUM)
        text_printf(out, "the accumulator ends at %g", p->accumulator);
    else if (fault == FAULT_SLICE)
        text_printf(out, "slices inside the last axis end at %lld", (long long)p->slice_clamp);
    else
        text_printf(out, "fp16 ends at %g", HALF_MOST);
}

static void note(Engine *e, const Op *op, int result, EngineFault fault, double largest, int64_t count)
{
    EngineEvent *event = e->event, *end = event + e->events;
    while (event < end && (event->op != op || event->result != result || event->fault != fault))
        event++;
    if (event == end) {
        EngineEvent made = {.op = op, .result = result, .fault = fault};
        arena_push(&e->arena, e->event, e->events, e->cap, made);
        event = &e->event[e->events - 1];
    }
    event->largest = fmax(event->largest, largest);
    event->count += count;
}

/* ---- rounding ---- */

/* To the 11 bits of fp16, for what is no subnormal of it: the integer order of doubles is their order. */
static double round_normal(double v, bool away)
{
    const uint64_t half = (uint64_t)1 << (HALF_DROPPED - 1);
    uint64_t u;
    memcpy(&u, &v, sizeof u);
    u += away ? half : half - 1 + (u >> HALF_DROPPED & 1);
    u &= ~((2 * half) - 1);
    memcpy(&v, &u, sizeof v);
    return v;
}

static double round_half(const Engine *e, double v)
{
    bool away = e->profile->numerics.away;
    if (fabs(v) >= HALF_NORMAL)
        return round_normal(v, away);
    double unit = 0x1p-24, steps = fabs(v) / unit;
    return copysign((away ? floor(steps + 0.5) : rint(steps)) * unit, v);
}

double engine_round(const Engine *e, double v)
{
    if (!isfinite(v))
        return v;
    if (fabs(v) < e->profile->numerics.smallest_value)
        return copysign(0, v);
    double rounded = round_half(e, v);
    return fabs(rounded) > HALF_MOST ? copysign(INFINITY, v) : rounded;
}

double engine_partial(const Engine *e, double sum)
{
    return e->profile->numerics.half_reductions ? engine_round(e, sum) : (double)(float)sum;
}

/* ---- sums of products ---- */

static double product_of(const Profile *p, double product)
{
    if (!isfinite(product))
        return product;
    if (fabs(product) < p->smallest_product)
        return 0;
    if (!p->numerics.half_products)
        return rint(product / p->smallest_product) * p->smallest_product;
    return round_normal(product, p->numerics.away);
}

/* `largest` follows the sum that would be without an end, in order that the report says how far it went. */
void engine_add(Sum *s, double x, double y)
{
    const Profile *p = s->engine->profile;
    double product = product_of(p, x * y);
    s->value += product;
    s->exact += product;
    double reach = fabs(s->exact);
    if (!(reach < p->accumulator)) {
        if (reach > s->largest)
            s->largest = reach;
        if (isfinite(s->value) && fabs(s->value) >= p->accumulator)
            s->value = copysign(INFINITY, s->value);
    }
}

double engine_sum(Sum *s)
{
    Engine *e = s->engine;
    if (s->largest == 0 || !isfinite(s->exact))
        return s->value;
    e->over++;
    e->largest = fmax(e->largest, s->largest);
    return e->profile->numerics.zero ? 0 : s->value;
}

/* ---- functions ---- */

typedef enum Grid {
    GRID_EVEN,   /* knots at multiples of the step, of f itself */
    GRID_BOUND,  /* the same, on one side of 0 and mirrored: what lies beyond the last knot has its value */
    GRID_FACTOR, /* x times such a table: of f(x) / x */
    GRID_OCTAVE  /* knots divide each power of two into equal parts */
} Grid;

/* Straight lines between the knots are off by step^2 / 8 times the second derivative, whose largest magnitude
 * is `bend`: of f; with GRID_FACTOR of f(x) / x, times x; with GRID_OCTAVE and `ulps` relative to f, at the
 * octave's beginning. So the step comes from the error that was published. */
typedef struct Table {
    OpCode code;
    Grid grid;
    bool ulps; /* the error is counted in units in the last place */
    double bend;
    size_t error; /* which of ProfileNumerics */
} Table;

#define ERROR_OF(name) offsetof(ProfileNumerics, name)
static const Table tables[] = {
    {OP_SIGMOID, GRID_BOUND, false, 0.09623, ERROR_OF(sigmoid)},
    {OP_TANH, GRID_BOUND, false, 0.76980, ERROR_OF(tanh)},
    {OP_ERF, GRID_BOUND, false, 0.96788, ERROR_OF(erf)},
    {OP_GELU, GRID_FACTOR, false, 0.29355, ERROR_OF(gelu)},
    {OP_SILU, GRID_FACTOR, false, 0.15998, ERROR_OF(silu)},
    {OP_EXP, GRID_EVEN, true, 1, ERROR_OF(exp)},
    {OP_EXP2, GRID_EVEN, true, 0.48045, ERROR_OF(exp)},
    {OP_LOG, GRID_OCTAVE, false, 1, ERROR_OF(log)},
    {OP_RSQRT, GRID_OCTAVE, true, 0.75, ERROR_OF(rsqrt)},
    {OP_SQRT, GRID_OCTAVE, true, 0.25, ERROR_OF(sqrt)},
    {OP_INVERSE, GRID_OCTAVE, true, 2, ERROR_OF(inverse)},
};
enum { TABLES = sizeof tables / sizeof *tables };

typedef struct Function {
    double (*f)(double x, double a, double b);
    double a, b;
    bool factor; /* f(x) / x */
} Function;

static double value_at(const Function *f, double x)
{
    double v = f->f(x, f->a, f->b);
    if (!f->factor)
        return v;
    return x == 0 ? 0.5 : v / x; /* of gelu and silu: the slope at 0 */
}

static double between(const Function *f, double x, double low, double step)
{
    double from = value_at(f, low), to = value_at(f, low + step);
    return isfinite(from) && isfinite(to) ? from + (to - from) * (x - low) / step : value_at(f, x);
}

static double table_value(const Table *t, const Function *f, double error, double points, double x)
{
    double step = sqrt(8 * error / t->bend);
    if (t->grid == GRID_OCTAVE) {
        int exponent;
        if (!(x > 0) && t->code != OP_INVERSE)
            return f->f(x, f->a, f->b);
        frexp(x, &exponent);
        double octave = ldexp(x < 0 ? -1 : 1, exponent - 1), part = octave / ceil(1 / step);
        return between(f, x, octave + floor((x - octave) / part) * part, part);
    }
    double end = t->grid == GRID_EVEN ? INFINITY : (points - 1) * step;
    if (fabs(x) >= end)
        return value_at(f, copysign(end, x));
    return between(f, x, floor(x / step) * step, step);
}

double engine_map(const Engine *e, OpCode code, double (*f)(double x, double a, double b), double x, double a,
                  double b)
{
    const ProfileNumerics *n = &e->profile->numerics;
    const Table *t = tables;
    while (t < tables + TABLES && t->code != code)
        t++;
    if (t == tables + TABLES || !isfinite(x) || x == 0)
        return f(x, a, b);
    double error;
    memcpy(&error, (const char *)n + t->error, sizeof error);
    if (error == 0)
        return f(x, a, b);
    Function function = {f, a, b, t->grid == GRID_FACTOR};
    double v = table_value(t, &function, t->ulps ? error / 2048 : error, (double)n->table_points, x);
    return t->grid == GRID_FACTOR ? v * x : v;
}

/* ---- the end of an op ---- */

static bool any_infinite(const EvalCall *c)
{
    for (int i = 0; i < c->operands; i++)
        for (int k = 0; k < c->count[i]; k++) {
            const Tensor *t = c->operand[i][k];
            for (int64_t n = 0; tensor_is_float(t) && n < t->count; n++)
                if (!isfinite(tensor_get(t, n)))
                    return true;
        }
    return false;
}

/* What was infinite before is no news. */
static void settle_result(Engine *e, const EvalCall *c, int result)
{
    Tensor *t = c->result[result];
    int64_t made = 0, infinite = 0;
    double largest = 0;
    for (int64_t i = 0; i < t->count; i++) {
        double v = tensor_get(t, i), rounded = engine_round(e, v);
        infinite += isinf(v) != 0;
        if (rounded == v)
            continue;
        tensor_put(t, i, rounded);
        made += isfinite(v) && isinf(rounded);
        largest = isfinite(v) && isinf(rounded) ? fmax(largest, fabs(v)) : largest;
    }
    if (infinite && !e->over && !any_infinite(c)) {
        made += infinite;
        largest = INFINITY;
    }
    if (made)
        note(e, c->op, result, FAULT_VALUE, largest, made);
}

/* Whether it begins inside the last axis. */
static bool slices_last(const EvalCall *c)
{
    if (c->op->code != OP_SLICE_BY_SIZE && c->op->code != OP_SLICE_BY_INDEX)
        return false;
    const Tensor *begin = call_operand(c, "begin");
    return begin && begin->count && tensor_get_int(begin, begin->count - 1) != 0;
}

static void settle_slice(Engine *e, const EvalCall *c)
{
    double clamp = (double)e->profile->slice_clamp, largest = 0;
    Tensor *t = c->result[0];
    int64_t made = 0;
    for (int64_t i = 0; i < t->count; i++) {
        double v = tensor_get(t, i);
        if (!isfinite(v) || fabs(v) <= clamp)
            continue;
        tensor_put(t, i, copysign(INFINITY, v));
        largest = fmax(largest, fabs(v));
        made++;
    }
    if (made)
        note(e, c->op, 0, FAULT_SLICE, largest, made);
}

void engine_settle(Engine *e, const EvalCall *c)
{
    bool moves = op_info(c->op->code)->flags & (F_MOVE | F_CONST);
    if (e->over)
        note(e, c->op, 0, FAULT_SUM, e->largest, e->over);
    for (int i = 0; i < c->results && !moves; i++)
        if (tensor_is_float(c->result[i]))
            settle_result(e, c, i);
    if (e->profile->slice_clamp && slices_last(c) && tensor_is_float(c->result[0]))
        settle_slice(e, c);
    e->over = 0;
    e->largest = 0;
}
