/* Writes a Plan as a package: a folder with manifest.json, mil/, weights/ and the files that ride along. The
 * format is docs/package.md. Same plan, same weights: same bytes. */
#ifndef BACKEND_PACKAGE_H
#define BACKEND_PACKAGE_H

#include "backend/blob.h"
#include "ir/plan.h"

/* A small file that goes into the package as it is: tokenizer.json, config.json, LICENSE ... */
typedef struct PackageFile {
    const char *name; /* no slashes */
    const void *data;
    size_t size;
} PackageFile;

typedef struct PackageOptions {
    const WeightSource *weights;
    const PackageFile *file;
    int files;
    /* Bytes of weights written so far, of so many; NULL: not told. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
    void *context;
} PackageOptions;

/* Gives every weight of the plan its place in a blob file: all LIT_WEIGHT constants become LIT_BLOB, so that
 * the programs print as MIL. A weight is stored once, in the file of the first ANE program that reads it
 * ("attention_00.bin", shared by all buckets) or, where only CPU programs do, in "cpu.bin"; masks go to
 * "mask_s0032.bin". */
typedef struct BlobSet {
    int files, cap;
    BlobFile **file;
} BlobSet;
void package_place_weights(Plan *plan, BlobSet *out);

/* Writes the package to PATH: in a temporary sibling that is renamed at the end. Replaces an older package
 * there, nothing else. False: nothing is left behind and the older package is as it was. Calls
 * package_place_weights. */
MUST_USE bool package_write(Plan *plan, const PackageOptions *options, const char *path, Error *err);

/* Whether PATH is a folder that package_write may replace. */
bool package_is(const char *path);

#endif
