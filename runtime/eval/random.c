/* The random ops. The sequences of Apple's engines are not public, so only the distributions can agree. Here
 * an op draws from SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014),
 * begun with its seed; where that is negative (none), with the name of its result, so that every run of a
 * program gives the same numbers and no two ops of it do. */
#include <math.h>
#include <string.h>

#include "runtime/eval/eval.h"

typedef struct Draw {
    uint64_t state;
} Draw;

static uint64_t draw_bits(Draw *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 <= u < 1, in steps of 2^-24, so that fp32 cannot round it up to 1. */
static double draw_unit(Draw *d)
{
    return (double)(draw_bits(d) >> 40) * 0x1p-24;
}

/* FNV-1a. */
static uint64_t name_number(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; name && *name; name++)
        h = (h ^ (unsigned char)*name) * 0x100000001b3u;
    return h;
}

static Draw draw_begin(const EvalCall *c)
{
    int64_t seed = call_int(c, "seed", -1);
    const char *name = c->op->results ? c->op->result[0]->name : NULL;
    return (Draw){seed >= 0 ? (uint64_t)seed : name_number(name)};
}

bool eval_random_bernoulli(const EvalCall *c, Error *err)
{
    Draw d = draw_begin(c);
    double p = call_number(c, "prob", 0.5);
    if (!(p >= 0 && p <= 1))
        return call_error(c, err, "prob is %g, expected 0 to 1", p);
    for (int64_t i = 0; i < c->result[0]->count; i++)
        tensor_put(c->result[0], i, draw_unit(&d) < p);
    return true;
}

/* Box and Muller's: 1 - u is never 0. */
static double draw_normal(Draw *d)
{
    double radius = sqrt(-2 * log(1 - draw_unit(d)));
    return radius * cos(2 * 3.14159265358979323846 * draw_unit(d));
}

bool eval_random_normal(const EvalCall *c, Error *err)
{
    Draw d = draw_begin(c);
    double mean = call_number(c, "mean", 0), deviation = call_number(c, "stddev", 1);
    if (!(deviation >= 0))
        return call_error(c, err, "stddev is %g, expected 0 or more", deviation);
    for (int64_t i = 0; i < c->result[0]->count; i++)
        tensor_put(c->result[0], i, mean + deviation * draw_normal(&d));
    return true;
}

/* low <= v < high; what rounding has put on `high` is low. */
bool eval_random_uniform(const EvalCall *c, Error *err)
{
    Draw d = draw_begin(c);
    double low = call_number(c, "low", 0), high = call_number(c, "high", 1);
    if (!(low <= high))
        return call_error(c, err, "low is %g and high is %g", low, high);
    for (int64_t i = 0; i < c->result[0]->count; i++) {
        tensor_put(c->result[0], i, low + (high - low) * draw_unit(&d));
        if (tensor_get(c->result[0], i) >= high)
            tensor_put(c->result[0], i, low);
    }
    return true;
}

/* The weight of one event, relative to the largest. */
static double event_weight(const Tensor *x, int64_t i, bool logits, double largest)
{
    double v = tensor_get(x, i);
    return logits ? exp(v - largest) : v;
}

/* An event by its share of the sum. */
static int64_t draw_event(Draw *d, const Tensor *x, int64_t first, int64_t events, bool logits)
{
    double largest = -INFINITY, sum = 0;
    for (int64_t k = 0; k < events; k++)
        largest = fmax(largest, tensor_get(x, first + k));
    for (int64_t k = 0; k < events; k++)
        sum += event_weight(x, first + k, logits, largest);
    double left = draw_unit(d) * sum;
    int64_t last = 0;
    for (int64_t k = 0; k < events; k++) {
        double weight = event_weight(x, first + k, logits, largest);
        last = weight > 0 ? k : last;
        left -= weight;
        if (left < 0)
            break;
    }
    return last;
}

bool eval_random_categorical(const EvalCall *c, Error *err)
{
    Draw d = draw_begin(c);
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    bool logits = strcmp(call_string(c, "mode", "logits"), "probs") != 0;
    if (x->rank < 1 || out->rank != x->rank)
        return call_error(c, err, "x has rank %d", x->rank);
    int64_t events = x->dim[x->rank - 1], size = out->dim[x->rank - 1];
    if (out->count && !events)
        return call_error(c, err, "there are no events");
    for (int64_t i = 0; i < out->count; i++)
        tensor_put_int(out, i, draw_event(&d, x, i / size * events, events, logits));
    return true;
}
