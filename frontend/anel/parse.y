/* The grammar. Lines end statements; the scanner has already dropped the line ends that do not, and puts one
 * before each `}` and the end of the file, so that here every statement ends in NEWLINE. docs/language.md has
 * the same grammar in prose. */
%code requires {
#include "frontend/anel/ast.h"
}

%code {
#include <string.h>

static void anel_yyerror(Span *at, Parser *p, const char *message);

/* An empty rule is where the token before it ends. */
#define YYLLOC_DEFAULT(Current, Rhs, N)                                                            \
    ((Current) = (N) ? span_join(YYRHSLOC(Rhs, 1), YYRHSLOC(Rhs, N))                               \
                     : (Span){YYRHSLOC(Rhs, 0).source, YYRHSLOC(Rhs, 0).start + YYRHSLOC(Rhs, 0).length, 0})

static Node *binary(Parser *p, const char *operator, Span at, Node *left, Node *right)
{
    Node *n = node_new(p, N_BINARY, at);
    n->text = operator;
    return node_add(p, node_add(p, n, left), right);
}

static Node *unary(Parser *p, const char *operator, Span at, Node *operand)
{
    Node *n = node_new(p, N_UNARY, at);
    n->text = operator;
    return node_add(p, n, operand);
}

/* `kind` with the kids of `list`, which may be NULL. */
static Node *spread(Parser *p, Node *n, const Node *list)
{
    for (int i = 0; list && i < list->kids; i++)
        node_add(p, n, list->kid[i]);
    return n;
}
}

%define api.prefix {anel_yy}
%define api.pure full
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param { Parser *p }

%union {
    Node *node;
}

%token START_FILE START_EXPRESSION
%token END 0 "end of the file"
%token NEWLINE "end of the line"
%token IMPORT "import" MODEL "model" LAYER "layer" WEIGHT "weight" BUCKETS "buckets"
%token FOR "for" IN "in" IF "if" ELSE "else" RETURN "return"
%token AND "and" OR "or" NOT "not" TRUE "true" FALSE "false" NONE "none"
%token NAME "a name" INT "a number" FLOAT "a number with a point" STRING "a string"
%token DOTDOT ".." ELLIPSIS "..." ARROW "->"
%token EQ "==" NE "!=" LE "<=" GE ">=" FLOORDIV "//" POWER "**"
%token WRONG "a character that means nothing here"

%type <node> file items item params param_list param type results result_list shape dims dim
%type <node> block statements statement simple weight_name fallback names values if else
%type <node> expression or_expr and_expr not_expr comparison sum product factor power postfix primary
%type <node> args arg_list arg range name string list_items

%%

start:
    START_FILE file { p->result = $2; }
  | START_EXPRESSION expression { p->result = $2; }

file:
    items { $$ = $1; $$->span = @$; }

items:
    %empty { $$ = node_new(p, N_FILE, @$); }
  | items item { $$ = $2 ? node_add(p, $1, $2) : $1; }

item:
    IMPORT STRING NEWLINE { $$ = node_add(p, node_new(p, N_IMPORT, @2), node_string(p, @2)); }
  | MODEL NAME '(' params ')' block NEWLINE {
        $$ = node_named(p, N_MODEL, @2, @2);
        node_add(p, node_add(p, $$, $4), $6);
    }
  | LAYER NAME '(' params ')' results block NEWLINE {
        $$ = node_named(p, N_LAYER, @2, @2);
        node_add(p, node_add(p, node_add(p, $$, $4), $6), $7);
    }
  | MODEL error block NEWLINE { $$ = NULL; }
  | LAYER error block NEWLINE { $$ = NULL; }
  | error NEWLINE { $$ = NULL; }

params:
    %empty { $$ = node_new(p, N_LIST, @$); }
  | param_list
  | param_list ','

param_list:
    param { $$ = node_add(p, node_new(p, N_LIST, @$), $1); }
  | param_list ',' param { $$ = node_add(p, $1, $3); }

param:
    NAME type { $$ = node_add(p, node_add(p, node_named(p, N_PARAM, @1, @1), $2), NULL); }
  | NAME type '=' expression { $$ = node_add(p, node_add(p, node_named(p, N_PARAM, @1, @1), $2), $4); }

type:
    %empty { $$ = NULL; }
  | ':' shape { $$ = $2; }
  | ':' NAME { $$ = node_named(p, N_TYPE, @2, @2); }

results:
    %empty { $$ = NULL; }
  | ARROW result_list { $$ = $2; $$->span = @2; }

result_list:
    shape { $$ = node_add(p, node_new(p, N_LIST, @$), $1); }
  | result_list ',' shape { $$ = node_add(p, $1, $3); }

shape:
    '[' ']' { $$ = node_new(p, N_SHAPE, @$); }
  | '[' dims ']' { $$ = $2; $$->span = @$; }
  | '[' dims ',' ']' { $$ = $2; $$->span = @$; }

dims:
    dim { $$ = node_add(p, node_new(p, N_SHAPE, @$), $1); }
  | dims ',' dim { $$ = node_add(p, $1, $3); }

dim:
    expression
  | ELLIPSIS { $$ = node_new(p, N_ELLIPSIS, @$); }

block:
    '{' statements '}' { $$ = $2; $$->span = @$; }

statements:
    %empty { $$ = node_new(p, N_BLOCK, @$); }
  | statements statement { $$ = $2 ? node_add(p, $1, $2) : $1; }

statement:
    simple NEWLINE
  | error NEWLINE { $$ = NULL; yyerrok; }

simple:
    WEIGHT NAME weight_name shape fallback {
        $$ = node_named(p, N_WEIGHT, @2, @2);
        node_add(p, node_add(p, node_add(p, $$, $3), $4), $5);
    }
  | BUCKETS values { $$ = spread(p, node_new(p, N_BUCKETS, @$), $2); }
  | names '=' values { $$ = spread(p, node_add(p, node_new(p, N_ASSIGN, @$), $1), $3); }
  | FOR NAME IN range block {
        $$ = node_add(p, node_add(p, node_named(p, N_FOR, @2, @2), $4), $5);
    }
  | if
  | RETURN values { $$ = spread(p, node_new(p, N_RETURN, @$), $2); }
  | postfix { $$ = node_add(p, node_new(p, N_DO, @$), $1); }

weight_name:
    %empty { $$ = NULL; }
  | string

fallback:
    %empty { $$ = NULL; }
  | ELSE expression { $$ = $2; }

if:
    IF expression block else {
        $$ = node_new(p, N_IF, @1);
        node_add(p, node_add(p, node_add(p, $$, $2), $3), $4);
    }

else:
    %empty { $$ = NULL; }
  | ELSE block { $$ = $2; }
  | ELSE if { $$ = $2; }

names:
    name { $$ = node_add(p, node_new(p, N_LIST, @$), $1); }
  | names ',' name { $$ = node_add(p, $1, $3); }

values:
    expression { $$ = node_add(p, node_new(p, N_LIST, @$), $1); }
  | values ',' expression { $$ = node_add(p, $1, $3); }

range:
    expression
  | expression DOTDOT expression { $$ = node_add(p, node_add(p, node_new(p, N_RANGE, @$), $1), $3); }

expression:
    or_expr
  | or_expr IF or_expr ELSE expression {
        $$ = node_new(p, N_COND, @$);
        node_add(p, node_add(p, node_add(p, $$, $1), $3), $5);
    }

or_expr:
    and_expr
  | or_expr OR and_expr { $$ = binary(p, "or", @$, $1, $3); }

and_expr:
    not_expr
  | and_expr AND not_expr { $$ = binary(p, "and", @$, $1, $3); }

not_expr:
    comparison
  | NOT not_expr { $$ = unary(p, "not", @$, $2); }

comparison:
    sum
  | sum EQ sum { $$ = binary(p, "==", @$, $1, $3); }
  | sum NE sum { $$ = binary(p, "!=", @$, $1, $3); }
  | sum '<' sum { $$ = binary(p, "<", @$, $1, $3); }
  | sum '>' sum { $$ = binary(p, ">", @$, $1, $3); }
  | sum LE sum { $$ = binary(p, "<=", @$, $1, $3); }
  | sum GE sum { $$ = binary(p, ">=", @$, $1, $3); }

sum:
    product
  | sum '+' product { $$ = binary(p, "+", @$, $1, $3); }
  | sum '-' product { $$ = binary(p, "-", @$, $1, $3); }

product:
    factor
  | product '*' factor { $$ = binary(p, "*", @$, $1, $3); }
  | product '/' factor { $$ = binary(p, "/", @$, $1, $3); }
  | product FLOORDIV factor { $$ = binary(p, "//", @$, $1, $3); }
  | product '%' factor { $$ = binary(p, "%", @$, $1, $3); }

factor:
    power
  | '-' factor { $$ = unary(p, "-", @$, $2); }

power:
    postfix
  | postfix POWER factor { $$ = binary(p, "**", @$, $1, $3); }

postfix:
    primary
  | postfix '[' expression ']' { $$ = node_add(p, node_add(p, node_new(p, N_INDEX, @$), $1), $3); }

primary:
    name
  | NAME '(' args ')' { $$ = spread(p, node_named(p, N_CALL, @$, @1), $3); }
  | INT { $$ = node_int(p, @$); }
  | FLOAT { $$ = node_float(p, @$); }
  | string
  | TRUE { $$ = node_new(p, N_TRUE, @$); }
  | FALSE { $$ = node_new(p, N_FALSE, @$); }
  | NONE { $$ = node_new(p, N_NONE, @$); }
  | '(' expression ')' { $$ = $2; }
  | '[' list_items ']' { $$ = $2; $$->span = @$; }
  | '[' expression FOR NAME IN range ']' {
        $$ = node_add(p, node_add(p, node_named(p, N_EACH, @$, @4), $6), $2);
    }

name:
    NAME { $$ = node_named(p, N_NAME, @$, @1); }

string:
    STRING { $$ = node_string(p, @$); }

list_items:
    %empty { $$ = node_new(p, N_LIST, @$); }
  | values
  | values ','

args:
    %empty { $$ = NULL; }
  | arg_list
  | arg_list ','

arg_list:
    arg { $$ = node_add(p, node_new(p, N_LIST, @$), $1); }
  | arg_list ',' arg { $$ = node_add(p, $1, $3); }

arg:
    expression { $$ = node_add(p, node_new(p, N_ARG, @$), $1); }
  | NAME '=' expression { $$ = node_add(p, node_named(p, N_ARG, @$, @1), $3); }

%%

/* Only for what bison itself has to say: its stack is full. */
static void anel_yyerror(Span *at, Parser *p, const char *message)
{
    diag_error(p->diags, *at, "nested too deeply");
}

/* "'foo'", "end of the line" */
static void describe(Text *out, const yypcontext_t *context, bool fragment)
{
    yysymbol_kind_t kind = yypcontext_token(context);
    const Span *at = yypcontext_location(context);
    if (kind == YYSYMBOL_YYEOF && fragment)
        text_puts(out, "end of the expression");
    else if (kind == YYSYMBOL_NEWLINE || kind == YYSYMBOL_YYEOF)
        text_puts(out, yysymbol_name(kind));
    else if (kind == YYSYMBOL_STRING)
        text_puts(out, "a string");
    else
        text_printf(out, "'%.*s'", (int)(at->length < 40 ? at->length : 40), at->source->text + at->start);
}

/* ", expected 'in' or '('"; nothing where there are too many to help. */
static void describe_expected(Text *out, const yypcontext_t *context)
{
    enum { MOST = 4 };
    yysymbol_kind_t expected[MOST];
    int n = yypcontext_expected_tokens(context, expected, MOST);
    for (int i = 0; i < n; i++) {
        const char *name = yysymbol_name(expected[i]);
        const char *quote = *name == '\'' || strchr(name, ' ') ? "" : "'";
        text_puts(out, i == 0 ? ", expected " : i + 1 == n ? " or " : ", ");
        text_printf(out, "%s%s%s", quote, name, quote);
    }
}

static int yyreport_syntax_error(const yypcontext_t *context, Parser *p)
{
    const Scanner *s = &p->scanner;
    if (!p->told && yypcontext_token(context) != YYSYMBOL_YYEOF)
        scanner_drop_brackets(p, *yypcontext_location(context));
    if (p->told || p->too_deep) {
        p->told = false;
        return 0;
    }
    Text text = {0};
    describe(&text, context, s->fragment);
    describe_expected(&text, context);
    diag_error(p->diags, *yypcontext_location(context), "unexpected %s", text_cstr(&text));
    if (yypcontext_token(context) == YYSYMBOL_YYEOF && s->open && !s->fragment)
        diag_note(p->diags, (Span){s->source, s->opener[s->open - 1], 1}, "this is not closed");
    text_free(&text);
    return 0;
}

Node *parse_fragment(Parser *outer, Span at)
{
    Parser p = {.file = outer->file, .diags = outer->diags};
    const char *text = at.source->text;
    p.scanner = (Scanner){.source = at.source, .p = text + at.start, .fragment = true};
    p.scanner.end = p.scanner.p + at.length;
    if (yyparse(&p) != 0 || !p.result)
        return node_new(outer, N_WRONG, at);
    return p.result;
}

AnelFile *anel_parse(const Source *source, Diags *diags)
{
    AnelFile *file = xcalloc(1, sizeof *file);
    Parser p = {.file = file, .diags = diags};
    file->source = source;
    p.scanner = (Scanner){.source = source, .p = source->text, .end = source->text + source->size};
    if (source->size > MAX_SOURCE)
        diag_error(diags, (Span){0}, "%s: larger than %d MiB", source->name, MAX_SOURCE >> 20);
    else if (yyparse(&p) == 0)
        file->root = p.result;
    if (!file->root)
        file->root = node_new(&p, N_FILE, (Span){source, 0, 0});
    return file;
}
