/* Inside frontend/mil: what the scanner, the grammar and the builders share. */
#ifndef FRONTEND_MIL_READER_H
#define FRONTEND_MIL_READER_H

#include <uthash.h>

#include "ir/ir.h"

/* Far above what occurs; they keep hostile input from quadratic work and from deep recursion. */
enum {
    MAX_BLOCK_DEPTH = 16,
    MAX_TYPE_DEPTH = 16,
    MAX_ENTRIES = 256 /* arguments, attributes, results of one statement */
};

/* A constant as it was written: TYPE(literal). The literal is NULL where there was an error. */
typedef struct Constant {
    const Type *type;
    const Literal *literal;
    Span span;
} Constant;

/* ---- constants under construction (constant.c) ---- */

/* One level of a literal. Tensors take all their brackets in one frame: `axis` counts the open ones. */
typedef struct Frame {
    const Type *type;
    bool open; /* containers: their bracket was read */
    int axis;
    int64_t length[IR_MAX_RANK]; /* of the brackets that are open */
    int64_t row[IR_MAX_RANK];    /* that every bracket of the axis has; -1: not known yet */
    size_t first;                /* containers: where their children begin in Builder.child */
} Frame;

typedef struct Builder {
    bool bad; /* an error was reported; the rest of the literal is skipped */
    int frames;
    Frame frame[MAX_TYPE_DEPTH + 1];
    size_t elements, elements_cap; /* of the tensor that is being read */
    union Element {
        int64_t i;
        double d;
        const char *s;
    } * element;
    size_t children, children_cap;
    Literal **child;
    const Literal *result;
} Builder;

/* ---- the reader ---- */

typedef struct Name {
    Value *value;
    UT_hash_handle hh;
} Name;

/* A block that is being read. */
typedef struct Block {
    struct Block *outer;
    Func *around;   /* the function that it stands in */
    Op *op;         /* whose block it is */
    int depth;      /* 1: in a function */
    unsigned names; /* that were defined before it */
} Block;

/* One spelling of an op that occurred: known ops are in the table from the start. */
typedef struct Spelling {
    OpCode code;
    UT_hash_handle hh;
} Spelling;

typedef struct ArgText {
    Span key;
    size_t first; /* in Reader.value */
    int count;
    bool list;
} ArgText;

typedef struct AttrText {
    Span key;
    Constant constant;
} AttrText;

typedef struct ResultText {
    const Type *type;
    Span name;
} ResultText;

/* References of WEIGHT(..), CAUSAL_MASK(..) and BLOBFILE(..). */
typedef struct Reference {
    WeightRef weight;
    const char *path;
    uint64_t offset;
    int seen; /* bits: name or path, transposed or offset, window */
} Reference;

typedef struct Reader {
    const Source *src;
    Diags *diags;
    bool model;
    const char *cursor;
    Module *m;
    Func *f;
    Arena scratch; /* hash entries */
    Name *names;   /* of f, and of the functions around it where it is a block */
    Block *block;  /* the innermost; NULL: f is none */
    Spelling *spellings;
    int unknown; /* spellings that were warned about */
    int highest; /* number at the end of a name of f */
    const Type *scalar[DT_COUNT];
    Builder builder;
    Reference reference;
    /* The statement, the header or the output list that is being read. */
    int args, args_cap, attrs, attrs_cap, results, results_cap;
    ArgText *arg;
    AttrText *attr;
    ResultText *result;
    size_t values, values_cap;
    Value **value;
    Span opset; /* of `op<ios17>`; length 0 where not written */
} Reader;

/* ---- scanner, grammar ---- */

union MIL_YYSTYPE;
int mil_yylex(union MIL_YYSTYPE *value, Span *at, Reader *r);
int mil_yyparse(Reader *r);

const char *mil_text(const Reader *r, Span at); /* not terminated: at.length bytes */
char *mil_copy(Reader *r, Span at);             /* in the module's arena */
bool mil_is(const Reader *r, Span at, const char *word);

/* ---- types (type.c) ---- */

const Type *mil_scalar(Reader *r, DType d);
/* A shape that grows; a rank over the limit is reported once. */
Type *mil_dims(Reader *r);
void mil_dim(Reader *r, Type *dims, int64_t d, Span at);
int64_t mil_length(Reader *r, Span at); /* a number token >= 0 */
int64_t mil_symbol(Reader *r, Span at); /* S or T */
const Type *mil_tensor(Reader *r, DType d, Type *dims);
const Type *mil_state(Reader *r, const Type *inner, Span at);
const Type *mil_container(Reader *r, TypeKind kind, const Type *a, const Type *b, int64_t length, Span at);
Type *mil_tuple(Reader *r, Type *tuple, const Type *element, Span at); /* tuple NULL: a new one */
const Type *mil_buffer(Reader *r, DType d, const Span key[3], Type *const list[3], Span at);

/* ---- literals (constant.c) ---- */

typedef enum Scalar { SCALAR_INT, SCALAR_FLOAT, SCALAR_STRING, SCALAR_WORD } Scalar;

void mil_literal_begin(Reader *r, const Type *type);
void mil_literal_open(Reader *r, char bracket, Span at);
void mil_literal_close(Reader *r, Span at);
void mil_literal_scalar(Reader *r, Scalar kind, Span at);
/* What was read since mil_literal_begin; NULL after an error. */
Constant mil_literal_end(Reader *r, const Type *type, Span at);
void mil_builder_free(Builder *b);

/* key = value of a reference, then the reference itself. */
void mil_reference_constant(Reader *r, Span key, Constant value);
void mil_reference_scalar(Reader *r, Span key, Scalar kind, Span at);
Constant mil_reference_end(Reader *r, const Type *type, LiteralKind kind, WeightKind weight, Span at);
/* The text of a string token, unescaped, in the module's arena. */
const char *mil_string_value(Reader *r, Span at);

/* ---- statements (statement.c) ---- */

void mil_statement_reset(Reader *r);
void mil_statement_result(Reader *r, const Type *type, Span name);
void mil_statement_arg(Reader *r, Span key);
void mil_statement_list(Reader *r);
void mil_statement_value(Reader *r, Span name);
void mil_statement_constant(Reader *r, Constant c);
void mil_statement_attr(Reader *r, Span key, Constant c);
void mil_statement_end(Reader *r, Span spelling);

/* ---- functions and the program (read.c) ---- */

/* A block of the statement that was read last; its values are its own. */
void mil_block_begin(Reader *r, Span at);
void mil_block_params(Reader *r);
void mil_block_end(Reader *r);

void mil_program_begin(Reader *r, Span version);
void mil_function_begin(Reader *r, Span name, Span opset);
void mil_function_params(Reader *r);
void mil_function_end(Reader *r);
/* The attributes collected so far, for a program or a function. */
Attr *mil_take_attrs(Reader *r, int *count);
/* Adds a value's name; reports one that is there already. */
void mil_define_value(Reader *r, Value *v);
Value *mil_find_value(Reader *r, Span name); /* NULL, reported, where there is none */
Value *mil_make_value(Reader *r, const Type *type, Span name);

#endif
