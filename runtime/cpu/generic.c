/* A step that calls an op's evaluator on dense tensors. */
#include <string.h>

#include "runtime/cpu/lower.h"
#include "runtime/eval/eval.h"

typedef struct Generic {
    EvalFn *eval;
    EvalCall call;
    Tensor *tensor; /* of views[0..count), then of the results; data is filled at each run */
    int count;
    View *result; /* call.results of them */
} Generic;

static bool run_generic(const Run *r, const CpuStep *s, Error *err)
{
    const Generic *g = s->own;
    for (int i = 0; i < g->count; i++)
        g->tensor[i].data = view_data(r, &s->view[i]);
    for (int i = 0; i < g->call.results; i++)
        g->tensor[g->count + i].data = view_data(r, &g->result[i]);
    if (!g->eval(&g->call, err))
        return false;
    if (g->call.engine)
        engine_settle(g->call.engine, &g->call);
    return true;
}

static Tensor view_tensor(const View *v)
{
    Tensor t = {.store = v->store, .rank = v->rank, .count = view_count(v)};
    memcpy(t.dim, v->dim, sizeof t.dim);
    return t;
}

static bool string_tensor(Lowering *l, const Value *v, Tensor *out)
{
    const Literal *literal = value_literal(v);
    if (v->type->kind != TY_TENSOR || v->type->dtype != DT_STRING)
        return false;
    if (literal && literal->kind == LIT_STRING && literal->count == 1)
        *out = (Tensor){.store = DT_STRING, .count = 1, .string = literal->strings[0]};
    return true;
}

static int count_args(const Op *op)
{
    int n = 0;
    for (int i = 0; i < op->args; i++)
        n += op->arg[i].count;
    return n;
}

/* Tensors for the operands: those with memory first, as views and tensors side by side, the strings from the
 * end. */
static bool read_operands(Lowering *l, const Op *op, Generic *g, View *view, Tensor **slot)
{
    Arena *a = &l->kernel->arena;
    int strings = 0, total = count_args(op);
    for (int i = 0; i < op->args; i++) {
        const Arg *arg = &op->arg[i];
        g->call.operand[i] = slot;
        g->call.count[i] = arg->count;
        for (int k = 0; k < arg->count; k++, slot++) {
            Tensor text = {0};
            if (string_tensor(l, arg->values[k], &text)) {
                *slot = arena_copy(a, &text, sizeof text);
                strings++;
                continue;
            }
            if (!cpu_value_dense(l, arg->values[k], &view[g->count]))
                return false;
            g->tensor[g->count] = view_tensor(&view[g->count]);
            *slot = &g->tensor[g->count++];
        }
    }
    return g->count + strings == total;
}

bool cpu_emit_generic(Lowering *l, const Op *op)
{
    Arena *a = &l->kernel->arena;
    int args = count_args(op);
    if (op->code == OP_UNKNOWN || eval_function(op->code) == eval_none || op->args > OP_MAX_OPERANDS)
        return error_set(l->err, "the cpu device has no op `%s`", op->spelling);
    Generic g = {.eval = eval_function(op->code),
                 .call = {.op = op, .operands = op->args, .results = op->results}};
    g.call.engine = l->kernel->device->options.engine;
    View *view = arena_many(a, (size_t)args + (size_t)op->results, View);
    Tensor **slot = arena_many(a, (size_t)args + (size_t)op->results, Tensor *);
    g.tensor = arena_many(a, (size_t)args + (size_t)op->results, Tensor);
    if (!read_operands(l, op, &g, view, slot))
        return false;
    g.result = view + g.count;
    g.call.result = slot + args;
    for (int i = 0; i < op->results; i++) {
        g.result[i] = cpu_result_new(l, op->result[i], cpu_store_of(l, op->result[i]));
        g.tensor[g.count + i] = view_tensor(&g.result[i]);
        slot[args + i] = &g.tensor[g.count + i];
    }
    bool writes = op->code == OP_WRITE_STATE; /* its result is the state, its first operand */
    const Value *name = writes ? op_arg(op, "input") : op->result[0];
    cpu_step_add(l, run_generic, op->spelling, name, writes ? view[0] : g.result[0], view,
                 g.count + op->results, &g, sizeof g);
    return true;
}

bool cpu_evaluate_constant(Lowering *l, const Op *op, Tensor *const *result)
{
    Arena *a = &l->kernel->arena;
    int args = count_args(op);
    Generic g = {.call = {.op = op, .operands = op->args, .results = op->results, .result = result}};
    View *view = arena_many(a, (size_t)args, View);
    Tensor **slot = arena_many(a, (size_t)args, Tensor *);
    g.tensor = arena_many(a, (size_t)args, Tensor);
    if (!read_operands(l, op, &g, view, slot))
        return false;
    for (int i = 0; i < g.count; i++) {
        const Block *b = &l->kernel->block[view[i].block];
        if (b->home != HOME_CONST)
            return error_set(l->err, "%s: its operands must be constants", op->spelling);
        int bytes = dtype_info[view[i].store].bits / 8;
        g.tensor[i].constant = (const char *)b->constant + view[i].first * bytes;
    }
    return eval_function(op->code)(&g.call, l->err);
}
