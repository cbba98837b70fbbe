/* One program on the Neural Engine: a function of a MIL text with its weight files, compiled in memory,
 * loaded, evaluated. Functions of one text are procedures of one model: compiled and loaded together. The
 * calls and their order are those of the public projects that docs/ane.md names. */
#ifndef RUNTIME_ANE_PROGRAM_H
#define RUNTIME_ANE_PROGRAM_H

#include <uthash.h>

#include "runtime/ane/foundation.h"
#include "runtime/ane/index.h"
#include "runtime/ane/watch.h"

typedef struct AneProgram AneProgram;
typedef struct AneModel AneModel;

typedef struct AneEngine {
    Apple apple;
    /* What the process may do (profiles/). */
    int compile_limit; /* of this engine, and of the process where it is above ANE_COMPILE_LIMIT; 0: none */
    int load_limit;    /* programs at a time; 0: as many as the engine takes */
    size_t surface_least; /* bytes of the smallest surface, where that is above 49152 */
    double time_limit;    /* seconds of a call, ten times as many of a compilation; 0: no limit */
    int compiles;         /* so far, by this engine */
    int loaded;
    bool exhausted; /* a compilation was refused because of compile_limit */
    uint64_t clock; /* counts uses of programs */
    Watch *watch;
    AneProgram *left; /* closed after a call that hangs, which may still use them */
    AneIndex *index; /* of what the system keeps compiled; NULL: it is neither used nor written */
    char build[64];  /* of the system, where there is an index */
    AneModel *model; /* hash by identifier: two of one text would share a folder */
} AneEngine;

enum { ANE_COMPILE_LIMIT = 110, ANE_QOS = 21 };

/* Compilations of this process so far, by all its engines. */
int ane_compiles(void);
/* As if it were a new process; for tests, whose stand-in forgets too. */
void ane_compiles_forget(void);

/* Whether a call did not come back in time: nothing runs any more, and what is open stays. */
bool ane_engine_is_stuck(const AneEngine *e);
void ane_engine_close(AneEngine *e); /* after its programs */

/* From here on the engine's programs are noted in the user's index (index.h), and start from it. */
void ane_engine_remember(AneEngine *e);
/* Whether the system keeps this program compiled; forgetting it. Fails where the framework has no way. */
MUST_USE bool ane_engine_keeps(AneEngine *e, const char *identifier, bool *keeps, Error *err);
MUST_USE bool ane_engine_purge(AneEngine *e, const char *identifier, Error *err);

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
    const char *name;  /* for messages */
    const char *title; /* of the whole text, for the index; NULL: the name */
    const char *mil;
    size_t mil_size;
    const AneFile *file;
    int files;
    const char *function; /* which of the text's functions, by name, */
    int number;           /* and by its place in the text; NULL and 0: the only one */
    const AnePort *input, *output;
    int inputs, outputs;
    /* Surfaces where the framework does not say what it wants; 0: 49152 bytes at the least, all of a side
     * equal, which every known chip takes. Otherwise each has its own size, in multiples of this. */
    size_t surface_unit;
} AneSource;

/* Compiles, unless the system still knows the text, and loads. The weight files must outlive it. The same
 * text with the same files is compiled and loaded once, however many of its functions are open. */
MUST_USE AneProgram *ane_program_open(AneEngine *e, const AneSource *source, Error *err);

/* Copies the inputs in, evaluates, copies the outputs out; each is dense, in the order of the source. */
MUST_USE bool ane_program_run(AneProgram *p, const void *const *input, void *const *output, Error *err);

void ane_program_close(AneProgram *p); /* NULL is allowed */

/* ---- the parts of ane_program_run, and what else the framework offers (tools/aneprobe/) ---- */

/* How an evaluation is asked for. */
typedef struct AneEvaluation {
    unsigned qos;           /* 0..63 */
    bool real_time;         /* by the client's real-time path, between begin and end of a task */
    bool statistics;        /* asks for the hardware's own time */
    const AneFile *weights; /* in a weights buffer, in place of those of the program; NULL: none */
    uint64_t hardware_ns;   /* what it took, where `statistics` was asked and the framework told; else 0 */
} AneEvaluation;

MUST_USE bool ane_program_write(AneProgram *p, const void *const *input, Error *err);
/* how: NULL for ANE_QOS and nothing else. */
MUST_USE bool ane_program_evaluate(AneProgram *p, AneEvaluation *how, Error *err);
MUST_USE bool ane_program_read(AneProgram *p, void *const *output, Error *err);

/* Other contents for one of the weight files, of the same size: unloads, writes the file, loads. The program
 * is as it was, but the engine may go on with the old weights. */
MUST_USE bool ane_program_swap(AneProgram *p, const AneFile *file, Error *err);

/* Whether the framework prepares a chain of two evaluations of this program, the first's outputs being the
 * second's inputs. */
MUST_USE bool ane_program_chain(AneProgram *p, Error *err);

/* The name of the engine ("h16g") and of the system's build; "unknown" where the framework does not tell. */
void ane_engine_name(const AneEngine *e, char *chip, char *build, size_t size);

/* The framework's clock, in seconds from any moment. */
double ane_engine_now(const AneEngine *e);

#endif
