#ifndef RUNTIME_MANIFEST_H
#define RUNTIME_MANIFEST_H

#include "ir/plan.h"

/* One file that the manifest lists. */
typedef struct ListedFile {
    const char *path; /* relative, without "..", as checked by manifest_parse */
    uint64_t size;
    const char *sha256;
} ListedFile;

typedef struct Manifest {
    Plan plan;             /* programs without modules */
    const char *tokenizer; /* NULL: none */
    int files;
    ListedFile *file;
} Manifest;

/* Reads manifest.json (docs/package.md) and checks everything that can be checked without the other files:
 * every name that is used is declared, shapes and sizes are within bounds, the entries have their inputs and
 * outputs. */
MUST_USE bool manifest_parse(Manifest *m, const char *text, size_t size, Error *err);
void manifest_free(Manifest *m);

const ListedFile *manifest_find(const Manifest *m, const char *path);
/* The file of a program: "mil/NAME.mil". */
const char *manifest_program_path(Manifest *m, const Program *p);

#endif
