/* The alphabet of byte-level vocabularies (GPT-2's bytes_to_unicode): each byte is written as one
 * printable character. Bytes that are printable in Latin-1 stand for themselves; the other 68, in order,
 * are U+0100 and up:
 *     00..20 -> U+0100..U+0120    7F..A0 -> U+0121..U+0142    AD -> U+0143 */
#ifndef RUNTIME_TOKENIZER_ALPHABET_H
#define RUNTIME_TOKENIZER_ALPHABET_H

#include <stdbool.h>
#include <stddef.h>

/* The byte that the character U+`c` stands for, or -1. */
static inline int alphabet_byte(unsigned c)
{
    if ((c >= 0x21 && c <= 0x7e) || (c >= 0xa1 && c <= 0xac) || (c >= 0xae && c <= 0xff))
        return (int)c;
    if (c >= 0x100 && c <= 0x120)
        return (int)(c - 0x100);
    if (c >= 0x121 && c <= 0x142)
        return (int)(c - 0x121 + 0x7f);
    return c == 0x143 ? 0xad : -1;
}

/* Writes the bytes that `text` (valid UTF-8) stands for to out, which has room for `size` bytes, and their
 * number to *length. False where a character is not in the alphabet. */
static inline bool alphabet_decode(const char *text, size_t size, char *out, size_t *length)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned c = (unsigned char)text[i];
        if (c >= 0x80) { /* the alphabet ends at U+0143: two bytes */
            if (c < 0xc2 || c > 0xc5 || ++i == size)
                return false;
            c = (c & 0x1f) << 6 | ((unsigned char)text[i] & 0x3f);
        }
        int byte = alphabet_byte(c);
        if (byte < 0)
            return false;
        out[n++] = (char)byte;
    }
    *length = n;
    return true;
}

#endif
