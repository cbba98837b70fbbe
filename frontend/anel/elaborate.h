/* From trees to the graph: what the files of the elaborator share. A model is run once, as a program whose
 * values are numbers, texts, lists and nodes of the graph: layers are inlined, loops unrolled, `if` decided.
 */
#ifndef FRONTEND_ANEL_ELABORATE_H
#define FRONTEND_ANEL_ELABORATE_H

#include "frontend/anel/ast.h"

#define uthash_malloc(size) xmalloc(size)
#include <uthash.h>

/* ---- files ---- */

typedef struct Unit Unit;

typedef struct Layer {
    const char *name;
    const Node *node;
    Unit *unit;
    bool active; /* is being inlined: a layer cannot call itself */
    UT_hash_handle hh;
} Layer;

struct Unit {
    AnelFile *file;
    const Source *source;
    const char *path; /* canonical */
    bool loading;
    int imports, imports_cap;
    Unit **import; /* and what those import */
    Layer *layers;
    Unit *next; /* all units, in the order of loading */
};

/* ---- names ---- */

typedef struct Symbol {
    const char *name;
    AnelValue value;
    UT_hash_handle hh;
} Symbol;

typedef struct Scope {
    Symbol *symbols;
    struct Scope *outer; /* within the frame */
} Scope;

/* One layer (or the model) that is being run. */
typedef struct Frame {
    const Node *node;
    Unit *unit;
    struct Frame *caller;
    Span call;
    Scope *scope, *root;
    bool returned;
    AnelValue result;
    bool has_lead; /* what `...` stands for in this layer */
    int lead;
    int64_t lead_dim[IR_MAX_RANK];
} Frame;

/* ---- tensors ---- */

typedef struct Weight {
    const char *name;
    Type declared;
    Span span;
    bool used, fallback;
    Value *constant[2]; /* as declared, and with the last two axes exchanged; made when they are asked for */
    struct Weight *next;
    UT_hash_handle hh;
} Weight;

typedef struct AnelTensor {
    Value *value; /* NULL: a weight */
    Weight *weight;
    bool flipped; /* the weight, transposed */
} AnelTensor;

/* ---- the run ---- */

typedef struct Told { /* where an error has been reported: loops would repeat it */
    struct {
        const Source *source;
        uint32_t start;
    } key;
    UT_hash_handle hh;
} Told;

typedef struct Setting { /* --set */
    const char *name;
    AnelValue value;
    bool used;
} Setting;

typedef struct Elab {
    const AnelOptions *options;
    Diags *diags;
    Arena scratch;
    Module *module;
    Func *func;
    Unit *units, *last_unit;
    int unit_count;
    Frame *frame;
    Weight *weights, *first_weight, *last_weight; /* by name, and in order */
    int weight_count, constant_count;
    Symbol *constants; /* names of those in the graph */
    Value *distance;   /* made when it is first asked for */
    Told *told;
    bool fresh; /* the last error was new, and a note to it is wanted */
    int64_t steps, ops;
    bool exhausted; /* one of the limits was met: everything ends quietly */
    int frames, level;
    Setting *settings;
    const char *origin; /* where the last config() found its value */
    int buckets, buckets_cap, ignored, ignored_cap;
    const char **ignore; /* what names of tensors begin with that the model leaves alone */
    int64_t *bucket;
} Elab;

enum {
    MAX_STEPS = 4000000, /* expressions and statements that are run */
    MAX_OPS = 200000,
    MAX_ITEMS = 1000000, /* of a list */
    MAX_TEXT = 4096,
    MAX_FRAMES = 64,  /* layers that call layers */
    MAX_LEVELS = 800, /* of the C stack: expressions and blocks within one another, layers and all */
    MAX_UNITS = 64,
};
#define MAX_INT ((int64_t)1 << 53)

/* ---- load.c ---- */

/* The unit of the main source and all it imports; NULL where there were errors. */
Unit *load_units(Elab *e, const Source *source);
void units_free(Elab *e);
/* The layer that `name` means in `unit`: its own, else of its imports, in order. NULL: none. */
Layer *unit_find(const Unit *unit, const char *name);

/* ---- check.c: what can be said without running ---- */

bool check_units(Elab *e);
/* Whether some config() asks for the key. */
bool config_key_known(const Elab *e, const char *key);
/* The known parameter or key that is nearest to `name`; NULL: none is near. */
const char *nearest_setting(const Elab *e, const Node *model, const char *name);

/* ---- value.c ---- */

AnelValue anel_int(int64_t i);
AnelValue anel_float(double d);
AnelValue anel_bool(bool b);
AnelValue anel_text(const char *s);
AnelValue anel_list(const AnelValue *item, int count);
AnelValue anel_tensor(Elab *e, Value *v);
extern const AnelValue anel_none, anel_error;

bool is_symbolic(const AnelValue *v); /* S or T */
bool is_number(const AnelValue *v);   /* int or float, and neither S nor T */
double number_of(const AnelValue *v);
/* Whole numbers, floats that are whole, S and T. */
bool as_int(const AnelValue *v, int64_t *out);
bool anel_same(const AnelValue *a, const AnelValue *b);
/* "the number 12", "a tensor [S, 768]", for messages; lives in scratch. */
const char *describe(Elab *e, const AnelValue *v);
const char *dims_string(Elab *e, const Type *t);
/* A deep copy into the module's arena. */
AnelValue anel_keep(Elab *e, const AnelValue *v);
const char *span_text(Elab *e, Span at);
/* The nearest of `names` that is near at all, or NULL. */
typedef struct Nearest {
    const char *wanted, *best;
    int distance;
} Nearest;
void nearest_try(Nearest *n, const char *candidate);

/* ---- config.c ---- */

/* --set NAME=VALUE, all of them; false where one is no such pair. */
bool settings_read(Elab *e);
Setting *settings_find(Elab *e, const char *name);
/* config("key") and config("key", default). */
AnelValue eval_config(Elab *e, const Node *call);

/* ---- elaborate.c ---- */

/* An error at a place, once, with a note for each layer it is in. Returns anel_error. */
AnelValue elab_error(Elab *e, Span at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Whether nothing was told of this place before. */
bool tell_once(Elab *e, Span at);
/* Goes one level down, and counts one step; false where the run has to end. */
bool elab_enter(Elab *e, Span at);
void elab_leave(Elab *e);
Symbol *find_symbol(const Frame *f, const char *name);
void define(Elab *e, Scope *scope, const char *name, AnelValue value);
void enter_scope(Elab *e, Scope *scope);
void leave_scope(Elab *e);
/* Runs a `for`'s values: calls `body` with each in a scope of its own. */
void for_each(Elab *e, const Node *range, const char *name, void (*body)(Elab *e, void *context),
              void *context);
void run_block(Elab *e, const Node *block);

/* ---- call.c ---- */

AnelValue eval_call(Elab *e, const Node *call);
/* A value for a parameter that is declared with a type. */
AnelValue typed(Elab *e, const Node *param, AnelValue v, Span at);

/* ---- expression.c ---- */

AnelValue eval(Elab *e, const Node *n);
/* As eval, but an error where the value is no whole number in [least, most]. */
bool eval_int(Elab *e, const Node *n, const char *what, int64_t least, int64_t most, int64_t *out);
/* A condition; false after an error. */
bool eval_truth(Elab *e, const Node *n, bool *out);
AnelValue eval_binary(Elab *e, const Node *n, const AnelValue *a, const AnelValue *b);

/* ---- weight.c ---- */

void run_weight(Elab *e, const Node *n);
/* The constant for a weight; `flipped` exchanges the axes of a matrix. */
Value *weight_value(Elab *e, Weight *w, bool flipped, Span at);
/* Unused weights still become constants, and are warned about. */
void weights_settle(Elab *e);
const AnelWeight *weights_list(Elab *e);

/* ---- tensor.c: ops ---- */

Type tensor_type(const AnelTensor *t);
/* The node of the graph behind a tensor. */
Value *tensor_value(Elab *e, const AnelTensor *t, Span at);
/* Ends what op_new and op_set began: infers the results. anel_error where the op refuses. */
AnelValue emit(Elab *e, Op *op, Span at);
Op *begin_op(Elab *e, OpCode code, Span at);
AnelValue emit_unary(Elab *e, OpCode code, const AnelTensor *x, Span at);
AnelValue emit_arithmetic(Elab *e, const char *operator, const AnelValue * a, const AnelValue *b, Span at);
/* < > <= >= */
AnelValue emit_comparison(Elab *e, const char *operator, const AnelValue * a, const AnelValue *b, Span at);
AnelValue emit_elementwise(Elab *e, OpCode code, const char *verb, const AnelValue *a, const AnelValue *b,
                           Span at);
AnelValue emit_reshape(Elab *e, const AnelTensor *x, int rank, const int64_t *dims, Span at);
AnelValue emit_transpose(Elab *e, const AnelTensor *x, const int64_t *perm, Span at);

/* ---- tokens.c ---- */

/* Called with each new op: an error where tokens would be mixed that must not know of each other. */
bool tokens_follow(Elab *e, const Op *op, Span at);
/* Takes back what it noted in Value.mark. */
void tokens_clear(Func *f);

/* ---- primitives.c ---- */

enum { MAX_ARGS = 8 };

/* A call of a primitive with its arguments in order. */
typedef struct Call {
    const char *name;
    const char *params; /* "x axis? keep?" */
    Span span;
    AnelValue arg[MAX_ARGS];
    bool given[MAX_ARGS];
    Span at[MAX_ARGS];
} Call;

typedef AnelValue (*PrimitiveFn)(Elab *e, Call *c);

typedef struct Primitive {
    const char *name, *params;
    PrimitiveFn run;
    OpCode unary;             /* instead of `run`: one tensor in, or one number */
    double (*scalar)(double); /* on a number; NULL: tensors only */
} Primitive;

const Primitive *primitive_find(const char *name);
void primitive_nearest(Nearest *n);
AnelValue primitive_run(Elab *e, const Primitive *p, Call *c);
/* Arguments, with an error that names call and argument. Optional ones that were not given, or are none,
 * become the default. */
AnelTensor *arg_tensor(Elab *e, Call *c, int i);
bool arg_whole(Elab *e, Call *c, int i, int64_t otherwise, int64_t least, int64_t most, int64_t *out);
bool arg_number(Elab *e, Call *c, int i, double otherwise, double *out);
bool arg_flag(Elab *e, Call *c, int i, bool otherwise, bool *out);
/* An axis from -rank to rank - 1, made positive. */
bool arg_axis(Elab *e, Call *c, int i, int otherwise, int rank, int *out);
/* A list of whole numbers; S and T are allowed where `symbols`. */
bool arg_whole_list(Elab *e, Call *c, int i, bool symbols, int64_t *out, int limit, int *count);
#define PRIMITIVE(name, parameters) AnelValue primitive_##name(Elab *e, Call *c);
#include "frontend/anel/primitives.def"

#endif
