/* What the numbers of constants do on the engine: masks, sums that pass the accumulator, products that
 * vanish. */
#include <math.h>
#include <string.h>

#include "check/internal.h"

static bool adds_or_selects(const Op *op, const char *key)
{
    static const char *const places[][2] = {{"add", "x"},
                                            {"add", "y"},
                                            {"sub", "x"},
                                            {"select", "a"},
                                            {"select", "b"},
                                            {"concat", "values"},
                                            {"pad", "constant_val"},
                                            {"fill", "value"},
                                            {"mul", "x"},
                                            {"mul", "y"}};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(op->spelling, places[i][0]) == 0 && strcmp(key, places[i][1]) == 0)
            return true;
    return false;
}

static void check_mask(const Unit *u, const Op *op, const char *key, const Value *v)
{
    Numbers n;
    if (at_run_time(v) || !adds_or_selects(op, key) || !numbers_of(u, v, &n))
        return;
    for (int64_t i = 0; i < n.count; i++) {
        double x = number_at(&n, i);
        if (x < -65504) {
            report(u, RULE_ANE_MASK, v->span.source ? v->span : op->span, op->spelling,
                   "%s: %s has %g; -10000 will do", op->spelling, value_shown(v), x);
            return;
        }
    }
}

/* The largest sum of magnitudes over a row of weights [O, ...], and the largest magnitude. */
static void measure(const Numbers *n, int64_t rows, double *row, double *most)
{
    int64_t length = rows > 0 ? n->count / rows : 0;
    *row = *most = 0;
    for (int64_t r = 0; r < rows; r++) {
        double sum = 0;
        for (int64_t i = 0; i < length; i++) {
            double x = fabs(number_at(n, r * length + i));
            sum += x;
            if (x > *most)
                *most = x;
        }
        if (sum > *row)
            *row = sum;
    }
}

/* The numbers are read once; each profile has limits of its own. */
static void judge_weight(const Unit *u, const Op *op, const Value *w, double row, double most)
{
    if (row >= u->p->accumulator)
        report(u, RULE_ANE_ACCUMULATOR, op->span, NULL,
               "%s: a row of %s adds up to %.0f in magnitude: the accumulator ends at %.0f", op->spelling,
               value_shown(w), row, u->p->accumulator);
    if (most > 0 && most < u->p->smallest_product)
        report(u, RULE_ANE_TINY, op->span, NULL,
               "%s: no number of %s is above %g: all products below %g are dropped", op->spelling,
               value_shown(w), most, u->p->smallest_product);
}

static void judge_factor(const Unit *u, const Op *op)
{
    double x;
    for (int i = 0; i < 2 && op->code == OP_MUL; i++)
        if (arg_float(op, i ? "y" : "x", &x) && x != 0 && fabs(x) < u->p->smallest_product)
            report(u, RULE_ANE_TINY, op->span, NULL, "mul by %g: products below %g are dropped", x,
                   u->p->smallest_product);
}

static void check_op(Unit *u, const Op *op)
{
    const Value *w = op->code == OP_CONV || op->code == OP_LINEAR ? op_arg(op, "weight") : NULL;
    Numbers n;
    double row = 0, most = 0;
    if (w && !at_run_time(w) && w->type->rank >= 2 && numbers_of(u, w, &n))
        measure(&n, w->type->dim[0], &row, &most);
    for (int i = 0; i < u->c->profiles; i++) {
        u->p = u->c->profile[i];
        u->bit = (uint64_t)1 << i;
        if (!u->p->engine)
            continue;
        if (most > 0)
            judge_weight(u, op, w, row, most);
        judge_factor(u, op);
    }
}

void check_numbers(Unit *u)
{
    uint64_t all = 0;
    for (int i = 0; i < u->c->profiles; i++)
        all |= (uint64_t)u->c->profile[i]->engine << i;
    for (int i = 0; i < u->m->funcs && all; i++)
        for (const Op *op = u->m->func[i]->first; op; op = op->next) {
            u->bit = all;
            for (int a = 0; a < op->args; a++)
                for (int k = 0; k < op->arg[a].count; k++)
                    check_mask(u, op, op->arg[a].key, op->arg[a].values[k]);
            check_op(u, op);
        }
}
