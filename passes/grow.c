/* grow: programs that follow one another become one, with the norms and residuals between them: whole blocks,
 * and runs of blocks (docs/fusion.md).
 *
 * Where a single value alone goes on, the model can be cut: in most models behind each residual addition.
 * What lies between two cuts is a piece; an attention's piece and those behind it up to the next are a block.
 * So blocks are found by how the values flow, whatever the layers are. Values that no token has a part in
 * (tables of angles) do not count, and go in from outside.
 *
 * Of all ways to cut, from one program for each pattern to as many blocks in one as the profile's limits
 * allow, the one is taken that is predicted to take least (grow_cost.c). */
#include "passes/grow.h"

#include <string.h>

#include "passes/head_norm.h"
#include "passes/match.h"
#include "passes/region.h"
#include "passes/support.h"

/* ---- where one value alone goes on ---- */

static bool made_of_tokens(const Grow *g, const Op *op)
{
    FOR_EACH_ARG(op, slot) {
        const Value *v = *slot;
        if (v == g->p->graph->param[0] || (v->def && v->def->func && info_of(v) &&
                                           info_of(v)->position >= 0 && g->token[info_of(v)->position]))
            return true;
    }
    return false;
}

static void index_ops(Grow *g)
{
    g->op = arena_many(&g->scratch, (size_t)g->ops, Op *);
    g->token = arena_many(&g->scratch, (size_t)g->ops, bool);
    g->seen = arena_many(&g->scratch, (size_t)g->ops, int);
    int i = 0;
    for (Op *op = g->p->graph->first; op; op = op->next, i++) {
        g->op[i] = op;
        g->token[i] = made_of_tokens(g, op);
    }
}

/* The position of the last op that needs v; behind all ops for what the head reads. What only the KV cache
 * takes is needed no longer. */
static int last_use(const Grow *g, const Value *v)
{
    const Info *info = info_of(v);
    int last = info->position;
    if (v == g->p->graph->output[0])
        return g->ops;
    for (int i = 0; i < info->users; i++)
        if (op_position(info->user[i]) > last)
            last = op_position(info->user[i]);
    return last;
}

/* How many values are needed behind each position, and the sum of their numbers: of a single one, its own. */
typedef struct Flow {
    int *change, *inside; /* by position: values, and groups that begin before it and end behind it */
    int64_t *sum;
    Value **value;
    int values;
} Flow;

static void flow_add(Flow *f, const Grow *g, Value *v, int from)
{
    int to = last_use(g, v), n = f->values++;
    f->value[n] = v;
    f->change[from]++;
    f->sum[from] += n;
    if (to < g->ops) {
        f->change[to]--;
        f->sum[to] -= n;
    }
}

static void flow_groups(Flow *f, Grow *g)
{
    int groups = g->p->graph->groups;
    int *first = arena_many(&g->scratch, (size_t)groups, int);
    int *last = arena_many(&g->scratch, (size_t)groups, int);
    for (int i = g->ops - 1; i >= 0; i--) {
        int k = g->op[i]->group;
        first[k] = i;
        last[k] = last[k] ? last[k] : i;
    }
    for (int k = 1; k < groups; k++)
        if (last[k]) {
            f->inside[first[k]]++;
            f->inside[last[k]]--;
        }
}

static Flow find_flow(Grow *g)
{
    size_t n = (size_t)g->ops + 1, results = 1;
    for (int i = 0; i < g->ops; i++)
        results += (size_t)g->op[i]->results;
    Flow f = {.change = arena_many(&g->scratch, n, int),
              .inside = arena_many(&g->scratch, n, int),
              .sum = arena_many(&g->scratch, n, int64_t),
              .value = arena_many(&g->scratch, results, Value *)};
    flow_add(&f, g, g->p->graph->param[0], 0);
    for (int i = 0; i < g->ops; i++)
        for (int k = 0; g->token[i] && k < g->op[i]->results; k++)
            flow_add(&f, g, g->op[i]->result[k], i);
    flow_groups(&f, g);
    return f;
}

/* ---- pieces ---- */

static bool can_cross(const Value *v)
{
    return dtype_is_float(v->type->dtype) && type_token_axis(v->type) >= 0;
}

/* weight + number, which a product with it, or a norm's, takes apart. */
static bool can_distribute(const Op *op, const Value *v)
{
    const Op *sum = def_of(v, OP_ADD);
    double number;
    return (op->code == OP_MUL || (op->code == OP_LAYER_NORM && op_arg(op, "gamma") == v)) && sum &&
           is_weight(op_arg(sum, "x")) && op_arg(sum, "y")->type->rank == 0 &&
           const_number(op_arg(sum, "y"), &number);
}

static const char *objection_to_operands(const Grow *g, const Op *op)
{
    FOR_EACH_DATA(op, slot) {
        const Value *v = *slot;
        bool token = v->def && v->def->func && info_of(v) && g->token[info_of(v)->position];
        if (!token && !is_known(v) && !can_cross(v) && !can_distribute(op, v))
            return "needs a value that is no [1, C, 1, S]";
    }
    return NULL;
}

bool grow_norm_is_native(const Profile *profile, const Op *op)
{
    double epsilon = 1e-5;
    const Value *gamma = op_arg(op, "gamma");
    arg_float(op, "epsilon", &epsilon);
    return profile->op[OP_LAYER_NORM] == PROFILE_NATIVE && epsilon >= profile->smallest_epsilon &&
           (!gamma || is_known(gamma));
}

/* Between the patterns: arithmetic of rows, norms, and projections that are in no pattern. */
static const char *objection_between(const Grow *g, const Op *op, Arena *a)
{
    const Profile *profile = g->p->profile;
    bool norm = op->code == OP_LAYER_NORM || op->code == OP_REDUCE_MEAN || op->code == OP_REDUCE_SUM;
    bool plain = (op_info(op->code)->flags & F_ELEMENTWISE) || op->code == OP_LINEAR;
    if ((!norm && !plain) || op->result[0]->type->rank != 2)
        return "is no arithmetic of rows, no norm and no projection";
    bool apart = op->code == OP_LAYER_NORM && !grow_norm_is_native(profile, op);
    const char *why = apart ? ane_objection_to_parts_of_norm(profile, op, a) : ane_objection(profile, op, a);
    return why ? why : objection_to_operands(g, op);
}

/* Norms are where fp16 is short: the profile has to say that the engine has them as they are. */
static const char *doubt_of(const Grow *g, const Op *op)
{
    const Profile *profile = g->p->profile;
    bool mean = op->code == OP_REDUCE_MEAN || op->code == OP_REDUCE_SUM, norm = op->code == OP_LAYER_NORM;
    OpCode needed = norm && profile->op[OP_LAYER_NORM] != PROFILE_NATIVE ? OP_LAYER_NORM : OP_REDUCE_MEAN;
    if (op->group || (!mean && !norm) || (norm && grow_norm_is_native(profile, op)) ||
        profile->op[needed] == PROFILE_NATIVE)
        return NULL;
    return arena_printf(&g->p->arena, "norms need %s, which profile %s has as %s, not as native",
                        op_info(needed)->spelling, profile->name, profile_op_name(profile->op[needed]));
}

static void count_groups(Grow *g, Piece *piece)
{
    const Func *f = g->p->graph;
    bool *met = arena_many(&g->scratch, (size_t)f->groups, bool);
    for (int i = piece->first; i <= piece->last; i++) {
        int k = g->op[i]->group;
        if (!k || met[k])
            continue;
        met[k] = true;
        piece->groups++;
        piece->attention |= strcmp(f->group[k].kind, "attention") == 0;
    }
}

static void add_piece(Grow *g, int first, int last, Value *in, Value *out)
{
    Piece piece = {.first = first, .last = last, .in = in, .out = out};
    count_groups(g, &piece);
    for (int i = first; i <= last; i++) {
        const Op *op = g->op[i];
        if (!g->token[i] || !op->results || is_known(op->result[0]))
            continue;
        if (!op->group && !piece.why) {
            piece.why = objection_between(g, op, &g->p->arena);
            piece.obstacle = piece.why ? op : NULL;
        }
        if (!piece.doubt)
            piece.doubt = doubt_of(g, op);
    }
    arena_push(&g->scratch, g->piece, g->pieces, g->pieces_cap, piece);
}

static void find_pieces(Grow *g)
{
    Flow f = find_flow(g);
    int64_t sum = 0;
    int needed = 0, inside = 0, first = 0;
    Value *in = NULL;
    for (int i = 0; i < g->ops; i++) {
        needed += f.change[i];
        inside += f.inside[i];
        sum += f.sum[i];
        Value *v = needed == 1 && !inside ? f.value[sum] : NULL;
        if (!v || v == in || !can_cross(v))
            continue;
        if (in)
            add_piece(g, first, i, in, v);
        in = v;
        first = i + 1;
    }
}

/* ---- blocks ---- */

static void find_blocks(Grow *g)
{
    int chain = 0;
    bool open = false;
    for (int i = 0; i < g->pieces; i++) {
        const Piece *piece = &g->piece[i];
        if (piece->why) {
            open = false;
            chain++;
            continue;
        }
        if (!open && !piece->groups)
            continue;
        if (open && !piece->attention) {
            g->block[g->blocks - 1].last = i;
            g->block[g->blocks - 1].groups += piece->groups;
            continue;
        }
        Block block = {.first = i, .last = i, .groups = piece->groups, .chain = chain};
        arena_push(&g->scratch, g->block, g->blocks, g->blocks_cap, block);
        open = true;
    }
}

/* Up to `most` blocks in one program, as many as the limits allow. */
static Candidate cut_into(Grow *g, int most)
{
    Candidate c = {.blocks = most};
    for (int first = 0, last; first < g->blocks && most; first = last + 1) {
        const char *limit = grow_limit(g, first, first);
        int groups = g->block[first].groups;
        last = first;
        while (!limit && last + 1 < g->blocks && last + 1 - first < most &&
               g->block[last + 1].chain == g->block[first].chain) {
            limit = grow_limit(g, first, last + 1);
            if (!limit)
                groups += g->block[++last].groups;
        }
        if (limit && !c.limit)
            c.limit = limit;
        bool alone = limit && last == first && grow_limit(g, first, first);
        if (groups > 1 && !alone) {
            Stretch s = {first, last};
            arena_push(&g->scratch, c.stretch, c.stretches, c.cap, s);
        }
    }
    grow_predict(g, &c);
    return c;
}

/* ---- becoming one ---- */

static const char *stretch_kind(const Stretch *s)
{
    return s->first == s->last ? "block" : "blocks";
}

static void region_add_with_sums(Region *r, Op *op)
{
    region_add(r, op);
    FOR_EACH_DATA(op, slot)
        if (can_distribute(op, *slot))
            region_add(r, (*slot)->def);
}

static void explain_ends(Grow *g, const Stretch *s, const Value *in)
{
    Func *f = g->p->graph;
    Group *made = &f->group[f->groups - 1];
    bool more = s->last + 1 < g->blocks && g->block[s->last + 1].chain == g->block[s->last].chain;
    if (in->def && !in->def->group)
        made->begins = arena_printf(&g->p->arena, "%s before it is in no block", in->def->spelling);
    made->ends = more ? "the next block is another program's: see fusion, above"
                      : "behind it is nothing that could join";
}

static bool join(Grow *g, const Stretch *s)
{
    Pipeline *p = g->p;
    const Piece *from = &g->piece[g->block[s->first].first], *to = &g->piece[g->block[s->last].last];
    int *before = arena_many(&g->scratch, (size_t)g->ops, int);
    Region r;
    region_begin(&r, p, &g->scratch);
    for (int i = from->first; i <= to->last; i++) {
        before[i] = g->op[i]->group;
        if (g->token[i] && g->op[i]->results && !is_known(g->op[i]->result[0]))
            region_add_with_sums(&r, g->op[i]);
    }
    region_name(&r, from->in, "x");
    for (int i = g->block[s->first].first; i <= g->block[s->last].last; i++)
        region_name(&r, g->piece[i].out, g->piece[i].out == to->out ? "out" : "residual");
    if (region_commit(&r, stretch_kind(s), from->in, to->out)) {
        explain_ends(g, s, from->in);
        return true;
    }
    for (int i = from->first; i <= to->last; i++)
        g->op[i]->group = before[i];
    pipeline_left(p, g->op[from->first],
                  arena_printf(&p->arena, "a block stays several programs: %s", r.why));
    return false;
}

static bool is_in_block(const Pipeline *p, const Op *op)
{
    const char *kind = p->graph->group[op->group].kind;
    return op->group && (strcmp(kind, "block") == 0 || strcmp(kind, "blocks") == 0);
}

/* What `write` puts in the place of ops of blocks is part of their programs. */
static bool rewrite(Pipeline *p, bool (*write)(Pipeline *, Op *, Error *))
{
    Error err;
    for (Op *op = p->graph->first, *next; op; op = next) {
        next = op->next;
        FOR_EACH_ARG(op, slot)
            while ((*slot)->forward)
                *slot = (*slot)->forward;
        if (!is_in_block(p, op))
            continue;
        Op *before = op->prev;
        int group = op->group;
        if (!write(p, op, &err)) {
            diag_error(p->diags, p->graph->span, "%s", err.text);
            return false;
        }
        for (Op *made = before ? before->next : p->graph->first; made != next; made = made->next)
            made->group = group;
    }
    func_settle(p->graph);
    func_sweep(p->graph);
    return true;
}

static bool write_norm(Pipeline *p, Op *op, Error *err)
{
    bool apart = op->code == OP_LAYER_NORM && !grow_norm_is_native(p->profile, op);
    return !apart || layer_norm_expand(p->graph, op, err);
}

static bool write_scale(Pipeline *p, Op *op, Error *err)
{
    return scale_distribute(p->graph, op, err);
}

/* ---- choosing ---- */

static const char *doubt_in(const Grow *g, const Candidate *c)
{
    for (int i = 0; i < c->stretches; i++)
        for (int k = g->block[c->stretch[i].first].first; k <= g->block[c->stretch[i].last].last; k++)
            if (g->piece[k].doubt)
                return g->piece[k].doubt;
    return NULL;
}

static int largest_stretch(const Candidate *c)
{
    int most = 0;
    for (int i = 0; i < c->stretches; i++)
        if (c->stretch[i].last - c->stretch[i].first >= most)
            most = c->stretch[i].last - c->stretch[i].first + 1;
    return most;
}

/* The pair form first, then one block in a program, two, and so on until the limits allow no more. */
static Candidate *find_candidates(Grow *g, int *count)
{
    Candidate *c = arena_many(&g->scratch, (size_t)g->blocks + 1, Candidate);
    c[(*count)++] = cut_into(g, 0);
    for (int n = 1; n <= g->blocks; n++) {
        Candidate next = cut_into(g, n);
        if (largest_stretch(&next) < n) {
            c[*count - 1].limit = next.limit;
            break;
        }
        c[(*count)++] = next;
    }
    return c;
}

static const Candidate *choose(const Grow *g, const Candidate *c, int count)
{
    int forced = g->p->options->fuse;
    const Candidate *best = c;
    for (int i = 1; i < count && forced != FUSE_PAIR; i++) {
        bool better = forced > 0 ? c[i].blocks <= forced : !doubt_in(g, &c[i]) && c[i].us < best->us;
        if (better && c[i].us >= 0)
            best = &c[i];
    }
    return best;
}

static const char *candidate_name(Grow *g, const Candidate *c)
{
    return !c->blocks       ? "pair"
           : c->blocks == 1 ? "block"
                            : arena_printf(&g->p->arena, "%d blocks", c->blocks);
}

static void explain_candidates(Grow *g, const Candidate *c, int count, const Candidate *chosen)
{
    Text *t = &g->p->fusion;
    for (int i = 0; i < count; i++) {
        const char *doubt = doubt_in(g, &c[i]);
        text_printf(t, "  %-10s %4d programs", candidate_name(g, &c[i]), c[i].programs);
        if (c[i].us >= 0)
            text_printf(t, ", %.0f us predicted", c[i].us);
        if (&c[i] == chosen)
            text_printf(t, " <- %s", g->p->options->fuse ? "asked for" : "the least that may be");
        text_printf(t, "%s%s\n", doubt ? "; not by itself: " : "", doubt ? doubt : "");
    }
    if (c[count - 1].limit)
        text_printf(t, "  no larger programs: the next would have %s\n", c[count - 1].limit);
}

static const char *why_not_one(const Grow *g)
{
    for (int i = 0; i < g->pieces; i++)
        if (g->piece[i].why && g->piece[i].groups)
            return arena_printf(&g->p->arena, "%s beside a program %s", g->piece[i].obstacle->spelling,
                                g->piece[i].why);
    return "there are no two programs with only norms and residuals between them";
}

/* Where --fuse cannot be followed, or goes beyond what the profile says. */
static void warn_forced(const Grow *g, const Candidate *chosen)
{
    int forced = g->p->options->fuse;
    Diags *diags = g->p->diags;
    const char *doubt = doubt_in(g, chosen);
    if (forced <= 0)
        return;
    if (!chosen->stretches)
        diag_warning(diags, (Span){0}, "--fuse: attention and MLP stay programs of their own: %s",
                     chosen->limit ? arena_printf(&g->p->arena, "a block has %s", chosen->limit)
                                   : why_not_one(g));
    else if (chosen->blocks < forced && chosen->limit)
        diag_warning(diags, (Span){0}, "--fuse %d: at most %d %s a program: the next would have %s", forced,
                     chosen->blocks, chosen->blocks == 1 ? "block is" : "blocks are", chosen->limit);
    if (doubt)
        diag_warning(diags, (Span){0},
                     "--fuse: %s: on the engine sums of squares may pass what fp16 holds; --calibrate has "
                     "them rescaled",
                     doubt);
}

static bool join_all(Grow *g, const Candidate *chosen)
{
    int joined = 0;
    for (int i = 0; i < chosen->stretches; i++)
        joined += join(g, &chosen->stretch[i]);
    if (joined < chosen->stretches && g->p->options->fuse > 0)
        diag_warning(g->p->diags, (Span){0}, "--fuse: %d of %d programs stay apart; --explain says why",
                     chosen->stretches - joined, chosen->stretches);
    pipeline_count(g->p, "programs of blocks", joined);
    g->p->grown = joined > 0;
    return joined > 0;
}

bool pass_grow(Pipeline *p)
{
    Grow g = {.p = p};
    int count = 0;
    for (Op *op = p->graph->first; op; op = op->next)
        g.ops++;
    grow_measure(&g); /* its copies of the graph take the values' marks */
    users_index(p->graph, &g.scratch);
    index_ops(&g);
    find_pieces(&g);
    find_blocks(&g);
    Candidate *c = find_candidates(&g, &count);
    const Candidate *chosen = choose(&g, c, count);
    if (count > 1)
        explain_candidates(&g, c, count, chosen);
    warn_forced(&g, chosen);
    bool grown = join_all(&g, chosen);
    func_clear_marks(p->graph);
    arena_free(&g.scratch);
    if (!grown)
        return true;
    return rewrite(p, write_norm) && rewrite(p, write_scale);
}
