/* What the probes found, as text, JSON and a profile; and JSON read back. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tools/aneprobe/probe.h"

/* ---- text ---- */

void report_text(const Report *report, bool charts, Text *out)
{
    for (int i = 0; i < report->results; i++) {
        const Result *r = &report->result[i];
        bool number = r->verdict == VERDICT_NUMBER;
        text_printf(out, "%-18s %-7s %s\n", r->probe->name, number ? "" : verdict_name[r->verdict], r->text);
        for (int k = 0; charts && k < r->series_count; k++)
            chart_text(&r->series[k], out);
    }
}

/* ---- JSON ---- */

static json_t *lines_json(const Result *r)
{
    json_t *all = json_array();
    for (int i = 0; i < r->findings; i++) {
        const Finding *f = &r->finding[i];
        json_array_append_new(all, json_pack("{s:s, s:s, s:b, s:s}", "key", f->key, "value", f->value,
                                             "taken", f->taken, "note", f->note));
    }
    return all;
}

static json_t *series_json(const Result *r)
{
    json_t *all = json_array();
    for (int i = 0; i < r->series_count; i++) {
        const Series *s = &r->series[i];
        json_t *points = json_array();
        for (int k = 0; k < s->points; k++)
            json_array_append_new(points, json_pack("[f, f]", s->point[k].x, s->point[k].y));
        json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:o}", "name", s->name, "x", s->x_label, "y",
                                             s->y_label, "points", points));
    }
    return all;
}

static json_t *result_json(const Result *r)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "name", r->probe->name, "question",
                          r->probe->question, "method", r->probe->method, "verdict", verdict_name[r->verdict],
                          "text", r->text, "lines", lines_json(r), "series", series_json(r));
    if (r->verdict == VERDICT_NUMBER) {
        json_object_set_new(o, "number", json_real(r->number));
        json_object_set_new(o, "unit", json_string(r->unit));
        if (r->most > 0) {
            json_object_set_new(o, "least", json_real(r->least));
            json_object_set_new(o, "most", json_real(r->most));
        }
    }
    return o;
}

void report_json(const Report *report, Text *out)
{
    json_t *list = json_array();
    for (int i = 0; i < report->results; i++)
        json_array_append_new(list, result_json(&report->result[i]));
    json_t *all =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "tool", "aneprobe", "version", ANEC_VERSION, "chip",
                  report->chip, "build", report->build, "date", report->date, "probes", list);
    char *text = json_dumps(all, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    if (text) {
        text_puts(out, text);
        text_putc(out, '\n');
    }
    free(text);
    json_decref(all);
}

/* ---- JSON read back ---- */

static const char *string_of(Result *r, const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return arena_printf(&r->arena, "%s", s ? s : "");
}

static void read_lines(Result *r, const json_t *all)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        result_line(r, json_is_true(json_object_get(o, "taken")), string_of(r, o, "key"),
                    string_of(r, o, "value"), string_of(r, o, "note"));
    }
}

static void read_series(Result *r, const json_t *all)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i), *points = json_object_get(o, "points");
        int s = result_series(r, string_of(r, o, "name"), string_of(r, o, "x"), string_of(r, o, "y"));
        for (size_t k = 0; k < json_array_size(points); k++) {
            const json_t *p = json_array_get(points, k);
            result_point(r, s, json_number_value(json_array_get(p, 0)),
                         json_number_value(json_array_get(p, 1)));
        }
    }
}

static void read_result(Result *r, const json_t *o)
{
    const char *verdict = string_of(r, o, "verdict");
    for (int i = 0; i < VERDICTS; i++)
        if (strcmp(verdict, verdict_name[i]) == 0)
            r->verdict = (Verdict)i;
    r->text = string_of(r, o, "text");
    r->unit = string_of(r, o, "unit");
    r->number = json_number_value(json_object_get(o, "number"));
    r->least = json_number_value(json_object_get(o, "least"));
    r->most = json_number_value(json_object_get(o, "most"));
    read_lines(r, json_object_get(o, "lines"));
    read_series(r, json_object_get(o, "series"));
}

static void copy_name(char *out, size_t size, const json_t *all, const char *key)
{
    const char *s = json_string_value(json_object_get(all, key));
    if (s && strlen(s) < size)
        strcpy(out, s);
}

bool report_read(const char *json, size_t size, const Probe *p, Lab *lab, Result *out, Error *err)
{
    json_error_t problem;
    json_t *all = json_loadb(json, size, 0, &problem);
    const json_t *one = json_array_get(json_object_get(all, "probes"), 0);
    *out = (Result){.probe = p, .unit = "", .text = ""};
    if (one) {
        read_result(out, one);
        copy_name(lab->chip, sizeof lab->chip, all, "chip");
        copy_name(lab->build, sizeof lab->build, all, "build");
    }
    json_decref(all);
    return one || error_set(err, "its process ended without a result");
}

/* ---- the profile ---- */

static void profile_line_text(const Report *report, const Result *r, const Finding *f, Text *out)
{
    text_printf(out, "%s %s %s # M: aneprobe %s, %s, build %s, %s%s%s\n", f->key, f->taken ? "=" : "~",
                f->value, r->probe->name, report->chip, report->build, report->date, *f->note ? ": " : "",
                f->note);
}

/* A key that a line is given for twice (two probes vote on it) stands as the first says. */
static bool is_first(const Report *report, int result, int line)
{
    const char *key = report->result[result].finding[line].key;
    if (!report->result[result].finding[line].taken)
        return true;
    for (int i = 0; i <= result; i++)
        for (int k = 0; k < (i < result ? report->result[i].findings : line); k++)
            if (report->result[i].finding[k].taken && strcmp(report->result[i].finding[k].key, key) == 0)
                return false;
    return true;
}

void report_profile(const Report *report, Text *out)
{
    text_printf(out, "# %s, as aneprobe %s measured it on %s under build %s\n", report->chip, ANEC_VERSION,
                report->date, report->build);
    text_printf(out, "base = %s\n", lab_base(report->chip));
    for (int i = 0; i < report->results; i++) {
        const Result *r = &report->result[i];
        text_printf(out, "\n# %s: %s%s%s\n", r->probe->name,
                    r->verdict == VERDICT_NUMBER ? "" : verdict_name[r->verdict],
                    r->verdict == VERDICT_NUMBER ? "" : ": ", r->text);
        for (int k = 0; k < r->findings; k++)
            if (is_first(report, i, k))
                profile_line_text(report, r, &r->finding[k], out);
    }
}
