#include "passes/region.h"

#include <string.h>

#include "passes/match.h"
#include "passes/support.h"

void region_begin(Region *r, Pipeline *p, Arena *scratch)
{
    *r = (Region){.p = p, .scratch = scratch, .id = p->graph->groups, .stamp = ++p->stamps};
}

bool region_has(const Region *r, const Op *op)
{
    return op && op->group == r->id;
}

void region_add(Region *r, Op *op)
{
    if (region_has(r, op))
        return;
    op->group = r->id;
    arena_push(r->scratch, r->op, r->ops, r->cap, op);
}

bool region_takes(Region *r, const Op *op)
{
    bool takes = (!op->group || region_has(r, op)) && !ane_objection(r->p->profile, op, r->scratch);
    if (!takes && !r->obstacle)
        r->obstacle = op;
    return takes;
}

bool region_fail(Region *r, const char *why)
{
    if (!r->why)
        r->why = why;
    return false;
}

static void abandon(Region *r)
{
    for (int i = 0; i < r->ops; i++)
        r->op[i]->group = 0;
}

Value *region_common_input(const Region *r)
{
    Value *x = NULL;
    for (int i = 0; i < r->ops; i++) {
        if (r->op[i]->code != OP_LINEAR)
            continue;
        Value *in = op_arg(r->op[i], "x");
        if (x && x != in)
            return NULL;
        x = in;
    }
    return x;
}

bool only_known_beside(const Op *op, const Value *v)
{
    FOR_EACH_DATA(op, slot)
        if (*slot != v && !is_known(*slot))
            return false;
    return true;
}

Op *only_user(const Value *v)
{
    const Info *info = info_of(v);
    return info->users == 1 && !info->output ? info->user[0] : NULL;
}

static bool is_elementwise(const Op *op)
{
    return op_info(op->code)->flags & F_ELEMENTWISE;
}

Value *region_absorb_tail(Region *r, Value *v)
{
    Op *user;
    while ((user = only_user(v)) && is_elementwise(user) && only_known_beside(user, v) &&
           region_takes(r, user)) {
        region_add(r, user);
        v = user->result[0];
    }
    return v;
}

Value *region_absorb_norm(Region *r, Value *x)
{
    Op *norm = x->def;
    if (!norm || norm->code != OP_LAYER_NORM || !region_takes(r, norm) || info_of(x)->output)
        return x;
    for (int i = 0; i < info_of(x)->users; i++)
        if (!region_has(r, info_of(x)->user[i]))
            return x;
    region_add(r, norm);
    region_name(r, x, "normed");
    return op_arg(norm, "x");
}

/* ---- the boundary ---- */

static bool can_cross(const Value *v)
{
    return dtype_is_float(v->type->dtype) && type_token_axis(v->type) >= 0;
}

static bool is_used_outside(const Region *r, const Value *v)
{
    const Info *info = info_of(v);
    bool outside = info->output;
    for (int i = 0; i < info->users; i++)
        outside |= !region_has(r, info->user[i]) || info->user[i]->code == OP_CACHE;
    return outside;
}

static bool inputs_cross(Region *r)
{
    for (int i = 0; i < r->ops; i++)
        FOR_EACH_DATA(r->op[i], slot)
            if (!is_known(*slot) && !region_has(r, (*slot)->def) && !can_cross(*slot))
                return region_fail(r, "it needs a value from outside that is no [1, C, 1, S]");
    return true;
}

static bool outputs_cross(Region *r)
{
    for (int i = 0; i < r->ops; i++)
        for (int k = 0; k < r->op[i]->results; k++) {
            const Value *v = r->op[i]->result[k];
            if (is_used_outside(r, v) && !can_cross(v))
                return region_fail(r, "a value inside, that is no [1, C, 1, S], is also used outside");
        }
    return true;
}

/* The earliest and the latest op. */
static void find_ends(const Region *r, Op **first, Op **last)
{
    *first = *last = r->op[0];
    for (int i = 1; i < r->ops; i++) {
        if (op_position(r->op[i]) < op_position(*first))
            *first = r->op[i];
        if (op_position(r->op[i]) > op_position(*last))
            *last = r->op[i];
    }
}

/* Marks the operands of op as needed by the region; false where one that leads through the outside is made in
 * it. */
static bool need_operands(Region *r, const Op *op, bool inside)
{
    FOR_EACH_ARG(op, slot) {
        if (!inside && region_has(r, (*slot)->def))
            return false;
        if (info_of(*slot) && !region_has(r, (*slot)->def))
            info_of(*slot)->visited = r->stamp;
    }
    return true;
}

/* No way leads out of the region and back in. */
static bool is_convex(Region *r)
{
    Op *first, *last;
    find_ends(r, &first, &last);
    for (Op *op = last;; op = op->prev) {
        bool inside = region_has(r, op), needed = inside;
        for (int i = 0; i < op->results; i++)
            needed |= info_of(op->result[i])->visited == r->stamp;
        if (needed && !need_operands(r, op, inside))
            return region_fail(r, "an op between two of its ops cannot be part of it");
        if (op == first)
            return true;
    }
}

/* ---- why ---- */

static const char *why_begins(const Region *r, const Value *x)
{
    Arena *a = &r->p->arena;
    if (!x->def)
        return "its input is an input of the model";
    if (x->def->group)
        return arena_printf(a, "its input comes from %s", r->p->graph->group[x->def->group].name);
    const char *why = ane_objection(r->p->profile, x->def, a);
    if (why)
        return arena_printf(a, "%s before it %s", x->def->spelling, why);
    return arena_printf(a,
                        "%s before it is part of a norm or the residual, which are kept in fp32 on the CPU",
                        x->def->spelling);
}

static const char *why_ends(const Region *r, const Value *out)
{
    Arena *a = &r->p->arena;
    const Info *info = info_of(out);
    if (info->output)
        return "its result is a result of the model";
    if (info->users != 1)
        return "its result is used in several places";
    const Op *user = info->user[0];
    if (user->group)
        return arena_printf(a, "its result goes to %s", r->p->graph->group[user->group].name);
    if (user->code == OP_ADD || user->code == OP_SUB)
        return arena_printf(a, "%s behind it is the residual, which is kept in fp32 on the CPU",
                            user->spelling);
    const char *why = ane_objection(r->p->profile, user, a);
    return why ? arena_printf(a, "%s behind it %s", user->spelling, why)
               : arena_printf(a, "%s behind it is no part of the pattern", user->spelling);
}

/* ---- becoming a group ---- */

static int groups_of_kind(const Func *f, const char *kind)
{
    int n = 0;
    for (int i = 1; i < f->groups; i++)
        n += strcmp(f->group[i].kind, kind) == 0;
    return n;
}

bool region_commit(Region *r, const char *kind, const Value *x, const Value *out)
{
    Func *f = r->p->graph;
    Arena *a = &f->module->arena;
    if (r->why || !inputs_cross(r) || !outputs_cross(r) || !is_convex(r)) {
        abandon(r);
        return false;
    }
    Group group = {.kind = kind,
                   .name = arena_printf(a, "%s_%02d", kind, groups_of_kind(f, kind)),
                   .begins = why_begins(r, x),
                   .ends = why_ends(r, out)};
    arena_push(a, f->group, f->groups, f->groups_cap, group);
    return true;
}

void region_name(Region *r, const Value *v, const char *role)
{
    pipeline_name(r->p, v, role);
}
