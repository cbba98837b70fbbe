/* PyTorch checkpoints as torch.save writes them since 1.6: a zip archive with NAME/data.pkl, a pickle of a
 * dict from tensor names to tensors, and NAME/data/KEY, the bytes of one storage. A tensor is a view of a
 * storage: offset, lengths and strides, in elements; several may share one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "frontend/weights/pickle.h"
#include "frontend/weights/zip.h"

typedef struct Reader {
    Weights *w;
    const Bytes *file;
    Arena arena; /* the archive's directory and the pickle's values */
    Zip zip;
    const char *folder; /* NAME */
    Error *err;
} Reader;

/* Storages follow three pickles, of which the first is this number. */
static const char legacy_magic[] = "\x80\2\x8a\12\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";

static bool is_legacy(const Bytes *file)
{
    const size_t n = sizeof legacy_magic - 1;
    return file->size >= n && memcmp(file->data, legacy_magic, n) == 0;
}

/* A pickle alone. A llama2.c checkpoint could begin so only with more than 65535 channels. */
static bool is_pickle(const Bytes *file)
{
    const uint8_t *p = file->data;
    return file->size >= 4 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5 && (p[2] || p[3]);
}

bool pytorch_recognise(const Bytes *file)
{
    return zip_recognise(file) || is_pickle(file);
}

static bool tensor_error(Reader *r, const char *name, const char *what)
{
    return error_set(r->err, "tensor \"%s\": %s", weights_quote(name).text, what);
}

/* ---- storages ---- */

static const ZipEntry *in_archive(Reader *r, const char *name)
{
    return zip_find(&r->zip, arena_printf(&r->arena, "%s/%s", r->folder, name));
}

/* ("storage", its type, key, device, elements) */
static bool read_storage(Reader *r, Tensor *t, const PickleValue *storage)
{
    if (storage->kind != PICKLE_STORAGE || storage->count != 5 || storage->items[0]->kind != PICKLE_TEXT ||
        strcmp(storage->items[0]->u.text, "storage") != 0 || storage->items[1]->kind != PICKLE_GLOBAL ||
        storage->items[1]->u.global->callable != PICKLE_STORAGE_TYPE ||
        storage->items[2]->kind != PICKLE_TEXT || storage->items[4]->kind != PICKLE_INT)
        return tensor_error(r, t->name, "its storage is described in a way that torch.save does not write");
    const char *key = storage->items[2]->u.text;
    const ZipEntry *entry = in_archive(r, arena_printf(&r->arena, "data/%s", key));
    if (!entry)
        return error_set(r->err, "tensor \"%s\": its storage data/%s is not in the archive",
                         weights_quote(t->name).text, weights_quote(key).text);
    weights_set_type(r->w, t, storage->items[1]->u.global->type);
    const int64_t elements = storage->items[4]->u.number;
    const uint64_t have = entry->size / (uint64_t)weight_type_block_bytes(t->type);
    if (elements < 0 || (uint64_t)elements > have)
        return error_set(r->err,
                         "cut short: tensor \"%s\": its storage data/%s should have %" PRId64
                         " elements, but has %" PRIu64 "; fetch the file again",
                         weights_quote(t->name).text, weights_quote(key).text, elements, have);
    t->data = entry->data;
    t->size = (uint64_t)elements * (uint64_t)weight_type_block_bytes(t->type);
    return true;
}

/* ---- tensors ---- */

static bool read_lengths(const PickleValue *v, int64_t *out, int *count)
{
    if ((v->kind != PICKLE_TUPLE && v->kind != PICKLE_LIST) || v->count > WEIGHTS_MAX_RANK)
        return false;
    for (size_t i = 0; i < v->count; i++) {
        if (v->items[i]->kind != PICKLE_INT || v->items[i]->u.number < 0)
            return false;
        out[i] = v->items[i]->u.number;
    }
    *count = (int)v->count;
    return true;
}

/* "16, 4" */
static void describe_list(const int64_t *list, int count, Text *out)
{
    for (int i = 0; i < count; i++)
        text_printf(out, "%s%" PRId64, i ? ", " : "", list[i]);
}

/* Row-major without gaps; the stride of an axis of one element means nothing. */
static bool check_strides(Reader *r, const Tensor *t, const int64_t *strides)
{
    int64_t step = 1;
    bool fine = true;
    for (int i = t->rank - 1; i >= 0; i--) {
        fine = fine && (t->shape[i] == 1 || strides[i] == step);
        step *= t->shape[i];
    }
    if (fine || step == 0)
        return true;
    Text shown = {0};
    char shape[256];
    describe_list(strides, t->rank, &shown);
    error_set(r->err,
              "tensor \"%s\": %s is stored transposed or with gaps (strides [%s]); call .contiguous() on it "
              "and save it again, or convert the checkpoint to safetensors",
              weights_quote(t->name).text, tensor_describe(t, shape, sizeof shape), text_cstr(&shown));
    text_free(&shown);
    return false;
}

/* (storage, offset, lengths, strides, requires_grad, hooks and, since 2.1, metadata); t has the storage's
 * range and gets its own. */
static bool place(Reader *r, Tensor *t, const PickleValue *call)
{
    int64_t strides[WEIGHTS_MAX_RANK];
    int axes = 0;
    uint64_t bytes;
    if (!read_lengths(call->items[2], t->shape, &t->rank) || !read_lengths(call->items[3], strides, &axes) ||
        axes != t->rank || call->items[1]->kind != PICKLE_INT || call->items[1]->u.number < 0)
        return tensor_error(r, t->name,
                            "its lengths, strides or offset are not up to 8 whole numbers from 0 up each");
    if (!tensor_bytes(t, &bytes))
        return tensor_error(r, t->name, "its shape has too many elements");
    if (!check_strides(r, t, strides))
        return false;
    const uint64_t width = (uint64_t)weight_type_block_bytes(t->type);
    const uint64_t offset = (uint64_t)call->items[1]->u.number;
    if (offset > t->size / width || bytes > t->size - offset * width) {
        char shape[256];
        return error_set(r->err,
                         "tensor \"%s\": %s from element %" PRIu64
                         " on ends behind its storage, which has %" PRIu64 " elements",
                         weights_quote(t->name).text, tensor_describe(t, shape, sizeof shape), offset,
                         t->size / width);
    }
    t->data += offset * width;
    t->size = bytes;
    return true;
}

static bool is_call(const PickleValue *v, PickleCallable callable)
{
    return v->kind == PICKLE_CALL && v->u.global->callable == callable && v->count > 0;
}

/* The call that makes the tensor, without the Parameter around it; NULL for anything else. */
static const PickleValue *tensor_call(const PickleValue *v)
{
    if (is_call(v, PICKLE_REBUILD_PARAMETER))
        v = v->items[0];
    return is_call(v, PICKLE_REBUILD_TENSOR) ? v : NULL;
}

static bool read_tensor(Reader *r, const PickleValue *key, const PickleValue *call)
{
    Tensor t = {.file = r->file->name};
    if (key->kind != PICKLE_TEXT)
        return error_set(r->err, "a tensor's name is no text");
    if (strlen(key->u.text) != key->count || !weights_name_ok(key->u.text, key->count))
        return tensor_error(r, key->u.text, "a name is 1 to 1024 bytes without control characters");
    t.name = arena_str(&r->w->arena, key->u.text, key->count);
    if (call->count < 6)
        return tensor_error(r, t.name, "it is described in a way that torch.save does not write");
    if (!read_storage(r, &t, call->items[0]) || !place(r, &t, call))
        return false;
    weights_add(r->w, &t);
    return true;
}

/* ---- the dict ---- */

static bool has_tensors(const PickleValue *dict)
{
    for (size_t i = 1; dict->kind == PICKLE_DICT && i < dict->count; i += 2)
        if (tensor_call(dict->items[i]))
            return true;
    return false;
}

/* The dict itself, or what training programs put beside an optimizer's state; NULL where there is none. */
static const PickleValue *find_tensors(const PickleValue *root)
{
    static const char *const usual[] = {"state_dict", "model", "model_state_dict", "module"};
    if (has_tensors(root))
        return root;
    for (size_t i = 0; root->kind == PICKLE_DICT && i < root->count; i += 2)
        for (size_t k = 0; k < sizeof usual / sizeof *usual && root->items[i]->kind == PICKLE_TEXT; k++)
            if (strcmp(root->items[i]->u.text, usual[k]) == 0 && has_tensors(root->items[i + 1]))
                return root->items[i + 1];
    return NULL;
}

/* Entries that are no tensors (counters, settings) are left out. */
static bool read_tensors(Reader *r, const PickleValue *root)
{
    const PickleValue *dict = find_tensors(root);
    const size_t first = r->w->count;
    if (!dict)
        return error_set(r->err, "no dict from names to tensors in the pickle: save model.state_dict()");
    for (size_t i = 0; i < dict->count; i += 2) {
        const PickleValue *call = tensor_call(dict->items[i + 1]);
        if (call && !read_tensor(r, dict->items[i], call))
            return false;
    }
    weights_sort_by_data(r->w, first);
    return true;
}

/* ---- the file ---- */

static const ZipEntry *find_pickle(Reader *r)
{
    static const char suffix[] = "/data.pkl";
    for (size_t i = 0; i < r->zip.count; i++) {
        const char *name = r->zip.entries[i].name, *slash = strchr(name, '/');
        if (!slash || strcmp(slash, suffix) != 0)
            continue;
        r->folder = arena_str(&r->arena, name, (size_t)(slash - name));
        return &r->zip.entries[i];
    }
    error_set(r->err, "a zip archive without a data.pkl in it: torch.save did not write it");
    return NULL;
}

static bool check_byte_order(Reader *r)
{
    const ZipEntry *order = in_archive(r, "byteorder");
    if (!order || (order->size == 6 && memcmp(order->data, "little", 6) == 0))
        return true;
    return error_set(r->err, "saved on a machine of another byte order: convert it to safetensors there");
}

static bool read_archive(Reader *r)
{
    if (!zip_read(&r->zip, &r->arena, r->file, r->err))
        return false;
    const ZipEntry *pickle = find_pickle(r);
    if (!pickle || !check_byte_order(r))
        return false;
    const PickleValue *root = pickle_read(&r->arena, pickle->data, (size_t)pickle->size, r->err);
    return root && read_tensors(r, root);
}

/* Read only to say what is wrong with it. */
static bool refuse_pickle(Reader *r)
{
    return pickle_read(&r->arena, r->file->data, r->file->size, r->err) &&
           error_set(r->err, "a pickle alone, without the zip archive that torch.save puts around it");
}

bool pytorch_read(Weights *w, const Bytes *file, Error *err)
{
    Reader r = {.w = w, .file = file, .err = err};
    bool ok;
    if (zip_recognise(file))
        ok = read_archive(&r);
    else if (is_legacy(file))
        ok = error_set(
            err, "a PyTorch checkpoint in the form before 1.6, which is no zip archive: load and save "
                 "it with a newer torch, or convert it to safetensors");
    else
        ok = refuse_pickle(&r);
    arena_free(&r.arena);
    return ok;
}
