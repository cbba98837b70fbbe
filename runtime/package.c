#include "runtime/package.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "frontend/mil/blob.h"
#include "frontend/mil/mil.h"
#include "runtime/verified.h"

enum { MANIFEST_LIMIT = 64 << 20, HASH_CHUNK = 4 << 20 };

struct Package {
    char *dir;
    Manifest manifest;
    FileMap *map;   /* one per listed file; mapped when first needed */
    Source *source; /* one per program: spans point here */
};

const Manifest *package_manifest(const Package *p)
{
    return &p->manifest;
}

const char *package_folder(const Package *p)
{
    return p->dir;
}

/* ---- opening ---- */

/* manifest.sha256 guards the manifest: "HEX  manifest.json\n". */
static bool check_manifest(const char *dir, const char *text, size_t size, char hex[65], Error *err)
{
    char *path = path_join(dir, "manifest.sha256"), *sum = NULL;
    size_t sum_size = 0;
    bool ok = file_read(path, 4096, &sum, &sum_size, err);
    if (ok) {
        Text expected = {0};
        sha256_of(text, size, hex);
        text_printf(&expected, "%s  manifest.json\n", hex);
        ok = sum_size == expected.size && memcmp(sum, expected.data, sum_size) == 0;
        if (!ok)
            error_set(
                err,
                "%s: manifest.json does not match manifest.sha256: the package is damaged; compile it again",
                dir);
        text_free(&expected);
    }
    free(sum);
    free(path);
    return ok;
}

static bool read_manifest(Package *p, char hex[65], Error *err)
{
    char *path = path_join(p->dir, "manifest.json"), *text = NULL;
    size_t size = 0;
    bool ok = false;
    if (!file_is_dir(p->dir))
        error_set(err, "%s: %s; a package is a folder made by anec", p->dir,
                  file_exists(p->dir) ? "not a folder" : "no such folder");
    else if (!file_exists(path))
        error_set(err, "%s: has no manifest.json; a package is a folder made by anec", p->dir);
    else if (file_read(path, MANIFEST_LIMIT, &text, &size, err) &&
             check_manifest(p->dir, text, size, hex, err)) {
        ok = manifest_parse(&p->manifest, text, size, err);
        if (!ok)
            error_prefix(err, "%s", p->dir);
    }
    free(text);
    free(path);
    return ok;
}

static bool map_file(Package *p, int i, Error *err)
{
    FileMap *map = &p->map[i];
    if (map->data || p->manifest.file[i].size == 0)
        return true;
    char *path = path_join(p->dir, p->manifest.file[i].path);
    bool ok = file_map(map, path, err);
    if (ok && map->size != p->manifest.file[i].size) {
        error_set(err,
                  "%s: %llu bytes where the manifest says %llu: the package is damaged; compile it again",
                  path, (unsigned long long)map->size, (unsigned long long)p->manifest.file[i].size);
        file_unmap(map);
        ok = false;
    }
    free(path);
    return ok;
}

typedef struct Hashing {
    void (*tell)(void *, uint64_t, uint64_t);
    void *context;
    uint64_t done, total;
} Hashing;

static bool hash_file(Package *p, int i, Hashing *h, Error *err)
{
    if (!map_file(p, i, err))
        return false;
    const FileMap *map = &p->map[i];
    Sha256 *s = sha256_new();
    for (size_t at = 0; at < map->size; at += HASH_CHUNK) {
        size_t n = map->size - at < HASH_CHUNK ? map->size - at : HASH_CHUNK;
        sha256_add(s, map->data + at, n);
        h->done += n;
        if (h->tell)
            h->tell(h->context, h->done, h->total);
    }
    char hex[65];
    sha256_hex(s, hex);
    if (strcmp(hex, p->manifest.file[i].sha256) == 0)
        return true;
    return error_set(
        err, "%s/%s: its contents do not match the manifest: the package is damaged; compile it again",
        p->dir, p->manifest.file[i].path);
}

static bool identify(const Package *p, Text *identities, Error *err)
{
    for (int i = 0; i < p->manifest.files; i++) {
        char *path = path_join(p->dir, p->manifest.file[i].path);
        bool ok = verified_identity(identities, path, p->manifest.file[i].path, err);
        free(path);
        if (!ok)
            return false;
    }
    return true;
}

/* Identities are taken before the hashing: a file changed in between is hashed again next time. */
static bool verify_files(Package *p, const char *hex, Hashing *h, Error *err)
{
    Text identities = {0};
    bool ok = identify(p, &identities, err);
    if (ok && !verified_recall(hex, &identities)) {
        for (int i = 0; i < p->manifest.files; i++)
            h->total += p->manifest.file[i].size;
        for (int i = 0; ok && i < p->manifest.files; i++)
            ok = hash_file(p, i, h, err);
        if (ok)
            verified_remember(hex, &identities);
    }
    text_free(&identities);
    return ok;
}

static bool load_tokenizer(Package *p, Error *err)
{
    const ListedFile *f = p->manifest.tokenizer ? manifest_find(&p->manifest, p->manifest.tokenizer) : NULL;
    return !f || map_file(p, (int)(f - p->manifest.file), err);
}

Package *package_open(const char *path, void (*hashing)(void *, uint64_t, uint64_t), void *context,
                      Error *err)
{
    Package *p = xcalloc(1, sizeof *p);
    char hex[65];
    p->dir = xstrdup(path);
    Hashing h = {.tell = hashing, .context = context};
    if (!read_manifest(p, hex, err)) {
        package_close(p);
        return NULL;
    }
    p->map = xcalloc((size_t)p->manifest.files, sizeof *p->map);
    p->source = xcalloc((size_t)p->manifest.plan.programs, sizeof *p->source);
    if (!verify_files(p, hex, &h, err) || !load_tokenizer(p, err)) {
        package_close(p);
        return NULL;
    }
    return p;
}

void package_close(Package *p)
{
    if (!p)
        return;
    for (int i = 0; p->map && i < p->manifest.files; i++)
        file_unmap(&p->map[i]);
    for (int i = 0; p->source && i < p->manifest.plan.programs; i++)
        free((void *)(uintptr_t)p->source[i].text);
    free(p->map);
    free(p->source);
    manifest_free(&p->manifest);
    free(p->dir);
    free(p);
}

const char *package_tokenizer(const Package *p, size_t *size)
{
    const ListedFile *f = p->manifest.tokenizer ? manifest_find(&p->manifest, p->manifest.tokenizer) : NULL;
    if (!f)
        return NULL;
    *size = (size_t)f->size;
    return (const char *)p->map[f - p->manifest.file].data;
}

bool package_extra(Package *p, const char *name, const char **data, size_t *size, Error *err)
{
    const ListedFile *f = manifest_find(&p->manifest, name);
    *data = NULL;
    *size = 0;
    if (!f)
        return true;
    int i = (int)(f - p->manifest.file);
    if (!map_file(p, i, err))
        return false;
    *data = f->size ? (const char *)p->map[i].data : "";
    *size = (size_t)f->size;
    return true;
}

/* ---- programs ---- */

static bool load_program(Package *p, Program *program, int index, Error *err)
{
    const char *relative = manifest_program_path(&p->manifest, program);
    const ListedFile *f = manifest_find(&p->manifest, relative);
    int i = (int)(f - p->manifest.file);
    if (!map_file(p, i, err))
        return false;
    char *text = xmalloc(p->map[i].size + 1);
    if (p->map[i].size)
        memcpy(text, p->map[i].data, p->map[i].size);
    text[p->map[i].size] = 0;
    p->source[index] = (Source){relative, text, p->map[i].size};
    program->module = mil_read_whole(&p->source[index], err);
    return program->module != NULL;
}

const Func *package_function(Package *p, const Program *program, const char *function, Error *err)
{
    Plan *plan = &p->manifest.plan;
    int index = 0;
    while (index < plan->programs && plan->program[index] != program)
        index++;
    if (index == plan->programs) {
        error_set(err, "%s: no such program", program->name);
        return NULL;
    }
    Program *loaded = plan->program[index];
    if (!loaded->module && (p->source[index].text || !load_program(p, loaded, index, err)))
        return NULL;
    const Func *f = module_find(loaded->module, function);
    if (!f)
        error_set(err, "%s: has no function %s", p->source[index].name, function);
    return f;
}

/* The mapping of the file that MIL calls @model_path/PATH. */
static FileMap *find_blob_file(Package *p, const char *path, const char **name, Error *err)
{
    static const char root[] = "@model_path/";
    const ListedFile *f =
        strncmp(path, root, strlen(root)) == 0 ? manifest_find(&p->manifest, path + strlen(root)) : NULL;
    if (!f) {
        error_set(err, "%s: not a file of the package", path);
        return NULL;
    }
    int i = (int)(f - p->manifest.file);
    *name = f->path;
    return map_file(p, i, err) ? &p->map[i] : NULL;
}

bool package_file(void *package, const char *path, const void **data, size_t *size, Error *err)
{
    const char *name;
    const FileMap *map = find_blob_file(package, path, &name, err);
    if (!map)
        return false;
    *data = map->data;
    *size = map->size;
    return true;
}

bool package_blob(void *package, const char *path, uint64_t offset, DType dtype, int64_t elements,
                  const void **data, Error *err)
{
    const char *name;
    const uint8_t *bytes;
    const FileMap *map = find_blob_file(package, path, &name, err);
    if (!map)
        return false;
    if (!blob_find(map, offset, dtype, elements, &bytes, err))
        return error_prefix(err, "%s", name);
    *data = bytes;
    return true;
}
