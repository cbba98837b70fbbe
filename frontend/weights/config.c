#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "frontend/weights/internal.h"

/* One step of a path: a member of an object or an element of a list. */
static json_t *step(const json_t *at, const char *key, size_t length)
{
    if (json_is_object(at)) {
        char name[128]; /* json_object_getn is too new for some systems' jansson */
        if (length >= sizeof name)
            return NULL;
        memcpy(name, key, length);
        name[length] = 0;
        return json_object_get(at, name);
    }
    if (!json_is_array(at) || length < 1 || length > 9)
        return NULL;
    size_t index = 0;
    for (size_t i = 0; i < length; i++) {
        if (key[i] < '0' || key[i] > '9')
            return NULL;
        index = 10 * index + (size_t)(key[i] - '0');
    }
    return json_array_get(at, index);
}

static json_t *lookup(const Weights *w, const char *key)
{
    json_t *at = w->config ? json_object_get(w->config, key) : NULL;
    if (at || !w->config)
        return at;
    for (at = w->config; at && *key;) {
        size_t n = strcspn(key, ".");
        at = step(at, key, n);
        key += n + (key[n] == '.');
    }
    return at == w->config ? NULL : at;
}

/* What a value of another type than the wanted one is. */
static ConfigFound other(const json_t *v)
{
    return !v ? CONFIG_ABSENT : json_is_null(v) ? CONFIG_NULL : CONFIG_OTHER;
}

ConfigFound weights_config_int(const Weights *w, const char *key, int64_t *out)
{
    const json_t *v = lookup(w, key);
    if (json_is_integer(v)) {
        *out = json_integer_value(v);
        return CONFIG_FOUND;
    }
    double d = json_real_value(v);
    if (!json_is_real(v) || d != floor(d) || fabs(d) > 0x1p53)
        return other(v);
    *out = (int64_t)d; /* some exporters write 2048.0 */
    return CONFIG_FOUND;
}

ConfigFound weights_config_number(const Weights *w, const char *key, double *out)
{
    const json_t *v = lookup(w, key);
    if (!json_is_number(v))
        return other(v);
    *out = json_number_value(v);
    return CONFIG_FOUND;
}

ConfigFound weights_config_bool(const Weights *w, const char *key, bool *out)
{
    const json_t *v = lookup(w, key);
    if (!json_is_boolean(v))
        return other(v);
    *out = json_is_true(v);
    return CONFIG_FOUND;
}

ConfigFound weights_config_text(const Weights *w, const char *key, const char **out)
{
    const json_t *v = lookup(w, key);
    if (!json_is_string(v))
        return other(v);
    *out = json_string_value(v);
    return CONFIG_FOUND;
}

ConfigFound weights_config_list(const Weights *w, const char *key, size_t *count)
{
    const json_t *v = lookup(w, key);
    if (!json_is_array(v))
        return other(v);
    *count = json_array_size(v);
    return CONFIG_FOUND;
}

char *weights_config_describe(const Weights *w, const char *key, char *out, size_t size)
{
    const json_t *v = lookup(w, key);
    char quoted[80];
    if (!v)
        snprintf(out, size, "absent");
    else if (json_is_integer(v))
        snprintf(out, size, "%" PRId64, (int64_t)json_integer_value(v));
    else if (json_is_real(v))
        snprintf(out, size, "%g", json_real_value(v));
    else if (json_is_string(v))
        snprintf(out, size, "the text \"%s\"",
                 error_quote(quoted, sizeof quoted, json_string_value(v), (long)json_string_length(v)));
    else
        snprintf(out, size, "%s",
                 json_is_object(v)  ? "an object"
                 : json_is_array(v) ? "a list"
                 : json_is_null(v)  ? "null"
                 : json_is_true(v)  ? "true"
                                    : "false");
    return out;
}

json_t *weights_config(const Weights *w)
{
    return w->config;
}

const char *weights_config_path(const Weights *w)
{
    return w->config_path;
}
