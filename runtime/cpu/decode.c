/* The two forms of a decode step: rows that go into a state in place, and attention of the newest queries
 * over it.
 *
 *     update:  write_state(s, slice_update(read_state(s), rows, begin, end)), begin and end constant but for
 * one axis, where they are a position of the run and that position plus the number of rows decode:
 * softmax(scale q K^T + select(range <= position, 0, MASKED)) V with K and V views of such states
 */
#include <string.h>

#include "base/half.h"
#include "runtime/cpu/attention.h"
#include "runtime/eval/eval.h"

/* ---- corners: int32 [rank] with one element that is known at the run only ---- */

typedef struct Corner {
    int64_t plain[IR_MAX_RANK];
    int axis; /* of the moving element; -1: none */
    const Value *moving;
} Corner;

static bool add_piece(Corner *c, int *at, int rank, const Value *piece)
{
    const Literal *l = value_literal(piece);
    int64_t n = type_elements(piece->type);
    if (n < 0 || n > rank - *at || (l && (l->kind != LIT_INT || (int64_t)l->count != n)))
        return false;
    if (!l && (n != 1 || c->moving))
        return false;
    if (!l) {
        c->axis = *at;
        c->moving = piece;
    }
    for (int64_t i = 0; l && i < n; i++)
        c->plain[*at + i] = l->ints[i];
    *at += (int)n;
    return true;
}

static bool read_corner(const Value *v, int rank, Corner *c)
{
    const Op *concat = cpu_def_of(v, OP_CONCAT);
    const Arg *pieces = concat ? op_find_arg(concat, "values") : NULL;
    int at = 0;
    *c = (Corner){.axis = -1};
    if (!pieces)
        return add_piece(c, &at, rank, v) && at == rank;
    for (int i = 0; i < pieces->count; i++)
        if (!add_piece(c, &at, rank, pieces->values[i]))
            return false;
    return at == rank;
}

/* v = base + constant */
static bool is_sum(const Value *v, const Value *base, int64_t constant)
{
    const Op *add = cpu_def_of(v, OP_ADD);
    double number;
    for (int side = 0; add && side < 2; side++)
        if (op_arg(add, side ? "y" : "x") == base && cpu_scalar_const(op_arg(add, side ? "x" : "y"), &number))
            return number == (double)constant;
    return false;
}

/* ---- update ---- */

typedef struct Update {
    const Value *state, *rows, *position;
    int axis;
} Update;

static bool no_masks(const Op *op)
{
    static const char *const keys[] = {"begin_mask", "end_mask", "squeeze_mask"};
    int64_t v[IR_MAX_RANK];
    for (int k = 0; k < 3; k++) {
        int n = arg_ints(op, keys[k], v, IR_MAX_RANK);
        if (n < 0 && op_arg(op, keys[k]))
            return false;
        for (int i = 0; i < n; i++)
            if (v[i])
                return false;
    }
    int n = arg_ints(op, "stride", v, IR_MAX_RANK);
    for (int i = 0; i < n; i++)
        if (v[i] != 1)
            return false;
    return n >= 0 || !op_arg(op, "stride");
}

/* A slice_update whose box is whole but for one axis. */
static bool read_update(const Op *op, Update *u)
{
    const Value *x = op_arg(op, "x"), *begin = op_arg(op, "begin"), *end = op_arg(op, "end");
    Corner from, to;
    int rank = x->type->rank;
    u->rows = op_arg(op, "update");
    if (!no_masks(op) || u->rows->type->rank != rank || !read_corner(begin, rank, &from) ||
        !read_corner(end, rank, &to))
        return false;
    if (from.axis < 0 || from.axis != to.axis ||
        !is_sum(to.moving, from.moving, u->rows->type->dim[from.axis]))
        return false;
    for (int i = 0; i < rank; i++)
        if (i != from.axis && (from.plain[i] != 0 || to.plain[i] != x->type->dim[i] ||
                               u->rows->type->dim[i] != x->type->dim[i]))
            return false;
    u->axis = from.axis;
    u->position = from.moving;
    return true;
}

typedef struct UpdateStep {
    View part;       /* of the state: the rows at position 0 */
    int64_t longest; /* positions the state has */
    int64_t stride;  /* from one position to the next */
    int64_t rows;
} UpdateStep;

static bool read_position(const Run *r, const CpuStep *s, const View *v, int64_t rows, int64_t longest,
                          int64_t *out, Error *err)
{
    Tensor t = {.store = v->store, .data = view_data(r, v)};
    *out = tensor_get_int(&t, 0);
    if (*out >= 0 && *out <= longest - rows)
        return true;
    return error_set(err, "%s: position %lld is out of range: the cache holds %lld", s->name, (long long)*out,
                     (long long)longest);
}

/* fp32 or fp16 rows into the fp16 state; contiguous runs by the vector conversion. */
static bool run_update(const Run *r, const CpuStep *s, Error *err)
{
    const UpdateStep *u = s->own;
    const View *rows = &s->view[0];
    int64_t position;
    if (!read_position(r, s, &s->view[1], u->rows, u->longest, &position, err))
        return false;
    Tensor to = {.store = u->part.store, .data = view_data(r, &u->part)};
    Tensor from = {.store = rows->store, .data = view_data(r, rows)};
    int last = u->part.rank - 1;
    bool runs =
        to.store == DT_FP16 && from.store == DT_FP32 && u->part.stride[last] == 1 && rows->stride[last] == 1;
    Cursor at;
    cursor_begin(&at, last, u->part.dim);
    cursor_lane(&at, position * u->stride, u->part.stride);
    cursor_lane(&at, 0, rows->stride);
    for (; at.left > 0; cursor_next(&at)) {
        if (runs) {
            r->compute->kernels->half_from_float((uint16_t *)to.data + at.at[0],
                                                 (const float *)from.data + at.at[1],
                                                 (size_t)u->part.dim[last]);
            continue;
        }
        for (int64_t i = 0; i < u->part.dim[last]; i++)
            tensor_move(&to, at.at[0] + i * u->part.stride[last], &from, at.at[1] + i * rows->stride[last],
                        1);
    }
    return true;
}

static bool emit_update(Lowering *l, const Match *m)
{
    const Update *u = m->own;
    const Value *out = m->root->result[0];
    const View *state = cpu_value_view(l, u->state), *rows = cpu_value_view(l, u->rows);
    View views[2];
    if (!state || !rows || !cpu_value_dense(l, u->position, &views[1]))
        return false;
    views[0] = *rows;
    cpu_value_place(l, out, *state);
    UpdateStep own = {*state, state->dim[u->axis], state->stride[u->axis], rows->dim[u->axis]};
    own.part.dim[u->axis] = own.rows;
    cpu_step_add(l, run_update, "state", out, own.part, views, 2, &own, sizeof own);
    return true;
}

/* `write` is the write_state; the state is touched by nothing but this chain. */
Match *cpu_match_update(Lowering *l, const Op *write)
{
    if (write->code != OP_WRITE_STATE)
        return NULL;
    Update u = {.state = op_arg(write, "input")};
    const Op *update = cpu_def_of(op_arg(write, "data"), OP_SLICE_UPDATE);
    const Op *read = update ? cpu_def_of(op_arg(update, "x"), OP_READ_STATE) : NULL;
    if (!read || op_arg(read, "input") != u.state || u.state->type->rank < 1 ||
        type_elements(u.state->type) <= 0 || cpu_node(l, u.state)->uses != 2 ||
        !cpu_used_once(l, read->result[0]) || !read_update(update, &u) || type_elements(u.rows->type) <= 0)
        return NULL;
    Match *m = cpu_match_new(l, update, emit_update, &u, sizeof u);
    cpu_match_inner(m, read);
    cpu_match_outer(m, u.rows);
    cpu_match_outer(m, u.position);
    return m;
}

/* ---- decode ---- */

typedef struct DecodeMatch {
    Scores scores;
    const Value *position;
    int64_t window; /* 0: all */
} DecodeMatch;

/* 0, 1, 2 ... n-1 */
static bool is_range(const Value *v, int64_t n)
{
    const Op *range = cpu_def_of(v, OP_RANGE_1D);
    const Literal *literal = value_literal(v);
    double start, step;
    if (type_elements(v->type) != n)
        return false;
    if (range)
        return cpu_scalar_const(op_arg(range, "start"), &start) && start == 0 &&
               cpu_scalar_const(op_arg(range, "step"), &step) && step == 1;
    if (!literal || literal->kind != LIT_INT || (int64_t)literal->count != n)
        return false;
    for (int64_t i = 0; i < n; i++)
        if (literal->ints[i] != i)
            return false;
    return true;
}

/* Behind what only changes the rank. */
static const Value *through_reshapes(const Value *v)
{
    const Op *op;
    while ((op = cpu_def_of(v, OP_RESHAPE)) || (op = cpu_def_of(v, OP_EXPAND_DIMS)) ||
           (op = cpu_def_of(v, OP_SQUEEZE)))
        v = op_arg(op, "x");
    return v;
}

/* cond is range <= position; the position is noted. */
static bool match_not_later(const Value *cond, int64_t keys, const Value **position)
{
    const Op *below = cpu_def_of(cond, OP_LESS_EQUAL), *above = cpu_def_of(cond, OP_GREATER_EQUAL);
    const Op *op = below ? below : above;
    if (!op)
        return false;
    const Value *range = op_arg(op, below ? "x" : "y");
    *position = op_arg(op, below ? "y" : "x");
    return is_range(through_reshapes(range), keys) && type_elements((*position)->type) == 1;
}

/* cond is range > position - window */
static bool match_near(const Value *cond, int64_t keys, const Value *position, int64_t *window)
{
    const Op *greater = cpu_def_of(cond, OP_GREATER);
    const Op *sub = greater ? cpu_def_of(op_arg(greater, "y"), OP_SUB) : NULL;
    double number;
    if (!sub || !is_range(through_reshapes(op_arg(greater, "x")), keys) || op_arg(sub, "x") != position ||
        !cpu_scalar_const(op_arg(sub, "y"), &number) || !(number >= 1 && number <= 1e9))
        return false;
    *window = (int64_t)number;
    return true;
}

static bool match_seen(const Value *cond, int64_t keys, DecodeMatch *m)
{
    const Op *both = cpu_def_of(cond, OP_LOGICAL_AND);
    if (!both)
        return match_not_later(cond, keys, &m->position);
    const Value *x = op_arg(both, "x"), *y = op_arg(both, "y");
    return (match_not_later(x, keys, &m->position) && match_near(y, keys, m->position, &m->window)) ||
           (match_not_later(y, keys, &m->position) && match_near(x, keys, m->position, &m->window));
}

/* One row of keys for all queries and heads: 0 where the position has seen them, MASKED elsewhere. */
static bool match_mask(const Value *mask, int64_t keys, DecodeMatch *m)
{
    if (type_elements(mask->type) != keys || mask->type->dim[mask->type->rank - 1] != keys)
        return false;
    const Op *select = cpu_def_of(through_reshapes(cpu_through_casts(mask)), OP_SELECT);
    double seen, hidden;
    return select && cpu_scalar_const(op_arg(select, "a"), &seen) && seen == 0 &&
           cpu_scalar_const(op_arg(select, "b"), &hidden) && hidden <= MASKED &&
           match_seen(through_reshapes(op_arg(select, "cond")), keys, m);
}

/* Behind a reshape that only gives the heads another axis. */
static const Value *behind_heads_axis(const Value *v)
{
    const Op *reshape = cpu_def_of(v, OP_RESHAPE);
    const Value *x = reshape ? op_arg(reshape, "x") : v;
    int n = v->type->rank, m = x->type->rank;
    bool same = n >= 2 && m >= 2 && v->type->dim[n - 1] == x->type->dim[m - 1] &&
                v->type->dim[n - 2] == x->type->dim[m - 2];
    return same ? cpu_through_casts(x) : v;
}

/* The value of a state that an update has just written, as [.., T, d]; a transposition of the last two axes
 * is taken back. */
static const Value *cached(Lowering *l, const Value *v, bool *turned)
{
    v = behind_heads_axis(cpu_through_casts(v));
    const Op *transpose = cpu_def_of(v, OP_TRANSPOSE);
    int64_t perm[IR_MAX_RANK];
    int r = v->type->rank;
    if (transpose && arg_ints(transpose, "perm", perm, IR_MAX_RANK) == r &&
        (perm[r - 1] == r - 2 || perm[r - 1] == -2)) {
        for (int i = 0; i < r - 2; i++)
            if (perm[i] != i)
                return NULL;
        *turned = !*turned;
        v = cpu_through_casts(op_arg(transpose, "x"));
    }
    if (*turned || !cpu_def_of(v, OP_SLICE_UPDATE) || v->type->dtype != DT_FP16)
        return NULL;
    for (const Op *op = v->def->next; op; op = op->next)
        if (op->code == OP_WRITE_STATE && op_arg(op, "data") == v)
            return cpu_match_update(l, op) ? v : NULL;
    return NULL;
}

typedef struct DecodeStep {
    Decode p;
    int64_t keys, window;
} DecodeStep;

/* The positions [start, n) that are seen. */
static bool seen_positions(const Run *r, const CpuStep *s, size_t *start, size_t *n, Error *err)
{
    const DecodeStep *own = s->own;
    int64_t position;
    if (!read_position(r, s, &s->view[3], 1, own->keys, &position, err))
        return false;
    *n = (size_t)position + 1;
    *start = own->window && position + 1 > own->window ? (size_t)(position + 1 - own->window) : 0;
    return true;
}

static bool run_decode(const Run *r, const CpuStep *s, Error *err)
{
    Decode p = ((const DecodeStep *)s->own)->p;
    if (!seen_positions(r, s, &p.start, &p.n, err))
        return false;
    p.q = view_data(r, &s->view[0]);
    p.k = view_data(r, &s->view[1]);
    p.v = view_data(r, &s->view[2]);
    p.out = view_data(r, &s->out);
    compute_attention_decode(r->compute, &p);
    return true;
}

static void decode_work(const Run *r, const CpuStep *s, double *bytes, double *flops)
{
    const Decode *p = &((const DecodeStep *)s->own)->p;
    size_t start, n;
    if (!seen_positions(r, s, &start, &n, NULL))
        return;
    double seen = (double)((n - start) * p->d);
    *flops = 4 * (double)p->heads * seen;
    *bytes = 2 * sizeof(uint16_t) * (double)p->kv_heads * seen;
}

static bool emit_decode(Lowering *l, const Match *m)
{
    const DecodeMatch *own = m->own;
    const Scores *s = &own->scores;
    const Value *out = m->root->result[0];
    const View *k = cpu_value_view(l, m->outer[1]), *v = cpu_value_view(l, m->outer[2]);
    View views[4], q;
    if (!k || !v || !cpu_value_f32(l, s->q, &q) || !cpu_value_dense(l, own->position, &views[3]))
        return false;
    if (s->q_turned) {
        int perm[IR_MAX_RANK];
        for (int i = 0; i < q.rank; i++)
            perm[i] = i < q.rank - 2 ? i : 2 * q.rank - 3 - i;
        q = view_transpose(&q, perm);
    }
    views[0] = view_is_dense(&q) ? q : cpu_dense_copy(l, s->q, &q, DT_FP32);
    views[1] = *k;
    views[2] = *v;
    size_t d = (size_t)s->d, heads = (size_t)(s->heads * s->queries), stride = (size_t)(s->keys * s->d);
    DecodeStep step = {.p = {.heads = heads,
                             .kv_heads = (size_t)s->kv_heads,
                             .d = d,
                             .k_head = stride,
                             .v_head = stride,
                             .scale = (float)s->scale},
                       .keys = s->keys,
                       .window = own->window};
    View to = cpu_result_new(l, out, DT_FP32);
    Compute *c = &l->kernel->device->compute;
    if (!cpu_reserve(l, compute_attention_decode_room(c, (size_t)s->keys)))
        return false;
    CpuStep *added = cpu_step_add(l, run_decode, "attention+cache", out, to, views, 4, &step, sizeof step);
    added->work = decode_work;
    return true;
}

Match *cpu_match_decode(Lowering *l, const Op *op)
{
    DecodeMatch own = {.window = 0};
    Scores *s = &own.scores;
    if (!cpu_match_scores(l, op, s) || !s->mask || cpu_node(l, op->result[0])->stored ||
        !match_mask(s->mask, s->keys, &own))
        return NULL;
    const Value *k = cached(l, s->k, &s->k_turned), *v = cached(l, s->v, &s->v_turned);
    if (!k || !v)
        return NULL;
    s->k = k;
    s->v = v;
    Match *m = cpu_scores_match(l, op, s, emit_decode, &own, sizeof own);
    cpu_match_outer(m, own.position);
    return cpu_match_closed(l, m) ? m : NULL;
}
