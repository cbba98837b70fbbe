/* Primitives that reduce and compare, and those on values that are known when a model is compiled. */
#include "frontend/anel/elaborate.h"

#include <math.h>
#include <string.h>

/* ---- reductions ---- */

static AnelValue reduce(Elab *e, Call *c, OpCode code)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    bool keep;
    int axis;
    if (!x)
        return anel_error;
    Type t = tensor_type(x);
    if (!dtype_is_float(t.dtype))
        return elab_error(e, c->at[0], "%s: this tensor holds whole numbers; write float(x)", c->name);
    if (!arg_axis(e, c, 1, -1, t.rank, &axis) || !arg_flag(e, c, 2, true, &keep))
        return anel_error;
    int64_t axes[1] = {axis == t.rank - 1 ? -1 : axis};
    Value *v = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, code, c->span);
    op_set(op, "x", v);
    op_set(op, "axes", inline_ints(e->module, axes, 1));
    op_set(op, "keep_dims", inline_bool(e->module, keep));
    return emit(e, op, c->span);
}

AnelValue primitive_sum(Elab *e, Call *c)
{
    return reduce(e, c, OP_REDUCE_SUM);
}

AnelValue primitive_mean(Elab *e, Call *c)
{
    return reduce(e, c, OP_REDUCE_MEAN);
}

AnelValue primitive_reduce_max(Elab *e, Call *c)
{
    return reduce(e, c, OP_REDUCE_MAX);
}

AnelValue primitive_reduce_min(Elab *e, Call *c)
{
    return reduce(e, c, OP_REDUCE_MIN);
}

/* ---- elementwise ---- */

static AnelValue extreme(Elab *e, Call *c, OpCode code, bool want_less)
{
    const AnelValue *a = &c->arg[0], *b = &c->arg[1];
    if (is_number(a) && is_number(b))
        return (number_of(a) < number_of(b)) == want_less ? *a : *b;
    for (int i = 0; i < 2; i++)
        if (c->arg[i].kind != ANEL_TENSOR && !is_number(&c->arg[i]))
            return elab_error(e, c->at[i], "%s is for numbers and tensors, not for %s", c->name,
                              describe(e, &c->arg[i]));
    return emit_elementwise(e, code, "compare", a, b, c->span);
}

AnelValue primitive_min(Elab *e, Call *c)
{
    return extreme(e, c, OP_MINIMUM, true);
}

AnelValue primitive_max(Elab *e, Call *c)
{
    return extreme(e, c, OP_MAXIMUM, false);
}

AnelValue primitive_clip(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    double low, high;
    if (!x || !arg_number(e, c, 1, 0, &low) || !arg_number(e, c, 2, 0, &high))
        return anel_error;
    Type t = tensor_type(x);
    if (!dtype_is_float(t.dtype) || low > high)
        return elab_error(e, c->span, "clip: takes a tensor that is not of whole numbers, and low <= high");
    Value *v = tensor_value(e, x, c->at[0]);
    Op *op = begin_op(e, OP_CLIP, c->span);
    op_set(op, "x", v);
    op_set(op, "alpha", inline_float(e->module, t.dtype, low));
    op_set(op, "beta", inline_float(e->module, t.dtype, high));
    return emit(e, op, c->span);
}

/* A number or a tensor of floats as an operand; NULL after an error. */
static Value *choice(Elab *e, Call *c, int i)
{
    if (is_number(&c->arg[i]))
        return inline_float(e->module, DT_FP32, number_of(&c->arg[i]));
    AnelTensor *x = arg_tensor(e, c, i);
    if (!x)
        return NULL;
    if (dtype_is_float(tensor_type(x).dtype))
        return tensor_value(e, x, c->at[i]);
    elab_error(e, c->at[i], "where: this tensor holds no floats; write float(x)");
    return NULL;
}

AnelValue primitive_where(Elab *e, Call *c)
{
    AnelTensor *condition = arg_tensor(e, c, 0);
    if (!condition)
        return anel_error;
    if (tensor_type(condition).dtype != DT_BOOL)
        return elab_error(e, c->at[0],
                          "where: the condition is a comparison of tensors, such as x > 0, not %s",
                          describe(e, &c->arg[0]));
    Value *a = choice(e, c, 1), *b = a ? choice(e, c, 2) : NULL;
    if (!b)
        return anel_error;
    Op *op = begin_op(e, OP_SELECT, c->span);
    op_set(op, "cond", tensor_value(e, condition, c->at[0]));
    op_set(op, "a", a);
    op_set(op, "b", b);
    return emit(e, op, c->span);
}

static AnelValue whole_part(Elab *e, Call *c, OpCode code, double (*round_to)(double))
{
    if (c->arg[0].kind == ANEL_TENSOR)
        return emit_unary(e, code, c->arg[0].tensor, c->span);
    if (!is_number(&c->arg[0]))
        return elab_error(e, c->at[0], "%s is for a tensor or a number, not for %s", c->name,
                          describe(e, &c->arg[0]));
    double d = round_to(number_of(&c->arg[0]));
    if (fabs(d) > (double)MAX_INT)
        return elab_error(e, c->span, "the result is too large");
    return anel_int((int64_t)d);
}

AnelValue primitive_floor(Elab *e, Call *c)
{
    return whole_part(e, c, OP_FLOOR, floor);
}

AnelValue primitive_ceil(Elab *e, Call *c)
{
    return whole_part(e, c, OP_CEIL, ceil);
}

/* ---- conversions ---- */

AnelValue primitive_float(Elab *e, Call *c)
{
    if (is_number(&c->arg[0]))
        return anel_float(number_of(&c->arg[0]));
    AnelTensor *x = arg_tensor(e, c, 0);
    if (!x)
        return anel_error;
    Value *v = tensor_value(e, x, c->at[0]);
    if (dtype_is_float(v->type->dtype))
        return c->arg[0];
    Op *op = begin_op(e, OP_CAST, c->span);
    op_set(op, "x", v);
    op_set(op, "dtype", inline_string(e->module, "fp32"));
    return emit(e, op, c->span);
}

/* Towards zero, as in Python. */
AnelValue primitive_int(Elab *e, Call *c)
{
    if (!is_number(&c->arg[0]) || fabs(number_of(&c->arg[0])) > (double)MAX_INT)
        return elab_error(e, c->at[0], "int is for a number up to 2^53, not for %s", describe(e, &c->arg[0]));
    return anel_int((int64_t)number_of(&c->arg[0]));
}

AnelValue primitive_len(Elab *e, Call *c)
{
    if (c->arg[0].kind != ANEL_LIST)
        return elab_error(e, c->at[0], "len is for a list, not for %s", describe(e, &c->arg[0]));
    return anel_int(c->arg[0].list.count);
}

AnelValue primitive_shape(Elab *e, Call *c)
{
    AnelTensor *x = arg_tensor(e, c, 0);
    if (!x)
        return anel_error;
    Type t = tensor_type(x);
    AnelValue *item = arena_many(&e->scratch, (size_t)t.rank, AnelValue);
    for (int i = 0; i < t.rank; i++)
        item[i] = anel_int(t.dim[i]);
    return anel_list(item, t.rank);
}

/* Numbers of the model text as a constant [n]. */
AnelValue primitive_tensor(Elab *e, Call *c)
{
    const AnelValue *list = &c->arg[0];
    if (list->kind != ANEL_LIST || !list->list.count)
        return elab_error(e, c->at[0], "tensor takes a list of numbers, not %s", describe(e, list));
    int64_t count = list->list.count;
    double *numbers = arena_many(&e->scratch, (size_t)count, double);
    for (int i = 0; i < count; i++) {
        if (!is_number(&list->list.item[i]))
            return elab_error(e, c->at[0], "tensor takes a list of numbers, but one is %s",
                              describe(e, &list->list.item[i]));
        numbers[i] = number_of(&list->list.item[i]);
    }
    Type t = type_tensor(DT_FP32, 1, &count);
    e->ops++;
    Value *v = const_value(e->func, NULL, func_fresh_name(e->func, "table"), &t,
                           literal_floats(&e->module->arena, numbers, (size_t)count));
    v->span = v->def->span = c->span;
    return anel_tensor(e, v);
}

AnelValue primitive_ignore(Elab *e, Call *c)
{
    const AnelValue *prefix = &c->arg[0];
    if (prefix->kind != ANEL_TEXT || !*prefix->text)
        return elab_error(e, c->at[0], "ignore takes what names of tensors begin with, not %s",
                          describe(e, prefix));
    const char *text = arena_str(&e->module->arena, prefix->text, strlen(prefix->text));
    arena_push(&e->scratch, e->ignore, e->ignored, e->ignored_cap, text);
    return anel_none;
}

AnelValue primitive_assert(Elab *e, Call *c)
{
    if (c->arg[0].kind != ANEL_BOOL)
        return elab_error(e, c->at[0], "a condition is true or false, not %s", describe(e, &c->arg[0]));
    if (c->given[1] && c->arg[1].kind != ANEL_TEXT)
        return elab_error(e, c->at[1], "the message of assert is a text, not %s", describe(e, &c->arg[1]));
    if (!c->arg[0].boolean)
        return elab_error(e, c->span, "%s", c->given[1] ? c->arg[1].text : "this does not hold");
    return anel_none;
}
