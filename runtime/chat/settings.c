#include "runtime/chat/settings.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/arena.h"

/* A text, or null or nothing. */
static bool read_token(char **out, const json_t *root, const char *key, Error *err)
{
    const json_t *v = json_object_get(root, key);
    if (v && !json_is_null(v) && !json_is_string(v))
        return error_set(err, "chat.json: \"%s\" is neither a text nor null", key);
    *out = json_is_string(v) ? xstrdup(json_string_value(v)) : NULL;
    return true;
}

static bool read_stops(ChatSettings *s, const json_t *list, Error *err)
{
    size_t i;
    const json_t *v;
    if (list && !json_is_array(list))
        return error_set(err, "chat.json: \"stop\" is no list");
    json_array_foreach(list, i, v)
    {
        json_int_t id = json_integer_value(v);
        if (!json_is_integer(v) || id < 0 || id > INT32_MAX || i >= CHAT_STOPS)
            return error_set(err, "chat.json: \"stop\" is no list of at most %d token ids", (int)CHAT_STOPS);
        chat_settings_add_stop(s, id);
    }
    return true;
}

bool chat_settings_parse(ChatSettings *out, const char *text, size_t size, Error *err)
{
    json_error_t where;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
    *out = (ChatSettings){0};
    bool ok = json_is_object(root);
    if (!ok)
        error_set(err, "chat.json: %s", root ? "an object is expected" : where.text);
    out->known = json_object_get(root, "bos_token") || json_object_get(root, "eos_token");
    ok = ok && read_token(&out->bos, root, "bos_token", err) &&
         read_token(&out->eos, root, "eos_token", err) && read_stops(out, json_object_get(root, "stop"), err);
    json_decref(root);
    if (!ok)
        chat_settings_free(out);
    return ok;
}

void chat_settings_print(const ChatSettings *s, Text *out)
{
    json_t *root = json_object(), *stop = json_array();
    for (int i = 0; i < s->stops; i++)
        json_array_append_new(stop, json_integer(s->stop[i]));
    if (s->known) {
        json_object_set_new(root, "bos_token", s->bos ? json_string(s->bos) : json_null());
        json_object_set_new(root, "eos_token", s->eos ? json_string(s->eos) : json_null());
    }
    json_object_set_new(root, "stop", stop);
    char *text = json_dumps(root, JSON_INDENT(2));
    text_puts(out, text ? text : "{}");
    text_putc(out, '\n');
    free(text);
    json_decref(root);
}

void chat_settings_add_stop(ChatSettings *s, int64_t id)
{
    for (int i = 0; i < s->stops; i++)
        if (s->stop[i] == id)
            return;
    if (s->stops < CHAT_STOPS && id >= 0 && id <= INT32_MAX)
        s->stop[s->stops++] = (int32_t)id;
}

void chat_settings_free(ChatSettings *s)
{
    free(s->bos);
    free(s->eos);
    *s = (ChatSettings){0};
}
