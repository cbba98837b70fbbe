#include "frontend/hub/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"

enum { NAME_LIMIT = 512, WORD_LIMIT = 128, REF_LIMIT = 256 };

HubCache cache_for(const char *root, const char *repo_name)
{
    Text t = {0};
    text_puts(&t, "models--");
    for (const char *p = repo_name; *p; p++)
        text_puts(&t, *p == '/' ? "--" : (char[]){*p, '\0'});
    return (HubCache){xstrdup(root), path_join(root, t.data), t.data};
}

void cache_free(HubCache *c)
{
    free(c->root);
    free(c->repo);
    free(c->name);
    *c = (HubCache){0};
}

static bool part_ok(const char *part, size_t size)
{
    if (!size || (size == 1 && part[0] == '.') || (size == 2 && part[0] == '.' && part[1] == '.'))
        return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)part[i] < 0x20 || part[i] == '\\' || part[i] == 0x7f)
            return false;
    return true;
}

bool cache_file_name_ok(const char *name)
{
    if (!*name || strlen(name) > NAME_LIMIT)
        return false;
    for (const char *p = name;; p++) {
        size_t n = strcspn(p, "/");
        if (!part_ok(p, n))
            return false;
        p += n;
        if (!*p)
            return true;
    }
}

bool cache_word_ok(const char *word)
{
    size_t n = strlen(word);
    return n && n <= WORD_LIMIT && word[0] != '.' && word[0] != '-' &&
           strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == n;
}

static char *below(const HubCache *c, const char *folder, const char *name)
{
    char *f = path_join(c->repo, folder), *path = path_join(f, name);
    free(f);
    return path;
}

char *cache_blob(const HubCache *c, const char *etag)
{
    return below(c, "blobs", etag);
}

char *cache_snapshot(const HubCache *c, const char *commit, const char *file)
{
    char *folder = below(c, "snapshots", commit), *path = file ? path_join(folder, file) : NULL;
    if (!file)
        return folder;
    free(folder);
    return path;
}

bool cache_folders(const char *path, Error *err)
{
    char *copy = xstrdup(path);
    bool ok = true;
    for (char *p = copy + 1; ok && (p = strchr(p, '/')); p++) {
        *p = '\0';
        ok = mkdir(copy, 0777) == 0 || errno == EEXIST || file_is_dir(copy) ||
             error_set_errno(err, errno, "cannot make %s", copy);
        *p = '/';
    }
    free(copy);
    return ok;
}

/* ---- refs ---- */

static bool is_commit(const char *revision)
{
    return strlen(revision) == 40 && strspn(revision, "0123456789abcdef") == 40;
}

char *cache_commit(const HubCache *c, const char *revision)
{
    if (is_commit(revision))
        return xstrdup(revision);
    char *path = below(c, "refs", revision), *text = NULL;
    size_t size;
    Error ignored;
    if (!cache_file_name_ok(revision) || !file_exists(path) ||
        !file_read(path, REF_LIMIT, &text, &size, &ignored))
        text = NULL;
    free(path);
    if (text)
        text[strcspn(text, " \r\n")] = '\0';
    if (text && cache_word_ok(text))
        return text;
    free(text);
    return NULL;
}

bool cache_set_commit(const HubCache *c, const char *revision, const char *commit, Error *err)
{
    if (strcmp(revision, commit) == 0)
        return true;
    char *path = below(c, "refs", revision);
    bool ok = cache_folders(path, err) && file_write_atomic(path, commit, strlen(commit), err);
    free(path);
    return ok;
}

/* ---- links ---- */

/* "../../blobs/ETAG", with one more ../ for each folder within the snapshot. */
static char *link_target(const char *file, const char *etag)
{
    Text t = {0};
    text_puts(&t, "../../");
    for (const char *p = file; (p = strchr(p, '/')); p++)
        text_puts(&t, "../");
    text_printf(&t, "blobs/%s", etag);
    return t.data;
}

bool cache_link(const HubCache *c, const char *commit, const char *file, const char *etag, Error *err)
{
    char *path = cache_snapshot(c, commit, file), *target = link_target(file, etag);
    Text temporary = {0};
    text_printf(&temporary, "%s.%ld.tmp", path, (long)getpid());
    bool ok = cache_folders(path, err);
    if (ok && (symlink(target, temporary.data) != 0 || rename(temporary.data, path) != 0))
        ok = error_set_errno(err, errno, "cannot make the link %s", path);
    text_free(&temporary);
    free(target);
    free(path);
    return ok;
}

int cache_lock(const HubCache *c, const char *etag, Error *err)
{
    Text path = {0};
    text_printf(&path, "%s/.locks/%s/%s.lock", c->root, c->name, etag);
    int fd = cache_folders(path.data, err) ? open(path.data, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
        close(fd);
        fd = -1;
    }
    if (fd < 0)
        error_set_errno(err, errno, "cannot lock %s", path.data);
    text_free(&path);
    return fd;
}
