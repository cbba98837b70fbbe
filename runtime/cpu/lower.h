/* Lowering of one function: values get views, ops become steps. Internal to runtime/cpu.
 *
 * First the ops are walked backwards: what nothing needs is dropped, and groups of ops that one step can do
 * are found (match.c and its neighbours). Then forwards, and each op or group emits its steps. */
#ifndef RUNTIME_CPU_LOWER_H
#define RUNTIME_CPU_LOWER_H

#include <uthash.h>

#include "runtime/cpu/plan.h"
#include "runtime/eval/eval.h"

typedef struct Node {
    const Value *value;
    int uses;       /* by ops that are needed, and as outputs */
    int op;         /* index of the op that makes it; -1: a parameter or a constant written in place */
    const Op *user; /* the last op that uses it */
    int output;     /* first output of the function that it is, or -1 */
    bool stored;    /* goes into a state: kept in its MIL type */
    bool placed, widened;
    View view; /* if placed */
    View wide; /* if widened: an fp32 copy of the same layout or dense */
    UT_hash_handle hh;
} Node;

typedef struct Lowering Lowering;

/* Ops that are done together, where the last of them stands. */
typedef struct Match {
    bool (*emit)(Lowering *l, const struct Match *m);
    const Op *root;
    const Op *inner[24]; /* the others; their results are used by no op outside */
    int inners;
    const Value *outer[8]; /* what the group needs */
    int outers;
    const void *own;
} Match;

typedef struct OpNode {
    const Op *op;
    bool needed;  /* by an output or a state, through any ops */
    bool wanted;  /* by what is emitted */
    bool claimed; /* inside a match */
    const Match *match;
} OpNode;

struct Lowering {
    CpuKernel *kernel;
    const Func *f;
    const BlobResolver *blobs;
    Node *nodes; /* hash by value */
    OpNode *op;
    int ops;
    bool generic; /* evaluators only */
    bool *bound;  /* outputs that are made in place */
    Error *err;
};

/* ---- lower.c ---- */

Node *cpu_node(Lowering *l, const Value *v);
/* Fails on a type that the device cannot hold. */
MUST_USE bool cpu_check_type(Lowering *l, const char *what, const Type *t);
int cpu_block_new(Lowering *l, size_t bytes);
/* How a value is kept inside: floats as fp32, integers as int32, bools as bool; what goes into a state as its
 * type. */
DType cpu_store_of(Lowering *l, const Value *v);

/* The view of a value that was made before, or of a constant. NULL with the error set. */
const View *cpu_value_view(Lowering *l, const Value *v);
/* As fp32, in any strides. */
MUST_USE bool cpu_value_f32(Lowering *l, const Value *v, View *out);
/* Row-major, as it is stored. */
MUST_USE bool cpu_value_dense(Lowering *l, const Value *v, View *out);
/* Memory for the value that a step makes, row-major; an output's own memory where that is possible. */
View cpu_result_new(Lowering *l, const Value *v, DType store);
/* fp32 memory for a value, its axes in the order that those of `like` have, where both have one shape. */
View cpu_result_like(Lowering *l, const Value *v, const View *like);
void cpu_value_place(Lowering *l, const Value *v, View view);

/* Appends a step. `own` is copied into the kernel's arena. */
CpuStep *cpu_step_add(Lowering *l, bool (*run)(const Run *, const CpuStep *, Error *), const char *kind,
                      const Value *v, View out, const View *views, int count, const void *own,
                      size_t own_size);

/* Room that the kernels need for themselves; fails where it is more than a mistake would ask for. */
MUST_USE bool cpu_reserve(Lowering *l, size_t floats);

/* ---- emission by kind; each returns false with the error set ---- */

bool cpu_emit_generic(Lowering *l, const Op *op); /* generic.c */
/* Evaluates an op whose operands are all constants, now. */
MUST_USE bool cpu_evaluate_constant(Lowering *l, const Op *op, Tensor *const *result);
bool cpu_emit_copy(Lowering *l, const Value *v, const char *kind, const View *from,
                   const View *to); /* move.c */
View cpu_dense_copy(Lowering *l, const Value *v, const View *from, DType store);
/* A fast step for a single op. *done says whether there was one; else nothing was emitted. */
bool cpu_emit_move(Lowering *l, const Op *op, bool *done);        /* move.c: views, concat, gather */
bool cpu_emit_elementwise(Lowering *l, const Op *op, bool *done); /* elementwise.c */
bool cpu_emit_map(Lowering *l, const Value *out, const Value *x, MapOp map, const char *kind);
bool cpu_emit_norm(Lowering *l, const Op *op, bool *done);   /* norm.c: softmax, layer_norm */
bool cpu_emit_matmul(Lowering *l, const Op *op, bool *done); /* linear.c */

/* ---- matching: each looks at the op as the last of a group; NULL: no such group ---- */

/* The result of a needed op of this code, else NULL. */
const Op *cpu_def_of(const Value *v, OpCode code);
/* The one number of a constant float or integer. */
bool cpu_scalar_const(const Value *v, double *out);
/* A constant, packed or not. */
bool cpu_is_constant(const Value *v);
/* Behind casts between float types. */
const Value *cpu_through_casts(const Value *v);
bool cpu_used_once(Lowering *l, const Value *v);
Match *cpu_match_new(Lowering *l, const Op *root, bool (*emit)(Lowering *, const Match *), const void *own,
                     size_t size);
void cpu_match_inner(Match *m, const Op *op);
void cpu_match_outer(Match *m, const Value *v);
/* Whether nothing outside uses what is made inside, and what the group needs is not made inside. */
bool cpu_match_closed(Lowering *l, const Match *m);

typedef struct Activation {
    MapOp map;
    const Value *x;
    const Op *inner[16];
    int inners;
} Activation;
/* Whether `op` is an activation of one value, as one op or as the last op of the arithmetic that computes it.
 */
bool cpu_find_activation(Lowering *l, const Op *op, Activation *out); /* activation.c */

const char *cpu_map_name(MapOp map);
Match *cpu_match_activation(Lowering *l, const Op *op); /* activation.c */
Match *cpu_match_linear(Lowering *l, const Op *op);     /* linear.c */
Match *cpu_match_rms_norm(Lowering *l, const Op *op);   /* norm.c */
Match *cpu_match_prefill(Lowering *l, const Op *op);    /* attention.c */
Match *cpu_match_decode(Lowering *l, const Op *op);     /* decode.c */
Match *cpu_match_update(Lowering *l, const Op *write);  /* decode.c: the group's root is the slice_update */

Kernel *cpu_compile(Device *d, const Func *f, const BlobResolver *blobs, Error *err);

#endif
