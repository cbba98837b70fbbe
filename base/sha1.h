/* SHA-1 through the system's library: what git names files by. Not for security. */
#ifndef BASE_SHA1_H
#define BASE_SHA1_H

#include <stddef.h>

/* 40 lower-case hex digits and a NUL. */
void sha1_of(const void *data, size_t size, char hex[41]);

#endif
