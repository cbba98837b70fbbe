#include "frontend/anel/ast.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

Node *node_new(Parser *p, NodeKind kind, Span at)
{
    Node *n = arena_new(&p->file->arena, Node);
    n->kind = kind;
    n->span = at;
    n->depth = 1;
    return n;
}

Node *node_named(Parser *p, NodeKind kind, Span at, Span name)
{
    Node *n = node_new(p, kind, at);
    n->text = arena_str(&p->file->arena, name.source->text + name.start, name.length);
    return n;
}

/* What is too deep is cut off, so that no tree is. */
Node *node_add(Parser *p, Node *parent, Node *kid)
{
    if (kid && kid->depth >= MAX_DEPTH) {
        if (!p->too_deep)
            diag_error(p->diags, parent->span, "nested too deeply (more than %d levels)", MAX_DEPTH);
        p->too_deep = true;
        kid = node_new(p, N_WRONG, kid->span);
    }
    if (kid && kid->depth >= parent->depth)
        parent->depth = kid->depth + 1;
    arena_push(&p->file->arena, parent->kid, parent->kids, parent->kids_cap, kid);
    return parent;
}

Node *node_int(Parser *p, Span at)
{
    Node *n = node_named(p, N_INT, at, at);
    errno = 0;
    n->integer = strtoll(n->text, NULL, 10);
    if (errno == ERANGE || n->integer > (int64_t)1 << 53) {
        diag_error(p->diags, at, "the number is too large");
        n->kind = N_WRONG;
    }
    return n;
}

Node *node_float(Parser *p, Span at)
{
    Node *n = node_named(p, N_FLOAT, at, at);
    n->number = strtod(n->text, NULL);
    if (n->number > 1e300) {
        diag_error(p->diags, at, "the number is too large");
        n->kind = N_WRONG;
    }
    return n;
}

/* ---- templates ---- */

static void add_text(Parser *p, Node *n, Span at, Text *text)
{
    if (text->size) {
        Node *part = node_new(p, N_TEXT, at);
        part->text = arena_str(&p->file->arena, text->data, text->size);
        node_add(p, n, part);
    }
    text_clear(text);
}

/* `c` at `i` and its escape, if it is one; returns the index behind it. */
static uint32_t unescape(Parser *p, Span at, uint32_t i, Text *out)
{
    const char *s = at.source->text;
    if (s[i] == '\\') {
        char c = s[i + 1];
        if (c != 'n' && c != 't' && c != '"' && c != '\\')
            diag_error(p->diags, (Span){at.source, i, 2}, "no such escape; there are \\n \\t \\\" \\\\");
        text_putc(out, c == 'n' ? '\n' : c == 't' ? '\t' : c);
        return i + 2;
    }
    text_putc(out, s[i]);
    return i + (s[i] == '{' || s[i] == '}' ? 2 : 1); /* both are doubled */
}

/* The expression in the braces that open at `i`; returns the index behind them. */
static uint32_t parse_part(Parser *p, Node *n, Span at, uint32_t i, uint32_t end)
{
    const char *s = at.source->text;
    uint32_t close = i + 1;
    while (close < end && s[close] != '}')
        close++;
    if (close == end) {
        diag_error(p->diags, (Span){at.source, i, 1},
                   "this '{' is not closed; a brace itself is written '{{'");
        return end;
    }
    node_add(p, n, parse_fragment(p, (Span){at.source, i + 1, close - i - 1}));
    return close + 1;
}

Node *node_string(Parser *p, Span at)
{
    const char *s = at.source->text;
    uint32_t i = at.start + 1, end = at.start + at.length - 1;
    Node *n = node_new(p, N_STRING, at);
    Text text = {0};
    while (i < end) {
        if (s[i] == '{' && s[i + 1] != '{') {
            add_text(p, n, at, &text);
            i = parse_part(p, n, at, i, end);
        } else if (s[i] == '}' && s[i + 1] != '}') {
            diag_error(p->diags, (Span){at.source, i, 1},
                       "this '}' closes nothing; a brace itself is written '}}'");
            i++;
        } else {
            i = unescape(p, at, i, &text);
        }
    }
    add_text(p, n, at, &text);
    text_free(&text);
    return n;
}

void anel_file_free(AnelFile *file)
{
    if (!file)
        return;
    Arena a = file->arena;
    free(file);
    arena_free(&a);
}
