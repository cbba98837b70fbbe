/* The interpreter of chat templates, for its own files. What fails sets `failed`; after that everything gives
 * harmless values, and loops end. */
#ifndef RUNTIME_CHAT_INTERP_H
#define RUNTIME_CHAT_INTERP_H

#include <time.h>

#include "runtime/chat/tree.h"

enum {
    TEXT_LIMIT = 8 << 20,     /* bytes of one text */
    MEMORY_LIMIT = 256 << 20, /* bytes of all of them */
    STEP_LIMIT = 20 << 20,
    DEPTH_LIMIT = 1000, /* evaluations within each other */
    VALUE_DEPTH = 100,  /* lists within lists */
    VALUE_WEIGHT = 1 << 20
};

typedef struct Scope Scope;
struct Scope {
    Value vars; /* a dictionary */
    Scope *parent;
};

typedef struct Macro {
    const Node *node;
    Scope *scope; /* where it was defined */
} Macro;

typedef enum Jump { JUMP_NONE, JUMP_BREAK, JUMP_CONTINUE } Jump;

typedef struct Interp {
    Arena arena;
    Error *err;
    bool failed;
    int line, depth;
    double steps;
    Scope *scope;
    Build *out;
    Jump jump;
    time_t now;
} Interp;

/* The arguments of a call, as written. */
typedef struct Args {
    Value *item;
    int count;
    const char **name;
    Value *named;
    int names;
} Args;

/* A filter, method or function: `parameters` are names with a space between, "..." for any more. arg has one
 * value for each; those not given are `absent`. */
typedef struct Builtin {
    const char *name;
    Value (*call)(Interp *in, Value self, const Value *arg, const Args *all);
    const char *parameters;
} Builtin;
enum { PARAMETERS = 8 };

static inline bool absent(Value v)
{
    return v.kind == V_UNDEFINED && !v.str.data;
}

/* Fails with "line N: ..." and gives an undefined value. */
Value interp_fail(Interp *in, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Counts what was done; false (and failed) above the limits. */
bool interp_step(Interp *in, double steps);
Build interp_build(Interp *in);
Value interp_built(Interp *in, const Build *b); /* fails where it is full */

Value interp_eval(Interp *in, const Node *n);
void interp_run(Interp *in, const Node *n);
Value interp_call_macro(Interp *in, const Macro *m, const Args *args, Value caller);

/* Calls the row called NAME, or fails saying that there is no such `what`. */
Value builtin_call(Interp *in, const Builtin *table, size_t count, const char *what, Str name, Value self,
                   const Args *args);

Value filter_apply(Interp *in, Str name, Value self, const Args *args);
bool test_apply(Interp *in, Str name, Value v, const Args *args);
bool method_exists(Value self, Str name);
Value method_apply(Interp *in, Str name, Value self, const Args *args);
bool function_exists(Str name);
Value function_apply(Interp *in, Str name, const Args *args);

/* v.NAME and v[key] */
Value interp_attribute(Interp *in, Value v, Str name);
Value interp_index(Interp *in, Value v, Value key);
/* The items of a list, the keys of a dictionary, the characters of a text; fails on others. */
Value interp_items(Interp *in, Value v);
bool interp_contains(Interp *in, Value container, Value item);
/* -1, 0 or 1; fails on what has no order. */
int interp_compare(Interp *in, Value a, Value b);
Value interp_binary(Interp *in, Operator op, Value a, Value b);
Value text_format(Interp *in, Str format, const Value *item, size_t count);
/* A whole number in `arg`, or `otherwise` where it is absent or none. */
int64_t whole_arg(Interp *in, Value arg, int64_t otherwise);

#endif
