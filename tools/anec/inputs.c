#include "tools/anec/inputs.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"

static bool has_tensor(void *context, const char *name)
{
    return weights_resolve(context, name) != NULL;
}

bool inputs_checkpoint(Inputs *in, const char *path, Error *err)
{
    in->weights = weights_open(path, err);
    if (!in->weights)
        return false;
    in->folder = path_dir(weights_path(in->weights));
    in->config = json_incref(weights_config(in->weights));
    in->config_path = weights_config_path(in->weights) ? xstrdup(weights_config_path(in->weights)) : NULL;
    return true;
}

bool inputs_surroundings(Inputs *in, const char *path, Error *err)
{
    json_error_t at;
    if (text_ends_with(path, ".gguf")) { /* its config is in the file itself */
        bool ok = inputs_checkpoint(in, path, err);
        weights_close(in->weights);
        in->weights = NULL;
        return ok;
    }
    in->folder = file_is_dir(path) ? xstrdup(path) : path_dir(path);
    in->config_path = path_join(in->folder, "config.json");
    if (!file_exists(in->config_path))
        return true;
    in->config = json_load_file(in->config_path, JSON_REJECT_DUPLICATES, &at);
    if (json_is_object(in->config))
        return true;
    return error_set(err, "%s:%d: %s", in->config_path, at.line, in->config ? "not an object" : at.text);
}

bool inputs_graph(Inputs *in, const FlagList *sets, Diags *diags)
{
    AnelOptions o = {.sets = sets->item, .set_count = sets->count};
    if (in->config) {
        o.config = anel_config_json;
        o.config_context = in->config;
        o.config_name = in->config_path;
    }
    if (in->weights) {
        o.has_tensor = has_tensor;
        o.tensor_context = in->weights;
    }
    in->module = anel_compile(&in->source, &o, &in->model, diags);
    if (!in->module)
        return false;
    in->graph = in->module->func[0];
    return true;
}

bool inputs_numbers(Inputs *in, int64_t seed, Diags *diags)
{
    if (in->weights) {
        in->bound = bind_weights_but(in->graph, in->weights, in->model.ignore, in->model.ignored, diags);
        if (!in->bound)
            return false;
        in->numbers = bound_source(in->bound);
        in->has_numbers = true;
    } else if (seed >= 0) {
        in->random = random_weights_new(in->graph, (uint64_t)seed);
        in->numbers = random_weights_source(in->random);
        in->has_numbers = true;
    }
    return true;
}

void inputs_free(Inputs *in)
{
    bound_free(in->bound);
    random_weights_free(in->random);
    module_free(in->module);
    json_decref(in->config);
    weights_close(in->weights);
    free(in->folder);
    free(in->config_path);
    free(in->fetched);
    free(in->chosen);
    free((void *)(uintptr_t)in->source.text);
}
