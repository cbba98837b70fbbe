/* place: groups become segments for the ANE, what stands between them functions for the CPU, and values that
 * go from one to another become wires. Between programs a value with one axis of tokens is [1, C, 1, S]: fp16
 * where the ANE or the KV cache takes it, fp32 where CPU functions do. */
#include <string.h>

#include "passes/cache_names.h"
#include "passes/match.h"
#include "passes/names.h"
#include "passes/outline.h"
#include "passes/schedule.h"
#include "passes/users.h"

typedef struct Placer {
    Pipeline *p;
    Arena scratch;
    Schedule schedule;
    int **outputs; /* per segment: wires it makes */
    int *output_count, *output_cap;
} Placer;

/* ---- wires ---- */

static int64_t channels_of(const Type *t, int tokens)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        if (i != tokens)
            n *= t->dim[i];
    return n;
}

/* The wire of a value; a new one becomes an output of the segment that makes it. */
static int wire_of(Placer *pl, Value *v)
{
    Pipeline *p = pl->p;
    Info *info = info_of(v);
    if (info->wire)
        return info->wire - 1;
    int tokens = dtype_is_float(v->type->dtype) ? type_token_axis(v->type) : -1, n = p->wires;
    Wire w = {.value = v, .tokens = tokens, .half_carrier = -1, .full_carrier = -1};
    w.channels = tokens >= 0 ? channels_of(v->type, tokens) : 0;
    arena_push(&p->arena, p->wire, p->wires, p->wires_cap, w);
    info->wire = n + 1;
    if (v->def) {
        int s = info->segment;
        arena_push(&pl->scratch, pl->outputs[s], pl->output_count[s], pl->output_cap[s], n);
    }
    return n;
}

/* The values from outside that a run reads, each once, in the order of their use. */
static void find_inputs(Placer *pl, int s, Segment *segment)
{
    const Run *run = &pl->schedule.run[s];
    int cap = 0;
    for (int i = 0; i < run->ops; i++)
        FOR_EACH_ARG(run->op[i], slot) {
            Info *info = info_of(*slot);
            if (!info || is_known(*slot) || ((*slot)->def && info->segment == s) ||
                info->visited == (unsigned)s + 1)
                continue;
            info->visited = (unsigned)s + 1;
            int w = wire_of(pl, *slot);
            *(segment->place == PLACE_ANE ? &pl->p->wire[w].half : &pl->p->wire[w].full) = true;
            arena_push(&pl->p->arena, segment->input, segment->inputs, cap, w);
        }
}

/* The results of the graph: hidden is read as fp32, what the cache takes as fp16. */
static void find_results(Placer *pl)
{
    Pipeline *p = pl->p;
    for (int i = 0; i < p->graph->outputs; i++) {
        int w = wire_of(pl, p->graph->output[i]);
        if (i == 0)
            p->wire[w].full = true;
        else
            p->wire[w].half = true;
        if (i > 0)
            p->wire[w].state = cache_name(&p->plan->arena, i - 1);
    }
}

/* ---- segments ---- */

static bool is_embedding(const Run *run)
{
    for (int i = 0; i < run->ops; i++)
        if (run->op[i]->code == OP_GATHER)
            return true;
    return false;
}

static void name_segment(Placer *pl, int s, int *glue)
{
    Pipeline *p = pl->p;
    Segment *segment = p->segment[s];
    const Run *run = &pl->schedule.run[s];
    if (run->group) {
        const Group *g = &p->graph->group[run->group];
        *segment = (Segment){
            .place = PLACE_ANE, .kind = g->kind, .name = g->name, .begins = g->begins, .ends = g->ends};
        return;
    }
    bool embed = *glue == 0 && s == 0 && is_embedding(run);
    *segment = (Segment){.place = PLACE_CPU, .kind = "cpu"};
    segment->name = embed ? "embed" : arena_printf(&p->plan->arena, "glue_%02d", (*glue)++);
}

/* CPU functions lie between their neighbours. */
static void explain_segment(Placer *pl, int s)
{
    Pipeline *p = pl->p;
    Segment *segment = p->segment[s];
    if (segment->place == PLACE_ANE)
        return;
    segment->begins =
        s ? arena_printf(&p->arena, "behind %s", p->segment[s - 1]->name) : "the model's inputs";
    segment->ends = s + 1 < p->segments ? arena_printf(&p->arena, "before %s", p->segment[s + 1]->name)
                                        : "what the head reads";
}

/* Projections that no pattern took: the dear ones among what the CPU does. */
static void note_linears(Pipeline *p, const Run *run)
{
    for (int i = 0; i < run->ops && !run->group; i++)
        if (run->op[i]->code == OP_LINEAR)
            pipeline_left(p, run->op[i],
                          "it belongs to no attention and to no MLP that could be one program");
}

static void add_segments(Placer *pl)
{
    int glue = 0;
    for (int s = 0; s < pl->schedule.runs; s++) {
        Segment *segment = arena_new(&pl->p->arena, Segment);
        arena_push(&pl->p->arena, pl->p->segment, pl->p->segments, pl->p->segments_cap, segment);
        for (int i = 0; i < pl->schedule.run[s].ops; i++)
            for (int k = 0; k < pl->schedule.run[s].op[i]->results; k++)
                info_of(pl->schedule.run[s].op[i]->result[k])->segment = s;
        name_segment(pl, s, &glue);
        note_linears(pl->p, &pl->schedule.run[s]);
    }
}

/* The projection first, then what the cache takes, in the cache's order. */
static void order_outputs(Placer *pl, int s, Segment *segment)
{
    int n = pl->output_count[s];
    const int *made = pl->outputs[s];
    segment->output = arena_many(&pl->p->arena, (size_t)n, int);
    for (int stored = 0; stored < 2; stored++)
        for (int i = 0; i < n; i++)
            if ((pl->p->wire[made[i]].state != NULL) == (stored == 1))
                segment->output[segment->outputs++] = made[i];
    for (int i = 1; i < segment->outputs; i++) /* few: by insertion */
        for (int k = i; k > 0; k--) {
            const Wire *a = &pl->p->wire[segment->output[k - 1]], *b = &pl->p->wire[segment->output[k]];
            if (!a->state || !b->state || strcmp(a->state, b->state) < 0)
                break;
            int t = segment->output[k];
            segment->output[k] = segment->output[k - 1];
            segment->output[k - 1] = t;
        }
}

static void make_function(Placer *pl, int s)
{
    Pipeline *p = pl->p;
    Segment *segment = p->segment[s];
    const Run *run = &pl->schedule.run[s];
    Value **in = arena_many(&pl->scratch, (size_t)segment->inputs, Value *);
    Value **out = arena_many(&pl->scratch, (size_t)segment->outputs, Value *);
    for (int i = 0; i < segment->inputs; i++)
        in[i] = (Value *)(uintptr_t)p->wire[segment->input[i]].value;
    for (int i = 0; i < segment->outputs; i++)
        out[i] = (Value *)(uintptr_t)p->wire[segment->output[i]].value;
    segment->func = outline(p, segment->name, run->op, run->ops, in, segment->inputs, out, segment->outputs);
}

/* ---- carriers ---- */

static int add_carrier(Pipeline *p, const char *name, DType dtype, int64_t channels)
{
    int64_t dims[4] = {1, channels, 1, DIM_S};
    Type t = type_tensor(dtype, 4, dims);
    Carrier c = {name, type_copy(&p->arena, &t)};
    arena_push(&p->arena, p->carrier, p->carriers, p->carriers_cap, c);
    return p->carriers - 1;
}

static int add_plain_carrier(Pipeline *p, const char *name, const Type *type)
{
    Carrier c = {name, type};
    arena_push(&p->arena, p->carrier, p->carriers, p->carriers_cap, c);
    return p->carriers - 1;
}

static void carry_params(Pipeline *p)
{
    for (int i = 0; i < p->wires; i++)
        if (!p->wire[i].value->def)
            p->wire[i].full_carrier = add_plain_carrier(
                p, arena_printf(&p->plan->arena, "%s", p->wire[i].value->name), p->wire[i].value->type);
}

/* "attention_00.out"; several results of a program are channels of "attention_00.result". */
static void carry_program(Pipeline *p, const Segment *s)
{
    Arena *a = &p->plan->arena;
    int64_t channels = 0;
    bool join = p->profile->concat_outputs && s->outputs > 1;
    for (int i = 0; i < s->outputs; i++)
        channels += p->wire[s->output[i]].channels;
    int joined = join ? add_carrier(p, arena_printf(a, "%s.result", s->name), DT_FP16, channels) : -1;
    int64_t first = 0;
    for (int i = 0; i < s->outputs; i++) {
        Wire *w = &p->wire[s->output[i]];
        const char *name = s->func->output[i]->name;
        w->half_carrier =
            join ? joined : add_carrier(p, arena_printf(a, "%s.%s", s->name, name), DT_FP16, w->channels);
        w->first = join ? first : 0;
        first += w->channels;
    }
}

static void carry_function(Pipeline *p, const Segment *s)
{
    Arena *a = &p->plan->arena;
    for (int i = 0; i < s->outputs; i++) {
        Wire *w = &p->wire[s->output[i]];
        const char *name = arena_printf(a, "%s.%s", s->name, s->func->output[i]->name);
        const char *full = w->value == p->hidden ? "hidden" : name;
        if (w->full && w->tokens >= 0)
            w->full_carrier = add_carrier(p, full, w->value->type->dtype, w->channels);
        else if (w->full)
            w->full_carrier = add_plain_carrier(p, full, w->value->type);
        if (w->half)
            w->half_carrier =
                add_carrier(p, w->full ? arena_printf(a, "%s.half", name) : name, DT_FP16, w->channels);
    }
}

static void count_segments(Pipeline *p)
{
    for (int i = 0; i < p->segments; i++)
        pipeline_count(p, p->segment[i]->place == PLACE_ANE ? "ANE programs" : "CPU functions", 1);
    pipeline_count(p, "wires", p->wires);
}

/* The head reads fp32; what a program makes is fp16. */
static Value *hidden_behind_program(Func *graph)
{
    Value *cut = graph->output[0];
    if (cut->def && !cut->def->group)
        return cut;
    Op *op = op_new_before(graph, cut->def ? cut->def->next : graph->first, OP_IDENTITY, cut->span);
    op_set(op, "x", cut);
    return op_add_result(op, func_fresh_name(graph, "hidden"), cut->type);
}

bool pass_place(Pipeline *p)
{
    Placer pl = {.p = p};
    p->hidden = p->graph->output[0] = hidden_behind_program(p->graph);
    users_index(p->graph, &pl.scratch);
    schedule_make(p, &pl.schedule, &pl.scratch);
    size_t n = (size_t)pl.schedule.runs;
    pl.outputs = arena_many(&pl.scratch, n, int *);
    pl.output_count = arena_many(&pl.scratch, n, int);
    pl.output_cap = arena_many(&pl.scratch, n, int);
    add_segments(&pl);
    for (int s = 0; s < p->segments; s++) {
        find_inputs(&pl, s, p->segment[s]);
        explain_segment(&pl, s);
    }
    find_results(&pl);
    carry_params(p);
    for (int s = 0; s < p->segments; s++) {
        order_outputs(&pl, s, p->segment[s]);
        make_function(&pl, s);
        (p->segment[s]->place == PLACE_ANE ? carry_program : carry_function)(p, p->segment[s]);
    }
    count_segments(p);
    func_clear_marks(p->graph);
    arena_free(&pl.scratch);
    return true;
}
