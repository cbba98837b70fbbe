/* SHA-256 through the system's library (OpenSSL's libcrypto, or CommonCrypto on macOS): both use the CPU's
 * instructions for it. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include <stddef.h>

typedef struct Sha256 Sha256;

Sha256 *sha256_new(void);
void sha256_add(Sha256 *s, const void *data, size_t size);
/* Writes 64 lower-case hex digits and a NUL, and frees s. */
void sha256_hex(Sha256 *s, char hex[65]);
/* All at once. */
void sha256_of(const void *data, size_t size, char hex[65]);

#endif
