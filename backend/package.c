#include "backend/package.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "backend/manifest.h"
#include "base/threads.h"

/* A package on its way to disk. */
typedef struct Writing {
    Plan *plan;
    const PackageOptions *options;
    const char *dir; /* the temporary folder */
    ManifestFile *file;
    int files, cap;
    uint64_t done, total; /* bytes of weights */
} Writing;

static ManifestFile *list_file(Writing *w, const char *path, uint64_t size)
{
    ManifestFile f = {.path = arena_printf(&w->plan->arena, "%s", path), .size = size};
    arena_push(&w->plan->arena, w->file, w->files, w->cap, f);
    return &w->file[w->files - 1];
}

static bool put_file(const char *dir, const char *name, const void *data, size_t size, Error *err)
{
    char *path = path_join(dir, name);
    FileWriter *f = file_create(path, err);
    bool ok = f && file_write(f, data, size, err);
    if (ok)
        ok = file_close(f, err);
    else
        file_abandon(f);
    free(path);
    return ok;
}

static bool write_small(Writing *w, const char *name, const void *data, size_t size, Error *err)
{
    ManifestFile *f = list_file(w, name, size);
    sha256_of(data, size, f->sha256);
    return put_file(w->dir, name, data, size, err);
}

static bool make_folder(const Writing *w, const char *name, Error *err)
{
    char *path = path_join(w->dir, name);
    bool ok = mkdir(path, 0777) == 0;
    if (!ok)
        error_set_errno(err, errno, "%s: cannot make the folder", path);
    free(path);
    return ok;
}

/* The files of weights, which threads take one after the other: conversion, hash and copy are work for each
 * byte, and no file knows of another. */
typedef struct Blobs {
    Writing *w;
    const BlobSet *set;
    int listed; /* where they begin among w->file */
    int left;   /* taken from the end: the last file, of what the CPU reads, is mostly the largest */
    bool failed;
    Error *err; /* the first */
    pthread_mutex_t lock;
} Blobs;

static void advance(void *context, uint64_t bytes)
{
    Blobs *b = context;
    Writing *w = b->w;
    pthread_mutex_lock(&b->lock);
    w->done += bytes;
    if (w->options->progress)
        w->options->progress(w->options->context, w->done, w->total);
    pthread_mutex_unlock(&b->lock);
}

static int next_blob(Blobs *b)
{
    pthread_mutex_lock(&b->lock);
    int i = b->failed ? -1 : --b->left;
    pthread_mutex_unlock(&b->lock);
    return i;
}

static void fail_blobs(Blobs *b, const Error *err)
{
    pthread_mutex_lock(&b->lock);
    if (!b->failed)
        *b->err = *err;
    b->failed = true;
    pthread_mutex_unlock(&b->lock);
}

static void write_some_blobs(void *context, int index, int count)
{
    Blobs *b = context;
    for (int i; (i = next_blob(b)) >= 0;) {
        ManifestFile *f = &b->w->file[b->listed + i];
        char *path = path_join(b->w->dir, f->path);
        Error err;
        if (!blob_write(b->set->file[i], path, b->w->options->weights, f->sha256, advance, b, &err))
            fail_blobs(b, &err);
        free(path);
    }
}

static bool write_blobs(Writing *w, const BlobSet *set, Error *err)
{
    Blobs b = {.w = w, .set = set, .listed = w->files, .left = set->files, .err = err};
    for (int i = 0; i < set->files; i++)
        list_file(w, arena_printf(&w->plan->arena, "weights/%s", set->file[i]->name), set->file[i]->size);
    pthread_mutex_init(&b.lock, NULL);
    Pool *pool = pool_new(0);
    pool_run(pool, write_some_blobs, &b);
    pool_free(pool);
    pthread_mutex_destroy(&b.lock);
    return !b.failed;
}

static bool write_program(Writing *w, const Program *p, Error *err)
{
    Text text = {0};
    module_print(&text, p->module);
    bool ok = write_small(w, arena_printf(&w->plan->arena, "mil/%s.mil", p->name), text.data, text.size, err);
    text_free(&text);
    return ok;
}

/* manifest.sha256 has the form that `sha256sum -c` reads; it guards the manifest, which guards the rest. */
static bool write_manifest(Writing *w, Error *err)
{
    Text text = {0}, sum = {0};
    char hex[65];
    manifest_print(&text, w->plan, w->file, w->files);
    sha256_of(text.data, text.size, hex);
    text_printf(&sum, "%s  manifest.json\n", hex);
    bool ok = put_file(w->dir, "manifest.json", text.data, text.size, err) &&
              put_file(w->dir, "manifest.sha256", sum.data, sum.size, err);
    text_free(&text);
    text_free(&sum);
    return ok;
}

static bool write_all(Writing *w, Error *err)
{
    BlobSet blobs = {0};
    package_place_weights(w->plan, &blobs);
    for (int i = 0; i < blobs.files; i++)
        for (int k = 0; k < blobs.file[i]->records; k++)
            w->total += blobs.file[i]->record[k].size;
    for (int i = 0; i < w->options->files; i++) {
        const PackageFile *f = &w->options->file[i];
        if (!write_small(w, f->name, f->data, f->size, err))
            return false;
    }
    if (!make_folder(w, "mil", err) || !make_folder(w, "weights", err))
        return false;
    for (int i = 0; i < w->plan->programs; i++)
        if (!write_program(w, w->plan->program[i], err))
            return false;
    return write_blobs(w, &blobs, err) && write_manifest(w, err);
}

bool package_is(const char *path)
{
    char *manifest = path_join(path, "manifest.json"), *sum = path_join(path, "manifest.sha256");
    bool is = file_is_dir(path) && file_exists(manifest) && file_exists(sum);
    free(manifest);
    free(sum);
    return is;
}

bool package_write(Plan *plan, const PackageOptions *options, const char *path, Error *err)
{
    if (file_exists(path) && !package_is(path))
        return error_set(err, "%s: exists and is not a package; it is left as it is", path);
    char *dir = dir_begin(path, err);
    if (!dir)
        return false;
    Writing w = {.plan = plan, .options = options, .dir = dir};
    if (!write_all(&w, err)) {
        dir_abandon(dir);
        return false;
    }
    return dir_commit(dir, path, package_is, err);
}
