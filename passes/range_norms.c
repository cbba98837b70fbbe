/* Norms bound what they make, whatever goes in: z of a layer_norm or of a norm by the mean square has
 * |z|_2 <= sqrt(n). The latter is no op, but
 *
 *     x * rsqrt(mean(x^2) + epsilon)      also with pow(.., -0.5), with x * x, and with sum * (1 / n)
 *
 * in the model's graph as in programs. */
#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/range.h"

static const double SLACK = 1 + 0x1p-6;     /* in programs: fp16 sums, and the tables of pow and rsqrt */
static const double CPU_SLACK = 1 + 0x1p-9; /* in fp32, the result rounded to fp16 */

/* ---- shapes of norms ---- */

/* x of x^2; NULL: v is no square. */
static const Value *squared(const Value *v)
{
    const Op *op = v->def;
    double e;
    if (!op)
        return NULL;
    if (op->code == OP_SQUARE)
        return op_arg(op, "x");
    if (op->code == OP_MUL && op_arg(op, "x") == op_arg(op, "y"))
        return op_arg(op, "x");
    return op->code == OP_POW && const_number(op_arg(op, "y"), &e) && e == 2 ? op_arg(op, "x") : NULL;
}

/* The other operand of op, where one is a number. */
static const Value *beside_number(const Op *op, double *number)
{
    if (const_number(op_arg(op, "y"), number))
        return op_arg(op, "x");
    return const_number(op_arg(op, "x"), number) ? op_arg(op, "y") : NULL;
}

/* How many elements one of the result is made of; 0: not known. */
static double terms_of(const Op *reduction)
{
    const Type *t = op_arg(reduction, "x")->type;
    bool set[IR_MAX_RANK];
    double n = 1;
    if (!op_axes(reduction, set))
        return 0;
    for (int i = 0; i < t->rank; i++)
        n *= !set[i] ? 1 : t->dim[i] > 0 ? (double)t->dim[i] : 0;
    return n;
}

/* The reduction below v = factor * sum(x^2); NULL: v is none. */
static const Op *sum_of_squares(const Value *v, double *factor)
{
    const Op *op = v->def;
    double by = 1;
    if (op && op->code == OP_MUL) {
        v = beside_number(op, &by);
        op = v ? v->def : NULL;
    }
    if (!op || (op->code != OP_REDUCE_SUM && op->code != OP_REDUCE_MEAN) || !squared(op_arg(op, "x")))
        return NULL;
    double terms = terms_of(op);
    *factor = op->code == OP_REDUCE_MEAN ? by / terms : by;
    return *factor > 0 && terms > 0 ? op : NULL;
}

/* v is the inverse root of something that is not smaller than what this gives. */
static const Value *inverse_root(const Value *v)
{
    const Op *op = v->def;
    double e = 0, least = 0;
    if (!op)
        return NULL;
    if (op->code != OP_RSQRT && !(op->code == OP_POW && const_number(op_arg(op, "y"), &e) && e == -0.5))
        return NULL;
    const Value *x = op_arg(op, "x"), *inner = x;
    while (inner->def && inner->def->code == OP_ADD) {
        inner = beside_number(inner->def, &least);
        if (!inner || least < 0)
            break;
        x = inner;
    }
    return x;
}

/* Whether op is the product that ends such a norm, over the axes of *reduction: |result|_2 <= *radius. */
static bool ends_norm(const Op *op, const Op **reduction, double *radius)
{
    if (op->code != OP_MUL)
        return false;
    const Value *operand[2] = {op_arg(op, "x"), op_arg(op, "y")};
    for (int i = 0; i < 2; i++) {
        const Value *x = operand[i], *root = inverse_root(operand[1 - i]);
        double factor;
        *reduction = root ? sum_of_squares(root, &factor) : NULL;
        if (!*reduction || squared(op_arg(*reduction, "x")) != x)
            continue;
        *radius = SLACK / sqrt(factor);
        return true;
    }
    return false;
}

/* ---- in programs ---- */

/* gamma * z + beta for the channels of v. */
static void set_normed(Range *r, Value *v, double *gamma, double *beta, int64_t n, double radius)
{
    Bound *b = bound_new(r, v, interval_all(), INFINITY);
    double most = 0, likely = 0;
    b->channel = arena_many(r->arena, (size_t)n, double);
    b->likely_channel = arena_many(r->arena, (size_t)n, double);
    for (int64_t i = 0; i < n; i++) {
        b->channel[i] = (radius * fabs(gamma[i]) + fabs(beta[i])) * CPU_SLACK;
        b->likely_channel[i] = fmin(radius, RANGE_SIGMAS) * fabs(gamma[i]) + fabs(beta[i]);
        most = fmax(most, b->channel[i]);
        likely = fmax(likely, b->likely_channel[i]);
    }
    b->all = interval_around(most);
    b->likely = likely;
    b->gamma = gamma;
    b->beta = beta;
    b->radius = radius;
    b->spread = fmin(radius, RANGE_SIGMAS);
}

/* The numbers of a constant with n elements, or `otherwise` where it is not given; NULL: not known. */
static double *vector(Range *r, const Value *w, int64_t n, double otherwise)
{
    if (w)
        return type_elements(w->type) == n ? range_numbers(r, w) : NULL;
    double *out = arena_many(r->arena, (size_t)n, double);
    for (int64_t i = 0; i < n; i++)
        out[i] = otherwise;
    return out;
}

static double largest(const double *x, int64_t n)
{
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(x[i]));
    return most;
}

static bool only_axis(const Op *op, int axis)
{
    bool set[IR_MAX_RANK];
    if (!op_axes(op, set))
        return false;
    for (int i = 0; i < op_arg(op, "x")->type->rank; i++)
        if (set[i] != (i == axis))
            return false;
    return true;
}

/* A norm over `elements`, whose scales and shifts are numbers for each, or for each of those only. */
static void set_norm(Range *r, Value *v, bool over_channels, double *gamma, double *beta, int64_t elements,
                     double radius)
{
    if (over_channels) {
        set_normed(r, v, gamma, beta, elements, radius);
        return;
    }
    double most = radius * largest(gamma, elements) + largest(beta, elements);
    double likely = fmin(radius, RANGE_SIGMAS) * largest(gamma, elements) + largest(beta, elements);
    bound_new(r, v, interval_around(most * SLACK), likely);
}

static bool bound_layer_norm(Range *r, Op *op)
{
    const Type *t = op->result[0]->type;
    bool set[IR_MAX_RANK];
    int64_t n = 1;
    if (!op_axes(op, set))
        return false;
    for (int i = 0; i < t->rank; i++)
        n *= set[i] ? t->dim[i] : 1;
    double *gamma = vector(r, op_arg(op, "gamma"), n, 1), *beta = vector(r, op_arg(op, "beta"), n, 0);
    if (!gamma || !beta)
        return false;
    set_norm(r, op->result[0], t->rank == 4 && t->dim[0] == 1 && only_axis(op, 1), gamma, beta, n,
             sqrt((double)n) * SLACK);
    return true;
}

bool bound_norm(Range *r, Op *op)
{
    const Op *reduction;
    double radius;
    if (op->code == OP_LAYER_NORM)
        return bound_layer_norm(r, op);
    if (!ends_norm(op, &reduction, &radius))
        return false;
    const Type *t = op->result[0]->type;
    bool over_channels = t->rank == 4 && t->dim[0] == 1 && only_axis(reduction, 1);
    int64_t n = over_channels ? t->dim[1] : 1;
    set_norm(r, op->result[0], over_channels, vector(r, NULL, n, 1), vector(r, NULL, n, 0), n, radius);
    return true;
}

/* ---- in the model's graph ---- */

enum { DEEPEST = 12 };

/* A vector of n numbers, or one that stands for all; also the sum or product of such. */
static double *known(Range *r, const Value *v, int64_t n, int depth)
{
    const Op *op = v->def;
    if (!op || depth > DEEPEST)
        return NULL;
    if (is_known(v)) {
        double *x = range_numbers(r, v);
        int64_t count = x ? type_elements(v->type) : 0;
        double *all = count == 1 && n > 1 ? vector(r, NULL, n, x[0]) : x;
        return count == n || count == 1 ? all : NULL;
    }
    if (op->code != OP_ADD && op->code != OP_MUL)
        return NULL;
    double *x = known(r, op_arg(op, "x"), n, depth + 1), *y = known(r, op_arg(op, "y"), n, depth + 1);
    for (int64_t i = 0; x && y && i < n; i++)
        x[i] = op->code == OP_ADD ? x[i] + y[i] : x[i] * y[i];
    return x && y ? x : NULL;
}

typedef struct Normed {
    double *gamma, *beta, radius;
} Normed;

static bool find_normed(Range *r, const Value *v, int64_t n, int depth, Normed *out);

/* Times, or plus, something known. */
static bool changed_normed(Range *r, const Op *op, int64_t n, int depth, Normed *out)
{
    const Value *x = op_arg(op, "x"), *y = op_arg(op, "y");
    double *by = known(r, y, n, depth + 1);
    const Value *normed = by ? x : y;
    by = by ? by : known(r, x, n, depth + 1);
    if (!by || !find_normed(r, normed, n, depth + 1, out))
        return false;
    for (int64_t i = 0; i < n; i++) {
        out->gamma[i] *= op->code == OP_MUL ? by[i] : 1;
        out->beta[i] = op->code == OP_MUL ? out->beta[i] * by[i] : out->beta[i] + by[i];
    }
    return true;
}

/* v, of [S, n], as gamma * z + beta. */
static bool find_normed(Range *r, const Value *v, int64_t n, int depth, Normed *out)
{
    const Op *op = v->def, *reduction;
    if (!op || depth > DEEPEST || v->type->rank < 1 || v->type->dim[v->type->rank - 1] != n)
        return false;
    if (op->code == OP_CAST || op->code == OP_IDENTITY)
        return find_normed(r, op_arg(op, "x"), n, depth + 1, out);
    if (op->code == OP_LAYER_NORM && only_axis(op, v->type->rank - 1)) {
        out->gamma = vector(r, op_arg(op, "gamma"), n, 1);
        out->beta = vector(r, op_arg(op, "beta"), n, 0);
        out->radius = sqrt((double)n) * CPU_SLACK;
        return out->gamma && out->beta;
    }
    if (ends_norm(op, &reduction, &out->radius) && only_axis(reduction, v->type->rank - 1)) {
        out->radius *= CPU_SLACK / SLACK;
        out->gamma = vector(r, NULL, n, 1);
        out->beta = vector(r, NULL, n, 0);
        return true;
    }
    return (op->code == OP_MUL || op->code == OP_ADD) && changed_normed(r, op, n, depth, out);
}

/* Without looking for channels: tables of sines, probabilities, what moves them. */
static Interval graph_interval(Range *r, const Value *v, int depth)
{
    const Op *op = v->def;
    Interval all = {INFINITY, -INFINITY};
    double number;
    if (const_number(v, &number))
        return (Interval){number, number};
    if (!op || depth > DEEPEST || is_known(v))
        return interval_all();
    if (op->code == OP_SOFTMAX)
        return (Interval){0, 1 + 0x1p-8};
    if (op->code == OP_MUL || op->code == OP_ADD || op->code == OP_SUB || op->code == OP_MAXIMUM ||
        op->code == OP_MINIMUM)
        return interval_binary(op, graph_interval(r, op_arg(op, "x"), depth + 1),
                               graph_interval(r, op_arg(op, "y"), depth + 1));
    if (is_move(op) && op->code != OP_PAD && op->code != OP_CROP && op->code != OP_SLIDING_WINDOWS) {
        FOR_EACH_DATA(op, slot)
            all = interval_join(all, graph_interval(r, *slot, depth + 1));
        return all.low > all.high ? interval_all() : all;
    }
    if ((op_info(op->code)->flags & F_ELEMENTWISE) && op_arg(op, "x") && !op_arg(op, "y"))
        return interval_unary(op, graph_interval(r, op_arg(op, "x"), depth + 1));
    return interval_all();
}

bool bound_graph(Range *r, const Value *graph, int64_t channels, Value *param)
{
    Normed n;
    bool column = param->type->rank == 4 && param->type->dim[0] == 1 && param->type->dim[1] == channels;
    if (column && graph->type->rank == 2 && find_normed(r, graph, channels, 0, &n)) {
        set_normed(r, param, n.gamma, n.beta, channels, n.radius);
        return true;
    }
    Interval all = graph_interval(r, graph, 0);
    if (!isfinite(interval_most(all)))
        return false;
    bound_new(r, param, all, interval_most(all));
    return true;
}
