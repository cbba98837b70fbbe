#include "base/sha1.h"

#include <stdlib.h>

#if defined(__APPLE__)
#include <CommonCrypto/CommonDigest.h>

static void digest_of(const void *data, size_t size, unsigned char digest[20])
{
    CC_SHA1(data, (CC_LONG)size, digest);
}
#else
#include <openssl/evp.h>

static void digest_of(const void *data, size_t size, unsigned char digest[20])
{
    if (!EVP_Digest(data, size, digest, NULL, EVP_sha1(), NULL))
        abort(); /* libcrypto without SHA-1 or without memory */
}
#endif

void sha1_of(const void *data, size_t size, char hex[41])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[20];
    digest_of(data, size, digest);
    for (int i = 0; i < 20; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[40] = 0;
}
