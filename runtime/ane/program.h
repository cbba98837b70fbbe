/* One program on the Neural Engine: MIL text and weight files, compiled in memory, loaded, evaluated. The
 * calls and their order are those of the public projects that docs/ane.md names. */
#ifndef RUNTIME_ANE_PROGRAM_H
#define RUNTIME_ANE_PROGRAM_H

#include <uthash.h>

#include "runtime/ane/foundation.h"

typedef struct AneProgram AneProgram;

typedef struct AneEngine {
    Apple apple;
    int compiles;        /* by this process: the daemon allows a process some 110 (docs/ane.md) */
    AneProgram *program; /* hash by identifier: two programs of one text would share a folder */
} AneEngine;

enum { ANE_COMPILE_LIMIT = 110 };

/* A weight file, as its BLOBFILE constants call it. */
typedef struct AneFile {
    const char *path; /* "@model_path/weights/attention_00.bin" */
    const void *data;
    size_t size;
} AneFile;

/* A parameter or result: dense rows along the last axis. */
typedef struct AnePort {
    const char *name;
    size_t rows, row_bytes;
} AnePort;

typedef struct AneSource {
    const char *name; /* for messages */
    const char *mil;
    size_t mil_size;
    const AneFile *file;
    int files;
    const AnePort *input, *output;
    int inputs, outputs;
} AneSource;

/* Compiles, unless the system still knows the program, and loads. The weight files must outlive it. The same
 * source again gives the same program: each open needs its close. */
MUST_USE AneProgram *ane_program_open(AneEngine *e, const AneSource *source, Error *err);

/* Copies the inputs in, evaluates, copies the outputs out; each is dense, in the order of the source. */
MUST_USE bool ane_program_run(AneProgram *p, const void *const *input, void *const *output, Error *err);

void ane_program_close(AneProgram *p); /* NULL is allowed */

#endif
