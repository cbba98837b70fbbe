/* Weight blob files in MILBlob storage format v2: a 64-byte file header, then records of a 64-byte header and
 * a payload, both at multiples of 64 bytes. Byte for byte as in docs/package.md; the authority is
 * apple/coremltools mlmodel/src/MILBlob/Blob/StorageFormat.hpp. */
#ifndef BACKEND_BLOB_H
#define BACKEND_BLOB_H

#include "base/file.h"
#include "base/sha256.h"
#include "ir/plan.h"

enum { BLOB_ALIGN = 64 };

/* One constant in a blob file. */
typedef struct BlobRecord {
    WeightRef ref;
    const Type *type; /* static */
    uint64_t offset;  /* of the record header: what BLOBFILE(offset =) names */
    uint64_t size;    /* payload bytes */
} BlobRecord;

typedef struct BlobFile BlobFile;
struct BlobFile {
    const char *name; /* "attention_00.bin" */
    int records, cap;
    BlobRecord *record;
    uint64_t size; /* bytes of the whole file so far, up to the end of the last payload */
};

/* Adds a record and lays it out; returns its offset. Memory comes from `a`. */
uint64_t blob_add(Arena *a, BlobFile *file, const WeightRef *ref, const Type *type);

/* Writes the file to PATH, streaming the numbers through a fixed buffer. `hex` gets its SHA-256. `progress`
 * (may be NULL) is called with the payload bytes written since its last call. */
MUST_USE bool blob_write(const BlobFile *file, const char *path, const WeightSource *weights, char hex[65],
                         void (*progress)(void *context, uint64_t bytes), void *context, Error *err);

#endif
