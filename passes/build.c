#include "passes/build.h"

Value *build_finish(Build *b, Op *op, const char *stem)
{
    return op_infer(op, stem, b->err) ? op->result[0] : NULL;
}

Value *build_unary(Build *b, OpCode code, Value *x, const char *stem)
{
    if (!x)
        return NULL;
    Op *op = op_new_before(b->f, b->before, code, b->before->span);
    op_set(op, "x", x);
    return build_finish(b, op, stem);
}

Value *build_binary(Build *b, OpCode code, Value *x, Value *y, const char *stem)
{
    if (!x || !y)
        return NULL;
    Op *op = op_new_before(b->f, b->before, code, b->before->span);
    op_set(op, "x", x);
    op_set(op, "y", y);
    return build_finish(b, op, stem);
}

Value *build_number(Build *b, double v)
{
    return inline_float(b->f->module, DT_FP32, v);
}
