/* Statements, macros, and the rendering of a whole template. */
#include "runtime/chat/chat.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/chat/interp.h"

struct ChatTemplate {
    Arena arena;
    const Node *body;
};

/* ---- limits and errors ---- */

Value interp_fail(Interp *in, const char *fmt, ...)
{
    Error text;
    va_list ap;
    if (in->failed)
        return value_none();
    in->failed = true;
    va_start(ap, fmt);
    vsnprintf(text.text, sizeof text.text, fmt, ap);
    va_end(ap);
    char shown[900];
    error_quote(shown, sizeof shown, text.text, (long)strlen(text.text));
    error_set(in->err, "line %d: %s", in->line, shown);
    return value_none();
}

bool interp_step(Interp *in, double steps)
{
    in->steps += steps;
    if (in->steps > STEP_LIMIT)
        interp_fail(in, "the template works too long");
    else if (in->arena.total > MEMORY_LIMIT)
        interp_fail(in, "the template takes too much memory");
    return !in->failed;
}

Build interp_build(Interp *in)
{
    return (Build){.arena = &in->arena, .limit = TEXT_LIMIT};
}

Value interp_built(Interp *in, const Build *b)
{
    if (b->full)
        return interp_fail(in, "a text has more than %d bytes", (int)TEXT_LIMIT);
    return value_str(build_done(b));
}

/* ---- scopes ---- */

static Scope *scope_new(Interp *in, Scope *parent)
{
    Scope *s = arena_new(&in->arena, Scope);
    s->vars = value_dict(&in->arena);
    s->parent = parent;
    return s;
}

static void bind(Interp *in, Scope *s, Str name, Value v)
{
    interp_step(in, (double)s->vars.u.dict->count / 8);
    dict_set(&in->arena, s->vars, value_str(name), v);
}

/* One name takes the value, several take the items of a list. */
static void bind_targets(Interp *in, Scope *s, const Node *n, Value v)
{
    if (n->count == 1) {
        bind(in, s, n->list[0]->text, v);
        return;
    }
    Value items = interp_items(in, v);
    if (!in->failed && items.u.list->count != (size_t)n->count)
        interp_fail(in, "%d names for %zu values", n->count, items.u.list->count);
    for (int i = 0; i < n->count && !in->failed; i++)
        bind(in, s, n->list[i]->text, items.u.list->item[i]);
}

/* ---- loops ---- */

static Value kept_items(Interp *in, const Node *n, Value all)
{
    Scope *outer = in->scope;
    if (!n->c)
        return all;
    Value kept = value_list(&in->arena);
    for (size_t i = 0; i < all.u.list->count && !in->failed; i++) {
        in->scope = scope_new(in, outer);
        bind_targets(in, in->scope, n, all.u.list->item[i]);
        if (value_truth(interp_eval(in, n->c)))
            list_add(&in->arena, kept, all.u.list->item[i]);
    }
    in->scope = outer;
    return kept;
}

static void tell_loop(Interp *in, Value loop, const List *items, size_t i)
{
    Arena *a = &in->arena;
    int64_t at = (int64_t)i, count = (int64_t)items->count;
    dict_set(a, loop, value_text("index"), value_int(at + 1));
    dict_set(a, loop, value_text("index0"), value_int(at));
    dict_set(a, loop, value_text("revindex"), value_int(count - at));
    dict_set(a, loop, value_text("revindex0"), value_int(count - at - 1));
    dict_set(a, loop, value_text("first"), value_bool(at == 0));
    dict_set(a, loop, value_text("last"), value_bool(at + 1 == count));
    dict_set(a, loop, value_text("length"), value_int(count));
    dict_set(a, loop, value_text("previtem"), i ? items->item[i - 1] : value_undefined("loop.previtem"));
    dict_set(a, loop, value_text("nextitem"),
             i + 1 < items->count ? items->item[i + 1] : value_undefined("loop.nextitem"));
}

static void run_for(Interp *in, const Node *n)
{
    Value all = interp_items(in, interp_eval(in, n->a));
    if (in->failed)
        return;
    Scope *outer = in->scope;
    Value items = kept_items(in, n, all), loop = value_dict(&in->arena);
    loop.u.dict->is_namespace = true;
    for (size_t i = 0; !in->failed && i < items.u.list->count; i++) {
        in->scope = scope_new(in, outer);
        tell_loop(in, loop, items.u.list, i);
        bind(in, in->scope, str_of("loop"), loop);
        bind_targets(in, in->scope, n, items.u.list->item[i]);
        interp_run(in, n->b);
        bool over = in->jump == JUMP_BREAK;
        in->jump = JUMP_NONE;
        if (over)
            break;
    }
    in->scope = outer;
    if (!in->failed && !items.u.list->count && n->d)
        interp_run(in, n->d);
}

/* ---- macros and texts from bodies ---- */

/* The text that a body writes. */
static Value captured(Interp *in, const Node *body)
{
    Build text = interp_build(in), *out = in->out;
    Scope *outer = in->scope;
    in->out = &text;
    in->scope = scope_new(in, outer);
    interp_run(in, body);
    in->scope = outer;
    in->out = out;
    return interp_built(in, &text);
}

static Value given(Interp *in, const Node *m, int i, const Args *args)
{
    for (int k = 0; k < args->names; k++)
        if (strcmp(args->name[k], m->name[i]) == 0)
            return args->named[k];
    if (i < args->count)
        return args->item[i];
    return m->named[i] ? interp_eval(in, m->named[i]) : value_undefined(m->name[i]);
}

static bool is_parameter(const Node *m, const char *name)
{
    for (int i = 0; i < m->names; i++)
        if (strcmp(m->name[i], name) == 0)
            return true;
    return false;
}

Value interp_call_macro(Interp *in, const Macro *m, const Args *args, Value caller)
{
    Scope *outer = in->scope;
    const Node *n = m->node;
    if (args->count > n->names)
        return interp_fail(in, "the macro %.*s takes %d arguments, not %d", (int)n->text.size, n->text.data,
                           n->names, args->count);
    for (int i = 0; i < args->names; i++)
        if (!is_parameter(n, args->name[i]))
            return interp_fail(in, "the macro %.*s has no parameter \"%.60s\"", (int)n->text.size,
                               n->text.data, args->name[i]);
    in->scope = scope_new(in, m->scope);
    if (caller.kind == V_MACRO)
        bind(in, in->scope, str_of("caller"), caller);
    for (int i = 0; i < n->names && !in->failed; i++)
        bind(in, in->scope, str_of(n->name[i]), given(in, n, i, args));
    Value text = in->failed ? value_none() : captured(in, n->b);
    in->scope = outer;
    return text;
}

static Value macro_value(Interp *in, const Node *n)
{
    Macro *m = arena_new(&in->arena, Macro);
    *m = (Macro){n, in->scope};
    return (Value){.kind = V_MACRO, .u.macro = m};
}

/* {% call name(...) %}: the macro may write what the body does, with caller(). */
static void run_caller(Interp *in, const Node *n)
{
    Value macro = interp_eval(in, n->a->a);
    Args args = {.count = n->a->count, .names = n->a->names, .name = n->a->name};
    args.item = arena_many(&in->arena, (size_t)args.count, Value);
    args.named = arena_many(&in->arena, (size_t)args.names, Value);
    for (int i = 0; i < args.count; i++)
        args.item[i] = interp_eval(in, n->a->list[i]);
    for (int i = 0; i < args.names; i++)
        args.named[i] = interp_eval(in, n->a->named[i]);
    if (!in->failed && macro.kind != V_MACRO)
        interp_fail(in, "{%% call %%} needs a macro, not %s", value_kind_name(macro));
    if (!in->failed)
        value_print(in->out, interp_call_macro(in, macro.u.macro, &args, macro_value(in, n->b)), false);
}

/* The filters of n on the text: the innermost has no operand of its own. */
static Value filter_text(Interp *in, const Node *n, Value text)
{
    Value self = n->a ? filter_text(in, n->a, text) : text;
    Node one = *n, constant = {.kind = NODE_CONST, .line = n->line, .value = self};
    one.a = &constant;
    return interp_eval(in, &one);
}

/* ---- statements ---- */

static void run_set(Interp *in, const Node *n)
{
    Value v = interp_eval(in, n->a);
    if (in->failed)
        return;
    if (!n->text.data) {
        bind_targets(in, in->scope, n, v);
        return;
    }
    Value space = interp_eval(in, n->list[0]);
    if (space.kind != V_DICT || !space.u.dict->is_namespace) {
        interp_fail(in, "only what namespace() made can be changed");
        return;
    }
    interp_step(in, (double)space.u.dict->count / 8);
    dict_set(&in->arena, space, value_str(n->text), v);
}

static void run_with(Interp *in, const Node *n)
{
    Scope *outer = in->scope, *inner = scope_new(in, outer);
    for (int i = 0; i < n->names; i++)
        bind(in, inner, str_of(n->name[i]), interp_eval(in, n->named[i]));
    in->scope = inner;
    interp_run(in, n->b);
    in->scope = outer;
}

static void run_body(Interp *in, const Node *n)
{
    for (int i = 0; i < n->count && !in->failed && in->jump == JUMP_NONE; i++)
        interp_run(in, n->list[i]);
}

static void run_if(Interp *in, const Node *n)
{
    while (n && n->kind == NODE_IF && !in->failed) {
        if (value_truth(interp_eval(in, n->a))) {
            interp_run(in, n->b);
            return;
        }
        n = n->c;
    }
    if (n)
        interp_run(in, n);
}

static void execute(Interp *in, const Node *n)
{
    Value v;
    switch (n->kind) {
    case NODE_TEXT: build_str(in->out, n->text); break;
    case NODE_PRINT:
        v = interp_eval(in, n->a);
        if (!in->failed)
            value_print(in->out, v, false);
        break;
    case NODE_BODY: run_body(in, n); break;
    case NODE_IF: run_if(in, n); break;
    case NODE_FOR: run_for(in, n); break;
    case NODE_SET: run_set(in, n); break;
    case NODE_SET_BODY:
        v = captured(in, n->b);
        v = n->a && !in->failed ? filter_text(in, n->a, v) : v;
        bind(in, in->scope, n->list[0]->text, v);
        break;
    case NODE_MACRO: bind(in, in->scope, n->text, macro_value(in, n)); break;
    case NODE_CALLER: run_caller(in, n); break;
    case NODE_FILTERED:
        v = captured(in, n->b);
        if (!in->failed)
            value_print(in->out, filter_text(in, n->a, v), false);
        break;
    case NODE_WITH: run_with(in, n); break;
    case NODE_BREAK: in->jump = JUMP_BREAK; break;
    case NODE_CONTINUE: in->jump = JUMP_CONTINUE; break;
    default: interp_fail(in, "an expression is no statement"); break;
    }
}

void interp_run(Interp *in, const Node *n)
{
    if (in->failed || !interp_step(in, 1))
        return;
    in->line = n->line;
    if (++in->depth > DEPTH_LIMIT)
        interp_fail(in, "the template is nested too deeply, or calls itself without end");
    else
        execute(in, n);
    in->depth--;
    if (in->out->full)
        interp_fail(in, "the text has more than %d bytes", (int)TEXT_LIMIT);
}

/* ---- the template ---- */

ChatTemplate *chat_template_parse(const char *text, size_t size, Error *err)
{
    ChatTemplate *t = xcalloc(1, sizeof *t);
    TokenList tokens = {0};
    if (size > TEXT_LIMIT)
        error_set(err, "line 1: a template of %zu bytes is too long", size);
    else if (chat_scan(&t->arena, text, size, &tokens, err))
        t->body = chat_parse(&t->arena, &tokens, err);
    if (t->body)
        return t;
    chat_template_free(t);
    return NULL;
}

void chat_template_free(ChatTemplate *t)
{
    if (t)
        arena_free(&t->arena);
    free(t);
}

void chat_text_free(ChatText *t)
{
    text_free(&t->text);
    text_free(&t->marks);
}

static void bind_input(Interp *in, const ChatInput *input)
{
    Arena *a = &in->arena;
    Value vars = in->scope->vars;
    const char *key;
    json_t *value;
    dict_set(a, vars, value_text("messages"), value_from_json(a, input->messages, true));
    dict_set(a, vars, value_text("tools"), value_from_json(a, input->tools, true));
    dict_set(a, vars, value_text("documents"), value_none());
    dict_set(a, vars, value_text("add_generation_prompt"), value_bool(input->add_generation_prompt));
    if (input->bos)
        dict_set(a, vars, value_text("bos_token"), value_text(input->bos));
    if (input->eos)
        dict_set(a, vars, value_text("eos_token"), value_text(input->eos));
    json_object_foreach((json_t *)(uintptr_t)input->variables, key, value)
        dict_set(a, vars, value_text(key), value_from_json(a, value, true));
}

static void finish(const Build *b, ChatText *out)
{
    Str s = build_done(b);
    text_add(&out->text, s.data, s.size);
    static const char none[256] = {0};
    for (size_t at = 0, n; at < s.size; at += n) {
        n = s.mark || s.size - at < sizeof none ? s.size - at : sizeof none;
        text_add(&out->marks, s.mark ? s.mark + at : none, n);
    }
}

bool chat_template_render(const ChatTemplate *t, const ChatInput *input, ChatText *out, Error *err)
{
    Interp in = {.err = err, .line = 1, .now = input->now};
    Build text = {.arena = &in.arena, .limit = TEXT_LIMIT};
    in.scope = scope_new(&in, NULL);
    in.out = &text;
    bind_input(&in, input);
    interp_run(&in, t->body);
    if (!in.failed)
        finish(&text, out);
    arena_free(&in.arena);
    return !in.failed;
}
