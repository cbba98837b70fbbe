#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/aneprobe/probe.h"
#include "tools/aneprobe/probes.h"

const char *const verdict_name[VERDICTS] = {"no", "yes", "number", "broken"};

#define PROBE(name, function, keys, question, method) {name, question, method, keys, function},
const Probe probes[] = {
#include "tools/aneprobe/probes.def"
};
#undef PROBE
const int probe_count = sizeof probes / sizeof *probes;

const Probe *probe_find(const char *name)
{
    for (int i = 0; i < probe_count; i++)
        if (strcmp(probes[i].name, name) == 0)
            return &probes[i];
    return NULL;
}

static int by_x(const void *a, const void *b)
{
    const Point *p = a, *q = b;
    return (p->x > q->x) - (p->x < q->x);
}

void probe_run(const Probe *p, Lab *lab, Result *r)
{
    Error err = {{0}};
    *r = (Result){.probe = p, .unit = "", .text = ""};
    bool ok = p->run(lab, r, &err);
    for (int i = 0; i < r->series_count; i++) /* a bisection goes back and forth */
        if (r->series[i].points)
            qsort(r->series[i].point, (size_t)r->series[i].points, sizeof(Point), by_x);
    if (ok)
        return;
    r->verdict = VERDICT_BROKEN;
    r->text = arena_printf(&r->arena, "%s", err.text);
    r->findings = 0;
}

void result_free(Result *r)
{
    arena_free(&r->arena);
}

static void set_text(Result *r, const char *fmt, va_list ap)
{
    r->text = arena_vprintf(&r->arena, fmt, ap);
}

void result_yes(Result *r, bool yes, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(r, fmt, ap);
    va_end(ap);
    r->verdict = yes ? VERDICT_PASS : VERDICT_FAIL;
}

void result_number(Result *r, double number, const char *unit, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(r, fmt, ap);
    va_end(ap);
    r->verdict = VERDICT_NUMBER;
    r->number = number;
    r->unit = unit;
}

void result_spread(Result *r, double least, double most)
{
    r->least = least;
    r->most = most;
}

void result_line(Result *r, bool taken, const char *key, const char *value, const char *note)
{
    Finding f = {arena_printf(&r->arena, "%s", key), arena_printf(&r->arena, "%s", value), taken,
                 arena_printf(&r->arena, "%s", note)};
    arena_push(&r->arena, r->finding, r->findings, r->findings_cap, f);
}

void result_line_number(Result *r, bool taken, const char *key, double value, const char *note)
{
    char text[40];
    if (!isfinite(value) || value <= 0) /* a rate where nothing took time: the base profile knows better */
        return;
    snprintf(text, sizeof text, value >= 1 && value < 1e15 && value == floor(value) ? "%.0f" : "%.6g", value);
    result_line(r, taken, key, text, note);
}

int result_series(Result *r, const char *name, const char *x_label, const char *y_label)
{
    Series s = {arena_printf(&r->arena, "%s", name), x_label, y_label, 0, 0, NULL};
    arena_push(&r->arena, r->series, r->series_count, r->series_cap, s);
    return r->series_count - 1;
}

void result_point(Result *r, int series, double x, double y)
{
    Series *s = &r->series[series];
    Point p = {x, y};
    arena_push(&r->arena, s->point, s->points, s->cap, p);
}
