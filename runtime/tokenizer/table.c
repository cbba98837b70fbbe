#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "runtime/tokenizer/internal.h"

void piece_index_init(PieceIndex *index, size_t pieces)
{
    uint32_t count = hash_slots(pieces);
    index->mask = count - 1;
    index->slots = xmalloc(count * sizeof *index->slots);
    index->seed = hash_seed(index->slots);
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
    uint32_t count = hash_slots(merges);
    table->mask = count - 1;
    table->slots = xcalloc(count, sizeof *table->slots);
    table->merges = xmalloc(merges * sizeof *table->merges);
    table->seed = hash_seed(table->slots);
}

void merge_table_free(MergeTable *table)
{
    free(table->slots);
    free(table->merges);
}

static uint32_t *merge_slot(const MergeTable *table, int32_t left, int32_t right)
{
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint32_t at = (uint32_t)hash_mix(table->seed ^ pair) & table->mask;
    for (;; at = (at + 1) & table->mask) {
        uint32_t slot = table->slots[at];
        if (!slot || (table->merges[slot - 1].left == left && table->merges[slot - 1].right == right))
            return &table->slots[at];
    }
}

bool merge_table_add(MergeTable *table, Merge merge)
{
    uint32_t *slot = merge_slot(table, merge.left, merge.right);
    if (*slot)
        return false;
    table->merges[table->count++] = merge;
    *slot = table->count;
    return true;
}

const Merge *merge_table_find(const MergeTable *table, int32_t left, int32_t right)
{
    uint32_t slot = *merge_slot(table, left, right);
    return slot ? &table->merges[slot - 1] : NULL;
}
