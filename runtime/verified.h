/* Remembers which packages were hashed and found whole, so that a start need not read all weights again. */
#ifndef RUNTIME_VERIFIED_H
#define RUNTIME_VERIFIED_H

#include "base/error.h"
#include "base/text.h"

/* Adds the identity of one file: device, inode, size, modification and change time. A file whose identity is
 * unchanged has unchanged contents: writing changes its times, and only the kernel sets the change time. */
MUST_USE bool verified_identity(Text *out, const char *path, const char *name, Error *err);

/* Whether this manifest (by its SHA-256) was verified with files of exactly these identities. */
bool verified_recall(const char *manifest_sha256, const Text *identities);
/* Remembers that. Failing is no error: the next start hashes again. */
void verified_remember(const char *manifest_sha256, const Text *identities);

#endif
