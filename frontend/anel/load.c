/* Imports: files are looked for beside the importing one, in the folders of $ANEC_MODELS, and in those of the
 * options. std.anel is also part of the program. */
#include "frontend/anel/elaborate.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

/* models/std.anel, byte for byte; made by the Makefile. */
static const unsigned char std_source[] = {
#include "frontend/anel/std.inc"
};

static Unit *load(Elab *e, const Source *source, const char *path);

/* dir/name where it is a file that can be read. */
static char *try_folder(const char *dir, size_t length, const char *name)
{
    char *folder = xmalloc(length + 1);
    memcpy(folder, dir, length);
    folder[length] = 0;
    char *path = path_join(folder, name);
    free(folder);
    if (file_exists(path) && !file_is_dir(path))
        return path;
    free(path);
    return NULL;
}

static char *try_list(const char *folders, const char *name)
{
    while (folders && *folders) {
        size_t n = strcspn(folders, ":");
        char *path = n ? try_folder(folders, n, name) : NULL;
        if (path)
            return path;
        folders += n + (folders[n] == ':');
    }
    return NULL;
}

static char *find_import(Elab *e, const Unit *unit, const char *name)
{
    char *dir = path_dir(unit->source->name);
    char *path = try_folder(dir, strlen(dir), name);
    free(dir);
    if (!path)
        path = try_list(getenv("ANEC_MODELS"), name);
    for (int i = 0; !path && i < e->options->search_count; i++)
        path = try_folder(e->options->search[i], strlen(e->options->search[i]), name);
    return path;
}

/* Spans point into imported files for as long as the module lives. */
static Source *keep_source(Elab *e, const char *name, const char *text, size_t size)
{
    Arena *a = &e->module->arena;
    Source *s = arena_new(a, Source);
    s->name = arena_str(a, name, strlen(name));
    s->text = arena_str(a, text ? text : "", size);
    s->size = size;
    return s;
}

static Unit *find_unit(const Elab *e, const char *path)
{
    for (Unit *u = e->units; u; u = u->next)
        if (u->path && strcmp(u->path, path) == 0)
            return u;
    return NULL;
}

static Unit *load_path(Elab *e, const char *path, Span at)
{
    char *real = realpath(path, NULL);
    const char *canonical = arena_str(&e->scratch, real ? real : path, strlen(real ? real : path));
    free(real);
    Unit *u = find_unit(e, canonical);
    if (u)
        return u;
    FileMap map;
    Error err;
    if (!file_map(&map, path, &err)) {
        diag_error(e->diags, at, "%s", err.text);
        return NULL;
    }
    if (map.size > MAX_SOURCE)
        diag_error(e->diags, at, "%s: larger than %d MiB", path, MAX_SOURCE >> 20);
    else
        u = load(e, keep_source(e, path, (const char *)map.data, map.size), canonical);
    file_unmap(&map);
    return u;
}

static Unit *load_import(Elab *e, Unit *unit, const char *name, Span at)
{
    char *path = find_import(e, unit, name);
    if (path) {
        Unit *u = load_path(e, path, at);
        free(path);
        return u;
    }
    if (strcmp(name, "std.anel") == 0) {
        Unit *u = find_unit(e, "std.anel");
        return u ? u
                 : load(e, keep_source(e, "std.anel", (const char *)std_source, sizeof std_source),
                        "std.anel");
    }
    diag_error(e->diags, at, "no file \"%s\" beside this one or in the folders of models", name);
    return NULL;
}

static void add_visible(Elab *e, Unit *unit, Unit *u)
{
    for (int i = 0; i < unit->imports; i++)
        if (unit->import[i] == u)
            return;
    arena_push(&e->scratch, unit->import, unit->imports, unit->imports_cap, u);
}

static void follow_import(Elab *e, Unit *unit, const Node *n)
{
    const Node *path = n->kid[0];
    if (path->kids != 1 || path->kid[0]->kind != N_TEXT) {
        diag_error(e->diags, n->span, "the name of a file has no { } in it, and is not empty");
        return;
    }
    const char *name = path->kid[0]->text;
    if (*name == '/') {
        diag_error(e->diags, n->span, "the name of a file is relative to this one's folder");
        return;
    }
    if (e->unit_count == MAX_UNITS) {
        diag_error(e->diags, n->span, "more than %d files", MAX_UNITS);
        return;
    }
    Unit *u = load_import(e, unit, name, n->span);
    if (!u)
        return;
    if (u->loading) {
        diag_error(e->diags, n->span, "\"%s\" imports itself, by way of this line", name);
        return;
    }
    add_visible(e, unit, u);
    for (int i = 0; i < u->imports; i++)
        add_visible(e, unit, u->import[i]);
}

static void add_layer(Elab *e, Unit *unit, const Node *n)
{
    Layer *l;
    HASH_FIND_STR(unit->layers, n->text, l);
    if (l) /* check.c reports it */
        return;
    l = arena_new(&e->scratch, Layer);
    *l = (Layer){.name = n->text, .node = n, .unit = unit};
    HASH_ADD_KEYPTR(hh, unit->layers, l->name, strlen(l->name), l);
}

static Unit *load(Elab *e, const Source *source, const char *path)
{
    Unit *u = arena_new(&e->scratch, Unit);
    u->source = source;
    u->path = path;
    u->loading = true;
    if (e->last_unit)
        e->last_unit->next = u;
    else
        e->units = u;
    e->last_unit = u;
    e->unit_count++;
    u->file = anel_parse(source, e->diags);
    const Node *root = u->file->root;
    for (int i = 0; i < root->kids; i++)
        if (root->kid[i]->kind == N_IMPORT)
            follow_import(e, u, root->kid[i]);
    for (int i = 0; i < root->kids; i++)
        if (root->kid[i]->kind == N_LAYER)
            add_layer(e, u, root->kid[i]);
    u->loading = false;
    return u;
}

Unit *load_units(Elab *e, const Source *source)
{
    char *real = realpath(source->name, NULL);
    const char *path = real ? arena_str(&e->scratch, real, strlen(real)) : NULL;
    free(real);
    int before = e->diags->errors;
    Unit *u = load(e, source, path);
    return e->diags->errors == before ? u : NULL;
}

void units_free(Elab *e)
{
    for (Unit *u = e->units; u; u = u->next) {
        HASH_CLEAR(hh, u->layers);
        anel_file_free(u->file);
    }
}

Layer *unit_find(const Unit *unit, const char *name)
{
    Layer *l;
    HASH_FIND_STR(unit->layers, name, l);
    for (int i = 0; !l && i < unit->imports; i++)
        HASH_FIND_STR(unit->import[i]->layers, name, l);
    return l;
}
