/* A compiled model before it is written: programs (MIL modules), and entry points that run functions of them
 * in order over named buffers. passes/ makes it, backend/package writes it as manifest.json + mil/ +
 * weights/, and runtime/ reads that back. docs/package.md has the same in words. */
#ifndef IR_PLAN_H
#define IR_PLAN_H

#include "ir/ir.h"

typedef enum Place { PLACE_ANE, PLACE_CPU } Place;

typedef struct Program {
    const char *name;          /* file mil/NAME.mil: "attention_00.s0032", "cpu.s0032", "decode" */
    Place place;               /* where it is meant to run; the CPU device runs any */
    const char *kind;          /* "attention", "mlp", "cpu", "head", "decode": for --explain */
    const char *begins, *ends; /* why it starts and stops there, for --explain */
    Module *module;
} Program;

/* One tensor that lives between steps. */
typedef struct Buffer {
    const char *name;
    const Type *type; /* static */
} Buffer;

typedef struct Binding {
    const char *port;   /* a parameter or output name of the function */
    const char *buffer; /* an Entry buffer, or an entry input/output */
} Binding;

/* Part of a step's output that is appended to the KV cache: channels [first, first + count) of a [1, C, 1, S]
 * buffer are transposed into the state, head by head (C = heads * d): state[h][position][i] = buffer[h*d +
 * i][s]. */
typedef struct CacheStore {
    const char *buffer;
    int64_t first, count;
    const char *state;
} CacheStore;

typedef struct Step {
    const Program *program;
    const char *function; /* "main" */
    int inputs, outputs, stores;
    Binding *input, *output;
    CacheStore *store;
} Step;

/* KV cache tensor, fp16: the type of the cached value with S replaced by the context length, usually [heads,
 * T, d]. `axis` is that of T: what stands before it counts as heads, what stands behind it as d (1 where
 * there is nothing). */
typedef struct State {
    const char *name;
    const Type *type;
    int axis;
} State;

typedef enum EntryKind { ENTRY_PREFILL, ENTRY_HEAD, ENTRY_DECODE } EntryKind;

/* Inputs and outputs by kind:
 *
 *   prefill   inputs "token" and "position", int32 [S]; output "hidden", fp32 [1, D, 1, S]
 *
 *   head      input "hidden", fp32 [1, D, 1, 1] (one column of it); output "logits", fp32 [1, vocab]
 *
 *   decode    inputs "token" and "position", int32 [1], and every state under its name; output "logits"
 */
typedef struct Entry {
    EntryKind kind;
    int64_t bucket; /* S of ENTRY_PREFILL, else 1 */
    int steps, buffers;
    Step *step;
    Buffer *buffer; /* between steps; inputs and outputs of the entry are listed too */
} Entry;

/* What the checkpoint and the model say that the runtime needs. */
typedef struct ModelInfo {
    const char *name; /* the .anel model's name */
    int64_t context, vocab;
    int64_t bos, eos; /* -1: none */
} ModelInfo;

typedef struct Plan {
    Arena arena;
    ModelInfo model;
    const char *profile;
    int64_t compiles, resident, surface_bytes; /* of the profile, for the runtime; 0: not known */
    int programs, programs_cap;
    Program **program;
    int entries;
    Entry *entry;
    int states;
    State *state;
} Plan;

/* Where the numbers of LIT_WEIGHT constants come from; the frontend's checkpoint behind a plain interface, so
 * that passes (range analysis) and the backend (blob writing) need not know checkpoints. */
typedef struct WeightSource {
    void *context;
    /* Writes elements [first, first + count) of the value (row-major in the value's own shape, after
     * transposition) as fp16 or fp32 into out. False with err set: a NaN or an infinity, or what fp16 cannot
     * hold. Several threads may call it at once. */
    bool (*read)(void *context, const WeightRef *ref, const Type *type, int64_t first, int64_t count,
                 DType as, void *out, Error *err);
    /* Whether the matrix lies the other way round where it comes from: with `transposed` flipped it is read
     * faster. NULL: never. */
    bool (*lies_turned)(void *context, const WeightRef *ref);
} WeightSource;

#endif
