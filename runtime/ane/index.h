/* The lasting index of programs that the system keeps compiled for us: one line for each in a file of the
 * user's cache folder, keyed by the system's build and the content's hash. A later process starts warm, and
 * what is kept stays bounded. */
#ifndef RUNTIME_ANE_INDEX_H
#define RUNTIME_ANE_INDEX_H

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

enum { INDEX_MOST = 1024 };            /* programs */
#define INDEX_MOST_BYTES (16ULL << 30) /* of their texts and weights */

typedef struct IndexEntry {
    const char *build, *identifier, *name; /* no blanks in the first two; the name is for people */
    uint64_t bytes;                        /* of text and weights: what is kept is about as large */
    int64_t used;                          /* when last, in seconds since 1970 */
    bool ours;                             /* used by this process */
} IndexEntry;

typedef struct AneIndex {
    Arena arena;
    char *path;
    int entries, cap;
    IndexEntry *entry;
    bool changed;
} AneIndex;

/* What the file holds; nothing where there is none, or where the user has no cache folder. Lines that are
 * not of an index are left out. */
AneIndex *index_open(void);

/* NULL: not there. */
const IndexEntry *index_find(const AneIndex *x, const char *build, const char *identifier);

/* Notes that a program was used just now. */
void index_note(AneIndex *x, const char *build, const char *identifier, const char *name, uint64_t bytes);

/* Takes out what is of other builds (the system has dropped it with them), and what was used longest ago,
 * down to the bounds, but nothing that this process has used. `gone` is told of each that the system may
 * still keep; it may be NULL. */
void index_trim(AneIndex *x, const char *build, void (*gone)(void *context, const IndexEntry *e),
                void *context);

/* Writes the file where anything has changed. */
MUST_USE bool index_save(AneIndex *x, Error *err);

/* Forgets all: the file is removed. */
MUST_USE bool index_clear(AneIndex *x, Error *err);

void index_close(AneIndex *x); /* NULL is allowed; saves nothing */

#endif
