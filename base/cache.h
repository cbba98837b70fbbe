/* The user's cache folder: what can be made again, and may be deleted at any time. */
#ifndef BASE_CACHE_H
#define BASE_CACHE_H

#include "base/error.h"

/* The path of NAME in this project's folder below $XDG_CACHE_HOME, ~/Library/Caches or ~/.cache; malloc'ed;
 * NULL where the user has no home. */
char *cache_path(const char *name);

/* Makes the folder of a path, and those above it, for the user alone. Failing shows when the file is written.
 */
void cache_make_folder(const char *path);

#endif
