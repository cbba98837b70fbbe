#include "runtime/cpu/lower.h"

#include <stdlib.h>
#include <string.h>

#include "base/placement.h"
#include "runtime/cpu/const.h"

enum { ALIGN = 64 };
static const size_t MOST_BYTES = (size_t)1 << 40;   /* of one value; more is a mistake in the program */
static const size_t MOST_SCRATCH = (size_t)1 << 31; /* floats; the same */

/* ---- nodes ---- */

Node *cpu_node(Lowering *l, const Value *v)
{
    Node *n;
    HASH_FIND_PTR(l->nodes, &v, n);
    if (n)
        return n;
    n = arena_new(&l->kernel->arena, Node);
    n->value = v;
    n->op = n->output = -1;
    HASH_ADD_PTR(l->nodes, value, n);
    return n;
}

static OpNode *op_of(Lowering *l, const Value *v)
{
    int i = cpu_node(l, v)->op;
    return i < 0 ? NULL : &l->op[i];
}

/* Constants may have elements below 8 bits. */
static bool check_type(Lowering *l, const char *what, const Type *t, bool constant)
{
    Arena *a = &l->kernel->arena;
    int64_t n = type_elements(t);
    int bits = dtype_info[t->dtype].bits;
    if (t->kind != TY_TENSOR && t->kind != TY_STATE)
        return error_set(l->err, "%s: values of type %s are not supported", what, type_text(a, t));
    if (n < 0)
        return error_set(l->err, "%s has type %s: shapes that are not known before the run are not supported",
                         what, type_text(a, t));
    if ((bits % 8 != 0 && !constant) || bits == 0)
        return error_set(l->err, "%s: elements of type %s are not supported", what,
                         dtype_info[t->dtype].name);
    if ((uint64_t)n > MOST_BYTES / 8)
        return error_set(l->err, "%s has type %s, which is too large", what, type_text(a, t));
    return true;
}

bool cpu_check_type(Lowering *l, const char *what, const Type *t)
{
    return check_type(l, what, t, false);
}

int cpu_block_new(Lowering *l, size_t bytes)
{
    CpuKernel *k = l->kernel;
    Block b = {.home = HOME_WORK, .bytes = bytes, .first = 1, .last = 0};
    arena_push(&k->arena, k->block, k->blocks, k->blocks_cap, b);
    return k->blocks - 1;
}

static int port_block(Lowering *l, int port)
{
    int b = cpu_block_new(l, 0);
    l->kernel->block[b].home = HOME_PORT;
    l->kernel->block[b].port = port;
    return b;
}

DType cpu_store_of(Lowering *l, const Value *v)
{
    DClass class = dtype_info[v->type->dtype].class;
    if (l->kernel->device->options.numerics == NUMERICS_STORED || cpu_node(l, v)->stored)
        return v->type->dtype;
    return class == CLASS_FLOAT ? DT_FP32 : class == CLASS_BOOL ? DT_BOOL : DT_INT32;
}

void cpu_value_place(Lowering *l, const Value *v, View view)
{
    Node *n = cpu_node(l, v);
    n->view = view;
    n->placed = true;
}

static bool place_const(Lowering *l, Node *n)
{
    int block = cpu_block_new(l, 0);
    View view = {.block = block};
    Block *b = &l->kernel->block[block];
    b->home = HOME_CONST;
    const char *name = n->value->name ? n->value->name : "a constant";
    if (!check_type(l, name, n->value->type, true))
        return false;
    if (!cpu_const_resolve(l->kernel, l->blobs, n->value, &b->constant, &view.store, l->err))
        return error_prefix(l->err, "%s", name);
    cpu_value_place(l, n->value, view_dense(block, view.store, n->value->type->rank, n->value->type->dim));
    return true;
}

/* Compressed constants are unpacked once, when the function is compiled, and where a step needs them
 * unpacked. */
static bool unpack_constants(Lowering *l, const Op *op)
{
    CpuKernel *k = l->kernel;
    Tensor *result[2], made[2];
    for (int r = 0; r < op->results; r++) {
        const Type *t = op->result[r]->type;
        if (!check_type(l, op->result[r]->name, t, true))
            return false;
        DType store = constant_store(t->dtype);
        size_t bytes = (size_t)type_elements(t) * (size_t)(dtype_info[store].bits / 8);
        int block = cpu_block_new(l, 0);
        made[r] = tensor_of(t, store, cpu_const_room(k, bytes));
        result[r] = &made[r];
        k->block[block].home = HOME_CONST;
        k->block[block].constant = made[r].data;
        cpu_value_place(l, op->result[r], view_dense(block, store, t->rank, t->dim));
    }
    return cpu_evaluate_constant(l, op, result);
}

const View *cpu_value_view(Lowering *l, const Value *v)
{
    Node *n = cpu_node(l, v);
    if (!n->placed && cpu_is_constant(v) &&
        !(value_is_const(v) ? place_const(l, n) : unpack_constants(l, v->def)))
        return NULL;
    if (!n->placed) {
        error_set(l->err, "%s is used before it is made", v->name ? v->name : "a value");
        return NULL;
    }
    return &n->view;
}

/* Small constants are widened once, when the function is compiled. */
static bool widen_const(Lowering *l, Node *n)
{
    const Block *b = &l->kernel->block[n->view.block];
    int64_t count = view_count(&n->view);
    if (b->home != HOME_CONST || count > CONST_WIDEN_MOST || !view_is_dense(&n->view))
        return false;
    Tensor from = tensor_of(n->value->type, n->view.store, NULL);
    from.constant = (const char *)b->constant + n->view.first * (dtype_info[from.store].bits / 8);
    int block = cpu_block_new(l, 0);
    Block *wide = &l->kernel->block[block];
    Tensor to = tensor_of(n->value->type, DT_FP32, cpu_const_room(l->kernel, (size_t)count * sizeof(float)));
    tensor_move(&to, 0, &from, 0, count);
    wide->home = HOME_CONST;
    wide->constant = to.data;
    n->wide = view_dense(block, DT_FP32, n->view.rank, n->view.dim);
    return true;
}

bool cpu_value_f32(Lowering *l, const Value *v, View *out)
{
    const View *view = cpu_value_view(l, v);
    if (!view)
        return false;
    Node *n = cpu_node(l, v);
    if (!n->widened) {
        if (view->store == DT_FP32)
            n->wide = *view;
        else if (!widen_const(l, n))
            n->wide = cpu_dense_copy(l, v, view, DT_FP32);
        n->widened = true;
    }
    *out = n->wide;
    return true;
}

bool cpu_value_dense(Lowering *l, const Value *v, View *out)
{
    const View *view = cpu_value_view(l, v);
    if (!view)
        return false;
    if (!view_is_dense(view)) {
        View copy = cpu_dense_copy(l, v, view, view->store);
        cpu_value_place(l, v, copy);
        view = cpu_value_view(l, v);
    }
    *out = *view;
    return true;
}

/* ---- results ---- */

static bool keeps_bytes(OpCode code)
{
    return code == OP_RESHAPE || code == OP_EXPAND_DIMS || code == OP_SQUEEZE || code == OP_IDENTITY ||
           code == OP_CAST;
}

/* The output that is this value, or becomes it by ops that keep its bytes; -1: none, or its memory is taken.
 */
static int output_of(Lowering *l, const Value *v, DType store)
{
    if (l->generic)
        return -1;
    for (const Value *at = v;;) {
        Node *n = cpu_node(l, at);
        if (n->output >= 0 && at->type->dtype == store && !l->bound[n->output])
            return n->output;
        if (n->output >= 0 || n->uses != 1 || !n->user || !keeps_bytes(n->user->code))
            return -1;
        at = n->user->result[0];
    }
}

static int result_block(Lowering *l, const Value *v, DType store)
{
    int output = output_of(l, v, store);
    if (output < 0)
        return cpu_block_new(l, (size_t)type_elements(v->type) * (size_t)(dtype_info[store].bits / 8));
    l->bound[output] = true;
    return port_block(l, l->f->params + output);
}

View cpu_result_new(Lowering *l, const Value *v, DType store)
{
    View out = view_dense(result_block(l, v, store), store, v->type->rank, v->type->dim);
    cpu_value_place(l, v, out);
    return out;
}

View cpu_result_like(Lowering *l, const Value *v, const View *like)
{
    if (!view_has_dims(like, v->type) || view_is_dense(like))
        return cpu_result_new(l, v, DT_FP32);
    View out = view_like(like);
    out.store = DT_FP32;
    out.block = cpu_block_new(l, view_bytes(&out));
    cpu_value_place(l, v, out);
    return out;
}

static void touch(Lowering *l, const View *v, int step)
{
    Block *b = &l->kernel->block[v->block];
    if (b->first > b->last)
        b->first = step;
    b->last = step;
}

CpuStep *cpu_step_add(Lowering *l, bool (*run)(const Run *, const CpuStep *, Error *), const char *kind,
                      const Value *v, View out, const View *views, int count, const void *own,
                      size_t own_size)
{
    CpuKernel *k = l->kernel;
    CpuStep s = {.run = run,
                 .kind = kind,
                 .name = v->name ? v->name : "",
                 .type = v->type,
                 .out = out,
                 .views = count};
    s.view = arena_copy(&k->arena, views, (size_t)count * sizeof *views);
    s.own = own ? arena_copy(&k->arena, own, own_size) : NULL;
    s.bytes = (double)view_bytes(&out);
    touch(l, &out, k->steps);
    for (int i = 0; i < count; i++) {
        s.bytes += (double)view_bytes(&views[i]);
        touch(l, &views[i], k->steps);
    }
    arena_push(&k->arena, k->step, k->steps, k->steps_cap, s);
    return &k->step[k->steps - 1];
}

bool cpu_reserve(Lowering *l, size_t floats)
{
    if (floats > MOST_SCRATCH)
        return error_set(l->err, "a step takes %zu numbers of scratch memory, which is too large", floats);
    compute_reserve(&l->kernel->device->compute, floats);
    return true;
}

/* ---- backwards: what is needed, what goes together ---- */

static void number_ops(Lowering *l)
{
    for (const Op *op = l->f->first; op; op = op->next)
        l->ops++;
    l->op = arena_many(&l->kernel->arena, (size_t)l->ops, OpNode);
    int i = 0;
    for (const Op *op = l->f->first; op; op = op->next, i++) {
        l->op[i].op = op;
        for (int r = 0; r < op->results; r++)
            cpu_node(l, op->result[r])->op = i;
    }
}

static bool has_effect(const Op *op)
{
    return op->code == OP_WRITE_STATE;
}

static void need(Lowering *l, const Value *v, const Op *user)
{
    Node *n = cpu_node(l, v);
    n->uses++;
    n->user = user;
    if (n->op >= 0)
        l->op[n->op].needed = true;
}

static void count_uses(Lowering *l)
{
    for (int i = l->f->outputs; i-- > 0;) {
        need(l, l->f->output[i], NULL);
        cpu_node(l, l->f->output[i])->output = i;
    }
    for (int i = l->ops; i-- > 0;) {
        const Op *op = l->op[i].op;
        l->op[i].needed |= has_effect(op);
        if (!l->op[i].needed)
            continue;
        FOR_EACH_ARG(op, slot)
            need(l, *slot, op);
        if (op->code == OP_WRITE_STATE)
            cpu_node(l, op_arg(op, "data"))->stored = true;
    }
}

static void want(Lowering *l, const Value *v)
{
    OpNode *o = op_of(l, v);
    if (o)
        o->wanted = true;
}

static const Match *find_match(Lowering *l, const Op *op)
{
    static Match *(*const matchers[])(Lowering *, const Op *) = {cpu_match_update,  cpu_match_decode,
                                                                 cpu_match_prefill, cpu_match_rms_norm,
                                                                 cpu_match_linear,  cpu_match_activation};
    for (size_t i = 0; i < sizeof matchers / sizeof *matchers; i++) {
        Match *m = matchers[i](l, op);
        if (m)
            return m;
    }
    return NULL;
}

static void take_match(Lowering *l, const Match *m, OpNode *at)
{
    at->claimed = true;
    for (int i = 0; i < m->inners; i++)
        for (int r = 0; r < m->inner[i]->results; r++)
            op_of(l, m->inner[i]->result[r])->claimed = true;
    OpNode *root = op_of(l, m->root->result[0]);
    root->claimed = false;
    root->wanted = true;
    root->match = m;
    for (int i = 0; i < m->outers; i++)
        want(l, m->outer[i]);
}

static void choose(Lowering *l)
{
    for (int i = 0; i < l->f->outputs; i++)
        want(l, l->f->output[i]);
    for (int i = l->ops; i-- > 0;) {
        OpNode *o = &l->op[i];
        if (o->claimed || o->match || !(o->wanted || has_effect(o->op)))
            continue;
        const Match *m = l->generic ? NULL : find_match(l, o->op);
        if (m) {
            take_match(l, m, o);
            continue;
        }
        o->wanted = true;
        FOR_EACH_ARG(o->op, slot)
            want(l, *slot);
    }
}

/* ---- forwards ---- */

static bool emit_op(Lowering *l, const Op *op)
{
    static bool (*const emitters[])(Lowering *, const Op *, bool *) = {cpu_emit_move, cpu_emit_elementwise,
                                                                       cpu_emit_norm, cpu_emit_matmul};
    bool done = false;
    for (size_t i = 0; i < sizeof emitters / sizeof *emitters && !l->generic; i++) {
        if (!emitters[i](l, op, &done))
            return false;
        if (done)
            return true;
    }
    return cpu_emit_generic(l, op);
}

static bool emit_ops(Lowering *l)
{
    for (int i = 0; i < l->ops; i++) {
        const OpNode *o = &l->op[i];
        if ((op_info(o->op->code)->flags & F_CONST) || o->claimed || !o->wanted)
            continue;
        for (int r = 0; r < o->op->results; r++)
            if (!cpu_check_type(l, o->op->result[r]->name, o->op->result[r]->type))
                return false;
        if (o->match ? !o->match->emit(l, o->match) : !emit_op(l, o->op))
            return false;
    }
    return true;
}

/* Outputs that were not made where they belong. */
static bool emit_outputs(Lowering *l)
{
    for (int i = 0; i < l->f->outputs; i++) {
        const Value *v = l->f->output[i];
        const View *from = cpu_value_view(l, v);
        if (!from)
            return false;
        const Block *b = &l->kernel->block[from->block];
        int port = l->f->params + i;
        if (b->home == HOME_PORT && b->port == port && view_is_dense(from) && from->store == v->type->dtype)
            continue;
        View to = view_dense(port_block(l, port), v->type->dtype, v->type->rank, v->type->dim);
        if (!cpu_emit_copy(l, v, "output", from, &to))
            return false;
    }
    return true;
}

/* ---- ports ---- */

static bool add_port(Lowering *l, Port *port, PortKind kind, const Value *v)
{
    Type *held = arena_copy(&l->kernel->arena, v->type, sizeof *v->type);
    if (!cpu_check_type(l, v->name, v->type))
        return false;
    if (kind == PORT_OUTPUT && held->kind != TY_TENSOR)
        return error_set(l->err, "%s: a state cannot be an output", v->name);
    held->kind = TY_TENSOR;
    *port = (Port){kind, v->name ? v->name : "", held, (size_t)type_bytes(held)};
    return true;
}

static bool add_ports(Lowering *l)
{
    CpuKernel *k = l->kernel;
    const Func *f = l->f;
    Port *port = arena_many(&k->arena, (size_t)f->params + (size_t)f->outputs, Port);
    for (int i = 0; i < f->params; i++) {
        const Value *v = f->param[i];
        if (!add_port(l, &port[i], v->type->kind == TY_STATE ? PORT_STATE : PORT_INPUT, v))
            return false;
        cpu_value_place(l, v, view_dense(port_block(l, i), v->type->dtype, v->type->rank, v->type->dim));
    }
    for (int i = 0; i < f->outputs; i++)
        if (!add_port(l, &port[f->params + i], PORT_OUTPUT, f->output[i]))
            return false;
    k->base.port = port;
    k->base.ports = f->params + f->outputs;
    l->bound = arena_many(&k->arena, (size_t)f->outputs, bool);
    return true;
}

/* ---- memory ---- */

static void place_blocks(CpuKernel *k)
{
    Lifetime *life = xcalloc((size_t)k->blocks, sizeof *life);
    int n = 0;
    for (int i = 0; i < k->blocks; i++)
        if (k->block[i].home == HOME_WORK && k->block[i].first <= k->block[i].last)
            life[n++] = (Lifetime){k->block[i].bytes, k->block[i].first, k->block[i].last, 0};
    k->base.workspace = placement(life, n, ALIGN);
    n = 0;
    for (int i = 0; i < k->blocks; i++)
        if (k->block[i].home == HOME_WORK && k->block[i].first <= k->block[i].last)
            k->block[i].offset = life[n++].offset;
    free(life);
}

static bool reserve(CpuDevice *d, size_t bytes, Error *err)
{
    if (d->memory && bytes <= d->room)
        return true;
    void *memory = calloc(1, bytes + ALIGN);
    if (!memory)
        return error_set(err, "not enough memory: a step of the model takes %zu bytes", bytes);
    free(d->memory);
    d->memory = memory;
    d->work = (char *)memory + (ALIGN - (uintptr_t)memory % ALIGN);
    d->room = bytes;
    return true;
}

static bool lower(Lowering *l)
{
    if (!add_ports(l))
        return false;
    number_ops(l);
    count_uses(l);
    choose(l);
    return emit_ops(l) && emit_outputs(l);
}

Kernel *cpu_compile(Device *d, const Func *f, const BlobResolver *blobs, Error *err)
{
    CpuDevice *device = (CpuDevice *)d;
    CpuKernel *k = xcalloc(1, sizeof *k);
    k->device = device;
    k->base.device = d;
    k->base.name = f->name;
    Lowering l = {.kernel = k, .f = f, .blobs = blobs, .err = err};
    l.generic =
        device->options.generic || device->options.engine || device->options.numerics == NUMERICS_STORED;
    bool ok = lower(&l);
    HASH_CLEAR(hh, l.nodes);
    if (ok) {
        place_blocks(k);
        k->base.steps = k->steps;
        ok = reserve(device, k->base.workspace, err);
    }
    if (ok)
        return &k->base;
    kernel_release(&k->base);
    return NULL;
}
