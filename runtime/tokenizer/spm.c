/* How SentencePiece prepares a text (its normalizer with the rule "identity"). A byte that belongs to no
 * valid character stays, where SentencePiece makes it U+FFFD: the byte's own token is nearer to it. */
#include "runtime/tokenizer/spm.h"

#include <string.h>

const AddedToken *spm_user_piece(const Spm *s, const char *text, size_t size)
{
    int c = (unsigned char)*text;
    if (s->user.first[c] == s->user.first[c + 1])
        return NULL;
    PrefixWalk walk = prefix_walk(&s->user, text, size);
    const AddedToken *best = NULL;
    for (const AddedToken *token; (token = prefix_walk_next(&walk)) != NULL;)
        best = token;
    return best;
}

static void add_escaped(const Spm *s, const char *text, size_t size, Text *out)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ')
            text_add(out, s->space.data, s->space.size);
        else
            text_putc(out, text[i]);
    }
}

static bool ends_with(const Text *text, Slice end)
{
    return text->size >= end.size && memcmp(text->data + text->size - end.size, end.data, end.size) == 0;
}

/* Spaces at the start count as if one stood before the text. A user-defined piece is taken as a whole: spaces
 * inside it stay. */
void spm_prepare(const Spm *s, const char *text, size_t size, Text *out)
{
    bool after_space = s->collapse_spaces;
    size_t at = 0;
    while (after_space && at < size && text[at] == ' ')
        at++;
    if (at == size)
        return;
    if (s->dummy_prefix)
        add_escaped(s, " ", 1, out);
    while (at < size) {
        const AddedToken *user = spm_user_piece(s, text + at, size - at);
        size_t end = at + (user ? user->text.size : 1);
        while (after_space && at < end && text[at] == ' ')
            at++;
        if (at < end) {
            add_escaped(s, text + at, end - at, out);
            after_space = s->collapse_spaces && text[end - 1] == ' ';
        }
        at = end;
    }
    while (s->collapse_spaces && ends_with(out, s->space))
        out->size -= s->space.size;
}

static bool is_space(const Spm *s, const char *text, size_t size)
{
    return *text == *s->space.data && size >= s->space.size &&
           memcmp(text, s->space.data, s->space.size) == 0;
}

size_t spm_word(const Spm *s, const char *text, size_t size)
{
    size_t at = 0;
    if (!s->cut_words)
        return size;
    while (at < size && is_space(s, text + at, size - at))
        at += s->space.size;
    while (at < size && !is_space(s, text + at, size - at))
        at++;
    return at;
}
