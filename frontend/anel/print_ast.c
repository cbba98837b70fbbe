/* --emit ast: an indented tree, one node a line. */
#include "frontend/anel/ast.h"

#include <string.h>

static const char *const names[] = {
    [N_FILE] = "file",    [N_IMPORT] = "import",   [N_MODEL] = "model",   [N_LAYER] = "layer",
    [N_LIST] = "list",    [N_PARAM] = "parameter", [N_TYPE] = "type",     [N_SHAPE] = "shape",
    [N_ELLIPSIS] = "...", [N_BLOCK] = "block",     [N_WEIGHT] = "weight", [N_ASSIGN] = "assign",
    [N_FOR] = "for",      [N_IF] = "if",           [N_RETURN] = "return", [N_BUCKETS] = "buckets",
    [N_DO] = "do",        [N_INT] = "int",         [N_FLOAT] = "float",   [N_TRUE] = "true",
    [N_FALSE] = "false",  [N_NONE] = "none",       [N_STRING] = "string", [N_TEXT] = "text",
    [N_NAME] = "name",    [N_UNARY] = "unary",     [N_BINARY] = "binary", [N_COND] = "choose",
    [N_CALL] = "call",    [N_ARG] = "argument",    [N_INDEX] = "index",   [N_RANGE] = "range",
    [N_EACH] = "each",    [N_WRONG] = "wrong",
};

static void print_quoted(Text *out, const char *s)
{
    text_putc(out, '"');
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            text_putc(out, '\\');
        if (*s == '\n')
            text_puts(out, "\\n");
        else
            text_putc(out, *s);
    }
    text_putc(out, '"');
}

static void print_node(Text *out, const Node *n, int level)
{
    text_printf(out, "%*s%s", 2 * level, "", n ? names[n->kind] : "-");
    if (n && n->text) {
        text_putc(out, ' ');
        if (n->kind == N_TEXT)
            print_quoted(out, n->text);
        else
            text_puts(out, n->text);
    }
    text_putc(out, '\n');
    for (int i = 0; n && i < n->kids; i++)
        print_node(out, n->kid[i], level + 1);
}

void anel_print_ast(Text *out, const AnelFile *file)
{
    print_node(out, file->root, 0);
}
