#include "ir/cost.h"

#include "ir/type.h"

static double elements(const Type *t)
{
    int64_t n = t->kind == TY_TENSOR || t->kind == TY_STATE ? type_elements(t) : 0;
    return n > 0 ? (double)n : 0;
}

static bool known(const Type *t)
{
    return t->kind != TY_TENSOR || type_elements(t) >= 0;
}

static const Type *type_of(const Op *op, const char *key)
{
    const Value *v = op_arg(op, key);
    return v ? v->type : NULL;
}

/* The length that a matmul sums over. */
static double inner_length(const Op *op)
{
    const Type *x = type_of(op, "x");
    bool turned = false;
    if (op_arg(op, "transpose_x"))
        arg_bool(op, "transpose_x", &turned);
    int axis = x ? x->rank - (turned && x->rank > 1 ? 2 : 1) : -1;
    return axis >= 0 && x->dim[axis] > 0 ? (double)x->dim[axis] : 0;
}

/* A convolution's output element sums over a filter: all axes of the weight but the first. */
static double filter_size(const Op *op)
{
    const Type *w = type_of(op, "weight");
    return w && w->rank > 1 && w->dim[0] > 0 ? elements(w) / (double)w->dim[0] : 0;
}

double op_flops(const Op *op)
{
    double out = op->results ? elements(op->result[0]->type) : 0;
    if (op_info(op->code)->flags & F_CONST)
        return 0;
    switch (op->code) {
    case OP_MATMUL:
    case OP_LINEAR: return 2 * out * inner_length(op);
    case OP_CONV: return 2 * out * filter_size(op);
    case OP_SOFTMAX: return 4 * out;
    case OP_LAYER_NORM: return 7 * out;
    case OP_RESHAPE:
    case OP_TRANSPOSE:
    case OP_CAST:
    case OP_CONCAT:
    case OP_SLICE_BY_SIZE:
    case OP_SLICE_UPDATE:
    case OP_READ_STATE:
    case OP_WRITE_STATE:
    case OP_GATHER: return 0;
    default: return out;
    }
}

/* Bytes of a constant in a file; a table that is looked up counts as one row for each index. */
static double weight_bytes_of(const Value *v, const Op *user)
{
    const Literal *l = value_literal(v);
    if (!l || (l->kind != LIT_BLOB && l->kind != LIT_WEIGHT) || type_elements(v->type) <= 0)
        return 0;
    if (user->code == OP_GATHER && op_arg(user, "x") == v && user->results) {
        double rows = elements(user->result[0]->type) / elements(v->type);
        return (double)type_bytes(v->type) * rows;
    }
    return (double)type_bytes(v->type);
}

static double port_bytes(const Value *v)
{
    int64_t n = known(v->type) && v->type->kind == TY_TENSOR ? type_bytes(v->type) : 0;
    return n > 0 ? (double)n : 0;
}

Cost func_cost(const Func *f)
{
    Cost c = {.exact = true};
    for (const Op *op = f->first; op; op = op->next) {
        if (op->code == OP_CONST)
            continue;
        c.flops += op_flops(op);
        c.exact &= !op->results || known(op->result[0]->type);
        FOR_EACH_ARG(op, slot)
            c.weight_bytes += weight_bytes_of(*slot, op);
    }
    for (int i = 0; i < f->params; i++)
        c.activation_bytes += port_bytes(f->param[i]);
    for (int i = 0; i < f->outputs; i++)
        c.activation_bytes += port_bytes(f->output[i]);
    return c;
}
