/* The grammar of MIL text: docs/mil.md. Actions only call the builders of reader.h. A name may be any
 * word, even one that means something elsewhere; @n is its place. */
%code requires {
#include "frontend/mil/reader.h"
}

%code {
static void mil_yyerror(Span *at, Reader *r, const char *message);

/* An empty rule stands behind the token before it. */
#define YYLLOC_DEFAULT(Current, Rhs, N)                                                            \
    ((Current) = (N) ? span_join(YYRHSLOC(Rhs, 1), YYRHSLOC(Rhs, N))                               \
                     : (Span){YYRHSLOC(Rhs, 0).source, YYRHSLOC(Rhs, 0).start + YYRHSLOC(Rhs, 0).length, 0})
}

%define api.prefix {mil_yy}
%define api.pure full
%define api.location.type {Span}
%define parse.error custom
%locations
%expect 0
%param { Reader *r }

%union {
    DType dtype;
    const Type *type;
    Type *dims;
    int64_t length;
    Constant constant;
}

%token END 0 "the end of the text"
%token PROGRAM "program" FUNC "func" ARROW "->"
%token TENSOR "tensor" TENSOR_BUFFER "tensor_buffer" STATE "state" LIST "list" DICT "dict" TUPLE "tuple"
%token <dtype> DTYPE "an element type"
%token NAME "a name" INTEGER "a number" REAL "a number with a point" STRING "a string" BOOLEAN "true or false"
%token UNBOUNDED "inf" NEGATIVE "-inf"
%token BLOBFILE "BLOBFILE" WEIGHT "WEIGHT" INT8 "INT8" SCALES "SCALES"
%token CAUSAL_MASK "CAUSAL_MASK" DISTANCE "DISTANCE" SYMBOL "S or T"

%type <type> type type_open
%type <dims> dims dim_list types
%type <length> dim
%type <constant> constant

%%

program:
    PROGRAM '(' version ')' { mil_program_begin(r, @3); }
    attrs { r->m->attr = mil_take_attrs(r, &r->m->attrs); }
    '{' functions '}'

version:
    REAL
  | INTEGER

functions:
    %empty
  | functions function

function:
    FUNC name '<' name '>' { mil_function_begin(r, @2, @4); }
    '(' params ')' attrs { mil_function_params(r); }
    '{' statements '}' ARROW '(' names ')' ';' { mil_function_end(r); }

params:
    %empty
  | param_list

param_list:
    param
  | param_list ',' param

param:
    type name { mil_statement_result(r, $1, @2); }

/* ---- statements ---- */

statements:
    %empty { mil_statement_reset(r); }
  | statements statement { mil_statement_reset(r); }
  | statements error ';' { mil_statement_reset(r); yyerrok; }

statement:
    results '=' name opset '(' args ')' attrs ';' { mil_statement_end(r, @3); }
  | results '=' name opset '(' args ')' attrs '{' { mil_statement_end(r, @3); } block_list '}' ';'
  | NAME opset '(' args ')' attrs ';' { mil_statement_end(r, @1); }
  | NAME opset '(' args ')' attrs '{' { mil_statement_end(r, @1); } block_list '}' ';'

block_list:
    block
  | block_list ',' block

block:
    '(' { mil_block_begin(r, @1); } params ')' { mil_block_params(r); }
    '{' statements '}' ARROW '(' names ')' { mil_block_end(r); }

results:
    type name { mil_statement_result(r, $1, @2); }
  | results ',' type name { mil_statement_result(r, $3, @4); }

opset:
    %empty
  | '<' name '>' { r->opset = @2; }

args:
    %empty
  | arg_list

arg_list:
    arg
  | arg_list ',' arg

arg:
    key arg_value
  | key list_open list_values ')'

key:
    name '=' { mil_statement_arg(r, @1); }

list_open:
    '(' { mil_statement_list(r); }

list_values:
    %empty
  | arg_values

arg_values:
    arg_value
  | arg_values ',' arg_value

arg_value:
    name { mil_statement_value(r, @1); }
  | constant { mil_statement_constant(r, $1); }

names:
    %empty
  | name_list

name_list:
    name { mil_statement_value(r, @1); }
  | name_list ',' name { mil_statement_value(r, @3); }

attrs:
    %empty
  | '[' ']'
  | '[' attr_list ']'

attr_list:
    attr
  | attr_list ',' attr

attr:
    name '=' constant { mil_statement_attr(r, @1, $3); }

/* ---- types ---- */

type:
    DTYPE { $$ = mil_scalar(r, $1); }
  | TENSOR '<' DTYPE ',' dim_list '>' { $$ = mil_tensor(r, $3, $5); }
  | STATE '<' type '>' { $$ = mil_state(r, $3, @$); }
  | LIST '<' type ',' dim '>' { $$ = mil_container(r, TY_LIST, $3, NULL, $5, @$); }
  | DICT '<' type ',' type '>' { $$ = mil_container(r, TY_DICT, $3, $5, 0, @$); }
  | TUPLE '<' types '>' { $$ = $3; }
  | TENSOR_BUFFER '<' DTYPE ',' name '=' dim_list ',' name '=' dim_list ',' name '=' dim_list '>'
    { $$ = mil_buffer(r, $3, (Span[3]){@5, @9, @13}, (Type *[3]){$7, $11, $15}, @$); }

types:
    type { $$ = mil_tuple(r, NULL, $1, @1); }
  | types ',' type { $$ = mil_tuple(r, $1, $3, @3); }

dim_list:
    '[' ']' { $$ = mil_dims(r); }
  | '[' dims ']' { $$ = $2; }

dims:
    dim { $$ = mil_dims(r); mil_dim(r, $$, $1, @1); }
  | dims ',' dim { $$ = $1; mil_dim(r, $$, $3, @3); }

dim:
    INTEGER { $$ = mil_length(r, @1); }
  | '?' { $$ = DIM_UNKNOWN; }
  | SYMBOL { $$ = mil_symbol(r, @1); }

/* ---- constants ---- */

constant:
    type_open literal ')' { $$ = mil_literal_end(r, $1, @$); }
  | type '(' BLOBFILE '(' blob_args ')' ')' { $$ = mil_reference_end(r, $1, LIT_BLOB, 0, @$); }
  | type '(' WEIGHT '(' weight_args ')' ')' { $$ = mil_reference_end(r, $1, LIT_WEIGHT, WEIGHT_TENSOR, @$); }
  | type '(' INT8 '(' weight_args ')' ')' { $$ = mil_reference_end(r, $1, LIT_WEIGHT, WEIGHT_INT8, @$); }
  | type '(' SCALES '(' weight_args ')' ')' { $$ = mil_reference_end(r, $1, LIT_WEIGHT, WEIGHT_SCALES, @$); }
  | type '(' CAUSAL_MASK '(' weight_args ')' ')'
    { $$ = mil_reference_end(r, $1, LIT_WEIGHT, WEIGHT_CAUSAL_MASK, @$); }
  | type '(' DISTANCE '(' ')' ')' { $$ = mil_reference_end(r, $1, LIT_WEIGHT, WEIGHT_DISTANCE, @$); }
  | type '(' DISTANCE '(' weight_args ')' ')'
    { $$ = mil_reference_end(r, $1, LIT_WEIGHT, WEIGHT_DISTANCE, @$); }

type_open:
    type '(' { mil_literal_begin(r, $1); }

literal:
    scalar
  | open_list elements ']' { mil_literal_close(r, @3); }
  | open_tuple elements ')' { mil_literal_close(r, @3); }
  | open_dict pairs '}' { mil_literal_close(r, @3); }

open_list: '[' { mil_literal_open(r, '[', @1); }
open_tuple: '(' { mil_literal_open(r, '(', @1); }
open_dict: '{' { mil_literal_open(r, '{', @1); }

elements:
    %empty
  | element_list

element_list:
    literal
  | element_list ',' literal

pairs:
    %empty
  | pair_list

pair_list:
    pair
  | pair_list ',' pair

pair:
    '{' literal ',' literal '}'

scalar:
    INTEGER { mil_literal_scalar(r, SCALAR_INT, @1); }
  | REAL { mil_literal_scalar(r, SCALAR_FLOAT, @1); }
  | UNBOUNDED { mil_literal_scalar(r, SCALAR_FLOAT, @1); }
  | NEGATIVE { mil_literal_scalar(r, SCALAR_FLOAT, @1); }
  | STRING { mil_literal_scalar(r, SCALAR_STRING, @1); }
  | BOOLEAN { mil_literal_scalar(r, SCALAR_WORD, @1); }
  | SYMBOL { mil_literal_scalar(r, SCALAR_WORD, @1); }

blob_args:
    blob_arg
  | blob_args ',' blob_arg

blob_arg:
    name '=' type_open literal ')' { mil_reference_constant(r, @1, mil_literal_end(r, $3, @4)); }

weight_args:
    weight_arg
  | weight_args ',' weight_arg

weight_arg:
    name '=' STRING { mil_reference_scalar(r, @1, SCALAR_STRING, @3); }
  | name '=' INTEGER { mil_reference_scalar(r, @1, SCALAR_INT, @3); }
  | name '=' BOOLEAN { mil_reference_scalar(r, @1, SCALAR_WORD, @3); }

name:
    NAME
  | DTYPE
  | PROGRAM
  | FUNC
  | TENSOR
  | TENSOR_BUFFER
  | STATE
  | LIST
  | DICT
  | TUPLE
  | BOOLEAN
  | UNBOUNDED
  | BLOBFILE
  | WEIGHT
  | INT8
  | SCALES
  | CAUSAL_MASK
  | DISTANCE
  | SYMBOL

%%

static void mil_yyerror(Span *at, Reader *r, const char *message)
{
    bool deep = strcmp(message, "memory exhausted") == 0;
    diag_error(r->diags, *at, "%s", deep ? "brackets are nested too deeply" : message);
}

/* ", expected ']' or a number"; nothing where too much could stand here. */
static void add_expected(Text *out, const yypcontext_t *context, const Reader *r)
{
    enum { MOST = 5 };
    yysymbol_kind_t expected[MOST];
    int n = 0, all = yypcontext_expected_tokens(context, expected, MOST);
    for (int i = 0; i < all; i++)
        if (r->model || expected[i] != YYSYMBOL_SYMBOL)
            expected[n++] = expected[i];
    for (int i = 0; i < n; i++)
        text_printf(out, "%s%s", i == 0 ? ", expected " : i == n - 1 ? " or " : ", ",
                    yysymbol_name(expected[i]));
}

static int yyreport_syntax_error(const yypcontext_t *context, Reader *r)
{
    yysymbol_kind_t got = yypcontext_token(context);
    const Span *at = yypcontext_location(context);
    Text text = {0};
    if (got == YYSYMBOL_YYUNDEF)
        return 0; /* the scanner has said it */
    if (at->length)
        text_printf(&text, "unexpected '%.*s'", (int)(at->length < 40 ? at->length : 40), mil_text(r, *at));
    else
        text_printf(&text, "unexpected %s", yysymbol_name(got));
    add_expected(&text, context, r);
    diag_error(r->diags, *at, "%s", text_cstr(&text));
    text_free(&text);
    return 0;
}
