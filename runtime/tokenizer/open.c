/* Reads tokenizer.json: the model (vocabulary and merges) and the added tokens; config.c reads the rest. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer/alphabet.h"
#include "runtime/tokenizer/config.h"
#include "runtime/tokenizer/internal.h"
#include "runtime/tokenizer/spm.h"

/* Added tokens are looked for at every byte of a text; real ones have tens of bytes. */
enum { ADDED_TOKEN_MAX = 1024, QUOTED = 80 };

static const char *quoted(char out[QUOTED], const char *text)
{
    return error_quote(out, QUOTED, text, (long)strlen(text));
}

static bool read_id(const json_t *value, const char *what, const char *piece, size_t limit, int *highest,
                    Error *err)
{
    char shown[QUOTED];
    if (!json_is_integer(value))
        return error_set(err, "the id of %s \"%s\" is no integer", what, quoted(shown, piece));
    json_int_t id = json_integer_value(value);
    if (id < 0 || (uint64_t)id >= limit)
        return error_set(err, "the id of %s \"%s\" is %lld, but ids of this file must be 0..%zu", what,
                         quoted(shown, piece), (long long)id, limit - 1);
    if (id >= *highest)
        *highest = (int)id + 1;
    return true;
}

/* Finds the number of ids, all of which are checked here. Some files leave gaps; the bound only keeps a
 * made-up id from asking for memory that the file does not justify. */
static bool count_ids(Tokenizer *t, json_t *vocab, json_t *added, Error *err)
{
    size_t tokens = json_object_size(vocab) + json_array_size(added);
    size_t limit = tokens > INT32_MAX / 8 ? INT32_MAX / 4 : 2 * tokens + 65536;
    const char *key;
    json_t *value;
    size_t i;
    json_object_foreach(vocab, key, value) {
        if (!read_id(value, "token", key, limit, &t->size, err))
            return false;
    }
    json_array_foreach(added, i, value) {
        const char *content = json_string_value(json_object_get(value, "content"));
        if (!content)
            return error_set(err, "added token %zu has no \"content\"", i);
        if (!read_id(json_object_get(value, "id"), "added token", content, limit, &t->size, err))
            return false;
    }
    return true;
}

int config_byte_token(const char *key)
{
    static const char digits[] = "0123456789ABCDEF";
    if (strlen(key) != 6 || memcmp(key, "<0x", 3) != 0 || key[5] != '>' || !strchr(digits, key[3]) ||
        !strchr(digits, key[4]))
        return -1;
    return (int)(strchr(digits, key[3]) - digits) << 4 | (int)(strchr(digits, key[4]) - digits);
}

/* What a piece of a TOKENIZER_CHARACTERS vocabulary stands for. */
static Slice character_piece(Tokenizer *t, const char *key, int32_t id, bool byte_fallback)
{
    size_t size = strlen(key), n = 0;
    char *piece = arena_str(&t->arena, key, size);
    int byte = byte_fallback ? config_byte_token(key) : -1;
    if (byte >= 0) {
        t->byte_ids[byte] = id;
        piece[0] = (char)byte;
        return (Slice){piece, 1};
    }
    for (size_t i = 0; i < size; n++) {
        bool space = strncmp(key + i, METASPACE, METASPACE_SIZE) == 0;
        piece[n] = space ? ' ' : key[i];
        i += space ? METASPACE_SIZE : 1;
    }
    return (Slice){piece, (uint32_t)n};
}

static bool add_token(Tokenizer *t, const char *key, int32_t id, bool byte_fallback, Error *err)
{
    size_t size = strlen(key), length = size;
    char first[QUOTED], second[QUOTED];
    if (size > INT32_MAX)
        return error_set(err, "token %d is too long", (int)id);
    if (t->keys[id].data)
        return error_set(err, "tokens \"%s\" and \"%s\" have the same id %d",
                         error_quote(first, sizeof first, t->keys[id].data, t->keys[id].size),
                         quoted(second, key), (int)id);
    char *copy = arena_str(&t->arena, key, size);
    bool matches = true;
    if (t->kind == TOKENIZER_BYTES) {
        /* A piece outside the alphabet stands for itself; no text is merged to it. */
        matches = alphabet_decode(key, size, copy, &length);
        if (!matches)
            memcpy(copy, key, length = size);
    }
    t->keys[id] = (Slice){copy, (uint32_t)length};
    t->pieces[id] = t->kind == TOKENIZER_BYTES ? t->keys[id] : character_piece(t, key, id, byte_fallback);
    if (matches && size)
        piece_index_add(&t->index, t->keys, id);
    return true;
}

static bool read_vocab(Tokenizer *t, json_t *vocab, bool byte_fallback, Error *err)
{
    size_t size = (size_t)t->size;
    t->keys = arena_many(&t->arena, size, Slice);
    t->pieces = arena_many(&t->arena, size, Slice);
    t->flags = arena_many(&t->arena, size, uint8_t);
    memset(t->byte_ids, 0xff, sizeof t->byte_ids);
    piece_index_init(&t->index, json_object_size(vocab));

    const char *key;
    json_t *value;
    json_object_foreach(vocab, key, value) {
        if (!add_token(t, key, (int32_t)json_integer_value(value), byte_fallback, err))
            return false;
    }
    for (int byte = 0; byte < 256 && t->kind == TOKENIZER_BYTES; byte++)
        t->byte_ids[byte] = piece_index_find(&t->index, t->keys, &(char){(char)byte}, 1);
    return true;
}

/* The halves of a merge: "a b" or ["a", "b"]. */
static bool merge_halves(const json_t *merge, const char *half[2], size_t size[2])
{
    const char *text = json_string_value(merge);
    if (text) {
        const char *space = strchr(text, ' ');
        if (!space || strchr(space + 1, ' '))
            return false;
        half[0] = text;
        half[1] = space + 1;
        size[0] = (size_t)(space - text);
        size[1] = strlen(half[1]);
    } else {
        if (json_array_size(merge) != 2)
            return false;
        for (int i = 0; i < 2; i++) {
            half[i] = json_string_value(json_array_get(merge, (size_t)i));
            if (!half[i])
                return false;
            size[i] = strlen(half[i]);
        }
    }
    return size[0] && size[1];
}

static bool unknown_piece(size_t number, const char *piece, size_t size, Error *err)
{
    char shown[QUOTED];
    return error_set(err, "merge %zu needs the token \"%s\", which the vocabulary does not have", number,
                     error_quote(shown, sizeof shown, piece, (long)size));
}

static bool read_merge(Tokenizer *t, const json_t *merge, size_t number, Text *joined, Error *err)
{
    const char *half[2];
    size_t size[2];
    int32_t ids[2];
    if (!merge_halves(merge, half, size))
        return error_set(err, "merge %zu is neither \"left right\" nor [\"left\", \"right\"]", number);
    text_clear(joined);
    for (int i = 0; i < 2; i++) {
        size_t start = joined->size, length = size[i];
        text_add(joined, half[i], size[i]);
        if (t->kind == TOKENIZER_BYTES && !alphabet_decode(half[i], size[i], joined->data + start, &length))
            return unknown_piece(number, half[i], size[i], err);
        joined->size = start + length;
        ids[i] = piece_index_find(&t->index, t->keys, joined->data + start, length);
        if (ids[i] < 0)
            return unknown_piece(number, half[i], size[i], err);
    }
    int32_t id = piece_index_find(&t->index, t->keys, joined->data, joined->size);
    if (id < 0)
        return unknown_piece(number, joined->data, joined->size, err);
    if (!merge_table_add(&t->merges, (Merge){ids[0], ids[1], (int32_t)number - 1, id}))
        return error_set(err, "merge %zu repeats an earlier one", number);
    return true;
}

static bool read_merges(Tokenizer *t, json_t *merges, Error *err)
{
    if (!json_is_array(merges))
        return error_set(err, "the model has no list of \"merges\"");
    if (json_array_size(merges) > INT32_MAX / 4)
        return error_set(err, "the model has too many merges");
    merge_table_init(&t->merges, json_array_size(merges));
    Text joined = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < json_array_size(merges); i++)
        ok = read_merge(t, json_array_get(merges, i), i + 1, &joined, err);
    text_free(&joined);
    return ok;
}

/* Whether an added token may have the id of this piece: they read the same, or did in the file. */
static bool same_text(const Tokenizer *t, const Slice *piece, const char *content)
{
    char decoded[ADDED_TOKEN_MAX];
    size_t size = strlen(content);
    if (piece->size == size && memcmp(piece->data, content, size) == 0)
        return true;
    return t->kind == TOKENIZER_BYTES && alphabet_decode(content, size, decoded, &size) &&
           piece->size == size && memcmp(piece->data, decoded, size) == 0;
}

static bool read_added_token(Tokenizer *t, json_t *entry, AddedToken *token, Error *err)
{
    const char *content = json_string_value(json_object_get(entry, "content"));
    size_t size = strlen(content);
    char shown[QUOTED], other[QUOTED];
    bool single_word;
    if (!size || size > ADDED_TOKEN_MAX)
        return error_set(err, "added token \"%s\" has %zu bytes; 1..%d can be used", quoted(shown, content),
                         size, ADDED_TOKEN_MAX);
    token->text = (Slice){arena_str(&t->arena, content, size), (uint32_t)size};
    token->id = (int32_t)json_integer_value(json_object_get(entry, "id"));
    if (!config_flag(entry, "special", false, &token->special, err) ||
        !config_flag(entry, "lstrip", false, &token->left, err) ||
        !config_flag(entry, "rstrip", false, &token->right, err) ||
        !config_flag(entry, "single_word", false, &single_word, err))
        return error_prefix(err, "added token \"%s\"", quoted(shown, content));
    if (single_word)
        return error_set(err, "added token \"%s\" is \"single_word\", which is not supported",
                         quoted(shown, content));
    Slice *piece = &t->pieces[token->id];
    if (piece->data && !same_text(t, piece, content))
        return error_set(err, "added token \"%s\" has the id %d of token \"%s\"", quoted(shown, content),
                         (int)token->id, error_quote(other, sizeof other, piece->data, piece->size));
    *piece = token->text;
    t->flags[token->id] |= (uint8_t)(TOKEN_ADDED | (token->special ? TOKEN_SPECIAL : 0));
    return true;
}

static bool read_added(Tokenizer *t, json_t *added, Error *err)
{
    size_t count = json_array_size(added);
    char shown[QUOTED];
    t->added = (TokenSet){.tokens = arena_many(&t->arena, count, AddedToken), .count = (int)count};
    for (size_t i = 0; i < count; i++)
        if (!read_added_token(t, json_array_get(added, i), &t->added.tokens[i], err))
            return false;
    const AddedToken *twice = token_set_index(&t->added);
    return !twice || error_set(err, "the added token \"%s\" is there twice", quoted(shown, twice->text.data));
}

/* Options of the BPE model that change its answers. */
static bool read_options(Tokenizer *t, json_t *model, bool *byte_fallback, Error *err)
{
    const char *affix[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (int i = 0; i < 2; i++) {
        const json_t *value = json_object_get(model, affix[i]);
        if (value && !json_is_null(value) && json_string_length(value) + !json_is_string(value))
            return error_set(err, "the model's \"%s\" is not supported", affix[i]);
    }
    const json_t *dropout = json_object_get(model, "dropout");
    if (dropout && !json_is_null(dropout) && !(json_is_number(dropout) && json_number_value(dropout) == 0))
        return error_set(err, "the model's \"dropout\" is for training and not supported; set it to null");
    return config_flag(model, "byte_fallback", false, byte_fallback, err) &&
           config_flag(model, "fuse_unk", false, &t->fuse_unknown, err) &&
           config_flag(model, "ignore_merges", false, &t->whole_words, err);
}

static bool read_unknown(Tokenizer *t, json_t *model, Error *err)
{
    const json_t *value = json_object_get(model, "unk_token");
    char shown[QUOTED];
    t->unknown = -1;
    if (!value || json_is_null(value))
        return true;
    const char *piece = json_string_value(value);
    if (!piece)
        return error_set(err, "the model's \"unk_token\" is no string");
    t->unknown = piece_index_find(&t->index, t->keys, piece, strlen(piece));
    if (t->unknown < 0)
        return error_set(err, "the model's unknown token \"%s\" is not in its vocabulary",
                         quoted(shown, piece));
    return true;
}

static bool read_model(Tokenizer *t, json_t *model, json_t *added, Error *err)
{
    const char *type = json_string_value(json_object_get(model, "type"));
    json_t *vocab = json_object_get(model, "vocab");
    char shown[QUOTED];
    bool byte_fallback;
    if (!json_is_object(model))
        return error_set(err, "there is no \"model\"");
    if (type && strcmp(type, "BPE") != 0) /* early files name no type and are BPE */
        return error_set(err, "tokenizers of the kind \"%s\" are not supported; BPE is", quoted(shown, type));
    if (!json_is_object(vocab) || !json_object_size(vocab))
        return error_set(err, "the model has no \"vocab\"");
    if (added && !json_is_null(added) && !json_is_array(added))
        return error_set(err, "\"added_tokens\" is no list");
    return read_options(t, model, &byte_fallback, err) && count_ids(t, vocab, added, err) &&
           read_vocab(t, vocab, byte_fallback, err) && read_unknown(t, model, err) &&
           read_merges(t, json_object_get(model, "merges"), err) && read_added(t, added, err);
}

static bool read_file(Tokenizer *t, json_t *root, Error *err)
{
    json_t *model = json_object_get(root, "model");
    const char *type = json_string_value(json_object_get(model, "type"));
    t->begin = -1;
    if (!json_is_object(root))
        return error_set(err, "a tokenizer.json is a JSON object, this is none");
    if (type && strcmp(type, "SentencePiece") == 0)
        return spm_read(t, model, err);
    if (!config_read(t, root, err) || !read_model(t, model, json_object_get(root, "added_tokens"), err))
        return false;
    t->begin = config_begin(root);
    return t->begin < t->size || error_set(err, "the token %d that texts begin with is none", (int)t->begin);
}

Tokenizer *tokenizer_open(const char *json, size_t size, Error *err)
{
    json_error_t problem;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, &problem);
    if (!root) {
        char shown[200];
        error_set(err, "not valid JSON: line %d, column %d: %s", problem.line, problem.column,
                  error_quote(shown, sizeof shown, problem.text, (long)strlen(problem.text)));
        return NULL;
    }
    Tokenizer *t = xcalloc(1, sizeof *t);
    bool ok = read_file(t, root, err);
    json_decref(root);
    if (ok)
        return t;
    tokenizer_close(t);
    return NULL;
}

void tokenizer_close(Tokenizer *t)
{
    if (!t)
        return;
    spm_close(t->spm);
    piece_index_free(&t->index);
    merge_table_free(&t->merges);
    arena_free(&t->arena);
    free(t);
}
