/* Probes of memory: where the on-chip memory ends, and how fast weights and activations come from beyond it.
 */
#include "tools/aneprobe/probes.h"

enum { INNER = 4096, SHORT = 32, LONG = 64, STEP = 64, SIZES = 10, ACTIVATION_CHANNELS = 2048 };
#define MB 1048576.0

typedef struct Measured {
    double bytes, us; /* without the cost of asking */
} Measured;

/* The rate of what the last size has more than the first; 0 where it takes no time that can be told. */
static double slope_gbs(const Measured *m, int first, int last)
{
    double us = m[last].us - m[first].us;
    return last > first && us > 0.1 * m[last].us ? (m[last].bytes - m[first].bytes) / us * 1e-3 : 0;
}

static double us_per_byte(const Measured *m)
{
    return m->us > 0 ? m->us / m->bytes : 0;
}

/* ---- weights ---- */

/* Convs of [outputs, INNER] weights over few positions, so that the weights are most of the work. */
typedef struct Sweep {
    Lab *lab;
    Result *result;
    int curve, length, count;
    double dispatch;
    int outputs[SIZES];
    Measured m[SIZES];
} Sweep;

static bool time_weights(const Sweep *s, int outputs, Measured *out, Error *err)
{
    Draft b = {0};
    double us;
    Node in = draft_input(&b, "x", INNER, s->length);
    Node w = draft_weight(&b, node4(outputs, INNER, 1, 1), (Fill){FILL_EQUAL, 0.001});
    Node y = draft_conv(&b, &in, &w);
    draft_output(&b, &y);
    if (!lab_time(s->lab, &b, &us, err))
        return false;
    *out = (Measured){2.0 * INNER * outputs, us - s->dispatch};
    result_point(s->result, s->curve, out->bytes / MB, out->us > 0 ? out->bytes / out->us * 1e-3 : 0);
    return true;
}

/* Up to the first size that is refused; fewer than four are no sweep. */
static bool sweep_weights(Sweep *s, Error *err)
{
    static const int outputs[SIZES] = {256, 512, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 10240};
    for (s->count = 0; s->count < SIZES; s->count++) {
        s->outputs[s->count] = outputs[s->count];
        if (!time_weights(s, outputs[s->count], &s->m[s->count], err))
            break;
    }
    return s->count >= 4;
}

/* The last size before the largest jump of the time of a byte; -1 where there is none to speak of. */
static int find_cliff(const Sweep *s)
{
    int at = -1;
    double worst = 2;
    for (int i = 1; i + 1 < s->count; i++) {
        double before = us_per_byte(&s->m[i]), after = us_per_byte(&s->m[i + 1]);
        if (before > 0 && after / before > worst && s->m[i + 1].us > 0.25 * s->dispatch) {
            worst = after / before;
            at = i;
        }
    }
    return at;
}

/* Between a size that fits and one that does not, down to STEP outputs: half a megabyte. */
static bool refine_cliff(const Sweep *s, int cliff, double *bytes, Error *err)
{
    int fits = s->outputs[cliff], spills = s->outputs[cliff + 1];
    double limit = us_per_byte(&s->m[cliff]) * us_per_byte(&s->m[cliff + 1]);
    *bytes = s->m[cliff].bytes;
    while (spills - fits > STEP) {
        int middle = (fits + spills) / 2 / STEP * STEP;
        Measured m;
        if (!time_weights(s, middle, &m, err))
            return false;
        if (us_per_byte(&m) * us_per_byte(&m) < limit) {
            fits = middle;
            *bytes = m.bytes;
        } else {
            spills = middle;
        }
    }
    return true;
}

bool probe_sram(Lab *lab, Result *r, Error *err)
{
    Sweep s = {.lab = lab, .result = r, .length = SHORT};
    double bytes = 0;
    s.curve = result_series(r, "weights of one conv", "MB", "GB/s");
    if (!lab_dispatch(lab, &s.dispatch, err))
        return false;
    if (!sweep_weights(&s, err)) {
        s.length = LONG;
        if (!sweep_weights(&s, err))
            return false;
    }
    int cliff = find_cliff(&s);
    double gbs = slope_gbs(s.m, cliff < 0 ? s.count - 2 : cliff + 1, s.count - 1);
    if (cliff >= 0 && !refine_cliff(&s, cliff, &bytes, err))
        return false;
    if (cliff >= 0) {
        result_number(r, bytes / MB, "MB", "%.1f MB of weights fit; beyond, they come at %.1f GB/s",
                      bytes / MB, gbs);
        result_line_number(r, true, "cost.sram_bytes", bytes, "weights of one conv that stay fast");
    } else if (gbs > 0) {
        result_number(r, gbs, "GB/s", "no cliff up to %.0f MB; weights come at %.1f GB/s",
                      s.m[s.count - 1].bytes / MB, gbs);
    } else {
        result_yes(r, false, "too fast to tell from the cost of asking");
    }
    if (gbs > 0)
        result_line_number(r, true, "cost.weight_gbs", gbs, "");
    return true;
}

/* ---- activations ---- */

static bool time_relu(Lab *lab, int length, Measured *out, Error *err)
{
    Draft b = {0};
    Node in = draft_input(&b, "x", ACTIVATION_CHANNELS, length), y = draft_unary(&b, "relu", &in);
    draft_output(&b, &y);
    out->bytes = 4.0 * ACTIVATION_CHANNELS * length;
    return lab_time(lab, &b, &out->us, err);
}

bool probe_activations(Lab *lab, Result *r, Error *err)
{
    Measured m[5];
    int curve = result_series(r, "relu, in and out", "MB", "us"), n = 0;
    for (int length = 1024; n < 5 && time_relu(lab, length, &m[n], err); length *= 2, n++)
        result_point(r, curve, m[n].bytes / MB, m[n].us);
    if (n < 2)
        return false;
    double gbs = slope_gbs(m, n - 2, n - 1);
    if (!gbs) {
        result_yes(r, false, "too fast to tell from the cost of asking");
        return true;
    }
    result_number(r, gbs, "GB/s", "%.1f GB/s read and written, from %.0f to %.0f MB", gbs,
                  m[n - 2].bytes / MB, m[n - 1].bytes / MB);
    result_line_number(r, true, "cost.activation_gbs", gbs, "");
    return true;
}
