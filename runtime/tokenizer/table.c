#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer/internal.h"

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9u;
    return x ^ x >> 32;
}

uint64_t hash_bytes(uint64_t seed, const char *data, size_t size)
{
    uint64_t hash = seed ^ size, word = 0;
    for (; size >= 8; size -= 8, data += 8) {
        memcpy(&word, data, 8);
        hash = mix(hash ^ word);
    }
    word = 0;
    memcpy(&word, data, size);
    return mix(hash ^ word);
}

/* A power of two, at least twice the number of entries. */
static uint32_t slot_count(size_t entries)
{
    uint32_t slots = 16;
    while (slots < 2 * entries)
        slots *= 2;
    return slots;
}

/* Addresses differ between runs. */
static uint64_t seed_from(const void *address)
{
    return mix((uint64_t)(uintptr_t)address);
}

void piece_index_init(PieceIndex *index, size_t pieces)
{
    uint32_t count = slot_count(pieces);
    index->mask = count - 1;
    index->slots = xmalloc(count * sizeof *index->slots);
    index->seed = seed_from(index->slots);
    memset(index->slots, 0xff, count * sizeof *index->slots);
}

void piece_index_free(PieceIndex *index)
{
    free(index->slots);
}

static int32_t *piece_slot(const PieceIndex *index, const Slice *keys, const char *data, size_t size)
{
    uint32_t at = (uint32_t)hash_bytes(index->seed, data, size) & index->mask;
    for (;; at = (at + 1) & index->mask) {
        int32_t id = index->slots[at];
        if (id < 0 || (keys[id].size == size && memcmp(keys[id].data, data, size) == 0))
            return &index->slots[at];
    }
}

bool piece_index_add(PieceIndex *index, const Slice *keys, int32_t id)
{
    int32_t *slot = piece_slot(index, keys, keys[id].data, keys[id].size);
    if (*slot >= 0)
        return false;
    *slot = id;
    return true;
}

int32_t piece_index_find(const PieceIndex *index, const Slice *keys, const char *data, size_t size)
{
    return *piece_slot(index, keys, data, size);
}

void merge_table_init(MergeTable *table, size_t merges)
{
    uint32_t count = slot_count(merges);
    table->mask = count - 1;
    table->slots = xmalloc(count * sizeof *table->slots);
    table->seed = seed_from(table->slots);
    for (uint32_t i = 0; i < count; i++)
        table->slots[i].rank = -1;
}

void merge_table_free(MergeTable *table)
{
    free(table->slots);
}

static Merge *merge_slot(const MergeTable *table, int32_t left, int32_t right)
{
    uint32_t at =
        (uint32_t)mix(table->seed ^ ((uint64_t)(uint32_t)left << 32 | (uint32_t)right)) & table->mask;
    for (;; at = (at + 1) & table->mask) {
        Merge *m = &table->slots[at];
        if (m->rank < 0 || (m->left == left && m->right == right))
            return m;
    }
}

bool merge_table_add(MergeTable *table, Merge merge)
{
    Merge *slot = merge_slot(table, merge.left, merge.right);
    if (slot->rank >= 0)
        return false;
    *slot = merge;
    return true;
}

const Merge *merge_table_find(const MergeTable *table, int32_t left, int32_t right)
{
    const Merge *m = merge_slot(table, left, right);
    return m->rank < 0 ? NULL : m;
}
