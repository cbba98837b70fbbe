/* The usual layout of .anel text. Line ends and comments stay where their writer put them; what changes is
 * indentation, the blanks between tokens, blank lines, and the columns of `=` and of comments behind code. */
#include <string.h>

#include "base/arena.h"
#include "frontend/anel/ast.h"
#include "frontend/anel/parse.y.h"

enum { STEP = 2, CONTINUED = 4, COMMENT = -1 };

/* A token, or a comment. */
typedef struct Item {
    int kind;
    const char *text;
    int size;
    int breaks;  /* line ends before it: 0 is the same line, 2 and more an empty line */
    bool starts; /* a statement begins here */
    int padding; /* blanks behind it, so that `=` stand in a column */
} Item;

typedef struct Items {
    Item *item;
    int count;
} Items;

/* An open bracket. */
typedef struct Level {
    char opener;
    int indent; /* of its line */
    int column; /* of the lines within it */
} Level;

/* A comment behind code: where it begins in the output, and on which line. */
typedef struct Tail {
    size_t at;
    int line;
} Tail;

typedef struct Layout {
    Items in;
    Text out;
    Level level[MAX_DEPTH + 1];
    int depth, braces;
    int indent;  /* of the current line */
    size_t line; /* where it begins in out */
    int lines;
    bool shape; /* the next [ behind a name is the shape of a weight */
    bool unary; /* the token before is a sign */
    Tail *tail;
    int tails;
} Layout;

/* ---- reading ---- */

static Item *add_item(Items *in, int kind, const char *text, size_t size, int breaks)
{
    Item *item = &in->item[in->count++];
    *item = (Item){.kind = kind, .text = text, .size = (int)size, .breaks = breaks};
    return item;
}

/* The comments between two tokens; returns the line ends behind the last of them. */
static int add_comments(Items *in, const char *p, const char *end)
{
    int breaks = 0;
    while (p < end) {
        if (*p == '\n')
            breaks++;
        if (*p++ != '#')
            continue;
        const char *from = p - 1, *stop = memchr(p, '\n', (size_t)(end - p));
        p = stop = stop ? stop : end;
        while (strchr(" \t\r", stop[-1]))
            stop--;
        add_item(in, COMMENT, from, (size_t)(stop - from), breaks);
        breaks = 0;
    }
    return breaks;
}

static Items read_items(Arena *arena, const Source *source)
{
    Diags none = {.quiet = true};
    Parser p = {.diags = &none,
                .scanner = {.source = source, .p = source->text, .end = source->text + source->size}};
    Items in = {arena_many(arena, source->size + 1, Item), 0};
    const char *last = source->text;
    bool starts = true;
    for (int kind = 1; kind;) {
        Span at;
        kind = anel_yylex(NULL, &at, &p);
        const char *text = source->text + at.start;
        if (kind == NEWLINE)
            starts = true;
        else if (at.length && kind != START_FILE) {
            int breaks = add_comments(&in, last, text);
            add_item(&in, kind, text, at.length, breaks)->starts = starts;
            starts = kind == '{';
            last = text + at.length;
        }
    }
    add_comments(&in, last, source->text + source->size);
    return in;
}

/* ---- the column of `=` in the parameters of a model or layer ---- */

static bool is_opener(int kind)
{
    return kind == '(' || kind == '[' || kind == '{';
}

static bool is_closer(int kind)
{
    return kind == ')' || kind == ']' || kind == '}';
}

/* Parameters with a default that begin a line; the first may stand behind the bracket. */
static void align_parameters(Items *in, int open)
{
    int widest = 0, found = 0, depth = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (int i = open; i + 1 < in->count; i++) {
            Item *item = &in->item[i];
            depth += is_opener(item->kind) - is_closer(item->kind);
            if (depth == 0)
                break;
            if (depth != 1 || item->kind != NAME || in->item[i + 1].kind != '=' ||
                (item->breaks == 0 && i != open + 1))
                continue;
            if (pass == 0 && ++found && item->size > widest)
                widest = item->size;
            if (pass == 1)
                item->padding = widest - item->size;
        }
        depth = 0;
        if (found < 2)
            return;
    }
}

static void align_declarations(Items *in)
{
    for (int i = 0; i + 2 < in->count; i++)
        if ((in->item[i].kind == MODEL || in->item[i].kind == LAYER) && in->item[i + 2].kind == '(')
            align_parameters(in, i + 2);
}

/* ---- writing ---- */

static bool ends_operand(int kind)
{
    switch (kind) {
    case NAME: case INT: case FLOAT: case STRING: case TRUE: case FALSE: case NONE: case ')': case ']':
        return true;
    default:
        return false;
    }
}

/* Whether a blank stands between two tokens of a line. */
static bool spaced(const Layout *o, const Item *a, const Item *b)
{
    if (a->kind == '(' || a->kind == '[' || o->unary || a->kind == DOTDOT || b->kind == DOTDOT)
        return false;
    switch (b->kind) {
    case ')': case ']': case ',': case ':': return false;
    case '(': return !(a->kind == NAME || a->kind == ')' || a->kind == ']');
    case '[': return a->kind == NAME ? o->shape : !(a->kind == ')' || a->kind == ']');
    case '}': return a->kind != '{';
    default: return true;
    }
}

/* `{`, `->`, and the `else` of a block stand behind what they belong to. */
static bool joins(const Item *before, const Item *item)
{
    return before->kind != COMMENT && (item->kind == '{' || item->kind == ARROW ||
                                       (item->kind == ELSE && before->kind == '}'));
}

static int indent_of(const Layout *o, const Item *item)
{
    const Level *within = o->depth ? &o->level[o->depth - 1] : NULL;
    if (within && within->opener != '{')
        return is_closer(item->kind) ? within->indent : within->column;
    int braces = o->braces - (item->kind == '}');
    bool continued = !item->starts && item->kind != COMMENT && !is_closer(item->kind);
    return STEP * braces + (continued ? CONTINUED : 0);
}

static void begin_line(Layout *o, const Item *before, const Item *item)
{
    if (before) {
        text_putc(&o->out, '\n');
        o->lines++;
        if (item->breaks > 1 && before->kind != '{' && item->kind != '}') {
            text_putc(&o->out, '\n');
            o->lines++;
        }
    }
    o->line = o->out.size;
    o->indent = indent_of(o, item);
    text_printf(&o->out, "%*s", o->indent, "");
}

static void continue_line(Layout *o, const Item *before, const Item *item)
{
    if (item->kind == COMMENT) {
        text_puts(&o->out, "  ");
        o->tail[o->tails++] = (Tail){o->out.size, o->lines};
    } else if (spaced(o, before, item)) {
        text_putc(&o->out, ' ');
    }
}

static void open_level(Layout *o, const Item *item, const Item *next)
{
    bool last = !next || next->breaks > 0 || next->kind == COMMENT; /* nothing behind it on its line */
    Level *l = &o->level[o->depth++];
    l->opener = (char)item->kind;
    l->indent = o->indent;
    l->column = last ? o->indent + CONTINUED : (int)(o->out.size - o->line);
    o->braces += item->kind == '{';
}

static void close_level(Layout *o)
{
    if (o->depth)
        o->braces -= o->level[--o->depth].opener == '{';
}

static void put_item(Layout *o, int i)
{
    const Item *item = &o->in.item[i], *before = i ? item - 1 : NULL;
    if (!before || (item->breaks > 0 && !joins(before, item)))
        begin_line(o, before, item);
    else
        continue_line(o, before, item);
    text_printf(&o->out, "%.*s%*s", item->size, item->text, item->padding, "");
    if (is_opener(item->kind) && o->depth < MAX_DEPTH)
        open_level(o, item, i + 1 < o->in.count ? item + 1 : NULL);
    else if (is_closer(item->kind))
        close_level(o);
    if (item->kind != COMMENT) {
        o->shape = item->kind == WEIGHT || (o->shape && item->kind != '[');
        o->unary = (item->kind == '-' || item->kind == '+') && !(before && ends_operand(before->kind));
    }
}

/* The column that a comment behind code begins in. */
static size_t tail_column(const Layout *o, const Tail *t)
{
    size_t begin = t->at;
    while (begin && o->out.data[begin - 1] != '\n')
        begin--;
    return t->at - begin;
}

/* Comments behind code on lines that follow one another get one column. */
static void align_tails(const Layout *o, Text *out)
{
    size_t done = 0;
    const char *text = text_cstr(&o->out);
    for (int i = 0, end; i < o->tails; i = end) {
        size_t widest = 0;
        for (end = i; end < o->tails && o->tail[end].line == o->tail[i].line + (end - i); end++) {
            size_t column = tail_column(o, &o->tail[end]);
            widest = column > widest ? column : widest;
        }
        for (int k = i; k < end; k++) {
            size_t at = o->tail[k].at;
            text_add(out, text + done, at - done);
            text_printf(out, "%*s", (int)(widest - tail_column(o, &o->tail[k])), "");
            done = at;
        }
    }
    text_add(out, text + done, o->out.size - done);
}

static void lay_out(const Source *source, Text *out)
{
    Arena arena = {0};
    Layout *o = arena_many(&arena, 1, Layout);
    o->in = read_items(&arena, source);
    o->tail = arena_many(&arena, (size_t)o->in.count + 1, Tail);
    align_declarations(&o->in);
    for (int i = 0; i < o->in.count; i++)
        put_item(o, i);
    if (o->in.count)
        text_putc(&o->out, '\n');
    align_tails(o, out);
    text_free(&o->out);
    arena_free(&arena);
}

/* The tree of a file as text; false where it has errors. */
static bool tree_of(const Source *source, Text *tree, Diags *diags)
{
    int errors = diags->errors;
    AnelFile *file = anel_parse(source, diags);
    anel_print_ast(tree, file);
    anel_file_free(file);
    return diags->errors == errors;
}

bool anel_format(const Source *source, Text *out, Diags *diags)
{
    Text before = {0}, after = {0}, made = {0};
    bool same = tree_of(source, &before, diags);
    if (same) {
        lay_out(source, &made);
        Source again = {source->name, text_cstr(&made), made.size};
        same = tree_of(&again, &after, diags) && strcmp(text_cstr(&before), text_cstr(&after)) == 0;
        if (same)
            text_add(out, made.data, made.size);
        else
            diag_error(diags, (Span){0}, "%s: its layout could not be changed without its meaning",
                       source->name);
    }
    text_free(&before);
    text_free(&after);
    text_free(&made);
    return same;
}
