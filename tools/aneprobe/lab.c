#include "tools/aneprobe/lab.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/half.h"
#include "base/median.h"
#include "frontend/mil/mil.h"

enum { WARM = 3 };

bool lab_open(Lab *lab, const char *framework, int repeats, Error *err)
{
    *lab = (Lab){.repeats = repeats, .salt = (int)(time(NULL) % 1000000) * 1000};
    if (!apple_open(&lab->engine.apple, framework, err))
        return false;
    ane_engine_name(&lab->engine, lab->chip, lab->build, sizeof lab->chip);
    lab->cpu = cpu_device_open(NULL, err);
    lab->base = lab->cpu ? profile_load(&lab->arena, lab_base(lab->chip), err) : NULL;
    lab->safe = lab->base ? profile_load(&lab->arena, "safe", err) : NULL;
    return lab->safe;
}

void lab_close(Lab *lab)
{
    device_close(lab->cpu);
    arena_free(&lab->arena);
}

/* The engine's names count up with the families of chips: docs/devices.md. */
const char *lab_base(const char *chip)
{
    static const char *const names[][2] = {
        {"h13", "m1"}, {"h14", "m2"}, {"h15", "m3"}, {"h16", "m4"}, {"h17", "m5"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(chip, names[i][0], 3) == 0)
            return names[i][1];
    return "safe";
}

bool lab_dispatch(Lab *lab, double *us, Error *err)
{
    Draft b = {0};
    Node in = draft_input(&b, "x", 64, 64), y = draft_unary(&b, "relu", &in);
    draft_output(&b, &y);
    return lab_time(lab, &b, us, err);
}

/* ---- making ---- */

static void add_memory(const Value *v, uint16_t **data, size_t *count)
{
    *count = (size_t)type_elements(v->type);
    *data = xcalloc(*count, sizeof **data);
}

static void free_all(uint16_t **list, int count)
{
    for (int i = 0; list && i < count; i++)
        free(list[i]);
    free(list);
}

static void free_memory(Bench *x)
{
    free_all(x->in, x->inputs);
    free_all(x->out, x->outputs);
    free_all(x->expected, x->outputs);
    free(x->in_count);
    free(x->out_count);
}

void bench_choose(Bench *x, int n)
{
    free_memory(x);
    const Func *f = x->f = x->module->func[n];
    x->inputs = f->params;
    x->outputs = f->outputs;
    x->in = xcalloc((size_t)f->params + 1, sizeof *x->in);
    x->in_count = xcalloc((size_t)f->params + 1, sizeof *x->in_count);
    x->out = xcalloc((size_t)f->outputs + 1, sizeof *x->out);
    x->expected = xcalloc((size_t)f->outputs + 1, sizeof *x->expected);
    x->out_count = xcalloc((size_t)f->outputs + 1, sizeof *x->out_count);
    uint32_t state = 7;
    for (int i = 0; i < f->params; i++) {
        add_memory(f->param[i], &x->in[i], &x->in_count[i]);
        for (size_t k = 0; k < x->in_count[i]; k++) {
            state = state * 1664525u + 1013904223u;
            x->in[i][k] = half_from_float((float)((double)(state >> 8) / 0x1p23 - 1));
        }
    }
    for (int i = 0; i < f->outputs; i++) {
        add_memory(f->output[i], &x->out[i], &x->out_count[i]);
        add_memory(f->output[i], &x->expected[i], &x->out_count[i]);
    }
}

/* Some compilers refuse operands that are written in place; constexpr ops have theirs among the attributes.
 */
static void name_constants(Func *f)
{
    for (Op *op = f->first; op; op = op->next)
        FOR_EACH_ARG(op, slot)
            if (*slot && !(*slot)->name && value_is_const(*slot) && !(op_info(op->code)->flags & F_CONST))
                *slot = const_value(f, op, func_fresh_name(f, "c"), (*slot)->type, value_literal(*slot));
}

bool bench_prepare(Bench *x, Lab *lab, Draft *b, Error *err)
{
    *x = (Bench){.lab = lab};
    err->text[0] = '\0';
    draft_print(b, &x->built);
    draft_weights(b, &x->weights);
    draft_free(b);
    x->source = (Source){"probe.mil", x->built.data, x->built.size};
    x->file = (AneFile){DRAFT_WEIGHTS_PATH, x->weights.data, x->weights.size};
    x->module = mil_read_whole(&x->source, err);
    if (!x->module)
        return error_prefix(err, "a probe's program is wrong");
    for (int i = 0; i < x->module->funcs; i++)
        name_constants(x->module->func[i]);
    module_print(&x->mil, x->module);
    bench_choose(x, 0);
    return true;
}

static AnePort port_of(const Value *v)
{
    int64_t rows = type_elements(v->type) / v->type->dim[v->type->rank - 1];
    return (AnePort){v->name, (size_t)rows, (size_t)(type_bytes(v->type) / rows)};
}

/* The messages are long for a table: without who, and without the guess at the cause. */
static bool shorten(Error *err)
{
    static const char who[] = "the probe on the Neural Engine: ";
    char *cause = strstr(err->text, "; likely cause: ");
    if (cause)
        *cause = '\0';
    if (strncmp(err->text, who, strlen(who)) == 0)
        memmove(err->text, err->text + strlen(who), strlen(err->text + strlen(who)) + 1);
    return false;
}

bool bench_load(Bench *x, Error *err)
{
    AnePort *in = xcalloc((size_t)x->inputs + 1, sizeof *in),
            *out = xcalloc((size_t)x->outputs + 1, sizeof *out);
    for (int i = 0; i < x->inputs; i++)
        in[i] = port_of(x->f->param[i]);
    for (int i = 0; i < x->outputs; i++)
        out[i] = port_of(x->f->output[i]);
    AneSource s = {.name = "the probe",
                   .function = x->f->name,
                   .number = func_number(x->f),
                   .mil = x->mil.data,
                   .mil_size = x->mil.size,
                   .file = &x->file,
                   .files = x->weights.size ? 1 : 0,
                   .input = in,
                   .output = out,
                   .inputs = x->inputs,
                   .outputs = x->outputs,
                   .surface_unit = x->surface_unit};
    x->program = ane_program_open(&x->lab->engine, &s, err);
    free(in);
    free(out);
    return x->program || shorten(err);
}

bool bench_open(Bench *x, Lab *lab, Draft *b, Error *err)
{
    if (bench_prepare(x, lab, b, err) && bench_load(x, err))
        return true;
    bench_close(x);
    return false;
}

void bench_close(Bench *x)
{
    ane_program_close(x->program);
    module_free(x->module);
    free_memory(x);
    text_free(&x->built);
    text_free(&x->mil);
    text_free(&x->weights);
    *x = (Bench){0};
}

/* ---- running ---- */

bool bench_run(Bench *x, Error *err)
{
    return ane_program_run(x->program, (const void *const *)x->in, (void *const *)x->out, err) ||
           shorten(err);
}

bool bench_expect(Bench *x, Error *err)
{
    BlobResolver blobs = {.find = draft_find_blob, .context = &x->weights};
    Kernel *k = device_compile(x->lab->cpu, x->f, &blobs, err);
    PortData *data = k ? xcalloc((size_t)k->ports, sizeof *data) : NULL;
    for (int i = 0; k && i < x->inputs; i++)
        data[i] = (PortData){x->in[i], x->in_count[i] * sizeof **x->in};
    for (int i = 0; k && i < x->outputs; i++)
        data[x->inputs + i] = (PortData){x->expected[i], x->out_count[i] * sizeof **x->out};
    bool ok = k && device_run(k, data, k->ports, NULL, err);
    kernel_release(k);
    free(data);
    return ok;
}

double bench_difference(const Bench *x)
{
    double worst = 0, largest = 0;
    for (int i = 0; i < x->outputs; i++)
        for (size_t k = 0; k < x->out_count[i]; k++) {
            double got = half_to_float(x->out[i][k]), want = half_to_float(x->expected[i][k]);
            if (x->out[i][k] == x->expected[i][k])
                continue;
            if (!isfinite(got) || !isfinite(want))
                return INFINITY;
            worst = fmax(worst, fabs(got - want));
        }
    for (int i = 0; i < x->outputs; i++)
        for (size_t k = 0; k < x->out_count[i]; k++)
            largest = fmax(largest, fabs((double)half_to_float(x->expected[i][k])));
    return largest > 0 ? worst / largest : worst;
}

bool bench_time(Bench *x, AneEvaluation *how, Timing *out, Error *err)
{
    int n = x->lab->repeats;
    double *us = xcalloc((size_t)n, sizeof *us);
    bool ok = ane_program_write(x->program, (const void *const *)x->in, err);
    for (int i = -WARM; ok && i < n; i++) {
        double start = ane_engine_now(&x->lab->engine);
        ok = ane_program_evaluate(x->program, how, err);
        if (i >= 0)
            us[i] = (ane_engine_now(&x->lab->engine) - start) * 1e6;
    }
    out->median = median_of(us, n);
    out->least = us[0];
    out->most = us[n - 1];
    free(us);
    return ok;
}

bool lab_time(Lab *lab, Draft *b, double *us, Error *err)
{
    Bench x;
    Timing t = {0};
    if (!bench_open(&x, lab, b, err))
        return false;
    bool ok = bench_time(&x, NULL, &t, err);
    bench_close(&x);
    *us = t.median;
    return ok;
}
