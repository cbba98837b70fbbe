#include "runtime/verified.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"

bool verified_identity(Text *out, const char *path, const char *name, Error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return error_set_errno(err, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, "%s: not a regular file", path);
#if defined(__APPLE__)
    struct timespec modified = st.st_mtimespec, changed = st.st_ctimespec;
#else
    struct timespec modified = st.st_mtim, changed = st.st_ctim;
#endif
    text_printf(out, "%s %llu %llu %lld %lld.%09ld %lld.%09ld\n", name, (unsigned long long)st.st_dev,
                (unsigned long long)st.st_ino, (long long)st.st_size, (long long)modified.tv_sec,
                (long)modified.tv_nsec, (long long)changed.tv_sec, (long)changed.tv_nsec);
    return true;
}

/* The cache folder, malloc'ed; NULL where the user has no home. */
static char *cache_dir(void)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    Text t = {0};
    if (xdg && *xdg == '/')
        text_printf(&t, "%s/anec/verified", xdg);
    else if (home && *home == '/')
#if defined(__APPLE__)
        text_printf(&t, "%s/Library/Caches/anec/verified", home);
#else
        text_printf(&t, "%s/.cache/anec/verified", home);
#endif
    return t.data;
}

static void make_parents(char *path)
{
    for (char *p = path + 1; *p; p++)
        if (*p == '/') {
            *p = 0;
            mkdir(path, 0700);
            *p = '/';
        }
    mkdir(path, 0700);
}

bool verified_recall(const char *manifest_sha256, const Text *identities)
{
    char *dir = cache_dir();
    if (!dir)
        return false;
    char *path = path_join(dir, manifest_sha256), *known = NULL;
    size_t size = 0;
    Error ignored;
    bool same = file_read(path, 0, &known, &size, &ignored) && size == identities->size &&
                memcmp(known, identities->data, size) == 0;
    free(known);
    free(path);
    free(dir);
    return same;
}

void verified_remember(const char *manifest_sha256, const Text *identities)
{
    char *dir = cache_dir();
    if (!dir)
        return;
    make_parents(dir);
    char *path = path_join(dir, manifest_sha256);
    Error ignored;
    (void)!file_write_atomic(path, identities->data, identities->size, &ignored);
    free(path);
    free(dir);
}
