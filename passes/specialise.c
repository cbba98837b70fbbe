/* specialise: each segment for each bucket. In prefill nothing is in the KV cache before, so T is S, and
 * `cache` is the identity; the head works on one row. */
#include "passes/pipeline.h"

static void drop_caches(Func *f)
{
    for (Op *op = f->first, *next; op; op = next) {
        next = op->next;
        if (op->code != OP_CACHE)
            continue;
        value_replace(op->result[0], op_arg(op, "x"));
        op_unlink(op);
    }
    func_settle(f);
}

static void add_instance(Pipeline *p, const Segment *s, int64_t bucket)
{
    Instance *i = arena_new(&p->arena, Instance);
    *i = (Instance){.segment = s, .bucket = bucket, .logical = func_clone(p->module, s->func, s->name)};
    func_specialise(i->logical, bucket, bucket);
    drop_caches(i->logical);
    arena_push(&p->arena, p->instance, p->instances, p->instances_cap, i);
    pipeline_count(p, "functions", 1);
}

bool pass_specialise(Pipeline *p)
{
    for (int b = 0; b < p->buckets; b++)
        for (int s = 0; s < p->segments; s++)
            add_instance(p, p->segment[s], p->bucket[b]);
    add_instance(p, p->head, 1);
    return true;
}
