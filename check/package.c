/* A package: its manifest, its files, every program, and what the entries bind to what. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "check/internal.h"
#include "runtime/manifest.h"

enum { MANIFEST_LIMIT = 64 << 20, MOST_DEPTH = 8 };

typedef struct PackageCheck {
    Checker *c;
    const char *dir, *manifest_path;
    Manifest m;
    Module **module; /* of each program; NULL: could not be read */
    bool *ran;       /* each program: a step runs it */
} PackageCheck;

/* ---- the manifest ---- */

static bool check_sum(PackageCheck *k, const char *text, size_t size)
{
    char *path = path_join(k->dir, "manifest.sha256"), *sum = NULL, hex[65], expected[100];
    size_t sum_size = 0;
    Error err;
    bool ok = file_read(path, 4096, &sum, &sum_size, &err);
    sha256_of(text, size, hex);
    snprintf(expected, sizeof expected, "%s  manifest.json\n", hex);
    if (!ok)
        report_file(k->c, RULE_PKG_MANIFEST, path, "%s", err.text);
    else if (sum_size != strlen(expected) || memcmp(sum, expected, sum_size) != 0)
        report_file(k->c, RULE_PKG_MANIFEST, path, "is not the SHA-256 of manifest.json");
    free(sum);
    free(path);
    return ok;
}

static bool read_manifest(PackageCheck *k)
{
    char *text = NULL;
    size_t size = 0;
    Error err;
    bool ok = file_read(k->manifest_path, MANIFEST_LIMIT, &text, &size, &err);
    if (ok) {
        check_sum(k, text, size);
        ok = manifest_parse(&k->m, text, size, &err);
    }
    if (!ok)
        report_file(k->c, RULE_PKG_MANIFEST, k->manifest_path, "%s", err.text);
    free(text);
    return ok;
}

/* ---- files ---- */

static void check_listed(PackageCheck *k, const ListedFile *f)
{
    char *path = path_join(k->dir, f->path), hex[65];
    FileMap map = {0};
    Error err;
    if (!file_exists(path)) {
        report_file(k->c, RULE_PKG_FILE, path, "is not there");
    } else if (!file_map(&map, path, &err)) {
        report_file(k->c, RULE_PKG_FILE, path, "%s", err.text);
    } else if (map.size != f->size) {
        report_file(k->c, RULE_PKG_CHECKSUM, path, "has %zu bytes, the manifest says %llu", map.size,
                    (unsigned long long)f->size);
    } else {
        sha256_of(map.data, map.size, hex);
        if (strcmp(hex, f->sha256) != 0)
            report_file(k->c, RULE_PKG_CHECKSUM, path, "its SHA-256 is not that of the manifest");
    }
    file_unmap(&map);
    free(path);
}

static void check_extra(PackageCheck *k, const char *relative, int depth)
{
    char *path = path_join(k->dir, relative);
    DIR *d = depth < MOST_DEPTH ? opendir(path) : NULL;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        char *inner = *relative ? path_join(relative, e->d_name) : xstrdup(e->d_name);
        char *full = path_join(k->dir, inner);
        bool own = strcmp(inner, "manifest.json") == 0 || strcmp(inner, "manifest.sha256") == 0;
        if (file_is_dir(full))
            check_extra(k, inner, depth + 1);
        else if (!own && !manifest_find(&k->m, inner))
            report_file(k->c, RULE_PKG_EXTRA, full, "is not in the manifest");
        free(full);
        free(inner);
    }
    if (d)
        closedir(d);
    free(path);
}

/* ---- programs ---- */

static void check_program(PackageCheck *k, int i)
{
    const Program *p = k->m.plan.program[i];
    char *path = path_join(k->dir, manifest_program_path(&k->m, p)), *text;
    size_t size;
    Error err;
    if (file_exists(path) && file_read(path, 1 << 30, &text, &size, &err)) {
        CheckedFile *f = checker_add_file(k->c, path, path);
        f->source = (Source){f->shown, text, size};
        k->module[i] = check_unit(k->c, f, k->dir, p->place == PLACE_ANE, false);
    }
    free(path);
}

static const Func *function_of(const PackageCheck *k, const Step *s, int *program)
{
    const Plan *plan = &k->m.plan;
    for (*program = 0; *program < plan->programs; ++*program)
        if (plan->program[*program] == s->program)
            return k->module[*program] ? module_find(k->module[*program], s->function) : NULL;
    return NULL;
}

/* ---- bindings ---- */

static const Type *type_behind(const Plan *plan, const Entry *e, const char *name)
{
    for (int i = 0; i < e->buffers; i++)
        if (strcmp(e->buffer[i].name, name) == 0)
            return e->buffer[i].type;
    for (int i = 0; i < plan->states; i++)
        if (strcmp(plan->state[i].name, name) == 0)
            return plan->state[i].type;
    return NULL;
}

typedef struct Where {
    PackageCheck *k;
    const Entry *e;
    const Step *s;
    int step;
    bool *written; /* each buffer of the entry */
} Where;

static const char *where(const Where *w)
{
    static const char *const kinds[] = {
        [ENTRY_PREFILL] = "prefill", [ENTRY_HEAD] = "head", [ENTRY_DECODE] = "decode"};
    return arena_printf(&w->k->c->arena, "%s %lld, step %d (%s)", kinds[w->e->kind], (long long)w->e->bucket,
                        w->step, w->s->program->name);
}

static int buffer_index(const Entry *e, const char *name)
{
    for (int i = 0; i < e->buffers; i++)
        if (strcmp(e->buffer[i].name, name) == 0)
            return i;
    return -1;
}

static void check_type(const Where *w, const Value *port, const Binding *b)
{
    const Type *t = type_behind(&w->k->m.plan, w->e, b->buffer), *own = port->type;
    Arena *a = &w->k->c->arena;
    if (!t || t->dtype != own->dtype || !dims_equal(t, own))
        report_file(w->k->c, RULE_PKG_BINDING, w->k->manifest_path, "%s: %s is %s, but %s is %s", where(w),
                    b->port, type_text(a, own), b->buffer, t ? type_text(a, t) : "not there");
}

/* Each port of the function is bound once, and nothing else is. */
static void check_ports(const Where *w, Value *const *port, int ports, const Binding *b, int count,
                        const char *what)
{
    for (int i = 0; i < ports; i++) {
        int found = 0;
        for (int k = 0; k < count; k++)
            if (port[i]->name && strcmp(b[k].port, port[i]->name) == 0 && found++ == 0)
                check_type(w, port[i], &b[k]);
        if (found != 1)
            report_file(w->k->c, RULE_PKG_BINDING, w->k->manifest_path, "%s: %s %s is bound %d times",
                        where(w), what, value_shown(port[i]), found);
    }
    for (int k = 0; k < count; k++) {
        bool known = false;
        for (int i = 0; i < ports; i++)
            known |= port[i]->name && strcmp(b[k].port, port[i]->name) == 0;
        if (!known)
            report_file(w->k->c, RULE_PKG_BINDING, w->k->manifest_path, "%s: there is no %s %s", where(w),
                        what, b[k].port);
    }
}

static void check_flow(const Where *w)
{
    for (int i = 0; i < w->s->inputs; i++) {
        int at = buffer_index(w->e, w->s->input[i].buffer);
        if (at >= 0 && !w->written[at])
            report_file(w->k->c, RULE_PKG_UNWRITTEN, w->k->manifest_path, "%s: nothing has written %s",
                        where(w), w->s->input[i].buffer);
    }
    for (int i = 0; i < w->s->outputs; i++) {
        int at = buffer_index(w->e, w->s->output[i].buffer);
        if (at >= 0)
            w->written[at] = true;
    }
    for (int i = 0; i < w->s->stores; i++) {
        int at = buffer_index(w->e, w->s->store[i].buffer);
        if (at >= 0 && !w->written[at])
            report_file(w->k->c, RULE_PKG_UNWRITTEN, w->k->manifest_path, "%s: nothing has written %s",
                        where(w), w->s->store[i].buffer);
    }
}

static void check_step(const Where *w)
{
    int program = 0;
    const Func *f = function_of(w->k, w->s, &program);
    if (program < w->k->m.plan.programs)
        w->k->ran[program] = true;
    if (f) {
        check_ports(w, f->param, f->params, w->s->input, w->s->inputs, "parameter");
        check_ports(w, f->output, f->outputs, w->s->output, w->s->outputs, "result");
    } else if (program < w->k->m.plan.programs && w->k->module[program]) {
        report_file(w->k->c, RULE_PKG_FUNCTION, w->k->manifest_path, "%s: there is no function %s", where(w),
                    w->s->function);
    }
    check_flow(w);
}

static void check_entry(PackageCheck *k, const Entry *e)
{
    static const char *const given[] = {"token", "position"};
    Where w = {.k = k, .e = e, .written = xcalloc((size_t)e->buffers + 1, sizeof(bool))};
    for (int i = 0; i < 2 && e->kind != ENTRY_HEAD; i++)
        if (buffer_index(e, given[i]) >= 0)
            w.written[buffer_index(e, given[i])] = true;
    if (e->kind == ENTRY_HEAD && buffer_index(e, "hidden") >= 0)
        w.written[buffer_index(e, "hidden")] = true;
    for (w.step = 0; w.step < e->steps; w.step++) {
        w.s = &e->step[w.step];
        check_step(&w);
    }
    free(w.written);
}

/* ---- states ---- */

static bool stores(const Entry *e, const char *state)
{
    for (int i = 0; i < e->steps; i++)
        for (int k = 0; k < e->step[i].stores; k++)
            if (strcmp(e->step[i].store[k].state, state) == 0)
                return true;
    return false;
}

static bool takes(const Entry *e, const char *state)
{
    for (int i = 0; i < e->steps; i++)
        for (int k = 0; k < e->step[i].inputs; k++)
            if (strcmp(e->step[i].input[k].buffer, state) == 0)
                return true;
    return false;
}

static void check_state(PackageCheck *k, const State *s)
{
    for (int i = 0; i < k->m.plan.entries; i++) {
        const Entry *e = &k->m.plan.entry[i];
        if (e->kind == ENTRY_PREFILL && !stores(e, s->name))
            report_file(k->c, RULE_PKG_STATE, k->manifest_path, "prefill %lld does not store state %s",
                        (long long)e->bucket, s->name);
        if (e->kind == ENTRY_DECODE && !takes(e, s->name))
            report_file(k->c, RULE_PKG_STATE, k->manifest_path, "decoding does not take state %s", s->name);
    }
}

/* ---- all of it ---- */

static void check_budget(PackageCheck *k)
{
    int64_t programs = 0;
    Unit u = {.c = k->c, .file = checker_find_file(k->c, k->manifest_path)};
    if (!u.file)
        u.file = checker_add_file(k->c, k->manifest_path, k->manifest_path);
    for (int i = 0; i < k->m.plan.programs; i++)
        programs += k->m.plan.program[i]->place == PLACE_ANE;
    for (int i = 0; i < k->c->profiles; i++) {
        u.p = k->c->profile[i];
        u.bit = (uint64_t)1 << i;
        if (u.p->engine && programs > u.p->compiles)
            report(&u, RULE_ANE_COMPILE_BUDGET, (Span){0}, NULL,
                   "%lld programs for the engine: a process compiles %lld", (long long)programs,
                   (long long)u.p->compiles);
        if (u.p->engine && programs > u.p->resident)
            report(&u, RULE_ANE_RESIDENT, (Span){0}, NULL, "%lld programs for the engine: %lld fit at a time",
                   (long long)programs, (long long)u.p->resident);
    }
}

static void check_contents(PackageCheck *k)
{
    const Plan *plan = &k->m.plan;
    for (int i = 0; i < k->m.files; i++)
        check_listed(k, &k->m.file[i]);
    check_extra(k, "", 0);
    for (int i = 0; i < plan->programs; i++)
        check_program(k, i);
    for (int i = 0; i < plan->entries; i++)
        check_entry(k, &plan->entry[i]);
    for (int i = 0; i < plan->states; i++)
        check_state(k, &plan->state[i]);
    for (int i = 0; i < plan->programs; i++)
        if (!k->ran[i])
            report_file(k->c, RULE_PKG_UNUSED, k->manifest_path, "no step runs program %s",
                        plan->program[i]->name);
    check_budget(k);
}

void check_package(Checker *c, const char *path)
{
    char *manifest = path_join(path, "manifest.json");
    PackageCheck k = {.c = c, .dir = path, .manifest_path = manifest};
    if (read_manifest(&k)) {
        size_t n = (size_t)k.m.plan.programs + 1;
        k.module = xcalloc(n, sizeof *k.module);
        k.ran = xcalloc(n, sizeof *k.ran);
        check_contents(&k);
        for (size_t i = 0; i < n; i++)
            module_free(k.module[i]);
        free(k.module);
        free(k.ran);
        manifest_free(&k.m);
    }
    c->files++;
    free(manifest);
}
