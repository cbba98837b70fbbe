#include "runtime/eval/eval.h"

#include <stdarg.h>
#include <stdio.h>

static EvalFn *const table[OP_COUNT] = {
#define OP(id, spelling, opset, flags, infer, eval, operands, results) [OP_##id] = eval_##eval,
#include "ir/ops.def"
};

EvalFn *eval_function(OpCode code)
{
    return table[code] ? table[code] : eval_none;
}

Tensor *call_operand(const EvalCall *c, const char *name)
{
    int i = op_operand_index(c->op->code, name);
    return i >= 0 && i < c->operands && c->count[i] ? c->operand[i][0] : NULL;
}

double call_number(const EvalCall *c, const char *name, double otherwise)
{
    const Tensor *t = call_operand(c, name);
    return t && t->count ? tensor_get(t, 0) : otherwise;
}

int64_t call_int(const EvalCall *c, const char *name, int64_t otherwise)
{
    const Tensor *t = call_operand(c, name);
    return t && t->count ? tensor_get_int(t, 0) : otherwise;
}

bool call_bool(const EvalCall *c, const char *name, bool otherwise)
{
    return call_int(c, name, otherwise) != 0;
}

const char *call_string(const EvalCall *c, const char *name, const char *otherwise)
{
    const Tensor *t = call_operand(c, name);
    return t && t->store == DT_STRING ? t->string : otherwise;
}

bool call_axis(const EvalCall *c, const char *name, int64_t otherwise, int rank, int *axis, Error *err)
{
    int64_t v = call_int(c, name, otherwise);
    if (v < 0)
        v += rank;
    if (v < 0 || v >= rank)
        return call_error(c, err, "%s is out of range for a tensor of rank %d", name, rank);
    *axis = (int)v;
    return true;
}

bool call_error(const EvalCall *c, Error *err, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *name = c->op->results ? c->op->result[0]->name : NULL;
    return error_set(err, "%s%s%s: %s", c->op->spelling, name ? " " : "", name ? name : "", text);
}

/* ---- what is no computation ---- */

bool eval_const(const EvalCall *c, Error *err)
{
    return call_error(c, err, "a constant is resolved when the function is compiled");
}

bool eval_none(const EvalCall *c, Error *err)
{
    return call_error(c, err, "this op cannot be executed");
}

bool eval_cond(const EvalCall *c, Error *err)
{
    return call_error(c, err, "its blocks are for the interpreter");
}

bool eval_while_loop(const EvalCall *c, Error *err)
{
    return eval_cond(c, err);
}

static bool copy_first(const EvalCall *c, Error *err)
{
    const Tensor *x = c->operand[0][0];
    Tensor *out = c->result[0];
    if (x->count != out->count)
        return call_error(c, err, "%lld elements do not fill %lld", (long long)x->count,
                          (long long)out->count);
    tensor_move(out, 0, x, 0, out->count);
    return true;
}

bool eval_reshape(const EvalCall *c, Error *err)
{
    return copy_first(c, err);
}

bool eval_reshape_like(const EvalCall *c, Error *err)
{
    return copy_first(c, err);
}

bool eval_flatten2d(const EvalCall *c, Error *err)
{
    return copy_first(c, err);
}

bool eval_expand_dims(const EvalCall *c, Error *err)
{
    return copy_first(c, err);
}

bool eval_squeeze(const EvalCall *c, Error *err)
{
    return copy_first(c, err);
}

bool eval_identity(const EvalCall *c, Error *err)
{
    return copy_first(c, err);
}

bool eval_cast(const EvalCall *c, Error *err)
{
    return copy_first(c, err);
}

bool eval_read_state(const EvalCall *c, Error *err)
{
    return copy_first(c, err);
}

bool eval_write_state(const EvalCall *c, Error *err)
{
    Tensor *state = call_operand(c, "input");
    const Tensor *data = call_operand(c, "data");
    if (state->count != data->count)
        return call_error(c, err, "the value does not have the state's shape");
    tensor_move(state, 0, data, 0, data->count);
    return true;
}
