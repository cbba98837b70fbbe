/* The report as a page that needs nothing else: a table, and the sweeps as SVG. */
#include <math.h>

#include "tools/aneprobe/probe.h"

enum { WIDTH = 640, HEIGHT = 280, LEFT = 70, RIGHT = 20, TOP = 20, BOTTOM = 45, TICKS = 4 };

static void put_text(Text *out, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '<': text_puts(out, "&lt;"); break;
        case '>': text_puts(out, "&gt;"); break;
        case '&': text_puts(out, "&amp;"); break;
        case '"': text_puts(out, "&quot;"); break;
        default: text_putc(out, *s);
        }
}

typedef struct Scale {
    double least_x, most_x, most_y;
} Scale;

static double at_x(const Scale *s, double x)
{
    double span = s->most_x > s->least_x ? s->most_x - s->least_x : 1;
    return LEFT + (x - s->least_x) / span * (WIDTH - LEFT - RIGHT);
}

static double at_y(const Scale *s, double y)
{
    return HEIGHT - BOTTOM - (s->most_y > 0 ? y / s->most_y : 0) * (HEIGHT - TOP - BOTTOM);
}

/* All curves of a result share their axes. */
static Scale scale_of(const Result *r)
{
    Scale s = {INFINITY, -INFINITY, 0};
    for (int i = 0; i < r->series_count; i++)
        for (int k = 0; k < r->series[i].points; k++) {
            const Point *p = &r->series[i].point[k];
            s.least_x = fmin(s.least_x, p->x);
            s.most_x = fmax(s.most_x, p->x);
            s.most_y = fmax(s.most_y, p->y);
        }
    return s;
}

static void put_axes(Text *out, const Scale *s, const Series *labels)
{
    text_printf(out, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", LEFT, TOP, HEIGHT - BOTTOM,
                WIDTH - RIGHT);
    for (int i = 0; i <= TICKS; i++) {
        double x = s->least_x + (s->most_x - s->least_x) * i / TICKS, y = s->most_y * i / TICKS;
        text_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4g</text>\n", at_x(s, x),
                    HEIGHT - BOTTOM + 16, x);
        text_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.4g</text>\n", LEFT - 6,
                    at_y(s, y) + 4, y);
    }
    text_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + WIDTH) / 2, HEIGHT - 8);
    put_text(out, labels->x_label);
    text_printf(out, "</text>\n<text x=\"6\" y=\"%d\">", TOP - 6);
    put_text(out, labels->y_label);
    text_puts(out, "</text>\n");
}

static void put_curve(Text *out, const Scale *scale, const Series *s, int number)
{
    text_printf(out, "<polyline class=\"c%d\" points=\"", number % 3);
    for (int k = 0; k < s->points; k++)
        text_printf(out, "%s%.1f,%.1f", k ? " " : "", at_x(scale, s->point[k].x), at_y(scale, s->point[k].y));
    text_puts(out, "\"/>\n");
    for (int k = 0; k < s->points; k++)
        text_printf(
            out, "<circle class=\"c%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>%.6g: %.6g</title></circle>\n",
            number % 3, at_x(scale, s->point[k].x), at_y(scale, s->point[k].y), s->point[k].x, s->point[k].y);
    text_printf(out, "<text class=\"c%d\" x=\"%d\" y=\"%d\">", number % 3, LEFT + 12,
                TOP + 14 * (number + 1));
    put_text(out, s->name);
    text_puts(out, "</text>\n");
}

static void put_chart(Text *out, const Result *r)
{
    Scale s = scale_of(r);
    if (!isfinite(s.least_x))
        return;
    text_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", WIDTH, HEIGHT);
    put_axes(out, &s, &r->series[0]);
    for (int i = 0; i < r->series_count; i++)
        put_curve(out, &s, &r->series[i], i);
    text_puts(out, "</svg>\n");
}

static void put_result(Text *out, const Result *r)
{
    text_puts(out, "<h2>");
    put_text(out, r->probe->name);
    text_puts(out, "</h2>\n<p>");
    put_text(out, r->probe->question);
    text_puts(out, " <span class=\"method\">");
    put_text(out, r->probe->method);
    text_printf(out, "</span></p>\n<p class=\"%s\">", verdict_name[r->verdict]);
    put_text(out, r->text);
    text_puts(out, "</p>\n");
    put_chart(out, r);
}

void report_html(const Report *report, Text *out)
{
    text_puts(out,
              "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>aneprobe</title>\n"
              "<style>\nbody { font: 15px sans-serif; max-width: 44em; margin: 2em auto; }\n"
              "svg { width: 100%; } svg text { font-size: 11px; }\n"
              ".axis, polyline { fill: none; stroke: #888; }\n.method { color: #666; }\n"
              "polyline { stroke-width: 2; }\npolyline.c0 { stroke: #06c; } polyline.c1 { stroke: #c50; } "
              "polyline.c2 { stroke: #292; }\ncircle.c0, text.c0 { fill: #06c; } circle.c1, text.c1 "
              "{ fill: #c50; } circle.c2, text.c2 { fill: #292; }\n.no, .broken { color: #a00; }\n"
              "</style>\n<h1>");
    put_text(out, report->chip);
    text_puts(out, "</h1>\n<p>");
    put_text(out, report->date);
    text_puts(out, ", build ");
    put_text(out, report->build);
    text_puts(out, "</p>\n");
    for (int i = 0; i < report->results; i++)
        put_result(out, &report->result[i]);
    text_puts(out, "</html>\n");
}
