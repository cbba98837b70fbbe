#include "runtime/interpret.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "runtime/eval/constant.h"

enum {
    MOST_RESULTS = 1024,
    MOST_KNOWN = 64 /* elements of a computed tensor that type rules may look at: shapes, corners, counts */
};

/* A value while the function runs; Value.mark points to it. */
typedef struct Slot {
    Tensor tensor;
    void *owned; /* malloc'ed memory of the tensor */
    size_t bytes;
    int uses;   /* still to come */
    bool ready; /* has its tensor */
    bool inner; /* defined in a block: kept until that ends, whatever uses it */
} Slot;

typedef struct Machine {
    Func *f;
    const BlobResolver *blobs;
    const InterpretOptions *options;
    Arena constants, scratch; /* scratch: of one op */
    Type *types;              /* MOST_RESULTS */
    size_t used, limit;       /* bytes of values */
    int depth;                /* of blocks */
    Error *err;
} Machine;

/* ---- values ---- */

static Slot *slot_of(Machine *m, Value *v)
{
    if (!v->mark)
        v->mark = arena_new(&m->constants, Slot);
    return v->mark;
}

static void count_use(Machine *m, Value *v)
{
    slot_of(m, v)->uses++;
}

static void prepare_ops(Machine *m, const Func *f)
{
    for (Op *op = f->first; op; op = op->next) {
        FOR_EACH_ARG(op, slot)
            count_use(m, *slot);
        for (int i = 0; i < op->blocks; i++) {
            const Func *b = op->block[i];
            prepare_ops(m, b);
            for (int k = 0; k < b->params; k++)
                slot_of(m, b->param[k])->inner = true;
            for (Op *inside = b->first; inside; inside = inside->next)
                for (int k = 0; k < inside->results; k++)
                    slot_of(m, inside->result[k])->inner = true;
            for (int k = 0; k < b->outputs; k++)
                count_use(m, b->output[k]);
        }
    }
}

static void prepare(Machine *m, Tensor *param)
{
    for (int i = 0; i < m->f->params; i++) {
        Slot *s = slot_of(m, m->f->param[i]);
        s->tensor = param[i];
        s->ready = true;
    }
    prepare_ops(m, m->f);
    for (int i = 0; i < m->f->outputs; i++)
        count_use(m, m->f->output[i]);
}

static void forget(Value *v)
{
    Slot *s = v->mark;
    v->mark = NULL;
    if (s)
        free(s->owned);
}

static void forget_all(const Func *f)
{
    for (int i = 0; i < f->params; i++)
        forget(f->param[i]);
    for (Op *op = f->first; op; op = op->next) {
        for (int i = 0; i < op->blocks; i++)
            forget_all(op->block[i]);
        FOR_EACH_ARG(op, slot)
            forget(*slot);
        for (int i = 0; i < op->results; i++)
            forget(op->result[i]);
    }
}

static DType store_of(const Machine *m, const Type *t)
{
    if (t->dtype == DT_STRING)
        return DT_STRING;
    if (dtype_info[t->dtype].bits == 16 && dtype_is_float(t->dtype) && m->options->numerics == NUMERICS_FP32)
        return DT_FP32;
    return constant_store(t->dtype);
}

/* A string has no memory of its own: it points to a constant. */
static bool make_room(Machine *m, Slot *s, const Value *v, const Type *t, DType store)
{
    if (store == DT_STRING) {
        s->tensor = (Tensor){.store = DT_STRING, .count = 1, .string = ""};
        return s->ready = true;
    }
    int64_t count = type_elements(t);
    size_t width = (size_t)dtype_info[store].bits / 8;
    if (count < 0 || (uint64_t)count > m->limit / width || (size_t)count * width > m->limit - m->used)
        return error_set(m->err, "%s is %s: too large for the %zu MB of memory that values may take",
                         v->name ? v->name : "a value", type_text(&m->scratch, t), m->limit >> 20);
    s->bytes = (size_t)count * width;
    s->owned = calloc(1, s->bytes + 64);
    if (!s->owned)
        return error_set(m->err, "not enough memory for %s: %zu bytes", v->name ? v->name : "a value",
                         s->bytes);
    m->used += s->bytes;
    s->tensor = tensor_of(t, store, s->owned);
    s->ready = true;
    return true;
}

static void release(Machine *m, Slot *s)
{
    if (s->owned)
        m->used -= s->bytes;
    free(s->owned);
    s->owned = NULL;
    s->ready = false;
}

static void drop(Machine *m, Slot *s)
{
    if (!m->depth && --s->uses <= 0 && s->owned)
        release(m, s);
}

/* A constant list of numbers or of tensors. Others are looked at as they stand, by the op that has them. */
static bool load_list(Machine *m, const Value *v, Slot *s)
{
    const Literal *l = value_literal(v);
    const Type *element = v->type->kind == TY_LIST ? v->type->element[0] : NULL;
    int64_t count = element && element->kind == TY_TENSOR ? type_elements(element) : -1;
    s->ready = true;
    if (count < 0 || element->dtype == DT_STRING || element->rank == IR_MAX_RANK || l->kind != LIT_TREE)
        return true;
    DType store = dtype_is_float(element->dtype) ? DT_FP32 : DT_INT64;
    Type all = type_tensor(store, 1, &(int64_t){(int64_t)l->count});
    memcpy(all.dim + 1, element->dim, (size_t)element->rank * sizeof *all.dim);
    all.rank += element->rank;
    s->tensor = tensor_of(&all, store, arena_many(&m->constants, l->count * (size_t)count + 1, int64_t));
    for (int64_t i = 0; i < s->tensor.count; i++) {
        const Literal *one = l->children[i / count];
        if (one->kind != LIT_INT && one->kind != LIT_FLOAT)
            return error_set(m->err, "%s: lists of weights cannot be read", v->name ? v->name : "a constant");
        if (one->kind == LIT_INT)
            tensor_put_int(&s->tensor, i, one->ints[i % count]);
        else
            tensor_put(&s->tensor, i, one->floats[i % count]);
    }
    return true;
}

static bool load_constant(Machine *m, const Value *v, Slot *s)
{
    const Literal *l = value_literal(v);
    if (v->type->dtype == DT_STRING) {
        if (l->kind == LIT_STRING && l->count == 1)
            s->tensor = (Tensor){.store = DT_STRING, .count = 1, .string = l->strings[0]};
        s->ready = true;
        return true;
    }
    const void *data;
    DType store;
    if (v->type->kind != TY_TENSOR)
        return load_list(m, v, s);
    if (type_elements(v->type) < 0 || !constant_resolve(&m->constants, m->blobs, v, &data, &store, m->err))
        return error_prefix(m->err, "%s", v->name ? v->name : "a constant");
    s->tensor = tensor_of(v->type, store, NULL);
    s->tensor.constant = data;
    s->ready = true;
    return true;
}

static Slot *ready_slot(Machine *m, Value *v)
{
    Slot *s = slot_of(m, v);
    return s->ready || (value_is_const(v) && load_constant(m, v, s)) ? s : NULL;
}

/* ---- types, as they turn out ---- */

static const Type *type_now(Machine *m, const Value *v, const Tensor *t)
{
    Type type = *v->type; /* a state stays a state, a buffer a buffer */
    if (type.kind == TY_LIST) {
        Type element = type_tensor(type.element[0]->dtype, t->rank - 1, t->dim + 1);
        const Type *copy = type_copy(&m->scratch, &element);
        type.element = arena_copy(&m->scratch, &copy, sizeof copy);
        type.list_length = t->dim[0];
    } else if (type.kind != TY_DICT) {
        memcpy(type.dim, t->dim, sizeof type.dim);
    }
    return type_copy(&m->scratch, &type);
}

/* What lies in memory for a value: a list's elements one after the other (of no known shape: none yet), the
 * numbers of a dictionary of classes. */
static Type stored_type(const Op *op, const Type *t)
{
    Type stored = *t;
    if (t->kind == TY_DICT) {
        const Slot *x = op_arg(op, "probabilities")->mark;
        stored = type_tensor(DT_FP64, 1, &x->tensor.count);
    } else if (t->kind == TY_LIST) {
        const Value *value = op_arg(op, "value");
        const Tensor *like = value ? &((const Slot *)value->mark)->tensor : NULL;
        int skipped = op->code == OP_LIST_SCATTER;
        stored = type_tensor(t->element[0]->dtype, 1, &t->list_length);
        for (int i = 0; i < t->element[0]->rank && i + 1 < IR_MAX_RANK; i++) {
            int64_t n = like ? like->dim[i + skipped] : t->element[0]->dim[i];
            stored.dim[stored.rank++] = n < 0 ? 0 : n;
        }
    }
    return stored;
}

/* A computed value as a constant, so that type rules can look at its numbers. */
static Value *known_value(Machine *m, const Type *type, const Tensor *t)
{
    Arena *a = &m->scratch;
    Value *v = arena_new(a, Value);
    v->type = type;
    if (t->count > MOST_KNOWN || type->kind != TY_TENSOR)
        return v;
    int64_t *ints = arena_many(a, (size_t)t->count + 1, int64_t);
    double *floats = arena_many(a, (size_t)t->count + 1, double);
    for (int64_t i = 0; i < t->count; i++) {
        ints[i] = tensor_get_int(t, i);
        floats[i] = tensor_get(t, i);
    }
    v->def = arena_new(a, Op);
    v->def->code = OP_CONST;
    v->def->literal = dtype_is_float(type->dtype) ? literal_floats(a, floats, (size_t)t->count)
                                                  : literal_ints(a, ints, (size_t)t->count);
    return v;
}

static Value *value_now(Machine *m, Value *v)
{
    const Tensor *t = &slot_of(m, v)->tensor;
    if (value_is_const(v) || t->store == DT_STRING)
        return v;
    return known_value(m, type_now(m, v, t), t);
}

/* A copy of the op whose operands have the types and numbers that they turned out to have. */
static Op op_now(Machine *m, const Op *op)
{
    Op now = *op;
    now.arg = arena_copy(&m->scratch, op->arg, (size_t)op->args * sizeof *op->arg);
    for (int i = 0; i < op->args; i++) {
        Arg *arg = &now.arg[i];
        arg->values = arena_many(&m->scratch, (size_t)arg->count, Value *);
        for (int k = 0; k < arg->count; k++)
            arg->values[k] = value_now(m, op->arg[i].values[k]);
    }
    return now;
}

/* What only the numbers say: how many elements are not zero. */
static void count_elements(const Machine *m, const Op *op, Type *t)
{
    if (op->code != OP_NON_ZERO)
        return;
    const Slot *x = op_arg(op, "x")->mark;
    t->dim[0] = 0;
    for (int64_t i = 0; i < x->tensor.count; i++)
        t->dim[0] += tensor_get(&x->tensor, i) != 0;
    (void)m;
}

static bool result_types(Machine *m, const Op *op)
{
    Op now = op_now(m, op);
    if (op->code == OP_UNKNOWN)
        return error_set(m->err, "the op `%s` is not known here and cannot be run", op->spelling);
    int n = op_result_types(&now, m->types, MOST_RESULTS, m->err);
    if (n < 0)
        return false;
    for (int i = 0; i < n && i < op->results; i++) {
        const Type *declared = op->result[i]->type;
        Type *t = &m->types[i];
        count_elements(m, op, t);
        if (t->kind != TY_TENSOR)
            declared = t;
        *t = stored_type(op, t);
        if (declared == t) {
            if (type_elements(t) < 0)
                return error_set(m->err, "the length of %s cannot be known", op->result[i]->name);
            continue;
        }
        bool fits = t->rank == declared->rank;
        for (int d = 0; fits && d < t->rank; d++)
            fits = t->dim[d] == declared->dim[d] || t->dim[d] < 0 || declared->dim[d] < 0;
        for (int d = 0; fits && d < t->rank; d++)
            t->dim[d] = t->dim[d] < 0 ? declared->dim[d] : t->dim[d];
        if (!fits)
            return error_set(m->err, "%s is declared as %s, but becomes %s", op->result[i]->name,
                             type_text(&m->scratch, declared), type_text(&m->scratch, t));
        if (!type_is_static(t))
            return error_set(m->err, "the shape of %s cannot be known: %s", op->result[i]->name,
                             type_text(&m->scratch, t));
    }
    return n == op->results || error_set(m->err, "%s: has %d results, not %d", op->spelling, n, op->results);
}

/* ---- one op ---- */

static bool bind(Machine *m, const Op *op, EvalCall *c)
{
    c->op = op;
    c->operands = op->args;
    c->results = op->results;
    for (int i = 0; i < op->args; i++) {
        Tensor **list = arena_many(&m->scratch, (size_t)op->arg[i].count, Tensor *);
        c->operand[i] = list;
        c->count[i] = op->arg[i].count;
        for (int k = 0; k < op->arg[i].count; k++) {
            Slot *s = ready_slot(m, op->arg[i].values[k]);
            if (!s)
                return false;
            list[k] = &s->tensor;
        }
    }
    Tensor **result = arena_many(&m->scratch, (size_t)op->results, Tensor *);
    c->result = result;
    if (!result_types(m, op))
        return false;
    for (int i = 0; i < op->results; i++) {
        Value *v = op->result[i];
        Slot *s = slot_of(m, v);
        bool constant = op_info(op->code)->flags & F_CONST;
        const Type *t = v->type->kind == TY_LIST || v->type->kind == TY_DICT ? &m->types[i] : v->type;
        DType store = constant ? constant_store(t->dtype) : store_of(m, t);
        if (!make_room(m, s, v, &m->types[i], store))
            return false;
        result[i] = &s->tensor;
    }
    return true;
}

static void trace_op(Machine *m, const Op *op, const EvalCall *c, double seconds)
{
    const Trace *trace = m->options->trace;
    Value *v = op->results ? op->result[0] : op_arg(op, "input");
    const Slot *s = slot_of(m, v);
    TraceStep step = {.name = v->name ? v->name : "", .kind = op->spelling, .seconds = seconds};
    step.type = type_copy(&m->constants, type_now(m, v, &s->tensor)); /* outlives the op, as a trace may */
    for (int i = 0; i < c->results; i++)
        step.bytes += (double)c->result[i]->count * dtype_info[c->result[i]->store].bits / 8;
    if (trace->ranges && s->tensor.store != DT_STRING)
        for (int64_t i = 0; i < s->tensor.count; i++)
            trace_element(&step, tensor_get(&s->tensor, i));
    trace->step(trace->context, &step);
}

static bool run_blocks(Machine *m, Op *op);

static bool run_op(Machine *m, Op *op)
{
    EvalCall c = {0};
    if (op->code == OP_CONST)
        return true;
    if (op->code == OP_COND || op->code == OP_WHILE_LOOP)
        return run_blocks(m, op);
    if (op->args > OP_MAX_OPERANDS && op->code != OP_UNKNOWN)
        return error_set(m->err, "%s: has too many operands", op->spelling);
    if (op->code == OP_UNKNOWN)
        return result_types(m, op);
    if (!bind(m, op, &c))
        return false;
    double start = clock_seconds();
    c.engine = m->options->engine;
    if (!eval_function(op->code)(&c, m->err))
        return false;
    if (c.engine)
        engine_settle(c.engine, &c);
    if (m->options->trace)
        trace_op(m, op, &c, clock_seconds() - start);
    FOR_EACH_ARG(op, slot)
        drop(m, slot_of(m, *slot));
    for (int i = 0; i < op->results; i++) {
        Slot *s = slot_of(m, op->result[i]);
        s->uses++; /* what nothing uses goes at once */
        drop(m, s);
    }
    return true;
}

/* ---- blocks ---- */

static void release_block(Machine *m, const Func *f)
{
    for (Op *op = f->first; op; op = op->next)
        for (int i = 0; i < op->results; i++)
            if (!value_is_const(op->result[i]))
                release(m, slot_of(m, op->result[i]));
}

static bool run_block(Machine *m, const Func *f)
{
    Arena around = m->scratch; /* of the op that has the block */
    bool ok = true;
    m->depth++;
    for (Op *op = f->first; ok && op; op = op->next) {
        m->scratch = (Arena){0};
        ok = run_op(m, op);
        arena_free(&m->scratch);
    }
    m->depth--;
    m->scratch = around;
    return ok;
}

/* A copy of a value, in memory that is the slot's own. */
static bool copy_value(Machine *m, Slot *to, Value *v)
{
    Slot *from = ready_slot(m, v);
    Slot made = {.uses = to->uses, .inner = to->inner};
    if (!from)
        return error_set(m->err, "%s has no value", v->name ? v->name : "a block's output");
    Type t = type_tensor(from->tensor.store, from->tensor.rank, from->tensor.dim);
    if (!make_room(m, &made, v, &t, from->tensor.store))
        return false;
    if (from->tensor.store == DT_STRING)
        made.tensor.string = from->tensor.string;
    else
        tensor_move(&made.tensor, 0, &from->tensor, 0, from->tensor.count);
    release(m, to);
    *to = made;
    return true;
}

static bool copy_values(Machine *m, Slot *to, Value *const *from, int count)
{
    for (int i = 0; i < count; i++)
        if (!copy_value(m, &to[i], from[i]))
            return false;
    return true;
}

static void lend(Machine *m, const Func *f, const Slot *values)
{
    for (int i = 0; i < f->params; i++) {
        Slot *s = slot_of(m, f->param[i]);
        s->tensor = values[i].tensor;
        s->ready = true;
    }
}

/* One run of a block: what it is given, what it gives. */
static bool call_block(Machine *m, const Func *f, const Slot *in, Slot *out)
{
    lend(m, f, in);
    bool ok = run_block(m, f) && copy_values(m, out, f->output, f->outputs);
    release_block(m, f);
    return ok;
}

static bool truth(Machine *m, const Slot *s)
{
    (void)m;
    return s->tensor.count == 1 && tensor_get_int(&s->tensor, 0) != 0;
}

static bool run_loop(Machine *m, Op *op, Slot *values)
{
    const Arg *vars = op_find_arg(op, "loop_vars");
    Slot *next = arena_many(&m->scratch, (size_t)op->results + 1, Slot), test = {0};
    bool ok = copy_values(m, values, vars->values, vars->count);
    while (ok && (ok = call_block(m, op->block[0], values, &test)) && truth(m, &test)) {
        ok = call_block(m, op->block[1], values, next);
        for (int i = 0; i < op->results; i++) {
            release(m, &values[i]);
            values[i] = next[i];
            next[i] = (Slot){0};
        }
    }
    release(m, &test);
    return ok;
}

static bool run_blocks(Machine *m, Op *op)
{
    Slot *values = arena_many(&m->scratch, (size_t)op->results + 1, Slot), *pred = NULL;
    bool ok = true;
    if (op->code == OP_COND) {
        pred = ready_slot(m, op_arg(op, "pred"));
        ok = pred && call_block(m, op->block[!truth(m, pred)], NULL, values);
    } else {
        ok = run_loop(m, op, values);
    }
    for (int i = 0; i < op->results; i++) {
        Slot *s = slot_of(m, op->result[i]);
        values[i].uses = s->uses;
        values[i].inner = s->inner;
        release(m, s);
        *s = values[i];
    }
    return ok;
}

/* ---- the function ---- */

static bool take_output(Machine *m, Value *v, Tensor *out)
{
    Slot *s = ready_slot(m, v), made = {0};
    if (!s)
        return error_set(m->err, "output %s has no value", v->name);
    if (s->tensor.store == DT_STRING) {
        *out = (Tensor){.store = DT_STRING, .count = 1, .data = xstrdup(s->tensor.string)};
        return true;
    }
    bool tensor = v->type->kind != TY_LIST && v->type->kind != TY_DICT;
    Type whole = type_tensor(tensor ? v->type->dtype : s->tensor.store, s->tensor.rank, s->tensor.dim);
    if (!make_room(m, &made, v, &whole, constant_store(whole.dtype)))
        return false;
    tensor_move(&made.tensor, 0, &s->tensor, 0, s->tensor.count);
    *out = made.tensor;
    return true;
}

static size_t machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (size_t)pages * (size_t)size : (size_t)4 << 30;
}

bool interpret(Func *f, Tensor *param, Tensor *output, const BlobResolver *blobs,
               const InterpretOptions *options, Error *err)
{
    Machine m = {.f = f, .blobs = blobs, .options = options, .err = err};
    m.limit = options->memory ? options->memory : machine_memory();
    m.types = arena_many(&m.constants, MOST_RESULTS, Type);
    memset(output, 0, (size_t)f->outputs * sizeof *output);
    prepare(&m, param);
    bool ok = true;
    for (Op *op = f->first; ok && op; op = op->next) {
        ok = run_op(&m, op);
        arena_free(&m.scratch);
        m.scratch = (Arena){0};
    }
    for (int i = 0; ok && i < f->outputs; i++)
        ok = take_output(&m, f->output[i], &output[i]);
    forget_all(f);
    arena_free(&m.scratch);
    arena_free(&m.constants);
    return ok;
}
