/* The tree of one .anel file, and what scanner and grammar share. */
#ifndef FRONTEND_ANEL_AST_H
#define FRONTEND_ANEL_AST_H

#include "frontend/anel/anel.h"

/* What the kids of a node are; `?` may be NULL, `*` any number from there on. */
typedef enum NodeKind {
    N_FILE,   /* item* */
    N_IMPORT, /* text: the path */
    N_MODEL,  /* text: name; params, block */
    N_LAYER,  /* text: name; params, results?, block */
    N_LIST,   /* node*: parameters, results, names, the values of a list */
    N_PARAM,  /* text: name; type? (N_SHAPE or N_TYPE), default? */
    N_TYPE,   /* text: int, float, bool, text, list */
    N_SHAPE,  /* dimension*, the first of which may be N_ELLIPSIS */
    N_ELLIPSIS,
    N_BLOCK,   /* statement* */
    N_WEIGHT,  /* text: name; N_STRING?, shape, else? */
    N_ASSIGN,  /* N_LIST of N_NAME, value* */
    N_FOR,     /* text: name; what it runs over, block */
    N_IF,      /* condition, block, else? (N_BLOCK or N_IF) */
    N_RETURN,  /* value* */
    N_BUCKETS, /* value* */
    N_DO,      /* call */
    N_INT,     /* integer */
    N_FLOAT,   /* number */
    N_TRUE,
    N_FALSE,
    N_NONE,
    N_STRING, /* part*: N_TEXT or an expression */
    N_TEXT,   /* text */
    N_NAME,   /* text */
    N_UNARY,  /* text: operator; operand */
    N_BINARY, /* text: operator; left, right */
    N_COND,   /* value, condition, other value */
    N_CALL,   /* text: name; N_ARG* */
    N_ARG,    /* text: keyword or NULL; value */
    N_INDEX,  /* list, index */
    N_RANGE,  /* first, end */
    N_EACH,   /* [value for NAME in ...]: text: name; what it runs over, value */
    N_WRONG   /* stands where the text was not understood */
} NodeKind;

typedef struct Node Node;
struct Node {
    NodeKind kind;
    Span span;
    const char *text;
    union {
        int64_t integer;
        double number;
    };
    int depth; /* of the tree below */
    int kids, kids_cap;
    Node **kid;
};

struct AnelFile {
    Arena arena;
    const Source *source;
    Node *root;
};

/* Trees deeper than this are refused: whoever walks them calls itself once a level. */
enum { MAX_DEPTH = 200, MAX_SOURCE = 4 << 20 };

typedef struct Scanner {
    const Source *source;
    const char *p, *end;
    int last;          /* the token before */
    uint32_t last_end; /* where it ends, line ends left out */
    bool fragment;     /* the expression in a template */
    int open;          /* brackets and braces that are open, and where */
    uint32_t opener[MAX_DEPTH];
} Scanner;

typedef struct Parser {
    AnelFile *file;
    Diags *diags;
    Scanner scanner;
    bool told;     /* of what is wrong here */
    bool too_deep; /* has been said */
    Node *result;
} Parser;

/* ---- ast.c ---- */

Node *node_new(Parser *p, NodeKind kind, Span at);
Node *node_named(Parser *p, NodeKind kind, Span at, Span name);
/* Adds a kid (NULL is allowed) and returns `parent`. */
Node *node_add(Parser *p, Node *parent, Node *kid);
/* The parts of a template, from the token with its quotes. */
Node *node_string(Parser *p, Span at);
Node *node_int(Parser *p, Span at);
Node *node_float(Parser *p, Span at);

/* ---- scan.re ---- */

union ANEL_YYSTYPE;
int anel_yylex(union ANEL_YYSTYPE *value, Span *at, Parser *p);
/* Where the token at `at`, which is not wanted, begins a line: brackets that the lines before left open are
 * what is wrong. Says so and closes them. */
void scanner_drop_brackets(Parser *p, Span at);

/* ---- parse.y ---- */

/* Parses the file, or the expression of a template at `at`, into p->result. */
Node *parse_fragment(Parser *outer, Span at);

#endif
