/* fuse_attention: found by what it computes, from the softmax outwards:
 *
 *     x -- linear(s) -- ... q ... --- matmul -- scale, cap, mask -- softmax -- matmul -- ... -- linear -- out
 *                  \-- ... cache(k) ---/                                      /
 *                   \-- ... cache(v) ---------------------------------------/
 *
 * Backwards, ops join as long as they lie on a way to a linear: splits, heads, norms of q and k, rotations.
 * What does not (tables of angles) goes in from outside. The linears all read one x, which is the program's
 * input. Forwards, it goes on to the output projection. */
#include "passes/bias.h"
#include "passes/head_norm.h"
#include "passes/match.h"
#include "passes/region.h"
#include "passes/support.h"

enum { ROLE_Q = 1, ROLE_K = 2, ROLE_V = 4, ROLE_GATE = 8, DEEPEST = 100 };

/* ---- backwards ---- */

static bool reach(Region *r, Value *v, unsigned role, int depth);

/* Whether a way leads up from an operand. A sum must have one from both: else it is the residual, and what
 * was added to it belongs to another layer. */
static bool reach_operands(Region *r, Op *op, unsigned role, int depth)
{
    bool some = false, all = true;
    FOR_EACH_DATA(op, slot) {
        bool found = reach(r, *slot, role, depth + 1);
        some |= found;
        all &= found || is_known(*slot);
    }
    return op->code == OP_ADD || op->code == OP_SUB ? some && all : some;
}

/* Whether a way leads from v up to a linear. */
static bool reach(Region *r, Value *v, unsigned role, int depth)
{
    Info *info = info_of(v);
    Op *op = v->def;
    if (!info || !op || is_known(v) || !region_takes(r, op) || depth == DEEPEST)
        return false;
    if (info->stamp != r->stamp)
        info->stamp = r->stamp, info->roles = 0, info->found = false;
    if (info->roles & role)
        return info->found;
    info->roles |= role;
    info->found = op->code == OP_LINEAR || reach_operands(r, op, role, depth);
    return info->found;
}

/* What lies on those ways joins the region. */
static void collect(Region *r, const Value *v)
{
    const Info *info = info_of(v);
    if (!info || info->stamp != r->stamp || !info->found || region_has(r, v->def))
        return;
    region_add(r, v->def);
    if (v->def->code != OP_LINEAR)
        FOR_EACH_DATA(v->def, slot)
            collect(r, *slot);
}

static bool join(Region *r, Value *v, unsigned role)
{
    bool found = reach(r, v, role, 0);
    if (found)
        collect(r, v);
    return found;
}

static bool is_elementwise(const Op *op)
{
    return op->code == OP_CAUSAL || (op_info(op->code)->flags & F_ELEMENTWISE);
}

/* The one operand of an op on the scores that is computed. */
static Value *scores_operand(const Op *op)
{
    Value *found = NULL;
    FOR_EACH_DATA(op, slot)
        if (!is_known(*slot)) {
            if (found && found != *slot)
                return NULL;
            found = *slot;
        }
    return found;
}

/* From the softmax back to the product of q and k. */
static Op *find_scores(Region *r, Op *softmax)
{
    Value *v = op_arg(softmax, "x");
    while (v && v->def && v->def->code != OP_MATMUL && is_elementwise(v->def) && region_takes(r, v->def)) {
        region_add(r, v->def);
        region_name(r, v,
                    v->def->code == OP_CAUSAL ? "masked"
                    : v->def->code == OP_MUL  ? "scaled"
                                              : "capped");
        v = scores_operand(v->def);
    }
    Op *product = def_of(v, OP_MATMUL);
    return product && region_takes(r, product) && !op_flag(product, "transpose_x", false) ? product : NULL;
}

/* From the softmax forward to the product with v. */
static Op *find_context(Region *r, Op *softmax)
{
    Value *v = softmax->result[0];
    Op *user;
    while ((user = only_user(v)) && region_takes(r, user) && user->code != OP_MATMUL &&
           is_elementwise(user) && only_known_beside(user, v)) {
        region_add(r, user);
        v = user->result[0];
    }
    bool product = user && user->code == OP_MATMUL && op_arg(user, "x") == v && op_arg(user, "y") != v &&
                   region_takes(r, user) && !op_flag(user, "transpose_x", false);
    return product ? user : NULL;
}

/* ---- forwards ---- */

/* A gate: the context times something computed from the same x. */
static bool joins_gate(Region *r, Op *op, const Value *v)
{
    bool ok = op->code == OP_MUL || only_known_beside(op, v);
    FOR_EACH_DATA(op, slot)
        ok = ok && (*slot == v || is_known(*slot) || join(r, *slot, ROLE_GATE));
    return ok;
}

/* From the context to the output projection, or as far as it goes. */
static Value *find_end(Region *r, Value *v)
{
    Op *user;
    while ((user = only_user(v)) && region_takes(r, user) && user->results == 1) {
        bool projection = user->code == OP_LINEAR;
        bool joins = projection || is_move(user) || (is_elementwise(user) && joins_gate(r, user, v));
        if (!joins || (is_move(user) && !only_known_beside(user, v)))
            return v;
        region_add(r, user);
        v = user->result[0];
        if (projection)
            return region_absorb_tail(r, v);
        region_name(r, v, is_move(user) ? "merged" : "gated");
    }
    return v;
}

/* ---- names ---- */

static const char *role_name(unsigned roles, bool heads)
{
    switch (roles) {
    case ROLE_Q: return heads ? "q_heads" : "q";
    case ROLE_K: return heads ? "k_heads" : "k";
    case ROLE_V: return heads ? "v_heads" : "v";
    case ROLE_K | ROLE_V: return "kv";
    case ROLE_Q | ROLE_K | ROLE_V: return "qkv";
    case ROLE_GATE: return "gate";
    default: return "projected";
    }
}

/* Projections, and the parts they are split into, are called by who needs them. */
static void name_parts(Region *r)
{
    for (int i = 0; i < r->ops; i++)
        for (int k = 0; k < r->op[i]->results; k++) {
            const Value *v = r->op[i]->result[k];
            if (info_of(v)->stamp == r->stamp)
                region_name(r, v, role_name(info_of(v)->roles, v->type->rank > 2));
        }
}

/* ---- one softmax ---- */

static bool attends(const Op *softmax)
{
    const Type *t = softmax->result[0]->type;
    return t->rank >= 2 && t->dim[t->rank - 1] == DIM_T && t->dim[t->rank - 2] == DIM_S;
}

/* "WHAT: gather is not listed by profile safe" */
static bool fail_at_obstacle(Region *r, const char *what)
{
    const Op *op = r->obstacle;
    if (!op)
        return region_fail(r, what);
    const char *why = op->group ? "is in another program" : ane_objection(r->p->profile, op, &r->p->arena);
    return region_fail(r, arena_printf(&r->p->arena, "%s: %s %s", what, op->spelling, why));
}

static bool reaches_projections(Region *r, const Op *scores, const Op *context)
{
    return (join(r, op_arg(scores, "x"), ROLE_Q) && join(r, op_arg(scores, "y"), ROLE_K) &&
            join(r, op_arg(context, "y"), ROLE_V)) ||
           fail_at_obstacle(r, "q, k or v does not come from a linear");
}

static bool grow(Region *r, Op *softmax, Value **x, Value **out)
{
    if (!region_takes(r, softmax))
        return fail_at_obstacle(r, "no program");
    region_add(r, softmax);
    Op *scores = find_scores(r, softmax), *context = find_context(r, softmax);
    if (!scores || !context)
        return fail_at_obstacle(r, scores ? "no product follows the softmax" : "the scores are no product");
    region_add(r, scores);
    region_add(r, context);
    if (!reaches_projections(r, scores, context))
        return false;
    *x = region_common_input(r);
    if (!*x)
        return region_fail(r, "the projections read different values");
    *x = region_absorb_norm(r, *x);
    region_name(r, *x, "x");
    region_name(r, scores->result[0], "scores");
    region_name(r, softmax->result[0], "probs");
    region_name(r, context->result[0], "context");
    *out = find_end(r, context->result[0]);
    region_name(r, *out, "out");
    name_parts(r);
    return true;
}

bool pass_fuse_attention(Pipeline *p)
{
    Arena scratch = {0};
    Error err;
    bias_factor(p->graph);
    if (!head_norms(p->graph, &err)) {
        diag_error(p->diags, p->graph->span, "%s", err.text);
        return false;
    }
    users_index(p->graph, &scratch);
    for (Op *op = p->graph->first; op; op = op->next) {
        Region r;
        Value *x = NULL, *out = NULL;
        if (op->code != OP_SOFTMAX || op->group || !attends(op))
            continue;
        region_begin(&r, p, &scratch);
        bool grown = grow(&r, op, &x, &out);
        bool fused = region_commit(&r, "attention", x, out) && grown;
        pipeline_count(p, fused ? "attentions fused" : "attentions left on the CPU", 1);
        if (!fused)
            pipeline_left(p, op, r.why);
    }
    func_clear_marks(p->graph);
    arena_free(&scratch);
    return true;
}
