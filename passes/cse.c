/* cse: of several ops that compute the same, the first stays. */
#include <string.h>

#include <uthash.h>

#include "passes/pipeline.h"

typedef struct Seen {
    const char *key;
    Op *op;
    UT_hash_handle hh;
} Seen;

static void put(Text *t, const void *data, size_t size)
{
    text_add(t, data, size);
}

static void put_type(Text *t, const Type *type)
{
    int header[3] = {(int)type->kind, (int)type->dtype, type->rank};
    put(t, header, sizeof header);
    put(t, type->dim, (size_t)type->rank * sizeof *type->dim);
}

static void put_string(Text *t, const char *s)
{
    put(t, s, strlen(s) + 1);
}

static bool put_literal(Text *t, const Literal *l)
{
    int header[2] = {(int)l->kind, (int)l->count};
    put(t, header, sizeof header);
    switch (l->kind) {
    case LIT_INT: put(t, l->ints, l->count * sizeof *l->ints); return true;
    case LIT_FLOAT: put(t, l->floats, l->count * sizeof *l->floats); return true;
    case LIT_STRING:
        for (size_t i = 0; i < l->count; i++)
            put_string(t, l->strings[i]);
        return true;
    case LIT_BLOB:
        put_string(t, l->blob.path);
        put(t, &l->blob.offset, sizeof l->blob.offset);
        return true;
    case LIT_WEIGHT:
        put(t, &l->weight.kind, sizeof l->weight.kind);
        put(t, &l->weight.window, sizeof l->weight.window);
        put(t, &l->weight.transposed, sizeof l->weight.transposed);
        put_string(t, l->weight.name ? l->weight.name : "");
        return true;
    case LIT_TREE: return false;
    }
    return false;
}

static bool put_value(Text *t, const Value *v)
{
    if (!v->def || v->def->func) {
        put(t, &v, sizeof v);
        return true;
    }
    put_type(t, v->type);
    return put_literal(t, v->def->literal);
}

/* The operands of x + y and y + x in one order. */
static bool put_pair(Text *t, const Op *op)
{
    Text x = {0}, y = {0};
    bool ok = put_value(&x, op->arg[0].values[0]) && put_value(&y, op->arg[1].values[0]);
    size_t n = x.size < y.size ? x.size : y.size;
    int order = memcmp(x.data, y.data, ok ? n : 0);
    bool swap = order > 0 || (order == 0 && x.size > y.size);
    text_add(t, swap ? y.data : x.data, swap ? y.size : x.size);
    text_add(t, swap ? x.data : y.data, swap ? x.size : y.size);
    text_free(&x);
    text_free(&y);
    return ok;
}

/* Bytes that are equal where two ops compute the same. */
static bool make_key(Text *t, const Op *op)
{
    int flags = op_info(op->code)->flags, code = (int)op->code;
    if (op->code == OP_UNKNOWN || (flags & F_EFFECT) || !op->results || op->attrs || op->group)
        return false;
    put(t, &code, sizeof code);
    if (op->code == OP_CONST) {
        put_type(t, op->result[0]->type);
        return put_literal(t, op->literal);
    }
    if ((flags & F_COMMUTATIVE) && op->args == 2)
        return put_pair(t, op);
    for (int i = 0; i < op->args; i++) {
        put(t, &op->arg[i].count, sizeof op->arg[i].count);
        for (int k = 0; k < op->arg[i].count; k++)
            if (!put_value(t, op->arg[i].values[k]))
                return false;
    }
    return true;
}

static void merge(Op *op, const Op *first)
{
    for (int i = 0; i < op->results; i++)
        value_replace(op->result[i], first->result[i]);
    op_unlink(op);
}

bool pass_cse(Pipeline *p)
{
    Seen *all = NULL, *found;
    Arena room = {0};
    Text key = {0};
    for (Op *op = p->graph->first, *next; op; op = next) {
        next = op->next;
        FOR_EACH_ARG(op, slot)
            while ((*slot)->forward)
                *slot = (*slot)->forward;
        text_clear(&key);
        if (!make_key(&key, op))
            continue;
        HASH_FIND(hh, all, key.data, key.size, found);
        if (found && found->op->results == op->results) {
            merge(op, found->op);
            pipeline_count(p, op->code == OP_CONST ? "constants merged" : "operations merged", 1);
        } else if (!found) {
            found = arena_new(&room, Seen);
            *found = (Seen){.key = arena_copy(&room, key.data, key.size), .op = op};
            HASH_ADD_KEYPTR(hh, all, found->key, key.size, found);
        }
    }
    func_settle(p->graph);
    HASH_CLEAR(hh, all);
    arena_free(&room);
    text_free(&key);
    return true;
}
