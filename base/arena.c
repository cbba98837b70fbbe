#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Blocks grow with what the arena holds: a package has a thousand arenas of a few KB each. */
enum { ALIGN = 16, LEAST_BLOCK = 4 * 1024, MOST_BLOCK = 64 * 1024 };

struct ArenaBlock {
    ArenaBlock *next;
    size_t used, cap;
    char *data;
};

static void out_of_memory(size_t size)
{
    fprintf(stderr, "error: out of memory (%zu bytes asked for)\n", size);
    abort();
}

static size_t round_up(size_t n)
{
    if (n > SIZE_MAX - ALIGN)
        out_of_memory(n);
    return (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static ArenaBlock *block_new(size_t cap)
{
    if (cap > SIZE_MAX - sizeof(ArenaBlock) - ALIGN)
        out_of_memory(cap);
    ArenaBlock *b = xmalloc(round_up(sizeof *b) + cap);
    *b = (ArenaBlock){.cap = cap};
    b->data = (char *)b + round_up(sizeof *b);
    return b;
}

static size_t next_block(const Arena *a)
{
    return a->total < LEAST_BLOCK ? LEAST_BLOCK : a->total < MOST_BLOCK ? round_up(a->total) : MOST_BLOCK;
}

/* What is in it is not known. */
static void *take(Arena *a, size_t size)
{
    size = round_up(size ? size : 1);
    ArenaBlock *b = a->blocks;
    if (!b || b->cap - b->used < size) {
        size_t usual = next_block(a);
        ArenaBlock *fresh = block_new(size > usual / 4 ? size : usual);
        /* A large block goes behind the current one, which may still have room. */
        if (b && fresh->cap == size) {
            fresh->next = b->next;
            b->next = fresh;
        } else {
            fresh->next = b;
            a->blocks = fresh;
        }
        b = fresh;
    }
    void *p = b->data + b->used;
    b->used += size;
    a->total += size;
    return p;
}

void *arena_alloc(Arena *a, size_t size)
{
    return memset(take(a, size), 0, size);
}

void *arena_array(Arena *a, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        out_of_memory(SIZE_MAX);
    return arena_alloc(a, count * size);
}

void *arena_copy(Arena *a, const void *data, size_t size)
{
    void *p = take(a, size);
    if (size)
        memcpy(p, data, size);
    return p;
}

char *arena_str(Arena *a, const char *s, size_t length)
{
    char *p = take(a, length + 1);
    if (length)
        memcpy(p, s, length);
    p[length] = 0;
    return p;
}

char *arena_vprintf(Arena *a, const char *fmt, va_list ap)
{
    char small[256];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    size_t length = n < 0 ? 0 : (size_t)n;
    char *p = take(a, length + 1);
    if (length < sizeof small)
        memcpy(p, small, length);
    else
        vsnprintf(p, length + 1, fmt, again);
    p[length] = 0;
    va_end(again);
    return p;
}

char *arena_printf(Arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}

void arena_free(Arena *a)
{
    for (ArenaBlock *b = a->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    *a = (Arena){0};
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        out_of_memory(size && count > SIZE_MAX / size ? SIZE_MAX : count * size);
    return p;
}

void *xrealloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        out_of_memory(size);
    return p;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;
    return memcpy(xmalloc(n), s, n);
}
