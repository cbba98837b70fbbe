/* What a checkpoint says about conversations: its template, the texts of its begin and end tokens, and the
 * tokens that end a reply. They are spread over tokenizer_config.json, chat_template.jinja,
 * chat_template.json, generation_config.json, config.json and a GGUF file's metadata. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "runtime/chat/settings.h"
#include "tools/anec/extras.h"

enum { CHAT_FILE_LIMIT = 16 << 20 };

/* FOLDER/NAME as JSON: *root is NULL where there is none. */
static bool load_beside(const char *folder, const char *name, json_t **root, Error *err)
{
    char *data;
    size_t size;
    json_error_t where;
    *root = NULL;
    if (!extras_read(folder, name, CHAT_FILE_LIMIT, &data, &size, err))
        return false;
    if (!data)
        return true;
    *root = json_loadb(data, size, 0, &where);
    free(data);
    return *root || error_set(err, "%s/%s: line %d: %s", folder, name, where.line, where.text);
}

/* "chat_template" is a text, or a list of named ones, of which "default" is meant. */
static const json_t *template_of(const json_t *root)
{
    const json_t *v = json_object_get(root, "chat_template"), *found = NULL;
    size_t i;
    const json_t *one;
    if (!json_is_array(v))
        return json_is_string(v) ? v : NULL;
    json_array_foreach(v, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        if (!found || (name && strcmp(name, "default") == 0))
            found = json_object_get(one, "template");
    }
    return json_is_string(found) ? found : NULL;
}

static void add_template(Extras *e, const json_t *text)
{
    size_t size = json_string_length(text);
    char *copy = xcalloc(size + 1, 1);
    memcpy(copy, json_string_value(text), size);
    extras_add(e, "chat_template.jinja", copy, size);
}

/* A file of its own comes before the older places. */
static bool find_template(Extras *e, const Inputs *in, const json_t *tokenizer_config, Error *err)
{
    char *data;
    size_t size;
    json_t *older = NULL;
    if (!extras_read(in->folder, "chat_template.jinja", CHAT_FILE_LIMIT, &data, &size, err))
        return false;
    if (data) {
        extras_add(e, "chat_template.jinja", data, size);
        return true;
    }
    if (!load_beside(in->folder, "chat_template.json", &older, err))
        return false;
    const json_t *text = template_of(tokenizer_config);
    const json_t *metadata = json_object_get(in->config, "tokenizer.chat_template");
    text = text ? text : template_of(older);
    text = text ? text : json_is_string(metadata) ? metadata : NULL;
    if (text)
        add_template(e, text);
    json_decref(older);
    return true;
}

/* A token is written as its text, or as an object whose "content" is. */
static char *token_text(const json_t *v)
{
    const char *text = json_string_value(json_is_object(v) ? json_object_get(v, "content") : v);
    return text && *text ? xstrdup(text) : NULL;
}

/* An id, or a list of them. */
static void add_stops(ChatSettings *s, const json_t *v, int64_t vocab)
{
    size_t i;
    const json_t *one;
    if (json_is_integer(v) && json_integer_value(v) < vocab)
        chat_settings_add_stop(s, json_integer_value(v));
    json_array_foreach(v, i, one) if (json_is_integer(one) && json_integer_value(one) < vocab)
        chat_settings_add_stop(s, json_integer_value(one));
}

static const json_t *metadata_token(const Inputs *in, const char *id_key)
{
    const json_t *id = json_object_get(in->config, id_key);
    const json_t *tokens = json_object_get(in->config, "tokenizer.ggml.tokens");
    if (!json_is_integer(id) || json_integer_value(id) < 0)
        return NULL;
    return json_array_get(tokens, (size_t)json_integer_value(id));
}

static void find_settings(ChatSettings *s, const Inputs *in, const json_t *tokenizer_config,
                          const json_t *generation_config)
{
    static const char *const ends[] = {"eos_token_id", "tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
    const json_t *bos = json_object_get(tokenizer_config, "bos_token");
    const json_t *eos = json_object_get(tokenizer_config, "eos_token");
    s->bos = token_text(tokenizer_config ? bos : metadata_token(in, "tokenizer.ggml.bos_token_id"));
    s->eos = token_text(tokenizer_config ? eos : metadata_token(in, "tokenizer.ggml.eos_token_id"));
    s->known = tokenizer_config || s->bos || s->eos;
    add_stops(s, json_object_get(generation_config, "eos_token_id"), in->model.vocab);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        add_stops(s, json_object_get(in->config, ends[i]), in->model.vocab);
}

bool extras_chat(Extras *e, const Inputs *in, Error *err)
{
    json_t *tokenizer_config = NULL, *generation_config = NULL;
    ChatSettings settings = {0};
    bool ok = load_beside(in->folder, "tokenizer_config.json", &tokenizer_config, err) &&
              load_beside(in->folder, "generation_config.json", &generation_config, err) &&
              find_template(e, in, tokenizer_config, err);
    if (ok)
        find_settings(&settings, in, tokenizer_config, generation_config);
    if (settings.known || settings.stops) {
        Text json = {0};
        chat_settings_print(&settings, &json);
        extras_add(e, "chat.json", json.data, json.size);
    }
    chat_settings_free(&settings);
    json_decref(tokenizer_config);
    json_decref(generation_config);
    return ok;
}
