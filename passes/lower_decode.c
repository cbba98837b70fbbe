/* The decode program: the model at S = 1 and T = context, with the KV cache as MIL states. With S unknown the
 * same program takes any number of tokens at consecutive positions, and gives the logits of the last.
 *
 *   cache(x)       old = read_state(c); new = slice_update(old, x, at position); write_state(c, new); new
 *
 *   causal(s)      s + select(range(T) <= position, 0, MASKED)
 *
 *   distance       cast(position - range(T))
 *
 *   weight, fp32   cast(weight, fp16 -> fp32); an embedding gathers fp16 rows and casts those
 *
 * Core ML takes only constants for weights. So where S is unknown, small weights are fp32 constants, and
 *
 *   linear(x, w, b)   cast(linear(cast(x, -> fp16), w), -> fp32) + b
 */
#include "passes/lower_decode.h"

#include <string.h>

#include "passes/cache_names.h"
#include "passes/quantise.h"

typedef struct Lowering {
    Func *f;
    Value *position;
    Value *range; /* int32 [T]: 0, 1, 2 ...; made at the first mask */
    Value *first; /* int32 [1]: the first of the positions; made at the first cache, as the next two */
    Value *last;
    Value *next; /* int32 [1]: last + 1 */
    Value *row;  /* the positions as the mask compares them: [1], or a column [S, 1] */
    int64_t context, tokens;
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
    Op *op = op_new_before(l->f, before, code, before ? before->span : (Span){0});
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

static Value *query_positions(Lowering *l)
{
    if (!l->row && l->tokens == 1)
        l->row = l->position;
    if (!l->row) {
        int64_t one = 1;
        Op *op = op_new_before(l->f, l->f->first, OP_EXPAND_DIMS, (Span){0});
        op_set(op, "x", l->position);
        op_set(op, "axes", inline_ints(l->f->module, &one, 1));
        l->row = emit(l, op, "query_positions");
    }
    return l->row;
}

/* How long before the query each key is: [S, T]. */
static bool lower_distance(Lowering *l, Op *op)
{
    Value *old = op->result[0], *range = key_range(l), *queries = range ? query_positions(l) : NULL;
    Value *whole = queries ? emit_binary(l, op, OP_SUB, queries, range, "distance_whole") : NULL;
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

static bool reads_halves(const Lowering *l, const Op *op)
{
    return op->code == OP_GATHER || (l->tokens != 1 && op->code == OP_LINEAR);
}

static void use_wide_weights(const Lowering *l, Op *op)
{
    FOR_EACH_ARG(op, slot)
        if (is_weight(*slot) && (*slot)->mark && op != ((Value *)(*slot)->mark)->def && !reads_halves(l, op))
            *slot = (*slot)->mark;
}

/* linear in fp16; the sum with the bias in fp32. */
static bool narrow_linear(Lowering *l, Op *op)
{
    Value *bias = op_arg(op, "bias"), *y = op->result[0];
    Value *x = emit_cast(l, op, op_arg(op, "x"), DT_FP16, "halves");
    if (!x)
        return false;
    op_set(op, "x", x);
    op->arg[op_operand_index(OP_LINEAR, "bias")].count = 0;
    Type half = *y->type;
    half.dtype = DT_FP16;
    y->type = type_copy(&l->f->module->arena, &half);
    Op *before = op->next, *cast = op_new_before(l->f, before, OP_CAST, op->span);
    op_set(cast, "x", y);
    op_set(cast, "dtype", inline_string(l->f->module, "fp32"));
    Value *wide = emit(l, cast, "product");
    Value *sum = wide && bias ? emit_binary(l, before, OP_ADD, wide, bias, "sum") : wide;
    if (!sum)
        return false;
    for (Op *user = sum->def->next; user; user = user->next)
        FOR_EACH_ARG(user, slot)
            if (*slot == y)
                *slot = sum;
    for (int i = 0; i < l->f->outputs; i++)
        if (l->f->output[i] == y)
            l->f->output[i] = sum;
    return true;
}

static bool narrow_projections(Lowering *l)
{
    for (Op *op = l->f->first, *next; op; op = next) {
        next = op->next;
        Value *w = op->code == OP_LINEAR ? op_arg(op, "weight") : NULL;
        if (w && w->type->dtype == DT_FP16 && !narrow_linear(l, op))
            return false;
    }
    return true;
}

static bool lower_weights(Lowering *l)
{
    for (Op *op = l->f->first, *next; op; op = next) {
        next = op->next;
        if (op->code != OP_CONST || !is_weight(op->result[0]))
            continue;
        bool distance = op->literal->weight.kind == WEIGHT_DISTANCE;
        if (!distance && l->tokens != 1 && op->result[0]->type->rank < 2)
            continue;
        if (!(distance ? lower_distance(l, op) : lower_weight(l, op)))
            return false;
    }
    for (Op *op = l->f->first; op; op = op->next) {
        use_wide_weights(l, op);
        Value *table = op->code == OP_GATHER ? op_arg(op, "x") : NULL;
        if (table && is_weight(table) && !lower_embedding(l, op))
            return false;
    }
    func_clear_marks(l->f);
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

/* The least or the greatest position: the first or the last, as they are consecutive. */
static Value *emit_end(Lowering *l, Op *before, OpCode code, const char *stem)
{
    int64_t zero = 0;
    Op *op = op_new_before(l->f, before, code, before->span);
    op_set(op, "x", l->position);
    op_set(op, "axes", inline_ints(l->f->module, &zero, 1));
    op_set(op, "keep_dims", inline_bool(l->f->module, true));
    return emit(l, op, stem);
}

static bool find_ends(Lowering *l)
{
    int64_t one = 1;
    Op *before = l->f->first;
    if (l->next)
        return true;
    l->first = l->tokens == 1 ? l->position : emit_end(l, before, OP_REDUCE_MIN, "first");
    l->last = l->tokens == 1 ? l->position : emit_end(l, before, OP_REDUCE_MAX, "last");
    if (l->first && l->last)
        l->next = emit_binary(l, before, OP_ADD, l->last, inline_ints(l->f->module, &one, 1), "next");
    return l->next != NULL;
}

/* new = slice_update(old, half, [0, position, 0], [H, position + 1, d]) */
static Value *emit_update(Lowering *l, Op *before, Value *old, Value *half, int axis)
{
    const Type *t = old->type;
    int64_t zeros[IR_MAX_RANK] = {0};
    Value *begin = find_ends(l) ? corner(l, before, zeros, t->rank, axis, l->first, "begin") : NULL;
    Value *end = begin ? corner(l, before, t->dim, t->rank, axis, l->next, "end") : NULL;
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
    Value *queries = query_positions(l);
    Value *seen = queries ? emit_binary(l, before, OP_LESS_EQUAL, range, queries, "seen") : NULL;
    if (!seen || !window)
        return seen;
    Value *oldest = emit_binary(l, before, OP_SUB, queries, inline_ints(l->f->module, &window, 1), "oldest");
    Value *near = oldest ? emit_binary(l, before, OP_GREATER, range, oldest, "near") : NULL;
    return near ? emit_binary(l, before, OP_LOGICAL_AND, seen, near, "seen") : NULL;
}

/* 0 where the key is seen, else MASKED. As a product where S is unknown: of two scalars Core ML's tools take
 * select for a scalar. */
static Value *emit_mask(Lowering *l, Op *before, Value *seen)
{
    Module *m = l->f->module;
    Op *op = op_new_before(l->f, before, l->tokens == 1 ? OP_SELECT : OP_LOGICAL_NOT, before->span);
    if (l->tokens == 1) {
        op_set(op, "cond", seen);
        op_set(op, "a", inline_float(m, DT_FP32, 0.0));
        op_set(op, "b", inline_float(m, DT_FP32, MASKED));
        return emit(l, op, "mask");
    }
    op_set(op, "x", seen);
    Value *hidden = emit(l, op, "hidden_keys");
    Value *ones = hidden ? emit_cast(l, before, hidden, DT_FP32, "ones") : NULL;
    return ones ? emit_binary(l, before, OP_MUL, ones, inline_float(m, DT_FP32, MASKED), "mask") : NULL;
}

static bool lower_causal(Lowering *l, Op *op)
{
    int64_t window = 0;
    arg_int(op, "window", &window);
    Value *x = op_arg(op, "x"), *range = key_range(l);
    Value *seen = range ? emit_seen(l, op, range, window) : NULL;
    if (!seen)
        return false;
    Value *mask = emit_mask(l, op, seen);
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

/* ---- any number of tokens ---- */

/* The value whose rows become the logits' rows one by one: what the last projection reads, if only
 * elementwise ops with constants follow it. */
static Op *last_projection(const Func *f)
{
    Op *op = f->output[0]->def;
    while (op && op->code != OP_LINEAR && (op_info(op->code)->flags & F_ELEMENTWISE)) {
        Op *from = NULL;
        int variables = 0;
        FOR_EACH_ARG(op, slot)
            if (!value_is_const(*slot) && (*slot)->type->rank == f->output[0]->type->rank) {
                variables++;
                from = (*slot)->def;
            }
        op = variables == 1 ? from : NULL;
    }
    Value *x = op && op->code == OP_LINEAR ? op_arg(op, "x") : NULL;
    return x && x->type->rank == 2 ? op : NULL;
}

static Value *take_last_row(Lowering *l, Op *before, Value *rows)
{
    Value *index = emit_binary(l, before, OP_SUB, l->last, l->first, "last_row");
    Op *op = index ? op_new_before(l->f, before, OP_GATHER, before ? before->span : (Span){0}) : NULL;
    if (!op)
        return NULL;
    op_set(op, "x", rows);
    op_set(op, "indices", index);
    op_set(op, "axis", inline_int(l->f->module, 0));
    op_set(op, "batch_dims", inline_int(l->f->module, 0));
    op_set(op, "validate_indices", inline_bool(l->f->module, false));
    return emit(l, op, "last_token");
}

/* Every type from `op` on is inferred anew. */
static bool infer_again(Lowering *l, Op *op)
{
    for (; op; op = op->next) {
        Type t;
        if (op->results != 1 || op->code == OP_CONST)
            continue;
        if (op_result_types(op, &t, 1, l->err) != 1)
            return false;
        op->result[0]->type = type_copy(&l->f->module->arena, &t);
    }
    return true;
}

/* Generation needs the logits of the last token only. */
static bool keep_last_row(Lowering *l)
{
    Op *op = last_projection(l->f);
    if (!op || !find_ends(l))
        return op || error_set(l->err, "the logits are not made by a projection");
    Value *row = take_last_row(l, op, op_arg(op, "x"));
    if (!row)
        return false;
    op_set(op, "x", row);
    return infer_again(l, op);
}

/* What callers ask for by name; a value inside that has it gets another. */
static void name_output(Func *f, const char *name)
{
    for (Op *op = f->first; op; op = op->next)
        for (int i = 0; i < op->results; i++)
            if (strcmp(op->result[i]->name, name) == 0)
                op->result[i]->name = func_fresh_name(f, name);
    f->output[0]->name = name;
}

/* The ranges of the inputs, as MIL text says them (docs/mil.md). */
static void describe_ranges(Lowering *l)
{
    Arena *a = &l->f->module->arena;
    int64_t unknown = DIM_UNKNOWN, two = 2, one = 1, ends[] = {1, l->context};
    Type text = type_scalar(DT_STRING), row = type_tensor(DT_INT32, 1, &unknown);
    Type pair = type_tensor(DT_INT32, 1, &two);
    text.bare = true;
    const Type *name = type_copy(a, &text);
    Type shapes = {.kind = TY_DICT, .elements = 2}, list = {.kind = TY_LIST, .elements = 1}, ranges = shapes;
    list.list_length = DIM_UNKNOWN;
    shapes.element = arena_copy(a, (const Type *[]){name, type_copy(a, &row)}, 2 * sizeof(Type *));
    list.element = arena_copy(a, (const Type *[]){type_copy(a, &pair)}, sizeof(Type *));
    ranges.element = arena_copy(a, (const Type *[]){name, type_copy(a, &list)}, 2 * sizeof(Type *));
    Type both[2] = {{.kind = TY_TUPLE, .elements = 2}, {.kind = TY_TUPLE, .elements = 2}};
    both[0].element = arena_copy(a, (const Type *[]){name, type_copy(a, &shapes)}, 2 * sizeof(Type *));
    both[1].element = arena_copy(a, (const Type *[]){name, type_copy(a, &ranges)}, 2 * sizeof(Type *));
    Type all = {.kind = TY_TUPLE, .elements = 2};
    all.element =
        arena_copy(a, (const Type *[]){type_copy(a, &both[0]), type_copy(a, &both[1])}, 2 * sizeof(Type *));
    const Literal *shape = literal_ints(a, &one, 1), *end = literal_ints(a, ends, 2);
    const Literal *range = literal_tree(a, &end, 1);
    const Literal *position = literal_string(a, "position"), *token = literal_string(a, "token");
    const Literal *tree = literal_tree(
        a,
        (const Literal *[]){
            literal_tree(
                a,
                (const Literal *[]){literal_string(a, "DefaultShapes"),
                                    literal_tree(a, (const Literal *[]){position, shape, token, shape}, 4)},
                2),
            literal_tree(
                a,
                (const Literal *[]){literal_string(a, "RangeDims"),
                                    literal_tree(a, (const Literal *[]){position, range, token, range}, 4)},
                2)},
        2);
    l->f->attr = arena_new(a, Attr);
    l->f->attrs = 1;
    *l->f->attr = (Attr){"FlexibleShapeInformation", type_copy(a, &all), tree};
}

bool lower_decode(const Func *model, int64_t context, int64_t tokens, bool int8, Plan *plan, Error *err)
{
    Program *program = arena_new(&plan->arena, Program);
    *program = (Program){.name = "decode", .place = PLACE_CPU, .kind = "decode", .module = module_new("1.3")};
    arena_push(&plan->arena, plan->program, plan->programs, plan->programs_cap, program);
    Func *f = func_clone(program->module, model, "main");
    f->opset = "ios18";
    f->groups = 1;
    for (Op *op = f->first; op; op = op->next)
        op->group = 0;
    Lowering l = {.f = f,
                  .position = find_param(f, "position"),
                  .context = context,
                  .tokens = tokens,
                  .plan = plan,
                  .err = err};
    if (!l.position)
        return error_set(err, "the model has no input `position`");
    if (!find_axes(&l))
        return false;
    func_specialise(f, tokens, context);
    if (!lower_weights(&l) || !lower_ops(&l) || (int8 && quantise_projections(f, err) < 0))
        return false;
    if (tokens != 1) {
        func_sweep(f);
        if (!narrow_projections(&l) || !keep_last_row(&l))
            return false;
        describe_ranges(&l);
        name_output(f, "logits");
    }
    func_sweep(f);
    func_sort_params(f);
    label_ops(f);
    return true;
}
