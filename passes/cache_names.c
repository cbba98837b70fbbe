#include "passes/cache_names.h"

const char *cache_name(Arena *a, int n)
{
    return arena_printf(a, "cache_%03d", n);
}
