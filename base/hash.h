/* Hashes for tables in memory. They start from a seed that differs between runs, so that no file can be made
 * whose keys all meet in one slot; no result may depend on it. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_mix(uint64_t x)
{
    x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    return x ^ x >> 32;
}

static inline uint64_t hash_bytes(uint64_t seed, const char *data, size_t size)
{
    uint64_t hash = seed ^ size, word = 0;
    for (; size >= 8; size -= 8, data += 8) {
        memcpy(&word, data, 8);
        hash = hash_mix(hash ^ word);
    }
    word = 0;
    memcpy(&word, data, size);
    return hash_mix(hash ^ word);
}

/* Addresses differ between runs. */
static inline uint64_t hash_seed(const void *address)
{
    return hash_mix((uint64_t)(uintptr_t)address);
}

/* The slots of an open table: a power of two, at least twice the number of entries (up to 2^30). */
static inline uint32_t hash_slots(size_t entries)
{
    uint32_t slots = 16;
    while (slots < 2 * entries)
        slots *= 2;
    return slots;
}

#endif
