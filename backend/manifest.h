#ifndef BACKEND_MANIFEST_H
#define BACKEND_MANIFEST_H

#include "base/text.h"
#include "ir/plan.h"

/* One file of the package, as the manifest lists it. */
typedef struct ManifestFile {
    const char *path; /* "mil/decode.mil" */
    uint64_t size;
    char sha256[65];
} ManifestFile;

/* The manifest's text (docs/package.md), files in the order given. Has "tokenizer" where a file of that name
 * is listed. */
void manifest_print(Text *out, const Plan *plan, const ManifestFile *files, int count);

#endif
