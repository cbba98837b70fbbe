/* range: how large sums of products can become in the programs, from the weights and from what is known of
 * the inputs. Changes nothing, and is done for --explain only: it reads all weights.
 *
 * After a layer_norm x = gamma * z + beta with |z|_2 <= sqrt(D), so that by Cauchy-Schwarz, for any part of
 * the sum too, |w . x| <= sqrt(D) * |w * gamma|_2 + sum |w * beta| After a softmax the weights of a sum are
 * at most 1 in all. Else |w . x| <= sum |w| * bound(x). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pipeline.h"

/* What is known of a value; one of these, in Value.mark. */
typedef struct Bound {
    double most;          /* of all elements; INFINITY: unknown */
    double *channel;      /* [1, C, 1, S]: per channel; NULL: none */
    double *gamma, *beta; /* the result of a layer_norm; NULL: none */
    bool sums_to_one;     /* a softmax over the last axis */
} Bound;

typedef struct Range {
    Pipeline *p;
    Arena arena;
    const Instance *instance;
    Error err;
    int safe, large, unknown;
} Range;

static Bound *bound_new(Range *r, Value *v, double most)
{
    Bound *b = arena_new(&r->arena, Bound);
    b->most = most;
    v->mark = b;
    return b;
}

static float *read_weight(Range *r, const Value *v)
{
    const WeightSource *source = r->p->options->weights;
    int64_t n = type_elements(v->type);
    float *out = arena_many(&r->arena, (size_t)n, float);
    const WeightRef *ref = &value_literal(v)->weight;
    return source->read(source->context, ref, v->type, 0, n, DT_FP32, out, &r->err) ? out : NULL;
}

static const Bound *bound_of(Range *r, Value *v);

/* The largest magnitude of a constant. */
static const Bound *bound_constant(Range *r, Value *v)
{
    double number, most = INFINITY;
    if (const_number(v, &number))
        return bound_new(r, v, fabs(number));
    if (!is_weight(v))
        return bound_new(r, v, most);
    if (value_literal(v)->weight.kind == WEIGHT_CAUSAL_MASK)
        return bound_new(r, v, -MASKED);
    if (value_literal(v)->weight.kind == WEIGHT_DISTANCE)
        return bound_new(r, v, (double)v->type->dim[v->type->rank - 1]);
    int64_t n = type_elements(v->type);
    const float *w = read_weight(r, v);
    Bound *b = bound_new(r, v, most);
    if (!w)
        return b;
    b->most = 0;
    b->channel = v->type->rank == 4 && v->type->dim[1] == n ? arena_many(&r->arena, (size_t)n, double) : NULL;
    for (int64_t i = 0; i < n; i++) {
        b->most = fmax(b->most, fabs((double)w[i]));
        if (b->channel)
            b->channel[i] = fabs((double)w[i]);
    }
    return b;
}

static const Bound *bound_of(Range *r, Value *v)
{
    if (v->mark)
        return v->mark;
    return is_known(v) ? bound_constant(r, v) : bound_new(r, v, INFINITY);
}

/* ---- inputs ---- */

/* The values of a weight [D] of the graph, or `otherwise` where there is none. */
static double *vector(Range *r, const Value *w, int64_t n, double otherwise)
{
    double *out = arena_many(&r->arena, (size_t)n, double);
    const float *x = w && is_weight(w) && type_elements(w->type) == n ? read_weight(r, w) : NULL;
    for (int64_t i = 0; i < n; i++)
        out[i] = x ? (double)x[i] : otherwise;
    return w && !x ? NULL : out;
}

static void bound_norm(Range *r, Value *param, const Op *norm)
{
    int64_t n = param->type->dim[1];
    bool set[IR_MAX_RANK];
    if (norm->result[0]->type->rank != 2 || !op_axes(norm, set) || set[0] || !set[1])
        return;
    double *gamma = vector(r, op_arg(norm, "gamma"), n, 1), *beta = vector(r, op_arg(norm, "beta"), n, 0);
    if (!gamma || !beta)
        return;
    Bound *b = bound_new(r, param, 0);
    b->gamma = gamma;
    b->beta = beta;
    b->channel = arena_many(&r->arena, (size_t)n, double);
    for (int64_t i = 0; i < n; i++) {
        b->channel[i] = sqrt((double)n) * fabs(gamma[i]) + fabs(beta[i]);
        b->most = fmax(b->most, b->channel[i]);
    }
}

/* Parameters are wires; what makes the wire in the graph is looked at. */
static void bound_params(Range *r)
{
    const Segment *s = r->instance->segment;
    for (int i = 0; i < s->inputs; i++) {
        const Wire *w = &r->p->wire[s->input[i]];
        const Op *norm = def_of(w->value, OP_LAYER_NORM);
        const char *buffer = w->half_carrier >= 0 ? r->p->carrier[w->half_carrier].name : "";
        for (int k = 0; norm && k < r->instance->inputs; k++)
            for (int j = 0;
                 strcmp(r->instance->input[k].buffer, buffer) == 0 && j < r->instance->physical->params; j++)
                if (strcmp(r->instance->physical->param[j]->name, r->instance->input[k].port) == 0)
                    bound_norm(r, r->instance->physical->param[j], norm);
    }
}

/* ---- sums of products ---- */

static void note_sum(Range *r, const Value *v, double most)
{
    if (isinf(most)) {
        r->unknown++;
        return;
    }
    if (most < r->p->profile->accumulator) {
        r->safe++;
        return;
    }
    r->large++;
    text_printf(&r->p->ranges, "  %s: %s may reach %.3g\n", r->instance->segment->name, v->name, most);
}

static double dot_bound(const Bound *x, const float *w, int64_t n)
{
    double squares = 0, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double a = fabs((double)w[i]);
        if (x->gamma) {
            squares += a * x->gamma[i] * a * x->gamma[i];
            sum += a * fabs(x->beta[i]);
        } else {
            sum += a * (x->channel ? x->channel[i] : x->most);
        }
    }
    return sqrt((double)n * squares) + sum;
}

static void bound_conv(Range *r, Op *op)
{
    const Bound *x = bound_of(r, op_arg(op, "x"));
    const Value *weight = op_arg(op, "weight");
    int64_t outs = weight->type->dim[0], ins = weight->type->dim[1];
    const float *w = isinf(x->most) ? NULL : read_weight(r, weight);
    Bound *b = bound_new(r, op->result[0], w ? 0 : INFINITY);
    b->channel = w ? arena_many(&r->arena, (size_t)outs, double) : NULL;
    for (int64_t o = 0; w && o < outs; o++) {
        b->channel[o] = dot_bound(x, w + o * ins, ins);
        b->most = fmax(b->most, b->channel[o]);
    }
    note_sum(r, op->result[0], b->most);
}

static void bound_matmul(Range *r, Op *op)
{
    Value *vx = op_arg(op, "x");
    const Bound *x = bound_of(r, vx), *y = bound_of(r, op_arg(op, "y"));
    int rank = vx->type->rank;
    double terms =
        x->sums_to_one ? 1 : (double)vx->type->dim[op_flag(op, "transpose_x", false) ? rank - 2 : rank - 1];
    double most = terms * x->most * y->most;
    bound_new(r, op->result[0], isnan(most) ? INFINITY : most);
    note_sum(r, op->result[0], bound_of(r, op->result[0])->most);
}

/* ---- other ops ---- */

static bool same_channels(const Value *v, const Op *op)
{
    return v->type->rank == 4 && op->result[0]->type->rank == 4 &&
           v->type->dim[1] == op->result[0]->type->dim[1];
}

static double channel_or(const Bound *b, const Value *v, const Op *op, int64_t i)
{
    return b->channel && same_channels(v, op) ? b->channel[i] : b->most;
}

static double combine(OpCode code, double x, double y)
{
    double most = code == OP_MUL ? x * y : code == OP_MAXIMUM || code == OP_MINIMUM ? fmax(x, y) : x + y;
    return isnan(most) ? INFINITY : most;
}

static void bound_binary(Range *r, Op *op)
{
    Value *vx = op_arg(op, "x"), *vy = op_arg(op, "y");
    const Bound *x = bound_of(r, vx), *y = bound_of(r, vy);
    Bound *b = bound_new(r, op->result[0], combine(op->code, x->most, y->most));
    int64_t n = op->result[0]->type->dim[1];
    if (op->result[0]->type->rank != 4 ||
        (!(x->channel && same_channels(vx, op)) && !(y->channel && same_channels(vy, op))))
        return;
    b->channel = arena_many(&r->arena, (size_t)n, double);
    b->most = 0;
    for (int64_t i = 0; i < n; i++) {
        b->channel[i] = combine(op->code, channel_or(x, vx, op, i), channel_or(y, vy, op, i));
        b->most = fmax(b->most, b->channel[i]);
    }
}

static void bound_slice(Range *r, Op *op)
{
    int64_t begin[4];
    const Bound *x = bound_of(r, op_arg(op, "x"));
    Bound *b = bound_new(r, op->result[0], x->most);
    if (!x->channel || arg_ints(op, "begin", begin, 4) != 4)
        return;
    b->channel = x->channel + begin[1];
    b->most = 0;
    for (int64_t i = 0; i < op->result[0]->type->dim[1]; i++)
        b->most = fmax(b->most, b->channel[i]);
}

static void bound_sum(Range *r, Op *op)
{
    const Type *from = op_arg(op, "x")->type, *to = op->result[0]->type;
    double terms = (double)type_elements(from) / (double)type_elements(to);
    double most = terms * bound_of(r, op_arg(op, "x"))->most;
    bound_new(r, op->result[0], most);
    note_sum(r, op->result[0], most);
}

static void bound_op(Range *r, Op *op)
{
    switch (op->code) {
    case OP_CONST: return;
    case OP_CONV: bound_conv(r, op); return;
    case OP_MATMUL: bound_matmul(r, op); return;
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_MAXIMUM:
    case OP_MINIMUM: bound_binary(r, op); return;
    case OP_SLICE_BY_SIZE: bound_slice(r, op); return;
    case OP_REDUCE_SUM: bound_sum(r, op); return;
    case OP_SOFTMAX: bound_new(r, op->result[0], 1)->sums_to_one = true; return;
    case OP_TANH:
    case OP_ERF:
    case OP_SIGMOID: bound_new(r, op->result[0], 1); return;
    case OP_GELU:
    case OP_SILU:
    case OP_RELU:
    case OP_RESHAPE:
    case OP_TRANSPOSE: bound_new(r, op->result[0], bound_of(r, op_arg(op, "x"))->most); return;
    default:
        for (int i = 0; i < op->results; i++)
            bound_new(r, op->result[i], INFINITY);
    }
}

static void bound_instance(Range *r, const Instance *i)
{
    Func *f = i->physical;
    r->instance = i;
    bound_params(r);
    for (Op *op = f->first; op; op = op->next)
        bound_op(r, op);
    for (int k = 0; k < f->params; k++)
        f->param[k]->mark = NULL;
    for (Op *op = f->first; op; op = op->next) {
        FOR_EACH_ARG(op, slot)
            (*slot)->mark = NULL;
        for (int k = 0; k < op->results; k++)
            op->result[k]->mark = NULL;
    }
    for (int k = 0; k < i->segment->inputs; k++)
        ((Value *)(uintptr_t)r->p->wire[i->segment->input[k]].value)->mark = NULL;
    arena_free(&r->arena);
}

/* The smallest bucket stands for all: bounds do not depend on the length. */
bool pass_range(Pipeline *p)
{
    Range r = {.p = p};
    if (!p->options->explain)
        return true;
    if (!p->options->weights) {
        text_puts(&p->ranges, "  not looked at: there are no weights\n");
        return true;
    }
    for (int i = 0; i < p->segments; i++)
        if (p->segment[i]->place == PLACE_ANE)
            bound_instance(&r, p->instance[i]);
    text_printf(&p->ranges, "  %d sums stay below it, %d may not, %d are not known\n", r.safe, r.large,
                r.unknown);
    pipeline_count(p, "sums that stay in range", r.safe);
    pipeline_count(p, "sums that may not", r.large);
    pipeline_count(p, "sums not known", r.unknown);
    return true;
}
