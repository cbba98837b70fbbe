/* Probes of how much a program may hold. */
#include <stdio.h>

#include "tools/aneprobe/probes.h"

enum { C = 64, S = 64, MOST_FUNCTIONS = 56 };

/* A chain of `count` adds, each of a constant of its own. */
static void draft_blobs(Draft *b, int count)
{
    Node x = draft_input(b, "x", C, S);
    for (int i = 0; i < count; i++) {
        Node c = draft_weight(b, node4(1, C, 1, 1), (Fill){FILL_RANDOM, 0.1});
        x = draft_binary(b, "add", &x, &c);
    }
    draft_output(b, &x);
}

/* A chain of convs of one weight. */
static void draft_convs(Draft *b, int count)
{
    Node x = draft_input(b, "x", C, S);
    Node w = draft_weight(b, node4(C, C, 1, 1), (Fill){FILL_DIAGONAL, 1});
    for (int i = 0; i < count; i++)
        x = draft_conv(b, &x, &w);
    draft_output(b, &x);
}

static void draft_channels(Draft *b, int count)
{
    Node x = draft_input(b, "x", count, S), y = draft_unary(b, "relu", &x);
    draft_output(b, &y);
}

static void draft_axis(Draft *b, int count)
{
    Node x = draft_input(b, "x", C, count), y = draft_unary(b, "relu", &x);
    draft_output(b, &y);
}

/* The largest of the counts up to which all are right; a line for it where a larger one is not. */
static bool find_most(Lab *lab, Result *r, void (*draft)(Draft *b, int count), const int *counts, int tried,
                      const char *what, const char *key, Error *err)
{
    int most = 0;
    Error why = {{0}};
    Outcome o = OUTCOME_RIGHT;
    for (int i = 0; i < tried && o == OUTCOME_RIGHT; i++) {
        Draft b = {0};
        draft(&b, counts[i]);
        if (!try_program(lab, &b, 0, &o, &why, err))
            return false;
        most = o == OUTCOME_RIGHT ? counts[i] : most;
    }
    if (!most) {
        result_yes(r, false, "not even %d %s: %s", counts[0], what, why.text);
        return true;
    }
    if (o == OUTCOME_RIGHT)
        result_number(r, most, what, "at least %d %s", most, what);
    else
        result_number(r, most, what, "%d %s; more: %s", most, what, why.text);
    result_line_number(r, true, key, most,
                       o == OUTCOME_RIGHT ? "the largest that was tried"
                                          : "the next size that was tried fails");
    return true;
}

#define LENGTH_OF(list) (int)(sizeof(list) / sizeof *(list))

/* Functions that another's weights, lengths or symbols would show in. */
static void draft_functions(Draft *b, int count)
{
    for (int i = 0; i < count; i++) {
        char name[16];
        Node x = draft_input(b, "x", C, S * (1 + i % 4)), y = draft_unary(b, "relu", &x);
        Node w = draft_weight(b, node4(1, C, 1, 1), (Fill){FILL_EQUAL, 1 + i});
        y = draft_binary(b, "add", &y, &w);
        draft_output(b, &y);
        snprintf(name, sizeof name, "f%03d", i);
        draft_function(b, name);
    }
}

/* Runs the program's functions one after the other, all of them open. `why`: what was refused, or is off. */
static bool run_functions(Bench *x, Outcome *out, Error *why, Error *err)
{
    AneProgram *open[MOST_FUNCTIONS] = {NULL};
    bool ok = true;
    int n = 0;
    *out = OUTCOME_RIGHT;
    for (; ok && *out == OUTCOME_RIGHT && n < x->module->funcs; n++) {
        bench_choose(x, n);
        *out = bench_load(x, why) && bench_run(x, why) ? OUTCOME_RIGHT : OUTCOME_REFUSED;
        ok = *out == OUTCOME_REFUSED || bench_expect(x, err);
        if (ok && *out == OUTCOME_RIGHT && bench_difference(x) > TOLERANCE) {
            *out = OUTCOME_WRONG;
            error_set(why, "the one of number %d is wrong", n);
        }
        open[n] = x->program;
        x->program = NULL;
    }
    while (n)
        ane_program_close(open[--n]);
    return ok;
}

static bool try_functions(Lab *lab, int count, Outcome *out, Error *why, Error *err)
{
    Draft b = {.names = lab->salt};
    Bench x;
    draft_functions(&b, count);
    bool ok = bench_prepare(&x, lab, &b, err) && run_functions(&x, out, why, err);
    bench_close(&x);
    return ok;
}

bool probe_procedures(Lab *lab, Result *r, Error *err)
{
    static const int counts[] = {2, 4, 8, 16, MOST_FUNCTIONS};
    int most = 1;
    Error why = {{0}};
    Outcome o = OUTCOME_RIGHT;
    for (int i = 0; i < LENGTH_OF(counts) && o == OUTCOME_RIGHT; i++) {
        if (!try_functions(lab, counts[i], &o, &why, err))
            return false;
        most = o == OUTCOME_RIGHT ? counts[i] : most;
    }
    if (o == OUTCOME_RIGHT)
        result_number(r, most, "functions", "at least %d functions", most);
    else
        result_number(r, most, "functions", "%d; more: %s", most, why.text);
    result_line_number(r, true, "functions", most,
                       o == OUTCOME_RIGHT ? "the largest that was tried"
                                          : "the next number that was tried fails");
    return true;
}

bool probe_blobs(Lab *lab, Result *r, Error *err)
{
    static const int counts[] = {4, 8, 15, 16, 17, 24, 32, 64, 128};
    return find_most(lab, r, draft_blobs, counts, LENGTH_OF(counts), "constants", "blobs", err);
}

bool probe_convs(Lab *lab, Result *r, Error *err)
{
    static const int counts[] = {16, 64, 128, 256, 383, 512};
    return find_most(lab, r, draft_convs, counts, LENGTH_OF(counts), "convs", "conv_blocks", err);
}

bool probe_channels(Lab *lab, Result *r, Error *err)
{
    static const int counts[] = {4096, 8192, 16384, 32768, 65536};
    return find_most(lab, r, draft_channels, counts, LENGTH_OF(counts), "channels", "channels", err);
}

bool probe_axis(Lab *lab, Result *r, Error *err)
{
    static const int counts[] = {4096, 8192, 16384, 32768, 65536};
    return find_most(lab, r, draft_axis, counts, LENGTH_OF(counts), "elements", "axis", err);
}

/* Programs that differ in their names, one after the other, each unloaded before the next; the driver itself
 * ends at ANE_COMPILE_LIMIT. */
bool probe_compiles(Lab *lab, Result *r, Error *err)
{
    Error why = {{0}};
    int curve = result_series(r, "a tiny program", "compiled before", "ms");
    for (;;) {
        Draft b = {0};
        Bench x;
        b.names = lab->salt + lab->engine.compiles;
        Node in = draft_input(&b, "x", C, S), y = draft_unary(&b, "relu", &in);
        draft_output(&b, &y);
        double start = ane_engine_now(&lab->engine);
        int before = lab->engine.compiles;
        if (!bench_open(&x, lab, &b, &why))
            break;
        result_point(r, curve, before, (ane_engine_now(&lab->engine) - start) * 1e3);
        bench_close(&x);
        if (lab->engine.compiles == before)
            return error_set(err, "the system had compiled the program before: its cache is in the way");
    }
    bool ours = lab->engine.compiles == ANE_COMPILE_LIMIT;
    int most = ours ? ANE_COMPILE_LIMIT : lab->engine.compiles - 1;
    result_number(r, most, "programs", ours ? "%d programs, where the driver stops" : "%d programs, then: %s",
                  most, why.text);
    if (most > 0)
        result_line_number(r, true, "compiles", most, ours ? "more were not tried" : "");
    return true;
}
