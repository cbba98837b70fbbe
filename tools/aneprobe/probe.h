/* Probes and what they find. probes.def is their list. */
#ifndef TOOLS_ANEPROBE_PROBE_H
#define TOOLS_ANEPROBE_PROBE_H

#include "base/arena.h"
#include "ir/profile.h"
#include "tools/aneprobe/lab.h"

typedef enum Verdict {
    VERDICT_FAIL,   /* no, or it does not work */
    VERDICT_PASS,   /* yes */
    VERDICT_NUMBER, /* Result.number */
    VERDICT_BROKEN  /* the probe itself did not get through */
} Verdict;
enum { VERDICTS = 4 };
extern const char *const verdict_name[VERDICTS];

/* A line of the profile. */
typedef struct Finding {
    const char *key, *value;
    bool taken;       /* false: `~` */
    const char *note; /* "" or what else there is to say */
} Finding;

typedef struct Point {
    double x, y;
} Point;

/* One curve of a sweep. */
typedef struct Series {
    const char *name, *x_label, *y_label;
    int points, cap;
    Point *point;
} Series;

typedef struct Probe Probe;

typedef struct Result {
    const Probe *probe;
    Arena arena;
    Verdict verdict;
    double number, least, most; /* with VERDICT_NUMBER; the spread, 0 and 0 where there is none */
    const char *unit;
    const char *text; /* one line for people */
    int findings, findings_cap, series_count, series_cap;
    Finding *finding;
    Series *series;
} Result;

struct Probe {
    const char *name, *question, *method;
    const char *keys; /* of the profile, with commas; "" where no setting says it */
    bool (*run)(Lab *lab, Result *r, Error *err);
};

extern const Probe probes[];
extern const int probe_count;
const Probe *probe_find(const char *name); /* NULL: none */

/* Runs one. Where it does not get through, the result says why. */
void probe_run(const Probe *p, Lab *lab, Result *r);
void result_free(Result *r);

/* ---- for probes ---- */

void result_yes(Result *r, bool yes, const char *fmt, ...) PRINTF_LIKE(3, 4);
void result_number(Result *r, double number, const char *unit, const char *fmt, ...) PRINTF_LIKE(4, 5);
void result_spread(Result *r, double least, double most);
/* key = value; with `~` where it is not taken. */
void result_line(Result *r, bool taken, const char *key, const char *value, const char *note);
void result_line_number(Result *r, bool taken, const char *key, double value, const char *note);
/* A new curve; returns its number, for result_point. */
int result_series(Result *r, const char *name, const char *x_label, const char *y_label);
void result_point(Result *r, int series, double x, double y);

/* ---- output (report.c, chart.c, html.c) ---- */

typedef struct Report {
    Result *result;
    int results;
    const char *chip, *build, *date;
} Report;

void report_text(const Report *report, bool charts, Text *out);
/* The JSON that aneprobe --json prints. */
void report_json(const Report *report, Text *out);
/* Reads the results of one such text; the arena of each is its own. Chip and build go to `lab`. */
MUST_USE bool report_read(const char *json, size_t size, const Probe *p, Lab *lab, Result *out, Error *err);
/* A profile that anec --profile takes. */
void report_profile(const Report *report, Text *out);
void report_html(const Report *report, Text *out);
void chart_text(const Series *s, Text *out);

#endif
