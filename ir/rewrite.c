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

/* Types, literals and texts never change, so a copy within one module shares them. */
static bool shares(const Func *g, const Func *f)
{
    return g->module == f->module;
}

/* The copy of a value: `mark` of values in the list holds it; constants in place have no marks, and are
 * copied at each use into another module. */
static Value *cloned(Func *g, const Func *f, Value *v)
{
    if (!v->def || v->def->func)
        return v->mark;
    return shares(g, f) ? v : const_inline(g->module, v->type, v->def->literal);
}

static void clone_args(Op *copy, const Op *op)
{
    Arena *a = &copy->func->module->arena;
    size_t count = 0;
    for (int i = 0; i < op->args; i++)
        count += (size_t)op->arg[i].count;
    Value **next = arena_many(a, count, Value *);
    if (op->args > copy->args)
        copy->arg = arena_many(a, (size_t)op->args, Arg);
    copy->args = op->args;
    for (int i = 0; i < op->args; i++) {
        copy->arg[i] = op->arg[i];
        copy->arg[i].values = next;
        for (int k = 0; k < op->arg[i].count; k++)
            *next++ = cloned(copy->func, op->func, op->arg[i].values[k]);
    }
}

static const char *kept(Func *g, const Func *f, const char *s)
{
    return s && !shares(g, f) ? arena_str(&g->module->arena, s, strlen(s)) : s;
}

static Value *clone_result(Op *copy, const Op *op, const Value *v)
{
    Arena *a = &copy->func->module->arena;
    if (!shares(copy->func, op->func))
        return op_add_result(copy, v->name, v->type);
    if (!copy->results)
        copy->result = arena_many(a, (size_t)op->results, Value *);
    Value *made = arena_new(a, Value);
    *made = (Value){.type = v->type, .name = v->name, .def = copy, .index = copy->results};
    return copy->result[copy->results++] = made;
}

static void clone_op(Func *g, const Op *op)
{
    Op *copy = op_new(g, op->code, op->span);
    copy->spelling = op->spelling;
    copy->opset = kept(g, op->func, op->opset);
    copy->label = kept(g, op->func, op->label);
    copy->attrs = op->attrs;
    copy->attr = op->attr;
    copy->literal = shares(g, op->func) ? op->literal : literal_copy(&g->module->arena, op->literal);
    copy->group = op->group;
    clone_args(copy, op);
    for (int i = 0; i < op->results; i++) {
        Value *v = clone_result(copy, op, op->result[i]);
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
        func_add_output(g, cloned(g, f, f->output[i]));
    func_clear_marks(f);
    return g;
}

/* ---- S and T get their lengths ---- */

static int64_t length_of(int64_t d, int64_t s, int64_t t)
{
    return d == DIM_S ? s : d == DIM_T ? t : d;
}

static bool is_symbolic(int64_t d)
{
    return d == DIM_S || d == DIM_T;
}

static void specialise_type(Arena *a, Value *v, int64_t s, int64_t t)
{
    Type type = *v->type;
    bool symbolic = false;
    for (int i = 0; i < type.rank; i++) {
        symbolic |= is_symbolic(type.dim[i]);
        type.dim[i] = length_of(type.dim[i], s, t);
    }
    if (symbolic)
        v->type = type_copy(a, &type);
}

/* Symbolic dimensions stand in the integer constants of shapes. NULL: there is none. */
static const Literal *specialised(Arena *a, const Literal *l, int64_t s, int64_t t)
{
    bool symbolic = false;
    for (size_t i = 0; l && l->kind == LIT_INT && i < l->count && !symbolic; i++)
        symbolic = is_symbolic(l->ints[i]);
    if (!symbolic)
        return NULL;
    int64_t *ints = arena_copy(a, l->ints, l->count * sizeof *ints);
    for (size_t i = 0; i < l->count; i++)
        ints[i] = length_of(ints[i], s, t);
    return literal_ints(a, ints, l->count);
}

/* A constant in place may be another function's too (func_clone). */
static void specialise_inline(Module *m, Value **slot, int64_t s, int64_t t)
{
    const Literal *l = specialised(&m->arena, (*slot)->def->literal, s, t);
    if (l)
        *slot = const_inline(m, (*slot)->type, l);
}

static void specialise_op(Arena *a, Op *op, int64_t s, int64_t t)
{
    const Literal *l = op->code == OP_CONST ? specialised(a, op->literal, s, t) : NULL;
    if (l)
        op->literal = l;
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
                specialise_inline(f->module, slot, s, t);
        specialise_op(a, op, s, t);
    }
}
