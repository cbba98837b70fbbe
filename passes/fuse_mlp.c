/* fuse_mlp: linears of one x, arithmetic with an activation in it, and a linear that takes all of it:
 *
 *     x -- linear -- gelu, relu ... -- linear        x -- linear -- silu -- mul -- linear
 *                                                     \-- linear ---------/
 *
 * found from the last linear backwards, whatever the activation is made of. */
#include "passes/match.h"
#include "passes/region.h"

enum { MOST_OPS = 64 };

typedef struct Mlp {
    Region r;
    int linears;
    bool bends; /* something in it is no linear function */
} Mlp;

static bool is_part(const Op *op)
{
    return op->code == OP_SPLIT || op->code == OP_SLICE_BY_SIZE;
}

static bool is_linear_function(const Op *op)
{
    if (op->code == OP_MUL)
        return is_known(op_arg(op, "x")) || is_known(op_arg(op, "y"));
    return is_part(op) || op->code == OP_ADD || op->code == OP_SUB || op->code == OP_CAST;
}

/* All ways back from v end in linears. */
static bool reach(Mlp *m, Value *v)
{
    Op *op = v->def;
    if (is_known(v) || region_has(&m->r, op))
        return true;
    if (!op || !region_takes(&m->r, op) || m->r.ops == MOST_OPS)
        return false;
    bool arithmetic = (op_info(op->code)->flags & F_ELEMENTWISE) || is_part(op);
    if (op->code != OP_LINEAR && !arithmetic)
        return false;
    region_add(&m->r, op);
    if (op->code == OP_LINEAR) {
        m->linears++;
        return true;
    }
    m->bends |= !is_linear_function(op);
    FOR_EACH_DATA(op, slot)
        if (!reach(m, *slot))
            return false;
    return true;
}

static bool is_activation(const Op *op)
{
    return op->code == OP_GELU || op->code == OP_SILU || op->code == OP_RELU || op->code == OP_SIGMOID ||
           op->code == OP_TANH;
}

static void name_values(Mlp *m, const Op *last, const Value *x, const Value *out)
{
    Region *r = &m->r;
    region_name(r, x, "x");
    region_name(r, out, "out");
    region_name(r, op_arg(last, "x"), "activated");
    for (int i = 0; i < r->ops; i++) {
        Op *op = r->op[i], *user = only_user(op->result[0]);
        if (op->code == OP_LINEAR && op != last)
            region_name(r, op->result[0],
                        m->linears == 1               ? "hidden"
                        : user && is_activation(user) ? "gate"
                                                      : "up");
    }
}

static bool grow(Mlp *m, Op *last, Value **x, Value **out)
{
    Region *r = &m->r;
    if (!reach(m, op_arg(last, "x")) || !m->linears || !m->bends)
        return region_fail(r, "no activation of linears comes before");
    *x = region_common_input(r);
    if (!*x)
        return region_fail(r, "the linears read different values");
    *x = region_absorb_norm(r, *x);
    region_add(r, last);
    *out = region_absorb_tail(r, last->result[0]);
    name_values(m, last, *x, *out);
    return true;
}

static bool try_linear(Pipeline *p, Op *last, Arena *scratch)
{
    Mlp m = {0};
    Value *x = NULL, *out = NULL;
    region_begin(&m.r, p, scratch);
    if (!region_takes(&m.r, last) || info_of(last->result[0])->output)
        return false;
    bool grown = grow(&m, last, &x, &out);
    return region_commit(&m.r, "mlp", x, out) && grown;
}

bool pass_fuse_mlp(Pipeline *p)
{
    Arena scratch = {0};
    users_index(p->graph, &scratch);
    for (Op *op = p->graph->first; op; op = op->next)
        if (op->code == OP_LINEAR && !op->group && try_linear(p, op, &scratch))
            pipeline_count(p, "MLPs fused", 1);
    func_clear_marks(p->graph);
    arena_free(&scratch);
    return true;
}
