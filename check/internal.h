/* Inside check/. */
#ifndef CHECK_INTERNAL_H
#define CHECK_INTERNAL_H

#include <uthash.h>

#include "base/file.h"
#include "check/check.h"

/* A text that findings point into, or a weight file. */
struct CheckedFile {
    char *path, *shown; /* where it is; what messages call it */
    Source source;      /* texts */
    FileMap map;        /* weight files */
    bool unusable;      /* is not there, or is no weight file: said once */
    /* programs that are meant for the engine: what tells them from one another */
    bool engine;
    char text_hash[65];
    CheckedFile **used; /* weight files in the order of the text */
    int used_count, used_cap;
    UT_hash_handle hh; /* by path */
};

CheckedFile *checker_add_file(Checker *c, const char *path, const char *shown);
CheckedFile *checker_find_file(const Checker *c, const char *path);

/* A program that is being checked. */
typedef struct Unit {
    Checker *c;
    CheckedFile *file;
    const Module *m;
    const char *root; /* what @model_path is */
    bool engine;      /* the rules of the engine apply */
    bool lenient;
    bool placed; /* lenient, and made for Core ML, which cuts programs up and lays out inputs itself */
    /* while one profile's rules run */
    const Profile *p;
    uint64_t bit;
} Unit;

/* Adds a finding where the rule is not ignored. `subject` may be NULL. */
void report(const Unit *u, RuleId rule, Span at, const char *subject, const char *fmt, ...) PRINTF_LIKE(5, 6);
/* A finding about a file as a whole. */
void report_file(Checker *c, RuleId rule, const char *file, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Says more about the finding before it. */
void report_related(Checker *c, Span at, const char *text);

/* Sorts, and joins what several profiles have found. */
void findings_join(Checker *c);

/* ---- unit.c ---- */

/* Reads and checks the program in `file`; the module (NULL where it cannot be read) is the caller's. */
Module *check_unit(Checker *c, CheckedFile *file, const char *root, bool engine, bool lenient);

/* ---- parts of it ---- */

void check_structure(const Unit *u); /* structure.c: what the reader's verifier does not say */
void check_blobs(Unit *u);           /* blobs.c */
void check_engine_io(const Unit *u); /* engine_io.c */
void check_engine_program(const Unit *u);
void check_engine_ops(const Unit *u); /* engine_ops.c */
void check_numbers(Unit *u);          /* numbers.c: for all profiles at once */

/* The weight file behind @model_path/...; NULL where there is none. */
CheckedFile *blob_file(const Unit *u, const char *path);
/* Calls fn for every constant of the module that stands in a weight file, once for each place. */
void each_blob(const Unit *u, void (*fn)(const Unit *u, const Value *v, Span at));
/* Whether the constant is written in the program or stands in a readable weight file, and is fp16 or fp32;
 * then its numbers one after the other. */
typedef struct Numbers {
    const double *inline_values;
    const uint8_t *bytes;
    DType dtype;
    int64_t count;
} Numbers;
bool numbers_of(const Unit *u, const Value *v, Numbers *out);
double number_at(const Numbers *n, int64_t i);

/* ---- package.c ---- */

void check_package(Checker *c, const char *path);

/* ---- questions about ops ---- */

/* Computed at run time: no constant, and not made of constants alone. */
bool at_run_time(const Value *v);
const char *value_shown(const Value *v); /* its name, or "a constant" */

#endif
