/* NFC with libutf8proc's tables. Its utf8proc_map does the same, but orders the marks of a character in
 * quadratic time, and refuses a text for one invalid byte. */
#include "runtime/tokenizer/normalize.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/arena.h"

/* The longest canonical decomposition of a character (U+1F82, for one). */
enum { DECOMPOSED_MAX = 4, CLASSES = 256 };

typedef struct Characters {
    utf8proc_int32_t *items;
    size_t count, cap;
} Characters;

static utf8proc_propval_t combining_class(utf8proc_int32_t c)
{
    return utf8proc_get_property(c)->combining_class;
}

static void decompose(Characters *list, utf8proc_int32_t c)
{
    if (list->cap - list->count < DECOMPOSED_MAX) {
        list->cap = list->cap ? 2 * list->cap : 256;
        list->items = xrealloc(list->items, list->cap * sizeof *list->items);
    }
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(c, list->items + list->count, DECOMPOSED_MAX,
                                                 UTF8PROC_STABLE | UTF8PROC_COMPOSE, &boundary);
    list->count += n > 0 && n <= DECOMPOSED_MAX ? (size_t)n : 0;
}

/* Sorts marks by class; those of one class keep their order. */
static void sort_marks(utf8proc_int32_t *marks, size_t count)
{
    size_t start[CLASSES + 1] = {0};
    utf8proc_int32_t few[16], *sorted = count <= 16 ? few : xmalloc(count * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        start[combining_class(marks[i]) + 1]++;
    for (int i = 0; i < CLASSES; i++)
        start[i + 1] += start[i];
    for (size_t i = 0; i < count; i++)
        sorted[start[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, sorted, count * sizeof *marks);
    if (sorted != few)
        free(sorted);
}

static void order(Characters *list)
{
    for (size_t i = 0, end; i < list->count; i = end) {
        for (end = i; end < list->count && combining_class(list->items[end]); end++)
            ;
        if (end - i > 1)
            sort_marks(list->items + i, end - i);
        end += end == i;
    }
}

/* Composes what is in the list, appends it and empties the list. */
static void flush(Characters *list, Text *out)
{
    order(list);
    utf8proc_ssize_t count = utf8proc_normalize_utf32(list->items, (utf8proc_ssize_t)list->count,
                                                      UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    for (utf8proc_ssize_t i = 0; i < count; i++) {
        utf8proc_uint8_t bytes[4];
        utf8proc_ssize_t size = utf8proc_encode_char(list->items[i], bytes);
        text_add(out, (const char *)bytes, (size_t)size);
    }
    list->count = 0;
}

/* ASCII followed by ASCII stays as it is: what is left is an ASCII character and what follows it up to the
 * next. */
void normalize_nfc(const char *text, size_t size, Text *out)
{
    const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text, *end = at + size;
    Characters list = {0};
    while (at < end) {
        const utf8proc_uint8_t *plain = at;
        while (at < end && *at < 0x80 && (end - at == 1 || at[1] < 0x80))
            at++;
        text_add(out, (const char *)plain, (size_t)(at - plain));
        for (bool first = true; at < end && (first || *at >= 0x80); first = false) {
            utf8proc_int32_t c;
            utf8proc_ssize_t length = utf8proc_iterate(at, end - at, &c);
            if (length > 0) {
                decompose(&list, c);
            } else {
                flush(&list, out);
                text_add(out, (const char *)at, length = 1);
            }
            at += length;
        }
        flush(&list, out);
    }
    free(list.items);
}
