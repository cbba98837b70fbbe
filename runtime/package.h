/* A package that was opened: its manifest, its files, and the programs that were loaded from it. */
#ifndef RUNTIME_PACKAGE_H
#define RUNTIME_PACKAGE_H

#include "base/diag.h"
#include "runtime/manifest.h"

typedef struct Package Package;

/* Opens PATH and checks every file (docs/package.md, "Checking"). `hashing`, if not NULL, is called while
 * files are hashed, with the bytes done and the total; it is not called where the package was verified
 * before. */
MUST_USE Package *package_open(const char *path, void (*hashing)(void *, uint64_t done, uint64_t total),
                               void *context, Error *err);
void package_close(Package *p); /* NULL is allowed */

const Manifest *package_manifest(const Package *p);

/* The text of tokenizer.json, valid until package_close; NULL where there is none. */
const char *package_tokenizer(const Package *p, size_t *size);

/* A file that rides along, such as chat.json: *data is NULL where the package has none of that name. Valid
 * until package_close. */
MUST_USE bool package_extra(Package *p, const char *name, const char **data, size_t *size, Error *err);

/* The function of a program; its file is read, parsed and verified at the first call. */
MUST_USE const Func *package_function(Package *p, const Program *program, const char *function, Error *err);

/* The folder that BLOBFILEs call @model_path, as it was named to package_open. */
const char *package_folder(const Package *p);

/* The payload behind BLOBFILE(path, offset) with `elements` elements of `dtype`; mapped, valid until
 * package_close. */
/* A BlobResolver's `file`. */
MUST_USE bool package_file(void *package, const char *path, const void **data, size_t *size, Error *err);
MUST_USE bool package_blob(void *package, const char *path, uint64_t offset, DType dtype, int64_t elements,
                           const void **data, Error *err);

#endif
