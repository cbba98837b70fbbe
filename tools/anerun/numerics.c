#include "tools/anerun/numerics.h"

#include <math.h>
#include <stdio.h>

Engine *numerics_open(Arena *a, const char *profile, Error *err)
{
    const Profile *p = profile_load(a, profile, err);
    if (p && !p->engine) {
        error_set(err, "the profile %s has no engine: --profile names another", p->name);
        return NULL;
    }
    return p ? engine_new(p) : NULL;
}

static const char *program_name(const Op *op, const Plan *plan, const char *name)
{
    for (int i = 0; plan && i < plan->programs; i++)
        if (plan->program[i]->module == op->func->module)
            return plan->program[i]->name;
    return name;
}

static void print_event(Text *out, const Engine *e, const EngineEvent *event, const char *program)
{
    const Op *op = event->op;
    text_printf(out, "%s: %s %s: %lld %s", program, op->spelling, op->result[event->result]->name,
                (long long)event->count, event->fault == FAULT_SUM ? "sum" : "element");
    text_puts(out, event->count == 1 ? "" : "s");
    if (isfinite(event->largest))
        text_printf(out, " up to %.6g: ", event->largest);
    else
        text_puts(out, " without a bound: ");
    engine_explain(e, event->fault, out);
    text_putc(out, '\n');
}

int64_t numerics_report(const Engine *e, const Plan *plan, const char *name)
{
    int count;
    int64_t elements = 0;
    const EngineEvent *event = engine_events(e, &count);
    Text out = {0};
    for (int i = 0; i < count; i++) {
        print_event(&out, e, &event[i], program_name(event[i].op, plan, name));
        elements += event[i].count;
    }
    text_printf(&out, "numerics of the ane, profile %s: ", engine_profile(e)->name);
    if (elements)
        text_printf(&out, "%lld element%s of %d value%s would overflow\n", (long long)elements,
                    elements == 1 ? "" : "s", count, count == 1 ? "" : "s");
    else
        text_puts(&out, "nothing overflows\n");
    fputs(text_cstr(&out), stderr);
    text_free(&out);
    return elements;
}
