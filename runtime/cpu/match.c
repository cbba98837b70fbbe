/* What the matchers share. */
#include "runtime/cpu/lower.h"

const Op *cpu_def_of(const Value *v, OpCode code)
{
    return v && v->def && v->def->code == code ? v->def : NULL;
}

bool cpu_scalar_const(const Value *v, double *out)
{
    const Literal *l = value_literal(v);
    if (!l || l->count != 1 || type_elements(v->type) != 1 || (l->kind != LIT_FLOAT && l->kind != LIT_INT))
        return false;
    *out = l->kind == LIT_FLOAT ? l->floats[0] : (double)l->ints[0];
    return true;
}

bool cpu_is_constant(const Value *v)
{
    return v->def && (op_info(v->def->code)->flags & F_CONST);
}

const Value *cpu_through_casts(const Value *v)
{
    const Op *cast;
    while ((cast = cpu_def_of(v, OP_CAST)) && dtype_is_float(v->type->dtype) &&
           dtype_is_float(op_arg(cast, "x")->type->dtype))
        v = op_arg(cast, "x");
    return v;
}

bool cpu_used_once(Lowering *l, const Value *v)
{
    return cpu_node(l, v)->uses == 1;
}

Match *cpu_match_new(Lowering *l, const Op *root, bool (*emit)(Lowering *, const Match *), const void *own,
                     size_t size)
{
    Match *m = arena_new(&l->kernel->arena, Match);
    m->emit = emit;
    m->root = root;
    m->own = arena_copy(&l->kernel->arena, own, size);
    return m;
}

void cpu_match_inner(Match *m, const Op *op)
{
    m->inner[m->inners++] = op;
}

void cpu_match_outer(Match *m, const Value *v)
{
    if (v)
        m->outer[m->outers++] = v;
}

static int uses_within(const Match *m, const Value *v)
{
    int n = 0;
    FOR_EACH_ARG(m->root, slot)
        n += *slot == v;
    for (int i = 0; i < m->inners; i++)
        FOR_EACH_ARG(m->inner[i], slot)
            n += *slot == v;
    return n;
}

static bool made_inside(const Match *m, const Value *v)
{
    for (int i = 0; i < m->inners; i++)
        if (v->def == m->inner[i])
            return true;
    return false;
}

bool cpu_match_closed(Lowering *l, const Match *m)
{
    for (int i = 0; i < m->outers; i++)
        if (made_inside(m, m->outer[i]))
            return false;
    for (int i = 0; i < m->inners; i++)
        for (int r = 0; r < m->inner[i]->results; r++) {
            const Value *v = m->inner[i]->result[r];
            if (cpu_node(l, v)->uses != uses_within(m, v))
                return false;
        }
    return true;
}
