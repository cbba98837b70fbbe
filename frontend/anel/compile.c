/* anel_compile: the steps in order, the model's parameters, and what it leaves behind. */
#include "frontend/anel/elaborate.h"

#include <stdlib.h>
#include <string.h>

static const Node *find_model(Elab *e, const Unit *unit)
{
    const Node *root = unit->file->root, *model = NULL;
    for (int i = 0; i < root->kids; i++) {
        if (root->kid[i]->kind != N_MODEL)
            continue;
        if (model) {
            diag_error(e->diags, root->kid[i]->span, "a second model; a file has one");
            diag_note(e->diags, model->span, "the first");
            return NULL;
        }
        model = root->kid[i];
    }
    if (!model)
        diag_error(e->diags, (Span){0}, "%s: there is no model in it (`model NAME(...) { ... }`)",
                   unit->source->name);
    return model;
}

/* ---- parameters ---- */

static bool is_param(const Node *model, const char *name)
{
    for (int i = 0; i < model->kid[0]->kids; i++)
        if (strcmp(model->kid[0]->kid[i]->text, name) == 0)
            return true;
    return false;
}

static bool check_settings(Elab *e, const Node *model)
{
    bool ok = true;
    for (int i = 0; i < e->options->set_count; i++) {
        const char *name = e->settings[i].name;
        if (is_param(model, name) || config_key_known(e, name))
            continue;
        const char *near = nearest_setting(e, model, name);
        diag_error(e->diags, (Span){0},
                   "--set %s: model '%s' has no such parameter, and asks config.json for no such key", name,
                   model->text);
        if (near)
            diag_note(e->diags, (Span){0}, "did you mean '%s'?", near);
        ok = false;
    }
    return ok;
}

/* What kind the default is of, where that can be seen; ANEL_NONE: it cannot. Numbers are ANEL_FLOAT. */
static AnelKind kind_of(const Node *n)
{
    if (!n)
        return ANEL_NONE;
    switch (n->kind) {
    case N_INT:
    case N_FLOAT: return ANEL_FLOAT;
    case N_TRUE:
    case N_FALSE: return ANEL_BOOL;
    case N_STRING: return ANEL_TEXT;
    case N_LIST:
    case N_EACH: return ANEL_LIST;
    case N_BINARY: return strchr("+-*/%", n->text[0]) ? kind_of(n->kid[0]) : ANEL_NONE;
    case N_CALL:
        return strcmp(n->text, "config") == 0 && n->kids > 1 && !n->kid[1]->text ? kind_of(n->kid[1]->kid[0])
                                                                                 : ANEL_NONE;
    default: return ANEL_NONE;
    }
}

static AnelValue set_value(Elab *e, const Node *param, AnelValue v)
{
    AnelKind want = kind_of(param->kid[1]), have = is_number(&v) ? ANEL_FLOAT : v.kind;
    static const char *const names[] = {[ANEL_FLOAT] = "a number",
                                        [ANEL_BOOL] = "true or false",
                                        [ANEL_TEXT] = "a text",
                                        [ANEL_LIST] = "a list"};
    if (param->kid[0] || want == ANEL_NONE || want == have || have == ANEL_NONE)
        return typed(e, param, v, param->span);
    return elab_error(e, param->span, "--set %s: must be %s, not %s", param->text, names[want],
                      describe(e, &v));
}

static AnelValue param_value(Elab *e, const Node *param)
{
    const Setting *s = settings_find(e, param->text);
    e->origin = s ? "--set" : NULL;
    if (s)
        return set_value(e, param, s->value);
    if (param->kid[1])
        return typed(e, param, eval(e, param->kid[1]), param->span);
    elab_error(e, param->span, "the parameter '%s' has no value", param->text);
    if (e->fresh)
        diag_note(e->diags, (Span){0}, "--set %s=VALUE gives it one", param->text);
    return anel_error;
}

static const AnelParam *run_params(Elab *e, const Node *model)
{
    const Node *params = model->kid[0];
    Arena *a = &e->module->arena;
    AnelParam *out = arena_many(a, (size_t)params->kids, AnelParam);
    for (int i = 0; i < params->kids; i++) {
        AnelValue v = param_value(e, params->kid[i]);
        if (v.kind == ANEL_TENSOR)
            v = elab_error(e, params->kid[i]->span, "a parameter of a model is no tensor");
        define(e, e->frame->root, params->kid[i]->text, v);
        const char *origin = e->origin ? e->origin : "default";
        out[i] = (AnelParam){.name = arena_str(a, params->kid[i]->text, strlen(params->kid[i]->text)),
                             .value = anel_keep(e, &v),
                             .origin = arena_str(a, origin, strlen(origin))};
    }
    return out;
}

/* ---- results ---- */

static bool find_context(Elab *e, const Node *model, int64_t *out)
{
    const Symbol *s = find_symbol(e->frame, "context");
    if (!is_param(model, "context")) {
        elab_error(e, model->span, "model '%s' needs a parameter 'context', the longest sequence",
                   model->text);
        return false;
    }
    if (s->value.kind == ANEL_ERROR)
        return false;
    if (is_symbolic(&s->value) || !as_int(&s->value, out) || *out < 1 || *out > 1 << 24) {
        elab_error(e, model->span, "'context' must be a whole number from 1 to 2^24, not %s",
                   describe(e, &s->value));
        return false;
    }
    return true;
}

static bool find_logits(Elab *e, const Node *model, int64_t *vocab)
{
    const Symbol *s = find_symbol(e->frame, "logits");
    if (!s) {
        elab_error(e, model->span, "model '%s' does not set 'logits', its result", model->text);
        return false;
    }
    if (s->value.kind == ANEL_ERROR)
        return false;
    Type t = s->value.kind == ANEL_TENSOR ? tensor_type(s->value.tensor) : (Type){0};
    if (t.rank != 2 || t.dim[0] != DIM_S || t.dim[1] < 1 || t.dtype != DT_FP32) {
        elab_error(e, model->span, "'logits' must be a tensor [S, vocab], not %s", describe(e, &s->value));
        return false;
    }
    Value *v = s->value.tensor->value;
    v->name = "logits";
    *vocab = t.dim[1];
    func_add_output(e->func, v);
    return true;
}

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* 32, 64 .. 1024 where the model does not say. Those above the context go; where none is left, the context is
 * the one. */
static void settle_buckets(Elab *e, AnelModel *out)
{
    static const int64_t usual[] = {32, 64, 128, 256, 512, 1024};
    if (!e->buckets)
        for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
            arena_push(&e->scratch, e->bucket, e->buckets, e->buckets_cap, usual[i]);
    int64_t *kept = arena_many(&e->module->arena, (size_t)e->buckets + 1, int64_t);
    int n = 0;
    qsort(e->bucket, (size_t)e->buckets, sizeof *e->bucket, by_length);
    for (int i = 0; i < e->buckets; i++)
        if (e->bucket[i] <= out->context && (!n || kept[n - 1] != e->bucket[i]))
            kept[n++] = e->bucket[i];
    if (!n)
        kept[n++] = out->context;
    out->bucket = kept;
    out->buckets = n;
}

/* ---- all of it ---- */

static void begin_function(Elab *e, const Node *model)
{
    static const int64_t s[] = {DIM_S};
    Type ids = type_tensor(DT_INT32, 1, s);
    e->func = func_new(e->module, model->text, "ios18");
    e->func->span = model->span;
    func_add_param(e->func, "token", &ids, model->span);
    func_add_param(e->func, "position", &ids, model->span);
}

static void run_model(Elab *e, Unit *unit, const Node *model, AnelModel *out)
{
    Scope scope = {0};
    Frame frame = {.node = model, .unit = unit, .scope = &scope, .root = &scope};
    e->frame = &frame;
    int before = e->diags->errors;
    begin_function(e, model);
    out->name = e->func->name;
    out->param = run_params(e, model);
    out->params = model->kid[0]->kids;
    bool ok = find_context(e, model, &out->context);
    run_block(e, model->kid[1]);
    if (ok && e->diags->errors == before && !e->exhausted && find_logits(e, model, &out->vocab)) {
        weights_settle(e);
        settle_buckets(e, out);
        out->weight = weights_list(e);
        out->ignore = arena_copy(&e->module->arena, e->ignore, (size_t)e->ignored * sizeof *e->ignore);
        out->ignored = e->ignored;
        out->weights = e->weight_count;
    }
    tokens_clear(e->func);
    leave_scope(e);
    e->frame = NULL;
}

static void compile(Elab *e, const Source *source, AnelModel *out)
{
    bool settings = settings_read(e);
    Unit *unit = load_units(e, source);
    const Node *model = unit ? find_model(e, unit) : NULL;
    if (model && check_units(e) && settings && check_settings(e, model))
        run_model(e, unit, model, out);
}

Module *anel_compile(const Source *source, const AnelOptions *options, AnelModel *out, Diags *diags)
{
    Elab e = {.options = options, .diags = diags};
    int before = diags->errors;
    *out = (AnelModel){0};
    e.module = module_new("1.3");
    compile(&e, source, out);
    HASH_CLEAR(hh, e.told);
    HASH_CLEAR(hh, e.weights);
    HASH_CLEAR(hh, e.constants);
    units_free(&e);
    arena_free(&e.scratch);
    if (diags->errors == before)
        return e.module;
    module_free(e.module);
    return NULL;
}
