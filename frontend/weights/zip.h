/* Zip archives whose entries are stored as they are, which is how torch.save writes them: a list of names
 * and ranges of the file, nothing is copied or unpacked. */
#ifndef FRONTEND_WEIGHTS_ZIP_H
#define FRONTEND_WEIGHTS_ZIP_H

#include "frontend/weights/internal.h"

typedef struct ZipEntry {
    const char *name;    /* in the arena */
    const uint8_t *data; /* in the file */
    uint64_t size;       /* bytes */
} ZipEntry;

typedef struct Zip {
    ZipEntry *entries; /* by name */
    size_t count;
} Zip;

bool zip_recognise(const Bytes *file);
/* Reads the central directory, zip64 too, into the arena. False where it is broken, an entry lies outside the
 * file, is compressed or encrypted, or a name is there twice. */
bool zip_read(Zip *zip, Arena *arena, const Bytes *file, Error *err);
/* By exact name, or NULL. */
const ZipEntry *zip_find(const Zip *zip, const char *name);

#endif
