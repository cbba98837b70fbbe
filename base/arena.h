/* Arena: many small allocations that die together. An AST, an IR module, a plan each own one; nothing
 * inside is freed by itself. Running out of memory ends the process with a message: what an arena
 * holds is bounded by the size of its input text, never by a number read from an untrusted file
 * (such sizes are checked against the file first). */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "base/error.h"

typedef struct ArenaBlock ArenaBlock;
typedef struct Arena {
    ArenaBlock *blocks;
    size_t total; /* bytes handed out */
} Arena;

/* Zeroed memory, aligned to 16 bytes. size 0 gives a valid pointer. */
void *arena_alloc(Arena *a, size_t size);
/* count * size bytes, checked for overflow. */
void *arena_array(Arena *a, size_t count, size_t size);
void *arena_copy(Arena *a, const void *data, size_t size);
/* A NUL-terminated copy of the first `length` bytes. */
char *arena_str(Arena *a, const char *s, size_t length);
char *arena_printf(Arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(Arena *a, const char *fmt, va_list ap);
/* Frees everything; the arena is empty and may be used again. */
void arena_free(Arena *a);

#define arena_new(a, T) ((T *)arena_alloc((a), sizeof(T)))
#define arena_many(a, n, T) ((T *)arena_array((a), (n), sizeof(T)))

/* Appends to a growable array that lives in an arena: `items` is a T *, `count` and `cap` are size_t
 * or int lvalues. Old storage stays behind in the arena (at most as much again). */
#define arena_push(a, items, count, cap, value)                                                              \
    do {                                                                                                     \
        if ((count) == (cap)) {                                                                              \
            (cap) = (cap) ? 2 * (cap) : 8;                                                                   \
            void *grown_ = arena_array((a), (size_t)(cap), sizeof *(items));                                 \
            if (count)                                                                                       \
                memcpy(grown_, (items), (size_t)(count) * sizeof *(items));                                  \
            (items) = grown_;                                                                                \
        }                                                                                                    \
        (items)[(count)++] = (value);                                                                        \
    } while (0)

/* malloc family that ends the process with a message instead of returning NULL. */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *old, size_t size);
char *xstrdup(const char *s);

#endif
