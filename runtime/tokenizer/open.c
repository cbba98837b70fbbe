/* Reads tokenizer.json: the model (vocabulary and merges) and the added tokens; config.c reads the rest. */
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

static bool read_id(const JsonNode *value, const char *what, const char *piece, size_t limit, int *highest,
                    Error *err)
{
    char shown[QUOTED];
    if (!json_node_is(value, JSON_NODE_INTEGER))
        return error_set(err, "the id of %s \"%s\" is no integer", what, quoted(shown, piece));
    if (value->integer < 0 || (uint64_t)value->integer >= limit)
        return error_set(err, "the id of %s \"%s\" is %lld, but ids of this file must be 0..%zu", what,
                         quoted(shown, piece), (long long)value->integer, limit - 1);
    if (value->integer >= *highest)
        *highest = (int)value->integer + 1;
    return true;
}

/* Finds the number of ids, all of which are checked here. Some files leave gaps; the bound only keeps a
 * made-up id from asking for memory that the file does not justify. */
static bool count_ids(Tokenizer *t, const JsonNode *vocab, const JsonNode *added, Error *err)
{
    size_t tokens = (size_t)vocab->size + (added ? added->size : 0), i = 0;
    size_t limit = tokens > INT32_MAX / 8 ? INT32_MAX / 4 : 2 * tokens + 65536;
    JSON_NODE_MEMBERS(key, vocab) {
        if (!read_id(key + 1, "token", key->text, limit, &t->size, err))
            return false;
    }
    JSON_NODE_EACH(value, added) {
        const char *content = json_node_text(json_node_get(value, "content"));
        if (!content)
            return error_set(err, "added token %zu has no \"content\"", i);
        if (!read_id(json_node_get(value, "id"), "added token", content, limit, &t->size, err))
            return false;
        i++;
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
static Slice character_piece(Tokenizer *t, Slice key, int32_t id, bool byte_fallback)
{
    int byte = byte_fallback ? config_byte_token(key.data) : -1;
    if (byte >= 0) {
        t->byte_ids[byte] = id;
        return (Slice){arena_copy(&t->arena, &(char){(char)byte}, 1), 1};
    }
    return key_to_piece(&t->arena, key, (Slice){METASPACE, METASPACE_SIZE});
}

Slice key_to_piece(Arena *arena, Slice key, Slice space)
{
    if (*space.data == ' ' || !strstr(key.data, space.data))
        return key;
    char *piece = arena_str(arena, key.data, key.size);
    size_t n = 0;
    for (size_t i = 0; i < key.size; n++) {
        bool here = strncmp(key.data + i, space.data, space.size) == 0;
        piece[n] = here ? ' ' : key.data[i];
        i += here ? space.size : 1;
    }
    return (Slice){piece, (uint32_t)n};
}

/* The key that a piece is matched by, which takes the piece's place in the file's text. False where a piece
 * is outside the alphabet: it stands for itself, and no text is merged to it. */
static bool to_key(const Tokenizer *t, Slice *piece, Text *scratch)
{
    size_t length;
    if (t->kind == TOKENIZER_CHARACTERS)
        return true;
    text_clear(scratch);
    text_add(scratch, piece->data, piece->size);
    if (!alphabet_decode(piece->data, piece->size, scratch->data, &length))
        return false;
    memcpy(t->text + (piece->data - t->text), scratch->data, length);
    piece->size = (uint32_t)length;
    return true;
}

static bool add_token(Tokenizer *t, Slice key, int32_t id, bool byte_fallback, Text *scratch, Error *err)
{
    char first[QUOTED], second[QUOTED];
    if (t->keys[id].data)
        return error_set(err, "tokens \"%s\" and \"%s\" have the same id %d",
                         error_quote(first, sizeof first, t->keys[id].data, t->keys[id].size),
                         error_quote(second, sizeof second, key.data, key.size), (int)id);
    bool matches = to_key(t, &key, scratch);
    t->keys[id] = key;
    if (t->kind == TOKENIZER_CHARACTERS)
        t->pieces[id] = character_piece(t, key, id, byte_fallback);
    if (matches && key.size && piece_index_add(&t->index, t->keys, id))
        t->flags[id] = TOKEN_INDEXED;
    return true;
}

static bool read_vocab(Tokenizer *t, const JsonNode *vocab, bool byte_fallback, Error *err)
{
    size_t size = (size_t)t->size;
    t->keys = arena_many(&t->arena, size, Slice);
    t->pieces = t->kind == TOKENIZER_BYTES ? t->keys : arena_many(&t->arena, size, Slice);
    t->flags = arena_many(&t->arena, size, uint8_t);
    memset(t->byte_ids, 0xff, sizeof t->byte_ids);
    piece_index_init(&t->index, vocab->size);
    Text scratch = {0};
    bool ok = true;
    JSON_NODE_MEMBERS(key, vocab) {
        ok = ok && add_token(t, (Slice){key->text, key->size}, (int32_t)key[1].integer, byte_fallback,
                             &scratch, err);
    }
    text_free(&scratch);
    for (int byte = 0; byte < 256 && t->kind == TOKENIZER_BYTES; byte++)
        t->byte_ids[byte] = piece_index_find(&t->index, t->keys, &(char){(char)byte}, 1);
    return ok;
}

/* The halves of a merge: "a b" or ["a", "b"]. */
static bool merge_halves(const JsonNode *merge, Slice half[2])
{
    if (merge->kind == JSON_NODE_TEXT) {
        const char *space = memchr(merge->text, ' ', merge->size), *end = merge->text + merge->size;
        if (!space || memchr(space + 1, ' ', (size_t)(end - space - 1)))
            return false;
        half[0] = (Slice){merge->text, (uint32_t)(space - merge->text)};
        half[1] = (Slice){space + 1, (uint32_t)(end - space - 1)};
    } else {
        if (merge->kind != JSON_NODE_LIST || merge->size != 2)
            return false;
        for (int i = 0; i < 2; i++) {
            const JsonNode *text = i ? json_node_next(merge + 1) : merge + 1;
            if (text->kind != JSON_NODE_TEXT)
                return false;
            half[i] = (Slice){text->text, text->size};
        }
    }
    return half[0].size && half[1].size;
}

static bool unknown_piece(size_t number, const char *piece, size_t size, Error *err)
{
    char shown[QUOTED];
    return error_set(err, "merge %zu needs the token \"%s\", which the vocabulary does not have", number,
                     error_quote(shown, sizeof shown, piece, (long)size));
}

/* The id of what a merge makes, or -1. Most vocabularies number it next to what the merge before makes. */
static int32_t find_made(const Tokenizer *t, const char *text, size_t size)
{
    const MergeTable *m = &t->merges;
    int32_t next = m->count ? m->merges[m->count - 1].id + 1 : t->size;
    bool here = next < t->size && (t->flags[next] & TOKEN_INDEXED) && t->keys[next].size == size &&
                memcmp(t->keys[next].data, text, size) == 0;
    return here ? next : piece_index_find(&t->index, t->keys, text, size);
}

static bool read_merge(Tokenizer *t, const JsonNode *merge, size_t number, Text *joined, Error *err)
{
    Slice half[2];
    int32_t ids[2];
    if (!merge_halves(merge, half))
        return error_set(err, "merge %zu is neither \"left right\" nor [\"left\", \"right\"]", number);
    text_clear(joined);
    for (int i = 0; i < 2; i++) {
        size_t start = joined->size, length = half[i].size;
        text_add(joined, half[i].data, half[i].size);
        if (t->kind == TOKENIZER_BYTES &&
            !alphabet_decode(half[i].data, half[i].size, joined->data + start, &length))
            return unknown_piece(number, half[i].data, half[i].size, err);
        joined->size = start + length;
        ids[i] = piece_index_find(&t->index, t->keys, joined->data + start, length);
        if (ids[i] < 0)
            return unknown_piece(number, half[i].data, half[i].size, err);
    }
    int32_t id = find_made(t, joined->data, joined->size);
    if (id < 0)
        return unknown_piece(number, joined->data, joined->size, err);
    if (!merge_table_add(&t->merges, (Merge){ids[0], ids[1], (int32_t)number - 1, id}))
        return error_set(err, "merge %zu repeats an earlier one", number);
    return true;
}

static bool read_merges(Tokenizer *t, const JsonNode *merges, Error *err)
{
    if (!json_node_is(merges, JSON_NODE_LIST))
        return error_set(err, "the model has no list of \"merges\"");
    merge_table_init(&t->merges, merges->size);
    Text joined = {0};
    bool ok = true;
    size_t number = 0;
    JSON_NODE_EACH(merge, merges) {
        ok = read_merge(t, merge, ++number, &joined, err);
        if (!ok)
            break;
    }
    text_free(&joined);
    return ok;
}

static bool same_bytes(Slice a, Slice b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
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

static bool read_added_token(Tokenizer *t, const JsonNode *entry, AddedToken *token, Error *err)
{
    const char *content = json_node_text(json_node_get(entry, "content"));
    size_t size = strlen(content);
    char shown[QUOTED], other[QUOTED];
    bool single_word;
    if (!size || size > ADDED_TOKEN_MAX)
        return error_set(err, "added token \"%s\" has %zu bytes; 1..%d can be used", quoted(shown, content),
                         size, ADDED_TOKEN_MAX);
    token->text = (Slice){arena_str(&t->arena, content, size), (uint32_t)size};
    token->id = (int32_t)json_node_get(entry, "id")->integer;
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
    if (t->pieces == t->keys && piece->data && !same_bytes(*piece, token->text)) {
        t->pieces = arena_copy(&t->arena, t->keys, (size_t)t->size * sizeof *t->keys);
        piece = &t->pieces[token->id];
    }
    *piece = token->text;
    t->flags[token->id] |= (uint8_t)(TOKEN_ADDED | (token->special ? TOKEN_SPECIAL : 0));
    return true;
}

static bool read_added(Tokenizer *t, const JsonNode *added, Error *err)
{
    size_t count = added ? added->size : 0;
    AddedToken *token;
    char shown[QUOTED];
    t->added = (TokenSet){.tokens = arena_many(&t->arena, count, AddedToken), .count = (int)count};
    token = t->added.tokens;
    JSON_NODE_EACH(entry, added) {
        if (!read_added_token(t, entry, token++, err))
            return false;
    }
    const AddedToken *twice = token_set_index(&t->added);
    return !twice || error_set(err, "the added token \"%s\" is there twice", quoted(shown, twice->text.data));
}

static bool is_null(const JsonNode *value)
{
    return !value || value->kind == JSON_NODE_NULL;
}

/* Options of the BPE model that change its answers. */
static bool read_options(Tokenizer *t, const JsonNode *model, bool *byte_fallback, Error *err)
{
    const char *affix[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (int i = 0; i < 2; i++) {
        const JsonNode *value = json_node_get(model, affix[i]);
        if (!is_null(value) && !(value->kind == JSON_NODE_TEXT && !value->size))
            return error_set(err, "the model's \"%s\" is not supported", affix[i]);
    }
    const JsonNode *dropout = json_node_get(model, "dropout");
    if (!is_null(dropout) && !(json_node_is_number(dropout) && json_node_number(dropout) == 0))
        return error_set(err, "the model's \"dropout\" is for training and not supported; set it to null");
    return config_flag(model, "byte_fallback", false, byte_fallback, err) &&
           config_flag(model, "fuse_unk", false, &t->fuse_unknown, err) &&
           config_flag(model, "ignore_merges", false, &t->whole_words, err);
}

static bool read_unknown(Tokenizer *t, const JsonNode *model, Error *err)
{
    const JsonNode *value = json_node_get(model, "unk_token");
    char shown[QUOTED];
    t->unknown = -1;
    if (is_null(value))
        return true;
    const char *piece = json_node_text(value);
    if (!piece)
        return error_set(err, "the model's \"unk_token\" is no string");
    t->unknown = piece_index_find(&t->index, t->keys, piece, value->size);
    if (t->unknown < 0)
        return error_set(err, "the model's unknown token \"%s\" is not in its vocabulary",
                         quoted(shown, piece));
    return true;
}

static bool read_model(Tokenizer *t, const JsonNode *model, const JsonNode *added, Error *err)
{
    const char *type = json_node_text(json_node_get(model, "type"));
    const JsonNode *vocab = json_node_get(model, "vocab");
    char shown[QUOTED];
    bool byte_fallback;
    if (!json_node_is(model, JSON_NODE_OBJECT))
        return error_set(err, "there is no \"model\"");
    if (type && strcmp(type, "BPE") != 0) /* early files name no type and are BPE */
        return error_set(err, "tokenizers of the kind \"%s\" are not supported; BPE is", quoted(shown, type));
    if (!json_node_is(vocab, JSON_NODE_OBJECT) || !vocab->size)
        return error_set(err, "the model has no \"vocab\"");
    if (is_null(added))
        added = NULL;
    else if (added->kind != JSON_NODE_LIST)
        return error_set(err, "\"added_tokens\" is no list");
    return read_options(t, model, &byte_fallback, err) && count_ids(t, vocab, added, err) &&
           read_vocab(t, vocab, byte_fallback, err) && read_unknown(t, model, err) &&
           read_merges(t, json_node_get(model, "merges"), err) && read_added(t, added, err);
}

static bool read_file(Tokenizer *t, const JsonNode *root, Error *err)
{
    const JsonNode *model = json_node_get(root, "model");
    const char *type = json_node_text(json_node_get(model, "type"));
    t->begin = -1;
    if (root->kind != JSON_NODE_OBJECT)
        return error_set(err, "a tokenizer.json is a JSON object, this is none");
    if (type && strcmp(type, "SentencePiece") == 0)
        return spm_read(t, model, err);
    if (!config_read(t, root, err) || !read_model(t, model, json_node_get(root, "added_tokens"), err))
        return false;
    t->begin = config_begin(root);
    return t->begin < t->size || error_set(err, "the token %d that texts begin with is none", (int)t->begin);
}

Tokenizer *tokenizer_open(const char *json, size_t size, Error *err)
{
    JsonTree tree;
    if (!json_tree_read(&tree, json, size, err)) {
        error_prefix(err, "not valid JSON");
        return NULL;
    }
    Tokenizer *t = xcalloc(1, sizeof *t);
    t->text = tree.text;
    tree.text = NULL;
    bool ok = read_file(t, tree.nodes, err);
    json_tree_free(&tree);
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
    free(t->text);
    piece_index_free(&t->index);
    merge_table_free(&t->merges);
    arena_free(&t->arena);
    free(t);
}
