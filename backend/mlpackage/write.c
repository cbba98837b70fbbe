#include "backend/mlpackage/mlpackage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <uthash.h>

#include "backend/mlpackage/encode.h"

#define DATA "Data/com.apple.CoreML"
static const char model_path[] = "@model_path/";

/* A weight that has its place, or a file that was copied. */
typedef struct Known {
    const char *key;
    uint64_t offset;
    UT_hash_handle hh;
} Known;

typedef struct Writing {
    Arena arena;
    Module *module;
    const MlpackageOptions *options;
    const char *dir; /* the temporary folder */
    Known *known;
    BlobFile blob;
    uint64_t done, total;
    Error *err;
} Writing;

static Known *find_known(const Writing *w, const char *key)
{
    Known *k;
    HASH_FIND_STR(w->known, key, k);
    return k;
}

static void add_known(Writing *w, const char *key, uint64_t offset)
{
    Known *k = arena_new(&w->arena, Known);
    k->key = key;
    k->offset = offset;
    HASH_ADD_KEYPTR(hh, w->known, k->key, strlen(k->key), k);
}

/* ---- files ---- */

static bool make_folder(Writing *w, const char *name)
{
    char *path = path_join(w->dir, name);
    bool ok = mkdir(path, 0777) == 0 || errno == EEXIST;
    if (!ok)
        error_set_errno(w->err, errno, "%s: cannot make the folder", path);
    free(path);
    return ok;
}

static bool put_file(Writing *w, const char *name, const void *data, size_t size)
{
    char *path = path_join(w->dir, name);
    FileWriter *f = file_create(path, w->err);
    bool ok = f && file_write(f, data, size, w->err);
    if (ok)
        ok = file_close(f, w->err);
    else
        file_abandon(f);
    free(path);
    return ok;
}

/* ---- weights ---- */

/* "@model_path/weights/weight.bin" -> "weights/weight.bin"; NULL where it leaves the folder. */
static const char *inside(const char *path)
{
    size_t n = sizeof model_path - 1;
    if (strncmp(path, model_path, n) != 0 || path[n] == '/' || strstr(path, "..") || strchr(path, '\\'))
        return NULL;
    return path + n;
}

static bool make_parents(Writing *w, const char *name)
{
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/'))
        if (!make_folder(w, arena_printf(&w->arena, DATA "/%.*s", (int)(slash - name), name)))
            return false;
    return true;
}

static bool copy_blob(Writing *w, const char *path)
{
    FileMap map;
    if (find_known(w, path))
        return true;
    const char *name = inside(path);
    if (!name)
        return error_set(w->err, "%s: weights must be in a file of the program's folder, @model_path/...",
                         path);
    if (!w->options->folder)
        return error_set(w->err, "%s: it is not known what folder this is in", path);
    add_known(w, path, 0);
    const char *from = arena_printf(&w->arena, "%s/%s", w->options->folder, name);
    if (!file_map(&map, from, w->err))
        return false;
    bool ok =
        make_parents(w, name) && put_file(w, arena_printf(&w->arena, DATA "/%s", name), map.data, map.size);
    file_unmap(&map);
    return ok;
}

static void place_weight(Writing *w, Op *op)
{
    const WeightRef *ref = &op->literal->weight;
    const Type *t = op->result[0]->type;
    const char *key = arena_printf(&w->arena, "%d %s %d %lld %s %s", (int)ref->kind,
                                   ref->name ? ref->name : "", ref->transposed, (long long)ref->window,
                                   dtype_info[t->dtype].name, ref->name ? "" : dims_text(&w->arena, t));
    Known *k = find_known(w, key);
    if (!k) {
        add_known(w, key, blob_add(&w->arena, &w->blob, ref, t));
        k = find_known(w, key);
    }
    op->literal = literal_blob(&w->module->arena, "@model_path/weights/weight.bin", k->offset);
}

static bool place_constant(Writing *w, Op *op)
{
    const Literal *l = op->literal;
    if (op->code != OP_CONST || !l)
        return true;
    if (l->kind == LIT_BLOB)
        return copy_blob(w, l->blob.path);
    if (l->kind == LIT_WEIGHT)
        place_weight(w, op);
    return true;
}

static bool place_all(Writing *w)
{
    for (int i = 0; i < w->module->funcs; i++)
        for (Op *op = w->module->func[i]->first; op; op = op->next) {
            if (!place_constant(w, op))
                return false;
            FOR_EACH_ARG(op, slot)
                if ((*slot)->def && !(*slot)->def->func && !place_constant(w, (*slot)->def))
                    return false;
        }
    return true;
}

static void advance(void *context, uint64_t bytes)
{
    Writing *w = context;
    w->done += bytes;
    if (w->options->progress)
        w->options->progress(w->options->context, w->done, w->total);
}

static bool write_weights(Writing *w)
{
    char hex[65];
    for (int i = 0; i < w->blob.records; i++)
        w->total += w->blob.record[i].size;
    if (!w->blob.records)
        return true;
    char *path = path_join(w->dir, DATA "/weights/weight.bin");
    bool ok = make_folder(w, DATA "/weights") &&
              blob_write(&w->blob, path, w->options->weights, hex, advance, w, w->err);
    free(path);
    return ok;
}

/* ---- the model and the manifest ---- */

static bool write_model(Writing *w)
{
    Cm__Model model = CM__MODEL__INIT;
    const char *const note[] = {"anec.mil_version", w->module->version, NULL};
    const EncodeAbout about = {w->options->summary, "anec " ANEC_VERSION, ANEC_VERSION, note};
    model.specificationversion = encode_opset(w->module) - 9; /* iOS 15 is 6 */
    model.mlprogram = encode_program(&w->arena, w->module, w->err);
    model.description = model.mlprogram ? encode_description(&w->arena, w->module, &about, w->err) : NULL;
    if (!model.description)
        return false;
    size_t size = cm__model__get_packed_size(&model);
    uint8_t *data = xmalloc(size ? size : 1);
    cm__model__pack(&model, data);
    bool ok = put_file(w, DATA "/model.mlmodel", data, size);
    free(data);
    return ok;
}

/* Manifests name their items by UUIDs; these are made of the items' paths, so that packages are the same from
 * run to run. */
static void uuid_of(const char *text, char out[37])
{
    char hex[65];
    sha256_of(text, strlen(text), hex);
    for (int i = 0, k = 0; i < 36; i++)
        out[i] = i == 8 || i == 13 || i == 18 || i == 23 ? '-'
                 : hex[k] >= 'a'                         ? (char)(hex[k++] - 'a' + 'A')
                                                         : hex[k++];
    out[14] = '5';
    out[19] = 'A';
    out[36] = '\0';
}

static void print_item(Text *t, const char *about, const char *name, bool last)
{
    char id[37];
    uuid_of(name, id);
    text_printf(t,
                "        \"%s\": {\n            \"author\": \"com.apple.CoreML\",\n"
                "            \"description\": \"CoreML Model %s\",\n            \"name\": \"%s\",\n"
                "            \"path\": \"com.apple.CoreML/%s\"\n        }%s\n",
                id, about, name, name, last ? "" : ",");
}

static bool write_manifest(Writing *w)
{
    Text t = {0};
    char id[37];
    struct stat st;
    char *folder = path_join(w->dir, DATA "/weights");
    bool weights = stat(folder, &st) == 0;
    free(folder);
    text_puts(&t, "{\n    \"fileFormatVersion\": \"1.0.0\",\n    \"itemInfoEntries\": {\n");
    print_item(&t, "Specification", "model.mlmodel", !weights);
    if (weights)
        print_item(&t, "Weights", "weights", true);
    uuid_of("model.mlmodel", id);
    text_printf(&t, "    },\n    \"rootModelIdentifier\": \"%s\"\n}\n", id);
    bool ok = put_file(w, "Manifest.json", t.data, t.size);
    text_free(&t);
    return ok;
}

bool mlpackage_is(const char *path)
{
    char *manifest = path_join(path, "Manifest.json"), *data = path_join(path, "Data");
    bool is = file_is_dir(path) && file_exists(manifest) && file_is_dir(data);
    free(manifest);
    free(data);
    return is;
}

bool mlpackage_write(Module *m, const MlpackageOptions *options, const char *path, Error *err)
{
    if (file_exists(path) && !mlpackage_is(path))
        return error_set(err, "%s: exists and is not a Core ML package; it is left as it is", path);
    char *dir = dir_begin(path, err);
    if (!dir)
        return false;
    Writing w = {.module = m, .options = options, .dir = dir, .err = err, .blob = {.name = "weight.bin"}};
    mlpackage_hold_tensors(m);
    bool ok = make_folder(&w, "Data") && make_folder(&w, DATA) && place_all(&w) && write_weights(&w) &&
              write_model(&w) && write_manifest(&w);
    HASH_CLEAR(hh, w.known);
    arena_free(&w.arena);
    if (ok)
        return dir_commit(dir, path, mlpackage_is, err);
    dir_abandon(dir);
    return false;
}
