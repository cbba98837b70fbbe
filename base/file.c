#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"

#if defined(__APPLE__)
#include <sys/stdio.h>
#endif

/* MOST_AT_ONCE: macOS refuses to read or write 2 GiB or more in one call. */
enum { WRITE_BUFFER = 1 << 16, READ_LIMIT = 1 << 30, MOST_AT_ONCE = 1 << 30 };

static bool read_all(int fd, const char *path, size_t limit, char **data, size_t *size, Error *err)
{
    size_t cap = 1 << 16, used = 0;
    char *buffer = xmalloc(cap);
    for (;;) {
        if (cap - used < 2)
            buffer = xrealloc(buffer, cap *= 2);
        size_t room = cap - used - 1;
        ssize_t n = read(fd, buffer + used, room < MOST_AT_ONCE ? room : MOST_AT_ONCE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            error_set_errno(err, errno, "%s", path);
            free(buffer);
            return false;
        }
        if (n == 0)
            break;
        used += (size_t)n;
        if (used > limit) {
            free(buffer);
            return error_set(err, "%s: larger than %zu bytes", path, limit);
        }
    }
    buffer[used] = 0;
    *data = buffer;
    *size = used;
    return true;
}

bool file_read(const char *path, size_t limit, char **data, size_t *size, Error *err)
{
    if (!limit)
        limit = READ_LIMIT;
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", limit, data, size, err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "%s", path);
    bool ok = read_all(fd, path, limit, data, size, err);
    close(fd);
    return ok;
}

static uint64_t mtime_ns(const struct stat *st)
{
#if defined(__APPLE__)
    return (uint64_t)st->st_mtimespec.tv_sec * 1000000000u + (uint64_t)st->st_mtimespec.tv_nsec;
#else
    return (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
#endif
}

bool file_map(FileMap *map, const char *path, Error *err)
{
    *map = (FileMap){0};
    /* O_NONBLOCK: a FIFO in place of a file must not hang the open. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(err, errno, "%s", path);
    struct stat st;
    if (fstat(fd, &st) != 0) {
        error_set_errno(err, errno, "%s", path);
        close(fd);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return error_set(err, "%s: not a regular file", path);
    }
    map->size = (size_t)st.st_size;
    map->device = (uint64_t)st.st_dev;
    map->inode = (uint64_t)st.st_ino;
    map->mtime_ns = mtime_ns(&st);
    if (map->size) {
        void *p = mmap(NULL, map->size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            error_set_errno(err, errno, "%s: cannot map", path);
            close(fd);
            return false;
        }
        map->data = p;
    }
    close(fd);
    return true;
}

void file_unmap(FileMap *map)
{
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (FileMap){0};
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* `path` without trailing slashes, as a length. */
static size_t trimmed(const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n;
}

char *path_dir(const char *path)
{
    size_t n = trimmed(path);
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n == 0)
        return xstrdup(".");
    char *dir = xmalloc(n + 1);
    memcpy(dir, path, n);
    dir[n] = 0;
    return dir;
}

char *path_join(const char *dir, const char *name)
{
    Text t = {0};
    text_puts(&t, dir);
    if (t.size && t.data[t.size - 1] != '/')
        text_putc(&t, '/');
    text_puts(&t, name);
    return t.data;
}

bool path_stays_below(const char *path)
{
    if (!*path || *path == '/')
        return false;
    for (const char *p = path; p; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || !p[2]))
            return false;
    return true;
}

struct FileWriter {
    int fd;
    char *path, *buffer;
    size_t used;
};

FileWriter *file_create(const char *path, Error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        error_set_errno(err, errno, "%s: cannot write", path);
        return NULL;
    }
    FileWriter *w = xcalloc(1, sizeof *w);
    w->fd = fd;
    w->path = xstrdup(path);
    w->buffer = xmalloc(WRITE_BUFFER);
    return w;
}

static bool write_out(FileWriter *w, const char *data, size_t size, Error *err)
{
    while (size) {
        ssize_t n = write(w->fd, data, size < MOST_AT_ONCE ? size : MOST_AT_ONCE);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "%s: cannot write", w->path);
        data += n;
        size -= (size_t)n;
    }
    return true;
}

static bool flush(FileWriter *w, Error *err)
{
    bool ok = write_out(w, w->buffer, w->used, err);
    w->used = 0;
    return ok;
}

bool file_write(FileWriter *w, const void *data, size_t size, Error *err)
{
    if (size > WRITE_BUFFER - w->used && !flush(w, err))
        return false;
    if (size >= WRITE_BUFFER)
        return write_out(w, data, size, err);
    if (size)
        memcpy(w->buffer + w->used, data, size);
    w->used += size;
    return true;
}

void file_abandon(FileWriter *w)
{
    if (!w)
        return;
    if (w->fd >= 0)
        close(w->fd);
    free(w->path);
    free(w->buffer);
    free(w);
}

/* What is written before reaches the drive before what is written later: a rename never shows half a file. */
static bool sync_fd(int fd, const char *path, Error *err)
{
#if defined(__APPLE__)
    /* fsync there promises no order within the drive, and F_FULLFSYNC takes tens of milliseconds. */
    if (fcntl(fd, F_BARRIERFSYNC) == 0)
        return true;
#endif
    if (fsync(fd) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EBADF)
        return true; /* some file systems have nothing to sync */
    return error_set_errno(err, errno, "%s: cannot write", path);
}

static bool close_writer(FileWriter *w, bool sync, Error *err)
{
    bool ok = flush(w, err) && (!sync || sync_fd(w->fd, w->path, err));
    int rc = close(w->fd);
    w->fd = -1;
    if (ok && rc != 0)
        ok = error_set_errno(err, errno, "%s: cannot write", w->path);
    file_abandon(w);
    return ok;
}

bool file_close(FileWriter *w, Error *err)
{
    return close_writer(w, false, err);
}

static bool write_in_place(const char *path, const void *data, size_t size, Error *err)
{
    FileWriter *w = file_create(path, err);
    if (w && file_write(w, data, size, err))
        return file_close(w, err);
    file_abandon(w);
    return false;
}

bool file_write_atomic(const char *path, const void *data, size_t size, Error *err)
{
    Text name = {0};
    struct stat st;
    /* A rename would put a file in the place of /dev/null, or of the link /dev/stderr. */
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return write_in_place(path, data, size, err);
    text_printf(&name, "%s.tmp.%ld", path, (long)getpid());
    FileWriter *w = file_create(name.data, err);
    bool ok = false;
    if (w) {
        ok = file_write(w, data, size, err);
        if (ok)
            ok = close_writer(w, true, err);
        else
            file_abandon(w);
        if (ok && rename(name.data, path) != 0)
            ok = error_set_errno(err, errno, "%s: cannot replace", path);
        if (!ok)
            unlink(name.data);
    }
    text_free(&name);
    return ok;
}

static bool sync_dir(const char *path, Error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "%s", path);
#if defined(__APPLE__)
    bool ok = fcntl(fd, F_FULLFSYNC) == 0 || sync_fd(fd, path, err);
#else
    bool ok = sync_fd(fd, path, err);
#endif
    close(fd);
    return ok;
}

#if defined(__linux__)
/* All files of a new folder at once: hundreds of single fsyncs would take seconds. */
static bool sync_tree(const char *path, Error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, errno, "%s", path);
    int rc = syncfs(fd), code = errno;
    close(fd);
    return rc == 0 || error_set_errno(err, code, "%s: cannot write", path);
}
#else
/* Every file is handed to the drive; the folder's own sync comes last and, on macOS, empties the drive's
 * cache. */
static bool sync_entries(int folder, int depth)
{
    DIR *d = fdopendir(folder);
    if (!d) {
        close(folder);
        return false;
    }
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        struct stat st;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        ok = fd >= 0 && fstat(fd, &st) == 0 && fsync(fd) == 0;
        if (ok && S_ISDIR(st.st_mode) && depth < 32)
            ok = sync_entries(fd, depth + 1);
        else if (fd >= 0)
            close(fd);
    }
    int code = errno;
    closedir(d);
    errno = code;
    return ok;
}

static bool sync_tree(const char *path, Error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || !sync_entries(fd, 0))
        return error_set_errno(err, errno, "%s: cannot write", path);
    return sync_dir(path, err);
}
#endif

static bool remove_entry(int dirfd_, const char *name, int depth)
{
    struct stat st;
    if (fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT;
    if (!S_ISDIR(st.st_mode))
        return unlinkat(dirfd_, name, 0) == 0;
    if (depth > 32)
        return errno = ELOOP, false;
    int fd = openat(dirfd_, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    DIR *d = fdopendir(fd);
    if (!d) {
        close(fd);
        return false;
    }
    bool ok = true;
    for (struct dirent *e; ok && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            ok = remove_entry(fd, e->d_name, depth + 1);
    int code = errno;
    closedir(d);
    errno = code;
    return ok && unlinkat(dirfd_, name, AT_REMOVEDIR) == 0;
}

bool dir_remove(const char *path, Error *err)
{
    if (remove_entry(AT_FDCWD, path, 0))
        return true;
    return error_set_errno(err, errno, "%s: cannot remove", path);
}

/* ".NAME.tmp." beside `path`, in its directory. */
static void temporary_prefix(const char *path, char **dir, Text *prefix)
{
    size_t n = trimmed(path), base = n;
    while (base > 0 && path[base - 1] != '/')
        base--;
    *dir = path_dir(path);
    text_putc(prefix, '.');
    text_add(prefix, path + base, n - base);
    text_puts(prefix, ".tmp.");
}

/* Names end in the writer's process id; a process that is gone cannot finish its work. */
static void remove_stale(const char *dir, const char *prefix)
{
    DIR *d = opendir(dir);
    if (!d)
        return;
    size_t n = strlen(prefix);
    for (struct dirent *e; (e = readdir(d));) {
        if (strncmp(e->d_name, prefix, n) != 0)
            continue;
        char *end;
        long pid = strtol(e->d_name + n, &end, 10);
        if (end == e->d_name + n || *end || pid <= 0)
            continue;
        if (pid == (long)getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH))
            (void)remove_entry(dirfd(d), e->d_name, 0);
    }
    closedir(d);
}

char *dir_begin(const char *path, Error *err)
{
    char *dir;
    Text prefix = {0};
    temporary_prefix(path, &dir, &prefix);
    remove_stale(dir, prefix.data);
    text_printf(&prefix, "%ld", (long)getpid());
    char *temporary = path_join(dir, prefix.data);
    free(dir);
    text_free(&prefix);
    if (mkdir(temporary, 0777) != 0) {
        error_set_errno(err, errno, "%s: cannot make the package's folder", path);
        free(temporary);
        return NULL;
    }
    return temporary;
}

/* Exchanges two directories in one step where the system can. */
static int exchange(const char *a, const char *b)
{
#if defined(__APPLE__)
    return renamex_np(a, b, RENAME_SWAP);
#elif defined(RENAME_EXCHANGE)
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
#else
    (void)a, (void)b;
    errno = ENOSYS;
    return -1;
#endif
}

static bool replace_dir(const char *temporary, const char *path, Error *err)
{
    if (exchange(temporary, path) == 0)
        return dir_remove(temporary, err); /* now the old one */
    Text aside = {0};
    text_printf(&aside, "%s.old", temporary);
    bool ok = rename(path, aside.data) == 0;
    if (ok && rename(temporary, path) != 0) {
        int code = errno;
        (void)!rename(aside.data, path);
        errno = code;
        ok = false;
    }
    if (!ok)
        error_set_errno(err, errno, "%s: cannot replace", path);
    else
        ok = dir_remove(aside.data, err);
    text_free(&aside);
    return ok;
}

bool dir_commit(char *temporary, const char *path, bool (*replaceable)(const char *), Error *err)
{
    char *parent = path_dir(path);
    bool ok = sync_tree(temporary, err);
    if (ok && file_exists(path)) {
        if (!file_is_dir(path) || !replaceable || !replaceable(path))
            ok = error_set(err, "%s: exists and is not a package; it is left as it is", path);
        else
            ok = replace_dir(temporary, path, err);
    } else if (ok && rename(temporary, path) != 0) {
        ok = error_set_errno(err, errno, "%s: cannot rename into place", path);
    }
    if (ok)
        ok = sync_dir(parent, err);
    free(parent);
    if (!ok) {
        dir_abandon(temporary);
        return false;
    }
    free(temporary);
    return true;
}

void dir_abandon(char *temporary)
{
    Error ignored;
    (void)!dir_remove(temporary, &ignored);
    free(temporary);
}
