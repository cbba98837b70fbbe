/* Byte pair encoding of one word: a list of symbols, and a heap of the pairs that could merge. A pair whose
 * symbols have changed since it was put there is passed over when it comes up. */
#include <stdlib.h>

#include "runtime/tokenizer/internal.h"
#include "runtime/tokenizer/spm.h"

static bool before(const Candidate *a, const Candidate *b)
{
    return a->merge.rank != b->merge.rank ? a->merge.rank < b->merge.rank : a->at < b->at;
}

static void heap_push(Bpe *b, Candidate c)
{
    if (b->heap_count == b->heap_cap) {
        b->heap_cap = b->heap_cap ? 2 * b->heap_cap : 64;
        b->heap = xrealloc(b->heap, b->heap_cap * sizeof *b->heap);
    }
    size_t at = b->heap_count++;
    for (; at && before(&c, &b->heap[(at - 1) / 2]); at = (at - 1) / 2)
        b->heap[at] = b->heap[(at - 1) / 2];
    b->heap[at] = c;
}

static Candidate heap_pop(Bpe *b)
{
    Candidate top = b->heap[0], last = b->heap[--b->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < b->heap_count; at = child) {
        if (child + 1 < b->heap_count && before(&b->heap[child + 1], &b->heap[child]))
            child++;
        if (!before(&b->heap[child], &last))
            break;
        b->heap[at] = b->heap[child];
    }
    b->heap[at] = last;
    return top;
}

Symbol *bpe_symbols(Bpe *b, size_t count)
{
    if (count > b->symbol_cap) {
        b->symbol_cap = count > 2 * b->symbol_cap ? count : 2 * b->symbol_cap;
        b->symbols = xrealloc(b->symbols, b->symbol_cap * sizeof *b->symbols);
    }
    return b->symbols;
}

static bool listed_merge(const Tokenizer *t, int32_t left, int32_t right, Merge *merge)
{
    const Merge *m = merge_table_find(&t->merges, left, right);
    if (m)
        *merge = *m;
    return m != NULL;
}

static void consider(Bpe *b, const Tokenizer *t, int32_t left)
{
    const Symbol *s = &b->symbols[left];
    Merge m;
    if (s->next < 0 || !(t->spm ? spm_merge : listed_merge)(t, s->id, b->symbols[s->next].id, &m))
        return;
    heap_push(b, (Candidate){m, left});
    if (b->undo)
        b->undo[m.id] = m;
}

size_t bpe_merge(Bpe *b, const Tokenizer *t, size_t count)
{
    Symbol *s = b->symbols;
    b->heap_count = 0;
    for (size_t i = 0; i < count; i++) {
        s[i].previous = (int32_t)i - 1;
        s[i].next = i + 1 < count ? (int32_t)i + 1 : -1;
    }
    for (size_t i = 0; i < count; i++)
        consider(b, t, (int32_t)i);

    while (b->heap_count) {
        Candidate c = heap_pop(b);
        Symbol *left = &s[c.at];
        if (left->id != c.merge.left || left->next < 0 || s[left->next].id != c.merge.right)
            continue;
        Symbol *right = &s[left->next];
        left->id = c.merge.id;
        left->next = right->next;
        right->id = -1;
        if (left->next >= 0)
            s[left->next].previous = c.at;
        if (left->previous >= 0)
            consider(b, t, left->previous);
        consider(b, t, c.at);
    }

    size_t left = 0;
    for (int32_t i = count ? 0 : -1; i >= 0; i = s[i].next)
        s[left++].id = s[i].id;
    return left;
}

void bpe_free(Bpe *b)
{
    free(b->symbols);
    free(b->heap);
    free(b->undo);
}
