#include "passes/interval.h"

#include <math.h>

#include "passes/match.h"

/* Tables of the engine are off by up to 6.6e-3, or 1.5e-2 times x (docs/numerics.md). */
static const double TABLE = 0.02;

Interval interval_all(void)
{
    return (Interval){-INFINITY, INFINITY};
}

Interval interval_around(double most)
{
    return (Interval){-most, most};
}

double interval_most(Interval x)
{
    return fmax(fabs(x.low), fabs(x.high));
}

Interval interval_join(Interval x, Interval y)
{
    return (Interval){fmin(x.low, y.low), fmax(x.high, y.high)};
}

Interval interval_within(Interval x, double most)
{
    Interval in = {fmax(x.low, -most), fmin(x.high, most)};
    return in.low <= in.high ? in : x;
}

/* What is stored was rounded: to 11 bits, or where it is below 2^-14 to 0. */
static Interval rounded(Interval x)
{
    const double part = 0x1p-10, least = 0x1p-13;
    if (isnan(x.low) || isnan(x.high) || x.low > x.high)
        return interval_all();
    x.low -= fabs(x.low) * part;
    x.high += fabs(x.high) * part;
    return (Interval){x.low > 0 && x.low < least ? 0 : x.low, x.high < 0 && x.high > -least ? 0 : x.high};
}

static Interval ordered(double a, double b)
{
    return (Interval){fmin(a, b), fmax(a, b)};
}

Interval interval_scale(Interval x, double factor)
{
    return factor == 0 ? (Interval){0, 0} : rounded(ordered(x.low * factor, x.high * factor));
}

/* ---- one operand ---- */

static double number_of(const Op *op, const char *key, double otherwise)
{
    double v = otherwise;
    return op_arg(op, key) && !arg_float(op, key, &v) ? NAN : v;
}

static Interval square_of(Interval x)
{
    double most = interval_most(x), least = x.low > 0 ? x.low : x.high < 0 ? -x.high : 0;
    return (Interval){least * least, most * most};
}

/* gelu and silu: down to `lowest` at some x < 0, and never above x where that is positive. */
static Interval gate_of(Interval x, double lowest)
{
    return (Interval){x.low >= 0 ? 0 : lowest, fmax(x.high, 0) * (1 + TABLE)};
}

/* 1 / x and 1 / sqrt(x): falling where x > 0. */
static Interval falling(double low, double high, bool root)
{
    if (!(low > 0))
        return interval_all();
    low = root ? sqrt(low) : low;
    high = root ? sqrt(high) : high;
    return (Interval){(1 - TABLE) / high, (1 + TABLE) / low};
}

static Interval log_of(const Op *op, Interval x)
{
    double epsilon = number_of(op, "epsilon", 1e-45);
    if (!(x.low + epsilon > 0))
        return interval_all();
    return (Interval){log(x.low + epsilon) - TABLE, log(x.high + epsilon) + TABLE};
}

static Interval table_of(double low, double high)
{
    return (Interval){low - TABLE, high + TABLE};
}

static Interval grown(double low, double high) /* by the error of exp's table */
{
    return (Interval){low * (1 - TABLE), high * (1 + TABLE)};
}

static Interval clamped(Interval x, double low, double high)
{
    return (Interval){fmin(fmax(x.low, low), high), fmin(fmax(x.high, low), high)};
}

static Interval slope_of(Interval x, double below) /* below 0 it is times `below` */
{
    return interval_join((Interval){fmax(x.low, 0), fmax(x.high, 0)},
                         ordered(fmin(x.low, 0) * below, fmin(x.high, 0) * below));
}

static Interval plain_unary(const Op *op, Interval x)
{
    double alpha = number_of(op, "alpha", 1), beta = number_of(op, "beta", 0);
    if (isnan(alpha) || isnan(beta))
        return interval_all();
    switch (op->code) {
    case OP_IDENTITY:
    case OP_CAST: return x;
    case OP_ABS: return (Interval){x.low > 0 ? x.low : x.high < 0 ? -x.high : 0, interval_most(x)};
    case OP_CEIL: return (Interval){x.low, ceil(x.high)};
    case OP_FLOOR: return (Interval){floor(x.low), x.high};
    case OP_ROUND: return (Interval){rint(x.low), rint(x.high)};
    case OP_SIGN: return (Interval){x.low < 0 ? -1 : 0, x.high > 0 ? 1 : 0};
    case OP_RELU: return (Interval){fmax(x.low, 0), fmax(x.high, 0)};
    case OP_RELU6: return clamped(x, 0, 6);
    case OP_CLIP: return clamped(x, alpha, beta);
    case OP_LEAKY_RELU: return slope_of(x, number_of(op, "alpha", 0.01));
    case OP_LINEAR_ACTIVATION: return ordered(alpha * x.low + beta, alpha * x.high + beta);
    case OP_THRESHOLD: return (Interval){fmax(x.low, alpha), fmax(x.high, alpha)};
    case OP_SQUARE: return square_of(x);
    default: return interval_all();
    }
}

/* Of those that come from a table. */
static Interval table_unary(const Op *op, Interval x)
{
    double epsilon = number_of(op, "epsilon", op->code == OP_RSQRT ? 1e-12 : 1e-4);
    switch (op->code) {
    case OP_SIGMOID: return table_of(0, 1);
    case OP_COS:
    case OP_SIN:
    case OP_SOFTSIGN: return table_of(-1, 1);
    case OP_TANH: return table_of(tanh(x.low), tanh(x.high));
    case OP_ERF: return table_of(erf(x.low), erf(x.high));
    case OP_ATAN: return table_of(atan(x.low), atan(x.high));
    case OP_EXP: return grown(exp(x.low), exp(x.high));
    case OP_EXP2: return grown(exp2(x.low), exp2(x.high));
    case OP_SOFTPLUS: return (Interval){0, fmax(x.high, 0) * (1 + TABLE) + 0.7};
    case OP_GELU: return gate_of(x, -0.18);
    case OP_SILU: return gate_of(x, -0.29);
    case OP_LOG: return log_of(op, x);
    case OP_SQRT: return x.low >= 0 ? grown(sqrt(x.low), sqrt(x.high)) : interval_all();
    case OP_RSQRT: return falling(x.low + epsilon, x.high + epsilon, true);
    case OP_INVERSE: return falling(x.low + epsilon, x.high + epsilon, false);
    default: return plain_unary(op, x);
    }
}

Interval interval_unary(const Op *op, Interval x)
{
    return rounded(table_unary(op, x));
}

/* ---- two operands ---- */

static double times(double a, double b)
{
    return a == 0 || b == 0 ? 0 : a * b; /* 0 stays 0, however large the other is */
}

static Interval product(Interval x, Interval y)
{
    double a = times(x.low, y.low), b = times(x.low, y.high), c = times(x.high, y.low),
           d = times(x.high, y.high);
    return (Interval){fmin(fmin(a, b), fmin(c, d)), fmax(fmax(a, b), fmax(c, d))};
}

static Interval quotient(Interval x, Interval y)
{
    if (y.low <= 0 && y.high >= 0)
        return interval_all();
    return product(x, (Interval){fmin(1 / y.low, 1 / y.high), fmax(1 / y.low, 1 / y.high)});
}

/* Of a constant power: rising where x >= 0, if the exponent is positive; even ones are as of |x|. */
static Interval power(Interval x, Interval y)
{
    double e = y.low;
    if (y.low != y.high)
        return interval_all();
    if (x.low < 0 && e > 0 && fmod(e, 2) == 0)
        x = (Interval){0, interval_most(x)};
    if (x.low < 0 && e > 0 && fmod(e, 2) == 1)
        return grown(-pow(-x.low, e) * (1 + 2 * TABLE), x.high < 0 ? 0 : pow(x.high, e));
    if (x.low < 0 || (x.low == 0 && e < 0))
        return interval_all();
    return e < 0 ? grown(pow(x.high, e), pow(x.low, e)) : grown(pow(x.low, e), pow(x.high, e));
}

static Interval binary_of(const Op *op, Interval x, Interval y)
{
    switch (op->code) {
    case OP_ADD: return (Interval){x.low + y.low, x.high + y.high};
    case OP_SUB: return (Interval){x.low - y.high, x.high - y.low};
    case OP_MUL: return product(x, y);
    case OP_REAL_DIV: return quotient(x, y);
    case OP_POW: return power(x, y);
    case OP_MAXIMUM: return (Interval){fmax(x.low, y.low), fmax(x.high, y.high)};
    case OP_MINIMUM: return (Interval){fmin(x.low, y.low), fmin(x.high, y.high)};
    case OP_SELECT: return interval_join(x, y);
    default: return interval_all();
    }
}

Interval interval_binary(const Op *op, Interval x, Interval y)
{
    return rounded(binary_of(op, x, y));
}
