/* What the reader's verifier does not say: dialects, opsets, attributes, states, flexible shapes, unused
 * results. */
#include <string.h>

#include "check/internal.h"

bool at_run_time(const Value *v)
{
    return !v->def || !(op_info(v->def->code)->flags & F_CONST);
}

const char *value_shown(const Value *v)
{
    return v->name ? v->name : "a constant";
}

/* ---- dialect ---- */

static bool known_opset(const char *s)
{
    static const char *const known[] = {"ios15", "ios16", "ios17", "ios18"};
    for (int i = 0; i < 4; i++)
        if (s && strcmp(s, known[i]) == 0)
            return true;
    return false;
}

static void check_opsets(const Unit *u, const Func *f)
{
    if (!known_opset(f->opset))
        report(u, RULE_MIL_OPSET, f->span, NULL, "%s: there is no opset %s: ios15 to ios18 are known",
               f->name, f->opset);
    else if (strcmp(u->m->version, "1.0") == 0 && strcmp(f->opset, "ios18") == 0)
        report(u, RULE_MIL_DIALECT, f->span, NULL, "%s: opset ios18 in program 1.0: Apple writes it in 1.3",
               f->name);
    for (const Op *op = f->first; op; op = op->next)
        if (op->opset && !known_opset(op->opset))
            report(u, RULE_MIL_OPSET, op->span, NULL, "%s: there is no opset %s: ios15 to ios18 are known",
                   op->spelling, op->opset);
}

static void check_bare(const Unit *u, const Func *f)
{
    if (strcmp(u->m->version, "1.0") != 0)
        return;
    for (const Op *op = f->first; op; op = op->next)
        for (int i = 0; i < op->results; i++)
            if (op->result[i]->type->bare)
                report(u, RULE_MIL_DIALECT, op->result[i]->span, "bare",
                       "%s: program 1.0 spells a scalar tensor<%s, []>", value_shown(op->result[i]),
                       dtype_info[op->result[i]->type->dtype].name);
}

/* ---- attributes ---- */

static void check_attributes(const Unit *u, const Op *op)
{
    if (op->code == OP_UNKNOWN || strncmp(op->spelling, "constexpr_", 10) == 0)
        return;
    for (int i = 0; i < op->attrs; i++)
        report(u, RULE_MIL_ATTRIBUTE_UNKNOWN, op->span, op->spelling, "%s has no attribute %s", op->spelling,
               op->attr[i].key);
    for (int i = 0; i < op->args; i++)
        if (op->arg[i].attribute)
            report(u, RULE_MIL_ATTRIBUTE, op->span, op->spelling,
                   "%s: %s stands among the attributes; it is an operand", op->spelling, op->arg[i].key);
}

/* ---- states ---- */

static bool takes_state(const Op *op, const Arg *arg)
{
    return (op->code == OP_READ_STATE || op->code == OP_WRITE_STATE || op->code == OP_UNKNOWN) &&
           strcmp(arg->key, "input") == 0;
}

static void check_states(const Unit *u, const Func *f)
{
    for (const Op *op = f->first; op; op = op->next)
        for (int i = 0; i < op->args; i++)
            for (int k = 0; k < op->arg[i].count; k++)
                if (op->arg[i].values[k]->type->kind == TY_STATE && !takes_state(op, &op->arg[i]))
                    report(u, RULE_MIL_STATE, op->span, op->spelling, "%s: %s is the state %s: read it first",
                           op->spelling, op->arg[i].key, value_shown(op->arg[i].values[k]));
    for (int i = 0; i < f->outputs; i++)
        if (f->output[i]->type->kind == TY_STATE)
            report(u, RULE_MIL_STATE, f->span, NULL, "%s returns the state %s: return what read_state gives",
                   f->name, value_shown(f->output[i]));
}

/* ---- lengths ---- */

static void check_flexible(const Unit *u, const Func *f)
{
    bool said = false;
    for (int i = 0; i < f->attrs; i++)
        said |= strcmp(f->attr[i].key, "FlexibleShapeInformation") == 0;
    for (int i = 0; i < f->params && !said; i++)
        if (!type_is_static(f->param[i]->type))
            report(u, RULE_MIL_FLEXIBLE, f->param[i]->span, NULL,
                   "%s is %s, and FlexibleShapeInformation is not there", f->param[i]->name,
                   type_text(&u->c->arena, f->param[i]->type));
}

/* ---- uses ---- */

static void check_uses(const Unit *u, Func *f)
{
    func_count_uses(f);
    for (const Op *op = f->first; op; op = op->next) {
        bool used = op->results == 0;
        for (int i = 0; i < op->results; i++)
            used |= op->result[i]->uses > 0;
        if (!used)
            report(u, RULE_MIL_UNUSED, op->result[0]->span, op->spelling, "nothing uses %s",
                   value_shown(op->result[0]));
    }
    for (int i = 0; i < f->outputs; i++) {
        if (f->output[i]->mark == u)
            report(u, RULE_MIL_OUTPUT_TWICE, f->span, NULL, "%s returns %s twice", f->name,
                   value_shown(f->output[i]));
        f->output[i]->mark = (void *)(uintptr_t)u;
    }
    for (int i = 0; i < f->outputs; i++)
        f->output[i]->mark = NULL;
}

void check_structure(const Unit *u)
{
    for (int i = 0; i < u->m->funcs; i++) {
        Func *f = u->m->func[i];
        check_opsets(u, f);
        check_bare(u, f);
        check_states(u, f);
        check_flexible(u, f);
        check_uses(u, f);
        for (const Op *op = f->first; op; op = op->next)
            check_attributes(u, op);
    }
}
