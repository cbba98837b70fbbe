/* GGUF's metadata tokenizer.ggml.* to tokenizer.json. */
#include <string.h>

#include "runtime/tokenizer/convert.h"
#include "runtime/tokenizer/split.h"
#include "runtime/tokenizer/write.h"

enum { QUOTED = 80 };

/* What a name in tokenizer.ggml.pre means; the names are llama.cpp's. */
typedef struct PreTokenizer {
    const char *names; /* with a space behind each */
    const SplitPattern *const *pattern;
    bool single_digits; /* numbers are cut into digits first */
    bool whole_words;   /* a word that is a token needs no merges */
    bool nfc;
    bool begins; /* texts begin with the begin token unless the file says otherwise */
} PreTokenizer;

static const PreTokenizer pre_tokenizers[] = {
    {.names = "gpt-2 gpt2 phi-2 jina-es jina-de jina-v2-es jina-v2-de gigachat mpt olmo jais trillion ",
     .pattern = &split_gpt2},
    {.names = "smollm starcoder refact command-r codeshell exaone minerva-7b ",
     .pattern = &split_gpt2,
     .single_digits = true},
    {.names = "llama3 llama-v3 llama-bpe falcon3 pixtral ",
     .pattern = &split_llama3,
     .whole_words = true,
     .begins = true},
    {.names = "dbrx smaug-bpe ", .pattern = &split_llama3},
    {.names = "qwen2 ", .pattern = &split_qwen2, .nfc = true},
    {.names = "stablelm2 hunyuan deepseek-r1-qwen megrez ", .pattern = &split_qwen2},
};

static const PreTokenizer *find_pre(const char *name, Error *err)
{
    char shown[QUOTED];
    size_t length = name ? strlen(name) : 0, count = sizeof pre_tokenizers / sizeof *pre_tokenizers;
    if (!name)
        return &pre_tokenizers[0];
    for (size_t i = 0; i < count && length && !strchr(name, ' '); i++)
        for (const char *at = pre_tokenizers[i].names; *at; at = strchr(at, ' ') + 1)
            if (strncmp(at, name, length) == 0 && at[length] == ' ')
                return &pre_tokenizers[i];
    error_set(err, "the pre-tokenizer \"%s\" (tokenizer.ggml.pre) is not known",
              error_quote(shown, sizeof shown, name, (long)length));
    return NULL;
}

static PieceKind kind_of(const TokenizerArrays *a, size_t id)
{
    return a->types ? (PieceKind)a->types[id] : PIECE_NORMAL;
}

static bool check(const TokenizerArrays *a, Error *err)
{
    if (!a->count || a->count > INT32_MAX / 8)
        return error_set(err, "the file has no list of tokens (tokenizer.ggml.tokens)");
    if (a->begin < -1 || (a->begin >= 0 && (size_t)a->begin >= a->count))
        return error_set(err, "bos_token_id is %d, but there are %zu tokens", (int)a->begin, a->count);
    if (a->unknown < -1 || (a->unknown >= 0 && (size_t)a->unknown >= a->count))
        return error_set(err, "unknown_token_id is %d, but there are %zu tokens", (int)a->unknown, a->count);
    for (size_t id = 0; id < a->count; id++) {
        char shown[QUOTED];
        error_quote(shown, sizeof shown, a->tokens[id].data, (long)(a->tokens[id].size & INT32_MAX));
        if (a->tokens[id].size > INT32_MAX || !write_possible(a->tokens[id].data, a->tokens[id].size))
            return error_set(err, "token %zu, \"%s\", is no UTF-8 text", id, shown);
        if (a->types && (a->types[id] < 1 || a->types[id] >= PIECE_KINDS))
            return error_set(err, "token %zu, \"%s\", is of the type %d, which is none", id, shown,
                             (int)a->types[id]);
    }
    return true;
}

/* ---- llama ---- */

/* User-defined tokens have " " where all others have U+2581. */
static Slice llama_text(Arena *arena, const TokenizerString *token, PieceKind kind)
{
    Slice text = {token->data, (uint32_t)token->size};
    if (kind != PIECE_USER_DEFINED)
        return text;
    char *copy = arena_array(arena, token->size, METASPACE_SIZE);
    size_t n = 0;
    for (size_t i = 0; i < token->size; i++) {
        bool space = token->data[i] == ' ';
        memcpy(copy + n, space ? METASPACE : token->data + i, space ? METASPACE_SIZE : 1);
        n += space ? METASPACE_SIZE : 1;
    }
    return (Slice){copy, (uint32_t)n};
}

/* Without scores all are equal, as llama.cpp has it. The unknown token's text is SentencePiece's. */
static bool from_llama(const TokenizerArrays *a, Text *out, Error *err)
{
    Arena arena = {0};
    SourcePiece *pieces = arena_many(&arena, a->count, SourcePiece);
    SourceModel model = {.dummy_prefix = a->dummy_prefix != 0,
                         .collapse_spaces = a->collapse_spaces == 1,
                         .escape_spaces = true,
                         .begin = a->add_begin != 0 ? a->begin : -1,
                         .unknown_text = {" \xe2\x81\x87 ", 5},
                         .pieces = pieces,
                         .count = a->count};
    bool has_unknown = false;
    for (size_t id = 0; id < a->count; id++) {
        PieceKind kind = kind_of(a, id);
        pieces[id] =
            (SourcePiece){llama_text(&arena, &a->tokens[id], kind), a->scores ? a->scores[id] : 0, kind};
        has_unknown = has_unknown || kind == PIECE_UNKNOWN;
    }
    if (a->unknown >= 0 && !has_unknown)
        pieces[a->unknown].kind = PIECE_UNKNOWN;
    bool ok = write_spm(&model, out, err);
    arena_free(&arena);
    return ok;
}

/* ---- gpt2 ---- */

/* Tokens that are found in a text before it is split; they stand in the file as they are, all others in the
 * alphabet of bytes. */
static bool is_added(PieceKind kind)
{
    return kind == PIECE_CONTROL || kind == PIECE_USER_DEFINED || kind == PIECE_UNKNOWN;
}

static void write_added_tokens(const TokenizerArrays *a, Text *json)
{
    const char *separator = "\n";
    text_puts(json, "\"added_tokens\": [");
    for (size_t id = 0; id < a->count; id++) {
        PieceKind kind = kind_of(a, id);
        if (!is_added(kind) || !a->tokens[id].size)
            continue;
        text_puts(json, separator);
        write_added(json, (int32_t)id, a->tokens[id].data, a->tokens[id].size, kind != PIECE_USER_DEFINED);
        separator = ",\n";
    }
    text_puts(json, "],\n");
}

static void write_splitting(const PreTokenizer *pre, Text *json)
{
    const char *regex = split_pattern_regex(*pre->pattern);
    text_printf(json, "\"normalizer\": %s,\n\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [",
                pre->nfc ? "{\"type\": \"NFC\"}" : "null");
    if (pre->single_digits)
        text_puts(json, "{\"type\": \"Digits\", \"individual_digits\": true},\n");
    text_puts(json, "{\"type\": \"Split\", \"pattern\": {\"Regex\": ");
    write_quoted(json, regex, strlen(regex));
    text_puts(json, "}, \"behavior\": \"Isolated\", \"invert\": false},\n{\"type\": \"ByteLevel\", "
                    "\"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}]},\n");
}

/* Texts begin with a token: a template of one text, in Hugging Face's words. */
static void write_begin(const TokenizerArrays *a, bool begins, Text *json)
{
    if (a->begin < 0 || !begins) {
        text_puts(json, "\"post_processor\": null,\n");
        return;
    }
    Text name = {0};
    write_quoted(&name, a->tokens[a->begin].data, a->tokens[a->begin].size);
    text_printf(
        json,
        "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": "
        "%s, \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"special_tokens\": {%s: "
        "{\"id\": %s, \"ids\": [%d], \"tokens\": [%s]}}},\n",
        text_cstr(&name), text_cstr(&name), text_cstr(&name), (int)a->begin, text_cstr(&name));
    text_free(&name);
}

static void write_model(const TokenizerArrays *a, const PreTokenizer *pre, Text *json)
{
    const char *separator = "\n";
    text_printf(json,
                "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
                "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false, "
                "\"byte_fallback\": false, \"ignore_merges\": %s,\n\"vocab\": {",
                pre->whole_words ? "true" : "false");
    for (size_t id = 0; id < a->count; id++) {
        if (is_added(kind_of(a, id)))
            continue;
        text_puts(json, separator);
        write_quoted(json, a->tokens[id].data, a->tokens[id].size);
        text_printf(json, ": %zu", id);
        separator = ",\n";
    }
    text_puts(json, "},\n\"merges\": [");
    for (size_t i = 0; i < a->merge_count; i++) {
        text_puts(json, i ? ",\n" : "\n");
        write_quoted(json, a->merges[i].data, a->merges[i].size);
    }
    text_puts(json, "]}}\n");
}

static bool from_gpt2(const TokenizerArrays *a, Text *out, Error *err)
{
    const PreTokenizer *pre = find_pre(a->pre, err);
    if (!pre)
        return false;
    if (!a->merges)
        return error_set(err, "the file has no tokenizer.ggml.merges, which a \"gpt2\" tokenizer needs");
    for (size_t i = 0; i < a->merge_count; i++)
        if (!write_possible(a->merges[i].data, a->merges[i].size))
            return error_set(err, "merge %zu is no UTF-8 text", i + 1);
    Text json = {0};
    text_puts(&json, "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null,\n");
    write_added_tokens(a, &json);
    write_splitting(pre, &json);
    write_begin(a, a->add_begin < 0 ? pre->begins : a->add_begin != 0, &json);
    text_puts(&json,
              "\"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, "
              "\"use_regex\": true},\n");
    write_model(a, pre, &json);
    bool ok = write_checked(&json, out, err);
    text_free(&json);
    return ok;
}

bool tokenizer_json_from_arrays(const TokenizerArrays *a, Text *out, Error *err)
{
    char shown[QUOTED];
    if (!a->model)
        return error_set(err, "the file has no tokenizer (tokenizer.ggml.model)");
    bool llama = strcmp(a->model, "llama") == 0;
    if (!llama && strcmp(a->model, "gpt2") != 0)
        return error_set(
            err, "tokenizers of the kind \"%s\" (tokenizer.ggml.model) are not supported; gpt2 and llama are",
            error_quote(shown, sizeof shown, a->model, (long)strlen(a->model)));
    return check(a, err) && (llama ? from_llama : from_gpt2)(a, out, err);
}
