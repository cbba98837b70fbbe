#include "base/flags.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { HELP_COLUMN = 26, HELP_WIDTH = 100 };

static bool matches(const char *spelling, const char *text, size_t length)
{
    return spelling && strlen(spelling) == length && strncmp(spelling, text, length) == 0;
}

static const Flag *find(const Flag *flags, int count, const char *text, size_t length)
{
    for (int i = 0; i < count; i++)
        if (flags[i].kind != FLAG_GROUP &&
            (matches(flags[i].name, text, length) || matches(flags[i].other, text, length)))
            return &flags[i];
    return NULL;
}

static bool unknown(const Flag *flags, int count, const char *text, size_t length, Error *err)
{
    char name[64] = "";
    const char *nearest = NULL;
    int best = 3;
    if (length < sizeof name)
        memcpy(name, text, length);
    for (int i = 0; i < count && *name; i++) {
        int d = flags[i].kind == FLAG_GROUP ? best : text_distance(flags[i].name, name, best);
        if (d < best) {
            best = d;
            nearest = flags[i].name;
        }
    }
    if (nearest)
        return error_set(err, "unknown option %.*s (did you mean %s?)", (int)length, text, nearest);
    return error_set(err, "unknown option %.*s", (int)length, text);
}

static bool set_int(const Flag *f, const char *value, Error *err)
{
    char *end;
    errno = 0;
    long long v = strtoll(value, &end, 10);
    if (end == value || *end || errno || (double)v < f->least || (double)v > f->most)
        return error_set(err, "%s: \"%s\" is not a whole number from %.0f to %.0f", f->name, value, f->least,
                         f->most);
    *(int64_t *)f->target = v;
    return true;
}

static bool set_number(const Flag *f, const char *value, Error *err)
{
    char *end;
    double v = strtod(value, &end);
    if (end == value || *end || !isfinite(v) || v < f->least || v > f->most)
        return error_set(err, "%s: \"%s\" is not a number from %g to %g", f->name, value, f->least, f->most);
    *(double *)f->target = v;
    return true;
}

static void push(FlagList *list, const char *value)
{
    list->item = xrealloc(list->item, (size_t)(list->count + 1) * sizeof *list->item);
    list->item[list->count++] = value;
}

static bool set(const Flag *f, const char *value, Error *err)
{
    switch (f->kind) {
    case FLAG_INT: return set_int(f, value, err);
    case FLAG_NUMBER: return set_number(f, value, err);
    case FLAG_LIST: push(f->target, value); return true;
    default: *(const char **)f->target = value; return true;
    }
}

bool flags_parse(const Flag *flags, int count, int argc, char **argv, const char **rest, int *rests,
                 Error *err)
{
    bool only_rest = false;
    *rests = 0;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (only_rest || text[0] != '-' || !text[1]) {
            rest[(*rests)++] = text;
            continue;
        }
        if (strcmp(text, "--") == 0) {
            only_rest = true;
            continue;
        }
        size_t length = strncmp(text, "--", 2) == 0 ? strcspn(text, "=") : strlen(text);
        const Flag *f = find(flags, count, text, length);
        if (!f)
            return unknown(flags, count, text, length, err);
        if (f->kind == FLAG_BOOL) {
            if (text[length])
                return error_set(err, "%s takes no value", f->name);
            *(bool *)f->target = true;
            continue;
        }
        const char *value = text[length] ? text + length + 1 : ++i < argc ? argv[i] : NULL;
        if (!value)
            return error_set(err, "%s needs a value: %s %s", f->name, f->name, f->arg);
        if (!set(f, value, err))
            return false;
    }
    return true;
}

/* Words of `help`, from column `at` on, wrapped. */
static void wrap(Text *out, size_t at, const char *help)
{
    for (const char *word = help; *word;) {
        size_t n = strcspn(word, " ");
        if (at + 1 + n > HELP_WIDTH && at > HELP_COLUMN) {
            text_printf(out, "\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
        } else if (word != help) {
            text_putc(out, ' ');
            at++;
        }
        text_add(out, word, n);
        at += n;
        word += n + strspn(word + n, " ");
    }
    text_putc(out, '\n');
}

void flags_help(Text *out, const Flag *flags, int count)
{
    for (int i = 0; i < count; i++) {
        const Flag *f = &flags[i];
        if (f->kind == FLAG_GROUP) {
            text_printf(out, "%s%s:\n", i ? "\n" : "", f->name);
            continue;
        }
        size_t start = out->size;
        text_printf(out, "  %s", f->name);
        if (f->other)
            text_printf(out, ", %s", f->other);
        if (f->arg)
            text_printf(out, " %s", f->arg);
        size_t used = out->size - start;
        if (used >= HELP_COLUMN) {
            text_putc(out, '\n');
            used = 0;
        }
        text_printf(out, "%*s", (int)(HELP_COLUMN - used), "");
        wrap(out, HELP_COLUMN, f->help);
    }
}
