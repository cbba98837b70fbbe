/* Places buffers with known lifetimes in one block of memory, so that buffers which are never alive together
 * share it. */
#ifndef BASE_PLACEMENT_H
#define BASE_PLACEMENT_H

#include <stddef.h>

typedef struct Lifetime {
    size_t size;
    int first, last; /* steps, both inclusive */
    size_t offset;   /* out: a multiple of `align` */
} Lifetime;

/* First fit in order of the first step, the larger first. Returns the bytes of the whole block. O(n^2) in the
 * number of buffers that are alive together. */
size_t placement(Lifetime *items, int count, size_t align);

#endif
