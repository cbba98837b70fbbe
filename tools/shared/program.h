/* A program that stands alone: MIL text, or a Core ML package, with its weight files. */
#ifndef TOOLS_SHARED_PROGRAM_H
#define TOOLS_SHARED_PROGRAM_H

#include "base/diag.h"
#include "runtime/blobs.h"

typedef struct ProgramFile {
    Source source; /* the text that the module's spans point into; none for a Core ML package */
    Module *module;
    Blobs *blobs;
} ProgramFile;

/* Whether PATH names a program and not a package of ours. */
bool program_named(const char *path);

/* What is wrong with the program itself has been printed; warnings too, unless `quiet`. */
MUST_USE bool program_open(ProgramFile *p, const char *path, bool quiet, Error *err);
void program_close(ProgramFile *p); /* also what program_open has not finished */

#endif
