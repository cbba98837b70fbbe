/* Inside the driver: a model is what the system compiles and loads; a program is one function of it, with the
 * memory that it reads and writes. */
#ifndef RUNTIME_ANE_INSIDE_H
#define RUNTIME_ANE_INSIDE_H

#include "runtime/ane/surface.h"

enum { ANE_IDENTIFIER = 256 };

/* The framework's model of one MIL text and its weight files: all functions of the text. */
struct AneModel {
    AneEngine *engine;
    char identifier[ANE_IDENTIFIER];
    int users;
    char *folder, *mil;
    Id object;
    Id request;                 /* what is being evaluated */
    const struct AneCall *call; /* what is being asked */
    bool compiled, loaded;
    bool transient; /* the last call failed, but may not the next time */
    bool silent;    /* it failed, and the framework did not say why */
    uint64_t used;  /* when, by engine->clock */
    UT_hash_handle hh;
};

struct AneProgram {
    AneModel *model;
    AneProgram *next; /* of those that are left behind */
    int64_t procedure; /* the function's number in the model */
    Id request;
    AnePort *input, *output; /* copies; the names are not kept */
    int inputs, outputs;
    AneSurface *in, *out;
};

static inline const Apple *apple_of(const AneProgram *p)
{
    return &p->model->engine->apple;
}

/* @{}, which the caller releases: nil crashes. */
CF ane_no_options(const Apple *a);

/* ---- model.c ---- */

/* Compiles and loads, unless the engine has this very model open: then that one, with one user more. Within
 * an autorelease pool. */
MUST_USE AneModel *ane_model_open(AneEngine *e, const AneSource *source, Error *err);
void ane_model_close(AneModel *m); /* one user less */
MUST_USE bool ane_load(AneModel *m, Error *err);
MUST_USE bool ane_unload(AneModel *m, Error *err);
MUST_USE bool ane_evaluate(AneModel *m, Id request, Error *err);
/* Into the folder that the compiler reads. */
MUST_USE bool ane_write_file(const AneModel *m, const AneFile *f, Error *err);

/* ---- program.c, special.c ---- */

/* An autoreleased request over the program's surfaces; NULL with err set. weights and statistics may be NULL.
 */
Id ane_make_request(const AneProgram *p, Id weights, Id statistics, Error *err);
MUST_USE bool ane_evaluate_as(AneProgram *p, AneEvaluation *how, Error *err);

#endif
