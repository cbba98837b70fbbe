/* Sums. What they can be: for x = gamma * z + beta with |z|_2 <= R, by Cauchy-Schwarz,
 *
 *     |w . x| <= R * |w * gamma|_2 + sum |w * beta|        also for any part of the sum
 *
 * behind a softmax the largest term; else sum |w| * |x|. What is expected of them: every term as large as x
 * is expected to be, with signs that have nothing to do with one another, so that squares add up. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/match.h"
#include "passes/range.h"

enum { CHUNK = 1 << 18, LANES = 8 };

static const double SLACK = 1 + 0x1p-9; /* weights are rounded to fp16, and these sums are in fp32 */

/* What a row of weights meets, for each of its elements; floats, as the weights are. */
typedef struct Columns {
    bool normed, bounded, expected; /* first and second are of a norm; are finite at all */
    float *first, *second;          /* gamma and beta; or what can be and what is expected */
    double radius;
} Columns;

typedef struct RowSums {
    double sum, likely;
} RowSums;

/* ---- rows ---- */

/* sum |w * v| and sum (w * u)^2, each in lanes that the compiler makes vectors of. */
static void two_sums(const float *w, const float *v, const float *u, int64_t n, double *plain,
                     double *squares)
{
    float a[LANES] = {0}, b[LANES] = {0};
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float t = w[i + k] * u[i + k];
            a[k] += fabsf(w[i + k] * v[i + k]);
            b[k] += t * t;
        }
    *plain = *squares = 0;
    for (int k = 0; k < LANES; k++) {
        *plain += (double)a[k];
        *squares += (double)b[k];
    }
    for (; i < n; i++) {
        *plain += fabs((double)(w[i] * v[i]));
        *squares += (double)(w[i] * u[i]) * (double)(w[i] * u[i]);
    }
}

static RowSums row_sums(const Columns *c, const float *w, int64_t first, int64_t n)
{
    double plain, squares;
    if (c->normed) {
        two_sums(w, c->second + first, c->first + first, n, &plain, &squares);
        return (RowSums){c->radius * sqrt(squares) + plain,
                         fmin(c->radius, RANGE_SIGMAS) * sqrt(squares) + plain};
    }
    two_sums(w, c->first + first, c->second + first, n, &plain, &squares);
    return (RowSums){c->bounded ? plain : INFINITY, c->expected ? sqrt(squares) : INFINITY};
}

/* A float that is not below v; 0 and `ok` false where it would spoil the sums. */
static float as_float(double v, bool *ok)
{
    if (fabs(v) < 1e15)
        return (float)v;
    *ok = false;
    return 0;
}

static Columns columns_of(Range *r, const Bound *x, const Value *v, int64_t channels, int64_t kernel)
{
    bool each = x->channel && v->type->rank == 4 && v->type->dim[1] == channels, finite = true;
    Columns c = {.normed = x->gamma && each && kernel == 1 && !(x->measured > 0), .radius = x->radius};
    c.first = arena_many(r->arena, (size_t)(channels * kernel), float);
    c.second = arena_many(r->arena, (size_t)(channels * kernel), float);
    c.bounded = c.expected = true;
    for (int64_t i = 0; i < channels; i++) {
        double first = c.normed ? x->gamma[i] : each ? x->channel[i] : bound_most(x);
        double second = c.normed ? x->beta[i] : each ? x->likely_channel[i] : x->likely;
        float a = as_float(first, c.normed ? &finite : &c.bounded);
        float b = as_float(second, c.normed ? &finite : &c.expected);
        for (int64_t k = 0; k < kernel; k++) {
            c.first[i * kernel + k] = a;
            c.second[i * kernel + k] = b;
        }
    }
    c.radius = finite ? c.radius : INFINITY;
    return c;
}

/* ---- weights ---- */

static bool read_rows(Range *r, const Value *w, const double *numbers, int64_t first, int64_t count)
{
    Error err;
    for (int64_t i = 0; numbers && i < count; i++)
        r->buffer[i] = (float)numbers[first + i];
    return numbers || r->weights->read(r->weights->context, &value_literal(w)->weight, w->type, first, count,
                                       DT_FP32, r->buffer, &err);
}

/* The sums of all rows into out[0 .. rows). False: the weights are not known. */
static bool all_rows(Range *r, const Value *w, const Columns *c, int64_t groups, RowSums *out)
{
    int64_t rows = w->type->dim[0], width = rows ? type_elements(w->type) / rows : 0;
    const Literal *l = value_literal(w);
    bool stored = l && l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_TENSOR && r->weights;
    const double *numbers = stored ? NULL : range_numbers(r, w);
    if ((!stored && !numbers) || width < 1 || width > CHUNK)
        return false;
    if (!r->buffer)
        r->buffer = xmalloc(CHUNK * sizeof *r->buffer);
    int64_t step = CHUNK / width;
    for (int64_t row = 0; row < rows; row += step) {
        int64_t count = rows - row < step ? rows - row : step;
        if (!read_rows(r, w, numbers, row * width, count * width))
            return false;
        for (int64_t i = 0; i < count; i++)
            out[row + i] = row_sums(c, r->buffer + i * width, (row + i) / (rows / groups) * width, width);
    }
    return true;
}

/* ---- conv, linear ---- */

static void set_rows(Range *r, Value *v, const RowSums *sums, const double *bias, int64_t rows)
{
    Bound *b = bound_new(r, v, interval_all(), INFINITY);
    double most = 0, likely = 0;
    double *channel = arena_many(r->arena, (size_t)rows, double);
    double *expected = arena_many(r->arena, (size_t)rows, double);
    for (int64_t i = 0; i < rows; i++) {
        double shift = bias ? fabs(bias[i]) : 0;
        channel[i] = sums[i].sum * SLACK + shift * SLACK;
        expected[i] = fmin(sums[i].likely + shift, channel[i]);
        most = fmax(most, channel[i]);
        likely = fmax(likely, expected[i]);
    }
    b->sum = most;
    b->likely_sum = likely;
    b->all = interval_scale(interval_around(most), 1);
    b->likely = likely;
    b->products = true;
    if (v->type->rank == 4 && v->type->dim[0] == 1 && v->type->dim[1] == rows) {
        b->channel = channel;
        b->likely_channel = expected;
    }
}

void bound_conv(Range *r, Op *op)
{
    Value *v = op_arg(op, "x");
    const Value *w = op_arg(op, "weight"), *shift = op_arg(op, "bias");
    const Bound *x = bound_of(r, v);
    int64_t groups = 1, rows = w->type->dim[0], width = rows > 0 ? type_elements(w->type) / rows : 0;
    bool conv = op->code == OP_CONV, known = !op_arg(op, "groups") || arg_int(op, "groups", &groups);
    int64_t inner = conv && width > 0 ? w->type->dim[1] : width;
    const double *bias = shift ? range_numbers(r, shift) : NULL;
    Bound *none = bound_new(r, op->result[0], interval_all(), INFINITY);
    none->sum = none->likely_sum = INFINITY;
    none->products = true;
    if (!known || width < 1 || groups < 1 || rows % groups || (shift && !bias))
        return;
    Columns c = columns_of(r, x, v, inner * groups, width / inner);
    RowSums *sums = arena_many(r->arena, (size_t)rows, RowSums);
    if (!all_rows(r, w, &c, groups, sums))
        return;
    set_rows(r, op->result[0], sums, bias, rows);
    Bound *b = op->result[0]->mark;
    b->weights_larger = b->likely_sum / (x->likely * sqrt((double)width)) > x->likely / RANGE_SIGMAS;
}

/* ---- matmul ---- */

/* What a calibration saw of both is taken once with its factor, not squared. */
static double likely_product(const Bound *x, const Bound *y, double terms)
{
    double product =
        x->measured > 0 && y->measured > 0 ? RANGE_SAFETY * x->measured * y->measured : x->likely * y->likely;
    return sqrt(terms) * product;
}

void bound_matmul(Range *r, Op *op)
{
    Value *vx = op_arg(op, "x");
    const Bound *x = bound_of(r, vx), *y = bound_of(r, op_arg(op, "y"));
    bool turned = op_flag(op, "transpose_x", false);
    int rank = vx->type->rank;
    double terms = (double)vx->type->dim[turned && rank > 1 ? rank - 2 : rank - 1];
    bool weighted = x->sums_to_one && !turned;
    double most = weighted ? (1 + 0x1p-6) * bound_most(y) : terms * bound_most(x) * bound_most(y) * SLACK;
    double likely = weighted ? y->likely : likely_product(x, y, terms);
    most = isnan(most) ? INFINITY : most;
    Bound *b = bound_new(r, op->result[0], interval_scale(interval_around(most), 1), likely);
    b->sum = most;
    b->likely_sum = fmin(isnan(likely) ? INFINITY : likely, most);
    b->products = true;
}

/* ---- reductions ---- */

void bound_reduction(Range *r, Op *op)
{
    const Value *v = op_arg(op, "x");
    const Bound *x = bound_of(r, op_arg(op, "x"));
    double terms = (double)type_elements(v->type) / (double)type_elements(op->result[0]->type);
    Interval each = x->all;
    double likely = x->likely;
    if (op->code == OP_REDUCE_SUM_SQUARE) {
        each = (Interval){0, bound_most(x) * bound_most(x)};
        likely *= likely;
    }
    bool extreme = op->code == OP_REDUCE_MAX || op->code == OP_REDUCE_MIN;
    double sum = terms * interval_most(each) * SLACK,
           likely_sum = (each.low >= 0 ? terms : sqrt(terms)) * likely;
    if (extreme || op->code == OP_REDUCE_MEAN) {
        bound_new(r, op->result[0], interval_scale(each, 1), extreme ? likely : likely_sum / terms);
    } else {
        bound_new(r, op->result[0], interval_scale(each, terms), likely_sum);
    }
    Bound *b = op->result[0]->mark;
    b->sum = extreme ? 0 : sum;
    b->likely_sum = extreme ? 0 : fmin(likely_sum, sum);
}
