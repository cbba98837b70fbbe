/* Probes of arithmetic: the most that chains of convs, one matmul and convs in 8 bits reach. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "tools/aneprobe/probes.h"

enum { CHANNELS = 512, SIDE = 64, DEEPEST = 128, SQUARE = 2048 };

/* 10^12 a second, without the cost of asking; 0 where that is nearly all. */
static double tera(double flops, double us, double dispatch)
{
    return us > 1.25 * dispatch ? flops / (us - dispatch) * 1e-6 : 0;
}

static void too_fast(Result *r)
{
    result_yes(r, false, "too fast to tell from the cost of asking");
}

/* `depth` convs one behind the other; one weight serves all, so that the sum is arithmetic, not memory. */
static void build_chain(Draft *b, int depth)
{
    Node x = draft_input4(b, "x", node4(1, CHANNELS, SIDE, SIDE));
    Node w = draft_weight(b, node4(CHANNELS, CHANNELS, 1, 1), (Fill){FILL_RANDOM, 0.05});
    for (int i = 0; i < depth; i++)
        x = draft_conv(b, &x, &w);
    draft_output(b, &x);
}

static double chain_flops(int depth)
{
    return 2.0 * CHANNELS * CHANNELS * SIDE * SIDE * depth;
}

/* The rates of growing depths without the cost of asking, as a curve; the best of them. */
static bool time_chains(Lab *lab, Result *r, void (*build)(Draft *b, int depth), const char *unit,
                        double *best, int *at, Error *err)
{
    int curve = result_series(r, "chain of convs", "depth", unit);
    double dispatch;
    *best = 0;
    if (!lab_dispatch(lab, &dispatch, err))
        return false;
    for (int depth = 1; depth <= DEEPEST; depth *= 2) {
        Draft b = {0};
        Bench x;
        Timing t;
        build(&b, depth);
        if (!bench_open(&x, lab, &b, err))
            return depth > 1; /* what is too deep only ends the curve */
        bool ok = bench_time(&x, NULL, &t, err);
        bench_close(&x);
        if (!ok)
            return false;
        double rate = tera(chain_flops(depth), t.median, dispatch);
        result_point(r, curve, depth, rate);
        if (rate > *best) {
            *best = rate;
            *at = depth;
        }
    }
    return true;
}

bool probe_peak_conv(Lab *lab, Result *r, Error *err)
{
    double best;
    int depth = 1;
    if (!time_chains(lab, r, build_chain, "TFLOP/s", &best, &depth, err))
        return false;
    if (!best) {
        too_fast(r);
        return true;
    }
    result_number(r, best, "TFLOP/s",
                  "%.2f TFLOP/s for convs of 512 channels, 64 x 64; best at %d in a chain", best, depth);
    result_line_number(r, true, "cost.tflops", best, "");
    return true;
}

static bool time_square(Lab *lab, int n, double *us, Error *err)
{
    Draft b = {0};
    Node p = draft_input(&b, "x", n, n), q = draft_input(&b, "y", n, n), square = node4(1, 1, n, n);
    Node u = draft_reshape(&b, &p, square), v = draft_reshape(&b, &q, square);
    Node y = draft_matmul(&b, &u, &v, false), out = draft_reshape(&b, &y, node4(1, n, 1, n));
    draft_output(&b, &out);
    return lab_time(lab, &b, us, err);
}

bool probe_peak_matmul(Lab *lab, Result *r, Error *err)
{
    int curve = result_series(r, "x[N, N] times y[N, N]", "N", "TFLOP/s"), n = 256;
    double best = 0, dispatch, us;
    Error why;
    if (!lab_dispatch(lab, &dispatch, err))
        return false;
    for (; n <= SQUARE && time_square(lab, n, &us, &why); n *= 2) {
        double rate = tera(2.0 * n * n * n, us, dispatch);
        result_point(r, curve, n, rate);
        best = rate > best ? rate : best;
    }
    if (n == 256) {
        result_yes(r, false, "%s", why.text);
        return true;
    }
    if (!best) {
        too_fast(r);
        return true;
    }
    result_number(r, best, "TFLOP/s", "%.2f TFLOP/s for one product, up to %d x %d", best, n / 2, n / 2);
    result_line_number(r, true, "cost.matmul_tflops", best, "");
    return true;
}

/* W8A8: what goes from conv to conv is 8 bits wide, and so are the weights. */
static void build_int8_chain(Draft *b, int depth)
{
    Node x = draft_input4(b, "x", node4(1, CHANNELS, SIDE, SIDE)), wide = x;
    Node weight = build_int8_weight(b, CHANNELS, CHANNELS);
    Node scale = draft_value(b, "fp16", "0x1p-6"), type = draft_value(b, "string", "\"int8\"");
    for (int i = 0; i < depth; i++) {
        Node narrow = draft_typed(b, DT_INT8, wide, "quantize(input = %s, output_dtype = %s, scale = %s)",
                                  x.name, type.name, scale.name);
        x = draft_op(b, wide, "dequantize(input = %s, scale = %s)", narrow.name, scale.name);
        x = draft_conv(b, &x, &weight);
    }
    draft_output(b, &x);
}

bool probe_peak_int8(Lab *lab, Result *r, Error *err)
{
    double best, half;
    int depth = 1, at = 1;
    Error why;
    if (!time_chains(lab, r, build_int8_chain, "TOP/s", &best, &depth, &why)) {
        result_yes(r, false, "%s", why.text);
        return true;
    }
    if (!time_chains(lab, r, build_chain, "TFLOP/s", &half, &at, err))
        return false;
    if (!best) {
        too_fast(r);
        return true;
    }
    result_number(r, best, "TOP/s", "%.2f TOP/s in 8 bits, %.2f times fp16", best,
                  half > 0 ? best / half : 0);
    result_line_number(r, true, "cost.int8_tops", best, "");
    return true;
}
