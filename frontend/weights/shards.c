/* Sharded checkpoints: {"metadata": {...}, "weight_map": {"TENSOR": "model-00001-of-00002.safetensors",
 * ...}}. */
#include <stdlib.h>
#include <string.h>

#include "frontend/weights/internal.h"

enum { INDEX_LIMIT = 100000000, SHARD_LIMIT = 10000 };

static bool read_shard(Weights *w, const char *dir, const char *name, Error *err)
{
    char *joined = path_join(dir, name);
    const char *path = arena_str(&w->arena, joined, strlen(joined));
    free(joined);
    if (!file_exists(path))
        return error_set(err, "%s: no such file; the index names it as a shard", path);
    return weights_read_file(w, path, err);
}

/* A shard stands beside its index: a name with a slash could lead anywhere. */
static bool shard_name_ok(const char *name)
{
    return name && weights_name_ok(name, strlen(name)) && !strchr(name, '/') && name[0] != '.';
}

static bool read_shards(Weights *w, const char *index, json_t *map, json_t *seen, Error *err)
{
    char *dir = path_dir(index);
    const char *tensor;
    json_t *value;
    bool ok = true;
    json_object_foreach(map, tensor, value)
    {
        const char *name = json_string_value(value);
        if (!shard_name_ok(name))
            ok = error_set(err, "%s: tensor \"%s\": the name of a file beside the index is expected", index,
                           weights_quote(tensor).text);
        else if (!json_object_get(seen, name)) {
            json_object_set_new(seen, name, json_true());
            ok = json_object_size(seen) <= SHARD_LIMIT ? read_shard(w, dir, name, err)
                                                       : error_set(err, "%s: more than 10000 shards", index);
        }
        if (!ok)
            break;
    }
    free(dir);
    return ok;
}

bool shards_read(Weights *w, const char *index, Error *err)
{
    json_t *root = json_object_from_file(index, INDEX_LIMIT, err);
    if (!root)
        return false;
    json_t *map = json_object_get(root, "weight_map"), *seen = json_object();
    bool ok = json_is_object(map) && json_object_size(map)
                  ? read_shards(w, index, map, seen, err)
                  : error_set(err, "%s: no \"weight_map\" in it", index);
    w->shard_map = ok ? json_incref(map) : NULL;
    json_decref(seen);
    json_decref(root);
    return ok;
}

/* After the tensors are indexed: everything that the index promises is there, in the file that it names. */
bool shards_check(const Weights *w, Error *err)
{
    const char *name, *slash;
    json_t *value;
    json_object_foreach(w->shard_map, name, value)
    {
        const Tensor *t = weights_find(w, name);
        if (t && (slash = strrchr(t->file, '/')) && strcmp(slash + 1, json_string_value(value)) == 0)
            continue;
        return error_set(err, "%s: tensor \"%s\" is not in %s, where the index says it is", w->path,
                         weights_quote(name).text, json_string_value(value));
    }
    return true;
}
