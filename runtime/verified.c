#include "runtime/verified.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cache.h"
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

/* Where a package is remembered by its manifest; NULL where the user has no home. */
static char *path_of(const char *manifest_sha256)
{
    Text name = {0};
    text_printf(&name, "verified/%s", manifest_sha256);
    char *path = cache_path(text_cstr(&name));
    text_free(&name);
    return path;
}

bool verified_recall(const char *manifest_sha256, const Text *identities)
{
    char *path = path_of(manifest_sha256), *known = NULL;
    size_t size = 0;
    Error ignored;
    bool same = path && file_read(path, 0, &known, &size, &ignored) && size == identities->size &&
                memcmp(known, identities->data, size) == 0;
    free(known);
    free(path);
    return same;
}

void verified_remember(const char *manifest_sha256, const Text *identities)
{
    char *path = path_of(manifest_sha256);
    if (!path)
        return;
    cache_make_folder(path);
    Error ignored;
    (void)!file_write_atomic(path, identities->data, identities->size, &ignored);
    free(path);
}
