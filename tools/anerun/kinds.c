#include "tools/anerun/kinds.h"

#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "frontend/mil/blob.h"

/* builtin[]: {name, text}, from kinds/ */
#include "tools/anerun/kinds.inc"

enum { MOST_FILES = 8 };

typedef struct KindFile {
    const char *path; /* the module's */
    uint32_t records;
    FileMap map;
} KindFile;

struct KindFiles {
    int files;
    KindFile file[MOST_FILES];
};

const Kind *kind_at(int i)
{
    return i >= 0 && i < (int)(sizeof builtin / sizeof *builtin) ? &builtin[i] : NULL;
}

/* ---- the files ---- */

static KindFile *find(KindFiles *k, const char *path)
{
    for (int i = 0; i < k->files; i++)
        if (strcmp(k->file[i].path, path) == 0)
            return &k->file[i];
    return NULL;
}

/* A record of fp16 where the program says: its header, then numbers within a sixteenth. */
static void add_record(KindFiles *k, const Literal *l, const Type *t)
{
    KindFile *f = find(k, l->blob.path);
    if (!f && k->files == MOST_FILES)
        return;
    if (!f) {
        f = &k->file[k->files++];
        f->path = l->blob.path;
    }
    size_t count = (size_t)type_elements(t), end = (size_t)l->blob.offset + BLOB_HEADER + 2 * count;
    char *data = (char *)(uintptr_t)f->map.data;
    if (end > f->map.size) {
        data = xrealloc(data, end);
        memset(data + f->map.size, 0, end - f->map.size);
        f->map.data = (const uint8_t *)data;
        f->map.size = end;
    }
    uint32_t head[] = {++f->records, BLOB_VERSION}, record[] = {BLOB_SENTINEL, 1};
    uint64_t place[] = {2 * count, l->blob.offset + BLOB_HEADER};
    memcpy(data, head, sizeof head);
    memcpy(data + l->blob.offset, record, sizeof record);
    memcpy(data + l->blob.offset + sizeof record, place, sizeof place);
    uint32_t state = (uint32_t)l->blob.offset + 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        uint16_t number = half_from_float((float)((double)(state >> 8) / 0x1p27 - 0x1p-4));
        memcpy(data + place[1] + 2 * i, &number, sizeof number);
    }
}

KindFiles *kind_files_new(const Func *f)
{
    KindFiles *k = xcalloc(1, sizeof *k);
    for (const Op *op = f->first; op; op = op->next)
        if (op->code == OP_CONST && op->literal && op->literal->kind == LIT_BLOB)
            add_record(k, op->literal, op->result[0]->type);
    return k;
}

void kind_files_free(KindFiles *k)
{
    for (int i = 0; k && i < k->files; i++)
        free((char *)(uintptr_t)k->file[i].map.data);
    free(k);
}

/* ---- what a device asks ---- */

static bool find_blob(void *files, const char *path, uint64_t offset, DType dtype, int64_t elements,
                      const void **data, Error *err)
{
    const KindFile *f = find(files, path);
    const uint8_t *found;
    if (!f)
        return error_set(err, "%s: there is no such weight file", path);
    if (!blob_find(&f->map, offset, dtype, elements, &found, err))
        return false;
    *data = found;
    return true;
}

static bool give_file(void *files, const char *path, const void **data, size_t *size, Error *err)
{
    const KindFile *f = find(files, path);
    if (!f)
        return error_set(err, "%s: there is no such weight file", path);
    *data = f->map.data;
    *size = f->map.size;
    return true;
}

BlobResolver kind_files_resolver(KindFiles *k)
{
    return (BlobResolver){.find = find_blob, .file = give_file, .context = k};
}
