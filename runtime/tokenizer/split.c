#include "runtime/tokenizer/split.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "runtime/tokenizer/classes.h"

/* All known patterns are one alternation with different parts:
 *
 *     contractions | letters | numbers | others | white space
 *
 * The alternatives are tried in that order, each as long as it gets; the functions below are named for
 * them. */
struct SplitPattern {
    const char *regex;
    bool any_case;     /* contractions are (?i:...) */
    bool any_prefix;   /* letters take one [^\r\n\p{L}\p{N}] in front, not just one " " */
    int digits;        /* numbers are \p{N}{1,digits}; 0: " ?\p{N}+" */
    bool own_newlines; /* others end with [\r\n]*, and \s*[\r\n]+ is a word */
};

/* The alternatives that Llama 3 and Qwen share, around the numbers. */
#define MODERN(numbers)                                                                                      \
    .regex = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers                           \
             "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",                               \
    .any_case = true, .any_prefix = true, .own_newlines = true

static const SplitPattern patterns[] = {
    {.regex = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
    /* the same, as the authors of tiktoken write it */
    {.regex = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
    {MODERN("\\p{N}{1,3}"), .digits = 3}, /* Llama 3 (cl100k) */
    {MODERN("\\p{N}"), .digits = 1},      /* Qwen 2 and 3 */
};

const SplitPattern *const split_gpt2 = &patterns[0];
const SplitPattern *const split_llama3 = &patterns[2];
const SplitPattern *const split_qwen2 = &patterns[3];

const char *split_pattern_regex(const SplitPattern *pattern)
{
    return pattern->regex;
}

const SplitPattern *split_pattern_find(const char *regex)
{
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        if (strcmp(patterns[i].regex, regex) == 0)
            return &patterns[i];
    return NULL;
}

typedef const unsigned char Byte;

static inline CharClass class_at(Byte *at, Byte *end, int *length)
{
    unsigned c = *at;
    if (c >= 0x80)
        return char_class(at, end, length);
    *length = 1;
    if ((c | 0x20) - 'a' < 26)
        return CHAR_LETTER;
    if (c == ' ' || c - '\t' < 5)
        return CHAR_SPACE;
    return c - '0' < 10 ? CHAR_NUMBER : CHAR_OTHER;
}

/* The end of the run of `want` that starts at `at`, at most `limit` characters of it. */
static Byte *run(Byte *at, Byte *end, CharClass want, size_t limit)
{
    int length;
    while (at < end && limit-- && class_at(at, end, &length) == want)
        at += length;
    return at;
}

static bool is_newline(unsigned char c)
{
    return c == '\r' || c == '\n';
}

/* 's 't 're 've 'm 'll 'd; nothing: at. Without regard to case, "s" is also U+017F, the long s, which
 * folds to it. */
static Byte *contraction(const SplitPattern *p, Byte *at, Byte *end)
{
    unsigned char c[2] = {0, 0};
    if (*at != '\'')
        return at;
    for (int i = 0; i < 2 && end - at > i + 1; i++) {
        c[i] = at[i + 1];
        if (p->any_case && c[i] >= 'A' && c[i] <= 'Z')
            c[i] = (unsigned char)(c[i] + 'a' - 'A');
    }
    if (c[0] == 's' || c[0] == 't' || c[0] == 'm' || c[0] == 'd')
        return at + 2;
    if ((c[0] == 'r' && c[1] == 'e') || (c[0] == 'v' && c[1] == 'e') || (c[0] == 'l' && c[1] == 'l'))
        return at + 3;
    if (p->any_case && c[0] == 0xc5 && c[1] == 0xbf)
        return at + 3;
    return at;
}

static Byte *letters(const SplitPattern *p, Byte *at, Byte *end)
{
    int length;
    CharClass first = class_at(at, end, &length);
    Byte *from = at;
    if (p->any_prefix ? first != CHAR_LETTER && first != CHAR_NUMBER && !is_newline(*at) : *at == ' ')
        from += length;
    Byte *to = run(from, end, CHAR_LETTER, SIZE_MAX);
    return to > from ? to : at;
}

static Byte *numbers(const SplitPattern *p, Byte *at, Byte *end)
{
    if (p->digits)
        return run(at, end, CHAR_NUMBER, (size_t)p->digits);
    Byte *from = at + (*at == ' ');
    Byte *to = run(from, end, CHAR_NUMBER, SIZE_MAX);
    return to > from ? to : at;
}

static Byte *others(const SplitPattern *p, Byte *at, Byte *end)
{
    Byte *from = at + (*at == ' ');
    Byte *to = run(from, end, CHAR_OTHER, SIZE_MAX);
    if (to == from)
        return at;
    while (p->own_newlines && to < end && is_newline(*to))
        to++;
    return to;
}

/* at is white space here. \s*[\r\n]+ goes up to the last newline of the run; \s+(?!\S) leaves the last
 * character of the run to the word that follows; \s+ is what remains, a single character before a word. */
static Byte *spaces(const SplitPattern *p, Byte *at, Byte *end)
{
    Byte *last = at, *newline = NULL, *to = at;
    int length;
    while (to < end && class_at(to, end, &length) == CHAR_SPACE) {
        if (is_newline(*to))
            newline = to + 1;
        last = to;
        to += length;
    }
    if (p->own_newlines && newline)
        return newline;
    return to == end || last == at ? to : last;
}

size_t split_next(const SplitPattern *p, const char *text, size_t size)
{
    Byte *at = (Byte *)text, *end = at + size, *to;
    if ((to = contraction(p, at, end)) == at && (to = letters(p, at, end)) == at &&
        (to = numbers(p, at, end)) == at && (to = others(p, at, end)) == at)
        to = spaces(p, at, end);
    return (size_t)(to - at);
}

size_t split_space(const char *text, size_t size)
{
    Byte *at = (Byte *)text;
    return (size_t)(run(at, at + size, CHAR_SPACE, SIZE_MAX) - at);
}

size_t split_number(const char *text, size_t size)
{
    Byte *at = (Byte *)text;
    return (size_t)(run(at, at + size, CHAR_NUMBER, 1) - at);
}
