/* anec inspect: what a package or a program holds, and what it would cost by published figures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "ir/cost.h"
#include "ir/profile.h"
#include "runtime/package.h"
#include "tools/anec/commands.h"
#include "tools/shared/program.h"

enum { PROFILES = 16 };

static struct {
    bool json, help;
} opt;

static const Flag flags[] = {
    {FLAG_BOOL, "--json", NULL, NULL, &opt.json, 0, 0, "the same as JSON"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

/* The profiles that have the numbers for a prediction. */
typedef struct Predictors {
    Arena arena;
    const Profile *profile[PROFILES];
    int count;
} Predictors;

static void load_predictors(Predictors *p)
{
    Error ignored;
    for (int i = 0; profile_name(i) && p->count < PROFILES; i++) {
        const Profile *one = profile_load(&p->arena, profile_name(i), &ignored);
        if (one && one->engine && profile_time_us(one, 1, 1, 1) >= 0)
            p->profile[p->count++] = one;
    }
}

/* ---- measuring ---- */

/* One way through a package, or one function of a program. */
typedef struct Part {
    char name[64];
    int dispatches, cpu_steps; /* programs on the engine and off it */
    Cost ane, cpu;
    double us[PROFILES]; /* predicted time of the engine's programs */
} Part;

static void add_cost(Cost *sum, const Cost *c)
{
    sum->flops += c->flops;
    sum->weight_bytes += c->weight_bytes;
    sum->activation_bytes += c->activation_bytes;
}

static void add_program(Part *part, const Cost *c, bool on_engine, const Predictors *p)
{
    add_cost(on_engine ? &part->ane : &part->cpu, c);
    *(on_engine ? &part->dispatches : &part->cpu_steps) += 1;
    for (int i = 0; on_engine && i < p->count; i++)
        part->us[i] += profile_time_us(p->profile[i], c->flops, c->weight_bytes, c->activation_bytes);
}

static void count_ops(json_t *histogram, const Func *f)
{
    for (const Op *op = f->first; op; op = op->next)
        if (op->code != OP_CONST) {
            json_int_t n = json_integer_value(json_object_get(histogram, op->spelling));
            json_object_set_new(histogram, op->spelling, json_integer(n + 1));
        }
}

static bool measure_entry(Package *package, const Entry *e, Part *part, json_t *histogram,
                          const Predictors *p, Error *err)
{
    static const char *const kinds[] = {"prefill", "head", "decode"};
    *part = (Part){.dispatches = 0};
    if (e->kind == ENTRY_PREFILL)
        snprintf(part->name, sizeof part->name, "prefill %lld", (long long)e->bucket);
    else
        snprintf(part->name, sizeof part->name, "%s", kinds[e->kind]);
    for (int i = 0; i < e->steps; i++) {
        const Func *f = package_function(package, e->step[i].program, e->step[i].function, err);
        if (!f)
            return false;
        Cost c = func_cost(f);
        bool on_engine = e->step[i].program->place == PLACE_ANE;
        add_program(part, &c, on_engine, p);
        if (on_engine)
            count_ops(histogram, f);
    }
    return true;
}

/* ---- telling ---- */

static json_t *part_json(const Part *part, const Predictors *p)
{
    json_t *times = json_object();
    for (int i = 0; i < p->count && part->dispatches; i++)
        json_object_set_new(times, p->profile[i]->name, json_real(part->us[i]));
    return json_pack("{s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:o}", "name", part->name, "dispatches",
                     part->dispatches, "cpu_steps", part->cpu_steps, "ane_flops", part->ane.flops,
                     "ane_weight_bytes", part->ane.weight_bytes, "ane_activation_bytes",
                     part->ane.activation_bytes, "cpu_flops", part->cpu.flops, "cpu_weight_bytes",
                     part->cpu.weight_bytes, "predicted_us", times);
}

static void print_parts(const Part *part, int parts, const Predictors *p)
{
    printf("%-14s %10s %10s %10s %10s %10s %10s\n", "", "dispatches", "GFLOP", "weights MB", "in/out MB",
           "CPU GFLOP", "CPU MB");
    for (int i = 0; i < parts; i++)
        printf("%-14s %10d %10.3f %10.1f %10.1f %10.3f %10.1f\n", part[i].name, part[i].dispatches,
               part[i].ane.flops * 1e-9, part[i].ane.weight_bytes * 1e-6, part[i].ane.activation_bytes * 1e-6,
               part[i].cpu.flops * 1e-9, part[i].cpu.weight_bytes * 1e-6);
    if (!p->count)
        return;
    printf("\npredicted ms on the engine, from published curves (second-hand; never measured by us):\n%-14s",
           "");
    for (int i = 0; i < p->count; i++)
        printf(" %8s", p->profile[i]->name);
    putchar('\n');
    for (int i = 0; i < parts; i++) {
        if (!part[i].dispatches)
            continue;
        printf("%-14s", part[i].name);
        for (int k = 0; k < p->count; k++)
            printf(" %8.2f", part[i].us[k] * 1e-3);
        putchar('\n');
    }
}

static void print_histogram(const json_t *histogram, const char *what)
{
    const char *name;
    json_t *count;
    int column = printf("\n%s:", what) - 1;
    json_object_foreach((json_t *)(uintptr_t)histogram, name, count)
    {
        char one[96];
        int n = snprintf(one, sizeof one, " %s %lld", name, (long long)json_integer_value(count));
        if (column + n > 100)
            column = printf("\n   ") - 1;
        column += printf("%s", one);
    }
    putchar('\n');
}

static void finish(json_t *all, const Part *part, int parts, const json_t *histogram, const char *what,
                   const Predictors *p)
{
    if (!opt.json) {
        print_parts(part, parts, p);
        print_histogram(histogram, what);
        return;
    }
    json_t *list = json_array();
    for (int i = 0; i < parts; i++)
        json_array_append_new(list, part_json(&part[i], p));
    json_object_set_new(all, "parts", list);
    json_object_set(all, "ops", (json_t *)(uintptr_t)histogram);
    json_dumpf(all, stdout, JSON_INDENT(1));
    putchar('\n');
}

/* ---- packages ---- */

/* Programs for the engine, and how many of them a process may compile. */
static int engine_programs(const Plan *plan)
{
    int n = 0;
    for (int i = 0; i < plan->programs; i++)
        n += plan->program[i]->place == PLACE_ANE;
    return n;
}

static void print_sizes(const Manifest *m, json_t *all)
{
    static const char *const kinds[] = {"weights/", "mil/", ""};
    static const char *const names[] = {"weights", "programs", "other"};
    double sum[3] = {0};
    for (int i = 0; i < m->files; i++)
        for (int k = 0; k < 3; k++)
            if (strncmp(m->file[i].path, kinds[k], strlen(kinds[k])) == 0) {
                sum[k] += (double)m->file[i].size;
                break;
            }
    for (int k = 0; k < 3; k++) {
        if (!opt.json)
            printf("%s%s %.1f MB", k ? ", " : "", names[k], sum[k] * 1e-6);
        json_object_set_new(all, names[k], json_real(sum[k]));
    }
    if (!opt.json)
        putchar('\n');
}

static void print_package(const Manifest *m, json_t *all, const Predictors *p)
{
    const Plan *plan = &m->plan;
    int programs = engine_programs(plan), buckets = 0;
    int64_t budget = plan->compiles ? plan->compiles : p->count ? p->profile[0]->compiles : 0;
    for (int i = 0; i < plan->entries; i++)
        buckets += plan->entry[i].kind == ENTRY_PREFILL;
    json_object_set_new(all, "model", json_string(plan->model.name));
    json_object_set_new(all, "profile", json_string(plan->profile));
    json_object_set_new(all, "engine_programs", json_integer(programs));
    json_object_set_new(all, "compile_budget", json_integer(budget));
    if (opt.json)
        return;
    printf("%s: context %lld, vocabulary %lld, profile %s\n", plan->model.name,
           (long long)plan->model.context, (long long)plan->model.vocab, plan->profile);
    printf("%d programs for the engine in %d buckets", programs, buckets);
    if (budget && programs > budget)
        printf("; a process may compile some %lld, so not every bucket in one", (long long)budget);
    else if (budget)
        printf("; a process may compile some %lld", (long long)budget);
    putchar('\n');
}

static bool inspect_package(const char *path, Error *err)
{
    Package *package = package_open(path, NULL, NULL, err);
    if (!package)
        return false;
    const Manifest *m = package_manifest(package);
    Predictors p = {.count = 0};
    load_predictors(&p);
    json_t *all = json_object(), *histogram = json_object();
    Part *part = xcalloc((size_t)m->plan.entries + 1, sizeof *part);
    bool ok = true;
    for (int i = 0; ok && i < m->plan.entries; i++) {
        json_t *seen = i ? json_object() : json_incref(histogram); /* one bucket's ops say it */
        ok = measure_entry(package, &m->plan.entry[i], &part[i], seen, &p, err);
        json_decref(seen);
    }
    if (ok) {
        print_package(m, all, &p);
        print_sizes(m, all);
        finish(all, part, m->plan.entries, histogram, "ops on the engine, one bucket", &p);
    }
    free(part);
    json_decref(all);
    json_decref(histogram);
    arena_free(&p.arena);
    package_close(package);
    return ok;
}

/* ---- programs ---- */

static void inspect_module(const Module *m)
{
    Predictors p = {.count = 0};
    load_predictors(&p);
    json_t *all = json_object(), *histogram = json_object();
    Part *part = xcalloc((size_t)m->funcs + 1, sizeof *part);
    bool exact = true;
    for (int i = 0; i < m->funcs; i++) {
        Cost c = func_cost(m->func[i]);
        snprintf(part[i].name, sizeof part[i].name, "%s", m->func[i]->name);
        add_program(&part[i], &c, true, &p);
        count_ops(histogram, m->func[i]);
        exact &= c.exact;
    }
    finish(all, part, m->funcs, histogram, "ops", &p);
    if (!exact && !opt.json)
        printf("\nsome shapes are not fixed: what depends on them is not counted\n");
    free(part);
    json_decref(all);
    json_decref(histogram);
    arena_free(&p.arena);
}

static int inspect_program(const char *who, const char *path)
{
    Error err;
    ProgramFile p;
    bool ok = program_open(&p, path, true, &err);
    if (ok)
        inspect_module(p.module);
    program_close(&p);
    return ok ? 0 : tool_fail(who, &err);
}

static int print_help(void)
{
    return tool_help(
        "usage: anec inspect PACKAGE|FILE.mil|X.mlpackage [options]\n\n"
        "Prints what is in it: sizes, programs, dispatches, operations, bytes that move, and the time that\n"
        "published cost curves predict for each chip.\n\n",
        flags, FLAGS, "\n");
}

int anec_inspect(int argc, char **argv)
{
    Error err;
    const char *path = tool_one_path(flags, FLAGS, argc, argv, &opt.help, "package", &err);
    if (!path)
        return tool_usage(argv[0], &err);
    if (opt.help)
        return print_help();
    if (program_named(path))
        return inspect_program(argv[0], path);
    return inspect_package(path, &err) ? 0 : tool_fail(argv[0], &err);
}
