/* One program: read, then every check in turn. */
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/text.h"
#include "check/internal.h"
#include "frontend/mil/mil.h"
#include "frontend/mlpackage/mlpackage.h"

enum { TEXT_LIMIT = 1 << 30 };

/* ---- what the reader and its verifier say ---- */

/* Readers say which rule is broken, where it is not the grammar itself. */
static RuleId rule_of(const char *name)
{
    RuleId id = name ? rule_find(name) : RULE_MIL_SYNTAX;
    return id == RULE_COUNT ? RULE_MIL_SYNTAX : id;
}

static void take(void *context, DiagKind kind, const char *rule, Span at, const char *text)
{
    const Unit *u = context;
    if (kind == DIAG_NOTE) {
        report_related(u->c, at, text);
        return;
    }
    RuleId id = rule_of(rule);
    const char *subject = id == RULE_MIL_OP_UNKNOWN && at.source
                              ? arena_str(&u->c->arena, at.source->text + at.start, at.length)
                              : NULL;
    report(u, id, at, subject, "%s", text);
    if (kind == DIAG_ERROR && u->c->severity[id] == SEVERITY_WARNING && !u->c->exact[id])
        u->c->finding[u->c->findings - 1].severity = SEVERITY_ERROR;
}

static Module *read_unit(Unit *u)
{
    Diags diags = {.sink = take, .context = u};
    Module *m = mil_read_unverified(&u->file->source, &diags);
    if (m && diags.errors) /* what is wrong was said; the other checks trust shapes and arguments */
        u->engine = false;
    return m;
}

/* ---- the whole program ---- */

static void count_unit(Unit *u)
{
    Checker *c = u->c;
    c->functions += u->m->funcs;
    for (int i = 0; i < u->m->funcs; i++)
        for (const Op *op = u->m->func[i]->first; op; op = op->next) {
            c->constants += (op_info(op->code)->flags & F_CONST) != 0;
            c->ops += !(op_info(op->code)->flags & F_CONST);
        }
}

/* The engine takes four axes of fp16 of known lengths; whoever writes for it passes nothing else. */
static bool for_the_engine(const Value *v)
{
    return v->type->kind != TY_TENSOR ||
           (v->type->dtype == DT_FP16 && v->type->rank == 4 && type_is_static(v->type));
}

static bool for_core_ml(const Module *m)
{
    for (int i = 0; i < m->funcs; i++) {
        for (int k = 0; k < m->func[i]->params; k++)
            if (!for_the_engine(m->func[i]->param[k]))
                return true;
        for (int k = 0; k < m->func[i]->outputs; k++)
            if (!for_the_engine(m->func[i]->output[k]))
                return true;
    }
    return false;
}

static void check_engine(Unit *u)
{
    u->placed = u->lenient && for_core_ml(u->m);
    u->c->placed += u->placed && u->engine;
    for (int i = 0; i < u->c->profiles && u->engine; i++) {
        u->p = u->c->profile[i];
        u->bit = (uint64_t)1 << i;
        if (!u->p->engine)
            continue;
        check_engine_io(u);
        check_engine_program(u);
        check_engine_ops(u);
    }
    if (u->engine)
        check_numbers(u);
    u->p = NULL;
    u->bit = 0;
}

Module *check_unit(Checker *c, CheckedFile *file, const char *root, bool engine, bool lenient)
{
    Unit u = {.c = c, .file = file, .root = root, .engine = engine, .lenient = lenient};
    file->engine = engine;
    u.m = read_unit(&u);
    if (u.m) {
        sha256_of(file->source.text, file->source.size, file->text_hash);
        count_unit(&u);
        check_structure(&u);
        check_blobs(&u);
        check_engine(&u);
    }
    c->files++;
    return (Module *)(uintptr_t)u.m;
}

/* ---- paths ---- */

static bool read_text(CheckedFile *f, Error *err)
{
    char *text;
    size_t size;
    if (!file_read(f->path, TEXT_LIMIT, &text, &size, err))
        return false;
    f->source = (Source){f->shown, text, size};
    return true;
}

/* @model_path of a program that stands alone: its folder; in a package's mil/ folder the package. */
static char *root_of(const char *path)
{
    char *dir = path_dir(path), *up = path_join(dir, ".."), *manifest = path_join(up, "manifest.json");
    char *base = strrchr(dir, '/');
    bool packaged = strcmp(base ? base + 1 : dir, "mil") == 0 && file_exists(manifest);
    free(manifest);
    free(packaged ? dir : up);
    return packaged ? up : dir;
}

static bool check_program(Checker *c, const char *path, Error *err)
{
    CheckedFile *f = checker_find_file(c, path);
    if (f) /* given twice */
        return true;
    f = checker_add_file(c, path, path);
    if (!read_text(f, err))
        return false;
    char *root = root_of(path);
    module_free(check_unit(c, f, c->weights_dir ? c->weights_dir : root, true, c->lenient));
    free(root);
    return true;
}

/* What is wrong with a package that cannot be read: it has no lines. */
static void take_unread(void *context, DiagKind kind, const char *rule, Span at, const char *text)
{
    const Unit *u = context;
    if (kind == DIAG_ERROR)
        report_file(u->c, rule_of(rule), u->file->shown, "%s", text);
}

/* A Core ML package is checked as the MIL text that it stands for (anec X.mlpackage --emit mil prints it):
 * lines and columns are those of that text. */
static bool check_mlpackage(Checker *c, const char *path)
{
    if (checker_find_file(c, path)) /* given twice */
        return true;
    Unit u = {.c = c, .file = checker_add_file(c, path, path)};
    Diags diags = {.sink = take_unread, .context = &u};
    char *folder = NULL;
    Module *m = mlpackage_read(path, &folder, &diags);
    if (m) {
        Text text = {0};
        module_print(&text, m);
        u.file->source = (Source){u.file->shown, text.data, text.size};
        module_free(check_unit(c, u.file, c->weights_dir ? c->weights_dir : folder, true, c->lenient));
    }
    module_free(m);
    free(folder);
    return true;
}

bool check_path(Checker *c, const char *path, Error *err)
{
    if (mlpackage_named(path) && file_exists(path))
        return check_mlpackage(c, path);
    if (!file_is_dir(path))
        return check_program(c, path, err);
    char *manifest = path_join(path, "manifest.json"), *mil = path_join(path, "model.mil");
    bool ok = true;
    if (file_exists(manifest))
        check_package(c, path);
    else if (file_exists(mil))
        ok = check_program(c, mil, err);
    else
        ok =
            error_set(err, "%s: neither manifest.json, as in packages of anec, nor model.mil is there", path);
    free(mil);
    free(manifest);
    return ok;
}

/* ---- programs beside one another ---- */

/* Programs of one text name the same files in the same order, but each in its own folder. */
static bool same_weights(const CheckedFile *a, const CheckedFile *b)
{
    bool same = a->used_count == b->used_count;
    for (int i = 0; same && i < a->used_count; i++) {
        const FileMap *x = &a->used[i]->map, *y = &b->used[i]->map;
        same = a->used[i] == b->used[i] ||
               (x->size == y->size && (!x->size || memcmp(x->data, y->data, x->size) == 0));
    }
    return same;
}

static void compare_pair(Checker *c, const CheckedFile *a, const CheckedFile *b)
{
    if (strcmp(a->text_hash, b->text_hash) != 0)
        return;
    if (same_weights(a, b))
        report_file(c, RULE_ANE_IDENTICAL, b->shown, "has the same text and weights as %s", a->shown);
    else
        report_file(c, RULE_ANE_RELOAD, b->shown, "has the same text as %s, and other weights", a->shown);
}

static int by_text(const void *one, const void *other)
{
    const CheckedFile *const *a = one, *const *b = other;
    int d = strcmp((*a)->text_hash, (*b)->text_hash);
    return d ? d : strcmp((*a)->shown, (*b)->shown);
}

void checker_finish(Checker *c)
{
    bool engine = false;
    int n = 0;
    CheckedFile **programs = xcalloc((size_t)HASH_COUNT(c->file) + 1, sizeof *programs), *f;
    for (int i = 0; i < c->profiles; i++)
        engine |= c->profile[i]->engine;
    for (f = engine ? c->file : NULL; f; f = f->hh.next)
        if (f->engine && f->text_hash[0])
            programs[n++] = f;
    qsort(programs, (size_t)n, sizeof *programs, by_text);
    for (int i = 1; i < n; i++)
        compare_pair(c, programs[i - 1], programs[i]);
    free(programs);
    findings_join(c);
}
