/* Unicode classes of characters, as the split patterns of tokenizers use them. */
#ifndef RUNTIME_TOKENIZER_CLASSES_H
#define RUNTIME_TOKENIZER_CLASSES_H

typedef enum CharClass {
    CHAR_OTHER,  /* none of the others; a byte that is part of no valid character, too */
    CHAR_LETTER, /* \p{L} */
    CHAR_NUMBER, /* \p{N} */
    CHAR_SPACE,  /* \s: Unicode's White_Space */
} CharClass;

/* The class of the character at `at` (at < end) and its length in bytes: 1 for an invalid byte. */
CharClass char_class(const unsigned char *at, const unsigned char *end, int *length);

#endif
