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

static bool read_kind(const json_t *value, PieceKind *kind)
{
    const char *name = json_string_value(value);
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

/* The piece with " " for what stands for it. */
static Slice spaced(Tokenizer *t, Slice key)
{
    Slice space = t->spm->space;
    char *piece = arena_str(&t->arena, key.data, key.size);
    size_t n = 0;
    for (size_t i = 0; i < key.size; n++) {
        bool here = key.size - i >= space.size && memcmp(key.data + i, space.data, space.size) == 0;
        piece[n] = here ? ' ' : key.data[i];
        i += here ? space.size : 1;
    }
    return (Slice){piece, (uint32_t)n};
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
        t->pieces[id] = spaced(t, key);
        t->spm->has_unused |= kind == PIECE_UNUSED;
        if (key.size && !piece_index_add(&t->index, t->keys, id))
            return bad_piece(id, key.data, "is there twice", err);
    }
    if (key.size > PIECE_MAX)
        return error_set(err, "piece %d has %u bytes; %d can be used", (int)id, (unsigned)key.size,
                         PIECE_MAX);
    return true;
}

static bool read_piece(Tokenizer *t, const json_t *entry, int32_t id, Slice unknown, Error *err)
{
    const json_t *score = json_array_get(entry, 1);
    const char *text = json_string_value(json_array_get(entry, 0));
    PieceKind kind;
    if (!text || !json_is_number(score) || json_array_size(entry) > 3 ||
        !read_kind(json_array_get(entry, 2), &kind))
        return error_set(err, "piece %d is not [\"text\", score] or [\"text\", score, \"kind\"]", (int)id);
    size_t size = strlen(text);
    if (size > INT32_MAX || !(fabs(json_number_value(score)) <= FLT_MAX))
        return bad_piece(id, text, "is too long or has no score that can be used", err);
    t->keys[id] = (Slice){arena_str(&t->arena, text, size), (uint32_t)size};
    t->spm->kinds[id] = (uint8_t)kind;
    t->spm->scores[id] = (float)json_number_value(score);
    return add_piece(t, id, kind, unknown, err);
}

static bool read_pieces(Tokenizer *t, json_t *list, Slice unknown, Error *err)
{
    size_t count = json_array_size(list), bytes = 0;
    if (!count || count > INT32_MAX / 8)
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
    for (size_t id = 0; id < count; id++)
        if (!read_piece(t, json_array_get(list, id), (int32_t)id, unknown, err))
            return false;
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

typedef struct Scored {
    float score;
    int32_t id;
} Scored;

static int best_first(const void *left, const void *right)
{
    const Scored *a = left, *b = right;
    return a->score != b->score ? (a->score < b->score) - (a->score > b->score)
                                : (a->id > b->id) - (a->id < b->id);
}

int32_t spm_part(const Tokenizer *t, const char *text, size_t size)
{
    const Spm *s = t->spm;
    int32_t part = s->part_count ? piece_index_find(&s->part_index, s->parts, text, size) : -1;
    return part < 0 ? -1 : t->size + part;
}

/* The symbol of a half of a piece, -1 where it is not one. */
static int32_t find_half(Tokenizer *t, const char *text, size_t size)
{
    Spm *s = t->spm;
    int32_t id = piece_index_find(&t->index, t->keys, text, size), part;
    int length;
    if (id >= 0)
        return s->kinds[id] == PIECE_USER_DEFINED ? -1 : id;
    char_class((const unsigned char *)text, (const unsigned char *)text + size, &length);
    if ((size_t)length < size || (part = spm_part(t, text, size)) >= 0)
        return (size_t)length < size ? -1 : part;
    if (!s->part_count)
        piece_index_init(&s->part_index, 2 * (size_t)t->size); /* first and last characters of all pieces */
    arena_push(&t->arena, s->parts, s->part_count, s->part_cap, ((Slice){text, (uint32_t)size}));
    part = (int32_t)s->part_count - 1;
    piece_index_add(&s->part_index, s->parts, part);
    return t->size + part;
}

typedef struct MergeList {
    Merge *items;
    size_t count, cap;
} MergeList;

/* Two neighbours merge where their texts together are a piece. */
static void add_merges(Tokenizer *t, int32_t id, int32_t rank, MergeList *list)
{
    const Slice key = t->keys[id];
    for (size_t cut = 1; cut < key.size; cut++) {
        Merge m = {.rank = rank, .id = id};
        if (((unsigned char)key.data[cut] & 0xc0) == 0x80 || (m.left = find_half(t, key.data, cut)) < 0 ||
            (m.right = find_half(t, key.data + cut, key.size - cut)) < 0)
            continue;
        if (list->count == list->cap) {
            list->cap = list->cap ? 2 * list->cap : 1024;
            list->items = xrealloc(list->items, list->cap * sizeof *list->items);
        }
        list->items[list->count++] = m;
    }
}

/* The piece with the best score is merged first, of equal ones the leftmost: equal scores are one rank.
 * A user-defined piece is cut out before, so that nothing merges with it or to it. */
static void make_merges(Tokenizer *t)
{
    Scored *order = xmalloc((size_t)t->size * sizeof *order);
    size_t count = 0;
    for (int32_t id = 0; id < t->size; id++)
        if (t->spm->kinds[id] == PIECE_NORMAL || t->spm->kinds[id] == PIECE_UNUSED)
            order[count++] = (Scored){t->spm->scores[id], id};
    qsort(order, count, sizeof *order, best_first);
    MergeList list = {0};
    int32_t rank = 0;
    for (size_t i = 0; i < count; i++) {
        rank += i && order[i].score != order[i - 1].score;
        add_merges(t, order[i].id, rank, &list);
    }
    merge_table_init(&t->merges, list.count);
    for (size_t i = 0; i < list.count; i++)
        merge_table_add(&t->merges, list.items[i]);
    free(list.items);
    free(order);
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
    merge_table_init(&t->merges, 0);
    return collect(t, &s->normal, 1u << PIECE_NORMAL | 1u << PIECE_USER_DEFINED, err);
}

/* ---- the whole ---- */

static bool read_begin(Tokenizer *t, const json_t *value, Error *err)
{
    json_int_t id = json_integer_value(value);
    if (!value || json_is_null(value))
        return true;
    if (!json_is_integer(value) || id < 0 || id >= t->size)
        return error_set(err, "the model's \"begin\" is no id of a piece");
    t->begin = (int32_t)id;
    return true;
}

static bool read_rules(Tokenizer *t, json_t *model, Error *err)
{
    const char *algorithm = json_string_value(json_object_get(model, "algorithm"));
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

bool spm_read(Tokenizer *t, json_t *model, Error *err)
{
    t->spm = arena_new(&t->arena, Spm);
    const char *unknown = json_string_value(json_object_get(model, "unknown_text"));
    size_t size = unknown ? strlen(unknown) : 0;
    if (size > PIECE_MAX)
        return error_set(err, "\"unknown_text\" has %zu bytes; %d can be used", size, PIECE_MAX);
    Slice unknown_text = {arena_str(&t->arena, unknown ? unknown : "", size), (uint32_t)size};
    if (!read_rules(t, model, err) || !read_pieces(t, json_object_get(model, "pieces"), unknown_text, err) ||
        !read_begin(t, json_object_get(model, "begin"), err) ||
        !collect(t, &t->added, 1u << PIECE_CONTROL, err) ||
        !collect(t, &t->spm->user, 1u << PIECE_USER_DEFINED, err))
        return false;
    if (t->spm->unigram)
        return make_unigram(t, err);
    make_merges(t);
    t->spm->cut_words = words_stand_alone(t);
    return true;
}
