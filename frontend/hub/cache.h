/* The hub's cache folder:
 *
 *     models--OWNER--NAME/refs/REVISION           the commit that a branch or tag was at
 *                         blobs/ETAG              contents; ETAG.incomplete while one is fetched
 *                         snapshots/COMMIT/FILE   relative links into blobs/
 *     .locks/models--OWNER--NAME/ETAG.lock        held while a blob is fetched */
#ifndef FRONTEND_HUB_CACHE_H
#define FRONTEND_HUB_CACHE_H

#include <stddef.h>

#include "base/error.h"

typedef struct HubCache {
    char *root, *repo; /* repo: models--OWNER--NAME below the root */
    char *name;        /* models--OWNER--NAME */
} HubCache;

HubCache cache_for(const char *root, const char *repo_name);
void cache_free(HubCache *c);

/* Names that stay where they belong: of a file "a/b.json" below a snapshot; of an etag, commit or revision.
 */
bool cache_file_name_ok(const char *name);
bool cache_word_ok(const char *word);

/* All paths are malloc'ed. */
char *cache_blob(const HubCache *c, const char *etag);
char *cache_snapshot(const HubCache *c, const char *commit, const char *file); /* file NULL: the folder */

/* The commit of a revision as it was last seen, or NULL. A commit is its own. */
char *cache_commit(const HubCache *c, const char *revision);
MUST_USE bool cache_set_commit(const HubCache *c, const char *revision, const char *commit, Error *err);

/* Makes the link of FILE to its blob; one that is there is replaced. */
MUST_USE bool cache_link(const HubCache *c, const char *commit, const char *file, const char *etag,
                         Error *err);
/* Makes the folders above a path. */
MUST_USE bool cache_folders(const char *path, Error *err);

/* Waits until no other process fetches this blob. Returns a descriptor to close, or -1. */
int cache_lock(const HubCache *c, const char *etag, Error *err);

#endif
