#include "frontend/hub/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/file.h"

enum { TOKEN_LIMIT = 4096 };

/* The first of the variables that is set and not empty. */
static const char *variable(const char *name, const char *other)
{
    const char *v = getenv(name);
    if ((!v || !*v) && other)
        v = getenv(other);
    return v && *v ? v : NULL;
}

static bool is_on(const char *v)
{
    static const char *const words[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; v && i < sizeof words / sizeof *words; i++)
        if (strcasecmp(v, words[i]) == 0)
            return true;
    return false;
}

static char *with_home(const char *path)
{
    const char *home = variable("HOME", NULL);
    return path[0] == '~' && path[1] == '/' && home ? path_join(home, path + 2) : xstrdup(path);
}

static char *home_folder(void)
{
    const char *set = variable("HF_HOME", NULL), *cache = variable("XDG_CACHE_HOME", NULL);
    if (set)
        return with_home(set);
    if (cache)
        return path_join(cache, "huggingface");
    return with_home("~/.cache/huggingface");
}

static char *trimmed(const char *text, size_t size)
{
    while (size && isspace((unsigned char)*text))
        text++, size--;
    while (size && isspace((unsigned char)text[size - 1]))
        size--;
    if (!size)
        return NULL;
    char *out = xmalloc(size + 1);
    memcpy(out, text, size);
    out[size] = '\0';
    return out;
}

/* A header's value: what could end the line must not be in it. */
static bool check_token(const HubSettings *s, Error *err)
{
    for (const char *p = s->token; p && *p; p++)
        if (*p <= ' ' || *p > '~')
            return error_set(err, "the hub's token holds a character that no token has");
    return true;
}

static bool read_token(HubSettings *s, const char *home, Error *err)
{
    const char *set = variable("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
               *where = variable("HF_TOKEN_PATH", NULL);
    if (set) {
        s->token = trimmed(set, strlen(set));
        return check_token(s, err);
    }
    if (is_on(getenv("HF_HUB_DISABLE_IMPLICIT_TOKEN")))
        return true;
    char *path = where ? with_home(where) : path_join(home, "token"), *text;
    size_t size;
    bool ok = true;
    if (file_exists(path)) {
        ok = file_read(path, TOKEN_LIMIT, &text, &size, err);
        if (ok) {
            s->token = trimmed(text, size);
            free(text);
        }
    }
    free(path);
    return ok && check_token(s, err);
}

static long number(const char *name, long otherwise, long most)
{
    const char *v = getenv(name);
    char *end;
    long n = v ? strtol(v, &end, 10) : 0;
    return v && end != v && !*end && n > 0 && n <= most ? n : otherwise;
}

bool hub_settings_read(HubSettings *s, Error *err)
{
    const char *endpoint = variable("HF_ENDPOINT", NULL);
    const char *cache = variable("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE");
    char *home = home_folder();
    *s = (HubSettings){.timeout = number("HF_HUB_DOWNLOAD_TIMEOUT", 10, 3600),
                       .pause = number("ANEC_HUB_PAUSE", 500, 60000)};
    s->endpoint = xstrdup(endpoint ? endpoint : "https://huggingface.co");
    for (size_t n = strlen(s->endpoint); n && s->endpoint[n - 1] == '/'; n--)
        s->endpoint[n - 1] = '\0';
    s->cache = cache ? with_home(cache) : path_join(home, "hub");
    s->offline = is_on(getenv("HF_HUB_OFFLINE")) || is_on(getenv("TRANSFORMERS_OFFLINE"));
    bool ok = read_token(s, home, err);
    free(home);
    if (ok && strncmp(s->endpoint, "http://", 7) != 0 && strncmp(s->endpoint, "https://", 8) != 0)
        ok = error_set(err, "HF_ENDPOINT: \"%s\" is no http address", s->endpoint);
    if (!ok)
        hub_settings_free(s);
    return ok;
}

void hub_settings_free(HubSettings *s)
{
    free(s->endpoint);
    free(s->cache);
    free(s->token);
    *s = (HubSettings){0};
}
