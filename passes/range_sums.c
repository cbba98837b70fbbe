/* Sums. What they can be: for x = gamma * z + beta with |z|_2 <= R, by Cauchy-Schwarz,
 *
 *     |w . x| <= R * |w * gamma|_2 + sum |w * beta|        also for any part of the sum
 *
 * behind a softmax the largest term; else sum |w| * |x|. What is expected of them: every term as large as x
 * is expected to be, with signs that have nothing to do with one another, so that squares add up. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "base/threads.h"
#include "passes/match.h"
#include "passes/range.h"

enum { CHUNK = 1 << 17, LANES = 8 };

static const double SLACK = 1 + 0x1p-9; /* these sums are in fp32 */

/* What a row of weights meets, for each of its elements; floats, as the weights are. */
typedef struct Columns {
    bool normed, bounded, expected; /* of a norm; finite, both */
    float *plain, *squared;         /* |beta| and |gamma|; or what can be and what is expected */
    double radius, spread;
} Columns;

typedef struct RowSums {
    double sum, likely;
} RowSums;

/* ---- rows ---- */

/* |w| as fp16 has it: the exponent is 112 too small then, subnormals included. Plain arithmetic, in order
 * that compilers make vectors of it. */
static inline void magnitudes(const uint16_t *w, float *out)
{
    uint32_t bits[LANES];
    for (int k = 0; k < LANES; k++)
        bits[k] = (uint32_t)(w[k] & 0x7fff) << 13;
    memcpy(out, bits, sizeof bits);
    for (int k = 0; k < LANES; k++)
        out[k] *= 0x1p112f;
}

/* sum |w| * v and sum (|w| * u)^2. */
static void two_sums(const uint16_t *w, const float *v, const float *u, int64_t n, double *plain,
                     double *squares)
{
    float a[LANES] = {0}, b[LANES] = {0}, m[LANES], t[LANES];
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        magnitudes(w + i, m);
        for (int k = 0; k < LANES; k++)
            a[k] += m[k] * v[i + k];
        for (int k = 0; k < LANES; k++)
            t[k] = m[k] * u[i + k];
        for (int k = 0; k < LANES; k++)
            b[k] += t[k] * t[k];
    }
    *plain = *squares = 0;
    for (int k = 0; k < LANES; k++) {
        *plain += (double)a[k];
        *squares += (double)b[k];
    }
    for (; i < n; i++) {
        double x = fabs((double)half_to_float(w[i]));
        *plain += x * (double)v[i];
        *squares += x * (double)u[i] * x * (double)u[i];
    }
}

/* The same for a matrix that lies the other way round: `rows` sums at a time, of the i-th weight of each. */
static void add_column(const uint16_t *w, float v, float u, int64_t rows, float *plain, float *squares)
{
    float m[LANES], t[LANES];
    int64_t i = 0;
    for (; i + LANES <= rows; i += LANES) {
        magnitudes(w + i, m);
        for (int k = 0; k < LANES; k++)
            plain[i + k] += m[k] * v;
        for (int k = 0; k < LANES; k++)
            t[k] = m[k] * u;
        for (int k = 0; k < LANES; k++)
            squares[i + k] += t[k] * t[k];
    }
    for (; i < rows; i++) {
        float x = fabsf(half_to_float(w[i]));
        plain[i] += x * v;
        squares[i] += x * u * x * u;
    }
}

static RowSums finished(const Columns *c, double plain, double squares)
{
    if (c->normed)
        return (RowSums){c->radius * sqrt(squares) + plain, c->spread * sqrt(squares) + plain};
    return (RowSums){c->bounded ? plain : INFINITY, c->expected ? sqrt(squares) : INFINITY};
}

/* v as a float; 0 and `ok` false where it would spoil the sums. */
static float as_float(double v, bool *ok)
{
    if (fabs(v) < 1e15)
        return (float)v;
    *ok = false;
    return 0;
}

static bool is_finite_norm(const Bound *x, int64_t channels)
{
    bool ok = x->gamma != NULL;
    for (int64_t i = 0; ok && i < channels; i++)
        as_float(fabs(x->gamma[i]) + fabs(x->beta[i]), &ok);
    return ok;
}

static Columns columns_of(Range *r, const Bound *x, const Value *v, int64_t channels, int64_t kernel)
{
    bool each = x->channel && v->type->rank == 4 && v->type->dim[1] == channels;
    Columns c = {.radius = x->radius, .spread = x->spread, .bounded = true, .expected = true};
    c.normed = each && kernel == 1 && is_finite_norm(x, channels);
    c.plain = arena_many(r->arena, (size_t)(channels * kernel), float);
    c.squared = arena_many(r->arena, (size_t)(channels * kernel), float);
    for (int64_t i = 0; i < channels; i++) {
        double plain = c.normed ? fabs(x->beta[i]) : each ? x->channel[i] : bound_most(x);
        double squared = c.normed ? fabs(x->gamma[i]) : each ? x->likely_channel[i] : x->likely;
        float a = as_float(plain, &c.bounded), b = as_float(squared, &c.expected);
        for (int64_t k = 0; k < kernel; k++) {
            c.plain[i * kernel + k] = a;
            c.squared[i * kernel + k] = b;
        }
    }
    return c;
}

/* ---- weights ---- */

/* A matrix of weights [rows, width] and where its numbers are: in the checkpoint, or here. */
typedef struct Matrix {
    int64_t rows, width, groups;
    const Value *value;
    const double *numbers; /* NULL: in the checkpoint */
} Matrix;

/* The sums of a matrix are made in parts, which threads take: as many everywhere, so that sums are the
 * same. */
enum { PARTS = 8 };

typedef struct Summing {
    const Range *r;
    const Matrix *m;
    const Columns *c;
    RowSums *out;
    bool turned;            /* by columns, each part its own sums of all rows: */
    float *plain, *squares; /* [PARTS, rows] */
    bool failed[PARTS];
} Summing;

static bool read_some(const Summing *s, int64_t first, int64_t count, uint16_t *buffer)
{
    Error err;
    const Matrix *m = s->m;
    for (int64_t i = 0; m->numbers && i < count; i++)
        buffer[i] = half_from_float((float)m->numbers[first + i]);
    if (m->numbers)
        return true;
    WeightRef ref = value_literal(m->value)->weight;
    ref.transposed ^= s->turned;
    const WeightSource *w = s->r->weights;
    return w->read(w->context, &ref, m->value->type, first, count, DT_FP16, buffer, &err);
}

static bool sum_rows(const Summing *s, int64_t row, int64_t end, uint16_t *buffer)
{
    const Matrix *m = s->m;
    int64_t step = CHUNK / m->width, in_group = m->rows / m->groups;
    for (; row < end; row += step) {
        int64_t count = end - row < step ? end - row : step;
        if (!read_some(s, row * m->width, count * m->width, buffer))
            return false;
        for (int64_t i = 0; i < count; i++) {
            int64_t at = (row + i) / in_group * m->width;
            double plain, squares;
            two_sums(buffer + i * m->width, s->c->plain + at, s->c->squared + at, m->width, &plain, &squares);
            s->out[row + i] = finished(s->c, plain, squares);
        }
    }
    return true;
}

/* Of one group, as it lies in the checkpoint: nothing need be transposed. */
static bool sum_columns(const Summing *s, int64_t column, int64_t end, float *plain, float *squares,
                        uint16_t *buffer)
{
    int64_t rows = s->m->rows, step = CHUNK / rows;
    for (; column < end; column += step) {
        int64_t count = end - column < step ? end - column : step;
        if (!read_some(s, column * rows, count * rows, buffer))
            return false;
        for (int64_t i = 0; i < count; i++)
            add_column(buffer + i * rows, s->c->plain[column + i], s->c->squared[column + i], rows, plain,
                       squares);
    }
    return true;
}

static void sum_parts(void *context, int index, int count)
{
    Summing *s = context;
    uint16_t *buffer = s->r->buffer + (size_t)index * CHUNK;
    for (int part = index; part < PARTS; part += count) {
        size_t begin, end, at = (size_t)part * (size_t)s->m->rows;
        pool_range((size_t)(s->turned ? s->m->width : s->m->rows), 1, part, PARTS, &begin, &end);
        s->failed[part] =
            s->turned ? !sum_columns(s, (int64_t)begin, (int64_t)end, s->plain + at, s->squares + at, buffer)
                      : !sum_rows(s, (int64_t)begin, (int64_t)end, buffer);
    }
}

static void join_parts(const Summing *s)
{
    for (int64_t row = 0; row < s->m->rows; row++) {
        double plain = 0, squares = 0;
        for (int part = 0; part < PARTS; part++) {
            plain += (double)s->plain[part * s->m->rows + row];
            squares += (double)s->squares[part * s->m->rows + row];
        }
        s->out[row] = finished(s->c, plain, squares);
    }
}

static bool sum_matrix(Range *r, Summing *s)
{
    bool ok = true;
    if (!r->pool)
        r->pool = pool_new(0);
    if (!r->buffer)
        r->buffer = xmalloc((size_t)pool_threads(r->pool) * CHUNK * sizeof *r->buffer);
    if (s->turned) {
        s->plain = arena_many(r->arena, (size_t)(PARTS * s->m->rows), float);
        s->squares = arena_many(r->arena, (size_t)(PARTS * s->m->rows), float);
    }
    pool_run(r->pool, sum_parts, s);
    for (int part = 0; part < PARTS; part++)
        ok &= !s->failed[part];
    if (ok && s->turned)
        join_parts(s);
    return ok;
}

/* The sums of all rows into out[0 .. rows). False: the weights are not known. */
static bool all_rows(Range *r, Matrix *m, const Columns *c, RowSums *out)
{
    enum { MOST_TERMS = 1 << 14 }; /* that fp32 adds one after the other with so little error (SLACK) */
    const Literal *l = value_literal(m->value);
    bool stored = l && l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_TENSOR && r->weights;
    m->numbers = stored ? NULL : range_numbers(r, m->value);
    if ((!stored && !m->numbers) || m->width > CHUNK)
        return false;
    Summing s = {.r = r, .m = m, .c = c, .out = out};
    s.turned = stored && m->groups == 1 && m->rows <= CHUNK && m->width <= MOST_TERMS &&
               r->weights->lies_turned && r->weights->lies_turned(r->weights->context, &l->weight);
    return sum_matrix(r, &s);
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
    if (!all_rows(r, &(Matrix){rows, width, groups, w, NULL}, &c, sums))
        return;
    set_rows(r, op->result[0], sums, bias, rows);
    Bound *b = op->result[0]->mark;
    b->factor = x->factor;
    b->weights_larger = b->likely_sum / (x->likely * sqrt((double)width)) > x->likely / RANGE_SIGMAS;
}

/* ---- matmul ---- */

void bound_matmul(Range *r, Op *op)
{
    Value *vx = op_arg(op, "x");
    const Bound *x = bound_of(r, vx), *y = bound_of(r, op_arg(op, "y"));
    bool turned = op_flag(op, "transpose_x", false);
    int rank = vx->type->rank;
    double terms = (double)vx->type->dim[turned && rank > 1 ? rank - 2 : rank - 1];
    bool weighted = x->sums_to_one && !turned;
    double most = weighted ? (1 + 0x1p-6) * bound_most(y) : terms * bound_most(x) * bound_most(y) * SLACK;
    double likely = weighted ? y->likely : sqrt(terms) * x->likely * y->likely / fmin(x->factor, y->factor);
    most = isnan(most) ? INFINITY : most;
    Bound *b = bound_new(r, op->result[0], interval_scale(interval_around(most), 1), likely);
    b->sum = most;
    b->likely_sum = fmin(isnan(likely) ? INFINITY : likely, most);
    b->products = true;
    b->factor = weighted ? y->factor : fmax(x->factor, y->factor);
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
