/* Constants in weight files: MILBlob storage format v2 (docs/package.md; the authority is apple/coremltools,
 * mlmodel/src/MILBlob/Blob/StorageFormat.hpp). A file is a 64-byte header, then records of a 64-byte header
 * and a payload; BLOBFILE(offset =) names a record's header. */
#ifndef FRONTEND_MIL_BLOB_H
#define FRONTEND_MIL_BLOB_H

#include "base/file.h"
#include "ir/type.h"

enum { BLOB_HEADER = 64, BLOB_VERSION = 2 };
#define BLOB_SENTINEL 0xDEADBEEFu

/* The fields of a record's header that mean something for every type. */
typedef struct BlobRecord {
    uint32_t sentinel, code;
    uint64_t size, payload, unused_bits;
} BlobRecord;

/* What the file's header says; false where the file is shorter than one. */
MUST_USE bool blob_file_header(const FileMap *map, uint32_t *count, uint32_t *version);
/* The 64 bytes at `offset` read as a record's header, whatever they are; false where they are not in the
 * file. */
MUST_USE bool blob_peek(const FileMap *map, uint64_t offset, BlobRecord *out);

/* The payload of the record at `offset`, inside the mapping: `elements` elements of `dtype`, checked against
 * the record's own type and size, and aligned to an element. Types below 8 bits are packed, the low bits
 * first. */
MUST_USE bool blob_find(const FileMap *map, uint64_t offset, DType dtype, int64_t elements,
                        const uint8_t **data, Error *err);

#endif
