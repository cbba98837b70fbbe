/* What comes from outside: config.json and --set. */
#include "frontend/anel/elaborate.h"

#include <jansson.h>
#include <string.h>

/* ---- JSON ---- */

static bool from_json(const json_t *j, Arena *a, int level, AnelValue *out);

static bool list_from_json(const json_t *j, Arena *a, int level, AnelValue *out)
{
    size_t n = json_array_size(j);
    if (n > MAX_ITEMS || level > 8)
        return false;
    AnelValue *item = arena_many(a, n, AnelValue);
    for (size_t i = 0; i < n; i++)
        if (!from_json(json_array_get(j, i), a, level + 1, &item[i]))
            return false;
    *out = anel_list(item, (int)n);
    return true;
}

/* An object is the list of its keys: enough to see that it is there, and what is in it. */
static bool keys_from_json(const json_t *j, Arena *a, AnelValue *out)
{
    size_t n = json_object_size(j), i = 0;
    const char *key;
    json_t *member;
    if (n > MAX_ITEMS)
        return false;
    AnelValue *item = arena_many(a, n, AnelValue);
    json_object_foreach((json_t *)(uintptr_t)j, key, member) item[i++] =
        anel_text(arena_str(a, key, strlen(key)));
    *out = anel_list(item, (int)i);
    return true;
}

static bool from_json(const json_t *j, Arena *a, int level, AnelValue *out)
{
    switch (json_typeof(j)) {
    case JSON_NULL: *out = anel_none; return true;
    case JSON_TRUE: *out = anel_bool(true); return true;
    case JSON_FALSE: *out = anel_bool(false); return true;
    case JSON_REAL: *out = anel_float(json_real_value(j)); return true;
    case JSON_STRING:
        *out = anel_text(arena_str(a, json_string_value(j), json_string_length(j)));
        return true;
    case JSON_ARRAY: return list_from_json(j, a, level, out);
    case JSON_INTEGER: {
        int64_t i = json_integer_value(j);
        *out = i > MAX_INT || i < -MAX_INT ? anel_float((double)i) : anel_int(i);
        return true;
    }
    default: return keys_from_json(j, a, out);
    }
}

/* The member or element that the next part of a dotted path names. */
static const json_t *step_into(const json_t *j, const char *part, size_t length)
{
    char key[128];
    if (length >= sizeof key)
        return NULL;
    memcpy(key, part, length);
    key[length] = 0;
    if (json_is_object(j))
        return json_object_get(j, key);
    if (!json_is_array(j) || !length || strspn(key, "0123456789") != length || length > 6)
        return NULL;
    size_t i = 0;
    for (const char *c = key; *c; c++)
        i = 10 * i + (size_t)(*c - '0');
    return json_array_get(j, i);
}

AnelFound anel_config_json(void *context, const char *key, Arena *arena, AnelValue *out)
{
    const json_t *j = context, *found = json_is_object(j) ? json_object_get(j, key) : NULL;
    if (!found) {
        for (found = j; found && *key; key += *key == '.') {
            size_t n = strcspn(key, ".");
            found = step_into(found, key, n);
            key += n;
        }
    }
    if (!found)
        return ANEL_ABSENT;
    if (json_is_null(found))
        return ANEL_NULL;
    return from_json(found, arena, 0, out) ? ANEL_FOUND : ANEL_OTHER;
}

/* ---- --set ---- */

/* A number, true, false, none, [a list] as in JSON; anything else is a text. */
static AnelValue parse_setting(Elab *e, const char *text)
{
    AnelValue v;
    if (strcmp(text, "none") == 0)
        return anel_none;
    json_t *j = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!j || !from_json(j, &e->scratch, 0, &v))
        v = anel_text(arena_str(&e->scratch, text, strlen(text)));
    json_decref(j);
    return v;
}

bool settings_read(Elab *e)
{
    const AnelOptions *o = e->options;
    bool ok = true;
    e->settings = arena_many(&e->scratch, (size_t)o->set_count, Setting);
    for (int i = 0; i < o->set_count; i++) {
        const char *text = o->sets[i], *equals = strchr(text, '=');
        if (!equals || equals == text) {
            diag_error(e->diags, (Span){0}, "--set %.100s: expected NAME=VALUE", text);
            ok = false;
            continue;
        }
        e->settings[i].name = arena_str(&e->scratch, text, (size_t)(equals - text));
        e->settings[i].value = parse_setting(e, equals + 1);
    }
    return ok;
}

/* The last one wins, as on most command lines. */
Setting *settings_find(Elab *e, const char *name)
{
    Setting *found = NULL;
    for (int i = 0; i < e->options->set_count; i++) {
        Setting *s = &e->settings[i];
        if (s->name && strcmp(s->name, name) == 0) {
            s->used = true;
            found = s;
        }
    }
    return found;
}

/* ---- config("key", default, null = value) ---- */

static const char *config_name(const Elab *e)
{
    return e->options->config_name ? e->options->config_name : "config.json";
}

static AnelFound look_up(Elab *e, const char *key, Span at, AnelValue *out)
{
    const Setting *s = settings_find(e, key);
    if (s) {
        *out = s->value;
        e->origin = arena_printf(&e->scratch, "--set %s", key);
        return s->value.kind == ANEL_NONE ? ANEL_NULL : ANEL_FOUND;
    }
    AnelFound found = e->options->config
                          ? e->options->config(e->options->config_context, key, &e->scratch, out)
                          : ANEL_ABSENT;
    if (found == ANEL_OTHER)
        *out = elab_error(e, at, "%s: \"%s\" is nested too deeply", config_name(e), key);
    if (found != ANEL_ABSENT)
        e->origin = arena_printf(&e->scratch, "%s: %s", config_name(e), key);
    return found;
}

/* Numbers in the place of numbers, texts for texts. A default of `none` says nothing. */
static bool kinds_fit(const AnelValue *found, const AnelValue *otherwise)
{
    if (otherwise->kind == ANEL_NONE || otherwise->kind == ANEL_ERROR || found->kind == ANEL_ERROR)
        return true;
    return (is_number(found) && is_number(otherwise)) || found->kind == otherwise->kind;
}

/* The default is run only where it is needed, unless it is plain: then it says what kind is expected. */
static bool is_plain(const Node *n)
{
    return n->kind == N_INT || n->kind == N_FLOAT || n->kind == N_TRUE || n->kind == N_FALSE ||
           n->kind == N_STRING;
}

typedef struct ConfigCall {
    const Node *key, *otherwise, *null; /* NULL: not given */
} ConfigCall;

static bool config_arguments(const Node *call, ConfigCall *out)
{
    *out = (ConfigCall){0};
    for (int i = 0; i < call->kids; i++) {
        const Node *arg = call->kid[i];
        const Node **to = i == 0 ? &out->key : &out->otherwise;
        if (arg->text)
            to = &out->null;
        if (*to || (arg->text && (i == 0 || strcmp(arg->text, "null") != 0)))
            return false;
        *to = arg->kid[0];
    }
    return out->key != NULL;
}

static AnelValue checked(Elab *e, const Node *call, const Node *plain, const char *key, AnelValue found)
{
    if (!plain || !is_plain(plain))
        return found;
    AnelValue otherwise = eval(e, plain);
    if (kinds_fit(&found, &otherwise))
        return found;
    return elab_error(e, call->span, "\"%s\" is %s, but the default %s is of another kind (%s)", key,
                      describe(e, &found), span_text(e, plain->span), e->origin);
}

AnelValue eval_config(Elab *e, const Node *call)
{
    AnelValue found = anel_none;
    ConfigCall c;
    if (!config_arguments(call, &c))
        return elab_error(e, call->span,
                          "config takes a key, perhaps a default, and perhaps what null means: "
                          "config(\"key\", default, null = value)");
    AnelValue key = eval(e, c.key);
    if (key.kind == ANEL_ERROR)
        return key;
    if (key.kind != ANEL_TEXT)
        return elab_error(e, c.key->span, "the key of config is a text, not %s", describe(e, &key));
    const char *origin = e->origin;
    AnelFound kind = look_up(e, key.text, call->span, &found);
    if (kind == ANEL_FOUND || kind == ANEL_OTHER)
        return checked(e, call, c.otherwise, key.text, found);
    if (kind == ANEL_NULL && c.null)
        return eval(e, c.null);
    e->origin = origin;
    if (c.otherwise)
        return eval(e, c.otherwise);
    elab_error(e, call->span, "%s has no \"%s\", and there is no default", config_name(e), key.text);
    if (e->fresh)
        diag_note(e->diags, (Span){0}, "--set %s=VALUE gives it one", key.text);
    return anel_error;
}
