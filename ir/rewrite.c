#include "ir/ir.h"

#include <stdlib.h>
#include <string.h>

void value_replace(Value *old, Value *new)
{
    if (old != new)
        old->forward = new;
}

static Value *followed(Value *v)
{
    while (v->forward)
        v = v->forward;
    return v;
}

void func_clear_marks(const Func *f)
{
    for (int i = 0; i < f->params; i++)
        f->param[i]->mark = NULL;
    for (Op *op = f->first; op; op = op->next)
        for (int i = 0; i < op->results; i++)
            op->result[i]->mark = NULL;
}

void func_settle(Func *f)
{
    for (Op *op = f->first; op; op = op->next)
        FOR_EACH_ARG(op, slot)
            *slot = followed(*slot);
    for (int i = 0; i < f->outputs; i++)
        f->output[i] = followed(f->output[i]);
}

static void clear_uses(Func *f)
{
    for (int i = 0; i < f->params; i++)
        f->param[i]->uses = 0;
    for (Op *op = f->first; op; op = op->next) {
        for (int i = 0; i < op->results; i++)
            op->result[i]->uses = 0;
        for (int i = 0; i < op->blocks; i++)
            clear_uses(op->block[i]);
    }
}

static void add_uses(Func *f)
{
    for (Op *op = f->first; op; op = op->next) {
        FOR_EACH_ARG(op, slot)
            (*slot)->uses++;
        for (int i = 0; i < op->blocks; i++)
            add_uses(op->block[i]);
    }
    for (int i = 0; i < f->outputs; i++)
        f->output[i]->uses++;
}

void func_count_uses(Func *f)
{
    clear_uses(f);
    add_uses(f);
}

static bool unused(const Op *op)
{
    if (op_info(op->code)->flags & F_EFFECT)
        return false;
    for (int i = 0; i < op->results; i++)
        if (op->result[i]->uses)
            return false;
    return true;
}

int func_sweep(Func *f)
{
    int dropped = 0;
    func_count_uses(f);
    for (Op *op = f->last, *prev; op; op = prev) {
        prev = op->prev;
        if (!unused(op))
            continue;
        FOR_EACH_ARG(op, slot)
            (*slot)->uses--;
        op_unlink(op);
        dropped++;
    }
    return dropped;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(Value *const *)a)->name, (*(Value *const *)b)->name);
}

void func_sort_params(Func *f)
{
    if (f->params)
        qsort(f->param, (size_t)f->params, sizeof *f->param, by_name);
    for (int i = 0; i < f->params; i++)
        f->param[i]->index = i;
}

/* ---- cloning ---- */

static Value *cloned(Module *into, Value *v);

static Value *clone_inline(Module *into, const Value *v)
{
    return const_inline(into, v->type, v->def->literal);
}

/* The copy of a value: `mark` of values in the list holds it; constants in place are copied at each use. */
static Value *cloned(Module *into, Value *v)
{
    return v->def && !v->def->func ? clone_inline(into, v) : v->mark;
}

static void clone_args(Module *into, Op *copy, const Op *op)
{
    Arena *a = &into->arena;
    copy->args = op->args;
    copy->arg = arena_copy(a, op->arg, (size_t)op->args * sizeof *op->arg);
    for (int i = 0; i < op->args; i++) {
        Arg *arg = &copy->arg[i];
        arg->values = arena_many(a, (size_t)arg->count, Value *);
        for (int k = 0; k < arg->count; k++)
            arg->values[k] = cloned(into, op->arg[i].values[k]);
    }
}

static const char *kept(Func *f, const char *s)
{
    return s ? arena_str(&f->module->arena, s, strlen(s)) : NULL;
}

static void clone_op(Func *g, const Op *op)
{
    Op *copy = op_new(g, op->code, op->span);
    copy->spelling = op->spelling;
    copy->opset = kept(g, op->opset);
    copy->label = kept(g, op->label);
    copy->attrs = op->attrs;
    copy->attr = op->attr;
    copy->literal = literal_copy(&g->module->arena, op->literal);
    copy->group = op->group;
    clone_args(g->module, copy, op);
    for (int i = 0; i < op->results; i++) {
        Value *v = op_add_result(copy, op->result[i]->name, op->result[i]->type);
        v->span = op->result[i]->span;
        op->result[i]->mark = v;
    }
}

/* Attributes and the texts of groups are shared with f's module, which must outlive the copy or be the same.
 */
Func *func_clone(Module *into, const Func *f, const char *name)
{
    Func *g = func_new(into, name, f->opset);
    g->attrs = f->attrs;
    g->attr = f->attr;
    g->span = f->span;
    g->next_name = f->next_name;
    g->groups = g->groups_cap = f->groups;
    g->group = arena_copy(&into->arena, f->group, (size_t)f->groups * sizeof *f->group);
    for (int i = 0; i < f->params; i++)
        f->param[i]->mark = func_add_param(g, f->param[i]->name, f->param[i]->type, f->param[i]->span);
    for (Op *op = f->first; op; op = op->next)
        clone_op(g, op);
    for (int i = 0; i < f->outputs; i++)
        func_add_output(g, cloned(into, f->output[i]));
    func_clear_marks(f);
    return g;
}

/* ---- S and T get their lengths ---- */

static int64_t length_of(int64_t d, int64_t s, int64_t t)
{
    return d == DIM_S ? s : d == DIM_T ? t : d;
}

static void specialise_type(Arena *a, Value *v, int64_t s, int64_t t)
{
    Type type = *v->type;
    for (int i = 0; i < type.rank; i++)
        type.dim[i] = length_of(type.dim[i], s, t);
    v->type = type_copy(a, &type);
}

/* Symbolic dimensions stand in the integer constants of shapes. */
static void specialise_literal(Arena *a, Op *op, int64_t s, int64_t t)
{
    const Literal *l = op->literal;
    if (!l || l->kind != LIT_INT)
        return;
    int64_t *ints = arena_copy(a, l->ints, l->count * sizeof *ints);
    for (size_t i = 0; i < l->count; i++)
        ints[i] = length_of(ints[i], s, t);
    op->literal = literal_ints(a, ints, l->count);
}

static void specialise_op(Arena *a, Op *op, int64_t s, int64_t t)
{
    if (op->code == OP_CONST)
        specialise_literal(a, op, s, t);
    for (int i = 0; i < op->results; i++)
        specialise_type(a, op->result[i], s, t);
}

void func_specialise(Func *f, int64_t s, int64_t t)
{
    Arena *a = &f->module->arena;
    for (int i = 0; i < f->params; i++)
        specialise_type(a, f->param[i], s, t);
    for (Op *op = f->first; op; op = op->next) {
        FOR_EACH_ARG(op, slot)
            if ((*slot)->def && !(*slot)->def->func)
                specialise_op(a, (*slot)->def, s, t);
        specialise_op(a, op, s, t);
    }
}
