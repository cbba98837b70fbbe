/* Elementwise ops of one operand, of two with broadcasting, and select. */
#include <math.h>
#include <string.h>

#include "runtime/eval/eval.h"

/* ---- one operand; a and b are the op's own numbers ---- */

typedef double Unary(double x, double a, double b);

static bool map(const EvalCall *c, Unary *f, double a, double b)
{
    const Tensor *x = c->operand[0][0];
    Tensor *out = c->result[0];
    for (int64_t i = 0; i < out->count; i++) {
        double v = tensor_get(x, i);
        tensor_put(out, i, c->engine ? engine_map(c->engine, c->op->code, f, v, a, b) : f(v, a, b));
    }
    return true;
}

#define UNARY(name, expression)                                                                              \
    static double name##_of(double x, double a, double b)                                                    \
    {                                                                                                        \
        return expression;                                                                                   \
    }                                                                                                        \
    bool eval_##name(const EvalCall *c, Error *err)                                                          \
    {                                                                                                        \
        return map(c, name##_of, 0, 0);                                                                      \
    }

UNARY(abs, fabs(x))
UNARY(acos, acos(x))
UNARY(asin, asin(x))
UNARY(atan, atan(x))
UNARY(atanh, atanh(x))
UNARY(ceil, ceil(x))
UNARY(cos, cos(x))
UNARY(cosh, cosh(x))
UNARY(erf, erf(x))
UNARY(exp, exp(x))
UNARY(exp2, exp2(x))
UNARY(floor, floor(x))
UNARY(logical_not, x == 0)
UNARY(relu, x > 0 ? x : x != x ? x : 0)
UNARY(relu6, x > 6 ? 6 : x > 0 ? x : x != x ? x : 0)
UNARY(round, rint(x)) /* half to even */
UNARY(sigmoid, 1 / (1 + exp(-x)))
UNARY(sign, x > 0 ? 1 : x < 0 ? -1 : x)
UNARY(silu, x / (1 + exp(-x)))
UNARY(sin, sin(x))
UNARY(sinh, sinh(x))
UNARY(softplus, x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)))
UNARY(softsign, x / (1 + fabs(x)))
UNARY(sqrt, sqrt(x))
UNARY(square, x *x)
UNARY(tan, tan(x))
UNARY(tanh, tanh(x))

static double clip_of(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

bool eval_clip(const EvalCall *c, Error *err)
{
    return map(c, clip_of, call_number(c, "alpha", 0), call_number(c, "beta", 0));
}

static double elu_of(double x, double alpha, double unused)
{
    return x > 0 ? x : alpha * expm1(x);
}

bool eval_elu(const EvalCall *c, Error *err)
{
    return map(c, elu_of, call_number(c, "alpha", 1), 0);
}

static double leaky_relu_of(double x, double alpha, double unused)
{
    return x >= 0 ? x : alpha * x;
}

bool eval_leaky_relu(const EvalCall *c, Error *err)
{
    return map(c, leaky_relu_of, call_number(c, "alpha", 0.01), 0);
}

#define TWO_NUMBERS(name, expression, alpha, beta)                                                           \
    static double name##_of(double x, double a, double b)                                                    \
    {                                                                                                        \
        return expression;                                                                                   \
    }                                                                                                        \
    bool eval_##name(const EvalCall *c, Error *err)                                                          \
    {                                                                                                        \
        return map(c, name##_of, call_number(c, "alpha", alpha), call_number(c, "beta", beta));              \
    }

/* a is alpha, b is beta */
TWO_NUMBERS(clamped_relu, fmin(b, x >= 0 ? x : a * x), 0, 0)
TWO_NUMBERS(linear_activation, a *x + b, 1, 0)
TWO_NUMBERS(scaled_tanh, a *tanh(b *x), 1, 1)
TWO_NUMBERS(sigmoid_hard, fmin(fmax(a *x + b, 0), 1), 0.2, 0.5)
TWO_NUMBERS(threshold, fmax(x, a), 0, 0)
TWO_NUMBERS(thresholded_relu, x >= a ? x : 0, 1, 0)

static double inverse_of(double x, double epsilon, double unused)
{
    return 1 / (x + epsilon);
}

bool eval_inverse(const EvalCall *c, Error *err)
{
    return map(c, inverse_of, call_number(c, "epsilon", 1e-4f), 0);
}

static double log_of(double x, double epsilon, double unused)
{
    return log(x + epsilon);
}

bool eval_log(const EvalCall *c, Error *err)
{
    return map(c, log_of, call_number(c, "epsilon", 1e-45f), 0);
}

static double rsqrt_of(double x, double epsilon, double unused)
{
    return 1 / sqrt(x + epsilon);
}

bool eval_rsqrt(const EvalCall *c, Error *err)
{
    return map(c, rsqrt_of, call_number(c, "epsilon", 1e-12f), 0);
}

static double gelu_exact(double x, double a, double b)
{
    return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
}

static double gelu_tanh(double x, double a, double b)
{
    return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

static double gelu_sigmoid(double x, double a, double b)
{
    return x / (1 + exp(-1.702 * x));
}

bool eval_gelu(const EvalCall *c, Error *err)
{
    const char *mode = call_string(c, "mode", "EXACT");
    if (strcmp(mode, "EXACT") == 0)
        return map(c, gelu_exact, 0, 0);
    if (strcmp(mode, "TANH_APPROXIMATION") == 0)
        return map(c, gelu_tanh, 0, 0);
    if (strcmp(mode, "SIGMOID_APPROXIMATION") == 0)
        return map(c, gelu_sigmoid, 0, 0);
    return call_error(c, err, "there is no mode \"%.40s\"", mode);
}

/* ---- two operands ---- */

typedef double Real(double x, double y);
typedef int64_t Whole(int64_t x, int64_t y);

static bool zip(const EvalCall *c, Real *real, Whole *whole)
{
    const Tensor *x = c->operand[0][0], *y = c->operand[1][0];
    Tensor *out = c->result[0];
    bool reals = !whole || tensor_is_float(x) || tensor_is_float(y);
    Cursor at;
    cursor_begin(&at, out->rank, out->dim);
    cursor_broadcast(&at, x);
    cursor_broadcast(&at, y);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        if (reals)
            tensor_put(out, i, real(tensor_get(x, at.at[0]), tensor_get(y, at.at[1])));
        else
            tensor_put_int(out, i, whole(tensor_get_int(x, at.at[0]), tensor_get_int(y, at.at[1])));
    }
    return true;
}

#define BINARY(name, expression_real, expression_whole)                                                      \
    static double name##_real(double x, double y)                                                            \
    {                                                                                                        \
        return expression_real;                                                                              \
    }                                                                                                        \
    static int64_t name##_whole(int64_t x, int64_t y)                                                        \
    {                                                                                                        \
        return expression_whole;                                                                             \
    }                                                                                                        \
    bool eval_##name(const EvalCall *c, Error *err)                                                          \
    {                                                                                                        \
        return zip(c, name##_real, name##_whole);                                                            \
    }

/* Unsigned, so that what overflows wraps around. */
#define WRAP(x, operator, y) ((int64_t)((uint64_t)(x) operator(uint64_t)(y)))

/* Floor division has the remainder take the divisor's sign; by zero gives 0 (there is no better integer).
 * INT64_MIN / -1 overflows, and cannot come from 32 bits. */
static int64_t floor_quotient(int64_t x, int64_t y)
{
    if (y == 0 || (y == -1 && x == INT64_MIN))
        return 0;
    return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

static double floor_remainder(double x, double y)
{
    double r = fmod(x, y);
    return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static int64_t cut_quotient(int64_t x, int64_t y)
{
    return y == 0 || (y == -1 && x == INT64_MIN) ? 0 : x / y;
}

static int64_t whole_power(int64_t x, int64_t y)
{
    if (y < 0)
        return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;
    int64_t power = 1;
    for (; y; y >>= 1, x = WRAP(x, *, x))
        if (y & 1)
            power = WRAP(power, *, x);
    return power;
}

BINARY(add, x + y, WRAP(x, +, y))
BINARY(sub, x - y, WRAP(x, -, y))
BINARY(mul, x *y, WRAP(x, *, y))
BINARY(real_div, x / y, cut_quotient(x, y))
BINARY(floor_div, floor(x / y), floor_quotient(x, y))
BINARY(mod, floor_remainder(x, y), y == 0 ? 0 : x - floor_quotient(x, y) * y)
BINARY(pow, pow(x, y), whole_power(x, y))
BINARY(maximum, x != x || x > y ? x : y, x > y ? x : y)
BINARY(minimum, x != x || x < y ? x : y, x < y ? x : y)
BINARY(equal, x == y, x == y)
BINARY(not_equal, x != y, x != y)
BINARY(greater, x > y, x > y)
BINARY(greater_equal, x >= y, x >= y)
BINARY(less, x < y, x < y)
BINARY(less_equal, x <= y, x <= y)
BINARY(logical_and, x != 0 && y != 0, x &&y)
BINARY(logical_or, x != 0 || y != 0, x || y)
BINARY(logical_xor, (x != 0) != (y != 0), !x != !y)

bool eval_select(const EvalCall *c, Error *err)
{
    const Tensor *cond = call_operand(c, "cond"), *a = call_operand(c, "a"), *b = call_operand(c, "b");
    Tensor *out = c->result[0];
    Cursor at;
    cursor_begin(&at, out->rank, out->dim);
    cursor_broadcast(&at, cond);
    cursor_broadcast(&at, a);
    cursor_broadcast(&at, b);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        bool first = tensor_get_int(cond, at.at[0]) != 0;
        tensor_move(out, i, first ? a : b, at.at[first ? 1 : 2], 1);
    }
    return true;
}
