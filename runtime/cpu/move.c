/* Ops that move elements: as views where strides can say it, else as copies. */
#include <string.h>

#include "runtime/cpu/lower.h"
#include "runtime/eval/eval.h"

/* ---- the copy step: one view to another of the same shape, converting between fp16 and fp32 ---- */

typedef struct Copy {
    View from, to; /* both squeezed alike */
    int turned;    /* the axis along which `from` is contiguous, where a transposition pays; -1 */
} Copy;

static Tensor as_tensor(const Run *r, const View *v)
{
    return (Tensor){.store = v->store, .data = view_data(r, v)};
}

static void copy_run(const Run *r, Tensor *to, int64_t to_at, int64_t to_step, const Tensor *from,
                     int64_t from_at, int64_t from_step, int64_t n)
{
    if (to_step != 1 || from_step != 1) {
        for (int64_t i = 0; i < n; i++)
            tensor_move(to, to_at + i * to_step, from, from_at + i * from_step, 1);
        return;
    }
    if (to->store == DT_FP32 && from->store == DT_FP16)
        compute_half_to_float(r->compute, (float *)to->data + to_at,
                              (const uint16_t *)from->constant + from_at, (size_t)n);
    else if (to->store == DT_FP16 && from->store == DT_FP32)
        compute_half_from_float(r->compute, (uint16_t *)to->data + to_at,
                                (const float *)from->constant + from_at, (size_t)n);
    else
        tensor_move(to, to_at, from, from_at, n);
}

static bool run_copy(const Run *r, const CpuStep *s, Error *err)
{
    const Copy *c = s->own;
    Tensor to = as_tensor(r, &c->to), from = as_tensor(r, &c->from);
    int last = c->to.rank - 1;
    Cursor at;
    cursor_begin(&at, last < 0 ? 0 : last, c->to.dim);
    cursor_lane(&at, 0, c->to.stride);
    cursor_lane(&at, 0, c->from.stride);
    for (; at.left > 0; cursor_next(&at)) {
        if (last < 0)
            copy_run(r, &to, 0, 1, &from, 0, 1, 1);
        else
            copy_run(r, &to, at.at[0], c->to.stride[last], &from, at.at[1], c->from.stride[last],
                     c->to.dim[last]);
    }
    return true;
}

/* The last axis is contiguous in `to`, axis c->turned in `from`: matrices are transposed. */
static bool run_turn(const Run *r, const CpuStep *s, Error *err)
{
    const Copy *c = s->own;
    float *to = view_data(r, &c->to);
    const float *from = view_data(r, &c->from);
    int last = c->to.rank - 1;
    View outer = c->to;
    outer.dim[last] = outer.dim[c->turned] = 1;
    Cursor at;
    cursor_begin(&at, c->to.rank, outer.dim);
    cursor_lane(&at, 0, c->to.stride);
    cursor_lane(&at, 0, c->from.stride);
    for (; at.left > 0; cursor_next(&at))
        compute_transpose(r->compute, to + at.at[0], (size_t)c->to.stride[c->turned], from + at.at[1],
                          (size_t)c->from.stride[last], (size_t)c->to.dim[last],
                          (size_t)c->to.dim[c->turned]);
    return true;
}

static int turned_axis(const Copy *c)
{
    int last = c->to.rank - 1;
    if (last < 1 || c->to.store != DT_FP32 || c->from.store != DT_FP32 || c->to.stride[last] != 1 ||
        c->from.stride[last] == 1)
        return -1;
    for (int i = 0; i < last; i++)
        if (c->from.stride[i] == 1 && c->from.stride[last] >= c->from.dim[i] &&
            c->to.stride[i] >= c->to.dim[last])
            return i;
    return -1;
}

bool cpu_emit_copy(Lowering *l, const Value *v, const char *kind, const View *from, const View *to)
{
    Copy c = {*from, *to, -1};
    views_squeeze((View *const[]){&c.from, &c.to}, 2);
    c.turned = turned_axis(&c);
    cpu_step_add(l, c.turned < 0 ? run_copy : run_turn, kind, v, *to, from, 1, &c, sizeof c);
    return true;
}

View cpu_dense_copy(Lowering *l, const Value *v, const View *from, DType store)
{
    size_t bytes = (size_t)view_count(from) * (size_t)(dtype_info[store].bits / 8);
    View to = view_dense(cpu_block_new(l, bytes), store, from->rank, from->dim);
    cpu_emit_copy(l, v, from->store == store ? "copy" : "convert", from, &to);
    return to;
}

/* ---- ops that are views ---- */

static bool emit_reshape(Lowering *l, const Op *op)
{
    const Value *out = op->result[0], *x = op_arg(op, "x");
    const View *from = cpu_value_view(l, x);
    View view;
    if (!from)
        return false;
    if (!view_reshape(from, out->type->rank, out->type->dim, &view)) {
        View dense;
        if (!cpu_value_dense(l, x, &dense))
            return false;
        view = view_dense(dense.block, dense.store, out->type->rank, out->type->dim);
        view.first = dense.first;
    }
    cpu_value_place(l, out, view);
    return true;
}

/* Inside, floats are floats whatever their type says; anything else is evaluated. */
static bool emit_cast(Lowering *l, const Op *op, bool *done)
{
    const Value *out = op->result[0], *x = op_arg(op, "x");
    const View *from = cpu_value_view(l, x);
    if (!from)
        return false;
    *done = !cpu_node(l, out)->stored && (dtype_is_float(from->store) ? dtype_is_float(out->type->dtype)
                                                                      : from->store == cpu_store_of(l, out));
    if (*done)
        cpu_value_place(l, out, *from);
    return true;
}

static bool emit_transpose(Lowering *l, const Op *op, bool *done)
{
    int64_t perm[IR_MAX_RANK];
    int axis[IR_MAX_RANK];
    const View *from = cpu_value_view(l, op_arg(op, "x"));
    if (!from)
        return false;
    if (arg_ints(op, "perm", perm, IR_MAX_RANK) != from->rank)
        return true;
    for (int i = 0; i < from->rank; i++) {
        axis[i] = (int)(perm[i] < 0 ? perm[i] + from->rank : perm[i]);
        if (axis[i] < 0 || axis[i] >= from->rank)
            return true;
    }
    cpu_value_place(l, op->result[0], view_transpose(from, axis));
    *done = true;
    return true;
}

/* The part of `from` that begins at `begin` and has the value's shape. */
static bool place_part(Lowering *l, const Value *out, const View *from, const int64_t *begin)
{
    View part = *from;
    if (out->type->rank != from->rank)
        return false;
    for (int i = 0; i < from->rank; i++) {
        int64_t n = out->type->dim[i], at = begin[i] < 0 ? begin[i] + from->dim[i] : begin[i];
        if (at < 0 || n > from->dim[i] || at > from->dim[i] - n)
            return false;
        part.first += at * from->stride[i];
        part.dim[i] = n;
    }
    cpu_value_place(l, out, part);
    return true;
}

static bool emit_slice_by_size(Lowering *l, const Op *op, bool *done)
{
    int64_t begin[IR_MAX_RANK];
    const View *from = cpu_value_view(l, op_arg(op, "x"));
    if (!from)
        return false;
    *done =
        arg_ints(op, "begin", begin, IR_MAX_RANK) == from->rank && place_part(l, op->result[0], from, begin);
    return true;
}

static bool all_zero(const Op *op, const char *key)
{
    int64_t v[IR_MAX_RANK];
    int n = arg_ints(op, key, v, IR_MAX_RANK);
    for (int i = 0; i < n; i++)
        if (v[i])
            return false;
    return n >= 0 || !op_arg(op, key);
}

static bool all_one(const Op *op, const char *key)
{
    int64_t v[IR_MAX_RANK];
    int n = arg_ints(op, key, v, IR_MAX_RANK);
    for (int i = 0; i < n; i++)
        if (v[i] != 1)
            return false;
    return n >= 0 || !op_arg(op, key);
}

/* Slices of step 1 that keep all axes; the others are evaluated. */
static bool emit_slice_by_index(Lowering *l, const Op *op, bool *done)
{
    int64_t begin[IR_MAX_RANK], mask[IR_MAX_RANK] = {0};
    const View *from = cpu_value_view(l, op_arg(op, "x"));
    if (!from)
        return false;
    if (!all_one(op, "stride") || !all_zero(op, "squeeze_mask") ||
        arg_ints(op, "begin", begin, IR_MAX_RANK) != from->rank)
        return true;
    if (op_arg(op, "begin_mask") && arg_ints(op, "begin_mask", mask, IR_MAX_RANK) < 0)
        return true;
    for (int i = 0; i < from->rank; i++)
        begin[i] = mask[i] || begin[i] < -from->dim[i] ? 0 : begin[i];
    *done = place_part(l, op->result[0], from, begin);
    return true;
}

static bool emit_split(Lowering *l, const Op *op, bool *done)
{
    int64_t axis, begin[IR_MAX_RANK] = {0};
    const View *from = cpu_value_view(l, op_arg(op, "x"));
    if (!from)
        return false;
    View whole = *from; /* cpu_value_place may move what `from` points to */
    if (!arg_int(op, "axis", &axis))
        return true;
    axis += axis < 0 ? whole.rank : 0;
    if (axis < 0 || axis >= whole.rank)
        return true;
    for (int i = 0; i < op->results; i++) {
        if (!place_part(l, op->result[i], &whole, begin))
            return true;
        begin[axis] += op->result[i]->type->dim[axis];
    }
    *done = true;
    return true;
}

/* ---- concat: each part is copied to its place ---- */

static bool only_output(Lowering *l, const Value *v)
{
    const Node *n = cpu_node(l, v);
    return n->output >= 0 && n->uses == 1;
}

static bool emit_concat(Lowering *l, const Op *op, bool *done)
{
    const Value *out = op->result[0];
    const Arg *values = op_find_arg(op, "values");
    bool interleave = false;
    int64_t axis;
    arg_bool(op, "interleave", &interleave);
    if (!arg_int(op, "axis", &axis) || interleave || !values)
        return true;
    axis += axis < 0 ? out->type->rank : 0;
    if (axis < 0 || axis >= out->type->rank)
        return true;
    DType store = only_output(l, out) ? out->type->dtype : cpu_store_of(l, out);
    View to = cpu_result_new(l, out, store);
    int64_t whole = to.dim[axis], first = to.first;
    for (int i = 0; i < values->count; i++) {
        const View *from = cpu_value_view(l, values->values[i]);
        if (!from)
            return false;
        View part = to;
        part.first = first;
        part.dim[axis] = from->dim[axis];
        first += from->dim[axis] * to.stride[axis];
        whole -= from->dim[axis];
        if (whole < 0 || !cpu_emit_copy(l, out, "concat", from, &part))
            return error_set(l->err, "%s: the parts do not fit", out->name);
    }
    *done = true;
    return true;
}

/* ---- gather of rows, widened where they are fp16 ---- */

typedef struct Rows {
    int64_t rows, run, picks;
} Rows;

static bool run_rows(const Run *r, const CpuStep *s, Error *err)
{
    const Rows *rows = s->own;
    Tensor x = as_tensor(r, &s->view[0]), indices = as_tensor(r, &s->view[1]), out = as_tensor(r, &s->out);
    for (int64_t i = 0; i < rows->picks; i++) {
        int64_t v = tensor_get_int(&indices, i), row = v < 0 ? v + rows->rows : v;
        if (row < 0 || row >= rows->rows)
            return error_set(err, "gather %s: index %lld is out of range for %lld elements", s->name,
                             (long long)v, (long long)rows->rows);
        copy_run(r, &out, i * rows->run, 1, &x, row * rows->run, 1, rows->run);
    }
    return true;
}

static bool emit_gather(Lowering *l, const Op *op, bool *done)
{
    const Value *x = op_arg(op, "x"), *indices = op_arg(op, "indices"), *out = op->result[0];
    int64_t axis = 0, batch = 0;
    View view[2];
    if ((op_arg(op, "axis") && !arg_int(op, "axis", &axis)) || (axis != 0 && axis != -x->type->rank))
        return true;
    if (x->type->rank < 1 || (op_arg(op, "batch_dims") && (!arg_int(op, "batch_dims", &batch) || batch != 0)))
        return true;
    if (!cpu_value_dense(l, x, &view[0]) || !cpu_value_dense(l, indices, &view[1]))
        return false;
    Rows rows = {.rows = x->type->dim[0], .run = 1, .picks = view_count(&view[1])};
    for (int i = 1; i < x->type->rank; i++)
        rows.run *= x->type->dim[i];
    View to = cpu_result_new(l, out, cpu_store_of(l, out));
    CpuStep *s = cpu_step_add(l, run_rows, "gather", out, to, view, 2, &rows, sizeof rows);
    s->bytes = 2.0 * (double)view_bytes(&to);
    *done = true;
    return true;
}

bool cpu_emit_move(Lowering *l, const Op *op, bool *done)
{
    if (op->results && cpu_node(l, op->result[0])->stored)
        return true; /* what a state takes is made in its own type */
    switch (op->code) {
    case OP_RESHAPE:
    case OP_EXPAND_DIMS:
    case OP_SQUEEZE:
    case OP_IDENTITY: *done = true; return emit_reshape(l, op);
    case OP_CAST: return emit_cast(l, op, done);
    case OP_TRANSPOSE: return emit_transpose(l, op, done);
    case OP_SLICE_BY_SIZE: return emit_slice_by_size(l, op, done);
    case OP_SLICE_BY_INDEX: return emit_slice_by_index(l, op, done);
    case OP_SPLIT: return emit_split(l, op, done);
    case OP_CONCAT: return emit_concat(l, op, done);
    case OP_GATHER: return emit_gather(l, op, done);
    default: return true;
    }
}
