/* The weight files of a MIL file that stands alone: BLOBFILE(path = "@model_path/weights/w.bin") is looked
 * for in the folder of the MIL file, and in the one above, as packages keep their programs in mil/. */
#ifndef RUNTIME_BLOBS_H
#define RUNTIME_BLOBS_H

#include "runtime/device.h"

typedef struct Blobs Blobs;

Blobs *blobs_open(const char *mil_path);
/* In this folder only, as in that of a Core ML package. */
Blobs *blobs_open_folder(const char *folder);
/* BlobResolver.find; context is a Blobs. Payloads stay mapped until blobs_close. */
bool blobs_find(void *blobs, const char *path, uint64_t offset, DType dtype, int64_t elements,
                const void **data, Error *err);
/* BlobResolver.file; the same. */
bool blobs_file(void *blobs, const char *path, const void **data, size_t *size, Error *err);
void blobs_close(Blobs *b); /* NULL is allowed */

#endif
