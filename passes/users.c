#include "passes/users.h"

static void give(Arena *a, Value *v, int position)
{
    Info *info = arena_new(a, Info);
    info->position = position;
    info->user = arena_many(a, (size_t)v->uses, Op *);
    v->mark = info;
}

void users_index(Func *f, Arena *a)
{
    int position = 0;
    func_count_uses(f);
    for (int i = 0; i < f->params; i++)
        give(a, f->param[i], -1);
    for (Op *op = f->first; op; op = op->next, position++)
        for (int i = 0; i < op->results; i++)
            give(a, op->result[i], position);
    for (Op *op = f->first; op; op = op->next)
        FOR_EACH_ARG(op, slot) {
            Info *info = info_of(*slot);
            if (info)
                info->user[info->users++] = op;
        }
    for (int i = 0; i < f->outputs; i++)
        if (info_of(f->output[i]))
            info_of(f->output[i])->output = true;
}

Info *info_of(const Value *v)
{
    return v->mark;
}

int op_position(const Op *op)
{
    return op->results ? info_of(op->result[0])->position : -1;
}
