/* A sweep as bars for a terminal. */
#include "tools/aneprobe/probe.h"

enum { BAR = 50, SAMPLES = 40 };

static double largest(const Series *s)
{
    double most = 0;
    for (int i = 0; i < s->points; i++)
        most = s->point[i].y > most ? s->point[i].y : most;
    return most;
}

/* Long sweeps are thinned out: every n-th point. */
void chart_text(const Series *s, Text *out)
{
    double most = largest(s);
    int step = (s->points + SAMPLES - 1) / SAMPLES;
    text_printf(out, "    %s: %s by %s\n", s->name, s->y_label, s->x_label);
    for (int i = 0; i < s->points; i += step) {
        const Point *p = &s->point[i];
        int length = most > 0 && p->y > 0 ? (int)(p->y / most * BAR + 0.5) : 0;
        text_printf(out, "    %10.6g |", p->x);
        for (int k = 0; k < BAR; k++)
            text_putc(out, k < length ? '#' : ' ');
        text_printf(out, " %.5g\n", p->y);
    }
}
