/* Findings: collecting, joining, printing. */
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "check/internal.h"

void checker_init(Checker *c)
{
    for (int i = 0; i < RULE_COUNT; i++)
        c->severity[i] = rule_info((RuleId)i)->severity;
}

void checker_free(Checker *c)
{
    CheckedFile *f, *next;
    HASH_ITER(hh, c->file, f, next)
    {
        HASH_DEL(c->file, f);
        free((void *)(uintptr_t)f->source.text);
        file_unmap(&f->map);
        free(f->path);
        free(f->shown);
        free(f);
    }
    arena_free(&c->arena);
}

CheckedFile *checker_add_file(Checker *c, const char *path, const char *shown)
{
    CheckedFile *f = xcalloc(1, sizeof *f);
    f->path = xstrdup(path);
    f->shown = xstrdup(shown);
    HASH_ADD_KEYPTR(hh, c->file, f->path, strlen(f->path), f);
    return f;
}

CheckedFile *checker_find_file(const Checker *c, const char *path)
{
    CheckedFile *f;
    HASH_FIND_STR(c->file, path, f);
    return f;
}

/* ---- collecting ---- */

static void add(Checker *c, Finding f, const char *fmt, va_list ap)
{
    char text[1400];
    if (f.severity == SEVERITY_IGNORE)
        return;
    vsnprintf(text, sizeof text, fmt, ap);
    f.text = arena_str(&c->arena, text, strlen(text));
    f.order = c->files;
    arena_push(&c->arena, c->finding, c->findings, c->findings_cap, f);
}

static Severity severity_of(const Unit *u, RuleId rule)
{
    Severity s = u->c->severity[rule], most = SEVERITY_ERROR;
    if (rule_of_engine(rule) && !u->c->exact[rule])
        most = u->placed && rule_of_interface(rule) ? SEVERITY_NOTE
               : u->lenient                         ? SEVERITY_WARNING
                                                    : SEVERITY_ERROR;
    return s < most ? s : most;
}

void report(const Unit *u, RuleId rule, Span at, const char *subject, const char *fmt, ...)
{
    Finding f = {.rule = rule, .severity = severity_of(u, rule), .at = at};
    f.file = u->file->shown;
    f.subject = subject ? arena_str(&u->c->arena, subject, strlen(subject)) : "";
    f.profiles = rule_of_engine(rule) ? u->bit : 0;
    va_list ap;
    va_start(ap, fmt);
    add(u->c, f, fmt, ap);
    va_end(ap);
}

void report_file(Checker *c, RuleId rule, const char *file, const char *fmt, ...)
{
    Finding f = {.rule = rule, .severity = c->severity[rule], .subject = ""};
    f.file = arena_str(&c->arena, file, strlen(file));
    va_list ap;
    va_start(ap, fmt);
    add(c, f, fmt, ap);
    va_end(ap);
}

void report_related(Checker *c, Span at, const char *text)
{
    if (!c->findings)
        return;
    Finding *f = &c->finding[c->findings - 1];
    f->related = at;
    f->related_text = arena_str(&c->arena, text, strlen(text));
}

/* ---- joining ---- */

static int compare_places(const Finding *a, const Finding *b)
{
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (!a->at.source != !b->at.source)
        return a->at.source ? 1 : -1;
    if (a->at.start != b->at.start)
        return a->at.start < b->at.start ? -1 : 1;
    return a->rule != b->rule ? (a->rule < b->rule ? -1 : 1) : 0;
}

static int compare(const void *one, const void *other)
{
    const Finding *a = one, *b = other;
    int d = compare_places(a, b);
    if (!d)
        d = strcmp(a->file, b->file);
    if (!d)
        d = strcmp(a->text, b->text);
    return d ? d : (a->profiles > b->profiles) - (a->profiles < b->profiles);
}

static bool same(const Finding *a, const Finding *b)
{
    return compare_places(a, b) == 0 && strcmp(a->file, b->file) == 0 && strcmp(a->text, b->text) == 0;
}

void findings_join(Checker *c)
{
    int kept = 0;
    if (c->findings)
        qsort(c->finding, (size_t)c->findings, sizeof *c->finding, compare);
    for (int i = 0; i < c->findings; i++) {
        Finding *f = &c->finding[i];
        if (kept && same(&c->finding[kept - 1], f)) {
            c->finding[kept - 1].profiles |= f->profiles;
            continue;
        }
        c->finding[kept++] = *f;
        c->count[f->severity]++;
    }
    c->findings = kept;
}

/* ---- printing ---- */

/* " [ane-rank-5: m1, m2]"; profiles only where not all of them find it. */
static void add_label(Text *out, const Checker *c, const Finding *f)
{
    uint64_t all = c->profiles >= CHECK_MOST_PROFILES ? ~(uint64_t)0 : ((uint64_t)1 << c->profiles) - 1;
    text_printf(out, " [%s", rule_info(f->rule)->name);
    const char *between = ": ";
    for (int i = 0; f->profiles && f->profiles != all && i < c->profiles; i++)
        if (f->profiles >> i & 1) {
            text_printf(out, "%s%s", between, c->profile[i]->name);
            between = ", ";
        }
    text_putc(out, ']');
}

static void print_one(const Checker *c, const Finding *f, Diags *out)
{
    static const DiagKind kinds[] = {DIAG_NOTE, DIAG_NOTE, DIAG_WARNING, DIAG_ERROR};
    Text t = {0};
    if (!f->at.source)
        text_printf(&t, "%s: ", f->file);
    text_puts(&t, f->text);
    add_label(&t, c, f);
    diag_rule(out, kinds[f->severity], rule_info(f->rule)->name, f->at, "%s", t.data);
    if (f->related_text)
        diag_note(out, f->related, "%s", f->related_text);
    text_free(&t);
}

/* How many findings before i are of its rule, subject and file. Findings of a file stand together. */
typedef struct Alike {
    char *key; /* rule and subject */
    const Finding *first;
    int shown, more;
    UT_hash_handle hh;
} Alike;

static Alike *find_alike(Alike **set, const Finding *f)
{
    Text key = {0};
    Alike *a;
    text_printf(&key, "%d %s", f->rule, f->subject);
    HASH_FIND(hh, *set, key.data, key.size, a);
    if (a) {
        text_free(&key);
        return a;
    }
    a = xcalloc(1, sizeof *a);
    a->key = key.data;
    a->first = f;
    HASH_ADD_KEYPTR(hh, *set, a->key, key.size, a);
    return a;
}

static void flush(Alike **set, Diags *out)
{
    Alike *a, *next;
    HASH_ITER(hh, *set, a, next)
    {
        const char *subject = a->first->subject;
        if (a->more)
            diag_note(out, (Span){0}, "%s: %d more like the %s above%s%s [%s]", a->first->file, a->more,
                      severity_name(a->first->severity), *subject ? ", of " : "", subject,
                      rule_info(a->first->rule)->name);
        HASH_DEL(*set, a);
        free(a->key);
        free(a);
    }
}

void check_print(const Checker *c, Diags *out, Severity least, int alike)
{
    Alike *set = NULL;
    const Finding *last = NULL;
    for (int i = 0; i < c->findings; i++) {
        const Finding *f = &c->finding[i];
        if (f->severity < least)
            continue;
        if (last && last->order != f->order)
            flush(&set, out);
        Alike *a = find_alike(&set, f);
        if (alike && a->shown >= alike)
            a->more++;
        else
            print_one(c, f, out);
        a->shown += !alike || a->shown < alike;
        last = f;
    }
    flush(&set, out);
}

static void add_count(Text *out, int n, const char *what)
{
    text_printf(out, "%s%d %s%s", out->size ? ", " : "", n, what, n == 1 ? "" : "s");
}

void check_summary(const Checker *c, Text *out)
{
    Text t = {0};
    add_count(&t, c->count[SEVERITY_ERROR], "error");
    add_count(&t, c->count[SEVERITY_WARNING], "warning");
    add_count(&t, c->count[SEVERITY_NOTE], "note");
    text_puts(out, t.data);
    text_free(&t);
}

/* ---- JSON ---- */

/* Positions of one source in ascending order: each byte is looked at once. */
typedef struct Walk {
    const Source *source;
    uint32_t at;
    int line, column;
} Walk;

static void walk_to(Walk *w, Span to)
{
    if (w->source != to.source || to.start < w->at)
        *w = (Walk){to.source, 0, 1, 1};
    for (; w->at < to.start && w->at < to.source->size; w->at++) {
        bool end = to.source->text[w->at] == '\n';
        w->line += end;
        w->column = end ? 1 : w->column + 1;
    }
}

static json_t *string_or_null(const char *s)
{
    json_t *j = s ? json_string(s) : json_null();
    return j ? j : json_string("(not UTF-8)");
}

static json_t *finding_json(const Checker *c, const Finding *f, Walk *w)
{
    json_t *j = json_object(), *profiles = json_array();
    json_object_set_new(j, "rule", json_string(rule_info(f->rule)->name));
    json_object_set_new(j, "severity", json_string(severity_name(f->severity)));
    json_object_set_new(j, "file", string_or_null(f->file));
    if (f->at.source) {
        walk_to(w, f->at);
        json_object_set_new(j, "line", json_integer(w->line));
        json_object_set_new(j, "column", json_integer(w->column));
        json_object_set_new(j, "length", json_integer(f->at.length));
    }
    json_object_set_new(j, "text", string_or_null(f->text));
    if (*f->subject)
        json_object_set_new(j, "subject", string_or_null(f->subject));
    for (int i = 0; i < c->profiles; i++)
        if (f->profiles >> i & 1)
            json_array_append_new(profiles, string_or_null(c->profile[i]->name));
    json_object_set_new(j, "profiles", profiles);
    return j;
}

void check_json(const Checker *c, Text *out)
{
    json_t *root = json_object(), *findings = json_array(), *summary = json_object();
    Walk w = {0};
    for (int i = 0; i < c->findings; i++)
        json_array_append_new(findings, finding_json(c, &c->finding[i], &w));
    json_object_set_new(summary, "errors", json_integer(c->count[SEVERITY_ERROR]));
    json_object_set_new(summary, "warnings", json_integer(c->count[SEVERITY_WARNING]));
    json_object_set_new(summary, "notes", json_integer(c->count[SEVERITY_NOTE]));
    json_object_set_new(summary, "files", json_integer(c->files));
    json_object_set_new(summary, "functions", json_integer(c->functions));
    json_object_set_new(summary, "ops", json_integer(c->ops));
    json_object_set_new(summary, "weight_bytes", json_integer(c->weight_bytes));
    json_object_set_new(root, "findings", findings);
    json_object_set_new(root, "summary", summary);
    char *text = json_dumps(root, JSON_INDENT(2));
    text_puts(out, text ? text : "{}");
    text_putc(out, '\n');
    free(text);
    json_decref(root);
}
