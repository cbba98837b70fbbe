/* Reads the second layout of tokenizer.json. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer/classes.h"
#include "runtime/tokenizer/config.h"
#include "runtime/tokenizer/spm.h"

enum { QUOTED = 80 };

const char *const piece_kind_names[PIECE_KINDS] = {NULL,   "normal", "unknown", "control",
                                                   "user", "unused", "byte"};

/* Whether a text may hold the piece. */
static bool is_text(PieceKind kind)
{
    return kind == PIECE_NORMAL || kind == PIECE_USER_DEFINED || kind == PIECE_UNUSED;
}

static bool bad_piece(int32_t id, const char *text, const char *problem, Error *err)
{
    char shown[QUOTED];
    return error_set(err, "piece %d, \"%s\", %s", (int)id,
                     error_quote(shown, sizeof shown, text, (long)strlen(text)), problem);
}

static bool read_kind(const JsonNode *value, PieceKind *kind)
{
    const char *name = json_node_text(value);
    *kind = PIECE_NORMAL;
    if (!value)
        return true;
    for (int k = 1; k < PIECE_KINDS && name; k++) {
        *kind = (PieceKind)k;
        if (strcmp(piece_kind_names[k], name) == 0)
            return true;
    }
    return false;
}

static bool add_byte(Tokenizer *t, int32_t id, Error *err)
{
    const char *name = t->keys[id].data;
    int byte = config_byte_token(name);
    if (byte < 0)
        return bad_piece(id, name, "is of the kind \"byte\" but not called <0xNN>", err);
    if (t->byte_ids[byte] >= 0)
        return bad_piece(id, name, "is there twice", err);
    t->byte_ids[byte] = id;
    t->pieces[id] = (Slice){arena_copy(&t->arena, &(char){(char)byte}, 1), 1};
    return true;
}

static bool add_piece(Tokenizer *t, int32_t id, PieceKind kind, Slice unknown, Error *err)
{
    const Slice key = t->keys[id];
    switch (kind) {
    case PIECE_UNKNOWN:
        if (t->unknown >= 0)
            return bad_piece(id, key.data, "is a second unknown piece", err);
        t->unknown = id;
        t->pieces[id] = unknown;
        return true;
    case PIECE_BYTE: return add_byte(t, id, err);
    case PIECE_CONTROL:
        t->pieces[id] = key;
        t->flags[id] = TOKEN_SPECIAL;
        break;
    default:
        t->pieces[id] = key_to_piece(&t->arena, key, t->spm->space);
        t->spm->has_unused |= kind == PIECE_UNUSED;
        if (key.size && !piece_index_add(&t->index, t->keys, id))
            return bad_piece(id, key.data, "is there twice", err);
    }
    if (key.size > PIECE_MAX)
        return error_set(err, "piece %d has %u bytes; %d can be used", (int)id, (unsigned)key.size,
                         PIECE_MAX);
    return true;
}

static bool read_piece(Tokenizer *t, const JsonNode *entry, int32_t id, Slice unknown, Error *err)
{
    const JsonNode *key = json_node_first(entry),
                   *score = key && entry->size > 1 ? json_node_next(key) : NULL;
    const char *text = json_node_text(key);
    PieceKind kind;
    if (!text || !json_node_is_number(score) || entry->size > 3 ||
        !read_kind(entry->size == 3 ? score + 1 : NULL, &kind))
        return error_set(err, "piece %d is not [\"text\", score] or [\"text\", score, \"kind\"]", (int)id);
    if (!(fabs(json_node_number(score)) <= FLT_MAX))
        return bad_piece(id, text, "has no score that can be used", err);
    t->keys[id] = (Slice){text, key->size};
    t->spm->kinds[id] = (uint8_t)kind;
    t->spm->scores[id] = (float)json_node_number(score);
    return add_piece(t, id, kind, unknown, err);
}

static bool read_pieces(Tokenizer *t, const JsonNode *list, Slice unknown, Error *err)
{
    size_t count = json_node_is(list, JSON_NODE_LIST) ? list->size : 0, bytes = 0;
    int32_t id = 0;
    if (!count)
        return error_set(err, "the model has no list of \"pieces\"");
    t->size = (int)count;
    t->keys = arena_many(&t->arena, count, Slice);
    t->pieces = arena_many(&t->arena, count, Slice);
    t->flags = arena_many(&t->arena, count, uint8_t);
    t->spm->kinds = arena_many(&t->arena, count, uint8_t);
    t->spm->scores = arena_many(&t->arena, count, float);
    t->unknown = -1;
    memset(t->byte_ids, 0xff, sizeof t->byte_ids);
    piece_index_init(&t->index, count);
    JSON_NODE_EACH(entry, list) {
        if (!read_piece(t, entry, id++, unknown, err))
            return false;
    }
    for (int byte = 0; byte < 256; byte++)
        bytes += t->byte_ids[byte] >= 0;
    if (bytes && bytes != 256)
        return error_set(err, "there are %zu pieces for single bytes; it must be all 256 or none", bytes);
    return true;
}

/* The pieces of some kinds as a set to be found in texts. */
static bool collect(Tokenizer *t, TokenSet *set, unsigned kinds, Error *err)
{
    int count = 0;
    for (int id = 0; id < t->size; id++)
        count += (kinds >> t->spm->kinds[id] & 1) && t->keys[id].size;
    *set = (TokenSet){.tokens = arena_many(&t->arena, (size_t)count, AddedToken), .count = count};
    for (int id = count = 0; id < t->size; id++)
        if ((kinds >> t->spm->kinds[id] & 1) && t->keys[id].size)
            set->tokens[count++] = (AddedToken){t->keys[id], id, t->flags[id] & TOKEN_SPECIAL, false, false};
    const AddedToken *twice = token_set_index(set);
    return !twice || bad_piece(twice->id, twice->text.data, "is there twice", err);
}

/* ---- byte pair encoding ---- */

int32_t spm_part(const Tokenizer *t, const char *text, size_t size)
{
    const Spm *s = t->spm;
    int32_t part = s->part_count ? piece_index_find(&s->part_index, s->parts, text, size) : -1;
    return part < 0 ? -1 : t->size + part;
}

static void add_part(Tokenizer *t, const char *text, size_t size)
{
    Spm *s = t->spm;
    if (piece_index_find(&t->index, t->keys, text, size) >= 0 || spm_part(t, text, size) >= 0)
        return;
    if (!s->part_count)
        piece_index_init(&s->part_index, 2 * (size_t)t->size); /* first and last characters of all pieces */
    arena_push(&t->arena, s->parts, s->part_count, s->part_cap, ((Slice){text, (uint32_t)size}));
    piece_index_add(&s->part_index, s->parts, (int32_t)s->part_count - 1);
}

static bool merges_to(const Spm *s, int32_t id)
{
    return s->kinds[id] == PIECE_NORMAL || s->kinds[id] == PIECE_UNUSED;
}

/* What pieces of several characters begin and end with. */
static void find_parts(Tokenizer *t)
{
    for (int32_t id = 0; id < t->size; id++) {
        const Slice key = t->keys[id];
        size_t first = 1, last = key.size;
        while (first < key.size && ((unsigned char)key.data[first] & 0xc0) == 0x80)
            first++;
        if (first >= key.size || !merges_to(t->spm, id))
            continue;
        do
            last--;
        while (((unsigned char)key.data[last] & 0xc0) == 0x80);
        add_part(t, key.data, first);
        add_part(t, key.data + last, key.size - last);
    }
}

/* Better scores are lower ranks, equal ones are equal: a float's bits are in its order, but for the sign. */
static int32_t rank_of(float score)
{
    int32_t bits;
    score += 0.0f; /* -0 is 0 */
    memcpy(&bits, &score, sizeof bits);
    return ~(bits < 0 ? bits ^ INT32_MAX : bits);
}

/* A user-defined piece is cut out before, so that nothing merges with it or to it. */
static Slice mergeable(const Tokenizer *t, int32_t symbol)
{
    if (symbol >= t->size)
        return t->spm->parts[symbol - t->size];
    return merges_to(t->spm, symbol) ? t->keys[symbol] : (Slice){NULL, 0};
}

bool spm_merge(const Tokenizer *t, int32_t left, int32_t right, Merge *merge)
{
    Slice a = mergeable(t, left), b = mergeable(t, right);
    char joined[PIECE_MAX];
    if (!a.size || !b.size || a.size + b.size > PIECE_MAX)
        return false;
    memcpy(joined, a.data, a.size);
    memcpy(joined + a.size, b.data, b.size);
    int32_t id = piece_index_find(&t->index, t->keys, joined, a.size + b.size);
    if (id < 0 || !merges_to(t->spm, id))
        return false;
    *merge = (Merge){left, right, rank_of(t->spm->scores[id]), id};
    return true;
}

/* Whether a space stands in the piece after something else. */
static bool reaches_into_space(const Tokenizer *t, Slice key)
{
    Slice space = t->spm->space;
    bool other = false;
    for (size_t i = 0; i < key.size;) {
        bool here = key.size - i >= space.size && memcmp(key.data + i, space.data, space.size) == 0;
        if (here && other)
            return true;
        other = other || !here;
        i += here ? space.size : 1;
    }
    return false;
}

/* Where the space itself is no piece, unknown tokens might be fused across it. What an unused piece is taken
 * apart to depends on the whole text. */
static bool words_stand_alone(const Tokenizer *t)
{
    if (t->spm->has_unused ||
        piece_index_find(&t->index, t->keys, t->spm->space.data, t->spm->space.size) < 0)
        return false;
    for (int32_t id = 0; id < t->size; id++)
        if (is_text((PieceKind)t->spm->kinds[id]) && reaches_into_space(t, t->keys[id]))
            return false;
    return true;
}

/* ---- unigram ---- */

/* A character that is no piece costs 10 more than the worst piece. The best score is at least FLT_MIN, which
 * SentencePiece starts from. */
static bool make_unigram(Tokenizer *t, Error *err)
{
    Spm *s = t->spm;
    float worst = FLT_MAX;
    s->best_score = FLT_MIN;
    for (int32_t id = 0; id < t->size; id++) {
        if (s->kinds[id] != PIECE_NORMAL)
            continue;
        worst = s->scores[id] < worst ? s->scores[id] : worst;
        s->best_score = s->scores[id] > s->best_score ? s->scores[id] : s->best_score;
    }
    s->unknown_score = worst - 10.0f;
    return collect(t, &s->normal, 1u << PIECE_NORMAL | 1u << PIECE_USER_DEFINED, err);
}

/* ---- the whole ---- */

static bool read_begin(Tokenizer *t, const JsonNode *value, Error *err)
{
    if (!value || value->kind == JSON_NODE_NULL)
        return true;
    if (value->kind != JSON_NODE_INTEGER || value->integer < 0 || value->integer >= t->size)
        return error_set(err, "the model's \"begin\" is no id of a piece");
    t->begin = (int32_t)value->integer;
    return true;
}

static bool read_rules(Tokenizer *t, const JsonNode *model, Error *err)
{
    const char *algorithm = json_node_text(json_node_get(model, "algorithm"));
    Spm *s = t->spm;
    bool escape;
    if (!config_flag(model, "dummy_prefix", true, &s->dummy_prefix, err) ||
        !config_flag(model, "collapse_spaces", true, &s->collapse_spaces, err) ||
        !config_flag(model, "escape_spaces", true, &escape, err))
        return false;
    if (!algorithm || (strcmp(algorithm, "BPE") != 0 && strcmp(algorithm, "Unigram") != 0))
        return error_set(err, "the model's \"algorithm\" is neither \"BPE\" nor \"Unigram\"");
    s->unigram = *algorithm == 'U';
    s->space = escape ? (Slice){METASPACE, METASPACE_SIZE} : (Slice){" ", 1};
    t->kind = TOKENIZER_CHARACTERS;
    t->fuse_unknown = true;
    t->prefix = s->dummy_prefix || s->collapse_spaces ? PREFIX_ALWAYS : PREFIX_NEVER;
    return true;
}

void spm_close(Spm *s)
{
    if (s)
        piece_index_free(&s->part_index);
}

bool spm_read(Tokenizer *t, const JsonNode *model, Error *err)
{
    t->spm = arena_new(&t->arena, Spm);
    const char *unknown = json_node_text(json_node_get(model, "unknown_text"));
    size_t size = unknown ? strlen(unknown) : 0;
    if (size > PIECE_MAX)
        return error_set(err, "\"unknown_text\" has %zu bytes; %d can be used", size, PIECE_MAX);
    Slice unknown_text = {arena_str(&t->arena, unknown ? unknown : "", size), (uint32_t)size};
    if (!read_rules(t, model, err) || !read_pieces(t, json_node_get(model, "pieces"), unknown_text, err) ||
        !read_begin(t, json_node_get(model, "begin"), err) ||
        !collect(t, &t->added, 1u << PIECE_CONTROL, err) ||
        !collect(t, &t->spm->user, 1u << PIECE_USER_DEFINED, err))
        return false;
    if (t->spm->unigram)
        return make_unigram(t, err);
    find_parts(t);
    t->spm->cut_words = words_stand_alone(t);
    return true;
}
