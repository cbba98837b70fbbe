/* The scanner. It decides which line ends end a statement: not those within ( ) and [ ], not those behind a
 * token that cannot end one (an operator, a comma, `=`), and not those before an operator, `else`, `->` and
 * `{`: no statement begins with these. */
#include "frontend/anel/ast.h"

#include <string.h>

#include "frontend/anel/parse.y.h"

/* The line ends where one of these stands. */
static bool continues(int token)
{
    switch (token) {
    case START_FILE: case START_EXPRESSION: case NEWLINE: case '{': case '(': case '[': case ',': case ':':
    case '+': case '-': case '*': case '/': case '%': case FLOORDIV: case POWER: case '<': case '>':
    case EQ: case NE: case LE: case GE: case AND: case OR: case NOT: case '=':
    case IN: case IF: case ELSE: case ARROW: case DOTDOT:
        return true;
    default:
        return false;
    }
}

static bool is_word(const char *p, const char *word)
{
    size_t n = strlen(word);
    return strncmp(p, word, n) == 0 && strchr(" \t\r\n{(\"", p[n]);
}

/* Whether an operator, `else`, `->` or `{` is what comes next, over blanks, line ends and comments. */
static bool goes_on(const char *p)
{
    for (;;) {
        p += strspn(p, " \t\r\n");
        if (*p != '#')
            break;
        p += strcspn(p, "\n");
    }
    if (*p && strchr("{+-*/%<>", *p))
        return true;
    if ((p[0] == '=' || p[0] == '!') && p[1] == '=')
        return true;
    return is_word(p, "else") || is_word(p, "and") || is_word(p, "or");
}

static uint32_t offset(const Scanner *s, const char *p)
{
    return (uint32_t)(p - s->source->text);
}

static Span span_of(const Scanner *s, const char *from)
{
    return (Span){s->source, offset(s, from), (uint32_t)(s->p - from)};
}

static char opener(const Scanner *s)
{
    return s->open ? s->source->text[s->opener[s->open - 1]] : 0;
}

static bool in_brackets(const Scanner *s)
{
    return opener(s) == '(' || opener(s) == '[';
}

static int open_bracket(Parser *p, int token)
{
    Scanner *s = &p->scanner;
    if (s->open == MAX_DEPTH) {
        if (!p->too_deep)
            diag_error(p->diags, span_of(s, s->p - 1), "nested too deeply (more than %d levels)", MAX_DEPTH);
        p->too_deep = p->told = true;
        s->p = s->end;
        s->open = 0;
        return WRONG;
    }
    s->opener[s->open++] = offset(s, s->p - 1);
    return token;
}

static int close_bracket(Scanner *s, int token, char opens)
{
    if (opener(s) == opens)
        s->open--;
    return token;
}

/* Brackets that are still open where only a statement can begin: said here, where the opener is known. */
static void drop_brackets(Parser *p)
{
    Scanner *s = &p->scanner;
    if (!in_brackets(s))
        return;
    diag_error(p->diags, (Span){s->source, s->opener[s->open - 1], 1}, "this '%c' is not closed", opener(s));
    p->told = true;
    while (in_brackets(s))
        s->open--;
}

void scanner_drop_brackets(Parser *p, Span at)
{
    uint32_t i = at.start;
    while (i > 0 && (at.source->text[i - 1] == ' ' || at.source->text[i - 1] == '\t'))
        i--;
    if (i > 0 && at.source->text[i - 1] == '\n' && !p->scanner.fragment)
        drop_brackets(p);
}

/* A token before which a line ends, if it has not ended yet. */
static int end_line_before(Parser *p, const char *from, int token)
{
    Scanner *s = &p->scanner;
    if (in_brackets(s)) {
        drop_brackets(p);
        s->p = from;
        return NEWLINE;
    }
    if (token == '}' && s->last != NEWLINE && s->last != '{') {
        s->p = from;
        return NEWLINE;
    }
    return token == '}' ? close_bracket(s, '}', '{') : token == '{' ? open_bracket(p, '{') : token;
}

static int end_of_file(Parser *p)
{
    Scanner *s = &p->scanner;
    if (s->fragment)
        return END;
    if (in_brackets(s)) {
        drop_brackets(p);
        return NEWLINE;
    }
    return s->last == NEWLINE || s->last == START_FILE ? END : NEWLINE;
}

static int wrong(Parser *p, const char *from, const char *why)
{
    Scanner *s = &p->scanner;
    Span at = span_of(s, from);
    if (why)
        diag_error(p->diags, at, "%s", why);
    else if ((unsigned char)*from < 0x20 || *from == 0x7f)
        diag_error(p->diags, at, "byte 0x%02x cannot stand here", (unsigned char)*from);
    else
        diag_error(p->diags, at, "'%.*s' cannot stand here", (int)at.length, from);
    p->told = true;
    return WRONG;
}

static int scan(Parser *p, const char **from)
{
    Scanner *s = &p->scanner;
    const char *marker;
    for (;;) {
        *from = s->p;
        if (s->p >= s->end)
            return end_of_file(p);
        /*!re2c
        re2c:yyfill:enable = 0;
        re2c:define:YYCTYPE = "unsigned char";
        re2c:define:YYCURSOR = "s->p";
        re2c:define:YYMARKER = marker;

        letter  = [A-Za-z_];
        digit   = [0-9];
        char    = [^"\\\n\x00] | "\\" [^\n\x00];
        utf8    = [\xc2-\xdf][\x80-\xbf] | [\xe0-\xef][\x80-\xbf]{2} | [\xf0-\xf4][\x80-\xbf]{3};

        [ \t\r]+              { continue; }
        "#" [^\n\x00]*        { continue; }
        "\n" {
            if (in_brackets(s) || s->fragment || continues(s->last) || goes_on(s->p))
                continue;
            return NEWLINE;
        }

        "import"  { return end_line_before(p, *from, IMPORT); }
        "model"   { return end_line_before(p, *from, MODEL); }
        "layer"   { return end_line_before(p, *from, LAYER); }
        "weight"  { return end_line_before(p, *from, WEIGHT); }
        "buckets" { return end_line_before(p, *from, BUCKETS); }
        "return"  { return end_line_before(p, *from, RETURN); }
        "for"     { return FOR; }
        "in"      { return IN; }
        "if"      { return IF; }
        "else"    { return ELSE; }
        "and"     { return AND; }
        "or"      { return OR; }
        "not"     { return NOT; }
        "true"    { return TRUE; }
        "false"   { return FALSE; }
        "none"    { return NONE; }
        letter (letter | digit)* { return NAME; }

        digit+                                  { return INT; }
        digit+ "." digit+ ([eE] [-+]? digit+)?  { return FLOAT; }
        digit+ [eE] [-+]? digit+                { return FLOAT; }
        digit+ letter (letter | digit)* { return wrong(p, *from, "names do not begin with a digit"); }
        ["] char* ["]           { return STRING; }
        ["] char*               { return wrong(p, *from, "the string does not end on this line"); }
        ['] [^'\n\x00]* [']?    { return wrong(p, *from, "strings stand in double quotes"); }

        "("   { return open_bracket(p, '('); }
        "["   { return open_bracket(p, '['); }
        "{"   { return end_line_before(p, *from, '{'); }
        ")"   { return close_bracket(s, ')', '('); }
        "]"   { return close_bracket(s, ']', '['); }
        "}"   { return end_line_before(p, *from, '}'); }
        "..." { return ELLIPSIS; }
        ".."  { return DOTDOT; }
        "->"  { return ARROW; }
        "=="  { return EQ; }
        "!="  { return NE; }
        "<="  { return LE; }
        ">="  { return GE; }
        "//"  { return FLOORDIV; }
        "**"  { return POWER; }
        [-+*/%=<>,:] { return **from; }

        "&&"  { return wrong(p, *from, "write 'and'"); }
        "||"  { return wrong(p, *from, "write 'or'"); }
        [+*/-] "=" { return wrong(p, *from, "write 'x = x + y'; there are no assignment operators"); }
        "@"   { return wrong(p, *from, "write 'matmul(a, b)'"); }
        utf8  { return wrong(p, *from, NULL); }
        *     { return wrong(p, *from, NULL); }
        */
    }
}

int anel_yylex(union ANEL_YYSTYPE *value, Span *at, Parser *p)
{
    Scanner *s = &p->scanner;
    const char *from = s->p;
    int token;
    if (!s->last)
        token = s->fragment ? START_EXPRESSION : START_FILE;
    else
        token = scan(p, &from);
    bool made_up = (token == NEWLINE && s->p == from) || (token == END && !s->fragment);
    if (made_up) /* behind the last thing there is, not behind the blank lines that follow */
        *at = (Span){s->source, s->last_end, 0};
    else
        *at = (Span){s->source, offset(s, from), (uint32_t)(s->p > from ? s->p - from : 0)};
    if (token != NEWLINE)
        s->last_end = at->start + at->length;
    return s->last = token;
}
