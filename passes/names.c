#include "passes/names.h"

#include <string.h>

static Name *add(Names *names, const char *text)
{
    Name *n = arena_new(names->arena, Name);
    n->text = text;
    n->next = 1;
    HASH_ADD_KEYPTR(hh, names->taken, n->text, strlen(n->text), n);
    return n;
}

const char *names_unique(Names *names, const char *stem)
{
    Name *first, *clash;
    HASH_FIND_STR(names->taken, stem, first);
    if (!first)
        return add(names, arena_str(names->arena, stem, strlen(stem)))->text;
    for (;;) {
        const char *text = arena_printf(names->arena, "%s_%d", stem, first->next++);
        HASH_FIND_STR(names->taken, text, clash);
        if (!clash)
            return add(names, text)->text;
    }
}

void names_free(Names *names)
{
    HASH_CLEAR(hh, names->taken);
}
