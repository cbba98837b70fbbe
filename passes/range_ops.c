/* One op after the other. What has no rule of its own is not known, which is always right. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "passes/match.h"
#include "passes/range.h"

Bound *bound_new(Range *r, Value *v, Interval all, double likely)
{
    Bound *b = arena_new(r->arena, Bound);
    b->all = isnan(all.low) || isnan(all.high) ? interval_all() : all;
    b->likely = fmin(isnan(likely) ? INFINITY : likely, interval_most(b->all));
    b->factor = 1;
    v->mark = b;
    return b;
}

double bound_most(const Bound *b)
{
    return interval_most(b->all);
}

/* ---- constants ---- */

static double *read_weight(Range *r, const Value *v, int64_t n)
{
    const WeightSource *source = r->weights;
    Error err;
    float *x = source ? arena_many(r->arena, (size_t)n, float) : NULL;
    double *out = x ? arena_many(r->arena, (size_t)n, double) : NULL;
    if (!x || !source->read(source->context, &value_literal(v)->weight, v->type, 0, n, DT_FP32, x, &err))
        return NULL;
    for (int64_t i = 0; i < n; i++)
        out[i] = (double)x[i];
    return out;
}

/* Tables only: what a conv reads goes row by row (range_sums.c). */
double *range_numbers(Range *r, const Value *v)
{
    enum { MOST = 1 << 20 };
    const Literal *l = v ? value_literal(v) : NULL;
    int64_t n = l ? type_elements(v->type) : 0;
    if (!l || n < 1 || n > MOST)
        return NULL;
    if (l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_TENSOR)
        return read_weight(r, v, n);
    if (l->kind != LIT_FLOAT && l->kind != LIT_INT)
        return NULL;
    double *out = arena_many(r->arena, (size_t)n, double);
    for (int64_t i = 0; i < n; i++) {
        size_t at = l->count == 1 ? 0 : (size_t)i;
        out[i] = l->kind == LIT_FLOAT ? l->floats[at] : (double)l->ints[at];
    }
    return out;
}

static Interval made_up(const Value *v)
{
    const Type *t = v->type;
    double length =
        (double)(t->dim[t->rank - 1] > t->dim[t->rank - 2] ? t->dim[t->rank - 1] : t->dim[t->rank - 2]);
    return value_literal(v)->weight.kind == WEIGHT_CAUSAL_MASK ? (Interval){MASKED, 0}
                                                               : interval_around(length);
}

static const Bound *bound_constant(Range *r, Value *v)
{
    if (is_weight(v) && value_literal(v)->weight.kind != WEIGHT_TENSOR) {
        Interval all = made_up(v);
        return bound_new(r, v, all, interval_most(all));
    }
    const double *x = range_numbers(r, v);
    if (!x)
        return bound_new(r, v, interval_all(), INFINITY);
    int64_t n = type_elements(v->type);
    Interval all = {x[0], x[0]};
    for (int64_t i = 1; i < n; i++)
        all = interval_join(all, (Interval){x[i], x[i]});
    all = interval_scale(all, 1);
    Bound *b = bound_new(r, v, all, interval_most(all));
    if (v->type->rank == 4 && v->type->dim[1] == n && n > 1) {
        b->channel = b->likely_channel = arena_many(r->arena, (size_t)n, double);
        for (int64_t i = 0; i < n; i++)
            b->channel[i] = fabs(x[i]) * (1 + 0x1p-10);
    }
    return b;
}

const Bound *bound_of(Range *r, Value *v)
{
    if (v->mark)
        return v->mark;
    return is_known(v) ? bound_constant(r, v) : bound_new(r, v, interval_all(), INFINITY);
}

/* ---- channels ---- */

static int64_t channels_of(const Value *v)
{
    return v->type->rank == 4 && v->type->dim[0] == 1 ? v->type->dim[1] : 0;
}

static bool has_channels(const Bound *b, const Value *v, int64_t n)
{
    return b->channel && channels_of(v) == n;
}

static double channel_most(const Bound *b, bool each, bool likely, int64_t i)
{
    return likely ? (each ? b->likely_channel[i] : b->likely) : (each ? b->channel[i] : bound_most(b));
}

/* From the channels to the value as a whole: neither may be larger than the other says. */
static void join_channels(Bound *b, int64_t n)
{
    double most = 0, likely = 0;
    for (int64_t i = 0; i < n; i++) {
        b->channel[i] = fmin(b->channel[i], bound_most(b));
        b->likely_channel[i] = fmin(fmin(b->likely_channel[i], b->channel[i]), b->likely);
        most = fmax(most, b->channel[i]);
        likely = fmax(likely, b->likely_channel[i]);
    }
    b->all = interval_within(b->all, most * (1 + 0x1p-10));
    b->likely = fmin(b->likely, likely);
}

static void new_channels(Range *r, Bound *b, int64_t n)
{
    b->channel = arena_many(r->arena, (size_t)n, double);
    b->likely_channel = arena_many(r->arena, (size_t)n, double);
}

/* ---- elementwise ---- */

/* Functions that nowhere lead away from 0: what is known of channels stays. */
static bool keeps_channels(OpCode code)
{
    return code == OP_IDENTITY || code == OP_CAST || code == OP_RELU || code == OP_RELU6 || code == OP_ABS;
}

static void bound_unary(Range *r, Op *op)
{
    Value *v = op_arg(op, "x");
    const Bound *x = bound_of(r, v);
    Interval likely = interval_unary(op, interval_within(x->all, x->likely));
    Bound *b = bound_new(r, op->result[0], interval_unary(op, x->all), interval_most(likely));
    b->factor = op->code == OP_GELU || op->code == OP_SILU || keeps_channels(op->code) ? x->factor : 1;
    if (!x->channel || !keeps_channels(op->code))
        return;
    b->channel = x->channel;
    b->likely_channel = x->likely_channel;
    if (op->code == OP_IDENTITY || op->code == OP_CAST) {
        b->gamma = x->gamma;
        b->beta = x->beta;
        b->radius = x->radius;
        b->spread = x->spread;
    }
}

static bool by_channel(OpCode code)
{
    return code == OP_ADD || code == OP_SUB || code == OP_MUL || code == OP_MAXIMUM || code == OP_MINIMUM;
}

static double magnitude(OpCode code, double x, double y)
{
    double most = code == OP_MUL                             ? (x == 0 || y == 0 ? 0 : x * y)
                  : code == OP_MAXIMUM || code == OP_MINIMUM ? (x > y ? x : y)
                                                             : x + y;
    return most * (1 + 0x1p-10);
}

/* gamma * z + beta, times or plus a number for each channel. */
static void keep_norm(Range *r, const Op *op, Bound *b, const Bound *x, const Value *other, int64_t n)
{
    const double *k = x->gamma ? range_numbers(r, other) : NULL;
    int64_t count = k ? type_elements(other->type) : 0;
    if (!k || (count != 1 && !(count == n && channels_of(other) == n)) ||
        (op->code != OP_MUL && op->code != OP_ADD))
        return;
    b->gamma = arena_many(r->arena, (size_t)n, double);
    b->beta = arena_many(r->arena, (size_t)n, double);
    b->radius = x->radius * (1 + 0x1p-9);
    b->spread = x->spread;
    for (int64_t i = 0; i < n; i++) {
        double by = k[count == 1 ? 0 : i];
        b->gamma[i] = op->code == OP_MUL ? x->gamma[i] * by : x->gamma[i];
        b->beta[i] = op->code == OP_MUL ? x->beta[i] * by : x->beta[i] + by;
    }
}

/* Products of data: their sum or difference is one of signs that have nothing to do with one another, as in
 * positions by rotation. */
static bool is_product(const Value *v)
{
    return v->def && v->def->code == OP_MUL && !is_known(op_arg(v->def, "x")) &&
           !is_known(op_arg(v->def, "y"));
}

/* What is expected of x op y, given what it could be for operands as expected. A factor of safety is taken
 * once. */
static double likely_binary(const Op *op, const Value *vx, const Value *vy, const Bound *x, const Bound *y,
                            Interval with)
{
    bool sum = op->code == OP_ADD || op->code == OP_SUB;
    if (sum && is_product(vx) && is_product(vy))
        return hypot(x->likely, y->likely);
    Interval all = interval_binary(op, interval_within(x->all, x->likely), interval_within(with, y->likely));
    return interval_most(all) / (op->code == OP_MUL ? fmin(x->factor, y->factor) : 1);
}

static double factor_of(const Op *op, const Value *vx, const Value *vy, const Bound *x, const Bound *y)
{
    if (is_known(vx) || is_known(vy))
        return is_known(vx) ? y->factor : x->factor;
    return op->code == OP_MUL ? fmax(x->factor, y->factor) : fmin(x->factor, y->factor);
}

static void channels_binary(Range *r, Op *op, Bound *b, int64_t n)
{
    Value *vx = op_arg(op, "x"), *vy = op_arg(op, "y");
    const Bound *x = bound_of(r, vx), *y = bound_of(r, vy);
    bool each_x = has_channels(x, vx, n), each_y = has_channels(y, vy, n);
    if (!each_x && !each_y)
        return;
    new_channels(r, b, n);
    for (int64_t i = 0; i < n; i++) {
        b->channel[i] =
            magnitude(op->code, channel_most(x, each_x, false, i), channel_most(y, each_y, false, i));
        b->likely_channel[i] =
            magnitude(op->code, channel_most(x, each_x, true, i), channel_most(y, each_y, true, i));
    }
    join_channels(b, n);
    keep_norm(r, op, b, x->gamma ? x : y, x->gamma ? vy : vx, n);
}

static void bound_binary(Range *r, Op *op)
{
    bool select = op->code == OP_SELECT;
    Value *vx = op_arg(op, select ? "a" : "x"), *vy = op_arg(op, select ? "b" : "y");
    const Bound *x = bound_of(r, vx), *y = bound_of(r, vy);
    int64_t n = channels_of(op->result[0]);
    Interval with = y->all;
    double exponent;
    if (op->code == OP_POW && const_number(vy, &exponent))
        with = (Interval){exponent, exponent}; /* none of those in use is rounded */
    Interval all = interval_binary(op, x->all, with);
    if (vx == vy && op->code == OP_MUL)
        all.low = 0;
    Bound *b = bound_new(r, op->result[0], all, likely_binary(op, vx, vy, x, y, with));
    b->factor = factor_of(op, vx, vy, x, y);
    if (n && by_channel(op->code))
        channels_binary(r, op, b, n);
}

/* ---- moves ---- */

/* All data that goes in, joined. */
static void bound_move(Range *r, Op *op)
{
    Interval all = {INFINITY, -INFINITY};
    double likely = 0, factor = INFINITY;
    FOR_EACH_DATA(op, slot) {
        const Bound *x = bound_of(r, *slot);
        all = interval_join(all, x->all);
        likely = fmax(likely, x->likely);
        factor = fmin(factor, x->factor);
    }
    if (op->code == OP_PAD || op->code == OP_CROP || op->code == OP_SLIDING_WINDOWS)
        all = interval_join(all, (Interval){0, 0});
    for (int i = 0; i < op->results; i++)
        bound_new(r, op->result[i], all.low > all.high ? interval_all() : interval_scale(all, 1), likely)
            ->factor = isinf(factor) ? 1 : factor;
}

static void take_channels(Range *r, Bound *b, const Bound *x, int64_t first, int64_t count)
{
    new_channels(r, b, count);
    memcpy(b->channel, x->channel + first, (size_t)count * sizeof *b->channel);
    memcpy(b->likely_channel, x->likely_channel + first, (size_t)count * sizeof *b->channel);
    join_channels(b, count);
}

static void bound_slice(Range *r, Op *op)
{
    int64_t begin[4], count = channels_of(op->result[0]);
    Value *v = op_arg(op, "x");
    const Bound *x = bound_of(r, v);
    Bound *b = bound_new(r, op->result[0], interval_scale(x->all, 1), x->likely);
    b->factor = x->factor;
    if (!x->channel || !channels_of(v) || !count || arg_ints(op, "begin", begin, 4) != 4)
        return;
    if (begin[1] >= 0 && begin[1] + count <= channels_of(v))
        take_channels(r, b, x, begin[1], count);
}

static void bound_concat(Range *r, Op *op)
{
    const Arg *values = op_find_arg(op, "values");
    int64_t n = channels_of(op->result[0]), at = 0;
    bound_move(r, op);
    Bound *b = op->result[0]->mark;
    if (!n || !values || op_axis(op, 1) != 1 || op_flag(op, "interleave", false))
        return;
    new_channels(r, b, n);
    for (int i = 0; i < values->count; i++) {
        Value *v = values->values[i];
        const Bound *x = bound_of(r, v);
        bool each = has_channels(x, v, channels_of(v));
        for (int64_t k = 0; k < channels_of(v) && at < n; k++, at++) {
            b->channel[at] = channel_most(x, each, false, k);
            b->likely_channel[at] = channel_most(x, each, true, k);
        }
    }
    if (at == n)
        join_channels(b, n);
    else
        b->channel = b->likely_channel = NULL;
}

/* ---- all ---- */

static void bound_softmax(Range *r, Op *op)
{
    int rank = op->result[0]->type->rank;
    Bound *b = bound_new(r, op->result[0], (Interval){0, 1 + 0x1p-8}, 1 + 0x1p-8);
    b->sums_to_one = op_axis(op, -1) == rank - 1;
}

static void bound_op(Range *r, Op *op)
{
    if (op->code == OP_CONST || bound_norm(r, op))
        return;
    switch (op->code) {
    case OP_CONV:
    case OP_LINEAR: bound_conv(r, op); return;
    case OP_MATMUL: bound_matmul(r, op); return;
    case OP_REDUCE_SUM:
    case OP_REDUCE_MEAN:
    case OP_REDUCE_SUM_SQUARE:
    case OP_REDUCE_MAX:
    case OP_REDUCE_MIN: bound_reduction(r, op); return;
    case OP_SLICE_BY_SIZE: bound_slice(r, op); return;
    case OP_CONCAT: bound_concat(r, op); return;
    case OP_SOFTMAX: bound_softmax(r, op); return;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_REAL_DIV:
    case OP_POW:
    case OP_MAXIMUM:
    case OP_MINIMUM:
    case OP_SELECT: bound_binary(r, op); return;
    default: break;
    }
    if (is_move(op) && op->code != OP_IDENTITY)
        bound_move(r, op);
    else if ((op_info(op->code)->flags & F_ELEMENTWISE) && op_arg(op, "x") && !op_arg(op, "y"))
        bound_unary(r, op);
    else
        for (int i = 0; i < op->results; i++)
            bound_new(r, op->result[i], interval_all(), INFINITY);
}

/* What a calibration saw of v; 0: nothing. The CPU adds a bias along with the products, so that only their
 * sum is seen. */
static double seen_of(Range *r, const Value *v)
{
    double seen = r->measured && v->name ? r->measured(r->context, v->name) : 0;
    if (seen > 0 || !r->measured || !v->def || v->def->code != OP_CONV)
        return seen;
    for (Op *op = v->def->next; op; op = op->next) {
        if (op->code == OP_CONST)
            continue;
        bool bias = op->code == OP_ADD && op_arg(op, "x") == v && is_known(op_arg(op, "y"));
        seen = bias ? r->measured(r->context, op->result[0]->name) : 0;
        return seen > 0 ? seen + bound_most(bound_of(r, op_arg(op, "y"))) : 0;
    }
    return 0;
}

/* What was seen comes in place of what was expected, with a factor. Which channel it was in was not seen:
 * where it is more than expected, all become so much larger. Partial sums were not seen either. */
static void take_measured(Range *r, const Value *v)
{
    Bound *b = v->mark;
    double seen = seen_of(r, v);
    if (!(seen > 0) || !b)
        return;
    double likely = fmin(RANGE_SAFETY * seen, bound_most(b)), by = b->likely > 0 ? likely / b->likely : 1;
    b->measured = seen;
    b->factor = fmax(likely / seen, 1); /* less where the bound is nearer */
    b->likely = likely;
    b->spread = fmin(b->radius, b->spread * by);
    b->likely_sum = fmax(b->likely_sum, b->sum > 0 ? likely : 0);
    if (b->channel) {
        const double *before = b->likely_channel;
        b->likely_channel = arena_many(r->arena, (size_t)v->type->dim[1], double);
        for (int64_t i = 0; i < v->type->dim[1]; i++)
            b->likely_channel[i] = fmin(before[i] * fmax(by, 1), likely);
    }
}

void range_function(Range *r, const Func *f)
{
    for (int i = 0; i < f->params; i++) {
        bound_of(r, f->param[i]);
        take_measured(r, f->param[i]);
    }
    for (Op *op = f->first; op; op = op->next) {
        bound_op(r, op);
        for (int i = 0; i < op->results && op->code != OP_CONST; i++)
            take_measured(r, op->result[i]);
    }
}

void range_clear(const Func *f)
{
    func_clear_marks(f);
    for (Op *op = f->first; op; op = op->next)
        FOR_EACH_ARG(op, slot)
            (*slot)->mark = NULL;
}

void range_free(Range *r)
{
    pool_free(r->pool);
    free(r->buffer);
    r->pool = NULL;
    r->buffer = NULL;
}
