#include "base/sha256.h"

#include <stdlib.h>

#include "base/arena.h"

#if defined(__APPLE__)
#include <CommonCrypto/CommonDigest.h>

struct Sha256 {
    CC_SHA256_CTX ctx;
};

Sha256 *sha256_new(void)
{
    Sha256 *s = xmalloc(sizeof *s);
    CC_SHA256_Init(&s->ctx);
    return s;
}

void sha256_add(Sha256 *s, const void *data, size_t size)
{
    enum { STEP = 1 << 30 }; /* CC_LONG is 32 bits */
    for (const char *p = data; size;) {
        size_t n = size < STEP ? size : STEP;
        CC_SHA256_Update(&s->ctx, p, (CC_LONG)n);
        p += n;
        size -= n;
    }
}

static void finish(Sha256 *s, unsigned char digest[32])
{
    CC_SHA256_Final(digest, &s->ctx);
    free(s);
}
#else
#include <openssl/evp.h>

struct Sha256 {
    EVP_MD_CTX *ctx;
};

Sha256 *sha256_new(void)
{
    Sha256 *s = xmalloc(sizeof *s);
    s->ctx = EVP_MD_CTX_new();
    if (!s->ctx || !EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL))
        abort(); /* libcrypto without SHA-256 or without memory */
    return s;
}

void sha256_add(Sha256 *s, const void *data, size_t size)
{
    EVP_DigestUpdate(s->ctx, data, size);
}

static void finish(Sha256 *s, unsigned char digest[32])
{
    EVP_DigestFinal_ex(s->ctx, digest, NULL);
    EVP_MD_CTX_free(s->ctx);
    free(s);
}
#endif

void sha256_hex(Sha256 *s, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[32];
    finish(s, digest);
    for (int i = 0; i < 32; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = 0;
}

void sha256_of(const void *data, size_t size, char hex[65])
{
    Sha256 *s = sha256_new();
    sha256_add(s, data, size);
    sha256_hex(s, hex);
}
