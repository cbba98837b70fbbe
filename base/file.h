/* Files: whole reads, read-only mappings, and writes that either happen or leave nothing. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Reads a whole file into malloc'ed memory, NUL-terminated (the NUL is not counted). Fails on directories
 * and on files above `limit` bytes (0: 1 GiB). "-" reads standard input. */
MUST_USE bool file_read(const char *path, size_t limit, char **data, size_t *size, Error *err);

/* A read-only mapping of a whole regular file. `data` is NULL for an empty file. */
typedef struct FileMap {
    const uint8_t *data;
    size_t size;
    uint64_t device, inode, mtime_ns; /* the file's identity when it was mapped */
} FileMap;
MUST_USE bool file_map(FileMap *map, const char *path, Error *err);
void file_unmap(FileMap *map);

bool file_exists(const char *path);
bool file_is_dir(const char *path);

/* PATH of a sibling name in the same directory: dir_of("a/b") = "a", dir_of("b") = ".". malloc'ed. */
char *path_dir(const char *path);
char *path_join(const char *dir, const char *name); /* malloc'ed */
/* Whether a relative path stays below the folder that it is joined to: not empty, not absolute, no "..". */
bool path_stays_below(const char *path);

/* A file being written through a large buffer. Every failure (a full disk too) is reported once, by the call
 * that meets it or by file_close, with the path in the text. */
typedef struct FileWriter FileWriter;
MUST_USE FileWriter *file_create(const char *path, Error *err);
MUST_USE bool file_write(FileWriter *w, const void *data, size_t size, Error *err);
/* Flushes and closes; frees w in any case. */
MUST_USE bool file_close(FileWriter *w, Error *err);
/* Closes without flushing and frees w (after another error). NULL is allowed. */
void file_abandon(FileWriter *w);

/* Writes a whole file through a temporary sibling and a rename; what is there and no regular file, such as a
 * pipe, a link or /dev/stdout, is written to. */
MUST_USE bool file_write_atomic(const char *path, const void *data, size_t size, Error *err);

/* Atomic directories. dir_begin makes an empty temporary sibling of `path` and returns its name (malloc'ed);
 * dir_commit syncs it and renames it to `path`, replacing a directory that was there only when
 * `replaceable` says it may be (NULL: never); dir_abandon removes it and frees the name.
 * Siblings left behind by a killed process are removed by the next dir_begin for the same path. */
MUST_USE char *dir_begin(const char *path, Error *err);
MUST_USE bool dir_commit(char *temporary, const char *path, bool (*replaceable)(const char *path),
                         Error *err);
void dir_abandon(char *temporary);
/* Removes a directory tree (symbolic links are removed, not followed). */
MUST_USE bool dir_remove(const char *path, Error *err);

#endif
