/* The one graph: typed SSA, lowered to from .anel and read from MIL text. Everything below a Module lives in
 * its arena and dies with it.
 *
 * An argument is always a Value: a reference to a parameter or to another op's result, or a constant. A
 * constant is an op (OP_CONST); one that was written in place of a reference (`axis = int32(0)`) is an
 * OP_CONST that is not in the function's list and prints in place.
 */
#ifndef IR_IR_H
#define IR_IR_H

#include "base/diag.h"
#include "ir/type.h"

typedef enum OpCode {
    OP_UNKNOWN, /* carried through: spelling, named arguments, declared result types */
#define OP(id, spelling, opset, flags, infer, eval, operands, results) OP_##id,
#include "ir/ops.def"
    OP_COUNT
} OpCode;

enum OpFlags {
    F_NONE = 0,
    F_COMMUTATIVE = 1 << 0, /* x and y may be exchanged */
    F_ELEMENTWISE = 1 << 1, /* result element depends on the same (broadcast) elements only */
    F_MOVE = 1 << 2,        /* moves elements, computes nothing */
    F_EFFECT = 1 << 3,      /* reads or writes a state, or draws: never merged, moved or dropped */
    F_CONST = 1 << 4,       /* no run-time inputs: a constant or a compressed constant */
    F_MODEL = 1 << 5        /* stands in models only; no MIL spelling, gone before emission */
};

enum { OP_MAX_OPERANDS = 17 };

/* One operand of an op's signature in ops.def, e.g. "bias?" or "values*". */
typedef struct OperandInfo {
    char name[32];
    bool optional, list;
} OperandInfo;

typedef struct OpInfo {
    const char *id;       /* "LAYER_NORM" */
    const char *spelling; /* "layer_norm" */
    int opset;            /* first iOS version: 15..18 */
    int flags;
    int operands, results; /* results: -1 = as many as the op was given */
    OperandInfo operand[OP_MAX_OPERANDS];
} OpInfo;

/* The table; expanded from ops.def. */
const OpInfo *op_info(OpCode code);
OpCode op_from_spelling(const char *spelling, size_t length); /* OP_UNKNOWN where there is none */
int op_operand_index(OpCode code, const char *name);          /* -1 where there is none */

typedef struct Value Value;
typedef struct Op Op;
typedef struct Func Func;
typedef struct Module Module;
typedef struct Literal Literal;

/* A constant whose numbers live in a checkpoint, or are made when the weights are written. */
typedef enum WeightKind {
    WEIGHT_TENSOR,
    WEIGHT_CAUSAL_MASK,
    WEIGHT_DISTANCE, /* element (q, k) is q - k; the last two axes are q and k, or k and q if transposed */
    WEIGHT_INT8,     /* a tensor in 8 bits: each number over the scale of its block, rounded */
    WEIGHT_SCALES    /* and one scale for each block: the last axis is as many times shorter */
} WeightKind;
enum { WEIGHT_BLOCK = 32 }; /* so many numbers along the last axis have one scale, as in ggml's Q8_0 */
typedef struct WeightRef {
    WeightKind kind;
    const char *name; /* of a tensor, also in 8 bits: the checkpoint's, e.g. "h.0.attn.c_attn.weight" */
    bool transposed;  /* the checkpoint holds [in, out], the value is [out, in] */
    int64_t window;   /* WEIGHT_CAUSAL_MASK: query q sees keys q-window+1 .. q; 0 = all up to q.
                       * Element (q, k) is 0 where seen, else MASKED; the last two axes are q and k. */
    int scale;        /* WEIGHT_TENSOR: times 2^scale, in fp16 */
} WeightRef;

/* Never -inf on the ANE: facts and sources in docs/devices.md. fp16-exact. */
#define MASKED (-10000.0)

typedef enum LiteralKind {
    LIT_INT, /* also bool (0, 1) and symbolic dimensions (DIM_S, DIM_T) in a shape */
    LIT_FLOAT,
    LIT_STRING,
    LIT_BLOB,   /* BLOBFILE(path, offset) */
    LIT_WEIGHT, /* WEIGHT(...): models only */
    LIT_TREE    /* list, dict (key, value, key, value ...) and tuple; element types come from the Type */
} LiteralKind;

struct Literal {
    LiteralKind kind;
    size_t count; /* elements, row-major; of LIT_TREE children */
    union {
        const int64_t *ints;
        const double *floats;
        const char *const *strings; /* unescaped, NUL-terminated */
        struct {
            const char *path; /* "@model_path/weights/weight.bin" */
            uint64_t offset;  /* of the 64-byte record, never of the payload */
        } blob;
        WeightRef weight;
        Literal *const *children;
    };
};

struct Value {
    const Type *type;
    const char *name; /* SSA name, unique in its function; NULL for constants written in place */
    Op *def;          /* NULL for a parameter */
    int index;        /* among def's results */
    Span span;
    Value *forward; /* set by value_replace until func_settle */
    int uses;       /* filled by func_count_uses */
    void *mark;     /* scratch of the pass that runs; NULL between passes */
};

typedef struct Arg {
    const char *key;
    Value **values;
    int count;      /* 0: not given */
    bool list;      /* printed as (a, b) */
    bool attribute; /* spelled among the attributes, as iOS 16's constexpr ops are */
} Arg;

typedef struct Attr {
    const char *key;
    const Type *type;
    const Literal *literal;
} Attr;

struct Op {
    OpCode code;
    const char *spelling; /* as op_info's, or OP_UNKNOWN's own */
    const char *opset;    /* "ios17" of `op<ios17>(...)`, else NULL */
    const char *label;    /* the `name` attribute; NULL: absent */
    int args;             /* of a known op: all operands of ops.def, in that order */
    Arg *arg;
    int attrs; /* all but name and val, sorted by key when printed */
    Attr *attr;
    int results;
    Value **result;
    const Literal *literal; /* OP_CONST */
    int blocks;             /* of cond and while_loop: functions of no name that see the values around them */
    Func **block;
    int group; /* fusion group, 0 = none: index into Func.group */
    Span span;
    Func *func; /* NULL for constants written in place */
    Op *prev, *next;
};

/* A set of ops that a fusion pass wants in one program. */
typedef struct Group {
    const char *kind;   /* "attention", "mlp" */
    const char *name;   /* unique: "attention_00" */
    const char *begins; /* why it begins and ends where it does, for --explain */
    const char *ends;
} Group;

struct Func {
    Module *module;
    const char *name;  /* "main" */
    const char *opset; /* "ios18" */
    int params, outputs;
    Value **param;
    Value **output;
    int attrs;
    Attr *attr;
    Op *first, *last;
    int groups, groups_cap; /* group[0] is unused */
    Group *group;
    Span span;
    int next_name; /* for func_fresh_name */
};

/* What is said about a model that becomes a Core ML package, or was one: `description`, `author`, `license`,
 * `version`, and whatever else its writer noted. No part of the text. */
typedef struct About {
    const char *key, *value;
} About;

struct Module {
    Arena arena;
    const char *version; /* "1.3" */
    bool newline;        /* the text was read with a line end behind the last brace, and prints so */
    int attrs;           /* program attributes: buildInfo */
    Attr *attr;
    int funcs, funcs_cap;
    Func **func;
    int abouts, abouts_cap;
    About *about;
    const Type *recent[8]; /* types of values that were made last */
    unsigned oldest;
};

/* ---- ir/module.c: building ---- */

Module *module_new(const char *version);
void module_free(Module *m); /* NULL is allowed */
Func *func_new(Module *m, const char *name, const char *opset);
Func *module_find(const Module *m, const char *name);
/* Its place among the functions of its module. */
int func_number(const Func *f);
/* A function for an op's block: not in the module's list. */
Func *block_new(Module *m, const char *opset);
const char *module_about(const Module *m, const char *key); /* NULL: nothing is said */
void module_set_about(Module *m, const char *key, const char *value);
Value *func_add_param(Func *f, const char *name, const Type *type, Span at);
void func_add_output(Func *f, Value *v);
/* A name that no value of the function has yet: `stem`, or stem_1, stem_2 ... */
const char *func_fresh_name(Func *f, const char *stem);

/* A new op with the arguments empty and no results, appended to f (or inserted before `before`). */
Op *op_new(Func *f, OpCode code, Span at);
Op *op_new_before(Func *f, Op *before, OpCode code, Span at);
/* An op of no known kind. */
Op *op_new_unknown(Func *f, const char *spelling, Span at);
void op_set(Op *op, const char *key, Value *v);
void op_set_list(Op *op, const char *key, Value *const *v, int count);
/* The first value of an argument; NULL where it is not given. */
Value *op_arg(const Op *op, const char *key);
const Arg *op_find_arg(const Op *op, const char *key); /* NULL: no such key, or not given */
Value *op_add_result(Op *op, const char *name, const Type *type);
/* Computes the result types by the op's rule and adds the results, named after `stem` (fresh names). False:
 * the arguments do not fit; the text of err says how, with both shapes. */
MUST_USE bool op_infer(Op *op, const char *stem, Error *err);
void op_unlink(Op *op);
/* Moves an op that is already in the function before another. */
void op_move_before(Op *op, Op *before);

/* Constants as values: an op in the list before `before` (NULL: at the end), or one written in place. The
 * literal is copied. */
Value *const_value(Func *f, Op *before, const char *name, const Type *type, const Literal *literal);
Value *const_inline(Module *m, const Type *type, const Literal *literal);
/* A deep copy. */
const Literal *literal_copy(Arena *a, const Literal *l);
const Literal *literal_ints(Arena *a, const int64_t *values, size_t count);
const Literal *literal_floats(Arena *a, const double *values, size_t count);
const Literal *literal_string(Arena *a, const char *s);
const Literal *literal_blob(Arena *a, const char *path, uint64_t offset);
/* A list, dict or tuple of these children. */
const Literal *literal_tree(Arena *a, const Literal *const *children, size_t count);
const Literal *literal_weight(Arena *a, const WeightRef *w);
/* In-place constants of the usual kinds. */
Value *inline_int(Module *m, int64_t v); /* int32 */
Value *inline_bool(Module *m, bool v);
Value *inline_string(Module *m, const char *s);
Value *inline_float(Module *m, DType dtype, double v);
Value *inline_ints(Module *m, const int64_t *v, int64_t count); /* tensor<int32, [count]> */

/* ---- reading ---- */

bool value_is_const(const Value *v);
const Literal *value_literal(const Value *v); /* NULL unless v is OP_CONST */
/* The constant behind an argument; false where it is absent or not such a constant. */
bool arg_int(const Op *op, const char *key, int64_t *out);
bool arg_bool(const Op *op, const char *key, bool *out);
bool arg_float(const Op *op, const char *key, double *out); /* takes int constants too */
const char *arg_string(const Op *op, const char *key);      /* NULL: absent */
/* Up to `limit` integers of a constant tensor or scalar; -1 where absent or not constant, else the count. */
int arg_ints(const Op *op, const char *key, int64_t *out, int limit);

/* ---- ir/rewrite.c: changing ---- */

/* Lets every use of `old` mean `new` from the next func_settle on. */
void value_replace(Value *old, Value *new);
/* Follows the replacements in all arguments and outputs. */
void func_settle(Func *f);

/* Ends what a pass kept in the marks of f's parameters and results. */
void func_clear_marks(const Func *f);
void func_count_uses(Func *f);
/* Calls fn for every argument value of op. */
#define FOR_EACH_ARG(op, slot)                                                                               \
    for (int a_ = 0; a_ < (op)->args; a_++)                                                                  \
        for (Value **slot = (op)->arg[a_].values, **end_ = slot + (op)->arg[a_].count; slot < end_; slot++)
/* A copy into another (or the same) module. Spans, attributes and the texts of groups are shared. */
Func *func_clone(Module *into, const Func *f, const char *name);
/* Gives S and T their lengths everywhere (types and shape constants). */
void func_specialise(Func *f, int64_t s, int64_t t);
/* Drops ops without effect whose results are unused; returns how many. */
int func_sweep(Func *f);
/* Sorts params by name (byte-wise), as MIL text and the ANE want them. */
void func_sort_params(Func *f);

/* ---- ir/infer.c, ir/verify.c ---- */

/* The result types of op by its rule, into out[0..limit); the number of results, or -1 with err set. */
int op_result_types(const Op *op, Type *out, int limit, Error *err);
/* Checks the whole function: every argument defined before its use and in this function, names unique,
 * operands complete, declared types equal to inferred ones, outputs defined. Problems go to diags (with spans
 * where there are any); returns whether there were none. `stage` names who is to blame in the message ("after
 * fuse_mlp"). */
bool func_verify(const Func *f, const char *stage, Diags *diags);
bool module_verify(const Module *m, const char *stage, Diags *diags);

/* ---- ir/print.c: the text form (MIL, plus S, T, WEIGHT() and model ops where they still stand) ---- */

void module_print(Text *out, const Module *m);
void func_print(Text *out, const Func *f);
void op_print(Text *out, const Op *op);
/* One literal of the given type, as MIL spells it. */
void literal_print(Text *out, const Type *type, const Literal *l);

#endif
