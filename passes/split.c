/* split: the model's end, that computes each row of the logits from one row of one value, becomes the head:
 * generation needs it for a single row. That is the MLP behind the last attention, the last norm and the
 * projection to the vocabulary. What the KV cache takes becomes a result of the rest.
 *
 *     graph: token, position -> logits      becomes   graph: token, position -> hidden, cached ...
 *                                                      head:  hidden -> logits */
#include <limits.h>
#include <string.h>

#include "passes/match.h"
#include "passes/outline.h"
#include "passes/pipeline.h"
#include "passes/users.h"

/* The axis of S; -1 where there is none or where keys (T) come in. */
static int row_axis(const Type *t)
{
    int axis = type_token_axis(t);
    return axis >= 0 && t->dim[axis] == DIM_S ? axis : -1;
}

static int64_t product_before(const Type *t, int axis)
{
    int64_t n = 1;
    for (int i = 0; i < axis; i++)
        n *= t->dim[i];
    return n;
}

/* Whether the axis of S is left alone by an op that works along others. */
static bool spares_rows(const Op *op)
{
    const Value *x = op_arg(op, "x");
    int rows = x ? row_axis(x->type) : -1;
    bool set[IR_MAX_RANK];
    switch (op->code) {
    case OP_LINEAR: return rows != x->type->rank - 1;
    case OP_SOFTMAX: return op_axis(op, -1) >= 0 && op_axis(op, -1) != rows;
    case OP_SPLIT:
    case OP_REDUCE_ARGMAX: return op_axis(op, 0) >= 0 && op_axis(op, 0) != rows;
    case OP_LAYER_NORM:
    case OP_REDUCE_SUM:
    case OP_REDUCE_MEAN:
    case OP_REDUCE_MAX:
    case OP_REDUCE_MIN:
    case OP_REDUCE_SUM_SQUARE: return op_axes(op, set) && !set[rows];
    case OP_TRANSPOSE:
    case OP_EXPAND_DIMS:
    case OP_SQUEEZE: return true;
    case OP_RESHAPE: {
        int after = row_axis(op->result[0]->type);
        return after >= 0 && product_before(x->type, rows) == product_before(op->result[0]->type, after);
    }
    case OP_SLICE_BY_SIZE: return row_axis(op->result[0]->type) == rows;
    default: return op_info(op->code)->flags & F_ELEMENTWISE;
    }
}

/* Made of weights and constants alone, as 1 + w of a norm. */
static bool is_made_of_known(const Value *v)
{
    if (is_known(v) || !v->def || v->def->group || row_axis(v->type) >= 0)
        return is_known(v);
    FOR_EACH_DATA(v->def, slot)
        if (!is_made_of_known(*slot))
            return false;
    return true;
}

/* Whether each row of the results needs the same row of the operands only. */
static bool is_by_row(const Op *op)
{
    if (op->group || op->code == OP_CACHE || op->code == OP_CAUSAL || (op_info(op->code)->flags & F_EFFECT))
        return false;
    FOR_EACH_DATA(op, slot)
        if (row_axis((*slot)->type) < 0 && !is_made_of_known(*slot))
            return false;
    for (int i = 0; i < op->results; i++)
        if (row_axis(op->result[i]->type) < 0)
            return false;
    return spares_rows(op);
}

/* ---- where to cut ---- */

/* Values that the tail needs and does not make. */
typedef struct Front {
    Value **value;
    int count, cap;
} Front;

static void front_add(Front *f, Arena *a, Value *v)
{
    for (int i = 0; i < f->count; i++)
        if (f->value[i] == v)
            return;
    arena_push(a, f->value, f->count, f->cap, v);
}

static Value *take_latest(Front *f)
{
    int latest = 0;
    for (int i = 1; i < f->count; i++)
        if (info_of(f->value[i])->position > info_of(f->value[latest])->position)
            latest = i;
    Value *v = f->value[latest];
    f->value[latest] = f->value[--f->count];
    return v;
}

static void drop_results(Front *f, const Op *op)
{
    for (int i = 0; i < f->count; i++)
        if (f->value[i]->def == op)
            f->value[i--] = f->value[--f->count];
}

static bool can_be_hidden(const Value *v)
{
    const Type *t = v->type;
    return t->rank == 2 && t->dim[0] == DIM_S && t->dim[1] > 0 && t->dtype == DT_FP32;
}

static bool rows_meet(const Func *f)
{
    const Op *op = f->first;
    while (op && op->code != OP_CACHE)
        op = op->next;
    return op != NULL;
}

/* The earliest value that alone decides the logits by ops that work by row; the logits themselves, if need
 * be. Of a model whose rows never meet, such as a layer by itself, only the last projection is taken: by row
 * is all of it. */
static Value *find_cut(Pipeline *p, Arena *scratch)
{
    Front front = {0};
    Value *cut = NULL;
    int linears_left = rows_meet(p->graph) ? INT_MAX : 1;
    front_add(&front, scratch, p->graph->output[0]);
    while (front.count) {
        if (front.count == 1 && can_be_hidden(front.value[0]))
            cut = front.value[0];
        Value *v = take_latest(&front);
        if (!v->def || !is_by_row(v->def) || (v->def->code == OP_LINEAR && linears_left-- == 0))
            break;
        drop_results(&front, v->def);
        FOR_EACH_DATA(v->def, slot)
            if (!is_made_of_known(*slot))
                front_add(&front, scratch, *slot);
    }
    return cut;
}

/* ---- cutting ---- */

/* The ops between cut and logits, in order; returns how many. */
static int find_tail(Pipeline *p, Value *logits, const Value *cut, Op **tail)
{
    int n = 0;
    info_of(logits)->found = true;
    for (Op *op = p->graph->last; op; op = op->prev) {
        bool needed = false;
        for (int i = 0; i < op->results; i++)
            needed |= info_of(op->result[i])->found && op->result[i] != cut;
        if (!needed || is_known(op->result[0]))
            continue;
        tail[n++] = op;
        FOR_EACH_DATA(op, slot)
            if (info_of(*slot))
                info_of(*slot)->found = true;
    }
    for (int i = 0; i < n / 2; i++) {
        Op *op = tail[i];
        tail[i] = tail[n - 1 - i];
        tail[n - 1 - i] = op;
    }
    return n;
}

static void make_head(Pipeline *p, Value *logits, Value *cut, Arena *scratch)
{
    int ops = 0;
    for (Op *op = p->graph->first; op; op = op->next)
        ops++;
    Op **tail = arena_many(scratch, (size_t)ops, Op *);
    int n = find_tail(p, logits, cut, tail);
    Segment *s = arena_new(&p->arena, Segment);
    *s = (Segment){.place = PLACE_CPU,
                   .kind = "head",
                   .name = "head",
                   .begins = "everything behind it works by row: generation needs it for the last one only",
                   .ends = "its result is the model's"};
    s->func = outline(p, s->name, tail, n, &cut, 1, &logits, 1);
    p->head = s;
    pipeline_count(p, "operations in the head", n);
}

/* hidden, then what the cache takes, in the order of the cache ops. */
static void set_outputs(Pipeline *p, Value *cut)
{
    Func *f = p->graph;
    f->outputs = 0;
    f->output = NULL;
    func_add_output(f, cut);
    for (Op *op = f->first; op; op = op->next)
        if (op->code == OP_CACHE)
            func_add_output(f, op_arg(op, "x"));
}

bool pass_split(Pipeline *p)
{
    Arena scratch = {0};
    users_index(p->graph, &scratch);
    Value *logits = p->graph->output[0], *cut = find_cut(p, &scratch);
    make_head(p, logits, cut, &scratch);
    func_clear_marks(p->graph);
    arena_free(&scratch);
    set_outputs(p, cut);
    func_sweep(p->graph);
    return true;
}
