/* Programs that a partitioner printed pass tensor_buffers: tensors with explicit strides. */
#include "backend/mlpackage/encode.h"

static void hold_tensor(Module *m, Value *v)
{
    if (v->type->kind != TY_BUFFER)
        return;
    Type t = type_tensor(v->type->dtype, v->type->rank, v->type->dim);
    v->type = type_copy(&m->arena, &t);
}

/* Ops between a buffer and its tensor move nothing any more. */
static void become_identity(Module *m, Op *op)
{
    Value *x = op_arg(op, "input");
    op->code = OP_IDENTITY;
    op->spelling = op_info(OP_IDENTITY)->spelling;
    op->opset = NULL;
    op->args = 1;
    op->arg = arena_new(&m->arena, Arg);
    op->arg->key = op_info(OP_IDENTITY)->operand[0].name;
    op_set(op, "x", x);
}

void mlpackage_hold_tensors(Module *m)
{
    for (int i = 0; i < m->funcs; i++) {
        Func *f = m->func[i];
        for (int k = 0; k < f->params; k++)
            hold_tensor(m, f->param[k]);
        for (Op *op = f->first; op; op = op->next) {
            if (op->code == OP_TENSOR_BUFFER_TO_TENSOR || op->code == OP_TENSOR_TO_TENSOR_BUFFER)
                become_identity(m, op);
            for (int k = 0; k < op->results; k++)
                hold_tensor(m, op->result[k]);
        }
    }
}
