#include "runtime/blobs.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "frontend/mil/blob.h"

typedef struct Mapped {
    char *path; /* as the program spells it */
    FileMap map;
} Mapped;

struct Blobs {
    char *dir, *above;
    Mapped *file;
    int files, cap;
    Arena arena;
};

Blobs *blobs_open(const char *mil_path)
{
    Blobs *b = xcalloc(1, sizeof *b);
    b->dir = path_dir(mil_path);
    b->above = path_join(b->dir, "..");
    return b;
}

Blobs *blobs_open_folder(const char *folder)
{
    Blobs *b = xcalloc(1, sizeof *b);
    b->dir = xstrdup(folder);
    b->above = xstrdup(folder);
    return b;
}

void blobs_close(Blobs *b)
{
    if (!b)
        return;
    for (int i = 0; i < b->files; i++)
        file_unmap(&b->file[i].map);
    arena_free(&b->arena);
    free(b->dir);
    free(b->above);
    free(b);
}

/* Below the folder only: a program from elsewhere must not read other files. */
static const char *inner_path(const char *path)
{
    static const char prefix[] = "@model_path/";
    if (strncmp(path, prefix, sizeof prefix - 1) == 0)
        path += sizeof prefix - 1;
    return path_stays_below(path) ? path : NULL;
}

static bool map_file(Blobs *b, const char *path, FileMap *map, Error *err)
{
    const char *inner = inner_path(path);
    char shown[256];
    error_quote(shown, sizeof shown, path, (long)strlen(path));
    if (!inner)
        return error_set(err, "the weight file \"%s\" does not lie beside the program", shown);
    char *here = path_join(b->dir, inner), *above = path_join(b->above, inner);
    bool found = file_exists(here) || file_exists(above);
    bool ok = found ? file_map(map, file_exists(here) ? here : above, err)
                    : error_set(err, "%s: there is no such weight file", here);
    free(here);
    free(above);
    return ok;
}

/* The file's mapping, made when it is first asked for. */
static const FileMap *find_map(Blobs *b, const char *path, Error *err)
{
    int i = 0;
    while (i < b->files && strcmp(b->file[i].path, path) != 0)
        i++;
    if (i == b->files) {
        Mapped m = {0};
        if (!map_file(b, path, &m.map, err))
            return NULL;
        m.path = arena_str(&b->arena, path, strlen(path));
        arena_push(&b->arena, b->file, b->files, b->cap, m);
    }
    return &b->file[i].map;
}

bool blobs_file(void *blobs, const char *path, const void **data, size_t *size, Error *err)
{
    const FileMap *map = find_map(blobs, path, err);
    if (!map)
        return false;
    *data = map->data;
    *size = map->size;
    return true;
}

bool blobs_find(void *blobs, const char *path, uint64_t offset, DType dtype, int64_t elements,
                const void **data, Error *err)
{
    const uint8_t *bytes;
    const FileMap *map = find_map(blobs, path, err);
    if (!map)
        return false;
    if (!blob_find(map, offset, dtype, elements, &bytes, err))
        return error_prefix(err, "%s", path);
    *data = bytes;
    return true;
}
