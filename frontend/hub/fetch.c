#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/sha1.h"
#include "base/sha256.h"
#include "frontend/hub/cache.h"
#include "frontend/hub/choose.h"
#include "frontend/hub/http.h"
#include "frontend/hub/hub.h"

enum { FILES_LIMIT = 10000, GIT_FILE_LIMIT = 64 << 20, CHUNK = 1 << 20 };

typedef struct Fetch {
    HubSettings settings;
    HubCache cache;
    Http *http;
    const HubName *name;
    const HubProgress *progress;
    json_t *info; /* the hub's answer about the repository */
    char *commit;
    const char **file; /* in info */
    int files;
    bool *wanted;
    int alone; /* index of weights that are one file, or -1 */
    /* the file that is under way */
    const char *current;
    int index, count;
    uint64_t total;
} Fetch;

/* ---- names ---- */

static bool take(char *out, size_t room, const char *from, size_t size)
{
    if (size >= room)
        return false;
    memcpy(out, from, size);
    out[size] = '\0';
    return true;
}

/* OWNER/NAME, or a NAME alone as old repositories have it. */
static bool repo_ok(const char *repo)
{
    const char *slash = strchr(repo, '/');
    char owner[256];
    if (!slash)
        return cache_word_ok(repo) && !strstr(repo, "..");
    return take(owner, sizeof owner, repo, (size_t)(slash - repo)) && cache_word_ok(owner) &&
           cache_word_ok(slash + 1) && !strstr(repo, "..") && !strstr(repo, "--");
}

bool hub_name_parse(const char *text, HubName *out, Error *err)
{
    size_t repo = strcspn(text, "@:");
    const char *revision = text[repo] == '@' ? text + repo + 1 : "main";
    size_t revision_size = text[repo] == '@' ? strcspn(revision, ":") : strlen(revision);
    const char *colon = strchr(text + repo, ':');
    *out = (HubName){{0}, {0}, {0}};
    if (take(out->repo, sizeof out->repo, text, repo) && repo_ok(out->repo) &&
        take(out->revision, sizeof out->revision, revision, revision_size) &&
        cache_file_name_ok(out->revision) &&
        (!colon ||
         (take(out->file, sizeof out->file, colon + 1, strlen(colon + 1)) && cache_file_name_ok(out->file))))
        return true;
    char shown[128];
    return error_set(err, "\"%s\" is not OWNER/NAME, OWNER/NAME@REVISION or OWNER/NAME:FILE",
                     error_quote(shown, sizeof shown, text, (long)strlen(text)));
}

/* ---- what there is ---- */

static bool read_info(Fetch *f, const Text *answer, Error *err)
{
    json_error_t at;
    f->info = json_loadb(text_cstr(answer), answer->size, JSON_REJECT_DUPLICATES, &at);
    const char *commit = json_string_value(json_object_get(f->info, "sha"));
    const json_t *list = json_object_get(f->info, "siblings");
    if (!commit || !cache_word_ok(commit) || !json_is_array(list) || json_array_size(list) > FILES_LIMIT)
        return error_set(err, "%s: the answer about %s is not the hub's", f->settings.endpoint,
                         f->name->repo);
    f->commit = xstrdup(commit);
    f->files = (int)json_array_size(list);
    f->file = xcalloc((size_t)f->files + 1, sizeof *f->file);
    f->wanted = xcalloc((size_t)f->files + 1, sizeof *f->wanted);
    for (int i = 0; i < f->files; i++) {
        f->file[i] = json_string_value(json_object_get(json_array_get(list, (size_t)i), "rfilename"));
        if (!f->file[i] || !cache_file_name_ok(f->file[i])) {
            char shown[128];
            const char *file = f->file[i] ? f->file[i] : "";
            return error_set(err, "%s: a file is called \"%s\", which may lead out of the cache",
                             f->name->repo, error_quote(shown, sizeof shown, file, (long)strlen(file)));
        }
    }
    return true;
}

static bool ask(Fetch *f, Error *err)
{
    Text url = {0}, answer = {0};
    text_printf(&url, "%s/api/models/%s/revision/", f->settings.endpoint, f->name->repo);
    http_escape(&url, f->name->revision);
    bool ok = http_get_text(f->http, url.data, &answer, err) && read_info(f, &answer, err) &&
              hub_choose(f->file, f->files, f->name->file, f->wanted, &f->alone, err);
    text_free(&url);
    text_free(&answer);
    return ok;
}

/* ---- contents ---- */

static bool sha256_of_file(const char *path, char hex[65], Error *err)
{
    FILE *in = fopen(path, "rb");
    if (!in)
        return error_set_errno(err, errno, "cannot read %s", path);
    Sha256 *s = sha256_new();
    char *chunk = xmalloc(CHUNK);
    for (size_t n; (n = fread(chunk, 1, CHUNK, in)) > 0;)
        sha256_add(s, chunk, n);
    bool ok = !ferror(in);
    sha256_hex(s, hex);
    free(chunk);
    fclose(in);
    return ok || error_set(err, "cannot read %s", path);
}

/* As git names a file: the hash of "blob SIZE", a NUL and the contents. */
static bool git_hash_of_file(const char *path, char hex[41], Error *err)
{
    char *data;
    size_t size;
    if (!file_read(path, GIT_FILE_LIMIT, &data, &size, err))
        return false;
    Text whole = {0};
    text_printf(&whole, "blob %zu", size);
    text_putc(&whole, '\0');
    text_add(&whole, data, size);
    sha1_of(whole.data, whole.size, hex);
    text_free(&whole);
    free(data);
    return true;
}

/* The etag is a hash: of 64 digits sha256, of 40 git's. Others say nothing. */
static bool contents_fit(const char *path, const HttpFile *meta, bool *fit, Error *err)
{
    struct stat st;
    char hex[65] = "";
    size_t digits = strspn(meta->etag, "0123456789abcdef");
    *fit = stat(path, &st) == 0 && (meta->size < 0 || st.st_size == meta->size);
    if (!*fit || meta->etag[digits] || (digits != 64 && digits != 40))
        return true;
    if (!(digits == 64 ? sha256_of_file : git_hash_of_file)(path, hex, err))
        return false;
    *fit = strcmp(hex, meta->etag) == 0;
    return true;
}

static void show_bytes(void *context, uint64_t done)
{
    const Fetch *f = context;
    if (f->progress && f->progress->show)
        f->progress->show(f->progress->context, f->current, f->index, f->count, done, f->total);
}

/* Into ETAG.incomplete, checked, then renamed. What does not fit is thrown away, and fetched once more. */
static bool fetch_blob(Fetch *f, const char *url, const HttpFile *meta, const char *blob, Error *err)
{
    Text part = {0};
    text_printf(&part, "%s.incomplete", blob);
    bool ok = cache_folders(blob, err), fit = false;
    for (int i = 0; ok && !fit && i < 2; i++) {
        ok = http_fetch(f->http, url, part.data, show_bytes, f, err) &&
             contents_fit(part.data, meta, &fit, err);
        if (ok && !fit)
            unlink(part.data);
    }
    if (ok && !fit)
        ok = error_set(err, "%s: what arrives is not what the hub's hash says", f->current);
    if (ok && rename(part.data, blob) != 0)
        ok = error_set_errno(err, errno, "cannot rename %s", part.data);
    text_free(&part);
    return ok;
}

static bool fetch_locked(Fetch *f, const char *url, const HttpFile *meta, Error *err)
{
    char *blob = cache_blob(&f->cache, meta->etag);
    int lock = cache_lock(&f->cache, meta->etag, err);
    bool ok = lock >= 0 && (file_exists(blob) || fetch_blob(f, url, meta, blob, err)) &&
              cache_link(&f->cache, f->commit, f->current, meta->etag, err);
    if (lock >= 0)
        close(lock);
    free(blob);
    return ok;
}

static bool fetch_file(Fetch *f, const char *file, Error *err)
{
    HttpFile meta;
    char *there = cache_snapshot(&f->cache, f->commit, file);
    bool known = file_exists(there);
    free(there);
    f->current = file;
    if (known)
        return true;
    Text url = {0};
    text_printf(&url, "%s/%s/resolve/%s/", f->settings.endpoint, f->name->repo, f->commit);
    http_escape(&url, file);
    bool ok = http_head(f->http, url.data, &meta, err);
    f->total = ok && meta.size > 0 ? (uint64_t)meta.size : 0;
    if (ok && !cache_word_ok(meta.etag))
        ok = error_set(err, "%s: the hub gives no usable etag", file);
    ok = ok && fetch_locked(f, url.data, &meta, err);
    if (ok)
        show_bytes(f, f->total);
    text_free(&url);
    return ok;
}

/* ---- all of it ---- */

static bool fetch_all(Fetch *f, Error *err)
{
    if (!ask(f, err))
        return false;
    for (int i = 0; i < f->files; i++)
        f->count += f->wanted[i];
    for (int i = 0; i < f->files; i++)
        if (f->wanted[i]) {
            f->index++;
            if (!fetch_file(f, f->file[i], err))
                return false;
        }
    return cache_set_commit(&f->cache, f->name->revision, f->commit, err);
}

/* What an earlier run has left, without a look at the network. */
static bool use_cached(Fetch *f, Error *err)
{
    f->commit = cache_commit(&f->cache, f->name->revision);
    char *folder = f->commit ? cache_snapshot(&f->cache, f->commit, NULL) : NULL;
    bool there = folder && file_is_dir(folder);
    free(folder);
    return there || error_set(err, "%s@%s is not in the cache %s, and HF_HUB_OFFLINE forbids to fetch it",
                              f->name->repo, f->name->revision, f->settings.cache);
}

static char *result_of(const Fetch *f)
{
    const char *file = *f->name->file ? f->name->file : f->alone >= 0 ? f->file[f->alone] : NULL;
    return cache_snapshot(&f->cache, f->commit, file);
}

char *hub_fetch(const HubName *name, const HubProgress *progress, Error *err)
{
    Fetch f = {.name = name, .progress = progress, .alone = -1};
    char *path = NULL;
    if (!hub_settings_read(&f.settings, err))
        return NULL;
    f.cache = cache_for(f.settings.cache, name->repo);
    if (f.settings.offline) {
        path = use_cached(&f, err) ? result_of(&f) : NULL;
    } else {
        f.http = http_open(&f.settings, progress ? progress->interrupted : NULL, err);
        path = f.http && fetch_all(&f, err) ? result_of(&f) : NULL;
    }
    http_close(f.http);
    json_decref(f.info);
    free(f.commit);
    free(f.file);
    free(f.wanted);
    cache_free(&f.cache);
    hub_settings_free(&f.settings);
    return path;
}
