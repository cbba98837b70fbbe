#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

static void reserve(Text *t, size_t more)
{
    if (t->cap - t->size > more)
        return;
    size_t cap = t->cap ? t->cap : 64;
    while (cap - t->size <= more)
        cap *= 2;
    t->data = xrealloc(t->data, cap);
    t->cap = cap;
}

void text_add(Text *t, const char *bytes, size_t size)
{
    reserve(t, size);
    if (size)
        memcpy(t->data + t->size, bytes, size);
    t->size += size;
    t->data[t->size] = 0;
}

void text_puts(Text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_putc(Text *t, char c)
{
    text_add(t, &c, 1);
}

void text_vprintf(Text *t, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    reserve(t, 32);
    int n = vsnprintf(t->data + t->size, t->cap - t->size, fmt, ap);
    if (n >= 0 && (size_t)n >= t->cap - t->size) {
        reserve(t, (size_t)n);
        vsnprintf(t->data + t->size, (size_t)n + 1, fmt, again);
    }
    t->size += n < 0 ? 0 : (size_t)n;
    va_end(again);
}

void text_printf(Text *t, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(t, fmt, ap);
    va_end(ap);
}

const char *text_cstr(const Text *t)
{
    return t->data ? t->data : "";
}

void text_clear(Text *t)
{
    t->size = 0;
    if (t->data)
        t->data[0] = 0;
}

void text_free(Text *t)
{
    free(t->data);
    *t = (Text){0};
}

bool text_ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

int text_distance(const char *a, const char *b, int limit)
{
    enum { MAX = 127 };
    int row[MAX + 1];
    size_t la = strlen(a), lb = strlen(b);
    if (la > MAX || lb > MAX || (la > lb ? la - lb : lb - la) > (size_t)limit)
        return limit + 1;
    for (int j = 0; j <= (int)lb; j++)
        row[j] = j;
    for (int i = 1; i <= (int)la; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= (int)lb; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[lb] <= limit ? row[lb] : limit + 1;
}
