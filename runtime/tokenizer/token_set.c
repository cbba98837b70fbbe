/* Tokens to be found at a place of a text. They are sorted: those that share the bytes read so far are
 * neighbours, the one that ends here first. */
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer/internal.h"

static int compare(const void *left, const void *right)
{
    const Slice *a = &((const AddedToken *)left)->text, *b = &((const AddedToken *)right)->text;
    int order = memcmp(a->data, b->data, a->size < b->size ? a->size : b->size);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

const AddedToken *token_set_index(TokenSet *set)
{
    qsort(set->tokens, (size_t)set->count, sizeof *set->tokens, compare);
    for (int i = 1; i < set->count; i++)
        if (compare(&set->tokens[i - 1], &set->tokens[i]) == 0)
            return &set->tokens[i];
    for (int i = 0; i < set->count; i++)
        set->first[(unsigned char)set->tokens[i].text.data[0] + 1]++;
    for (int byte = 0; byte < 256; byte++)
        set->first[byte + 1] += set->first[byte];
    return NULL;
}

/* The first of the tokens low up to high whose byte `depth` is at least c. */
static int bound(const TokenSet *set, int low, int high, size_t depth, int c)
{
    while (low < high) {
        int middle = low + (high - low) / 2;
        if ((unsigned char)set->tokens[middle].text.data[depth] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

PrefixWalk prefix_walk(const TokenSet *set, const char *text, size_t size)
{
    int c = size ? (unsigned char)text[0] : 0;
    return (PrefixWalk){set, text, size, 1, set->first[c], size ? set->first[c + 1] : 0};
}

const AddedToken *prefix_walk_next(PrefixWalk *w)
{
    for (; w->low < w->high; w->depth++) {
        if (w->set->tokens[w->low].text.size == w->depth)
            return &w->set->tokens[w->low++];
        if (w->depth == w->size)
            break;
        int c = (unsigned char)w->text[w->depth];
        w->low = bound(w->set, w->low, w->high, w->depth, c);
        w->high = bound(w->set, w->low, w->high, w->depth, c + 1);
    }
    return NULL;
}
