/* Inside a program: what program.c shares with special.c and budget.c. */
#ifndef RUNTIME_ANE_INSIDE_H
#define RUNTIME_ANE_INSIDE_H

#include "runtime/ane/surface.h"

enum { ANE_IDENTIFIER = 256 };

struct AneProgram {
    AneEngine *engine;
    char identifier[ANE_IDENTIFIER];
    int users;
    char *folder, *mil;
    Id model, request;
    bool compiled, loaded;
    bool transient; /* the last call failed, but may not the next time */
    uint64_t used;  /* when, by e->clock */
    AnePort *input, *output; /* copies; the names are not kept */
    int inputs, outputs;
    size_t surface_unit;
    AneSurface *in, *out;
    UT_hash_handle hh;
};

/* @{}, which the caller releases: nil crashes. */
CF ane_no_options(const Apple *a);
MUST_USE bool ane_load(AneProgram *p, Error *err);
MUST_USE bool ane_unload(AneProgram *p, Error *err);
/* Into the folder that the compiler reads. */
MUST_USE bool ane_write_file(const AneProgram *p, const AneFile *f, Error *err);
/* An autoreleased request over the program's surfaces; NULL with err set. weights and statistics may be NULL.
 */
Id ane_make_request(const AneProgram *p, Id weights, Id statistics, Error *err);
MUST_USE bool ane_evaluate_as(AneProgram *p, AneEvaluation *how, Error *err);

#endif
