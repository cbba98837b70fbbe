#include "runtime/tokenizer/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* The length of a character that starts with c; 0: none does. */
static int character_length(unsigned char c)
{
    if (c < 0x80)
        return 1;
    return c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* Whether c may be byte `at` (1..3) of a character that starts with `first`. The second byte decides
 * between valid characters, longer forms than needed (E0, F0), surrogates (ED) and what lies past U+10FFFF
 * (F4). */
static bool may_follow(unsigned char first, int at, unsigned char c)
{
    unsigned char low = 0x80, high = 0xbf;
    if (at == 1) {
        low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    }
    return c >= low && c <= high;
}

static void feed_byte(Utf8Stream *s, unsigned char c, Text *out)
{
    if (s->count && !may_follow(s->held[0], s->count, c))
        utf8_stream_flush(s, out); /* c may start a character of its own */
    int length = character_length(s->count ? s->held[0] : c);
    if (!length) {
        text_puts(out, REPLACEMENT);
        return;
    }
    s->held[s->count++] = c;
    if (s->count == length) {
        text_add(out, (const char *)s->held, (size_t)length);
        s->count = 0;
    }
}

void utf8_stream_feed(Utf8Stream *s, const char *bytes, size_t size, Text *out)
{
    for (size_t i = 0; i < size; i++)
        feed_byte(s, (unsigned char)bytes[i], out);
}

void utf8_stream_flush(Utf8Stream *s, Text *out)
{
    if (s->count)
        text_puts(out, REPLACEMENT);
    s->count = 0;
}

/* Knuth, Morris and Pratt for each stop text side by side: `matched` of its bytes are the last bytes read.
 * What is held back is the longest of these. */
typedef struct Stop {
    char *text;
    size_t size;
    size_t *border; /* border[n]: the longest proper start of the first n bytes that also ends them */
    size_t matched;
    int index;
} Stop;

struct StopMatcher {
    Stop *stops;
    size_t count;
    int found; /* -1: none */
    Text held;
};

static void stop_init(Stop *s, const char *text, int index)
{
    s->text = xstrdup(text);
    s->size = strlen(text);
    s->index = index;
    s->border = xcalloc(s->size + 1, sizeof *s->border);
    for (size_t n = 1, k = 0; n < s->size; n++) {
        while (k && text[n] != text[k])
            k = s->border[k];
        k += text[n] == text[k];
        s->border[n + 1] = k;
    }
}

StopMatcher *stop_matcher_new(const char *const *stops, size_t count)
{
    StopMatcher *m = xcalloc(1, sizeof *m);
    m->stops = xcalloc(count ? count : 1, sizeof *m->stops);
    m->found = -1;
    for (size_t i = 0; i < count; i++)
        if (*stops[i])
            stop_init(&m->stops[m->count++], stops[i], (int)i);
    return m;
}

void stop_matcher_free(StopMatcher *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count; i++) {
        free(m->stops[i].text);
        free(m->stops[i].border);
    }
    free(m->stops);
    text_free(&m->held);
    free(m);
}

static void stop_step(Stop *s, char c)
{
    while (s->matched && s->text[s->matched] != c)
        s->matched = s->border[s->matched];
    s->matched += s->text[s->matched] == c;
}

/* The stop text that ends with c, the longest where there are several, or NULL. *open: how many of the
 * last bytes may belong to one. */
static const Stop *step(StopMatcher *m, char c, size_t *open)
{
    const Stop *met = NULL;
    *open = 0;
    for (size_t i = 0; i < m->count; i++) {
        Stop *s = &m->stops[i];
        stop_step(s, c);
        if (s->matched == s->size && (!met || s->size > met->size))
            met = s;
        if (s->matched > *open)
            *open = s->matched;
    }
    return met;
}

/* Lets all but the last `keep` of the held bytes go. */
static void let_go(StopMatcher *m, size_t keep, Text *out)
{
    size_t size = m->held.size - keep;
    if (!size)
        return;
    text_add(out, m->held.data, size);
    memmove(m->held.data, m->held.data + size, keep);
    m->held.size = keep;
}

bool stop_matcher_feed(StopMatcher *m, const char *bytes, size_t size, Text *out)
{
    size_t open = 0;
    for (size_t i = 0; i < size && m->found < 0; i++) {
        text_putc(&m->held, bytes[i]);
        const Stop *met = step(m, bytes[i], &open);
        if (met) {
            let_go(m, met->size, out);
            text_clear(&m->held);
            m->found = met->index;
        }
    }
    if (m->found < 0 && size)
        let_go(m, open, out);
    return m->found >= 0;
}

void stop_matcher_flush(StopMatcher *m, Text *out)
{
    if (m->found < 0)
        let_go(m, 0, out);
    for (size_t i = 0; i < m->count; i++)
        m->stops[i].matched = 0;
}

int stop_matcher_found(const StopMatcher *m)
{
    return m->found;
}

void stop_matcher_reset(StopMatcher *m)
{
    for (size_t i = 0; i < m->count; i++)
        m->stops[i].matched = 0;
    text_clear(&m->held);
    m->found = -1;
}
