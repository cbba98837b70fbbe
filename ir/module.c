#include "ir/ir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Module *module_new(const char *version)
{
    Module *m = xcalloc(1, sizeof *m);
    m->version = arena_str(&m->arena, version, strlen(version));
    return m;
}

void module_free(Module *m)
{
    if (!m)
        return;
    Arena a = m->arena;
    free(m);
    arena_free(&a);
}

static const char *keep(Func *f, const char *s)
{
    return s ? arena_str(&f->module->arena, s, strlen(s)) : NULL;
}

Func *block_new(Module *m, const char *opset)
{
    Func *f = arena_new(&m->arena, Func);
    f->module = m;
    f->name = "block";
    f->opset = keep(f, opset);
    f->groups = f->groups_cap = 1;
    f->group = arena_new(&m->arena, Group);
    return f;
}

Func *func_new(Module *m, const char *name, const char *opset)
{
    Func *f = block_new(m, opset);
    f->name = keep(f, name);
    arena_push(&m->arena, m->func, m->funcs, m->funcs_cap, f);
    return f;
}

Func *module_find(const Module *m, const char *name)
{
    for (int i = 0; i < m->funcs; i++)
        if (strcmp(m->func[i]->name, name) == 0)
            return m->func[i];
    return NULL;
}

int func_number(const Func *f)
{
    int n = 0;
    while (f->module->func[n] != f)
        n++;
    return n;
}

/* Types never change, and what follows one another has few of them. Equal bytes are an equal type; padding
 * may keep two apart. */
static const Type *type_kept(Module *m, const Type *type)
{
    enum { RECENT = sizeof m->recent / sizeof *m->recent };
    for (int i = 0; i < RECENT; i++)
        if (m->recent[i] && memcmp(m->recent[i], type, sizeof *type) == 0)
            return m->recent[i];
    const Type *kept = type_copy(&m->arena, type);
    m->recent[m->oldest++ % RECENT] = kept;
    return kept;
}

static Value *value_new(Func *f, const char *name, const Type *type)
{
    Value *v = arena_new(&f->module->arena, Value);
    v->name = keep(f, name);
    v->type = type_kept(f->module, type);
    return v;
}

/* Grows an exact-sized pointer array by one: params, outputs and results are few. */
static Value **append(Arena *a, Value **items, int count, Value *v)
{
    Value **grown = arena_many(a, (size_t)count + 1, Value *);
    if (count)
        memcpy(grown, items, (size_t)count * sizeof *items);
    grown[count] = v;
    return grown;
}

static About *find_about(const Module *m, const char *key)
{
    for (int i = 0; i < m->abouts; i++)
        if (strcmp(m->about[i].key, key) == 0)
            return &m->about[i];
    return NULL;
}

const char *module_about(const Module *m, const char *key)
{
    const About *about = find_about(m, key);
    return about ? about->value : NULL;
}

void module_set_about(Module *m, const char *key, const char *value)
{
    About *about = find_about(m, key);
    const char *copy = arena_str(&m->arena, value, strlen(value));
    About made = {arena_str(&m->arena, key, strlen(key)), copy};
    if (about)
        about->value = copy;
    else
        arena_push(&m->arena, m->about, m->abouts, m->abouts_cap, made);
}

Value *func_add_param(Func *f, const char *name, const Type *type, Span at)
{
    Value *v = value_new(f, name, type);
    v->span = at;
    v->index = f->params;
    f->param = append(&f->module->arena, f->param, f->params++, v);
    return v;
}

void func_add_output(Func *f, Value *v)
{
    f->output = append(&f->module->arena, f->output, f->outputs++, v);
}

const char *func_fresh_name(Func *f, const char *stem)
{
    return arena_printf(&f->module->arena, "%s_%d", stem, f->next_name++);
}

static void link_op(Func *f, Op *op, Op *before)
{
    op->func = f;
    op->next = before;
    op->prev = before ? before->prev : f->last;
    if (op->prev)
        op->prev->next = op;
    else
        f->first = op;
    if (before)
        before->prev = op;
    else
        f->last = op;
}

static Op *op_alloc(Arena *a, OpCode code)
{
    const OpInfo *info = op_info(code);
    Op *op = arena_new(a, Op);
    op->code = code;
    op->spelling = info->spelling;
    op->args = info->operands;
    op->arg = arena_many(a, (size_t)op->args, Arg);
    for (int i = 0; i < op->args; i++) {
        op->arg[i].key = info->operand[i].name;
        op->arg[i].list = info->operand[i].list;
    }
    return op;
}

Op *op_new_before(Func *f, Op *before, OpCode code, Span at)
{
    Op *op = op_alloc(&f->module->arena, code);
    op->span = at;
    link_op(f, op, before);
    return op;
}

Op *op_new(Func *f, OpCode code, Span at)
{
    return op_new_before(f, NULL, code, at);
}

Op *op_new_unknown(Func *f, const char *spelling, Span at)
{
    Op *op = op_new(f, OP_UNKNOWN, at);
    op->spelling = keep(f, spelling);
    return op;
}

void op_unlink(Op *op)
{
    Func *f = op->func;
    if (op->prev)
        op->prev->next = op->next;
    else
        f->first = op->next;
    if (op->next)
        op->next->prev = op->prev;
    else
        f->last = op->prev;
    op->prev = op->next = NULL;
}

void op_move_before(Op *op, Op *before)
{
    Func *f = op->func;
    op_unlink(op);
    link_op(f, op, before);
}

/* The slot of `key`; an unknown op grows one. */
static Arg *arg_slot(Op *op, const char *key)
{
    for (int i = 0; i < op->args; i++)
        if (strcmp(op->arg[i].key, key) == 0)
            return &op->arg[i];
    if (op->code != OP_UNKNOWN || !op->func)
        return NULL;
    Arena *a = &op->func->module->arena;
    Arg *grown = arena_many(a, (size_t)op->args + 1, Arg);
    if (op->args)
        memcpy(grown, op->arg, (size_t)op->args * sizeof *grown);
    op->arg = grown;
    grown[op->args].key = keep(op->func, key);
    return &grown[op->args++];
}

void op_set(Op *op, const char *key, Value *v)
{
    Arg *arg = arg_slot(op, key);
    if (!arg)
        abort(); /* an operand that ops.def does not have: a mistake in this program */
    arg->count = v ? 1 : 0;
    if (!v)
        return;
    arg->values = arena_new(&op->func->module->arena, Value *);
    arg->values[0] = v;
}

void op_set_list(Op *op, const char *key, Value *const *v, int count)
{
    Arg *arg = arg_slot(op, key);
    if (!arg)
        abort(); /* as in op_set */
    arg->list = true;
    arg->count = count;
    arg->values = arena_copy(&op->func->module->arena, v, (size_t)count * sizeof *v);
}

const Arg *op_find_arg(const Op *op, const char *key)
{
    for (int i = 0; i < op->args; i++)
        if (strcmp(op->arg[i].key, key) == 0)
            return op->arg[i].count ? &op->arg[i] : NULL;
    return NULL;
}

Value *op_arg(const Op *op, const char *key)
{
    const Arg *arg = op_find_arg(op, key);
    return arg ? arg->values[0] : NULL;
}

Value *op_add_result(Op *op, const char *name, const Type *type)
{
    Value *v = value_new(op->func, name, type);
    v->def = op;
    v->index = op->results;
    v->span = op->span;
    op->result = append(&op->func->module->arena, op->result, op->results++, v);
    return v;
}

bool op_infer(Op *op, const char *stem, Error *err)
{
    enum { MOST = 64 };
    Type types[MOST];
    int n = op_result_types(op, types, MOST, err);
    if (n < 0)
        return false;
    for (int i = 0; i < n; i++)
        op_add_result(op, func_fresh_name(op->func, stem), &types[i]);
    return true;
}

/* ---- constants ---- */

const Literal *literal_copy(Arena *a, const Literal *l)
{
    if (!l)
        return NULL;
    Literal *copy = arena_copy(a, l, sizeof *l);
    if (l->kind == LIT_INT) {
        copy->ints = arena_copy(a, l->ints, l->count * sizeof *l->ints);
    } else if (l->kind == LIT_FLOAT) {
        copy->floats = arena_copy(a, l->floats, l->count * sizeof *l->floats);
    } else if (l->kind == LIT_STRING) {
        const char **strings = arena_many(a, l->count, const char *);
        for (size_t i = 0; i < l->count; i++)
            strings[i] = arena_str(a, l->strings[i], strlen(l->strings[i]));
        copy->strings = strings;
    } else if (l->kind == LIT_BLOB) {
        copy->blob.path = arena_str(a, l->blob.path, strlen(l->blob.path));
    } else if (l->kind == LIT_WEIGHT && l->weight.name) {
        copy->weight.name = arena_str(a, l->weight.name, strlen(l->weight.name));
    } else if (l->kind == LIT_TREE) {
        Literal **children = arena_many(a, l->count, Literal *);
        for (size_t i = 0; i < l->count; i++)
            children[i] = (Literal *)(uintptr_t)literal_copy(a, l->children[i]);
        copy->children = children;
    }
    return copy;
}

Value *const_value(Func *f, Op *before, const char *name, const Type *type, const Literal *literal)
{
    Op *op = op_new_before(f, before, OP_CONST, (Span){0});
    op->literal = literal_copy(&f->module->arena, literal);
    op->label = keep(f, name);
    return op_add_result(op, name, type);
}

Value *const_inline(Module *m, const Type *type, const Literal *literal)
{
    Op *op = op_alloc(&m->arena, OP_CONST);
    Value *v = arena_new(&m->arena, Value);
    v->type = type_kept(m, type);
    v->def = op;
    op->literal = literal_copy(&m->arena, literal);
    op->results = 1;
    op->result = append(&m->arena, NULL, 0, v);
    return v;
}

static Literal *literal_new(Arena *a, LiteralKind kind, size_t count)
{
    Literal *l = arena_new(a, Literal);
    l->kind = kind;
    l->count = count;
    return l;
}

const Literal *literal_ints(Arena *a, const int64_t *values, size_t count)
{
    Literal *l = literal_new(a, LIT_INT, count);
    l->ints = arena_copy(a, values, count * sizeof *values);
    return l;
}

const Literal *literal_floats(Arena *a, const double *values, size_t count)
{
    Literal *l = literal_new(a, LIT_FLOAT, count);
    l->floats = arena_copy(a, values, count * sizeof *values);
    return l;
}

const Literal *literal_string(Arena *a, const char *s)
{
    Literal *l = literal_new(a, LIT_STRING, 1);
    const char **strings = arena_new(a, const char *);
    strings[0] = arena_str(a, s, strlen(s));
    l->strings = strings;
    return l;
}

const Literal *literal_blob(Arena *a, const char *path, uint64_t offset)
{
    Literal *l = literal_new(a, LIT_BLOB, 1);
    l->blob.path = arena_str(a, path, strlen(path));
    l->blob.offset = offset;
    return l;
}

const Literal *literal_tree(Arena *a, const Literal *const *children, size_t count)
{
    Literal *l = literal_new(a, LIT_TREE, count);
    l->children = arena_copy(a, children, count * sizeof *children);
    return l;
}

const Literal *literal_weight(Arena *a, const WeightRef *w)
{
    Literal *l = literal_new(a, LIT_WEIGHT, 1);
    l->weight = *w;
    if (w->name)
        l->weight.name = arena_str(a, w->name, strlen(w->name));
    return l;
}

Value *inline_int(Module *m, int64_t v)
{
    Type t = type_scalar(DT_INT32);
    return const_inline(m, &t, literal_ints(&m->arena, &v, 1));
}

Value *inline_bool(Module *m, bool v)
{
    Type t = type_scalar(DT_BOOL);
    int64_t i = v;
    return const_inline(m, &t, literal_ints(&m->arena, &i, 1));
}

Value *inline_string(Module *m, const char *s)
{
    Type t = type_scalar(DT_STRING);
    return const_inline(m, &t, literal_string(&m->arena, s));
}

Value *inline_float(Module *m, DType dtype, double v)
{
    Type t = type_scalar(dtype);
    return const_inline(m, &t, literal_floats(&m->arena, &v, 1));
}

Value *inline_ints(Module *m, const int64_t *v, int64_t count)
{
    Type t = type_tensor(DT_INT32, 1, &count);
    return const_inline(m, &t, literal_ints(&m->arena, v, (size_t)count));
}

/* ---- reading ---- */

bool value_is_const(const Value *v)
{
    return v->def && v->def->code == OP_CONST;
}

const Literal *value_literal(const Value *v)
{
    return value_is_const(v) ? v->def->literal : NULL;
}

static const Literal *arg_literal(const Op *op, const char *key)
{
    const Value *v = op_arg(op, key);
    return v ? value_literal(v) : NULL;
}

bool arg_int(const Op *op, const char *key, int64_t *out)
{
    return arg_ints(op, key, out, 1) == 1;
}

bool arg_bool(const Op *op, const char *key, bool *out)
{
    int64_t v;
    if (!arg_int(op, key, &v))
        return false;
    *out = v != 0;
    return true;
}

bool arg_float(const Op *op, const char *key, double *out)
{
    const Literal *l = arg_literal(op, key);
    if (!l || l->count != 1 || (l->kind != LIT_FLOAT && l->kind != LIT_INT))
        return false;
    *out = l->kind == LIT_FLOAT ? l->floats[0] : (double)l->ints[0];
    return true;
}

const char *arg_string(const Op *op, const char *key)
{
    const Literal *l = arg_literal(op, key);
    return l && l->kind == LIT_STRING && l->count == 1 ? l->strings[0] : NULL;
}

int arg_ints(const Op *op, const char *key, int64_t *out, int limit)
{
    const Literal *l = arg_literal(op, key);
    if (!l || l->kind != LIT_INT || l->count > (size_t)limit)
        return -1;
    memcpy(out, l->ints, l->count * sizeof *out);
    return (int)l->count;
}
