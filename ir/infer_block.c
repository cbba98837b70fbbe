/* Rules of the ops with blocks. */
#include "ir/infer.h"

static bool same_value(const Type *a, const Type *b)
{
    if (a->kind != b->kind || a->dtype != b->dtype)
        return false;
    if (a->kind == TY_LIST)
        return same_value(a->element[0], b->element[0]) && dim_fits(a->list_length, b->list_length);
    return a->rank == b->rank;
}

/* What can be either: a length that differs is unknown. */
static Type either(const Type *a, const Type *b)
{
    Type t = *a;
    for (int i = 0; a->kind == TY_TENSOR && i < a->rank; i++)
        t.dim[i] = a->dim[i] == b->dim[i] ? a->dim[i] : DIM_UNKNOWN;
    if (a->kind == TY_LIST && a->list_length != b->list_length)
        t.list_length = DIM_UNKNOWN;
    return t;
}

static bool is_truth(const Type *t)
{
    return t->kind == TY_TENSOR && t->dtype == DT_BOOL && t->rank == 0;
}

static bool need_blocks(const Op *op, const char *which, Error *err)
{
    return op->blocks == 2 || infer_fail(op, err, "has %d blocks, expected two: %s", op->blocks, which) >= 0;
}

int infer_cond(const Op *op, Type *out, int limit, Error *err)
{
    const Type *pred = infer_type(op, "pred");
    if (!need_blocks(op, "of true and of false", err))
        return -1;
    const Func *yes = op->block[0], *no = op->block[1];
    if (!is_truth(pred))
        return infer_fail(op, err, "pred is %s, expected one bool", shown_type(pred).text);
    if (yes->params || no->params || yes->outputs != no->outputs || yes->outputs > limit)
        return infer_fail(op, err, "its blocks take nothing, and give as much as each other");
    for (int i = 0; i < yes->outputs; i++) {
        const Type *a = yes->output[i]->type, *b = no->output[i]->type;
        if (!same_value(a, b))
            return infer_fail(op, err, "output %d is %s or %s: the types must be the same", i,
                              shown_type(a).text, shown_type(b).text);
        out[i] = either(a, b);
    }
    return yes->outputs;
}

int infer_while_loop(const Op *op, Type *out, int limit, Error *err)
{
    const Arg *vars = op_find_arg(op, "loop_vars");
    if (!need_blocks(op, "the condition and the body", err))
        return -1;
    const Func *test = op->block[0], *body = op->block[1];
    if (test->params != vars->count || body->params != vars->count || body->outputs != vars->count ||
        vars->count > limit)
        return infer_fail(op, err, "there are %d loop_vars: its blocks take as many, and the body gives them",
                          vars->count);
    if (test->outputs != 1 || !is_truth(test->output[0]->type))
        return infer_fail(op, err, "the first block must give one bool");
    for (int i = 0; i < vars->count; i++) {
        const Type *now = vars->values[i]->type, *next = body->output[i]->type;
        if (!same_value(now, next) || !same_value(now, test->param[i]->type) ||
            !same_value(now, body->param[i]->type))
            return infer_fail(op, err, "loop variable %d is %s and becomes %s: the types must be the same", i,
                              shown_type(now).text, shown_type(next).text);
        out[i] = either(now, next);
    }
    return vars->count;
}
