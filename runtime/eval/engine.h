/* How the Neural Engine would compute, as far as its numerics are known (docs/numerics.md): every value is
 * rounded to fp16 where it is made, sums of products go through an accumulator that ends at 2^15, small
 * products and values are dropped, functions come from tables with the published error. All numbers are the
 * profile's. Nothing of this was ever compared with a device.
 *
 * The evaluators call it in four places: the sums of products, the partial sums of reductions, the functions
 * of one number, and at the end of each op (engine_settle, by whoever runs it). EvalCall.engine is NULL
 * everywhere else. */
#ifndef RUNTIME_EVAL_ENGINE_H
#define RUNTIME_EVAL_ENGINE_H

#include "ir/profile.h"

struct EvalCall;

typedef struct Engine Engine;

/* What went wrong with a value. */
typedef enum EngineFault {
    FAULT_SUM,   /* a sum of products reached the accumulator's end */
    FAULT_VALUE, /* a value is beyond fp16 */
    FAULT_SLICE  /* a slice made it infinite (slice_clamp) */
} EngineFault;

/* The same of all runs together; in the order in which they came first. */
typedef struct EngineEvent {
    const Op *op;
    int result;
    EngineFault fault;
    double largest; /* the largest magnitude that was reached; infinite where the op itself has no bound */
    int64_t count;  /* of elements */
} EngineEvent;

/* `profile` must outlive it. */
Engine *engine_new(const Profile *profile);
void engine_free(Engine *e); /* NULL is allowed */
const Profile *engine_profile(const Engine *e);

const EngineEvent *engine_events(const Engine *e, int *count);
/* "the accumulator ends at 32768" */
void engine_explain(const Engine *e, EngineFault fault, Text *out);

/* A number as a value of the engine holds it: rounded to fp16; too small ones are 0, too large ones infinite.
 */
double engine_round(const Engine *e, double v);

/* Rounds what an op has made, whatever its type says, and notes what is beyond fp16. To be called after
 * every op that was evaluated with this engine. */
void engine_settle(Engine *e, const struct EvalCall *c);

/* ---- for evaluators ---- */

/* f(x, a, b) from the table of the op, or as it is where it has none. */
double engine_map(const Engine *e, OpCode code, double (*f)(double x, double a, double b), double x, double a,
                  double b);
/* A reduction's sum so far. */
double engine_partial(const Engine *e, double sum);

/* A sum of products in the order in which they are added, `first` (a bias) before them. */
typedef struct Sum {
    double value;
    double exact,
        largest;    /* with an engine: without the accumulator's end, and how far beyond it that went */
    Engine *engine; /* NULL: exact */
} Sum;

void engine_add(Sum *s, double x, double y);
double engine_sum(Sum *s);

static inline Sum sum_begin(Engine *e, double first)
{
    return (Sum){.value = first, .exact = first, .engine = e};
}

static inline void sum_add(Sum *s, double x, double y)
{
    if (s->engine)
        engine_add(s, x, y);
    else
        s->value += x * y;
}

static inline double sum_end(Sum *s)
{
    return s->engine ? engine_sum(s) : s->value;
}

#endif
