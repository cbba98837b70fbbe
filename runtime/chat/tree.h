/* A chat template as it is read: tokens and the tree. */
#ifndef RUNTIME_CHAT_TREE_H
#define RUNTIME_CHAT_TREE_H

#include "runtime/chat/value.h"

/* ---- tokens ---- */

typedef enum TokenKind {
    TOKEN_TEXT,      /* what stands outside the tags, trimmed as they ask */
    TOKEN_BLOCK,     /* {% */
    TOKEN_BLOCK_END, /* %} */
    TOKEN_PRINT,     /* {{ */
    TOKEN_PRINT_END, /* }} */
    TOKEN_NAME,
    TOKEN_STRING, /* text: without quotes and escapes */
    TOKEN_INT,
    TOKEN_FLOAT,
    TOKEN_OPERATOR,
    TOKEN_END
} TokenKind;

typedef struct ChatToken {
    TokenKind kind;
    int line;
    Str text;
} ChatToken;

typedef struct TokenList {
    ChatToken *token; /* the last one is TOKEN_END */
    size_t count, cap;
} TokenList;

/* Splits a template of `size` bytes, which a NUL follows, with trim_blocks and lstrip_blocks. */
MUST_USE bool chat_scan(Arena *a, const char *text, size_t size, TokenList *out, Error *err);

/* ---- the tree ---- */

typedef enum NodeKind {
    /* expressions */
    NODE_CONST,     /* value */
    NODE_NAME,      /* text */
    NODE_LIST,      /* list */
    NODE_TUPLE,     /* list */
    NODE_DICT,      /* list: key, value, key, value ... */
    NODE_ATTRIBUTE, /* a.text */
    NODE_INDEX,     /* a[b] */
    NODE_SLICE,     /* a[list[0]:list[1]:list[2]], NULL where left out */
    NODE_CALL,      /* a(list, name=named) */
    NODE_FILTER,    /* a | text(list, name=named) */
    NODE_TEST,      /* a is text(list) */
    NODE_NOT,
    NODE_NEGATE,
    NODE_PLUS,
    NODE_BINARY, /* a op b: + - * / // % ** */
    NODE_CONCAT, /* a ~ b */
    NODE_COMPARE,
    NODE_AND,
    NODE_OR,
    NODE_CHOICE, /* a if b else c; c may be NULL */
    /* statements */
    NODE_TEXT,     /* text */
    NODE_PRINT,    /* a */
    NODE_BODY,     /* list */
    NODE_IF,       /* if a then b else c; c may be NULL */
    NODE_FOR,      /* for list in a if c: b; else d */
    NODE_SET,      /* list = a, or text.name for a namespace: see below */
    NODE_SET_BODY, /* set list[0]: b: the text that b writes */
    NODE_MACRO,    /* text(list; named: defaults): b */
    NODE_CALLER,   /* call a: b */
    NODE_FILTERED, /* filter a: b; a's innermost filter has no operand */
    NODE_WITH,     /* with list = named: b */
    NODE_BREAK,
    NODE_CONTINUE
} NodeKind;

typedef enum Operator {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV,
    OP_MOD,
    OP_POW,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_NOT_IN
} Operator;

typedef struct Node Node;
struct Node {
    NodeKind kind;
    int line;
    Operator op;
    Node *a, *b, *c, *d;
    Str text;
    Value value;
    Node **list;
    int count, cap;
    const char **name; /* of named arguments and parameters */
    Node **named;      /* their values; NULL: a parameter without a default */
    int names, names_cap, named_cap;
};

/* The whole template as a NODE_BODY. */
MUST_USE Node *chat_parse(Arena *a, const TokenList *tokens, Error *err);

#endif
