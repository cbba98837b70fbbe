/* anec diff: what two programs, or two packages, compute differently. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/half.h"
#include "ir/diff.h"
#include "ir/type.h"
#include "runtime/package.h"
#include "tools/anec/commands.h"
#include "tools/shared/program.h"

static struct {
    bool names, quiet, help;
} opt;

static const Flag flags[] = {
    {FLAG_BOOL, "--names", NULL, NULL, &opt.names, 0, 0, "other names count as differences too"},
    {FLAG_BOOL, "--quiet", "-q", NULL, &opt.quiet, 0, 0, "print nothing: the exit status says it"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

/* One side: a package, or one program. */
typedef struct Side {
    const char *path;
    Package *package; /* NULL: a program */
    ProgramFile program;
} Side;

static bool open_side(Side *s, const char *path, Error *err)
{
    s->path = path;
    if (program_named(path))
        return program_open(&s->program, path, true, err);
    s->package = package_open(path, NULL, NULL, err);
    return s->package != NULL;
}

static void close_side(Side *s)
{
    program_close(&s->program);
    package_close(s->package);
}

/* ---- weights ---- */

static const void *numbers_of(const Side *s, const Value *v)
{
    const Literal *l = value_literal(v);
    const void *data;
    Error ignored;
    bool ok = s->package
                  ? package_blob(s->package, l->blob.path, l->blob.offset, v->type->dtype,
                                 type_elements(v->type), &data, &ignored)
                  : s->program.blobs && blobs_find(s->program.blobs, l->blob.path, l->blob.offset,
                                                   v->type->dtype, type_elements(v->type), &data, &ignored);
    return ok ? data : NULL;
}

static double number_at(const void *data, DType dtype, int64_t i)
{
    float f;
    if (dtype == DT_FP16)
        return (double)half_to_float(((const uint16_t *)data)[i]);
    memcpy(&f, (const char *)data + 4 * i, 4);
    return (double)f;
}

typedef struct Sides {
    Side a, b;
} Sides;

static bool compare_weights(void *context, const Value *v, const Value *w, Text *out)
{
    Sides *s = context;
    const void *x = numbers_of(&s->a, v), *y = numbers_of(&s->b, w);
    int64_t n = type_elements(v->type), differ = 0;
    DType dtype = v->type->dtype;
    if (!x || !y)
        return (x == NULL) == (y == NULL) ||
               (text_printf(out, "its numbers are not in %s", x ? s->b.path : s->a.path), false);
    if (memcmp(x, y, (size_t)type_bytes(v->type)) == 0)
        return true;
    if (dtype != DT_FP16 && dtype != DT_FP32) {
        text_puts(out, "other numbers");
        return false;
    }
    double most = 0;
    for (int64_t i = 0; i < n; i++) {
        double p = number_at(x, dtype, i), q = number_at(y, dtype, i), by = fabs(p - q);
        differ += p != q;
        most = by > most ? by : most;
    }
    text_printf(out, "%lld of %lld numbers differ, by %g at most", (long long)differ, (long long)n, most);
    return false;
}

/* ---- comparing ---- */

static int diff_funcs(Sides *s, const Func *a, const Func *b, const char *title)
{
    Text out = {0};
    DiffOptions options = {opt.names, compare_weights, s};
    int n = func_diff(&out, a, b, &options);
    if (n && !opt.quiet)
        printf("%s:\n%s", title, text_cstr(&out));
    text_free(&out);
    return n;
}

static int only_in(const char *what, const char *name, const char *path)
{
    if (!opt.quiet)
        printf("%s %s is in %s only\n", what, name, path);
    return 1;
}

static int diff_modules(Sides *s, const Module *a, const Module *b)
{
    int n = 0;
    for (int i = 0; i < a->funcs; i++) {
        const Func *other = a->funcs == 1 && b->funcs == 1 ? b->func[0] : module_find(b, a->func[i]->name);
        n += other ? diff_funcs(s, a->func[i], other, a->func[i]->name)
                   : only_in("function", a->func[i]->name, s->a.path);
    }
    for (int i = 0; i < b->funcs && b->funcs > 1; i++)
        if (!module_find(a, b->func[i]->name))
            n += only_in("function", b->func[i]->name, s->b.path);
    return n;
}

static const Program *find_program(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->programs; i++)
        if (strcmp(plan->program[i]->name, name) == 0)
            return plan->program[i];
    return NULL;
}

/* The functions that the entries of a package use. */
static bool diff_packages(Sides *s, int *n, Error *err)
{
    const Plan *a = &package_manifest(s->a.package)->plan, *b = &package_manifest(s->b.package)->plan;
    for (int i = 0; i < a->entries; i++)
        for (int k = 0; k < a->entry[i].steps; k++) {
            const Step *step = &a->entry[i].step[k];
            const Program *other = find_program(b, step->program->name);
            char title[256];
            if (!other) {
                *n += only_in("program", step->program->name, s->a.path);
                continue;
            }
            const Func *f = package_function(s->a.package, step->program, step->function, err);
            const Func *g = f ? package_function(s->b.package, other, step->function, err) : NULL;
            if (!g)
                return false;
            snprintf(title, sizeof title, "%s, %s", step->program->name, step->function);
            *n += diff_funcs(s, f, g, title);
        }
    for (int i = 0; i < b->programs; i++)
        if (!find_program(a, b->program[i]->name))
            *n += only_in("program", b->program[i]->name, s->b.path);
    return true;
}

static int run(const char *who, const char *a, const char *b)
{
    Error err;
    Sides s;
    int n = 0;
    memset(&s, 0, sizeof s);
    bool ok = open_side(&s.a, a, &err) && open_side(&s.b, b, &err);
    if (ok && !s.a.package != !s.b.package)
        ok = error_set(&err, "a package compares with a package, and a program with a program");
    else if (ok && s.a.package)
        ok = diff_packages(&s, &n, &err);
    else if (ok)
        n = diff_modules(&s, s.a.program.module, s.b.program.module);
    close_side(&s.a);
    close_side(&s.b);
    return !ok ? tool_fail(who, &err) : n ? EXIT_USER : 0;
}

static int print_help(void)
{
    return tool_help(
        "usage: anec diff A B [options]\n\n"
        "Compares two MIL programs, Core ML packages, or packages: what is computed from what, whatever\n"
        "the names are. Exit status 0: the same; 1: there are differences, which are printed.\n\n",
        flags, FLAGS, "\n");
}

int anec_diff(int argc, char **argv)
{
    Error err;
    const char **rest = xcalloc((size_t)argc, sizeof *rest);
    int rests = 0, status = 0;
    bool ok = flags_parse(flags, FLAGS, argc, argv, rest, &rests, &err);
    if (ok && !opt.help && rests != 2)
        ok = error_set(&err, "which two?");
    if (!ok)
        status = tool_usage(argv[0], &err);
    else
        status = opt.help ? print_help() : run(argv[0], rest[0], rest[1]);
    free(rest);
    return status;
}
