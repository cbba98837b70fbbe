/* Every kind of tokenizer that stands beside a checkpoint, or in it, to the package's tokenizer.json. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "runtime/tokenizer/convert.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tools/anec/extras.h"

enum { TOKENIZER_LIMIT = 256 << 20 };

static void add_made(Extras *e, Text *made)
{
    if (made->size)
        extras_add(e, "tokenizer.json", made->data, made->size);
}

/* GPT-2's two files; nothing where one of them is missing. */
static bool add_bpe(Extras *e, const char *folder, const Plan *plan, Error *err)
{
    char *vocab, *merges = NULL;
    size_t vocab_size, merges_size = 0;
    int32_t special[2] = {(int32_t)plan->model.bos, (int32_t)plan->model.eos};
    Text made = {0};
    if (!extras_read(folder, "vocab.json", TOKENIZER_LIMIT, &vocab, &vocab_size, err))
        return false;
    bool ok = extras_read(folder, "merges.txt", TOKENIZER_LIMIT, &merges, &merges_size, err);
    if (ok && vocab && merges)
        ok = tokenizer_json_from_bpe(vocab, vocab_size, merges, merges_size, special, 2, &made, err) ||
             error_prefix(err, "%s", folder);
    add_made(e, &made);
    free(vocab);
    free(merges);
    return ok;
}

/* tokenizer.model (SentencePiece) or tokenizer.bin (llama2.c). */
static bool add_binary(Extras *e, const char *folder, const char *name, const Plan *plan, Error *err)
{
    char *data;
    size_t size;
    Text made = {0};
    if (!extras_read(folder, name, TOKENIZER_LIMIT, &data, &size, err))
        return false;
    if (!data)
        return true;
    bool ok = strcmp(name, "tokenizer.model") == 0
                  ? tokenizer_json_from_spm(data, size, &made, err)
                  : tokenizer_json_from_llama2c(data, size, (size_t)plan->model.vocab, &made, err);
    free(data);
    add_made(e, &made);
    return ok || error_prefix(err, "%s/%s", folder, name);
}

/* ---- GGUF ---- */

static const json_t *list_of(const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    return json_is_array(v) ? v : NULL;
}

static int32_t id_of(const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    json_int_t id = json_integer_value(v);
    return json_is_integer(v) && id >= 0 && id <= INT32_MAX ? (int32_t)id : -1;
}

static int says(const json_t *config, const char *key)
{
    const json_t *v = json_object_get(config, key);
    return json_is_boolean(v) ? json_is_true(v) : -1;
}

/* An element that is no text becomes an invalid byte, which the tokenizer's own checks refuse by number. */
static const TokenizerString *strings_of(Arena *arena, const json_t *list)
{
    size_t count = json_array_size(list), i;
    const json_t *v;
    TokenizerString *s = arena_many(arena, count, TokenizerString);
    json_array_foreach(list, i, v) s[i] = json_is_string(v)
                                              ? (TokenizerString){json_string_value(v), json_string_length(v)}
                                              : (TokenizerString){"\xff", 1};
    return s;
}

static const float *scores_of(Arena *arena, const json_t *list, size_t count)
{
    if (!list || json_array_size(list) != count)
        return NULL;
    float *scores = arena_many(arena, count, float);
    for (size_t i = 0; i < count; i++)
        scores[i] = (float)json_number_value(json_array_get(list, i));
    return scores;
}

static const int32_t *types_of(Arena *arena, const json_t *list, size_t count)
{
    if (!list || json_array_size(list) != count)
        return NULL;
    int32_t *types = arena_many(arena, count, int32_t);
    for (size_t i = 0; i < count; i++) {
        json_int_t type = json_integer_value(json_array_get(list, i));
        types[i] = type >= 0 && type <= INT32_MAX ? (int32_t)type : 0;
    }
    return types;
}

/* A GGUF file carries its tokenizer in its metadata; nothing where there is none. */
static bool add_metadata(Extras *e, const json_t *config, Error *err)
{
    const json_t *tokens = list_of(config, "tokenizer.ggml.tokens");
    if (!tokens)
        return true;
    Arena arena = {0};
    size_t count = json_array_size(tokens);
    const json_t *merges = list_of(config, "tokenizer.ggml.merges");
    TokenizerArrays a = {
        .model = json_string_value(json_object_get(config, "tokenizer.ggml.model")),
        .pre = json_string_value(json_object_get(config, "tokenizer.ggml.pre")),
        .count = count,
        .tokens = strings_of(&arena, tokens),
        .scores = scores_of(&arena, list_of(config, "tokenizer.ggml.scores"), count),
        .types = types_of(&arena, list_of(config, "tokenizer.ggml.token_type"), count),
        .merges = merges ? strings_of(&arena, merges) : NULL,
        .merge_count = merges ? json_array_size(merges) : 0,
        .begin = id_of(config, "tokenizer.ggml.bos_token_id"),
        .unknown = id_of(config, "tokenizer.ggml.unknown_token_id"),
        .add_begin = says(config, "tokenizer.ggml.add_bos_token"),
        .dummy_prefix = says(config, "tokenizer.ggml.add_space_prefix"),
        .collapse_spaces = says(config, "tokenizer.ggml.remove_extra_whitespaces"),
    };
    Text made = {0};
    bool ok = tokenizer_json_from_arrays(&a, &made, err);
    arena_free(&arena);
    add_made(e, &made);
    return ok || error_prefix(err, "the file's tokenizer");
}

bool extras_tokenizer(Extras *e, const Inputs *in, const Plan *plan, Error *err)
{
    static const char *const binaries[] = {"tokenizer.model", "tokenizer.bin"};
    char *json;
    size_t json_size;
    if (!extras_read(in->folder, "tokenizer.json", TOKENIZER_LIMIT, &json, &json_size, err))
        return false;
    if (json) {
        Tokenizer *t = tokenizer_open(json, json_size, err);
        extras_add(e, "tokenizer.json", json, json_size);
        tokenizer_close(t);
        return t || error_prefix(err, "%s/tokenizer.json", in->folder);
    }
    bool ok = add_metadata(e, in->config, err);
    if (ok && !e->count)
        ok = add_bpe(e, in->folder, plan, err);
    for (size_t i = 0; ok && !e->count && i < sizeof binaries / sizeof *binaries; i++)
        ok = add_binary(e, in->folder, binaries[i], plan, err);
    return ok;
}
