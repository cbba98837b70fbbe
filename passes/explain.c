/* What --explain and --stats print. */
#include <string.h>

#include "ir/cost.h"
#include "passes/grow.h"
#include "passes/match.h"
#include "passes/pipeline.h"

static int count_ops(const Func *f)
{
    int n = 0;
    for (const Op *op = f->first; op; op = op->next)
        n += op->code != OP_CONST;
    return n;
}

static double weight_bytes(const Func *f)
{
    double n = 0;
    for (const Op *op = f->first; op; op = op->next)
        if (op->code == OP_CONST && is_weight(op->result[0]) && op->literal->weight.kind == WEIGHT_TENSOR)
            n += (double)type_bytes(op->result[0]->type);
    return n;
}

/* "conv 2, add 3, softmax" in the order of first appearance. */
static void list_ops(Text *out, const Func *f)
{
    int counts[OP_COUNT] = {0};
    bool first = true;
    for (const Op *op = f->first; op; op = op->next)
        counts[op->code]++;
    for (const Op *op = f->first; op; op = op->next) {
        if (op->code == OP_CONST || !counts[op->code])
            continue;
        text_printf(out, "%s%s", first ? "" : ", ", op->spelling);
        if (counts[op->code] > 1)
            text_printf(out, " %d", counts[op->code]);
        counts[op->code] = 0;
        first = false;
    }
}

/* I/O surfaces as the driver will allocate them. */
static void list_surfaces(const Pipeline *p, Text *out, const Func *f)
{
    int64_t in = 0, made = 0;
    for (int i = 0; i < f->params; i++)
        in += type_bytes(f->param[i]->type);
    for (int i = 0; i < f->outputs; i++)
        made += type_bytes(f->output[i]->type);
    text_printf(out, "    in %lld bytes, out %lld bytes%s\n", (long long)in, (long long)made,
                in < p->profile->surface_bytes || made < p->profile->surface_bytes
                    ? " (surfaces are rounded up)"
                    : "");
}

static void predict(const Pipeline *p, Text *out, const Func *f)
{
    Cost c = func_cost(f);
    double norms = 0;
    for (const Op *op = f->first; op; op = op->next)
        norms += grow_norm_us(p->profile, op);
    double us = grow_program_us(p->profile, c.flops, c.weight_bytes, c.activation_bytes, norms);
    if (us >= 0)
        text_printf(out, "    predicted %.0f us\n", us);
}

static void explain_instance(const Pipeline *p, Text *out, const Instance *i)
{
    const Segment *s = i->segment;
    const Func *f = i->physical;
    text_printf(out, "  %s (%s): %d operations, %.2f MB of weights\n    ", s->name, s->kind, count_ops(f),
                weight_bytes(f) * 1e-6);
    list_ops(out, f);
    text_putc(out, '\n');
    if (s->place == PLACE_ANE) {
        list_surfaces(p, out, f);
        predict(p, out, f);
    }
    text_printf(out, "    begins: %s\n    ends: %s\n", s->begins, s->ends);
}

static int programs(const Pipeline *p)
{
    int n = 0;
    for (int i = 0; i < p->segments; i++)
        n += p->segment[i]->place == PLACE_ANE;
    return n;
}

static void explain_places(const Pipeline *p, Text *out, Place place, const char *title)
{
    text_printf(out, "%s\n", title);
    for (int i = 0; i < p->segments; i++)
        if (p->segment[i]->place == place)
            explain_instance(p, out, p->instance[i]);
}

void explain(const Pipeline *p, Text *out)
{
    text_printf(out, "profile %s; context %lld; buckets", p->profile->name,
                (long long)p->plan->model.context);
    for (int i = 0; i < p->buckets; i++)
        text_printf(out, " %lld", (long long)p->bucket[i]);
    text_printf(out, "\n%d ANE programs for each bucket, one dispatch each; %d CPU functions between them\n",
                programs(p), p->segments - programs(p));
    if (programs(p) > p->profile->compiles)
        text_printf(out,
                    "more than the %lld compilations that one process gets: a runtime must start another\n",
                    (long long)p->profile->compiles);
    if (p->fusion.size)
        text_printf(out, "fusion, all buckets once:\n%s", p->fusion.data);
    explain_places(p, out, PLACE_ANE, "on the ANE, here with the smallest bucket:");
    explain_places(p, out, PLACE_CPU,
                   p->grown ? "on the CPU:" : "on the CPU, where norms and residuals are in fp32:");
    explain_instance(p, out, p->instance[p->instances - 1]);
    if (p->left.size)
        text_printf(out, "not fused:\n%s", p->left.data);
    if (p->ranges.size)
        text_printf(out, "accumulators (the ANE's end at %.0f):\n%s", p->profile->accumulator,
                    p->ranges.data);
}

void explain_stats(const Pipeline *p, Text *out)
{
    double passes = 0, verifier = 0;
    for (int i = 0; i < p->runs; i++) {
        passes += p->run[i].ms;
        verifier += p->run[i].verify_ms;
        text_printf(out, "%-16s %8.2f ms", p->run[i].name, p->run[i].ms);
        for (int k = 0; k < p->run[i].counts; k++)
            text_printf(out, "%s%s %lld", k ? ", " : "  ", p->run[i].count[k].name,
                        (long long)p->run[i].count[k].n);
        text_putc(out, '\n');
    }
    text_printf(out, "%-16s %8.2f ms, and the verifier %.2f ms\n", "all", passes, verifier);
}
