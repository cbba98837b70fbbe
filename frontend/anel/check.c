/* What can be said of a file without running it: names that mean nothing, parameters twice, statements in the
 * wrong place. All of it is reported at once; what depends on values is found by the run. */
#include "frontend/anel/elaborate.h"

#include <string.h>

/* One layer or model. */
typedef struct Check {
    Elab *e;
    const Unit *unit;
    const Node *node;
    Symbol *names; /* all that have a value anywhere in it */
} Check;

static const char *const given[] = {"S", "T", "token", "position"};

static bool is_given(const char *name)
{
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (strcmp(given[i], name) == 0)
            return true;
    return false;
}

/* ---- which names there are ---- */

static void add_name(Check *c, const Node *n)
{
    Symbol *s;
    if (is_given(n->text)) {
        diag_error(c->e->diags, n->span, "'%s' has its meaning everywhere; choose another name", n->text);
        return;
    }
    HASH_FIND_STR(c->names, n->text, s);
    if (s)
        return;
    s = arena_new(&c->e->scratch, Symbol);
    s->name = n->text;
    HASH_ADD_KEYPTR(hh, c->names, s->name, strlen(s->name), s);
}

/* The lengths that are plain names get their values from the argument. */
static void collect_shape(Check *c, const Node *shape)
{
    for (int i = 0; i < shape->kids; i++)
        if (shape->kid[i]->kind == N_NAME && !is_given(shape->kid[i]->text))
            add_name(c, shape->kid[i]);
}

static void collect_names(Check *c, const Node *n)
{
    if (!n)
        return;
    if (n->kind == N_WEIGHT || n->kind == N_FOR || n->kind == N_EACH)
        add_name(c, n);
    if (n->kind == N_PARAM && n->kid[0] && n->kid[0]->kind == N_SHAPE)
        collect_shape(c, n->kid[0]);
    for (int i = 0; n->kind == N_ASSIGN && i < n->kid[0]->kids; i++)
        add_name(c, n->kid[0]->kid[i]);
    for (int i = 0; i < n->kids; i++)
        collect_names(c, n->kid[i]);
}

/* ---- uses ---- */

/* Looking for the nearest name is for errors that somebody will see. */
static bool is_shown(const Check *c)
{
    return c->e->diags->errors < 100;
}

static void note_nearest(Check *c, const Nearest *n)
{
    if (n->best)
        diag_note(c->e->diags, (Span){0}, "did you mean '%s'?", n->best);
}

static void check_name(Check *c, const Node *n)
{
    Symbol *s;
    HASH_FIND_STR(c->names, n->text, s);
    if (s || is_given(n->text))
        return;
    Nearest near = {.wanted = n->text};
    for (s = c->names; s && is_shown(c); s = s->hh.next)
        nearest_try(&near, s->name);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        nearest_try(&near, given[i]);
    diag_error(c->e->diags, n->span, "'%s' is not known here", n->text);
    note_nearest(c, &near);
}

static void layers_nearest(const Unit *u, Nearest *near)
{
    for (const Layer *l = u->layers; l; l = l->hh.next)
        nearest_try(near, l->name);
}

static bool imports_std(const Check *c)
{
    for (int i = 0; i < c->unit->imports; i++)
        if (strstr(c->unit->import[i]->source->name, "std.anel"))
            return true;
    return false;
}

static void unknown_callee(Check *c, const Node *n)
{
    Nearest near = {.wanted = n->text};
    for (int i = -1; i < c->unit->imports && is_shown(c); i++)
        layers_nearest(i < 0 ? c->unit : c->unit->import[i], &near);
    primitive_nearest(&near);
    diag_error(c->e->diags, (Span){n->span.source, n->span.start, (uint32_t)strlen(n->text)},
               "there is no layer or primitive '%s'", n->text);
    note_nearest(c, &near);
    if (!near.best && !imports_std(c))
        diag_note(c->e->diags, (Span){0}, "import \"std.anel\" brings the common layers");
}

static void check_keyword(Check *c, const Node *arg, const Layer *l)
{
    const Node *params = l->node->kid[0];
    Nearest near = {.wanted = arg->text};
    for (int i = 0; i < params->kids; i++) {
        if (strcmp(params->kid[i]->text, arg->text) == 0)
            return;
        nearest_try(&near, params->kid[i]->text);
    }
    diag_error(c->e->diags, arg->span, "layer '%s' has no parameter '%s'", l->name, arg->text);
    note_nearest(c, &near);
}

static void check_call(Check *c, const Node *n)
{
    const Layer *l = unit_find(c->unit, n->text);
    const Node *keyword = NULL;
    if (!l && !primitive_find(n->text) && strcmp(n->text, "config") != 0)
        unknown_callee(c, n);
    for (int i = 0; i < n->kids; i++) {
        const Node *arg = n->kid[i];
        if (arg->text && l)
            check_keyword(c, arg, l);
        if (!arg->text && keyword)
            diag_error(c->e->diags, arg->span, "an argument without a name stands behind one with a name");
        keyword = arg->text ? arg : keyword;
    }
}

static void check_type(Check *c, const Node *param)
{
    static const char *const types[] = {"int", "float", "bool", "text", "list"};
    const Node *type = param->kid[0];
    if (!type)
        return;
    if (type->kind == N_SHAPE && c->node->kind == N_MODEL)
        diag_error(c->e->diags, type->span, "a parameter of a model is no tensor");
    if (type->kind != N_TYPE)
        return;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i], type->text) == 0)
            return;
    diag_error(c->e->diags, type->span,
               "there is no type '%s'; there are int, float, bool, text, list and shapes, [S, D]",
               type->text);
}

static void check_statement(Check *c, const Node *n)
{
    if (n->kind == N_RETURN && c->node->kind == N_MODEL)
        diag_error(c->e->diags, n->span, "return is for layers; a model's result is what it calls logits");
    if (n->kind == N_BUCKETS && c->node->kind == N_LAYER)
        diag_error(c->e->diags, n->span, "buckets belong to a model, not to a layer");
    if (n->kind == N_DO && n->kid[0]->kind != N_CALL && n->kid[0]->kind != N_WRONG)
        diag_error(c->e->diags, n->span, "this value is not used");
}

static void check_tree(Check *c, const Node *n)
{
    if (!n)
        return;
    check_statement(c, n);
    if (n->kind == N_NAME)
        check_name(c, n);
    if (n->kind == N_CALL)
        check_call(c, n);
    if (n->kind == N_PARAM)
        check_type(c, n);
    for (int i = n->kind == N_ASSIGN; i < n->kids; i++) /* the names that are assigned to are known */
        check_tree(c, n->kid[i]);
}

static void check_params(Check *c)
{
    const Node *params = c->node->kid[0];
    for (int i = 0; i < params->kids; i++) {
        Symbol *s;
        HASH_FIND_STR(c->names, params->kid[i]->text, s);
        if (s)
            diag_error(c->e->diags, params->kid[i]->span, "there is a parameter '%s' already",
                       params->kid[i]->text);
        add_name(c, params->kid[i]);
    }
}

static void check_one(Elab *e, const Unit *unit, const Node *node)
{
    Check c = {.e = e, .unit = unit, .node = node};
    check_params(&c);
    collect_names(&c, node);
    check_tree(&c, node);
    HASH_CLEAR(hh, c.names);
}

static void check_unique(Elab *e, const Unit *unit, const Node *layer)
{
    const Layer *l = unit_find(unit, layer->text);
    if (l->node == layer)
        return;
    diag_error(e->diags, layer->span, "there is a layer '%s' already", layer->text);
    diag_note(e->diags, l->node->span, "here");
}

bool check_units(Elab *e)
{
    int before = e->diags->errors;
    for (const Unit *u = e->units; u; u = u->next) {
        const Node *root = u->file->root;
        for (int i = 0; i < root->kids; i++) {
            if (root->kid[i]->kind == N_LAYER)
                check_unique(e, u, root->kid[i]);
            if (root->kid[i]->kind != N_IMPORT)
                check_one(e, u, root->kid[i]);
        }
    }
    return e->diags->errors == before;
}

/* ---- config keys, for --set ---- */

static void each_key(const Node *n, void (*visit)(const char *, void *), void *context)
{
    if (!n)
        return;
    bool literal = n->kind == N_CALL && strcmp(n->text, "config") == 0 && n->kids;
    const Node *key = literal ? n->kid[0]->kid[0] : NULL;
    if (key && key->kind == N_STRING && key->kids == 1 && key->kid[0]->kind == N_TEXT)
        visit(key->kid[0]->text, context);
    for (int i = 0; i < n->kids; i++)
        each_key(n->kid[i], visit, context);
}

static void visit_near(const char *key, void *context)
{
    nearest_try(context, key);
}

static void visit_equal(const char *key, void *context)
{
    Nearest *n = context;
    if (strcmp(key, n->wanted) == 0)
        n->best = key;
}

bool config_key_known(const Elab *e, const char *key)
{
    Nearest n = {.wanted = key};
    for (const Unit *u = e->units; u; u = u->next)
        each_key(u->file->root, visit_equal, &n);
    return n.best != NULL;
}

const char *nearest_setting(const Elab *e, const Node *model, const char *name)
{
    Nearest n = {.wanted = name};
    for (int i = 0; i < model->kid[0]->kids; i++)
        nearest_try(&n, model->kid[0]->kid[i]->text);
    for (const Unit *u = e->units; u; u = u->next)
        each_key(u->file->root, visit_near, &n);
    return n.best;
}
