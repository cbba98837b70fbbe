/* Encoding: the text is cut at added tokens, what lies between is prepared (prefix space, U+2581), cut
 * into words, and each word is merged. Natural text repeats its words, so the last ids of each are
 * remembered. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "runtime/tokenizer/classes.h"
#include "runtime/tokenizer/internal.h"
#include "runtime/tokenizer/normalize.h"
#include "runtime/tokenizer/spm.h"

enum { CACHE_SLOTS = 4096, CACHED_WORD_MAX = 64 };

typedef struct CachedWord {
    const char *word; /* in the caller's text or in the arena; NULL: empty */
    uint32_t size;
    uint32_t count; /* of ids, which are still in the output */
    size_t at;
} CachedWord;

typedef struct Encoder {
    const Tokenizer *t;
    int32_t *ids;
    size_t count, cap;
    Bpe bpe;
    Arena copies; /* stretches of text that had to be changed */
    Error *err;
    CachedWord cache[CACHE_SLOTS];
} Encoder;

static void put(Encoder *e, int32_t id)
{
    if (e->count == e->cap) {
        e->cap = e->cap ? 2 * e->cap : 64;
        e->ids = xrealloc(e->ids, e->cap * sizeof *e->ids);
    }
    e->ids[e->count++] = id;
}

static bool no_token(Encoder *e, const char *data, size_t size)
{
    char shown[32];
    return error_set(e->err, "the tokenizer has no token for \"%s\", and no unknown token",
                     error_quote(shown, sizeof shown, data, (long)size));
}

static bool byte_symbols(Encoder *e, const char *word, size_t size, size_t *count)
{
    Symbol *s = bpe_symbols(&e->bpe, size);
    for (size_t i = 0; i < size; i++) {
        int32_t id = e->t->byte_ids[(unsigned char)word[i]];
        if (id < 0 && (id = e->t->unknown) < 0)
            return no_token(e, word + i, 1);
        s[i].id = id;
    }
    *count = size;
    return true;
}

/* The bytes' tokens where all of them have one, or the unknown token. Returns their number. */
static size_t unknown_ids(const Tokenizer *t, const char *text, size_t size, int32_t ids[4])
{
    for (size_t i = 0; i < size; i++) {
        ids[i] = t->byte_ids[(unsigned char)text[i]];
        if (ids[i] < 0) {
            ids[0] = t->unknown;
            return 1;
        }
    }
    return size;
}

/* Characters that are no piece come out as unknown_ids, at once or, where pieces have them, after merging. */
static bool add_symbols(Encoder *e, const char *text, size_t size, size_t *count)
{
    const Tokenizer *t = e->t;
    int32_t ids[4] = {-1};
    size_t n = unknown_ids(t, text, size, ids);
    if (ids[0] < 0)
        return no_token(e, text, size);
    int32_t part = t->spm ? spm_part(t, text, size) : -1;
    if (part >= 0)
        ids[0] = part;
    for (size_t i = 0; i < (part >= 0 ? 1 : n); i++)
        e->bpe.symbols[(*count)++].id = ids[i];
    return true;
}

/* User-defined pieces of SentencePiece come before characters. */
static bool character_symbols(Encoder *e, const char *word, size_t size, size_t *count)
{
    const Tokenizer *t = e->t;
    Symbol *s = bpe_symbols(&e->bpe, size);
    *count = 0;
    for (size_t i = 0; i < size;) {
        const AddedToken *user = t->spm ? spm_user_piece(t->spm, word + i, size - i) : NULL;
        int length;
        char_class((const unsigned char *)word + i, (const unsigned char *)word + size, &length);
        size_t n = user ? user->text.size : (size_t)length;
        int32_t id = user ? user->id : piece_index_find(&t->index, t->keys, word + i, n);
        if (id >= 0)
            s[(*count)++].id = id;
        else if (!add_symbols(e, word + i, n, count))
            return false;
        i += n;
    }
    return true;
}

/* The pieces of the best cut; there is nothing left to merge. */
static bool unigram_symbols(Encoder *e, const char *word, size_t size, size_t *count)
{
    Symbol *s = bpe_symbols(&e->bpe, size);
    bool ok = true;
    Cut *cuts;
    size_t pieces = unigram_cut(e->t->spm, word, size, &cuts), at = 0;
    *count = 0;
    for (size_t i = 0; i < pieces && ok; at = cuts[i++].end) {
        if (cuts[i].id >= 0)
            s[(*count)++].id = cuts[i].id;
        else
            ok = add_symbols(e, word + at, cuts[i].end - at, count);
    }
    free(cuts);
    return ok;
}

/* Puts what a symbol has become. Of unknown tokens since `start`, a run is one where the tokenizer says so.
 */
static void put_symbol(Encoder *e, int32_t id, size_t start)
{
    const Tokenizer *t = e->t;
    if (id >= t->size) {
        const Slice *part = &t->spm->parts[id - t->size];
        int32_t ids[4];
        size_t n = unknown_ids(t, part->data, part->size, ids);
        for (size_t i = 0; i < n; i++)
            put_symbol(e, ids[i], start);
    } else if (e->bpe.undo && t->spm->kinds[id] == PIECE_UNUSED && e->bpe.undo[id].left >= 0) {
        Merge last = e->bpe.undo[id]; /* an unused piece is taken apart again */
        put_symbol(e, last.left, start);
        put_symbol(e, last.right, start);
    } else if (id != t->unknown || !t->fuse_unknown || e->count == start || e->ids[e->count - 1] != id) {
        put(e, id);
    }
}

static bool merge_word(Encoder *e, const char *word, size_t size)
{
    const Tokenizer *t = e->t;
    if (t->whole_words) {
        int32_t id = piece_index_find(&t->index, t->keys, word, size);
        if (id >= 0 && !(t->flags[id] & TOKEN_SPECIAL)) {
            put(e, id);
            return true;
        }
    }
    size_t count;
    bool unigram = t->spm && t->spm->unigram;
    if (!(t->kind == TOKENIZER_BYTES ? byte_symbols
          : unigram                  ? unigram_symbols
                                     : character_symbols)(e, word, size, &count))
        return false;
    if (!unigram)
        count = bpe_merge(&e->bpe, t, count);
    size_t start = e->count;
    for (size_t i = 0; i < count; i++)
        put_symbol(e, e->bpe.symbols[i].id, start);
    return true;
}

static bool encode_word(Encoder *e, const char *word, size_t size)
{
    if (size > CACHED_WORD_MAX)
        return merge_word(e, word, size);
    CachedWord *c = &e->cache[hash_bytes(0, word, size) % CACHE_SLOTS];
    if (c->word && c->size == size && memcmp(c->word, word, size) == 0) {
        for (uint32_t i = 0; i < c->count; i++)
            put(e, e->ids[c->at + i]);
        return true;
    }
    size_t start = e->count;
    if (!merge_word(e, word, size))
        return false;
    *c = (CachedWord){word, (uint32_t)size, (uint32_t)(e->count - start), start};
    return true;
}

/* Words that each start at a U+2581 (but for the first). */
static bool encode_spaced_words(Encoder *e, const char *text, size_t size)
{
    for (size_t start = 0; start < size;) {
        size_t end = start + 1;
        while (end < size &&
               (size - end < METASPACE_SIZE || memcmp(text + end, METASPACE, METASPACE_SIZE) != 0))
            end++;
        if (!encode_word(e, text + start, end - start))
            return false;
        start = end;
    }
    return true;
}

static bool encode_words(Encoder *e, const char *text, size_t size)
{
    if (e->t->split_spaces)
        return encode_spaced_words(e, text, size);
    if (!e->t->pattern)
        return !size || encode_word(e, text, size);
    while (size) {
        size_t length = split_next(e->t->pattern, text, size);
        if (!encode_word(e, text, length))
            return false;
        text += length;
        size -= length;
    }
    return true;
}

/* Cuts numbers out first, where the tokenizer says so. */
static bool encode_digits(Encoder *e, const char *text, size_t size)
{
    size_t start = 0, at = 0;
    while (at < size) {
        size_t number = split_number(text + at, size - at), more = number;
        if (!number) {
            int length;
            char_class((const unsigned char *)text + at, (const unsigned char *)text + size, &length);
            at += (size_t)length;
            continue;
        }
        while (e->t->digits == DIGITS_RUNS && more && at + number < size)
            number += more = split_number(text + at + number, size - at - number);
        if (!encode_words(e, text + start, at - start) || !encode_words(e, text + at, number))
            return false;
        start = at += number;
    }
    return encode_words(e, text + start, size - start);
}

static bool wants_prefix(const Tokenizer *t, const char *text, size_t size, bool first)
{
    bool there = text[0] == ' ' || (t->kind == TOKENIZER_CHARACTERS && size >= METASPACE_SIZE &&
                                    memcmp(text, METASPACE, METASPACE_SIZE) == 0);
    switch (t->prefix) {
    case PREFIX_NEVER: return false;
    case PREFIX_UNLESS_THERE: return !there;
    case PREFIX_FIRST: return first && !there;
    case PREFIX_ALWAYS: return true;
    }
    return false;
}

/* A copy of the text with the prefix space, spaces being U+2581 where the vocabulary has them so. */
static const char *prepared(Encoder *e, const char *text, size_t *size, bool prefix)
{
    bool metaspace = e->t->kind == TOKENIZER_CHARACTERS;
    size_t spaces = prefix, n = 0;
    for (size_t i = 0; i < *size && metaspace; i++)
        spaces += text[i] == ' ';
    char *copy = arena_alloc(&e->copies, *size + spaces * METASPACE_SIZE);
    for (size_t i = prefix ? (size_t)-1 : 0; i != *size; i++) {
        char c = i == (size_t)-1 ? ' ' : text[i];
        if (c == ' ' && metaspace) {
            memcpy(copy + n, METASPACE, METASPACE_SIZE);
            n += METASPACE_SIZE;
        } else {
            copy[n++] = c;
        }
    }
    *size = n;
    return copy;
}

/* Moves a text to where it stays as long as the encoder. */
static const char *kept(Encoder *e, Text *text, size_t *size)
{
    const char *copy = arena_copy(&e->copies, text_cstr(text), *size = text->size);
    text_free(text);
    return copy;
}

static const char *composed(Encoder *e, const char *text, size_t *size)
{
    Text out = {0};
    normalize_nfc(text, *size, &out);
    return kept(e, &out, size);
}

static bool encode_pieces(Encoder *e, const char *text, size_t size)
{
    Text out = {0};
    spm_prepare(e->t->spm, text, size, &out);
    text = kept(e, &out, &size);
    while (size) {
        size_t length = spm_word(e->t->spm, text, size);
        if (!encode_word(e, text, length))
            return false;
        text += length;
        size -= length;
    }
    return true;
}

/* A stretch of text without added tokens. first: it is at the start of the whole text. */
static bool encode_stretch(Encoder *e, const char *text, size_t size, bool first)
{
    if (!size)
        return true;
    if (e->t->spm)
        return encode_pieces(e, text, size);
    if (e->t->nfc)
        text = composed(e, text, &size);
    bool prefix = wants_prefix(e->t, text, size, first);
    if (prefix || e->t->kind == TOKENIZER_CHARACTERS)
        text = prepared(e, text, &size, prefix);
    return e->t->digits == DIGITS_STAY ? encode_words(e, text, size) : encode_digits(e, text, size);
}

/* Where special tokens may be: nowhere, wherever they stand, or where `plain` is 0. */
typedef struct Specials {
    bool found;
    const char *plain; /* NULL: everywhere */
} Specials;

static bool may_be_special(const Specials *s, size_t at, size_t size)
{
    for (size_t i = 0; s->found && s->plain && i < size; i++)
        if (s->plain[at + i])
            return false;
    return s->found;
}

/* The longest added token that begins at `at`, or NULL. */
static const AddedToken *added_at(const Tokenizer *t, const char *text, size_t size, size_t at,
                                  const Specials *specials)
{
    text += at;
    size -= at;
    int c = (unsigned char)*text;
    if (t->added.first[c] == t->added.first[c + 1])
        return NULL;
    PrefixWalk walk = prefix_walk(&t->added, text, size);
    const AddedToken *best = NULL;
    for (const AddedToken *token; (token = prefix_walk_next(&walk)) != NULL;)
        if (!token->special || may_be_special(specials, at, token->text.size))
            best = token;
    return best;
}

/* The size of the text without the white space at its end. */
static size_t without_end_space(const char *text, size_t size)
{
    size_t kept = 0;
    for (size_t at = 0; at < size;) {
        size_t space = split_space(text + at, size - at);
        int length = 0;
        if (!space) {
            char_class((const unsigned char *)text + at, (const unsigned char *)text + size, &length);
            kept = at + (size_t)length;
        }
        at += space + (size_t)length;
    }
    return kept;
}

static bool encode_text(Encoder *e, const char *text, size_t size, const Specials *specials)
{
    size_t start = 0, at = 0;
    while (at < size) {
        const AddedToken *token = e->t->added.count ? added_at(e->t, text, size, at, specials) : NULL;
        if (!token) {
            at++;
            continue;
        }
        size_t end = token->left ? start + without_end_space(text + start, at - start) : at;
        if (!encode_stretch(e, text + start, end - start, start == 0))
            return false;
        put(e, token->id);
        at += token->text.size;
        if (token->right)
            at += split_space(text + at, size - at);
        start = at;
    }
    return encode_stretch(e, text + start, size - start, start == 0);
}

static bool encode(const Tokenizer *t, const char *text, size_t size, Specials specials, int32_t **ids,
                   size_t *count, Error *err)
{
    /* Positions are 32 bits, and a prefix space or U+2581 makes a text longer. */
    if (size > INT32_MAX / 4)
        return error_set(err, "a text of %zu bytes is too long to encode at once (at most %d)", size,
                         INT32_MAX / 4);
    if (!size)
        return true;
    Encoder *e = xcalloc(1, sizeof *e);
    e->t = t;
    e->err = err;
    if (t->spm && t->spm->has_unused && !t->spm->unigram) {
        e->bpe.undo = xmalloc((size_t)t->size * sizeof *e->bpe.undo);
        memset(e->bpe.undo, 0xff, (size_t)t->size * sizeof *e->bpe.undo);
    }
    bool ok = encode_text(e, text, size, &specials);
    if (ok && e->count) {
        *ids = xrealloc(*ids, (*count + e->count) * sizeof **ids);
        memcpy(*ids + *count, e->ids, e->count * sizeof **ids);
        *count += e->count;
    }
    free(e->ids);
    bpe_free(&e->bpe);
    arena_free(&e->copies);
    free(e);
    return ok;
}

bool tokenizer_encode(const Tokenizer *t, const char *text, size_t size, bool parse_special, int32_t **ids,
                      size_t *count, Error *err)
{
    return encode(t, text, size, (Specials){parse_special, NULL}, ids, count, err);
}

bool tokenizer_encode_marked(const Tokenizer *t, const char *text, const char *plain, size_t size,
                             int32_t **ids, size_t *count, Error *err)
{
    return encode(t, text, size, (Specials){true, plain}, ids, count, err);
}

/* The space that was put before the text is taken away; of SentencePiece's where spaces collapse, all at the
 * start. What stands for an unknown character stays. */
void tokenizer_decode(const Tokenizer *t, const int32_t *ids, size_t count, Text *out)
{
    bool first = true, collapse = t->spm && t->spm->collapse_spaces;
    for (size_t i = 0; i < count; i++) {
        size_t size;
        const char *piece = tokenizer_piece(t, ids[i], &size);
        if (!piece || tokenizer_is_special(t, ids[i]))
            continue;
        bool prefix = first && t->prefix != PREFIX_NEVER && size && piece[0] == ' ' && ids[i] != t->unknown;
        text_add(out, piece + prefix, size - prefix);
        first = first && collapse && size == prefix;
    }
}

int tokenizer_vocab_size(const Tokenizer *t)
{
    return t->size;
}

const char *tokenizer_piece(const Tokenizer *t, int32_t id, size_t *length)
{
    bool known = id >= 0 && id < t->size;
    *length = known ? t->pieces[id].size : 0;
    return known ? t->pieces[id].data : NULL;
}

int32_t tokenizer_begin(const Tokenizer *t)
{
    return t->begin;
}

bool tokenizer_is_special(const Tokenizer *t, int32_t id)
{
    return id >= 0 && id < t->size && (t->flags[id] & TOKEN_SPECIAL);
}

int32_t tokenizer_find(const Tokenizer *t, const char *piece)
{
    size_t size = strlen(piece);
    for (int32_t id = 0; id < t->size; id++)
        if (t->pieces[id].data && t->pieces[id].size == size && memcmp(t->pieces[id].data, piece, size) == 0)
            return id;
    return -1;
}
