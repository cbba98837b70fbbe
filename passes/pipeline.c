#include "passes/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

typedef struct Stage {
    const char *name, *summary;
    bool (*run)(Pipeline *);
} Stage;

static const Stage stages[] = {
#define PASS(name, summary) {#name, summary, pass_##name},
#include "passes/passes.def"
};
enum { STAGES = sizeof stages / sizeof *stages };

/* The order. */
static const char *const order[] = {
    "fold",   /* first: one spelling of each thing, for all that follows */
    "cse",    /* after fold: what it made equal; before fusion: one projection has one op */
    "dce",    /* what fold and cse left; the cache ops are final from here on, and numbered by their order */
    "decode", /* while the graph is whole: it is made from the same ops as prefill */
    "fuse_attention", /* before fuse_mlp: a gate on attention looks like one of an MLP from its linear on */
    "split", /* after fuse_attention, which no cut may divide; before fuse_mlp: the last MLP is the head's */
    "fuse_mlp",
    "grow",      /* after split: what the head reads is known; before place: it changes the groups */
    "place",     /* needs all groups, and the head gone */
    "decompose", /* after place: only what goes to the ANE; before specialise: once for all buckets */
    "specialise",
    "legalise", /* needs lengths: which axes lie side by side */
    "range",    /* of what legalise made: the values and weights as the engine will have them */
    "rescale",
    "assemble", /* needs the ports of the physical functions */
};
enum { ORDER = sizeof order / sizeof *order };

static const Stage *find_stage(const char *name)
{
    for (int i = 0; i < STAGES; i++)
        if (strcmp(stages[i].name, name) == 0)
            return &stages[i];
    abort(); /* `order` names a pass that passes.def does not have: a mistake in this program */
}

void passes_list(Text *out)
{
    text_printf(out, "%-16s %s\n", "input", "the model as the front end made it");
    for (int i = 0; i < ORDER; i++)
        text_printf(out, "%-16s %s\n", order[i], find_stage(order[i])->summary);
}

/* ---- services for the passes ---- */

void pipeline_count(Pipeline *p, const char *name, int64_t n)
{
    if (!p->runs)
        return;
    PassRun *run = &p->run[p->runs - 1];
    for (int i = 0; i < run->counts; i++)
        if (strcmp(run->count[i].name, name) == 0) {
            run->count[i].n += n;
            return;
        }
    if (run->counts < MOST_COUNTS && n)
        run->count[run->counts++] = (Count){name, n};
}

void pipeline_name(Pipeline *p, const Value *v, const char *role)
{
    Role *r;
    HASH_FIND_PTR(p->roles, &v, r);
    if (r)
        return;
    r = arena_new(&p->arena, Role);
    *r = (Role){.value = v, .name = role};
    HASH_ADD_PTR(p->roles, value, r);
}

const char *pipeline_role(const Pipeline *p, const Value *v)
{
    Role *r;
    HASH_FIND_PTR(p->roles, &v, r);
    return r ? r->name : NULL;
}

void pipeline_left(Pipeline *p, const Op *op, const char *why)
{
    int line = 0, column = 0;
    if (op->span.source)
        span_position(op->span, &line, &column);
    if (line)
        text_printf(&p->left, "  %s:%d: ", op->span.source->name, line);
    text_printf(&p->left, "%s%s stays on the CPU: %s\n", line ? "" : "  ", op->spelling, why);
}

/* ---- dumps and checks ---- */

static bool names_stage(const char *list, const char *name)
{
    for (size_t n; list && *list; list += n + (list[n] == ',')) {
        n = strcspn(list, ",");
        if ((n == strlen(name) && memcmp(list, name, n) == 0) || (n == 3 && memcmp(list, "all", 3) == 0))
            return true;
    }
    return false;
}

typedef void FuncVisitor(Pipeline *p, const Func *f, const char *stage, void *context);

/* What the passes have made so far: the furthest form of each function. */
static void visit_functions(Pipeline *p, const char *stage, FuncVisitor *visit, void *context)
{
    if (!p->segments)
        visit(p, p->graph, stage, context);
    if (!p->segments && p->head)
        visit(p, p->head->func, stage, context);
    for (int i = 0; i < p->segments && !p->instances; i++)
        visit(p, p->segment[i]->func, stage, context);
    for (int i = 0; i < p->instances; i++) {
        const Func *physical = p->instance[i]->physical;
        visit(p, physical ? physical : p->instance[i]->logical, stage, context);
    }
}

static void dump_function(Pipeline *p, const Func *f, const char *stage, void *context)
{
    Text *t = context;
    func_print(t, f);
    text_putc(t, '\n');
}

static void dump(Pipeline *p, const char *stage)
{
    if (!p->options->dump || !names_stage(p->options->dump_stages, stage))
        return;
    Text t = {0};
    text_printf(&t, "// after %s\n", stage);
    visit_functions(p, stage, dump_function, &t);
    fwrite(text_cstr(&t), 1, t.size, p->options->dump);
    text_free(&t);
}

static void verify_function(Pipeline *p, const Func *f, const char *stage, void *context)
{
    func_verify(f, arena_printf(&p->arena, "after %s", stage), p->diags);
}

static bool check_stages(const Pipeline *p)
{
    for (const char *list = p->options->dump_stages; list && *list;) {
        size_t n = strcspn(list, ",");
        bool known = (n == 3 && memcmp(list, "all", 3) == 0) || (n == 5 && memcmp(list, "input", 5) == 0);
        for (int i = 0; i < STAGES; i++)
            known |= n == strlen(stages[i].name) && memcmp(list, stages[i].name, n) == 0;
        if (!known) {
            diag_error(p->diags, (Span){0}, "there is no stage \"%.*s\"; anec --list-passes lists them",
                       n > 40 ? 40 : (int)n, list);
            return false;
        }
        list += n + (list[n] == ',');
    }
    return true;
}

static bool run_stage(Pipeline *p, const Stage *s)
{
    double start = clock_seconds();
    int errors = p->diags->errors;
    PassRun *run = &p->run[p->runs++];
    *run = (PassRun){.name = s->name};
    bool ok = s->run(p);
    run->ms = (clock_seconds() - start) * 1e3;
    dump(p, s->name);
    start = clock_seconds();
    /* These two change no function. */
    if (ok && strcmp(s->name, "assemble") != 0 && strcmp(s->name, "range") != 0)
        visit_functions(p, s->name, verify_function, NULL);
    if (ok && strcmp(s->name, "decode") == 0)
        module_verify(p->plan->program[p->plan->programs - 1]->module, "after decode", p->diags);
    run->verify_ms = (clock_seconds() - start) * 1e3;
    return ok && p->diags->errors == errors;
}

/* ---- buckets ---- */

static int64_t round_up(int64_t n, int64_t multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void add_bucket(Pipeline *p, int64_t s)
{
    for (int i = 0; i < p->buckets; i++)
        if (p->bucket[i] == s)
            return;
    p->bucket[p->buckets++] = s;
}

/* Those that the model lists and its context allows, rounded up to what the chip takes. Where the list goes
 * on past the context (it would have doubled), one more holds the whole context: whole prompts fit. */
static void choose_buckets(Pipeline *p)
{
    static const int64_t usual[] = {32, 64, 128, 256, 512, 1024};
    const int64_t *asked = p->options->bucket_count ? p->options->buckets : usual;
    int count = p->options->bucket_count ? p->options->bucket_count : (int)(sizeof usual / sizeof *usual);
    int64_t context = p->options->model.context, unit = p->profile->last_axis, largest = 0;
    p->bucket = arena_many(&p->arena, (size_t)count + 1, int64_t);
    for (int i = 0; i < count; i++)
        if (asked[i] > 0 && asked[i] <= context)
            add_bucket(p, round_up(asked[i], unit));
    qsort(p->bucket, (size_t)p->buckets, sizeof *p->bucket, by_length);
    if (p->buckets)
        largest = p->bucket[p->buckets - 1];
    if (largest < context && 2 * largest > context)
        add_bucket(p, round_up(context, context > 2 * unit ? 2 * unit : unit));
    if (!p->buckets)
        add_bucket(p, round_up(context, unit));
}

/* ---- all of it ---- */

static bool check_model(const Func *f, const PipelineOptions *o, Diags *diags)
{
    static const char *const names[] = {"token", "position"};
    bool ok = f->params == 2 && f->outputs == 1 && o->model.context > 0;
    for (int i = 0; ok && i < 2; i++) {
        const Type *t = f->param[i]->type;
        ok = strcmp(f->param[i]->name, names[i]) == 0 && t->dtype == DT_INT32 && t->rank == 1 &&
             t->dim[0] == DIM_S;
    }
    const Type *logits = ok ? f->output[0]->type : NULL;
    ok = ok && logits->rank == 2 && logits->dim[0] == DIM_S && logits->dtype == DT_FP32;
    if (!ok)
        diag_error(diags, f->span,
                   "a model takes token and position, int32 [S], and gives logits, fp32 [S, vocab]");
    return ok;
}

static bool begin(Pipeline *p, const Func *model)
{
    Error err;
    const char *name = p->options->profile ? p->options->profile : "safe";
    p->profile = profile_load(&p->arena, name, &err);
    if (!p->profile) {
        diag_error(p->diags, (Span){0}, "%s", err.text);
        return false;
    }
    p->plan->model = p->options->model;
    p->plan->profile = arena_str(&p->plan->arena, p->profile->name, strlen(p->profile->name));
    p->plan->compiles = p->profile->compiles;
    p->plan->resident = p->profile->resident;
    p->plan->surface_bytes = p->profile->surface_bytes;
    p->module = module_new(p->profile->program_version);
    p->graph = func_clone(p->module, model, model->name);
    choose_buckets(p);
    return check_stages(p);
}

static void report(Pipeline *p)
{
    if (p->options->explain)
        explain(p, p->options->explain);
    if (p->options->stats)
        explain_stats(p, p->options->stats);
}

static void end(Pipeline *p)
{
    HASH_CLEAR(hh, p->roles);
    for (int i = 0; i < p->segments; i++)
        HASH_CLEAR(hh, p->segment[i]->ranged);
    text_free(&p->left);
    text_free(&p->fusion);
    text_free(&p->ranges);
    module_free(p->module);
    arena_free(&p->arena);
}

Plan *passes_run(const Func *model, const PipelineOptions *options, Diags *diags)
{
    Pipeline p = {.options = options, .diags = diags, .plan = xcalloc(1, sizeof *p.plan)};
    bool ok = check_model(model, options, diags) && func_verify(model, "input", diags) && begin(&p, model);
    if (ok)
        dump(&p, "input");
    bool done = false;
    for (int i = 0; ok && i < ORDER && !done; i++) {
        ok = run_stage(&p, find_stage(order[i]));
        done = options->stateful && strcmp(order[i], "decode") == 0;
    }
    if (ok && !done)
        report(&p);
    end(&p);
    if (ok)
        return p.plan;
    plan_free(p.plan);
    return NULL;
}

void plan_free(Plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->programs; i++)
        module_free(plan->program[i]->module);
    Arena a = plan->arena;
    free(plan);
    arena_free(&a);
}
