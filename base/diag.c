#include "base/diag.h"

#include <stdarg.h>
#include <string.h>

enum { DEFAULT_LIMIT = 20, MAX_SHOWN = 160 };

Span span_join(Span a, Span b)
{
    if (!a.source)
        return b;
    if (a.source != b.source)
        return a;
    uint32_t start = a.start < b.start ? a.start : b.start;
    uint32_t end_a = a.start + a.length, end_b = b.start + b.length;
    return (Span){a.source, start, (end_a > end_b ? end_a : end_b) - start};
}

static size_t line_start(Span at)
{
    size_t i = at.start < at.source->size ? at.start : at.source->size;
    while (i > 0 && at.source->text[i - 1] != '\n')
        i--;
    return i;
}

void span_position(Span at, int *line, int *column)
{
    size_t start = line_start(at);
    *line = 1;
    for (size_t i = 0; i < start; i++)
        *line += at.source->text[i] == '\n';
    *column = (int)(at.start - start) + 1;
}

/* The source line and the carets below it. A long line is shown as a window around the span. */
static void print_excerpt(FILE *out, Span at)
{
    const char *text = at.source->text;
    size_t begin = line_start(at), end = begin;
    while (end < at.source->size && text[end] != '\n' && text[end] != '\r')
        end++;
    size_t from = begin;
    if (at.start > begin + MAX_SHOWN / 2 && end - begin > MAX_SHOWN)
        from = at.start - MAX_SHOWN / 2;
    size_t to = end - from > MAX_SHOWN ? from + MAX_SHOWN : end;
    fputs("    ", out);
    for (size_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)text[i];
        fputc(c == '\t' ? '\t' : c < 0x20 || c == 0x7f ? '?' : c, out);
    }
    fputs("\n    ", out);
    for (size_t i = from; i < at.start && i < to; i++) {
        unsigned char c = (unsigned char)text[i];
        if ((c & 0xc0) != 0x80) /* one column a code point */
            fputc(c == '\t' ? '\t' : ' ', out);
    }
    fputc('^', out);
    for (size_t i = at.start + 1; i < at.start + at.length && i < to; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80)
            fputc('~', out);
    fputc('\n', out);
}

static void print(Diags *d, DiagKind kind, Span at, const char *fmt, va_list ap)
{
    static const char *const names[] = {"error", "warning", "note"};
    static const char *const colours[] = {"\033[1;31m", "\033[1;35m", "\033[1;36m"};
    if (!d->out)
        return;
    if (at.source) {
        int line, column;
        span_position(at, &line, &column);
        fprintf(d->out, "%s:%d:%d: ", at.source->name, line, column);
    }
    fprintf(d->out, "%s%s:%s ", d->colour ? colours[kind] : "", names[kind], d->colour ? "\033[0m" : "");
    vfprintf(d->out, fmt, ap);
    fputc('\n', d->out);
    if (at.source)
        print_excerpt(d->out, at);
}

static bool shown(const Diags *d)
{
    return d->errors <= (d->limit ? d->limit : DEFAULT_LIMIT);
}

static void sink(Diags *d, DiagKind kind, const char *rule, Span at, const char *fmt, va_list ap)
{
    char text[1400];
    vsnprintf(text, sizeof text, fmt, ap);
    d->sink(d->context, kind, rule, at, text);
}

static void say(Diags *d, DiagKind kind, const char *rule, Span at, const char *fmt, va_list ap)
{
    d->errors += kind == DIAG_ERROR;
    d->warnings += kind == DIAG_WARNING;
    if (d->sink)
        sink(d, kind, rule, at, fmt, ap);
    else if (shown(d) && !(d->quiet && kind == DIAG_WARNING))
        print(d, kind, at, fmt, ap);
}

void diag_error(Diags *d, Span at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(d, DIAG_ERROR, NULL, at, fmt, ap);
    va_end(ap);
}

void diag_warning(Diags *d, Span at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(d, DIAG_WARNING, NULL, at, fmt, ap);
    va_end(ap);
}

void diag_note(Diags *d, Span at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(d, DIAG_NOTE, NULL, at, fmt, ap);
    va_end(ap);
}

void diag_rule(Diags *d, DiagKind kind, const char *rule, Span at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(d, kind, rule, at, fmt, ap);
    va_end(ap);
}
