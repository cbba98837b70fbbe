#include "tools/anerun/compare.h"

#include <string.h>

/* The program's name: their functions are called main, or after a bucket. */
static const char *name_of(void *package, const Func *f)
{
    const Plan *plan = &package_manifest(package)->plan;
    for (int i = 0; i < plan->programs; i++)
        if (plan->program[i]->module == f->module)
            return plan->program[i]->name;
    return NULL;
}

bool engine_table(const Comparison *c, const char *tested, double bound, Text *out)
{
    int count, far = 0;
    const Difference *d = comparison_results(c, &count);
    const Difference *worst = d;
    text_printf(out, "%-28s %12s %12s %10s %10s\n", "program", "absolute", "relative", tested, "cpu");
    for (int i = 0; i < count; i++) {
        bool within = difference_is_within(&d[i], bound);
        far += !within;
        worst = d[i].relative > worst->relative ? &d[i] : worst;
        text_printf(out, "%-28s %12.3g %12.3g %7.0f us %7.0f us%s", d[i].name, d[i].absolute, d[i].relative,
                    d[i].tested_us, d[i].reference_us, within ? "\n" : "  too far off");
        if (d[i].wrong)
            text_printf(out, ": %lld elements are NaN or infinite on one side alone", (long long)d[i].wrong);
        text_puts(out, within ? "" : "\n");
    }
    if (!count)
        text_puts(out, "nothing ran on both: the package has no program for the Neural Engine\n");
    else
        text_printf(out, "%s: %d of %d programs within %g of their largest element; worst %.3g (%s)\n",
                    far ? "wrong" : "fine", count - far, count, bound, worst->relative, worst->name);
    return count && !far;
}

bool engine_compare(Package *p, Device *tested, Device *cpu, const int32_t *ids, int count, double bound,
                    Text *out, bool *within, Error *err)
{
    Comparison *c = comparison_new(tested, cpu);
    comparison_name(c, name_of, p);
    Session *s = session_new(p, cpu, err);
    if (s)
        session_use_ane(s, comparison_device(c));
    int most = s ? session_longest_prompt(s) : 0;
    bool ok = s && session_prefill(s, ids, count < most ? count : most, err);
    if (ok)
        *within = engine_table(c, tested->name, bound, out);
    session_free(s);
    comparison_free(c);
    return ok;
}
