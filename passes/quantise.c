/* Weights of 8 bits for projections, which read each of them for every token:
 *
 *   w [m, k]   constexpr_blockwise_shift_scale(data = int8 [m, k], scale = fp16 [m, k / WEIGHT_BLOCK])
 */
#include "passes/quantise.h"

typedef struct Quantising {
    Func *f;
    int weights;
    Error *err;
} Quantising;

/* The constant behind a projection's weight, and the cast between them, if there is one. */
static Value *weight_of(const Op *linear, Op **cast)
{
    Value *w = op_arg(linear, "weight");
    *cast = w && w->def && w->def->code == OP_CAST ? w->def : NULL;
    w = *cast ? op_arg(*cast, "x") : w;
    const Literal *l = w ? value_literal(w) : NULL;
    return l && l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_TENSOR ? w : NULL;
}

static bool has_blocks(const Type *t)
{
    return t->rank == 2 && t->dim[1] > 0 && t->dim[1] % WEIGHT_BLOCK == 0;
}

static Value *add_part(Quantising *q, Op *before, const Value *w, WeightKind kind, DType dtype)
{
    Module *m = q->f->module;
    WeightRef ref = value_literal(w)->weight;
    Type t = *w->type;
    t.dtype = dtype;
    if (kind == WEIGHT_SCALES)
        t.dim[1] /= WEIGHT_BLOCK;
    ref.kind = kind;
    const char *stem = kind == WEIGHT_SCALES ? "scales" : "int8";
    const char *name = func_fresh_name(q->f, arena_printf(&m->arena, "%s_%s", w->name, stem));
    return const_value(q->f, before, name, &t, literal_weight(&m->arena, &ref));
}

/* The same weight from 8 bits, in fp16; made once, and noted as the constant's mark. */
static Value *quantised(Quantising *q, Value *w)
{
    if (w->mark)
        return w->mark;
    Op *before = w->def->next;
    Value *data = add_part(q, before, w, WEIGHT_INT8, DT_INT8);
    Value *scale = add_part(q, before, w, WEIGHT_SCALES, DT_FP16);
    Op *op = op_new_before(q->f, before, OP_CONSTEXPR_BLOCKWISE_SHIFT_SCALE, w->def->span);
    op_set(op, "data", data);
    op_set(op, "scale", scale);
    if (!op_infer(op, w->name, q->err))
        return NULL;
    q->weights++;
    return w->mark = op->result[0];
}

/* Another cast than the constant's own, which others may read. */
static Value *widened(Quantising *q, const Op *cast, Value *w)
{
    if (!cast)
        return w;
    if (w->mark)
        return w->mark;
    Op *op = op_new_before(q->f, w->def->next, OP_CAST, cast->span);
    op_set(op, "x", w);
    op_set(op, "dtype", op_arg(cast, "dtype"));
    return op_infer(op, w->name, q->err) ? (w->mark = op->result[0]) : NULL;
}

int quantise_projections(Func *f, Error *err)
{
    Quantising q = {.f = f, .err = err};
    bool ok = true;
    for (Op *op = f->first; op && ok; op = op->next) {
        Op *cast;
        Value *w = op->code == OP_LINEAR ? weight_of(op, &cast) : NULL;
        if (!w || !has_blocks(w->type))
            continue;
        Value *made = quantised(&q, w), *wide = made ? widened(&q, cast, made) : NULL;
        ok = wide != NULL;
        if (ok)
            op_set(op, "weight", wide);
    }
    func_clear_marks(f);
    return ok ? q.weights : -1;
}
