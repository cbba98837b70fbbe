/* The decode program: the model at S = 1 and T = context, with the KV cache as MIL states.
 *
 *   cache(x)       old = read_state(c); new = slice_update(old, x, at position); write_state(c, new); new
 *
 *   causal(s)      s + select(range(T) <= position, 0, MASKED)
 *
 *   distance       cast(position - range(T))
 *
 *   weight, fp32   cast(weight, fp16 -> fp32); an embedding gathers fp16 rows and casts those
 */
#include "passes/lower_decode.h"

#include <string.h>

#include "passes/cache_names.h"

typedef struct Lowering {
    Func *f;
    Value *position;
    Value *range; /* int32 [T]: 0, 1, 2 ...; made at the first mask */
    Value *next;  /* int32 [1]: position + 1; made at the first cache */
    int64_t context;
    Plan *plan;
    int caches, axes_cap;
    int *axis; /* of T, for each cache op in order: found while it is still a symbol */
    Error *err;
} Lowering;

static Value *emit(Lowering *l, Op *op, const char *stem)
{
    return op_infer(op, stem, l->err) ? op->result[0] : NULL;
}

static Value *emit_cast(Lowering *l, Op *before, Value *x, DType to, const char *stem)
{
    Op *op = op_new_before(l->f, before, OP_CAST, before->span);
    op_set(op, "x", x);
    op_set(op, "dtype", inline_string(l->f->module, dtype_info[to].name));
    return emit(l, op, stem);
}

static Value *emit_binary(Lowering *l, Op *before, OpCode code, Value *x, Value *y, const char *stem)
{
    Op *op = op_new_before(l->f, before, code, before->span);
    op_set(op, "x", x);
    op_set(op, "y", y);
    return emit(l, op, stem);
}

/* ---- positions of keys ---- */

static Value *key_range(Lowering *l)
{
    if (!l->range) {
        Module *m = l->f->module;
        Op *op = op_new_before(l->f, l->f->first, OP_RANGE_1D, (Span){0});
        op_set(op, "start", inline_int(m, 0));
        op_set(op, "end", inline_int(m, l->context));
        op_set(op, "step", inline_int(m, 1));
        l->range = emit(l, op, "key_positions");
    }
    return l->range;
}

/* How long before the query each key is: [1, T]. */
static bool lower_distance(Lowering *l, Op *op)
{
    Value *old = op->result[0], *range = key_range(l);
    Value *whole = range ? emit_binary(l, op, OP_SUB, l->position, range, "distance_whole") : NULL;
    Value *real = whole ? emit_cast(l, op, whole, DT_FP32, "distance_real") : NULL;
    if (!real)
        return false;
    Op *reshape = op_new_before(l->f, op, OP_RESHAPE, op->span);
    op_set(reshape, "x", real);
    op_set(reshape, "shape", inline_ints(l->f->module, old->type->dim, old->type->rank));
    Value *made = emit(l, reshape, "distance");
    if (!made)
        return false;
    value_replace(old, made);
    op_unlink(op);
    return true;
}

/* ---- weights ---- */

static bool is_weight(const Value *v)
{
    const Literal *l = value_literal(v);
    return l && l->kind == LIT_WEIGHT;
}

/* The constant becomes fp16, followed by a cast that takes over its uses. */
static bool lower_weight(Lowering *l, Op *op)
{
    Value *w = op->result[0];
    Type half = *w->type;
    half.dtype = DT_FP16;
    w->type = type_copy(&l->f->module->arena, &half);
    if (!op->next)
        return true;
    Value *wide = emit_cast(l, op->next, w, DT_FP32, w->name);
    if (!wide)
        return false;
    w->mark = wide;
    return true;
}

/* Rows are gathered as they are stored; only those that were asked for are widened. */
static bool lower_embedding(Lowering *l, Op *op)
{
    Value *rows = op->result[0];
    Type half = *rows->type;
    half.dtype = DT_FP16;
    rows->type = type_copy(&l->f->module->arena, &half);
    Value *wide = emit_cast(l, op->next, rows, DT_FP32, rows->name);
    if (!wide)
        return false;
    for (Op *user = wide->def->next; user; user = user->next)
        FOR_EACH_ARG(user, slot)
            if (*slot == rows)
                *slot = wide;
    return true;
}

static void use_wide_weights(Op *op)
{
    bool embedding = op->code == OP_GATHER;
    FOR_EACH_ARG(op, slot)
        if (is_weight(*slot) && (*slot)->mark && op != ((Value *)(*slot)->mark)->def && !embedding)
            *slot = (*slot)->mark;
}

static bool lower_weights(Lowering *l)
{
    for (Op *op = l->f->first, *next; op; op = next) {
        next = op->next;
        if (op->code != OP_CONST || !is_weight(op->result[0]))
            continue;
        bool distance = op->literal->weight.kind == WEIGHT_DISTANCE;
        if (!(distance ? lower_distance(l, op) : lower_weight(l, op)))
            return false;
    }
    for (Op *op = l->f->first; op; op = op->next) {
        use_wide_weights(op);
        Value *table = op->code == OP_GATHER ? op_arg(op, "x") : NULL;
        if (table && is_weight(table) && !lower_embedding(l, op))
            return false;
    }
    for (Op *op = l->f->first; op; op = op->next)
        for (int i = 0; i < op->results; i++)
            op->result[i]->mark = NULL;
    return true;
}

/* ---- the KV cache ---- */

static int axis_of(const Type *t, int64_t dim)
{
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] == dim)
            return i;
    return -1;
}

static Value *add_state(Lowering *l, const Type *cached, int axis, Span at)
{
    Arena *a = &l->plan->arena;
    Type held = *cached;
    held.kind = TY_TENSOR;
    held.dtype = DT_FP16;
    held.dim[axis] = l->context;
    State *grown = arena_many(a, (size_t)l->plan->states + 1, State);
    if (l->plan->states)
        memcpy(grown, l->plan->state, (size_t)l->plan->states * sizeof *grown);
    l->plan->state = grown;
    State *state = &grown[l->plan->states++];
    state->name = cache_name(a, l->caches++);
    state->type = type_copy(a, &held);
    state->axis = axis;
    held.kind = TY_STATE;
    return func_add_param(l->f, state->name, &held, at);
}

/* int32 [rank]: every element from `plain` but the one at `axis`, which is the tensor [1] `moving`. */
static Value *corner(Lowering *l, Op *before, const int64_t *plain, int rank, int axis, Value *moving,
                     const char *stem)
{
    Module *m = l->f->module;
    Value *parts[3];
    int n = 0;
    if (axis > 0)
        parts[n++] = inline_ints(m, plain, axis);
    parts[n++] = moving;
    if (axis + 1 < rank)
        parts[n++] = inline_ints(m, plain + axis + 1, rank - axis - 1);
    if (n == 1)
        return moving;
    Op *op = op_new_before(l->f, before, OP_CONCAT, before->span);
    op_set_list(op, "values", parts, n);
    op_set(op, "axis", inline_int(m, 0));
    op_set(op, "interleave", inline_bool(m, false));
    return emit(l, op, stem);
}

static Value *next_position(Lowering *l)
{
    if (!l->next) {
        int64_t one = 1;
        l->next =
            emit_binary(l, l->f->first, OP_ADD, l->position, inline_ints(l->f->module, &one, 1), "next");
    }
    return l->next;
}

/* new = slice_update(old, half, [0, position, 0], [H, position + 1, d]) */
static Value *emit_update(Lowering *l, Op *before, Value *old, Value *half, int axis)
{
    const Type *t = old->type;
    int64_t zeros[IR_MAX_RANK] = {0};
    Value *next = next_position(l);
    Value *begin = next ? corner(l, before, zeros, t->rank, axis, l->position, "begin") : NULL;
    Value *end = begin ? corner(l, before, t->dim, t->rank, axis, next, "end") : NULL;
    if (!end)
        return NULL;
    Op *op = op_new_before(l->f, before, OP_SLICE_UPDATE, before->span);
    op_set(op, "x", old);
    op_set(op, "update", half);
    op_set(op, "begin", begin);
    op_set(op, "end", end);
    return emit(l, op, "cached");
}

static bool lower_cache(Lowering *l, Op *op)
{
    Value *x = op_arg(op, "x");
    int axis = l->axis[l->caches];
    Value *state = add_state(l, op->result[0]->type, axis, op->span);
    Value *half = emit_cast(l, op, x, DT_FP16, "row");
    Op *read = op_new_before(l->f, op, OP_READ_STATE, op->span);
    op_set(read, "input", state);
    Value *old = half ? emit(l, read, "held") : NULL;
    Value *updated = old ? emit_update(l, op, old, half, axis) : NULL;
    if (!updated)
        return false;
    Op *write = op_new_before(l->f, op, OP_WRITE_STATE, op->span);
    op_set(write, "input", state);
    op_set(write, "data", updated);
    Value *wide = emit_cast(l, op, updated, DT_FP32, "keys");
    if (!wide)
        return false;
    value_replace(op->result[0], wide);
    op_unlink(op);
    return true;
}

/* ---- the mask ---- */

/* Keys position - window + 1 .. position. */
static Value *emit_seen(Lowering *l, Op *before, Value *range, int64_t window)
{
    Value *seen = emit_binary(l, before, OP_LESS_EQUAL, range, l->position, "seen");
    if (!seen || !window)
        return seen;
    Value *oldest =
        emit_binary(l, before, OP_SUB, l->position, inline_ints(l->f->module, &window, 1), "oldest");
    Value *near = oldest ? emit_binary(l, before, OP_GREATER, range, oldest, "near") : NULL;
    return near ? emit_binary(l, before, OP_LOGICAL_AND, seen, near, "seen") : NULL;
}

static bool lower_causal(Lowering *l, Op *op)
{
    int64_t window = 0;
    arg_int(op, "window", &window);
    Module *m = l->f->module;
    Value *x = op_arg(op, "x"), *range = key_range(l);
    Value *seen = range ? emit_seen(l, op, range, window) : NULL;
    if (!seen)
        return false;
    Op *pick = op_new_before(l->f, op, OP_SELECT, op->span);
    op_set(pick, "cond", seen);
    op_set(pick, "a", inline_float(m, DT_FP32, 0.0));
    op_set(pick, "b", inline_float(m, DT_FP32, MASKED));
    Value *mask = emit(l, pick, "mask");
    Value *masked = mask ? emit_binary(l, op, OP_ADD, x, mask, "masked") : NULL;
    if (!masked)
        return false;
    value_replace(op->result[0], masked);
    op_unlink(op);
    return true;
}

static bool lower_ops(Lowering *l)
{
    for (Op *op = l->f->first, *next; op; op = next) {
        next = op->next;
        bool ok = op->code == OP_CACHE    ? lower_cache(l, op)
                  : op->code == OP_CAUSAL ? lower_causal(l, op)
                                          : true;
        if (!ok)
            return false;
    }
    func_settle(l->f);
    return true;
}

static bool find_axes(Lowering *l)
{
    int count = 0;
    for (const Op *op = l->f->first; op; op = op->next) {
        if (op->code != OP_CACHE)
            continue;
        int axis = axis_of(op->result[0]->type, DIM_T);
        if (axis < 0)
            return error_set(l->err, "cache: the value has no axis S"); /* the verifier has said so before */
        arena_push(&l->f->module->arena, l->axis, count, l->axes_cap, axis);
    }
    return true;
}

static Value *find_param(const Func *f, const char *name)
{
    for (int i = 0; i < f->params; i++)
        if (strcmp(f->param[i]->name, name) == 0)
            return f->param[i];
    return NULL;
}

/* Every op gets the `name` attribute that Apple's tools write. */
static void label_ops(Func *f)
{
    for (Op *op = f->first; op; op = op->next)
        if (!op->label && op->results)
            op->label = op->result[0]->name;
}

bool lower_decode(const Func *model, int64_t context, Plan *plan, Error *err)
{
    Program *program = arena_new(&plan->arena, Program);
    *program = (Program){.name = "decode", .place = PLACE_CPU, .kind = "decode", .module = module_new("1.3")};
    arena_push(&plan->arena, plan->program, plan->programs, plan->programs_cap, program);
    Func *f = func_clone(program->module, model, "main");
    f->opset = "ios18";
    f->groups = 1;
    for (Op *op = f->first; op; op = op->next)
        op->group = 0;
    Lowering l = {
        .f = f, .position = find_param(f, "position"), .context = context, .plan = plan, .err = err};
    if (!l.position)
        return error_set(err, "the model has no input `position`");
    if (!find_axes(&l))
        return false;
    func_specialise(f, 1, context);
    if (!lower_weights(&l) || !lower_ops(&l))
        return false;
    func_sweep(f);
    func_sort_params(f);
    label_ops(f);
    return true;
}
