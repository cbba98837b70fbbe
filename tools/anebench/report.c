/* What came out of a contest: a table, JSON, a chart. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/median.h"
#include "tools/anebench/contest.h"

double samples_median(const Samples *s)
{
    double sorted[MOST_ROUNDS];
    memcpy(sorted, s->rate, (size_t)s->count * sizeof *sorted);
    return median_of(sorted, s->count);
}

double samples_ratio(const Samples *ours, const Samples *theirs)
{
    double ratio[MOST_ROUNDS];
    if (ours->count != theirs->count)
        return 0;
    for (int i = 0; i < ours->count; i++)
        ratio[i] = ours->rate[i] / theirs->rate[i];
    return median_of(ratio, ours->count);
}

void case_name(const Case *c, char *out, size_t size)
{
    snprintf(out, size, "%s %d", c->kind == CASE_PREFILL ? "prefill" : "decode", c->tokens);
}

/* ---- table ---- */

static void table_peer(const Case *c, int peer, Text *out)
{
    const Samples *theirs = &c->samples[1 + peer];
    if (theirs->count == 0) {
        text_printf(out, " %14s %6s", "-", "");
        return;
    }
    text_printf(out, " %14.1f %5.2fx", samples_median(theirs), samples_ratio(c->samples, theirs));
}

static void table_failures(const Contest *c, Text *out)
{
    char name[64];
    for (int p = 0; p < c->peers; p++)
        for (int i = 0; i < c->cases; i++) {
            const Samples *s = &c->list[i].samples[1 + p];
            case_name(&c->list[i], name, sizeof name);
            if (s->count == 0 && s->why[0])
                text_printf(out, "%s, %s: %s\n", c->peer[p].name, name, s->why);
        }
}

void report_table(const Contest *c, Text *out)
{
    text_printf(out, "%s on %s; tokens/s, medians of %d; a ratio is ours over theirs, round by round\n\n",
                c->package, c->device, c->rounds);
    text_printf(out, "%-14s %7s %10s %9s", "", "threads", "ours", "of limit");
    for (int i = 0; i < c->peers; i++)
        text_printf(out, " %14s %6s", c->peer[i].name, "ratio");
    text_putc(out, '\n');
    for (int i = 0; i < c->cases; i++) {
        const Case *k = &c->list[i];
        char name[64];
        case_name(k, name, sizeof name);
        text_printf(out, "%-14s %7d %10.1f ", name, k->threads, samples_median(k->samples));
        if (k->limit.count)
            text_printf(out, "%7.0f %%", 100 * samples_ratio(k->samples, &k->limit));
        else
            text_printf(out, "%9s", "-");
        for (int p = 0; p < c->peers; p++)
            table_peer(k, p, out);
        text_putc(out, '\n');
    }
    if (c->list[0].limit.count)
        text_puts(
            out,
            "\nThe limit is what memory could be read for decode, and computed in registers for prefill, "
            "measured between the rounds.\n");
    table_failures(c, out);
}

/* ---- JSON ---- */

static json_t *samples_json(const Samples *s, const Samples *ours)
{
    json_t *list = json_array();
    for (int i = 0; i < s->count; i++)
        json_array_append_new(list, json_real(s->rate[i]));
    json_t *o = json_pack("{s:f, s:o}", "median", samples_median(s), "tokens_s", list);
    if (s != ours)
        json_object_set_new(o, "ratio", json_real(samples_ratio(ours, s)));
    if (s->why[0])
        json_object_set_new(o, "failed", json_string(s->why));
    return o;
}

static json_t *case_json(const Contest *c, const Case *k)
{
    json_t *o = json_pack("{s:s, s:i, s:i, s:f, s:f, s:o, s:o}", "case",
                          k->kind == CASE_PREFILL ? "prefill" : "decode", "tokens", k->tokens, "threads",
                          k->threads, "bytes", k->bytes, "flops", k->flops, "limit",
                          samples_json(&k->limit, k->samples), "ours", samples_json(k->samples, k->samples));
    json_t *peers = json_object();
    for (int p = 0; p < c->peers; p++)
        json_object_set_new(peers, c->peer[p].name, samples_json(&k->samples[1 + p], k->samples));
    json_object_set_new(o, "peers", peers);
    return o;
}

bool report_json(const Contest *c, const char *path, Error *err)
{
    json_t *cases = json_array();
    for (int i = 0; i < c->cases; i++)
        json_array_append_new(cases, case_json(c, &c->list[i]));
    json_t *all = json_pack("{s:s, s:s, s:i, s:o}", "package", c->package, "device", c->device, "rounds",
                            c->rounds, "cases", cases);
    char *text = json_dumps(all, JSON_INDENT(2));
    json_decref(all);
    bool ok = file_write_atomic(path, text, strlen(text), err);
    free(text);
    return ok;
}

/* ---- chart ---- */

enum { LEFT = 170, WIDE = 520, BAR = 16, GAP = 14, TOP = 56 };

static const char *const colours[] = {"#2b6cb0", "#dd6b20", "#38a169", "#805ad5", "#d53f8c", "#718096"};

static const char *colour(int i)
{
    return colours[i % (int)(sizeof colours / sizeof *colours)];
}

static void svg_text(Text *out, int x, int y, const char *anchor, const char *text)
{
    text_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">", x, y, anchor);
    for (const char *p = text; *p; p++)
        switch (*p) {
        case '<': text_puts(out, "&lt;"); break;
        case '&': text_puts(out, "&amp;"); break;
        default: text_putc(out, *p);
        }
    text_puts(out, "</text>\n");
}

/* The bars of a case, each as a part of the fastest contender. */
static void svg_case(const Contest *c, const Case *k, int y, Text *out)
{
    char label[96], name[64];
    double most = 0;
    for (int i = 0; i <= c->peers; i++)
        most = samples_median(&k->samples[i]) > most ? samples_median(&k->samples[i]) : most;
    case_name(k, name, sizeof name);
    snprintf(label, sizeof label, "%s, %d thread%s", name, k->threads, k->threads == 1 ? "" : "s");
    svg_text(out, LEFT - 10, y + BAR - 4, "end", label);
    for (int i = 0; i <= c->peers; i++, y += BAR) {
        double speed = samples_median(&k->samples[i]);
        int length = most > 0 ? (int)(WIDE * speed / most) : 0;
        text_printf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", LEFT, y,
                    length, BAR - 2, colour(i));
        snprintf(label, sizeof label, speed > 0 ? "%.0f" : "-", speed);
        svg_text(out, LEFT + length + 6, y + BAR - 4, "start", label);
    }
}

bool report_svg(const Contest *c, const char *path, Error *err)
{
    int step = (c->peers + 1) * BAR + GAP, high = TOP + c->cases * step + GAP, x = LEFT;
    Text out = {0};
    text_printf(
        &out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
        "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
        LEFT + WIDE + 80, high);
    svg_text(&out, LEFT, 20, "start", "tokens/s, medians; each group is drawn to its fastest");
    for (int i = 0; i <= c->peers; i++, x += 130) {
        text_printf(&out, "<rect x=\"%d\" y=\"32\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, colour(i));
        svg_text(&out, x + 18, 43, "start", i ? c->peer[i - 1].name : "anerun");
    }
    for (int i = 0; i < c->cases; i++)
        svg_case(c, &c->list[i], TOP + i * step, &out);
    text_puts(&out, "</svg>\n");
    bool ok = file_write_atomic(path, out.data, out.size, err);
    text_free(&out);
    return ok;
}
