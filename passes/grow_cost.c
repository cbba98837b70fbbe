/* grow_cost: what a candidate would take, from the profile's published numbers. For each program
 *
 *     dispatch + max(operations / rate, (weights + what goes in and out) / bandwidth)
 *              + what its weights have beyond the on-chip memory / bandwidth + its norms by their own curve
 *
 * and for each stretch on the CPU between two programs what a cut costs beyond the dispatch. */
#include "ir/cost.h"
#include "passes/grow.h"
#include "passes/match.h"
#include "passes/users.h"

/* ---- what is in a program ---- */

static bool belongs(const Grow *g, int position, int group)
{
    const Op *op = g->op[position];
    if (!g->token[position] || (op->results && is_known(op->result[0])))
        return false;
    return group <= 0 || op->group == group;
}

static int64_t channels_of(const Type *t)
{
    int64_t n = 1;
    int tokens = type_token_axis(t);
    for (int i = 0; i < t->rank; i++)
        n *= i == tokens ? 1 : t->dim[i];
    return n;
}

static void load_weights(Grow *g, const Op *op, Load *load)
{
    FOR_EACH_ARG(op, slot) {
        const Value *v = *slot;
        const Op *sum = def_of(v, OP_ADD);
        if (sum && info_of(v) && !g->token[info_of(v)->position]) /* weight + number, of a norm */
            load_weights(g, sum, load);
        if (!is_weight(v) || !info_of(v) || g->seen[info_of(v)->position] == g->counts)
            continue;
        g->seen[info_of(v)->position] = g->counts;
        load->blobs++;
        load->weight_bytes += 2.0 * (double)type_elements(v->type);
    }
}

Load grow_load(Grow *g, int first, int last, int group)
{
    Load load = {.channels = channels_of(g->piece[last].out->type)};
    int64_t windows[8], count = 0;
    g->counts++;
    for (int i = g->piece[first].first; i <= g->piece[last].last; i++) {
        const Op *op = g->op[i];
        int64_t window = 0, k = 0;
        if (!belongs(g, i, group))
            continue;
        load_weights(g, op, &load);
        load.convs += op->code == OP_LINEAR;
        if (op->code == OP_CACHE)
            load.channels += channels_of(op->result[0]->type);
        if (op->code != OP_CAUSAL)
            continue;
        arg_int(op, "window", &window);
        while (k < count && windows[k] != window)
            k++;
        if (k == count && count < (int64_t)(sizeof windows / sizeof *windows))
            windows[count++] = window;
    }
    load.blobs += count;
    return load;
}

const char *grow_limit(Grow *g, int first, int last)
{
    const Profile *profile = g->p->profile;
    Arena *a = &g->p->arena;
    Load load = grow_load(g, g->block[first].first, g->block[last].last, 0);
    if (load.blobs > profile->blobs)
        return arena_printf(a, "%lld constants in weight files, the profile's blobs are %lld",
                            (long long)load.blobs, (long long)profile->blobs);
    if (load.weight_bytes > (double)profile->weights_bytes)
        return arena_printf(a, "%.0f bytes of weights, the profile's weights_bytes are %lld",
                            load.weight_bytes, (long long)profile->weights_bytes);
    if (profile->conv_blocks && load.convs > profile->conv_blocks)
        return arena_printf(a, "%lld convs, the profile's conv_blocks are %lld", (long long)load.convs,
                            (long long)profile->conv_blocks);
    if (profile->concat_outputs && load.channels > profile->channels)
        return arena_printf(a, "%lld channels in the one output, the profile's channels are %lld",
                            (long long)load.channels, (long long)profile->channels);
    return NULL;
}

/* ---- what it takes ---- */

/* Norms have curves of their own: the published times of layer_norm and rms_norm grow far faster than their
 * operations. A layer_norm that is taken apart has two reductions. */
double grow_norm_us(const Profile *profile, const Op *op)
{
    const Value *x = op_arg(op, "x");
    const ProfileCost *c = &profile->cost;
    double elements = x ? (double)type_elements(x->type) : 0;
    if (op->code == OP_LAYER_NORM)
        return elements * (grow_norm_is_native(profile, op) ? c->layer_norm_us : 2 * c->rms_norm_us);
    bool reduces = op->code == OP_REDUCE_MEAN || op->code == OP_REDUCE_SUM;
    return reduces ? elements * c->rms_norm_us : 0;
}

void grow_measure(Grow *g)
{
    Pipeline *p = g->p;
    g->flops = arena_many(&g->scratch, (size_t)p->buckets, double *);
    g->norm_us = arena_many(&g->scratch, (size_t)p->buckets, double *);
    for (int b = 0; b < p->buckets; b++) {
        Module *m = module_new(p->profile->program_version);
        Func *f = func_clone(m, p->graph, p->graph->name);
        func_specialise(f, p->bucket[b], p->bucket[b]);
        g->flops[b] = arena_many(&g->scratch, (size_t)g->ops, double);
        g->norm_us[b] = arena_many(&g->scratch, (size_t)g->ops, double);
        int i = 0;
        for (const Op *op = f->first; op && i < g->ops; op = op->next, i++) {
            g->flops[b][i] = op_flops(op);
            g->norm_us[b][i] = grow_norm_us(p->profile, op);
        }
        module_free(m);
    }
}

double grow_program_us(const Profile *profile, double flops, double weight_bytes, double ends, double norms)
{
    const ProfileCost *c = &profile->cost;
    double us = profile_time_us(profile, flops, weight_bytes, ends);
    double beyond = c->sram_bytes > 0 && weight_bytes > c->sram_bytes ? weight_bytes - c->sram_bytes : 0;
    return us < 0 ? -1 : us + beyond / (c->weight_gbs * 1e3) + norms;
}

static double program_us(Grow *g, int first, int last, int group, int bucket)
{
    Load load = grow_load(g, first, last, group);
    double flops = 0, norms = 0;
    for (int i = g->piece[first].first; i <= g->piece[last].last; i++)
        if (belongs(g, i, group)) {
            flops += g->flops[bucket][i];
            norms += g->norm_us[bucket][i];
        }
    double ends =
        2.0 * (double)g->p->bucket[bucket] * (double)(load.channels + channels_of(g->piece[first].in->type));
    return grow_program_us(g->p->profile, flops, load.weight_bytes, ends, norms);
}

/* The programs of a piece as they are without growing, and the CPU between them. */
static double pair_us(Grow *g, int piece, int bucket)
{
    const ProfileCost *c = &g->p->profile->cost;
    double us = c->cut_us > c->dispatch_us ? c->cut_us - c->dispatch_us : 0;
    if (!g->piece[piece].groups)
        return 0;
    for (int k = 1; k < g->p->graph->groups; k++) {
        bool here = false;
        for (int i = g->piece[piece].first; i <= g->piece[piece].last && !here; i++)
            here = g->op[i]->group == k;
        double program = here ? program_us(g, piece, piece, k, bucket) : 0;
        if (program < 0)
            return -1;
        us += program;
    }
    return us;
}

static const Stretch *stretch_at(const Grow *g, const Candidate *c, int piece)
{
    for (int i = 0; i < c->stretches; i++)
        if (g->block[c->stretch[i].first].first <= piece && piece <= g->block[c->stretch[i].last].last)
            return &c->stretch[i];
    return NULL;
}

void grow_predict(Grow *g, Candidate *c)
{
    c->us = 0;
    c->programs = 0;
    for (int piece = 0; piece < g->pieces;) {
        const Stretch *s = stretch_at(g, c, piece);
        int last = s ? g->block[s->last].last : piece;
        c->programs += s ? 1 : g->piece[piece].groups;
        for (int b = 0; b < g->p->buckets && c->us >= 0; b++) {
            double us = s ? program_us(g, piece, last, 0, b) : pair_us(g, piece, b);
            c->us = us < 0 ? -1 : c->us + us;
        }
        piece = last + 1;
    }
}
