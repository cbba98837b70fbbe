/* range: bounds for the values of the programs. Changes nothing; `rescale` acts on it, and --explain tells.
 * What a program takes is bounded where another program makes it, where a norm does, or a function such as
 * cos; what it makes follows op by op (range.h). */
#include "passes/range.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pipeline.h"

/* What a calibration saw; by "program value". */
typedef struct Seen {
    char *key;
    double most;
    UT_hash_handle hh;
} Seen;

/* What is known of a wire that a program makes. */
typedef struct WireBound {
    bool known;
    Interval all;
    double likely;
} WireBound;

typedef struct RangePass {
    Pipeline *p;
    Range range;
    WireBound *wire;
    Seen *seen;
    Arena keys;
    const Segment *segment;
    bool warned;
} RangePass;

/* ---- the calibration ---- */

static void index_calibration(RangePass *r)
{
    const Calibration *c = r->p->options->calibration;
    for (int i = 0; c && i < c->count; i++) {
        char *key = arena_printf(&r->keys, "%s %s", c->value[i].program, c->value[i].value);
        Seen *seen;
        HASH_FIND_STR(r->seen, key, seen);
        if (!seen) {
            seen = arena_new(&r->keys, Seen);
            seen->key = key;
            HASH_ADD_KEYPTR(hh, r->seen, seen->key, strlen(key), seen);
        }
        seen->most = fmax(seen->most, c->value[i].most);
    }
}

static double measured(void *context, const char *value)
{
    RangePass *r = context;
    Text key = {0};
    Seen *seen;
    text_printf(&key, "%s %s", r->segment->name, value);
    HASH_FIND_STR(r->seen, text_cstr(&key), seen);
    text_free(&key);
    return seen ? seen->most : 0;
}

/* ---- parameters and results ---- */

static Value *param_of(const Instance *i, const char *buffer)
{
    for (int k = 0; k < i->inputs; k++)
        for (int j = 0; strcmp(i->input[k].buffer, buffer) == 0 && j < i->physical->params; j++)
            if (strcmp(i->physical->param[j]->name, i->input[k].port) == 0)
                return i->physical->param[j];
    return NULL;
}

static int64_t elements_for_token(const Value *param)
{
    return param->type->rank == 4 ? param->type->dim[1] : 0;
}

/* Several wires may share a parameter: what is said of it must hold for all of them. */
static void bound_params(RangePass *r, const Instance *i)
{
    const Segment *s = i->segment;
    for (int k = 0; k < s->inputs; k++) {
        const Wire *w = &r->p->wire[s->input[k]];
        const WireBound *made = &r->wire[s->input[k]];
        const char *buffer = w->half_carrier >= 0 ? r->p->carrier[w->half_carrier].name : "";
        Value *param = param_of(i, buffer);
        bool whole = param && (w->tokens < 0 || w->channels == elements_for_token(param));
        if (!whole)
            continue;
        if (made->known)
            bound_new(&r->range, param, made->all, made->likely);
        else
            bound_graph(&r->range, w->value, w->channels, param);
    }
}

/* The value behind output k of the segment, before outputs were joined. */
static Value *result_of(const Instance *i, int k)
{
    const Func *f = i->physical;
    if (f->outputs == i->segment->outputs)
        return f->output[k];
    const Op *join = f->outputs == 1 ? def_of(f->output[0], OP_CONCAT) : NULL;
    const Arg *parts = join ? op_find_arg(join, "values") : NULL;
    return parts && parts->count == i->segment->outputs ? parts->values[k] : NULL;
}

static void keep_results(RangePass *r, const Instance *i)
{
    for (int k = 0; k < i->segment->outputs; k++) {
        Value *v = result_of(i, k);
        const Bound *b = v ? v->mark : NULL;
        if (b)
            r->wire[i->segment->output[k]] = (WireBound){true, b->all, b->likely};
    }
}

/* ---- one program ---- */

/* A bound that was passed is wrong, or the calibration is of something else: it should be known once. */
static void check_measured(RangePass *r, const Value *v)
{
    const Bound *b = v->mark;
    if (r->warned || !(b->measured > bound_most(b) * (1 + 0x1p-6)))
        return;
    r->warned = true;
    diag_warning(r->p->diags, (Span){0},
                 "the calibration has seen %g in %s of %s, which cannot exceed %g: it is of other weights",
                 b->measured, v->name, r->segment->name, bound_most(b));
}

static void keep_range(RangePass *r, Segment *s, const Value *v)
{
    const Bound *b = v->mark;
    Ranged *kept = arena_new(&r->p->arena, Ranged);
    *kept = (Ranged){.name = v->name,
                     .most = bound_most(b),
                     .likely = b->likely,
                     .sum = b->sum,
                     .likely_sum = b->likely_sum,
                     .products = b->products,
                     .weights_larger = b->weights_larger,
                     .measured = b->factor > 1};
    HASH_ADD_KEYPTR(hh, s->ranged, kept->name, strlen(kept->name), kept);
}

static void look_at(RangePass *r, Segment *s, const Instance *i)
{
    Arena arena = {0};
    Func *f = i->physical;
    r->range.arena = &arena;
    r->segment = s;
    bound_params(r, i);
    range_function(&r->range, f);
    keep_results(r, i);
    for (const Op *op = f->first; op; op = op->next)
        for (int k = 0; k < op->results && op->code != OP_CONST; k++)
            if (dtype_is_float(op->result[k]->type->dtype)) {
                keep_range(r, s, op->result[k]);
                check_measured(r, op->result[k]);
            }
    range_clear(f);
    arena_free(&arena);
}

/* The largest bucket stands for all: distances between tokens are bounded by the length, nothing else is. */
bool pass_range(Pipeline *p)
{
    RangePass r = {.p = p, .range = {.weights = p->options->weights}};
    if (!p->options->weights || (p->options->no_rescale && !p->options->explain))
        return true;
    index_calibration(&r);
    r.range.measured = r.seen ? measured : NULL;
    r.range.context = &r;
    r.wire = arena_many(&p->arena, (size_t)p->wires, WireBound);
    for (int i = 0; i < p->segments; i++)
        if (p->segment[i]->place == PLACE_ANE)
            look_at(&r, p->segment[i], p->instance[(p->buckets - 1) * p->segments + i]);
    range_free(&r.range);
    HASH_CLEAR(hh, r.seen);
    arena_free(&r.keys);
    return true;
}
