/* Names that are unique in one function, and readable. */
#ifndef PASSES_NAMES_H
#define PASSES_NAMES_H

#include <uthash.h>

#include "base/arena.h"

typedef struct Name {
    const char *text;
    int next; /* the number that the next of this stem gets */
    UT_hash_handle hh;
} Name;

typedef struct Names {
    Arena *arena;
    Name *taken;
} Names;

/* `stem`, or stem_1, stem_2 ... where it is taken. In names->arena. */
const char *names_unique(Names *names, const char *stem);
void names_free(Names *names); /* the hash; the texts stay */

#endif
