/* Nodes of the graph. Shapes are checked here first, in the user's words; op_infer has the last word. */
#include "frontend/anel/elaborate.h"

#include <string.h>

Type tensor_type(const AnelTensor *t)
{
    if (t->value)
        return *t->value->type;
    Type type = t->weight->declared;
    if (t->flipped) {
        type.dim[0] = t->weight->declared.dim[1];
        type.dim[1] = t->weight->declared.dim[0];
    }
    return type;
}

Value *tensor_value(Elab *e, const AnelTensor *t, Span at)
{
    if (t->value)
        return t->value;
    t->weight->used = true;
    return weight_value(e, t->weight, t->flipped, at);
}

Op *begin_op(Elab *e, OpCode code, Span at)
{
    e->ops++;
    return op_new(e->func, code, at);
}

AnelValue emit(Elab *e, Op *op, Span at)
{
    Error err;
    if (e->ops > MAX_OPS) {
        e->exhausted = true;
        return elab_error(e, at, "the model has more than %d operations", MAX_OPS);
    }
    if (!op_infer(op, op->spelling, &err)) {
        op_unlink(op);
        return elab_error(e, at, "%s", err.text);
    }
    if (!tokens_follow(e, op, at)) {
        op_unlink(op);
        return anel_error;
    }
    if (op->results == 1)
        return anel_tensor(e, op->result[0]);
    AnelValue *item = arena_many(&e->scratch, (size_t)op->results, AnelValue);
    for (int i = 0; i < op->results; i++)
        item[i] = anel_tensor(e, op->result[i]);
    return anel_list(item, op->results);
}

AnelValue emit_unary(Elab *e, OpCode code, const AnelTensor *x, Span at)
{
    Type t = tensor_type(x);
    if (!dtype_is_float(t.dtype))
        return elab_error(e, at, "this tensor holds whole numbers; write float(x)");
    Value *v = tensor_value(e, x, at);
    Op *op = begin_op(e, code, at);
    op_set(op, "x", v);
    return emit(e, op, at);
}

AnelValue emit_reshape(Elab *e, const AnelTensor *x, int rank, const int64_t *dims, Span at)
{
    Value *v = tensor_value(e, x, at);
    Op *op = begin_op(e, OP_RESHAPE, at);
    op_set(op, "x", v);
    op_set(op, "shape", inline_ints(e->module, dims, rank));
    return emit(e, op, at);
}

AnelValue emit_transpose(Elab *e, const AnelTensor *x, const int64_t *perm, Span at)
{
    Value *v = tensor_value(e, x, at);
    Op *op = begin_op(e, OP_TRANSPOSE, at);
    op_set(op, "x", v);
    op_set(op, "perm", inline_ints(e->module, perm, v->type->rank));
    return emit(e, op, at);
}

/* ---- elementwise operators ---- */

/* The dtype that both operands will have. */
static DType common_type(const AnelValue *a, const AnelValue *b)
{
    DType x = a->kind == ANEL_TENSOR ? tensor_type(a->tensor).dtype : DT_NONE;
    DType y = b->kind == ANEL_TENSOR ? tensor_type(b->tensor).dtype : DT_NONE;
    return x == DT_NONE ? y : y == DT_NONE || x == y ? x : DT_NONE;
}

static Value *operand(Elab *e, const AnelValue *v, DType type, Span at)
{
    if (v->kind == ANEL_TENSOR)
        return tensor_value(e, v->tensor, at);
    if (dtype_is_float(type))
        return inline_float(e->module, type, number_of(v));
    int64_t i;
    if (as_int(v, &i) && i >= INT32_MIN && i <= INT32_MAX)
        return inline_int(e->module, i);
    elab_error(e, at, "whole numbers and %s do not mix; write float(x)", describe(e, v));
    return NULL;
}

static bool shapes_fit(Elab *e, const char *verb, const AnelValue *a, const AnelValue *b, Span at)
{
    if (a->kind != ANEL_TENSOR || b->kind != ANEL_TENSOR)
        return true;
    Type x = tensor_type(a->tensor), y = tensor_type(b->tensor), out;
    if (dims_broadcast(&x, &y, &out))
        return true;
    elab_error(e, at, "cannot %s %s and %s: counted from the right, lengths must be equal or 1", verb,
               dims_string(e, &x), dims_string(e, &y));
    return false;
}

AnelValue emit_elementwise(Elab *e, OpCode code, const char *verb, const AnelValue *a, const AnelValue *b,
                           Span at)
{
    DType type = common_type(a, b);
    if (type == DT_NONE)
        return elab_error(e, at, "cannot %s a tensor of whole numbers and one of others; write float(x)",
                          verb);
    if (!shapes_fit(e, verb, a, b, at))
        return anel_error;
    Value *x = operand(e, a, type, at), *y = operand(e, b, type, at);
    if (!x || !y)
        return anel_error;
    Op *op = begin_op(e, code, at);
    op_set(op, "x", x);
    op_set(op, "y", y);
    return emit(e, op, at);
}

static const struct {
    const char *operator, * verb;
    OpCode code;
} operators[] = {
    {"+", "add", OP_ADD},         {"-", "subtract", OP_SUB}, {"*", "multiply", OP_MUL},
    {"/", "divide", OP_REAL_DIV}, {"**", "raise", OP_POW},
};

/* Division by a number is multiplication by its inverse: one form less for the passes to know. */
static AnelValue divide_by_number(Elab *e, const AnelValue *a, const AnelValue *b, Span at)
{
    if (number_of(b) == 0)
        return elab_error(e, at, "division by zero");
    AnelValue inverse = anel_float(1 / number_of(b));
    return emit_elementwise(e, OP_MUL, "divide", a, &inverse, at);
}

static bool is_truth(const AnelValue *v)
{
    return v->kind == ANEL_TENSOR && tensor_type(v->tensor).dtype == DT_BOOL;
}

AnelValue emit_comparison(Elab *e, const char *operator, const AnelValue * a, const AnelValue *b, Span at)
{
    OpCode code = strcmp(operator, "<") == 0    ? OP_LESS
                  : strcmp(operator, "<=") == 0 ? OP_LESS_EQUAL
                  : strcmp(operator, ">") == 0  ? OP_GREATER
                                                : OP_GREATER_EQUAL;
    if (is_truth(a) || is_truth(b))
        return elab_error(e, at, "'%s' compares numbers, and this tensor is a comparison itself", operator);
    return emit_elementwise(e, code, "compare", a, b, at);
}

AnelValue emit_arithmetic(Elab *e, const char *operator, const AnelValue * a, const AnelValue *b, Span at)
{
    if (is_truth(a) || is_truth(b))
        return elab_error(e, at,
                          "a comparison of tensors is for where(condition, a, b); float(x) is 0 and 1 of it");
    bool wholes = !dtype_is_float(common_type(a, b));
    if (strcmp(operator, "/") == 0 && wholes)
        return elab_error(e, at, "tensors of whole numbers are not divided; write float(x)");
    if (strcmp(operator, "/") == 0 && b->kind != ANEL_TENSOR)
        return divide_by_number(e, a, b, at);
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (strcmp(operators[i].operator, operator) == 0)
            return emit_elementwise(e, operators[i].code, operators[i].verb, a, b, at);
    return elab_error(e, at, "'%s' is for numbers, not for tensors", operator);
}
