/* Probes of one evaluation: what it costs to ask, and by which ways one can. */
#include "tools/aneprobe/probes.h"

enum { C = 64, S = 64, MOST_QOS = 63 };

/* Little work: what is left is the asking. */
static bool open_small(Bench *x, Lab *lab, Error *err)
{
    Draft b = {0};
    Node in = draft_input(&b, "x", C, S), y = draft_unary(&b, "relu", &in);
    draft_output(&b, &y);
    return bench_open(x, lab, &b, err);
}

bool probe_compile(Lab *lab, Result *r, Error *err)
{
    Draft b = {0};
    Bench x;
    Error why;
    b.names = lab->salt;
    Node in = draft_input(&b, "x", C, S), w = draft_weight(&b, node4(C, C, 1, 1), (Fill){FILL_RANDOM, 0.1});
    Node y = draft_conv(&b, &in, &w);
    draft_output(&b, &y);
    if (!bench_prepare(&x, lab, &b, err))
        return false;
    double start = ane_engine_now(&lab->engine);
    bool ok = bench_load(&x, &why);
    double ms = (ane_engine_now(&lab->engine) - start) * 1e3;
    if (!ok) {
        result_yes(r, false, "%s", why.text);
    } else if (!bench_run(&x, &why) || !bench_expect(&x, err) || bench_difference(&x) > TOLERANCE) {
        result_yes(r, false, "it compiles, but a 1x1 conv is not computed right");
    } else {
        result_number(r, ms, "ms", "text to loaded program in %.1f ms; it computes what the CPU does", ms);
        if (ms > 0)
            result_line_number(r, true, "cost.compile_ms", ms, "a conv of 64 channels, loading included");
    }
    bench_close(&x);
    return true;
}

bool probe_dispatch(Lab *lab, Result *r, Error *err)
{
    Bench x;
    Timing t;
    if (!open_small(&x, lab, err))
        return false;
    bool ok = bench_time(&x, NULL, &t, err);
    bench_close(&x);
    if (!ok)
        return false;
    result_number(r, t.median, "us", "%.1f us for an evaluation that computes next to nothing", t.median);
    result_spread(r, t.least, t.most);
    if (t.median > 0)
        result_line_number(r, true, "cost.dispatch_us", t.median, "");
    return true;
}

bool probe_qos(Lab *lab, Result *r, Error *err)
{
    Bench x;
    Error why;
    int taken = 0;
    double fastest = 0, slowest = 0, usual = 0;
    if (!open_small(&x, lab, err))
        return false;
    int curve = result_series(r, "one evaluation", "QoS", "us");
    for (unsigned q = 0; q <= MOST_QOS; q++) {
        AneEvaluation how = {.qos = q};
        Timing t;
        if (!bench_time(&x, &how, &t, &why))
            continue;
        result_point(r, curve, q, t.median);
        fastest = !taken || t.median < fastest ? t.median : fastest;
        slowest = t.median > slowest ? t.median : slowest;
        usual = q == ANE_QOS ? t.median : usual;
        taken++;
    }
    bench_close(&x);
    if (taken <= MOST_QOS)
        result_yes(r, false, "%d of 64 are taken, in %.1f to %.1f us; 21 takes %.1f", taken, fastest, slowest,
                   usual);
    else
        result_yes(r, true, "all of 0 to 63 are taken, in %.1f to %.1f us; 21 takes %.1f", fastest, slowest,
                   usual);
    return true;
}

bool probe_real_time(Lab *lab, Result *r, Error *err)
{
    Bench x;
    Timing usual, fast;
    Error why;
    AneEvaluation how = {.qos = ANE_QOS, .real_time = true};
    if (!open_small(&x, lab, err))
        return false;
    if (!bench_time(&x, &how, &fast, &why)) {
        result_yes(r, false, "%s", why.text);
    } else if (!bench_time(&x, NULL, &usual, err)) {
        bench_close(&x);
        return false;
    } else {
        result_yes(r, true, "%.1f us in place of %.1f", fast.median, usual.median);
        if (fast.median > 0)
            result_line_number(r, false, "cost.dispatch_us", fast.median, "by the real-time path");
    }
    bench_close(&x);
    return true;
}

bool probe_statistics(Lab *lab, Result *r, Error *err)
{
    Draft b = {0};
    Bench x;
    Error why;
    AneEvaluation how = {.qos = ANE_QOS, .statistics = true};
    Node in = draft_input(&b, "x", 512, 512),
         w = draft_weight(&b, node4(512, 512, 1, 1), (Fill){FILL_RANDOM, 0.05});
    Node y = draft_conv(&b, &in, &w);
    draft_output(&b, &y);
    if (!bench_open(&x, lab, &b, err))
        return false;
    if (!ane_program_evaluate(x.program, &how, &why))
        result_yes(r, false, "%s", why.text);
    else if (!how.hardware_ns)
        result_yes(r, false, "the hardware's own time stays 0");
    else
        result_yes(r, true, "the hardware took %.1f us of a conv of 512 channels over 512 positions",
                   (double)how.hardware_ns / 1e3);
    bench_close(&x);
    return true;
}

bool probe_chaining(Lab *lab, Result *r, Error *err)
{
    Bench x;
    Error why;
    if (!open_small(&x, lab, err))
        return false;
    if (ane_program_chain(x.program, &why))
        result_yes(r, true, "a chain of two evaluations is prepared");
    else
        result_yes(r, false, "%s", why.text);
    bench_close(&x);
    return true;
}
