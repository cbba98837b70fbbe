#include "passes/head_norm.h"

#include "passes/build.h"
#include "passes/match.h"

static Value *mean(Build *b, Value *x, const char *stem)
{
    int64_t last = -1;
    if (!x)
        return NULL;
    Op *op = op_new_before(b->f, b->before, OP_REDUCE_MEAN, b->before->span);
    op_set(op, "x", x);
    op_set(op, "axes", inline_ints(b->f->module, &last, 1));
    op_set(op, "keep_dims", inline_bool(b->f->module, true));
    return build_finish(b, op, stem);
}

/* ---- layer_norm ---- */

/* Whether v is a projection, moved or scaled. */
static bool is_projected(const Value *v)
{
    while (v->def && v->def->code != OP_LINEAR) {
        bool plain = is_move(v->def) || v->def->code == OP_CLIP;
        v = plain ? op_arg(v->def, "x") : NULL;
        if (!v)
            return false;
    }
    return v->def != NULL;
}

static bool is_over_last(const Op *norm)
{
    int64_t axes[IR_MAX_RANK];
    int rank = op_arg(norm, "x")->type->rank;
    return arg_ints(norm, "axes", axes, IR_MAX_RANK) == 1 && (axes[0] == -1 || axes[0] == rank - 1);
}

static bool expand(Build *b, Op *op)
{
    Value *x = op_arg(op, "x"), *old = op->result[0];
    double epsilon = 1e-5;
    arg_float(op, "epsilon", &epsilon);
    Value *centred = build_binary(b, OP_SUB, x, mean(b, x, "mean"), "centred");
    Value *variance = mean(b, build_unary(b, OP_SQUARE, centred, "squares"), "variance");
    Value *sum = build_binary(b, OP_ADD, variance, build_number(b, epsilon), "variance");
    Value *made = build_binary(b, OP_MUL, centred, build_unary(b, OP_RSQRT, sum, "inverse"), "normal");
    if (op_arg(op, "gamma"))
        made = build_binary(b, OP_MUL, made, op_arg(op, "gamma"), "normal");
    if (op_arg(op, "beta"))
        made = build_binary(b, OP_ADD, made, op_arg(op, "beta"), "normal");
    if (!made)
        return false;
    value_replace(old, made);
    op_unlink(op);
    return true;
}

/* ---- a stored scale less some number ---- */

static bool distribute(Build *b, Op *op, int least_rank)
{
    Value *x = op_arg(op, "x"), *y = op_arg(op, "y"), *old = op->result[0];
    double number;
    for (int i = 0; i < 2; i++) {
        Op *sum = def_of(i ? x : y, OP_ADD);
        Value *heads = i ? y : x, *w = sum ? op_arg(sum, "x") : NULL, *c = sum ? op_arg(sum, "y") : NULL;
        if (!sum || heads->type->rank < least_rank || !is_weight(w) || c->type->rank ||
            !const_number(c, &number))
            continue;
        Value *made = build_binary(b, OP_ADD, build_binary(b, OP_MUL, heads, w, "scaled"),
                                   build_binary(b, OP_MUL, heads, c, "offset"), "normal");
        if (!made)
            return false;
        value_replace(old, made);
        op_unlink(op);
        return true;
    }
    return true;
}

bool layer_norm_expand(Func *f, Op *op, Error *err)
{
    Build b = {.f = f, .before = op, .err = err};
    return expand(&b, op);
}

bool scale_distribute(Func *f, Op *op, Error *err)
{
    Build b = {.f = f, .before = op, .err = err};
    return op->code != OP_MUL || distribute(&b, op, 2);
}

bool head_norms(Func *f, Error *err)
{
    Build b = {.f = f, .err = err};
    for (Op *op = f->first, *next; op; op = next) {
        next = op->next;
        b.before = op;
        FOR_EACH_ARG(op, slot)
            while ((*slot)->forward)
                *slot = (*slot)->forward;
        bool ok = true;
        if (op->code == OP_LAYER_NORM && op->result[0]->type->rank > 2 && is_over_last(op) &&
            is_projected(op_arg(op, "x")))
            ok = expand(&b, op);
        else if (op->code == OP_MUL)
            ok = distribute(&b, op, 3);
        if (!ok)
            return false;
    }
    func_settle(f);
    func_sweep(f);
    return true;
}
