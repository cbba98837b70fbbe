/* Functions and ops. */
#include <stdlib.h>
#include <string.h>

#include "backend/mlpackage/encode.h"

static char *same(Arena *a, const char *s)
{
    return arena_str(a, s, strlen(s));
}

/* ---- entries ---- */

static Cm__ValueEntry *value_entry(Arena *a, const char *key, Cm__Value *v)
{
    Cm__ValueEntry *e = arena_new(a, Cm__ValueEntry);
    cm__value_entry__init(e);
    e->key = same(a, key);
    e->value = v;
    return e;
}

typedef struct Entries {
    Cm__ValueEntry **item;
    size_t count, cap;
} Entries;

static bool add_entry(Arena *a, Entries *to, const char *key, const Type *t, const Literal *l, Error *err)
{
    Cm__Value *v = encode_value(a, t, l, err);
    if (v)
        arena_push(a, to->item, to->count, to->cap, value_entry(a, key, v));
    return v != NULL;
}

static bool add_attrs(Arena *a, Entries *to, const Attr *attr, int count, Error *err)
{
    for (int i = 0; i < count; i++)
        if (strcmp(attr[i].key, "FlexibleShapeInformation") != 0 &&
            !add_entry(a, to, attr[i].key, attr[i].type, attr[i].literal, err))
            return false;
    return true;
}

static int by_key(const void *x, const void *y)
{
    return strcmp((*(Cm__ValueEntry *const *)x)->key, (*(Cm__ValueEntry *const *)y)->key);
}

static void sort_entries(Entries *e)
{
    if (e->count)
        qsort(e->item, e->count, sizeof *e->item, by_key);
}

static Cm__NamedValueType *named_type(Arena *a, const Value *v, Error *err)
{
    Cm__NamedValueType *n = arena_new(a, Cm__NamedValueType);
    cm__named_value_type__init(n);
    n->name = same(a, v->name);
    n->type = encode_type(a, v->type, err);
    return n->type ? n : NULL;
}

static bool named_types(Arena *a, Value *const *v, int count, Cm__NamedValueType ***out, size_t *n,
                        Error *err)
{
    *out = arena_many(a, (size_t)count, Cm__NamedValueType *);
    for (*n = 0; *n < (size_t)count; ++*n)
        if (!((*out)[*n] = named_type(a, v[*n], err)))
            return false;
    return true;
}

/* ---- ops ---- */

static Cm__Binding *encode_binding(Arena *a, const Value *v, Error *err)
{
    Cm__Binding *b = arena_new(a, Cm__Binding);
    cm__binding__init(b);
    if (!v->def || v->def->func) {
        b->binding_case = CM__BINDING__BINDING_NAME;
        b->name = same(a, v->name);
        return b;
    }
    b->binding_case = CM__BINDING__BINDING_VALUE;
    b->value = encode_value(a, v->type, v->def->literal, err);
    return b->value ? b : NULL;
}

static Cm__ArgumentEntry *encode_arg(Arena *a, const Arg *arg, Error *err)
{
    Cm__ArgumentEntry *e = arena_new(a, Cm__ArgumentEntry);
    cm__argument_entry__init(e);
    e->key = same(a, arg->key);
    e->value = arena_new(a, Cm__Argument);
    cm__argument__init(e->value);
    e->value->n_arguments = (size_t)arg->count;
    e->value->arguments = arena_many(a, (size_t)arg->count, Cm__Binding *);
    for (int i = 0; i < arg->count; i++)
        if (!(e->value->arguments[i] = encode_binding(a, arg->values[i], err)))
            return NULL;
    return e;
}

/* Operands, sorted; those that are spelled as attributes go there. */
static bool encode_args(Arena *a, const Op *op, Cm__Operation *out, Entries *attrs, Error *err)
{
    out->inputs = arena_many(a, (size_t)op->args, Cm__ArgumentEntry *);
    for (int i = 0; i < op->args; i++) {
        const Arg *arg = &op->arg[i];
        if (!arg->count)
            continue;
        const Value *v = arg->values[0];
        if (arg->attribute) {
            if (!add_entry(a, attrs, arg->key, v->type, v->def->literal, err))
                return false;
            continue;
        }
        if (!(out->inputs[out->n_inputs] = encode_arg(a, arg, err)))
            return false;
        for (size_t k = out->n_inputs++; k && strcmp(out->inputs[k - 1]->key, out->inputs[k]->key) > 0; k--) {
            Cm__ArgumentEntry *swap = out->inputs[k];
            out->inputs[k] = out->inputs[k - 1];
            out->inputs[k - 1] = swap;
        }
    }
    return true;
}

static Cm__Block *encode_block(Arena *a, const Func *f, Error *err);

/* The blocks of control flow have inputs of their own, which those of functions have not. */
static bool encode_blocks(Arena *a, const Op *op, Cm__Operation *out, Error *err)
{
    out->blocks = arena_many(a, (size_t)op->blocks + 1, Cm__Block *);
    for (int i = 0; i < op->blocks; i++) {
        const Func *f = op->block[i];
        Cm__Block *b = out->blocks[out->n_blocks++] = encode_block(a, f, err);
        if (!b || !named_types(a, f->param, f->params, &b->inputs, &b->n_inputs, err))
            return false;
    }
    return true;
}

static Cm__Operation *encode_op(Arena *a, const Op *op, Error *err)
{
    Cm__Operation *out = arena_new(a, Cm__Operation);
    cm__operation__init(out);
    out->type = same(a, op->spelling);
    Entries attrs = {0};
    Type text = type_scalar(DT_STRING);
    bool ok = encode_args(a, op, out, &attrs, err) && add_attrs(a, &attrs, op->attr, op->attrs, err);
    if (ok && op->label)
        ok = add_entry(a, &attrs, "name", &text, literal_string(a, op->label), err);
    if (ok && op->code == OP_CONST)
        ok = add_entry(a, &attrs, "val", op->result[0]->type, op->literal, err);
    if (!ok || !encode_blocks(a, op, out, err) ||
        !named_types(a, op->result, op->results, &out->outputs, &out->n_outputs, err)) {
        error_prefix(err, "%s %s", op->spelling, op->results ? op->result[0]->name : "");
        return NULL;
    }
    sort_entries(&attrs);
    out->attributes = attrs.item;
    out->n_attributes = attrs.count;
    return out;
}

/* ---- functions ---- */

static int opset_number(const Func *f)
{
    int n = f->opset && strncmp(f->opset, "ios", 3) == 0 ? atoi(f->opset + 3) : 0;
    return n < 15 ? 15 : n;
}

int encode_opset(const Module *m)
{
    int newest = 15;
    for (int i = 0; i < m->funcs; i++)
        newest = opset_number(m->func[i]) > newest ? opset_number(m->func[i]) : newest;
    return newest;
}

static Cm__Block *encode_block(Arena *a, const Func *f, Error *err)
{
    size_t ops = 0;
    Cm__Block *b = arena_new(a, Cm__Block);
    cm__block__init(b);
    b->outputs = arena_many(a, (size_t)f->outputs, char *);
    for (int i = 0; i < f->outputs; i++)
        b->outputs[b->n_outputs++] = same(a, f->output[i]->name);
    for (const Op *op = f->first; op; op = op->next)
        ops++;
    b->operations = arena_many(a, ops, Cm__Operation *);
    for (const Op *op = f->first; op; op = op->next)
        if (!(b->operations[b->n_operations++] = encode_op(a, op, err)))
            return NULL;
    return b;
}

/* One block, for the opset that the function says: ios18 is called CoreML8 there. */
static Cm__Function *encode_function(Arena *a, const Func *f, Error *err)
{
    Cm__Function *out = arena_new(a, Cm__Function);
    cm__function__init(out);
    Entries attrs = {0};
    Cm__BlockEntry *e = arena_new(a, Cm__BlockEntry);
    cm__block_entry__init(e);
    out->opset = arena_printf(a, "CoreML%d", opset_number(f) - 10);
    e->key = out->opset;
    e->value = encode_block(a, f, err);
    if (!e->value || !named_types(a, f->param, f->params, &out->inputs, &out->n_inputs, err) ||
        !add_attrs(a, &attrs, f->attr, f->attrs, err))
        return NULL;
    out->attributes = attrs.item;
    out->n_attributes = attrs.count;
    out->block_specializations = arena_copy(a, &e, sizeof e);
    out->n_block_specializations = 1;
    return out;
}

Cm__Program *encode_program(Arena *a, const Module *m, Error *err)
{
    Cm__Program *p = arena_new(a, Cm__Program);
    cm__program__init(p);
    p->version = 1;
    Entries attrs = {0};
    if (!add_attrs(a, &attrs, m->attr, m->attrs, err))
        return NULL;
    p->attributes = attrs.item;
    p->n_attributes = attrs.count;
    p->functions = arena_many(a, (size_t)m->funcs, Cm__FunctionEntry *);
    for (int i = 0; i < m->funcs; i++) {
        Cm__FunctionEntry *e = p->functions[p->n_functions++] = arena_new(a, Cm__FunctionEntry);
        cm__function_entry__init(e);
        e->key = same(a, m->func[i]->name);
        e->value = encode_function(a, m->func[i], err);
        if (!e->value)
            return error_prefix(err, "%s", m->func[i]->name), NULL;
    }
    return p;
}
