/* Tokens stay apart. In prefill a bucket holds padding behind the prompt, and later tokens beside earlier
 * ones; in decode there is one token. So nothing may be summed up over S at all, and over T (the keys) only
 * what `causal` has hidden the others from. Each value with keys says what it has where a key is hidden: */
#include "frontend/anel/elaborate.h"

#include <stdint.h>

typedef enum Hidden {
    HIDDEN_ANY,     /* some number: the key counts */
    HIDDEN_MASKED,  /* a large negative one */
    HIDDEN_ZERO,    /* 0 */
    HIDDEN_SPOILED, /* it was masked, but something made it an ordinary number again */
} Hidden;

static Hidden hidden_of(const Value *v)
{
    return v ? (Hidden)(uintptr_t)v->mark : HIDDEN_ANY;
}

static bool is_tokens(int64_t dim)
{
    return dim == DIM_S || dim == DIM_T;
}

/* ---- what elementwise ops leave ---- */

/* A product keeps -10000 large where all factors are at least this. */
static const double LEAST_FACTOR = 0.01;

static bool keeps_mask(const Value *factor)
{
    const Literal *l = value_literal(factor);
    if (!l || l->kind != LIT_FLOAT)
        return false;
    for (size_t i = 0; i < l->count; i++)
        if (l->floats[i] < LEAST_FACTOR)
            return false;
    return true;
}

static Hidden hidden_product(const Op *op)
{
    const Value *x = op_arg(op, "x"), *y = op_arg(op, "y");
    Hidden a = hidden_of(x), b = hidden_of(y);
    if (a == HIDDEN_ZERO || b == HIDDEN_ZERO)
        return HIDDEN_ZERO;
    if ((a == HIDDEN_MASKED && keeps_mask(y)) || (b == HIDDEN_MASKED && keeps_mask(x)))
        return HIDDEN_MASKED;
    return a || b ? HIDDEN_SPOILED : HIDDEN_ANY;
}

static Hidden hidden_sum(const Op *op)
{
    Hidden a = hidden_of(op_arg(op, "x")), b = hidden_of(op_arg(op, "y"));
    if (a == b)
        return op->code == OP_SUB && a == HIDDEN_MASKED ? HIDDEN_SPOILED : a;
    if (a == HIDDEN_MASKED || (op->code == OP_ADD && b == HIDDEN_MASKED))
        return HIDDEN_MASKED;
    return a == HIDDEN_ANY && b == HIDDEN_ZERO   ? HIDDEN_ANY
           : b == HIDDEN_ANY && a == HIDDEN_ZERO ? HIDDEN_ANY
                                                 : HIDDEN_SPOILED;
}

static Hidden hidden_unary(const Op *op, Hidden x)
{
    if (x == HIDDEN_ANY || x == HIDDEN_SPOILED)
        return x;
    switch (op->code) {
    case OP_CAST: return x;
    case OP_RELU:
    case OP_SILU:
    case OP_GELU: return HIDDEN_ZERO;
    case OP_EXP:
    case OP_SIGMOID:
    case OP_SOFTPLUS: return x == HIDDEN_MASKED ? HIDDEN_ZERO : HIDDEN_SPOILED;
    case OP_ABS:
    case OP_ERF:
    case OP_SIN:
    case OP_SQRT:
    case OP_SQUARE:
    case OP_TANH: return x == HIDDEN_ZERO ? x : HIDDEN_SPOILED;
    default: return HIDDEN_SPOILED;
    }
}

/* What all operands have; else it is spoiled. */
static Hidden hidden_common(const Op *op)
{
    Hidden common = HIDDEN_ANY;
    bool first = true;
    for (int i = 0; i < op->args; i++)
        for (int k = 0; k < op->arg[i].count; k++) {
            const Value *v = op->arg[i].values[k];
            if (value_is_const(v))
                continue;
            Hidden h = hidden_of(v);
            common = first || h == common ? h : HIDDEN_SPOILED;
            first = false;
        }
    return common;
}

/* What a choice has where a key is hidden: a number may be as good as a mask. */
static Hidden hidden_branch(const Op *op, const char *key)
{
    double number;
    if (arg_float(op, key, &number))
        return number == 0 ? HIDDEN_ZERO : number <= MASKED ? HIDDEN_MASKED : HIDDEN_ANY;
    return hidden_of(op_arg(op, key));
}

static Hidden hidden_choice(const Op *op)
{
    Hidden a = hidden_branch(op, "a"), b = hidden_branch(op, "b");
    bool known = value_is_const(op_arg(op, "a")) ? b == HIDDEN_ANY : a == HIDDEN_ANY;
    return a == b ? a : known ? HIDDEN_ANY : HIDDEN_SPOILED;
}

static Hidden hidden_after(const Op *op)
{
    switch (op->code) {
    case OP_CAUSAL: return HIDDEN_MASKED;
    case OP_ADD:
    case OP_SUB: return hidden_sum(op);
    case OP_MUL: return hidden_product(op);
    case OP_REAL_DIV: return hidden_of(op_arg(op, "x")) == HIDDEN_ZERO ? HIDDEN_ZERO : hidden_common(op);
    case OP_MINIMUM:
        return hidden_of(op_arg(op, "x")) == HIDDEN_MASKED || hidden_of(op_arg(op, "y")) == HIDDEN_MASKED
                   ? HIDDEN_MASKED
                   : hidden_common(op);
    case OP_SELECT: return hidden_choice(op);
    case OP_MAXIMUM:
    case OP_POW: return hidden_common(op) == HIDDEN_ANY ? HIDDEN_ANY : HIDDEN_SPOILED;
    default: break;
    }
    if (op_info(op->code)->flags & F_MOVE)
        return hidden_common(op);
    if (op_info(op->code)->flags & F_ELEMENTWISE)
        return hidden_unary(op, hidden_of(op_arg(op, "x")));
    return HIDDEN_ANY;
}

/* ---- what goes over tokens ---- */

/* As the language calls it. */
static const char *name_of(const Op *op)
{
    switch (op->code) {
    case OP_LAYER_NORM: return "normalize";
    case OP_REDUCE_SUM: return "sum";
    case OP_REDUCE_MEAN: return "mean";
    default: return op->spelling;
    }
}

static bool refuse(Elab *e, const Op *op, Span at, int64_t dim, Hidden hidden)
{
    if (dim == DIM_S)
        elab_error(
            e, at,
            "%s goes over the tokens (S): prefill has padding there, and decode one token at a time; tokens "
            "meet in attention only, over the keys (T) of a cache",
            name_of(op));
    else if (hidden == HIDDEN_SPOILED)
        elab_error(
            e, at,
            "%s goes over the keys (T), but what causal has hidden counts again: nothing but sums and scales "
            "may stand between causal and softmax (a soft cap comes before causal)",
            name_of(op));
    else
        elab_error(e, at,
                   "%s goes over the keys (T), and later tokens and padding are among them: hide them, as in "
                   "softmax(causal(scores))",
                   name_of(op));
    return false;
}

/* Whether op may go over this axis; `needs`: what x must have where a key is hidden. */
static bool may_go_over(Elab *e, const Op *op, const Value *x, int axis, Hidden needs, Span at)
{
    int64_t dim = x->type->dim[axis];
    Hidden hidden = hidden_of(x);
    if (!is_tokens(dim) || (dim == DIM_T && needs && hidden == needs))
        return true;
    return refuse(e, op, at, dim, hidden);
}

static bool check_axes(Elab *e, const Op *op, Hidden needs, Span at)
{
    const Value *x = op_arg(op, "x");
    int64_t axes[IR_MAX_RANK];
    int n = arg_ints(op, op->code == OP_SOFTMAX ? "axis" : "axes", axes, IR_MAX_RANK);
    for (int i = 0; i < n; i++)
        if (!may_go_over(e, op, x, (int)(axes[i] < 0 ? axes[i] + x->type->rank : axes[i]), needs, at))
            return false;
    return true;
}

/* The axis that is summed up has one length in both: one of them is 0 where a key is hidden. */
static bool check_matmul(Elab *e, const Op *op, Span at)
{
    const Value *x = op_arg(op, "x"), *y = op_arg(op, "y");
    int64_t dim = x->type->dim[x->type->rank - 1];
    if (!is_tokens(dim))
        return true;
    bool zero = hidden_of(x) == HIDDEN_ZERO || hidden_of(y) == HIDDEN_ZERO;
    bool spoiled = hidden_of(x) == HIDDEN_SPOILED || hidden_of(y) == HIDDEN_SPOILED;
    return (dim == DIM_T && zero) || refuse(e, op, at, dim, spoiled ? HIDDEN_SPOILED : HIDDEN_ANY);
}

static int axis_of(const Type *t, int64_t dim)
{
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] == dim)
            return i;
    return -1;
}

/* How many elements lie in front of an axis, as a number and other axes of tokens. */
static double before_axis(const Type *t, int64_t dim)
{
    double n = 1;
    for (int i = 0; i < t->rank && t->dim[i] != dim; i++)
        n *= is_tokens(t->dim[i]) ? 1e18 : (double)t->dim[i];
    return n;
}

/* Elements keep their token: as many lie in front of the tokens' axis as before. */
static bool check_reshape(Elab *e, const Op *op, Span at)
{
    static const int64_t symbols[] = {DIM_S, DIM_T};
    const Type *from = op_arg(op, "x")->type, *to = op->result[0]->type;
    for (int i = 0; i < 2; i++) {
        bool same = before_axis(from, symbols[i]) == before_axis(to, symbols[i]);
        if (same || axis_of(from, symbols[i]) < 0)
            continue;
        elab_error(
            e, at,
            "reshape: from %s to %s, elements of different tokens would change places; reshape keeps the "
            "order, transpose changes it: split_heads(x, n) is [S, n * d] -> [S, n, d] -> [n, S, d]",
            dims_string(e, from), dims_string(e, to));
        return false;
    }
    return true;
}

static bool check(Elab *e, const Op *op, Span at)
{
    switch (op->code) {
    case OP_SOFTMAX: {
        int64_t axis = -1;
        const Value *x = op_arg(op, "x");
        arg_int(op, "axis", &axis);
        return may_go_over(e, op, x, (int)(axis < 0 ? axis + x->type->rank : axis), HIDDEN_MASKED, at);
    }
    case OP_REDUCE_SUM: return check_axes(e, op, HIDDEN_ZERO, at);
    case OP_REDUCE_MAX: return check_axes(e, op, HIDDEN_MASKED, at);
    case OP_REDUCE_MEAN:
    case OP_REDUCE_MIN:
    case OP_LAYER_NORM: return check_axes(e, op, HIDDEN_ANY, at);
    case OP_MATMUL: return check_matmul(e, op, at);
    case OP_RESHAPE: return check_reshape(e, op, at);
    default: return true;
    }
}

/* Softmax and sums leave what they were given for other axes than their own. */
static Hidden hidden_result(const Op *op)
{
    if (op->code == OP_SOFTMAX) {
        int64_t axis = -1;
        const Value *x = op_arg(op, "x");
        arg_int(op, "axis", &axis);
        bool keys = x->type->dim[axis < 0 ? axis + x->type->rank : axis] == DIM_T;
        return keys ? HIDDEN_ZERO : hidden_of(x) == HIDDEN_ANY ? HIDDEN_ANY : HIDDEN_SPOILED;
    }
    if (op->code == OP_REDUCE_SUM && hidden_of(op_arg(op, "x")) == HIDDEN_ZERO)
        return HIDDEN_ZERO;
    return hidden_after(op);
}

bool tokens_follow(Elab *e, const Op *op, Span at)
{
    if (!check(e, op, at))
        return false;
    Hidden hidden = hidden_result(op);
    for (int i = 0; i < op->results; i++) {
        Value *v = op->result[i];
        v->mark = (void *)(uintptr_t)(axis_of(v->type, DIM_T) < 0 ? HIDDEN_ANY : hidden);
    }
    return true;
}

void tokens_clear(Func *f)
{
    for (Op *op = f->first; op; op = op->next)
        for (int i = 0; i < op->results; i++)
            op->result[i]->mark = NULL;
}
