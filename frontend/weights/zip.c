/* Zip: entries, each behind a local header; the central directory with the true sizes; its end record, last
 * in the file but for a comment. Zip64 puts a wider end record and its locator before that, and 64-bit
 * numbers into an extra field of the entries whose 32-bit ones are all ones. Layouts: APPNOTE.TXT, 4.3. */
#include "frontend/weights/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOCAL_BYTES = 30,
    ENTRY_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    COMMENT_LIMIT = 65535,
    EXTRA_ZIP64 = 1,
    FLAG_ENCRYPTED = 1
};

typedef struct Directory {
    uint64_t count, size, offset;
} Directory;

bool zip_recognise(const Bytes *file)
{
    return file->size >= 4 && (memcmp(file->data, "PK\3\4", 4) == 0 || memcmp(file->data, "PK\5\6", 4) == 0);
}

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* ---- the end record ---- */

static const uint8_t *find_end(const Bytes *file)
{
    for (size_t back = END_BYTES; back <= file->size && back <= END_BYTES + COMMENT_LIMIT; back++) {
        const uint8_t *p = file->data + file->size - back;
        if (memcmp(p, "PK\5\6", 4) == 0 && number(p + 20, 2) == back - END_BYTES)
            return p;
    }
    return NULL;
}

static bool find_directory64(Directory *d, const Bytes *file, size_t end)
{
    if (end < LOCATOR_BYTES || memcmp(file->data + end - LOCATOR_BYTES, "PK\6\7", 4) != 0)
        return true; /* the numbers are meant as they are */
    uint64_t at = number(file->data + end - LOCATOR_BYTES + 8, 8);
    if (end < END64_BYTES || at > end - END64_BYTES || memcmp(file->data + at, "PK\6\6", 4) != 0)
        return false;
    *d = (Directory){number(file->data + at + 32, 8), number(file->data + at + 40, 8),
                     number(file->data + at + 48, 8)};
    return true;
}

static bool find_directory(Directory *d, const Bytes *file, Error *err)
{
    const uint8_t *end = find_end(file);
    if (!end)
        return error_set(err, "cut short: the zip archive has no end; fetch the file again");
    *d = (Directory){number(end + 10, 2), number(end + 12, 4), number(end + 16, 4)};
    bool wide = d->count == UINT16_MAX || d->size == UINT32_MAX || d->offset == UINT32_MAX;
    size_t at = (size_t)(end - file->data);
    if (wide && !find_directory64(d, file, at))
        return error_set(err, "the zip archive's zip64 record is not where its locator says");
    if (d->offset > at || d->size > at - d->offset || d->count > d->size / ENTRY_BYTES)
        return error_set(err, "the zip archive's directory does not fit into the file");
    return true;
}

/* ---- entries ---- */

/* What an entry of the directory says of its place. */
typedef struct Place {
    uint64_t packed, size, offset;
} Place;

/* The wide numbers stand in this order, but only those whose narrow form is all ones. */
static bool widen(Place *place, const uint8_t *extra, size_t length)
{
    uint64_t *const fields[] = {&place->size, &place->packed, &place->offset};
    for (size_t at = 0; length - at >= 4;) {
        size_t id = (size_t)number(extra + at, 2), n = (size_t)number(extra + at + 2, 2), used = 0;
        if (n > length - at - 4)
            return false;
        for (int i = 0; i < 3 && id == EXTRA_ZIP64; i++) {
            if (*fields[i] != UINT32_MAX)
                continue;
            if (n - used < 8)
                return false;
            *fields[i] = number(extra + at + 4 + used, 8);
            used += 8;
        }
        if (id == EXTRA_ZIP64)
            return true;
        at += 4 + n;
    }
    return true;
}

static bool entry_error(Error *err, const char *name, const char *what)
{
    return error_set(err, "zip entry \"%s\" %s", weights_quote(name).text, what);
}

static bool locate(ZipEntry *e, const Place *place, const Bytes *file, Error *err)
{
    const uint64_t size = file->size;
    const uint8_t *local = place->offset < size ? file->data + place->offset : NULL;
    if (!local || size - place->offset < LOCAL_BYTES || memcmp(local, "PK\3\4", 4) != 0)
        return entry_error(err, e->name, "is not where the directory says");
    uint64_t rest = size - place->offset - LOCAL_BYTES;
    uint64_t names = number(local + 26, 2) + number(local + 28, 2);
    if (names > rest || place->size > rest - names)
        return entry_error(err, e->name, "ends behind the end of the file: fetch the file again");
    e->data = local + LOCAL_BYTES + names;
    e->size = place->size;
    return true;
}

/* The entry of the directory at p, which has `rest` bytes to its end; *length is set to its own. */
static bool read_entry(ZipEntry *e, Arena *arena, const Bytes *file, const uint8_t *p, uint64_t rest,
                       uint64_t *length, Error *err)
{
    if (rest < ENTRY_BYTES || memcmp(p, "PK\1\2", 4) != 0)
        return error_set(err, "the zip archive's directory is damaged");
    size_t name = (size_t)number(p + 28, 2), extra = (size_t)number(p + 30, 2);
    *length = ENTRY_BYTES + name + extra + number(p + 32, 2);
    if (*length > rest)
        return error_set(err, "the zip archive's directory is damaged");
    e->name = arena_str(arena, (const char *)p + ENTRY_BYTES, name);
    if (strlen(e->name) != name || !weights_name_ok(e->name, name))
        return entry_error(err, e->name, "has a name that is none");
    if (number(p + 8, 2) & FLAG_ENCRYPTED)
        return entry_error(err, e->name, "is encrypted");
    Place place = {number(p + 20, 4), number(p + 24, 4), number(p + 42, 4)};
    if (!widen(&place, p + ENTRY_BYTES + name, extra))
        return entry_error(err, e->name, "has a damaged zip64 field");
    if (number(p + 10, 2) != 0 || place.packed != place.size)
        return entry_error(err, e->name,
                           "is compressed, which torch.save never does: unpack the archive and pack it again "
                           "with `zip -0`");
    return locate(e, &place, file, err);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ZipEntry *)a)->name, ((const ZipEntry *)b)->name);
}

bool zip_read(Zip *zip, Arena *arena, const Bytes *file, Error *err)
{
    Directory d = {0, 0, 0};
    if (!find_directory(&d, file, err))
        return false;
    zip->count = (size_t)d.count;
    zip->entries = arena_many(arena, zip->count, ZipEntry);
    uint64_t at = 0, length = 0;
    for (size_t i = 0; i < zip->count; i++, at += length)
        if (!read_entry(&zip->entries[i], arena, file, file->data + d.offset + at, d.size - at, &length, err))
            return false;
    if (zip->count)
        qsort(zip->entries, zip->count, sizeof *zip->entries, by_name);
    for (size_t i = 1; i < zip->count; i++)
        if (by_name(&zip->entries[i - 1], &zip->entries[i]) == 0)
            return entry_error(err, zip->entries[i].name, "is there twice");
    return true;
}

const ZipEntry *zip_find(const Zip *zip, const char *name)
{
    const ZipEntry key = {name, NULL, 0};
    return zip->count ? bsearch(&key, zip->entries, zip->count, sizeof key, by_name) : NULL;
}
