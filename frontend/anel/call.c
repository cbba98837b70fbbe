/* Calls: arguments find their parameters, shapes are unified, layers are inlined. */
#include "frontend/anel/elaborate.h"

#include <string.h>

/* ---- shapes ---- */

/* A length that is no more than a name, which has no value yet: it gets one. */
static bool is_free(Elab *e, const Node *dim)
{
    return dim->kind == N_NAME && strcmp(dim->text, "S") != 0 && strcmp(dim->text, "T") != 0 &&
           !find_symbol(e->frame, dim->text);
}

static const char *as_declared(Elab *e, const Node *shape, const Type *t)
{
    Text out = {0};
    dims_print(&out, t->rank, t->dim);
    const char *text = span_text(e, shape->span);
    const char *s = strcmp(text, text_cstr(&out)) == 0
                        ? text
                        : arena_printf(&e->scratch, "%s = %s", text, text_cstr(&out));
    text_free(&out);
    return s;
}

/* The declared lengths with their values; names that have none keep the tensor's. False: an error was
 * reported. */
static bool declared_dims(Elab *e, const Node *shape, const Type *actual, Type *out)
{
    Frame *f = e->frame;
    bool dots = shape->kids && shape->kid[0]->kind == N_ELLIPSIS;
    int named = shape->kids - dots;
    int lead = !dots ? 0 : f->has_lead ? f->lead : actual->rank - named;
    *out = (Type){.kind = TY_TENSOR, .dtype = actual->dtype};
    if (lead < 0)
        lead = 0;
    if (lead + named > IR_MAX_RANK) {
        elab_error(e, shape->span, "more than %d axes", IR_MAX_RANK);
        return false;
    }
    if (dots && !f->has_lead) {
        f->has_lead = true;
        f->lead = lead;
        memcpy(f->lead_dim, actual->dim, sizeof f->lead_dim);
    }
    memcpy(out->dim, f->lead_dim, (size_t)lead * sizeof *out->dim);
    out->rank = lead + named;
    for (int i = 0; i < named; i++) {
        const Node *dim = shape->kid[dots + i];
        int at = lead + i;
        if (dim->kind == N_ELLIPSIS) {
            elab_error(e, dim->span, "'...' stands first or not at all");
            return false;
        }
        if (at < actual->rank && is_free(e, dim))
            define(e, f->root, dim->text, anel_int(actual->dim[at]));
        AnelValue v = is_free(e, dim) ? anel_int(1) : eval(e, dim);
        if (v.kind == ANEL_ERROR)
            return false;
        if (!as_int(&v, &out->dim[at])) {
            elab_error(e, dim->span, "a length is a whole number, not %s", describe(e, &v));
            return false;
        }
    }
    return true;
}

static AnelValue fit_shape(Elab *e, const Node *shape, AnelValue v, const char *who, Span at)
{
    if (v.kind == ANEL_ERROR)
        return v;
    if (v.kind != ANEL_TENSOR)
        return elab_error(e, at, "%s must be a tensor %s, not %s", who, span_text(e, shape->span),
                          describe(e, &v));
    Type actual = tensor_type(v.tensor), declared;
    bool dots = shape->kids && shape->kid[0]->kind == N_ELLIPSIS;
    int axes = shape->kids - dots;
    if (dots ? actual.rank < axes : actual.rank != axes)
        return elab_error(e, at, "%s is %s, but %s is declared: %d axes instead of %s%d", who,
                          dims_string(e, &actual), span_text(e, shape->span), actual.rank,
                          dots ? "at least " : "", axes);
    if (!declared_dims(e, shape, &actual, &declared))
        return anel_error;
    if (!dims_equal(&actual, &declared))
        return elab_error(e, at, "%s is %s, but %s is declared", who, dims_string(e, &actual),
                          as_declared(e, shape, &declared));
    return v;
}

/* ---- declared types ---- */

static bool has_type(const AnelValue *v, const char *type)
{
    int64_t i;
    if (strcmp(type, "int") == 0)
        return !is_symbolic(v) && as_int(v, &i);
    if (strcmp(type, "float") == 0)
        return is_number(v);
    if (strcmp(type, "bool") == 0)
        return v->kind == ANEL_BOOL;
    if (strcmp(type, "text") == 0)
        return v->kind == ANEL_TEXT;
    return v->kind == ANEL_LIST;
}

AnelValue typed(Elab *e, const Node *param, AnelValue v, Span at)
{
    const Node *type = param->kid[0];
    if (!type || type->kind != N_TYPE || v.kind == ANEL_ERROR)
        return v;
    if (!has_type(&v, type->text))
        return elab_error(e, at, "'%s' must be %s %s, not %s", param->text, type->text[0] == 'i' ? "an" : "a",
                          type->text, describe(e, &v));
    int64_t i;
    if (strcmp(type->text, "int") == 0 && as_int(&v, &i))
        return anel_int(i);
    return strcmp(type->text, "float") == 0 ? anel_float(number_of(&v)) : v;
}

/* ---- arguments ---- */

/* The arguments of a call, evaluated in the caller. */
typedef struct Args {
    const Node *call;
    AnelValue *value;
    bool failed;
} Args;

static Args eval_args(Elab *e, const Node *call)
{
    Args a = {.call = call, .value = arena_many(&e->scratch, (size_t)call->kids, AnelValue)};
    for (int i = 0; i < call->kids; i++) {
        a.value[i] = eval(e, call->kid[i]->kid[0]);
        a.failed |= a.value[i].kind == ANEL_ERROR;
    }
    return a;
}

/* ---- layers ---- */

static int param_index(const Node *params, const char *name)
{
    for (int i = 0; i < params->kids; i++)
        if (strcmp(params->kid[i]->text, name) == 0)
            return i;
    return -1;
}

/* Which parameter the i-th argument is for; -1 after an error. check.c has seen to it that names exist. */
static int layer_target(Elab *e, const Layer *l, const Node *arg, int i, const bool *given)
{
    const Node *params = l->node->kid[0];
    int target = arg->text ? param_index(params, arg->text) : i;
    if (target < 0 || target >= params->kids) {
        elab_error(e, arg->span, "layer '%s' takes %d arguments", l->name, params->kids);
        return -1;
    }
    if (given[target]) {
        elab_error(e, arg->span, "'%s' is given twice", params->kid[target]->text);
        return -1;
    }
    return target;
}

/* Arguments and defaults become names of the layer's scope. Spans of what was given go to `at`. */
static bool bind_params(Elab *e, const Layer *l, const Args *args, Span *at)
{
    const Node *params = l->node->kid[0];
    Frame *callee = e->frame;
    bool *given = arena_many(&e->scratch, (size_t)params->kids, bool);
    e->frame = callee->caller; /* errors of the call belong to the caller */
    bool ok = true;
    for (int i = 0; i < args->call->kids; i++) {
        int target = layer_target(e, l, args->call->kid[i], i, given);
        if (target < 0) {
            ok = false;
            break;
        }
        given[target] = true;
        at[target] = args->call->kid[i]->span;
        define(e, callee->root, params->kid[target]->text,
               typed(e, params->kid[target], args->value[i], at[target]));
    }
    for (int i = 0; ok && i < params->kids; i++)
        if (!given[i] && !params->kid[i]->kid[1]) {
            elab_error(e, args->call->span, "layer '%s' needs '%s'", l->name, params->kid[i]->text);
            ok = false;
        }
    e->frame = callee;
    for (int i = 0; ok && i < params->kids; i++)
        if (!given[i]) {
            at[i] = params->kid[i]->span;
            define(e, callee->root, params->kid[i]->text,
                   typed(e, params->kid[i], eval(e, params->kid[i]->kid[1]), at[i]));
        }
    return ok;
}

/* Parameters with a shape, after all have their values: a shape may speak of any of them. `none` may stand in
 * for a tensor where that is the default. */
static bool fit_params(Elab *e, const Layer *l, const Span *at)
{
    const Node *params = l->node->kid[0];
    bool ok = true;
    for (int i = 0; i < params->kids; i++) {
        const Node *p = params->kid[i];
        AnelValue v = find_symbol(e->frame, p->text)->value;
        bool absent = v.kind == ANEL_NONE && p->kid[1] && p->kid[1]->kind == N_NONE;
        if (p->kid[0] && p->kid[0]->kind == N_SHAPE && !absent)
            v = fit_shape(e, p->kid[0], v, arena_printf(&e->scratch, "'%s'", p->text), at[i]);
        ok = ok && v.kind != ANEL_ERROR;
    }
    return ok;
}

static AnelValue fit_results(Elab *e, const Layer *l, AnelValue v)
{
    const Node *results = l->node->kid[1];
    const char *who = arena_printf(&e->scratch, "the result of '%s'", l->name);
    if (!results || v.kind == ANEL_ERROR)
        return v;
    if (results->kids == 1)
        return fit_shape(e, results->kid[0], v, who, results->span);
    if (v.kind != ANEL_LIST || v.list.count != results->kids)
        return elab_error(e, results->span, "'%s' declares %d results, but returns %s", l->name,
                          results->kids, describe(e, &v));
    for (int i = 0; i < results->kids; i++)
        if (fit_shape(e, results->kid[i], v.list.item[i], who, results->span).kind == ANEL_ERROR)
            return anel_error;
    return v;
}

static AnelValue run_layer(Elab *e, const Layer *l, const Args *args)
{
    Span *at = arena_many(&e->scratch, (size_t)l->node->kid[0]->kids, Span);
    if (!bind_params(e, l, args, at) || !fit_params(e, l, at))
        return anel_error;
    int before = e->diags->errors;
    run_block(e, l->node->kid[2]);
    if (!e->frame->returned && (e->diags->errors != before || e->exhausted))
        return anel_error;
    if (!e->frame->returned && l->node->kid[1])
        return elab_error(e, l->node->span, "layer '%s' ends without a return", l->name);
    return fit_results(e, l, e->frame->result);
}

static AnelValue call_layer(Elab *e, Layer *l, const Args *args)
{
    Scope scope = {0};
    Frame frame = {.node = l->node,
                   .unit = l->unit,
                   .caller = e->frame,
                   .call = args->call->span,
                   .scope = &scope,
                   .root = &scope};
    if (l->active)
        return elab_error(e, args->call->span, "layer '%s' calls itself", l->name);
    if (e->frames == MAX_FRAMES)
        return elab_error(e, args->call->span, "more than %d layers within one another", MAX_FRAMES);
    e->frames++;
    l->active = true;
    e->frame = &frame;
    AnelValue v = run_layer(e, l, args);
    leave_scope(e);
    e->frame = frame.caller;
    l->active = false;
    e->frames--;
    return v;
}

/* ---- primitives ---- */

/* The index of a name in "x axis? keep?", or -1. */
static int primitive_param(const char *params, const char *name, size_t length)
{
    for (int i = 0; *params; i++) {
        size_t n = strcspn(params, " "), plain = n - (params[n - 1] == '?');
        if (plain == length && memcmp(params, name, length) == 0)
            return i;
        params += n + (params[n] == ' ');
    }
    return -1;
}

static int primitive_arity(const char *params)
{
    int n = *params != 0;
    for (; *params; params++)
        n += *params == ' ';
    return n;
}

static bool complete(Elab *e, const Primitive *p, const Call *c)
{
    const char *params = p->params;
    for (int i = 0; *params; i++) {
        size_t n = strcspn(params, " ");
        if (params[n - 1] != '?' && !c->given[i]) {
            elab_error(e, c->span, "%s needs '%.*s'", p->name, (int)n, params);
            return false;
        }
        params += n + (params[n] == ' ');
    }
    return true;
}

static AnelValue call_primitive(Elab *e, const Primitive *p, const Args *args)
{
    Call c = {.name = p->name, .params = p->params, .span = args->call->span};
    int arity = primitive_arity(p->params);
    for (int i = 0; i < args->call->kids; i++) {
        const Node *arg = args->call->kid[i];
        int target = arg->text ? primitive_param(p->params, arg->text, strlen(arg->text)) : i;
        if (target < 0 || target >= arity)
            return elab_error(e, arg->span, "%s takes %d arguments (%s)", p->name, arity, p->params);
        if (c.given[target])
            return elab_error(e, arg->span, "this argument of %s is given twice", p->name);
        c.given[target] = true;
        c.arg[target] = args->value[i];
        c.at[target] = arg->span;
    }
    return complete(e, p, &c) ? primitive_run(e, p, &c) : anel_error;
}

AnelValue eval_call(Elab *e, const Node *call)
{
    Layer *l = unit_find(e->frame->unit, call->text);
    if (!l && strcmp(call->text, "config") == 0)
        return eval_config(e, call);
    const Primitive *p = l ? NULL : primitive_find(call->text);
    Args args = eval_args(e, call);
    if (args.failed || e->exhausted || (!l && !p))
        return anel_error;
    return l ? call_layer(e, l, &args) : call_primitive(e, p, &args);
}
