/* Splits a chat template into text and tokens. As transformers sets Jinja up: trim_blocks (the line end after
 * a block or a comment goes) and lstrip_blocks (so does the white space before one at the start of a line);
 * a line end at the very end of the template is dropped. */
#include "runtime/chat/tree.h"

#include <string.h>

typedef struct Scanner {
    Arena *arena;
    TokenList *out;
    Error *err;
    const char *p, *end;
    int line;
    bool line_starts; /* what came before p ended a line, or p is the start */
    char opener[64];  /* open brackets within a tag */
    int open;
} Scanner;

static void add(Scanner *s, TokenKind kind, const char *from, size_t size)
{
    ChatToken t = {kind, s->line, {from, NULL, size}};
    arena_push(s->arena, s->out->token, s->out->count, s->out->cap, t);
}

static bool wrong(const Scanner *s, const char *what)
{
    return error_set(s->err, "line %d: %s", s->line, what);
}

static void count_lines(Scanner *s, const char *from, const char *to)
{
    for (; from < to; from++)
        s->line += *from == '\n';
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- outside the tags ---- */

/* Where the text before a tag ends. sign: the character behind "{%". */
static const char *text_end(const Scanner *s, const char *from, const char *tag, char sign)
{
    const char *end = tag;
    while (end > from && is_blank(end[-1]))
        end--;
    if (sign == '-')
        return end;
    if (sign == '+' || tag[1] == '{')
        return tag;
    const char *line = tag;
    while (line > from && line[-1] != '\n')
        line--;
    return end <= line && (line > from || s->line_starts) ? line : tag;
}

/* What follows a tag that ended at p. */
static void after_tag(Scanner *s, bool strip, bool trim)
{
    const char *from = s->p;
    if (strip)
        while (s->p < s->end && is_blank(*s->p))
            s->p++;
    else if (trim && s->p < s->end && *s->p == '\n')
        s->p++;
    count_lines(s, from, s->p);
    s->line_starts = s->p > from && s->p[-1] == '\n';
}

static void put_text(Scanner *s, const char *from, const char *to)
{
    if (to > from)
        add(s, TOKEN_TEXT, from, (size_t)(to - from));
}

static bool comment(Scanner *s)
{
    const char *from = s->p, *close = s->p + 2;
    for (; close < s->end - 1 && memcmp(close, "#}", 2) != 0; close++)
        continue;
    if (close >= s->end - 1)
        return wrong(s, "the comment has no end \"#}\"");
    s->p = close + 2;
    count_lines(s, from, s->p);
    after_tag(s, close > from + 2 && close[-1] == '-', true);
    return true;
}

/* "{%- NAME -%}" at p: its end, or NULL. `right`: whether it strips what is behind it. */
static const char *bare_tag(const char *p, const char *end, const char *name, bool *right)
{
    size_t n = strlen(name);
    p += 2;
    p += *p == '-' || *p == '+';
    while (p < end && is_blank(*p))
        p++;
    if ((size_t)(end - p) < n || memcmp(p, name, n) != 0)
        return NULL;
    p += n;
    while (p < end && is_blank(*p))
        p++;
    *right = *p == '-';
    p += *p == '-' || *p == '+';
    return end - p >= 2 && memcmp(p, "%}", 2) == 0 ? p + 2 : NULL;
}

static bool raw(Scanner *s, const char *body, bool strip)
{
    count_lines(s, s->p, body);
    s->p = body;
    after_tag(s, strip, true);
    const char *from = s->p, *close = NULL;
    bool right = false;
    for (const char *p = from; p < s->end - 1 && !close; p++)
        if (p[0] == '{' && p[1] == '%' && (close = bare_tag(p, s->end, "endraw", &right)) != NULL)
            put_text(s, from, text_end(s, from, p, p[2]));
    if (!close)
        return wrong(s, "{% raw %} has no {% endraw %}");
    count_lines(s, from, close);
    s->p = close;
    after_tag(s, right, true);
    return true;
}

/* ---- inside the tags ---- */

static void put_utf8(Build *b, unsigned long c)
{
    char u[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        u[i] = (char)(0x80 | (c & 0x3f));
    u[0] = (char)(lead[n] | c);
    build_bytes(b, u, n, 0);
}

/* \xHH, \uHHHH, \UHHHHHHHH at p (the letter); false where the digits are missing. */
static bool put_number(Build *b, const char **p, const char *end)
{
    int digits = **p == 'x' ? 2 : **p == 'u' ? 4 : 8;
    unsigned long c = 0;
    for (int i = 1; i <= digits; i++) {
        const char *at = *p + i < end && (*p)[i] ? strchr("0123456789abcdef0123456789ABCDEF", (*p)[i]) : NULL;
        if (!at)
            return false;
        c = c * 16 + (unsigned long)((at - "0123456789abcdef0123456789ABCDEF") & 15);
    }
    *p += digits;
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return false;
    put_utf8(b, c);
    return true;
}

static bool string(Scanner *s, const char *from, const char *to)
{
    Build b = {.arena = s->arena};
    for (const char *p = from; p < to; p++) {
        static const char plain[] = "n\nt\tr\rb\bf\fv\va\a\\\\''\"\"";
        const char *at = NULL;
        if (*p != '\\') {
            build_bytes(&b, p, 1, 0);
            continue;
        }
        p++;
        for (const char *e = plain; *e && !at; e += 2)
            at = *e == *p ? e + 1 : NULL;
        if (at)
            build_bytes(&b, at, 1, 0);
        else if (*p == 'x' || *p == 'u' || *p == 'U') {
            if (!put_number(&b, &p, to))
                return wrong(s, "this escape in a text stands for no character");
        } else if (*p != '\n')
            build_bytes(&b, p - 1, 2, 0);
    }
    Str done = build_done(&b);
    add(s, TOKEN_STRING, done.data, done.size);
    count_lines(s, from, to);
    return true;
}

static bool bracket(Scanner *s, char c)
{
    if (strchr("([{", c)) {
        if (s->open == (int)sizeof s->opener)
            return wrong(s, "too many brackets within each other");
        s->opener[s->open++] = c;
    } else {
        char opener = c == ')' ? '(' : c == ']' ? '[' : '{';
        if (!s->open || s->opener[s->open - 1] != opener)
            return wrong(s, "a bracket is closed that was not opened");
        s->open--;
    }
    add(s, TOKEN_OPERATOR, s->p - 1, 1);
    return true;
}

/* One token at p; *closed is set where it ended the tag. kind: TOKEN_BLOCK or TOKEN_PRINT. */
static bool inside(Scanner *s, TokenKind kind, bool *closed)
{
    const char *YYCURSOR = s->p, *YYMARKER, *from = s->p;
    char what[48];
    bool strip;

#define PUT(token)                                                                                           \
    do {                                                                                                     \
        s->p = YYCURSOR;                                                                                     \
        add(s, (token), from, (size_t)(YYCURSOR - from));                                                    \
        return true;                                                                                         \
    } while (0)

    /*!re2c
    re2c:yyfill:enable = 0;
    re2c:define:YYCTYPE = "unsigned char";

    [ \t\v\f\r\n]+ {
        count_lines(s, from, YYCURSOR);
        s->p = YYCURSOR;
        return true;
    }
    [A-Za-z_][A-Za-z0-9_]*                          { PUT(TOKEN_NAME); }
    [0-9]+ ("_" [0-9]+)*                            { PUT(TOKEN_INT); }
    [0-9]+ "." [0-9]+ ([eE] [+-]? [0-9]+)?          { PUT(TOKEN_FLOAT); }
    [0-9]+ [eE] [+-]? [0-9]+                        { PUT(TOKEN_FLOAT); }
    ["] ([^"\\\x00] | "\\" [^\x00])* ["] | ['] ([^'\\\x00] | "\\" [^\x00])* ['] {
        s->p = YYCURSOR;
        return string(s, from + 1, YYCURSOR - 1);
    }
    ["'] { return wrong(s, "a text in quotes has no end"); }
    [([{] | [)\]}] {
        s->p = YYCURSOR;
        return bracket(s, *from);
    }
    "//" | "**" | "==" | "!=" | "<=" | ">=" | [<>=+\-*/%~,:.|] { PUT(TOKEN_OPERATOR); }
    [-+]? "%}" | "-"? "}}" {
        if (s->open) {
            s->p = from + 1;
            if (*from == '}')
                return bracket(s, '}');
            add(s, TOKEN_OPERATOR, from, 1);
            return true;
        }
        if ((YYCURSOR[-2] == '%') != (kind == TOKEN_BLOCK))
            return wrong(s, kind == TOKEN_BLOCK ? "\"{%\" ends with \"}}\"" : "\"{{\" ends with \"%}\"");
        strip = *from == '-';
        add(s, kind == TOKEN_BLOCK ? TOKEN_BLOCK_END : TOKEN_PRINT_END, from, 0);
        s->p = YYCURSOR;
        after_tag(s, strip, kind == TOKEN_BLOCK && *from != '+');
        *closed = true;
        return true;
    }
    "\x00" { return wrong(s, "a tag has no end"); }
    *      {
        error_quote(what, sizeof what, from, 1);
        return error_set(s->err, "line %d: \"%s\" is no part of the template language", s->line, what);
    }
    */
#undef PUT
}

static bool tag(Scanner *s)
{
    TokenKind kind = s->p[1] == '%' ? TOKEN_BLOCK : TOKEN_PRINT;
    bool closed = false, strip;
    const char *body = kind == TOKEN_BLOCK ? bare_tag(s->p, s->end, "raw", &strip) : NULL;
    if (body)
        return raw(s, body, strip);
    add(s, kind, s->p, 2);
    s->p += 2;
    s->p += *s->p == '-' || (*s->p == '+' && kind == TOKEN_BLOCK);
    s->open = 0;
    while (!closed)
        if (!inside(s, kind, &closed))
            return false;
    return true;
}

/* Line ends become \n, the last one goes. */
static const char *normalized(Arena *a, const char *text, size_t size, const char **end)
{
    char *copy = arena_alloc(a, size + 1), *to = copy;
    for (size_t i = 0; i < size; i++)
        if (text[i] != '\r')
            *to++ = text[i];
        else if (i + 1 == size || text[i + 1] != '\n')
            *to++ = '\n';
    if (to > copy && to[-1] == '\n')
        to--;
    *to = 0;
    *end = to;
    return copy;
}

bool chat_scan(Arena *a, const char *text, size_t size, TokenList *out, Error *err)
{
    Scanner s = {.arena = a, .out = out, .err = err, .line = 1, .line_starts = true};
    s.p = normalized(a, text, size, &s.end);
    if (memchr(s.p, 0, (size_t)(s.end - s.p)))
        return error_set(err, "the template has a NUL byte");
    while (s.p < s.end) {
        const char *from = s.p, *open = from;
        while (open < s.end && !(open[0] == '{' && open[1] && strchr("%{#", open[1])))
            open++;
        const char *stop = open < s.end ? text_end(&s, from, open, open[2]) : open;
        put_text(&s, from, stop);
        count_lines(&s, from, open);
        s.p = open;
        if (open < s.end && !(open[1] == '#' ? comment(&s) : tag(&s)))
            return false;
    }
    add(&s, TOKEN_END, s.p, 0);
    return true;
}
