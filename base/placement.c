#include "base/placement.h"

#include <stdlib.h>

#include "base/arena.h"

static int by_first(const void *a, const void *b)
{
    const Lifetime *x = *(Lifetime *const *)a, *y = *(Lifetime *const *)b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    if (x->size != y->size)
        return x->size > y->size ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Inserts item into live[0..count), which is sorted by offset, at the lowest gap that holds it. */
static void fit(Lifetime **live, int count, Lifetime *item, size_t align)
{
    size_t at = 0;
    int i = 0;
    for (; i < count; i++) {
        if (live[i]->offset >= at && live[i]->offset - at >= item->size)
            break;
        size_t end = (live[i]->offset + live[i]->size + align - 1) / align * align;
        at = end > at ? end : at;
    }
    item->offset = at;
    for (int k = count; k > i; k--)
        live[k] = live[k - 1];
    live[i] = item;
}

size_t placement(Lifetime *items, int count, size_t align)
{
    Lifetime **order = xcalloc((size_t)count, sizeof *order), **live = xcalloc((size_t)count, sizeof *live);
    size_t total = 0;
    int alive = 0;
    for (int i = 0; i < count; i++)
        order[i] = &items[i];
    qsort(order, (size_t)count, sizeof *order, by_first);
    for (int i = 0; i < count; i++) {
        int kept = 0;
        for (int k = 0; k < alive; k++)
            if (live[k]->last >= order[i]->first)
                live[kept++] = live[k];
        alive = kept;
        fit(live, alive++, order[i], align);
        size_t end = order[i]->offset + order[i]->size;
        total = end > total ? end : total;
    }
    free(order);
    free(live);
    return total;
}
