/* Probes of programs as a whole: whether to cut them, and what other weights do. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/half.h"
#include "base/median.h"
#include "tools/aneprobe/probes.h"

bool try_program(Lab *lab, Draft *b, size_t surface_unit, Outcome *out, Error *why, Error *err)
{
    return try_inputs(lab, b, surface_unit, false, out, why, err);
}

/* A process that has compiled too much is refused everything, in silence: that would say nothing of the
 * program. Whether a program that was taken before is still taken, under a new name. */
static bool still_compiles(Lab *lab, const Error *why, Error *err)
{
    Draft b = {0};
    Bench x;
    if (!strstr(why->text, "gives no reason"))
        return true;
    Node in = draft_input(&b, "x", 64, 64);
    b.names = lab->salt + lab->engine.compiles; /* a program of a known text is not compiled */
    Node y = draft_unary(&b, "relu", &in);
    draft_output(&b, &y);
    if (!bench_open(&x, lab, &b, err))
        return error_prefix(err, "nothing compiles any more in this process, after %d programs",
                            lab->engine.compiles);
    bench_close(&x);
    return true;
}

static void make_positive(Bench *x)
{
    for (int i = 0; i < x->inputs; i++)
        for (size_t k = 0; k < x->in_count[i]; k++)
            x->in[i][k] = half_from_float(1 + half_to_float(x->in[i][k]) / 2);
}

bool try_inputs(Lab *lab, Draft *b, size_t surface_unit, bool positive, Outcome *out, Error *why, Error *err)
{
    Bench x;
    if (!bench_prepare(&x, lab, b, err)) {
        bench_close(&x);
        return false;
    }
    x.surface_unit = surface_unit;
    if (positive)
        make_positive(&x);
    *out = OUTCOME_REFUSED;
    bool loaded = bench_load(&x, why), ok = loaded || still_compiles(lab, why, err);
    if (loaded && bench_run(&x, why)) {
        ok = bench_expect(&x, err);
        double difference = ok ? bench_difference(&x) : 0;
        *out = difference <= TOLERANCE ? OUTCOME_RIGHT : OUTCOME_WRONG;
        error_set(why, "off by %.2g of the largest magnitude", difference);
    }
    bench_close(&x);
    return ok;
}

/* ---- fused or separate ---- */

enum { CHANNELS = 256, LENGTH = 64, MOST = 24 };

/* All blocks of a program have one weight: the number of constants is no matter of this probe. */
static void build_blocks(Draft *b, int first, int count)
{
    double scale = 0.05 + 0.001 * first;
    Node x = draft_input(b, "x", CHANNELS, LENGTH);
    b->names = first; /* programs of one text would be one program */
    Node w = draft_weight(b, node4(CHANNELS, CHANNELS, 1, 1), (Fill){FILL_RANDOM, scale});
    for (int i = 0; i < count; i++) {
        Node y = draft_conv(b, &x, &w);
        x = draft_unary(b, "relu", &y);
    }
    draft_output(b, &x);
}

/* Passes through `count` programs, each one's output the next one's input; the median of the lab's repeats.
 */
static bool time_passes(Lab *lab, Bench *part, int count, double *median, Error *err)
{
    double *us = xcalloc((size_t)lab->repeats + 1, sizeof *us);
    bool ok = true;
    for (int n = 0; ok && n <= lab->repeats; n++) {
        double start = ane_engine_now(&lab->engine);
        for (int i = 0; ok && i < count; i++) {
            if (i > 0)
                memcpy(part[i].in[0], part[i - 1].out[0], part[i].in_count[0] * sizeof **part[i].in);
            ok = bench_run(&part[i], err);
        }
        us[n] = (ane_engine_now(&lab->engine) - start) * 1e6;
    }
    *median = median_of(us + 1, lab->repeats); /* the first warms up */
    free(us);
    return ok;
}

static bool time_fused(Lab *lab, int count, double *us, Error *err)
{
    Draft b = {0};
    Bench x;
    build_blocks(&b, 0, count);
    if (!bench_open(&x, lab, &b, err))
        return false;
    bool ok = time_passes(lab, &x, 1, us, err);
    bench_close(&x);
    return ok;
}

bool probe_fused(Lab *lab, Result *r, Error *err)
{
    static const int counts[] = {2, 4, 8, 12, 16, 24};
    enum { COUNTS = sizeof counts / sizeof *counts };
    Bench part[MOST] = {{0}};
    bool ok = true;
    int one = result_series(r, "one program", "blocks", "us"),
        many = result_series(r, "a program each", "blocks", "us");
    double cut = 0, last[2] = {0, 0};
    for (int i = 0; ok && i < MOST; i++) {
        Draft b = {0};
        build_blocks(&b, i, 1);
        ok = bench_open(&part[i], lab, &b, err);
    }
    for (int i = 0; ok && i < COUNTS; i++) {
        ok = time_fused(lab, counts[i], &last[0], err) && time_passes(lab, part, counts[i], &last[1], err);
        result_point(r, one, counts[i], last[0]);
        result_point(r, many, counts[i], last[1]);
        cut += (last[1] - last[0]) / (counts[i] - 1) / COUNTS;
    }
    for (int i = 0; i < MOST; i++)
        bench_close(&part[i]);
    if (!ok)
        return false;
    result_number(r, cut, "us", "a cut costs %.1f us: 24 blocks take %.0f us in one program, %.0f in 24", cut,
                  last[0], last[1]);
    if (cut > 0)
        result_line_number(r, true, "cost.cut_us", cut, "copies by the CPU included");
    return true;
}

/* ---- other weights ---- */

static void build_scaled(Draft *b, double scale)
{
    Node x = draft_input(b, "x", 64, 64);
    Node w = draft_weight(b, node4(64, 64, 1, 1), (Fill){FILL_DIAGONAL, scale}), y = draft_conv(b, &x, &w);
    draft_output(b, &y);
}

/* Whether the output is `scale` times the input. */
static bool is_scaled(const Bench *x, double scale)
{
    for (size_t i = 0; i < x->in_count[0]; i++)
        if (fabs(half_to_float(x->out[0][i]) - scale * half_to_float(x->in[0][i])) > TOLERANCE)
            return false;
    return true;
}

typedef bool (*Swap)(Bench *x, const AneFile *file, Error *why);

static bool swap_in_folder(Bench *x, const AneFile *file, Error *why)
{
    return ane_program_swap(x->program, file, why) && bench_run(x, why);
}

static bool swap_in_request(Bench *x, const AneFile *file, Error *why)
{
    AneEvaluation how = {.qos = ANE_QOS, .weights = file};
    return ane_program_write(x->program, (const void *const *)x->in, why) &&
           ane_program_evaluate(x->program, &how, why) &&
           ane_program_read(x->program, (void *const *)x->out, why);
}

/* Runs with the weights 1, swaps in 2, and sees what comes out. */
static bool probe_swap(Lab *lab, Result *r, Swap swap, bool *heeded, Error *err)
{
    Draft one = {0}, two = {0};
    Bench x = {0}, other = {0};
    Error why;
    build_scaled(&one, 1);
    build_scaled(&two, 2);
    bool ok = bench_open(&x, lab, &one, err) && bench_prepare(&other, lab, &two, err) && bench_run(&x, err);
    *heeded = false;
    if (ok && !is_scaled(&x, 1)) {
        ok = error_set(err, "a conv by the identity is not the identity");
    } else if (ok && !swap(&x, &other.file, &why)) {
        result_yes(r, false, "%s", why.text);
    } else if (ok) {
        *heeded = is_scaled(&x, 2);
        result_yes(r, *heeded, "%s",
                   *heeded            ? "the new weights count"
                   : is_scaled(&x, 1) ? "the old weights go on: the new ones are ignored"
                                      : "the result is neither by the old nor the new weights");
    }
    if (x.f)
        bench_close(&x);
    if (other.f)
        bench_close(&other);
    return ok;
}

bool probe_swap_file(Lab *lab, Result *r, Error *err)
{
    bool heeded;
    if (!probe_swap(lab, r, swap_in_folder, &heeded, err))
        return false;
    result_line(r, true, "weight_swaps", heeded ? "heeded" : "ignored", "");
    return true;
}

bool probe_swap_buffer(Lab *lab, Result *r, Error *err)
{
    bool heeded;
    return probe_swap(lab, r, swap_in_request, &heeded, err);
}
