/* Statements, scopes, and the model as a whole. */
#include "frontend/anel/elaborate.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- errors and limits ---- */

bool tell_once(Elab *e, Span at)
{
    Told *t, probe;
    memset(&probe, 0, sizeof probe); /* padding is part of the key */
    probe.key.source = at.source;
    probe.key.start = at.start;
    HASH_FIND(hh, e->told, &probe.key, sizeof probe.key, t);
    if (t)
        return false;
    t = arena_new(&e->scratch, Told);
    memcpy(&t->key, &probe.key, sizeof t->key);
    HASH_ADD(hh, e->told, key, sizeof t->key, t);
    return true;
}

AnelValue elab_error(Elab *e, Span at, const char *fmt, ...)
{
    enum { MOST = 8 };
    va_list ap;
    e->fresh = tell_once(e, at);
    if (!e->fresh)
        return anel_error;
    va_start(ap, fmt);
    const char *text = arena_vprintf(&e->scratch, fmt, ap);
    va_end(ap);
    diag_error(e->diags, at, "%s", text);
    int shown = 0;
    for (const Frame *f = e->frame; f && f->caller && shown < MOST; f = f->caller, shown++)
        diag_note(e->diags, f->call, "in layer '%s', called here", f->node->text);
    return anel_error;
}

bool elab_enter(Elab *e, Span at)
{
    if (e->exhausted)
        return false;
    if (e->steps++ < MAX_STEPS && e->level < MAX_LEVELS) {
        e->level++;
        return true;
    }
    e->exhausted = true;
    if (e->level >= MAX_LEVELS)
        elab_error(e, at, "nested too deeply");
    else
        elab_error(e, at, "the model takes more than %d steps to run through; is a loop too long?",
                   MAX_STEPS);
    return false;
}

void elab_leave(Elab *e)
{
    e->level--;
}

/* ---- scopes ---- */

void enter_scope(Elab *e, Scope *scope)
{
    *scope = (Scope){.outer = e->frame->scope};
    e->frame->scope = scope;
}

void leave_scope(Elab *e)
{
    Scope *scope = e->frame->scope;
    HASH_CLEAR(hh, scope->symbols);
    e->frame->scope = scope->outer;
}

Symbol *find_symbol(const Frame *f, const char *name)
{
    Symbol *s = NULL;
    for (const Scope *scope = f->scope; scope && !s; scope = scope->outer)
        HASH_FIND_STR(scope->symbols, name, s);
    return s;
}

void define(Elab *e, Scope *scope, const char *name, AnelValue value)
{
    Symbol *s;
    HASH_FIND_STR(scope->symbols, name, s);
    if (!s) {
        s = arena_new(&e->scratch, Symbol);
        s->name = name;
        HASH_ADD_KEYPTR(hh, scope->symbols, s->name, strlen(s->name), s);
    }
    s->value = value;
}

/* Gives an existing name its new value, in whatever scope it is; a new one belongs to the scope here. */
static void assign(Elab *e, const char *name, AnelValue value)
{
    Symbol *s = find_symbol(e->frame, name);
    if (s)
        s->value = value;
    else
        define(e, e->frame->scope, name, value);
}

/* ---- statements ---- */

static void assign_all(Elab *e, const Node *names, AnelValue value)
{
    for (int i = 0; i < names->kids; i++)
        assign(e, names->kid[i]->text, value);
}

/* a, b, c = one value that is a list */
static void unpack(Elab *e, const Node *n)
{
    const Node *names = n->kid[0];
    AnelValue v = eval(e, n->kid[1]);
    if (v.kind != ANEL_ERROR && v.kind != ANEL_LIST)
        v = elab_error(e, n->kid[1]->span, "%d names, but one value, %s", names->kids, describe(e, &v));
    else if (v.kind == ANEL_LIST && v.list.count != names->kids)
        v = elab_error(e, n->span, "%d names, but %d values", names->kids, v.list.count);
    if (v.kind == ANEL_ERROR) {
        assign_all(e, names, anel_error);
        return;
    }
    for (int i = 0; i < names->kids; i++)
        assign(e, names->kid[i]->text, v.list.item[i]);
}

static void run_assign(Elab *e, const Node *n)
{
    const Node *names = n->kid[0];
    int values = n->kids - 1;
    if (names->kids > 1 && values == 1) {
        unpack(e, n);
        return;
    }
    if (names->kids != values) {
        elab_error(e, n->span, "%d names, but %d values", names->kids, values);
        assign_all(e, names, anel_error);
        return;
    }
    AnelValue *value = arena_many(&e->scratch, (size_t)values, AnelValue);
    for (int i = 0; i < values; i++)
        value[i] = eval(e, n->kid[1 + i]);
    for (int i = 0; i < values; i++)
        assign(e, names->kid[i]->text, value[i]);
}

static void each_value(Elab *e, const char *name, AnelValue v, void (*body)(Elab *, void *), void *context)
{
    Scope scope;
    enter_scope(e, &scope);
    define(e, &scope, name, v);
    body(e, context);
    leave_scope(e);
}

static bool goes_on(const Elab *e)
{
    return !e->exhausted && !e->frame->returned;
}

static void each_number(Elab *e, const Node *range, const char *name, void (*body)(Elab *, void *),
                        void *context)
{
    int64_t first, end;
    if (!eval_int(e, range->kid[0], "the first number", -MAX_INT, MAX_INT, &first) ||
        !eval_int(e, range->kid[1], "the end", -MAX_INT, MAX_INT, &end))
        return;
    for (int64_t i = first; i < end && goes_on(e) && elab_enter(e, range->span); i++) {
        each_value(e, name, anel_int(i), body, context);
        elab_leave(e);
    }
}

void for_each(Elab *e, const Node *range, const char *name, void (*body)(Elab *, void *), void *context)
{
    if (range->kind == N_RANGE) {
        each_number(e, range, name, body, context);
        return;
    }
    AnelValue list = eval(e, range);
    if (list.kind == ANEL_ERROR)
        return;
    if (list.kind != ANEL_LIST) {
        elab_error(e, range->span, "for runs over a range (0..n) or a list, not over %s", describe(e, &list));
        return;
    }
    for (int i = 0; i < list.list.count && goes_on(e) && elab_enter(e, range->span); i++) {
        each_value(e, name, list.list.item[i], body, context);
        elab_leave(e);
    }
}

static void run_body(Elab *e, void *context)
{
    run_block(e, context);
}

/* The names that a branch makes live on behind it: which one is taken is known here. */
static void run_if(Elab *e, const Node *n)
{
    while (n && n->kind == N_IF) {
        bool taken;
        if (!eval_truth(e, n->kid[0], &taken))
            return;
        if (taken) {
            run_block(e, n->kid[1]);
            return;
        }
        n = n->kid[2];
    }
    if (n)
        run_block(e, n);
}

static void run_return(Elab *e, const Node *n)
{
    Frame *f = e->frame;
    AnelValue *item = arena_many(&e->scratch, (size_t)n->kids, AnelValue);
    bool failed = false;
    for (int i = 0; i < n->kids; i++) {
        item[i] = eval(e, n->kid[i]);
        failed |= item[i].kind == ANEL_ERROR;
    }
    f->returned = true;
    f->result = failed ? anel_error : n->kids == 1 ? item[0] : anel_list(item, n->kids);
}

static void run_buckets(Elab *e, const Node *n)
{
    for (int i = 0; i < n->kids; i++) {
        int64_t s;
        if (eval_int(e, n->kid[i], "a bucket", 1, 1 << 20, &s))
            arena_push(&e->scratch, e->bucket, e->buckets, e->buckets_cap, s);
    }
}

static void run_statement(Elab *e, const Node *n)
{
    switch (n->kind) {
    case N_WEIGHT: run_weight(e, n); break;
    case N_ASSIGN: run_assign(e, n); break;
    case N_FOR: for_each(e, n->kid[0], n->text, run_body, n->kid[1]); break;
    case N_IF: run_if(e, n); break;
    case N_RETURN: run_return(e, n); break;
    case N_BUCKETS: run_buckets(e, n); break;
    case N_DO: eval(e, n->kid[0]); break;
    default: break;
    }
}

void run_block(Elab *e, const Node *block)
{
    for (int i = 0; i < block->kids && goes_on(e); i++) {
        if (!elab_enter(e, block->kid[i]->span))
            return;
        run_statement(e, block->kid[i]);
        elab_leave(e);
    }
}
