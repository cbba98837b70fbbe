#include "passes/outline.h"

#include "passes/match.h"
#include "passes/names.h"
#include "passes/users.h"

typedef struct Outline {
    Pipeline *p;
    Func *f;
    Names names;
} Outline;

static const char *name_for(Outline *o, const Value *v, const char *fallback)
{
    const char *role = pipeline_role(o->p, v);
    return names_unique(&o->names, role ? role : fallback);
}

static void remember(Outline *o, const Value *v, Value *copy)
{
    copy->span = v->span;
    info_of(v)->copy = copy;
    info_of(v)->copied_in = o->f;
}

static Value *copy_of(Outline *o, Value *v)
{
    if (v->def && !v->def->func)
        return const_inline(o->f->module, v->type, v->def->literal);
    Info *info = info_of(v);
    if (info->copied_in != o->f && is_known(v))
        remember(o, v,
                 const_value(o->f, NULL, name_for(o, v, is_weight(v) ? "weight" : "const"), v->type,
                             v->def->literal));
    return info->copy;
}

/* Copies of the arguments are made first, so that constants stand before their use. */
static void copy_op(Outline *o, const Op *op)
{
    Arena *a = &o->f->module->arena;
    Arg *args = arena_copy(a, op->arg, (size_t)op->args * sizeof *args);
    for (int i = 0; i < op->args; i++) {
        args[i].values = arena_many(a, (size_t)args[i].count, Value *);
        for (int k = 0; k < args[i].count; k++)
            args[i].values[k] = copy_of(o, op->arg[i].values[k]);
    }
    Op *copy = op_new(o->f, op->code, op->span);
    copy->spelling = op->spelling;
    copy->opset = op->opset;
    copy->attrs = op->attrs;
    copy->attr = op->attr;
    copy->args = op->args;
    copy->arg = args;
    const char *fallback = arena_printf(a, "%s_out", op->spelling); /* no name is that of an op */
    for (int i = 0; i < op->results; i++)
        remember(o, op->result[i],
                 op_add_result(copy, name_for(o, op->result[i], fallback), op->result[i]->type));
}

Func *outline(Pipeline *p, const char *name, Op *const *ops, int count, Value *const *in, int ins,
              Value *const *out, int outs)
{
    Outline o = {.p = p, .f = func_new(p->module, name, "ios18"), .names = {.arena = &p->module->arena}};
    for (int i = 0; i < ins; i++)
        remember(&o, in[i],
                 func_add_param(o.f, name_for(&o, in[i], in[i]->def ? "x" : in[i]->name), in[i]->type,
                                in[i]->span));
    for (int i = 0; i < count; i++)
        copy_op(&o, ops[i]);
    for (int i = 0; i < outs; i++)
        func_add_output(o.f, copy_of(&o, out[i]));
    o.f->next_name = (int)HASH_COUNT(o.names.taken) + 1; /* what passes add is numbered from there */
    names_free(&o.names);
    return o.f;
}
