#include "tests/support/libgraph.h"

#include <string.h>

#include "runtime/eval/eval.h"

typedef struct Run {
    Arena arena;
    Module *module;
    Func *f;
    const WeightSource *weights;
    const int *ids;
    int count;
    Error *err;
} Run;

/* Whole numbers as they are, everything else in double precision. */
static Tensor *new_tensor(Run *r, const Type *type)
{
    DType store = dtype_is_float(type->dtype) ? DT_FP64 : type->dtype;
    Tensor *t = arena_new(&r->arena, Tensor);
    *t = tensor_of(type, store, arena_many(&r->arena, (size_t)type_elements(type) + 1, double));
    return t;
}

static bool load_weight(Run *r, const Value *v, Tensor *t)
{
    float *numbers = arena_many(&r->arena, (size_t)t->count, float);
    const WeightRef *ref = &value_literal(v)->weight;
    if (!r->weights->read(r->weights->context, ref, v->type, 0, t->count, DT_FP32, numbers, r->err))
        return false;
    for (int64_t i = 0; i < t->count; i++)
        tensor_put(t, i, numbers[i]);
    return true;
}

static bool load_constant(Run *r, Value *v)
{
    const Literal *l = value_literal(v);
    if (l->kind == LIT_STRING) {
        Tensor *t = arena_new(&r->arena, Tensor);
        *t = (Tensor){.store = DT_STRING, .count = 1, .string = l->strings[0]};
        v->mark = t;
        return true;
    }
    Tensor *t = new_tensor(r, v->type);
    v->mark = t;
    if (l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_DISTANCE) {
        int64_t keys = t->dim[t->rank - 1];
        for (int64_t i = 0; i < t->count; i++)
            tensor_put(t, i, (double)(i / keys - i % keys));
        return true;
    }
    if (l->kind == LIT_WEIGHT)
        return load_weight(r, v, t);
    for (int64_t i = 0; i < t->count; i++)
        if (l->kind == LIT_INT)
            tensor_put_int(t, i, l->ints[i]);
        else
            tensor_put(t, i, l->floats[i]);
    return true;
}

/* Keys after the query, or too long before it, are masked. */
static void run_causal(const Op *op, const Tensor *x, Tensor *out)
{
    int64_t window = 0, keys = x->dim[x->rank - 1], queries = x->dim[x->rank - 2];
    arg_int(op, "window", &window);
    for (int64_t i = 0; i < x->count; i++) {
        int64_t k = i % keys, q = i / keys % queries;
        bool seen = k <= q && (!window || k > q - window);
        tensor_put(out, i, tensor_get(x, i) + (seen ? 0 : MASKED));
    }
}

static bool run_op(Run *r, const Op *op)
{
    EvalCall c = {.op = op, .operands = op->args, .results = op->results};
    Tensor *results[64];
    for (int a = 0; a < op->args; a++) {
        Tensor **values = arena_many(&r->arena, (size_t)op->arg[a].count + 1, Tensor *);
        for (int i = 0; i < op->arg[a].count; i++) {
            Value *v = op->arg[a].values[i];
            if (!v->mark && !load_constant(r, v))
                return false;
            values[i] = v->mark;
        }
        c.operand[a] = values;
        c.count[a] = op->arg[a].count;
    }
    for (int i = 0; i < op->results; i++)
        op->result[i]->mark = results[i] = new_tensor(r, op->result[i]->type);
    c.result = results;
    if (op->code == OP_CACHE)
        tensor_move(results[0], 0, c.operand[0][0], 0, results[0]->count);
    else if (op->code == OP_CAUSAL)
        run_causal(op, c.operand[0][0], results[0]);
    else
        return eval_function(op->code)(&c, r->err);
    return true;
}

static bool run_graph(Run *r, double *out)
{
    func_specialise(r->f, r->count, r->count);
    for (int i = 0; i < r->f->params; i++) {
        Tensor *t = new_tensor(r, r->f->param[i]->type);
        for (int k = 0; k < r->count; k++)
            tensor_put_int(t, k, strcmp(r->f->param[i]->name, "token") == 0 ? r->ids[k] : k);
        r->f->param[i]->mark = t;
    }
    for (const Op *op = r->f->first; op; op = op->next)
        if (op->code == OP_CONST ? !load_constant(r, op->result[0]) : !run_op(r, op))
            return false;
    const Tensor *logits = r->f->output[0]->mark;
    for (int64_t i = 0; i < logits->count; i++)
        out[i] = tensor_get(logits, i);
    return true;
}

bool graph_logits(const Func *model, const WeightSource *weights, const int *ids, int count, double *out,
                  Error *err)
{
    Run r = {.weights = weights, .ids = ids, .count = count, .err = err};
    r.module = module_new("1.3");
    r.f = func_clone(r.module, model, "main");
    bool ok = run_graph(&r, out);
    module_free(r.module);
    arena_free(&r.arena);
    return ok;
}
