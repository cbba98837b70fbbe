/* macho PROGRAM...: whether macOS would start these arm64 programs, as far as a reader can tell: position
 * independent executables for macOS, signed ad hoc with SHA-256, every page's hash right, no entitlements.
 * Layouts: Apple's mach-o/loader.h and, of signatures, the kernel's osfmk/kern/cs_blobs.h. Load commands are
 * little-endian, signatures big-endian. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"

enum { EXECUTE = 2, PIE = 0x200000, PLATFORM_MACOS = 1 };
enum { LC_CODE_SIGNATURE = 0x1d, LC_BUILD_VERSION = 0x32, ENTITLEMENTS = 5, ENTITLEMENTS_DER = 7 };
#define MAGIC_64 0xfeedfacfu
#define CPU_ARM64 0x0100000cu
#define LC_MAIN 0x80000028u
#define SUPER_BLOB 0xfade0cc0u
#define CODE_DIRECTORY 0xfade0c02u
#define AD_HOC 2u
#define SHA256_TYPE 2

typedef struct Bytes {
    const uint8_t *data;
    size_t size;
} Bytes;

static Bytes part(Bytes b, size_t at, size_t size)
{
    return at <= b.size && size <= b.size - at ? (Bytes){b.data + at, size} : (Bytes){NULL, 0};
}

/* 0 where the bytes end. */
static uint32_t little(Bytes b, size_t at)
{
    const uint8_t *p = part(b, at, 4).data;
    return p ? (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24 : 0;
}

static uint32_t big(Bytes b, size_t at)
{
    const uint8_t *p = part(b, at, 4).data;
    return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3] : 0;
}

static uint8_t byte(Bytes b, size_t at)
{
    return at < b.size ? b.data[at] : 0;
}

static const char *check_pages(Bytes program, Bytes directory)
{
    uint32_t hashes = big(directory, 16), slots = big(directory, 28), limit = big(directory, 32);
    size_t page = (size_t)1 << (byte(directory, 39) & 31);
    Bytes signed_part = part(program, 0, limit);
    if (!signed_part.data || slots != (limit + page - 1) / page || !part(directory, hashes, slots * 32u).data)
        return "its signature does not cover it";
    for (uint32_t i = 0; i < slots; i++) {
        size_t at = i * page, size = limit - at < page ? limit - at : page;
        char hex[65], stored[65];
        sha256_of(program.data + at, size, hex);
        for (int k = 0; k < 32; k++)
            snprintf(stored + 2 * k, 3, "%02x", directory.data[hashes + 32 * i + (size_t)k]);
        if (strcmp(hex, stored) != 0)
            return "a page is not what its signature says";
    }
    return NULL;
}

static const char *check_directory(Bytes program, Bytes directory)
{
    if (big(directory, 0) != CODE_DIRECTORY)
        return "its signature has no code directory";
    if (!(big(directory, 12) & AD_HOC))
        return "it is not signed ad hoc";
    if (byte(directory, 37) != SHA256_TYPE || byte(directory, 36) != 32)
        return "its signature is not made with SHA-256";
    return check_pages(program, directory);
}

/* The blobs: their number, then for each its kind and place. The first is the code directory, kind 0. */
static const char *check_signature(Bytes program, Bytes signature)
{
    uint32_t count = big(signature, 8);
    if (big(signature, 0) != SUPER_BLOB || count > 64)
        return "its signature is none";
    const char *fault = "its signature has no code directory";
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = big(signature, 12 + 8 * i), at = big(signature, 16 + 8 * i);
        if (kind == ENTITLEMENTS || kind == ENTITLEMENTS_DER)
            return "it asks for entitlements";
        Bytes rest = part(signature, at, at <= signature.size ? signature.size - at : 0);
        if (kind == 0)
            fault = check_directory(program, part(rest, 0, big(rest, 4)));
    }
    return fault;
}

static const char *check_program(Bytes program)
{
    if (little(program, 0) != MAGIC_64 || little(program, 4) != CPU_ARM64)
        return "it is no Mach-O program for arm64";
    if (little(program, 12) != EXECUTE || !(little(program, 24) & PIE))
        return "it is no position independent executable";
    bool main_known = false, for_macos = false;
    const char *fault = "it is not signed";
    size_t at = 32;
    for (uint32_t i = 0, count = little(program, 16); i < count && i < 1000; i++) {
        uint32_t command = little(program, at), size = little(program, at + 4);
        if (size < 8)
            return "its load commands are cut short";
        main_known |= command == LC_MAIN;
        for_macos |= command == LC_BUILD_VERSION && little(program, at + 8) == PLATFORM_MACOS;
        if (command == LC_CODE_SIGNATURE)
            fault =
                check_signature(program, part(program, little(program, at + 8), little(program, at + 12)));
        at += size;
    }
    return !main_known ? "it has no main" : !for_macos ? "it is not for macOS" : fault;
}

int main(int argc, char **argv)
{
    int status = argc > 1 ? 0 : 2;
    for (int i = 1; i < argc; i++) {
        FileMap map;
        Error err;
        if (!file_map(&map, argv[i], &err)) {
            fprintf(stderr, "macho: %s\n", err.text);
            return 2;
        }
        const char *fault = check_program((Bytes){map.data, map.size});
        if (fault) {
            printf("%s: %s\n", argv[i], fault);
            status = 1;
        }
        file_unmap(&map);
    }
    return status;
}
