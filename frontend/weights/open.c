#include <stdlib.h>
#include <string.h>

#include "frontend/weights/internal.h"

enum { CONFIG_LIMIT = 16 << 20 };

/* ---- formats ---- */

static bool begins_with(const Bytes *file, const char *magic, size_t n)
{
    return file->size >= n && memcmp(file->data, magic, n) == 0;
}

static bool is_pointer(const Bytes *file)
{
    static const char magic[] = "version https://git-lfs";
    return begins_with(file, magic, sizeof magic - 1);
}

static bool refuse_pointer(Weights *w, const Bytes *file, Error *err)
{
    return error_set(err, "a Git LFS pointer, not the file itself: run `git lfs pull`, or download the file");
}

/* The first that recognises a file reads it; magic numbers stand before guesses. */
static const Format formats[] = {
    {"Git LFS pointer", is_pointer, refuse_pointer},
    {"GGUF", gguf_recognise, gguf_read},
    {"safetensors", safetensors_recognise, safetensors_read},
    {"PyTorch", pytorch_recognise, pytorch_read},
    {"llama2.c", llama2c_recognise, llama2c_read},
};

static bool read_bytes(Weights *w, const Bytes *file, Error *err)
{
    if (!file->size)
        return error_set(err, "%s: the file is empty", file->name);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (!formats[i].recognise(file))
            continue;
        w->format = formats[i].name;
        if (!formats[i].read(w, file, err))
            return error_prefix(err, "%s", file->name);
        w->config_path = w->config ? w->path : NULL;
        return true;
    }
    return error_set(err, "%s: not a checkpoint of a known format (safetensors, GGUF, PyTorch, llama2.c)",
                     file->name);
}

bool weights_read_file(Weights *w, const char *path, Error *err)
{
    FileMap map;
    if (!file_map(&map, path, err))
        return false;
    arena_push(&w->arena, w->maps, w->map_count, w->map_cap, map);
    Bytes file = {map.data, map.size, path};
    return read_bytes(w, &file, err);
}

/* ---- what readers call ---- */

void weights_add(Weights *w, const Tensor *t)
{
    if (w->count == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 64;
        w->tensors = xrealloc(w->tensors, w->cap * sizeof *w->tensors);
    }
    w->tensors[w->count++] = *t;
}

static int by_data(const void *a, const void *b)
{
    const Tensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return strcmp(x->name, y->name);
}

void weights_sort_by_data(Weights *w, size_t first)
{
    if (w->count > first)
        qsort(w->tensors + first, w->count - first, sizeof *w->tensors, by_data);
}

json_t *json_object_from_bytes(const void *data, size_t size, const char *what, Error *err)
{
    json_error_t why;
    json_t *root = json_loadb(data, size, JSON_REJECT_DUPLICATES, &why);
    if (!root) {
        error_set(err, "%s: not valid JSON: %s (line %d, column %d)", what, weights_quote(why.text).text,
                  why.line, why.column);
        return NULL;
    }
    if (!json_is_object(root)) {
        json_decref(root);
        error_set(err, "%s: a JSON object is expected", what);
        return NULL;
    }
    return root;
}

json_t *json_object_from_file(const char *path, size_t limit, Error *err)
{
    FileMap map; /* and not file_read, which would wait for a FIFO's writer */
    if (!file_map(&map, path, err))
        return NULL;
    json_t *root = NULL;
    if (map.size > limit)
        error_set(err, "%s: larger than %zu bytes", path, limit);
    else
        root = json_object_from_bytes(map.size ? (const void *)map.data : "", map.size, path, err);
    file_unmap(&map);
    return root;
}

/* ---- opening ---- */

static const char *joined(Weights *w, const char *dir, const char *name)
{
    char *path = path_join(dir, name);
    const char *kept = arena_str(&w->arena, path, strlen(path));
    free(path);
    return kept;
}

/* The checkpoint in a folder, or NULL. */
static const char *pick_file(Weights *w, const char *dir, Error *err)
{
    static const char *const usual[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin", "pytorch_model.bin.index.json"};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        const char *path = joined(w, dir, usual[i]);
        if (file_exists(path))
            return path;
    }
    error_set(err, "%s: no model.safetensors, pytorch_model.bin or .index.json of these in this folder", dir);
    return NULL;
}

static bool is_index(const char *path)
{
    static const char suffix[] = ".index.json";
    size_t length = strlen(path), n = sizeof suffix - 1;
    return length >= n && strcmp(path + length - n, suffix) == 0;
}

static bool read_config(Weights *w, Error *err)
{
    char *dir = path_dir(w->path);
    const char *path = joined(w, dir, "config.json");
    free(dir);
    if (w->config || !file_exists(path))
        return true;
    w->config = json_object_from_file(path, CONFIG_LIMIT, err);
    w->config_path = path;
    return w->config != NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const Tensor *const *)a)->name, (*(const Tensor *const *)b)->name);
}

/* Sorts the names; the tensors stay where they are from here on. */
static bool index_names(Weights *w, Error *err)
{
    w->by_name = xcalloc(w->count + 1, sizeof *w->by_name);
    for (size_t i = 0; i < w->count; i++)
        w->by_name[i] = &w->tensors[i];
    qsort(w->by_name, w->count, sizeof *w->by_name, by_name);
    for (size_t i = 1; i < w->count; i++) {
        const Tensor *a = w->by_name[i - 1], *b = w->by_name[i];
        if (strcmp(a->name, b->name) == 0)
            return error_set(err, "%s: tensor \"%s\" is there twice (%s and %s)", w->path,
                             weights_quote(a->name).text, a->file, b->file);
    }
    return true;
}

static bool read_path(Weights *w, const char *path, Error *err)
{
    w->path = file_is_dir(path) ? pick_file(w, path, err) : arena_str(&w->arena, path, strlen(path));
    if (!w->path)
        return false;
    bool ok = is_index(w->path) ? shards_read(w, w->path, err) : weights_read_file(w, w->path, err);
    return ok && index_names(w, err) && shards_check(w, err) && read_config(w, err);
}

Weights *weights_open(const char *path, Error *err)
{
    Weights *w = xcalloc(1, sizeof *w);
    if (read_path(w, path, err))
        return w;
    weights_close(w);
    return NULL;
}

Weights *weights_open_memory(const void *data, size_t size, const char *name, Error *err)
{
    Weights *w = xcalloc(1, sizeof *w);
    w->path = arena_str(&w->arena, name, strlen(name));
    Bytes file = {data, size, w->path};
    if (read_bytes(w, &file, err) && index_names(w, err))
        return w;
    weights_close(w);
    return NULL;
}

void weights_close(Weights *w)
{
    if (!w)
        return;
    for (size_t i = 0; i < w->map_count; i++)
        file_unmap(&w->maps[i]);
    json_decref(w->config);
    json_decref(w->shard_map);
    free(w->tensors);
    free(w->by_name);
    arena_free(&w->arena);
    free(w);
}

const char *weights_path(const Weights *w)
{
    return w->path;
}

const char *weights_format(const Weights *w)
{
    return w->format;
}

size_t weights_count(const Weights *w)
{
    return w->count;
}

const Tensor *weights_at(const Weights *w, size_t i)
{
    return &w->tensors[i];
}
