/* The kinds of programs that anec makes of the model that ships, models/tales (kinds/, which a test holds to
 * what anec writes today), with made-up weights. */
#ifndef TOOLS_ANERUN_KINDS_H
#define TOOLS_ANERUN_KINDS_H

#include "runtime/device.h"

typedef struct Kind {
    const char *name, *text;
} Kind;

/* NULL from their number on. */
const Kind *kind_at(int i);

/* The weight files that a program names, in memory: small numbers, the same every time. */
typedef struct KindFiles KindFiles;
KindFiles *kind_files_new(const Func *f);
void kind_files_free(KindFiles *k); /* after the kernels that use them; NULL is allowed */
BlobResolver kind_files_resolver(KindFiles *k);

#endif
