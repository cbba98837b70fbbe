/* The grammar of chat templates: Jinja's, as jinja2/parser.py has it, without what needs other files. */
#include "runtime/chat/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum { NESTING = 300 };

/* The first error stays; after it everything gives harmless nodes and nothing moves on. */
typedef struct Parser {
    Arena *arena;
    const ChatToken *at;
    Error *err;
    bool failed;
    int depth, loops;
} Parser;

static Node *expression(Parser *p);
static Node *unary(Parser *p, bool with_filter);
static Node *body(Parser *p, const char *const *ends);

static void fail(Parser *p, int line, const char *what, Str name)
{
    char shown[80];
    if (p->failed)
        return;
    p->failed = true;
    error_quote(shown, sizeof shown, name.data, (long)name.size);
    error_set(p->err, what, line, shown);
}

static void unexpected(Parser *p)
{
    static const char *const names[] = {
        "text", "\"{%\"", "the end of the tag", "\"{{\"", "the end of the tag", NULL, "a text", NULL, NULL,
        NULL,   "the end"};
    const char *name = names[p->at->kind];
    if (name)
        fail(p, p->at->line, "line %d: %s is not expected here", str_of(name));
    else
        fail(p, p->at->line, "line %d: \"%s\" is not expected here", p->at->text);
}

static Node *node(Parser *p, NodeKind kind)
{
    Node *n = arena_new(p->arena, Node);
    n->kind = kind;
    n->line = p->at->line;
    return n;
}

static Node *node_of(Parser *p, NodeKind kind, Node *a, Node *b)
{
    Node *n = node(p, kind);
    n->line = a->line;
    n->a = a;
    n->b = b;
    return n;
}

static void add(Parser *p, Node *n, Node *item)
{
    arena_push(p->arena, n->list, n->count, n->cap, item);
}

static void add_named(Parser *p, Node *n, Str name, Node *value)
{
    int count = n->names;
    arena_push(p->arena, n->name, n->names, n->names_cap, arena_str(p->arena, name.data, name.size));
    arena_push(p->arena, n->named, count, n->named_cap, value);
}

/* ---- tokens ---- */

static bool sees(const Parser *p, TokenKind kind, const char *text)
{
    return !p->failed && p->at->kind == kind && str_is(p->at->text, text);
}

static bool sees_operator(const Parser *p, const char *text)
{
    return sees(p, TOKEN_OPERATOR, text);
}

static bool sees_name(const Parser *p, const char *text)
{
    return sees(p, TOKEN_NAME, text);
}

static void next(Parser *p)
{
    if (!p->failed && p->at->kind != TOKEN_END)
        p->at++;
}

static bool take_operator(Parser *p, const char *text)
{
    bool there = sees_operator(p, text);
    if (there)
        next(p);
    return there;
}

static bool take_name(Parser *p, const char *text)
{
    bool there = sees_name(p, text);
    if (there)
        next(p);
    return there;
}

static void expect_operator(Parser *p, const char *text)
{
    if (!take_operator(p, text))
        unexpected(p);
}

static void expect(Parser *p, TokenKind kind)
{
    if (!p->failed && p->at->kind == kind)
        next(p);
    else
        unexpected(p);
}

static Str expect_name(Parser *p)
{
    Str name = p->at->text;
    expect(p, TOKEN_NAME);
    return p->failed ? str_of("") : name;
}

static bool too_deep(Parser *p)
{
    if (p->depth < NESTING)
        return false;
    fail(p, p->at->line, "line %d: the template is nested too deeply%s", str_of(""));
    return true;
}

/* ---- expressions ---- */

static Node *number(Parser *p)
{
    Node *n = node(p, NODE_CONST);
    Text digits = {0};
    for (size_t i = 0; i < p->at->text.size; i++)
        if (p->at->text.data[i] != '_')
            text_putc(&digits, p->at->text.data[i]);
    errno = 0;
    if (p->at->kind == TOKEN_INT)
        n->value = value_int(strtoll(digits.data, NULL, 10));
    else
        n->value = value_float(strtod(digits.data, NULL));
    if (errno)
        fail(p, p->at->line, "line %d: the number %s is out of range", p->at->text);
    text_free(&digits);
    next(p);
    return n;
}

/* Texts side by side are one. */
static Node *texts(Parser *p)
{
    Node *n = node(p, NODE_CONST);
    Build b = {.arena = p->arena};
    for (; !p->failed && p->at->kind == TOKEN_STRING; next(p))
        build_str(&b, p->at->text);
    n->value = value_str(build_done(&b));
    return n;
}

static Node *name_or_constant(Parser *p)
{
    static const struct {
        const char *name;
        Value value;
    } constants[] = {{"true", {.kind = V_BOOL, .truth = true}},
                     {"True", {.kind = V_BOOL, .truth = true}},
                     {"false", {.kind = V_BOOL}},
                     {"False", {.kind = V_BOOL}},
                     {"none", {.kind = V_NONE}},
                     {"None", {.kind = V_NONE}}};
    Node *n = node(p, NODE_NAME);
    n->text = expect_name(p);
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        if (str_is(n->text, constants[i].name)) {
            n->kind = NODE_CONST;
            n->value = constants[i].value;
        }
    return n;
}

/* The items up to `close`, which is taken; `comma`: whether there was one. */
static Node *items(Parser *p, const char *close, bool *comma)
{
    Node *n = node(p, NODE_LIST);
    *comma = false;
    while (!p->failed && !take_operator(p, close)) {
        if (n->count) {
            expect_operator(p, ",");
            *comma = true;
            if (take_operator(p, close))
                break;
        }
        add(p, n, expression(p));
    }
    return n;
}

static Node *dictionary(Parser *p)
{
    Node *n = node(p, NODE_DICT);
    while (!p->failed && !take_operator(p, "}")) {
        if (n->count) {
            expect_operator(p, ",");
            if (take_operator(p, "}"))
                break;
        }
        add(p, n, expression(p));
        expect_operator(p, ":");
        add(p, n, expression(p));
    }
    return n;
}

static Node *primary(Parser *p)
{
    bool comma;
    if (!p->failed && (p->at->kind == TOKEN_INT || p->at->kind == TOKEN_FLOAT))
        return number(p);
    if (!p->failed && p->at->kind == TOKEN_STRING)
        return texts(p);
    if (!p->failed && p->at->kind == TOKEN_NAME)
        return name_or_constant(p);
    if (take_operator(p, "[")) {
        return items(p, "]", &comma);
    }
    if (take_operator(p, "{"))
        return dictionary(p);
    if (take_operator(p, "(")) {
        Node *n = items(p, ")", &comma);
        n->kind = NODE_TUPLE;
        return comma || n->count != 1 ? n : n->list[0];
    }
    unexpected(p);
    return node(p, NODE_LIST);
}

/* "(" was taken. */
static void arguments(Parser *p, Node *call)
{
    bool first = true;
    while (!p->failed && !take_operator(p, ")")) {
        if (!first) {
            expect_operator(p, ",");
            if (take_operator(p, ")"))
                break;
        }
        first = false;
        if (p->at->kind == TOKEN_NAME && p->at[1].kind == TOKEN_OPERATOR && str_is(p->at[1].text, "=")) {
            Str name = expect_name(p);
            next(p);
            add_named(p, call, name, expression(p));
        } else if (call->names) {
            unexpected(p);
        } else {
            add(p, call, expression(p));
        }
    }
}

/* "[" was taken: an index, or up to three parts with colons between. */
static Node *subscript(Parser *p, Node *of)
{
    Node *n = node_of(p, NODE_SLICE, of, NULL), *part[3] = {NULL, NULL, NULL};
    int parts = 0;
    for (;;) {
        if (!sees_operator(p, ":") && !sees_operator(p, "]"))
            part[parts] = expression(p);
        if (parts == 2 || !take_operator(p, ":"))
            break;
        parts++;
    }
    expect_operator(p, "]");
    if (parts == 0) {
        if (!part[0])
            unexpected(p);
        n->kind = NODE_INDEX;
        n->b = part[0];
        return n;
    }
    for (int i = 0; i < 3; i++)
        add(p, n, part[i]);
    return n;
}

static Node *postfix(Parser *p, Node *of)
{
    for (;;) {
        if (take_operator(p, ".")) {
            Node *n = node_of(p, NODE_ATTRIBUTE, of, NULL);
            if (!p->failed && p->at->kind == TOKEN_INT) {
                n->kind = NODE_INDEX;
                n->b = number(p);
            } else {
                n->text = expect_name(p);
            }
            of = n;
        } else if (take_operator(p, "[")) {
            of = subscript(p, of);
        } else if (take_operator(p, "(")) {
            of = node_of(p, NODE_CALL, of, NULL);
            arguments(p, of);
        } else {
            return of;
        }
    }
}

/* Behind "is": a name, and perhaps an argument with or without parentheses. */
static Node *test(Parser *p, Node *of)
{
    bool negated = take_name(p, "not");
    Node *n = node_of(p, NODE_TEST, of, NULL);
    n->text = expect_name(p);
    if (take_operator(p, "(")) {
        arguments(p, n);
    } else if (!p->failed && ((p->at->kind == TOKEN_NAME && !sees_name(p, "else") && !sees_name(p, "or") &&
                               !sees_name(p, "and") && !sees_name(p, "if") && !sees_name(p, "is") &&
                               !sees_name(p, "not") && !sees_name(p, "in")) ||
                              p->at->kind == TOKEN_STRING || p->at->kind == TOKEN_INT ||
                              p->at->kind == TOKEN_FLOAT || sees_operator(p, "[") || sees_operator(p, "{"))) {
        add(p, n, postfix(p, primary(p)));
    }
    return negated ? node_of(p, NODE_NOT, n, NULL) : n;
}

static Node *filter(Parser *p, Node *of)
{
    Node *n = node(p, NODE_FILTER);
    n->a = of;
    n->text = expect_name(p);
    if (take_operator(p, "("))
        arguments(p, n);
    return n;
}

static Node *filters(Parser *p, Node *of)
{
    for (;;) {
        if (take_operator(p, "|"))
            of = filter(p, of);
        else if (take_name(p, "is"))
            of = test(p, of);
        else if (take_operator(p, "(")) {
            of = node_of(p, NODE_CALL, of, NULL);
            arguments(p, of);
        } else
            return of;
    }
}

static Node *unary(Parser *p, bool with_filter)
{
    if (too_deep(p))
        return node(p, NODE_LIST);
    p->depth++;
    Node *n;
    if (take_operator(p, "-"))
        n = node_of(p, NODE_NEGATE, unary(p, false), NULL);
    else if (take_operator(p, "+"))
        n = node_of(p, NODE_PLUS, unary(p, false), NULL);
    else
        n = primary(p);
    n = postfix(p, n);
    n = with_filter ? filters(p, n) : n;
    p->depth--;
    return n;
}

static Node *power(Parser *p)
{
    Node *n = unary(p, true);
    while (take_operator(p, "**")) {
        n = node_of(p, NODE_BINARY, n, unary(p, true));
        n->op = OP_POW;
    }
    return n;
}

typedef struct Level {
    const char *text;
    Operator op;
} Level;

/* The operator of the table that comes next, or -1; it is taken. */
static int level(Parser *p, const Level *table, int count)
{
    for (int i = 0; i < count; i++)
        if (take_operator(p, table[i].text))
            return (int)table[i].op;
    return -1;
}

static Node *product(Parser *p)
{
    static const Level table[] = {{"*", OP_MUL}, {"//", OP_FLOORDIV}, {"/", OP_DIV}, {"%", OP_MOD}};
    Node *n = power(p);
    for (int op; (op = level(p, table, 4)) >= 0;) {
        n = node_of(p, NODE_BINARY, n, power(p));
        n->op = (Operator)op;
    }
    return n;
}

static Node *joined(Parser *p)
{
    Node *n = product(p);
    while (take_operator(p, "~"))
        n = node_of(p, NODE_CONCAT, n, product(p));
    return n;
}

static Node *sum(Parser *p)
{
    static const Level table[] = {{"+", OP_ADD}, {"-", OP_SUB}};
    Node *n = joined(p);
    for (int op; (op = level(p, table, 2)) >= 0;) {
        n = node_of(p, NODE_BINARY, n, joined(p));
        n->op = (Operator)op;
    }
    return n;
}

static int comparison(Parser *p)
{
    static const Level table[] = {{"==", OP_EQ}, {"!=", OP_NE}, {"<=", OP_LE},
                                  {"<", OP_LT},  {">=", OP_GE}, {">", OP_GT}};
    if (take_name(p, "in"))
        return OP_IN;
    if (sees_name(p, "not") && p->at[1].kind == TOKEN_NAME && str_is(p->at[1].text, "in")) {
        next(p);
        next(p);
        return OP_NOT_IN;
    }
    return level(p, table, 6);
}

/* a < b < c is a < b and b < c. */
static Node *compared(Parser *p)
{
    Node *left = sum(p), *all = NULL;
    for (int op; (op = comparison(p)) >= 0;) {
        Node *right = sum(p), *one = node_of(p, NODE_COMPARE, left, right);
        one->op = (Operator)op;
        all = all ? node_of(p, NODE_AND, all, one) : one;
        left = right;
    }
    return all ? all : left;
}

static Node *negation(Parser *p)
{
    if (too_deep(p))
        return node(p, NODE_LIST);
    p->depth++;
    Node *n = take_name(p, "not") ? node_of(p, NODE_NOT, negation(p), NULL) : compared(p);
    p->depth--;
    return n;
}

static Node *conjunction(Parser *p)
{
    Node *n = negation(p);
    while (take_name(p, "and"))
        n = node_of(p, NODE_AND, n, negation(p));
    return n;
}

static Node *disjunction(Parser *p)
{
    Node *n = conjunction(p);
    while (take_name(p, "or"))
        n = node_of(p, NODE_OR, n, conjunction(p));
    return n;
}

static Node *expression(Parser *p)
{
    if (too_deep(p))
        return node(p, NODE_LIST);
    p->depth++;
    Node *n = disjunction(p);
    while (take_name(p, "if")) {
        n = node_of(p, NODE_CHOICE, n, disjunction(p));
        n->c = take_name(p, "else") ? expression(p) : NULL;
    }
    p->depth--;
    return n;
}

/* a, b without parentheses. */
static Node *tuple(Parser *p)
{
    Node *first = expression(p);
    if (!sees_operator(p, ","))
        return first;
    Node *n = node(p, NODE_TUPLE);
    add(p, n, first);
    while (take_operator(p, ",") && !p->failed && p->at->kind != TOKEN_BLOCK_END &&
           p->at->kind != TOKEN_PRINT_END)
        add(p, n, expression(p));
    return n;
}

/* ---- statements ---- */

static void end_tag(Parser *p)
{
    expect(p, TOKEN_BLOCK_END);
}

static const char *const if_ends[] = {"elif", "else", "endif", NULL};
static const char *const else_ends[] = {"endif", NULL};

/* "if" or "elif" was taken. */
static Node *if_statement(Parser *p)
{
    Node *n = node(p, NODE_IF), *whole = n;
    for (;;) {
        n->a = tuple(p);
        end_tag(p);
        n->b = body(p, if_ends);
        if (!take_name(p, "elif"))
            break;
        n = n->c = node(p, NODE_IF);
    }
    if (take_name(p, "else")) {
        end_tag(p);
        n->c = body(p, else_ends);
    }
    if (!take_name(p, "endif"))
        unexpected(p);
    end_tag(p);
    return whole;
}

/* The names that a loop or {% set %} binds. */
static void targets(Parser *p, Node *n)
{
    bool parenthesis = take_operator(p, "(");
    do {
        Node *name = node(p, NODE_NAME);
        name->text = expect_name(p);
        add(p, n, name);
    } while (take_operator(p, ",") && !p->failed && p->at->kind == TOKEN_NAME);
    if (parenthesis)
        expect_operator(p, ")");
}

static Node *for_statement(Parser *p)
{
    static const char *const ends[] = {"else", "endfor", NULL}, *const else_end[] = {"endfor", NULL};
    Node *n = node(p, NODE_FOR);
    targets(p, n);
    if (!take_name(p, "in"))
        unexpected(p);
    /* An "if" here is the loop's filter, not a choice. */
    n->a = disjunction(p);
    if (sees_operator(p, ",")) {
        Node *list = node(p, NODE_LIST);
        add(p, list, n->a);
        while (take_operator(p, ","))
            add(p, list, disjunction(p));
        n->a = list;
    }
    if (take_name(p, "if"))
        n->c = expression(p);
    if (sees_name(p, "recursive"))
        fail(p, p->at->line, "line %d: recursive loops are not known here%s", str_of(""));
    end_tag(p);
    p->loops++;
    n->b = body(p, ends);
    p->loops--;
    if (take_name(p, "else")) {
        end_tag(p);
        n->d = body(p, else_end);
    }
    if (!take_name(p, "endfor"))
        unexpected(p);
    end_tag(p);
    return n;
}

/* {% NAME %} was reached by a body: takes it. */
static void end_block(Parser *p, const char *name)
{
    if (!take_name(p, name))
        unexpected(p);
    end_tag(p);
}

static Node *set_statement(Parser *p)
{
    static const char *const ends[] = {"endset", NULL};
    Node *n = node(p, NODE_SET);
    targets(p, n);
    if (n->count == 1 && take_operator(p, "."))
        n->text = expect_name(p);
    if (take_operator(p, "=")) {
        n->a = tuple(p);
        end_tag(p);
        return n;
    }
    n->kind = NODE_SET_BODY;
    if (n->count != 1)
        unexpected(p);
    if (take_operator(p, "|"))
        n->a = filters(p, filter(p, NULL));
    end_tag(p);
    n->b = body(p, ends);
    end_block(p, "endset");
    return n;
}

/* Parameters up to ")"; the opening one was taken. */
static void parameters(Parser *p, Node *n)
{
    while (!p->failed && !take_operator(p, ")")) {
        if (n->names) {
            expect_operator(p, ",");
            if (take_operator(p, ")"))
                break;
        }
        Str name = expect_name(p);
        add_named(p, n, name, take_operator(p, "=") ? expression(p) : NULL);
    }
}

static Node *macro_body(Parser *p, Node *n, const char *end)
{
    const char *ends[] = {end, NULL};
    int loops = p->loops;
    end_tag(p);
    p->loops = 0;
    n->b = body(p, ends);
    p->loops = loops;
    end_block(p, end);
    return n;
}

static Node *macro_statement(Parser *p)
{
    Node *n = node(p, NODE_MACRO);
    n->text = expect_name(p);
    expect_operator(p, "(");
    parameters(p, n);
    return macro_body(p, n, "endmacro");
}

static Node *call_statement(Parser *p)
{
    Node *n = node(p, NODE_CALLER), *caller = node(p, NODE_MACRO);
    caller->text = str_of("caller");
    if (take_operator(p, "("))
        parameters(p, caller);
    n->a = expression(p);
    if (!p->failed && n->a->kind != NODE_CALL)
        fail(p, n->line, "line %d: {%% call %%} needs a call%s", str_of(""));
    n->b = macro_body(p, caller, "endcall");
    return n;
}

static Node *filter_statement(Parser *p)
{
    static const char *const ends[] = {"endfilter", NULL};
    Node *n = node(p, NODE_FILTERED);
    n->a = filters(p, filter(p, NULL));
    end_tag(p);
    n->b = body(p, ends);
    end_block(p, "endfilter");
    return n;
}

static Node *with_statement(Parser *p)
{
    static const char *const ends[] = {"endwith", NULL};
    Node *n = node(p, NODE_WITH);
    while (!p->failed && p->at->kind != TOKEN_BLOCK_END) {
        if (n->names)
            expect_operator(p, ",");
        Str name = expect_name(p);
        expect_operator(p, "=");
        add_named(p, n, name, expression(p));
    }
    end_tag(p);
    n->b = body(p, ends);
    end_block(p, "endwith");
    return n;
}

/* {% generation %} marks the assistant's words for training: what it holds is rendered as it is. */
static Node *generation(Parser *p)
{
    static const char *const ends[] = {"endgeneration", NULL};
    end_tag(p);
    Node *n = body(p, ends);
    end_block(p, "endgeneration");
    return n;
}

static Node *jump(Parser *p, NodeKind kind)
{
    Node *n = node(p, kind);
    if (!p->loops)
        fail(p, n->line, "line %d: {%% break %%} and {%% continue %%} belong in a loop%s", str_of(""));
    end_tag(p);
    return n;
}

static Node *statement(Parser *p)
{
    static const struct {
        const char *name;
        Node *(*parse)(Parser *p);
    } statements[] = {{"if", if_statement},         {"for", for_statement},    {"set", set_statement},
                      {"macro", macro_statement},   {"call", call_statement},  {"with", with_statement},
                      {"filter", filter_statement}, {"generation", generation}};
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
        if (take_name(p, statements[i].name))
            return statements[i].parse(p);
    if (take_name(p, "break"))
        return jump(p, NODE_BREAK);
    if (take_name(p, "continue"))
        return jump(p, NODE_CONTINUE);
    if (!p->failed && p->at->kind == TOKEN_NAME)
        fail(p, p->at->line, "line %d: {%% %s %%} is not known, or not expected here", p->at->text);
    unexpected(p);
    return node(p, NODE_BODY);
}

static bool ends_here(const Parser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (p->at[1].kind == TOKEN_NAME && str_is(p->at[1].text, *ends))
            return true;
    return false;
}

/* Statements up to {% END, of which the "{%" is taken; with NULL up to the end of the template. */
static Node *body(Parser *p, const char *const *ends)
{
    Node *n = node(p, NODE_BODY), *item;
    int line = p->at->line;
    if (too_deep(p))
        return n;
    p->depth++;
    while (!p->failed) {
        if (p->at->kind == TOKEN_TEXT) {
            item = node(p, NODE_TEXT);
            item->text = p->at->text;
            next(p);
            add(p, n, item);
        } else if (p->at->kind == TOKEN_PRINT) {
            next(p);
            item = node(p, NODE_PRINT);
            item->a = tuple(p);
            expect(p, TOKEN_PRINT_END);
            add(p, n, item);
        } else if (p->at->kind == TOKEN_BLOCK && ends_here(p, ends)) {
            next(p);
            break;
        } else if (p->at->kind == TOKEN_BLOCK) {
            next(p);
            add(p, n, statement(p));
        } else if (ends) {
            fail(p, line, "line %d: what begins here has no {%% %s %%}", str_of(ends[0]));
        } else {
            break;
        }
    }
    p->depth--;
    return n;
}

Node *chat_parse(Arena *a, const TokenList *tokens, Error *err)
{
    Parser p = {.arena = a, .at = tokens->token, .err = err};
    Node *n = body(&p, NULL);
    return p.failed ? NULL : n;
}
