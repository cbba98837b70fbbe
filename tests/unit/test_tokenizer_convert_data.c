/* Other programs' tokenizers on real files, against the ids that those programs give. */
#include <jansson.h>

#include "base/file.h"
#include "runtime/tokenizer/convert.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/unit/check.h"

static char *read_file(const char *dir, const char *name, size_t *size)
{
    char path[1000], *data;
    Error err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return file_read(path, 0, &data, size, &err) ? data : NULL;
}

static Tokenizer *open_made(bool made, Text *json, Error *err)
{
    Tokenizer *t = made ? tokenizer_open(text_cstr(json), json->size, err) : NULL;
    if (!t)
        printf("%s\n", err->text);
    CHECK(t != NULL);
    text_free(json);
    return t;
}

static Tokenizer *open_spm(const char *dir, const char *name)
{
    size_t size;
    char *data = read_file(dir, name, &size);
    Error err = {""};
    Text json = {0};
    if (!data)
        return NULL;
    bool ok = tokenizer_json_from_spm(data, size, &json, &err);
    free(data);
    return open_made(ok, &json, &err);
}

/* The ids of a text, written "1 2 3". */
static void check_ids(const Tokenizer *t, const char *text, size_t size, const char *expected)
{
    Error err = {""};
    int32_t *ids = NULL;
    size_t count = 0;
    Text got = {0};
    CHECK(tokenizer_encode(t, text, size, false, &ids, &count, &err));
    for (size_t i = 0; i < count; i++)
        text_printf(&got, "%s%d", i ? " " : "", (int)ids[i]);
    CHECK_TEXT(text_cstr(&got), expected);
    text_free(&got);
    free(ids);
}

/* ---- SentencePiece ---- */

static void check_group(const char *dir, json_t *group)
{
    Tokenizer *t = open_spm(dir, json_string_value(json_object_get(group, "tokenizer")));
    json_t *entry;
    size_t i;
    CHECK(t != NULL);
    if (!t)
        return;
    json_array_foreach(json_object_get(group, "cases"), i, entry)
    {
        const char *text = json_string_value(json_object_get(entry, "text"));
        json_t *expected = json_object_get(entry, "ids");
        Text list = {0}, decoded = {0};
        int32_t ids[200];
        size_t count = json_array_size(expected);
        for (size_t k = 0; k < count; k++) {
            ids[k] = (int32_t)json_integer_value(json_array_get(expected, k));
            text_printf(&list, "%s%d", k ? " " : "", (int)ids[k]);
        }
        check_ids(t, text, strlen(text), text_cstr(&list));
        tokenizer_decode(t, ids, count, &decoded);
        CHECK_TEXT(text_cstr(&decoded), json_string_value(json_object_get(entry, "decoded")));
        text_free(&list);
        text_free(&decoded);
    }
    tokenizer_close(t);
}

static void test_tiny(const char *dir)
{
    static const char *const groups[] = {"spm_model", "spm_bytefallback", "spm_bpe_model"};
    char folder[1000];
    size_t size;
    snprintf(folder, sizeof folder, "%s/hf-fixtures", dir);
    char *text = read_file(folder, "hf_tokenizer_cases.json", &size);
    if (!text) {
        SKIP("Hugging Face's cases are absent");
        return;
    }
    json_t *root = json_loadb(text, size, 0, NULL);
    for (int i = 0; i < 3; i++)
        check_group(folder, json_object_get(root, groups[i]));
    json_decref(root);
    free(text);
}

/* The file says where its answers come from. */
static void test_open_llama(const char *dir)
{
    Tokenizer *t = open_spm(dir, "spm/open_llama_3b.tokenizer.model");
    FILE *f = fopen("tests/data/tokenizer/open-llama-cases.tsv", "r");
    char line[2000], hex[1000], ids[1000], text[500];
    int cases = 0;
    CHECK(f != NULL);
    if (!t)
        SKIP("open_llama_3b's tokenizer is absent");
    while (t && f && fgets(line, sizeof line, f)) {
        size_t size = 0;
        if (sscanf(line, "%999[^#\t]\t%999[^\n]", hex, ids) != 2)
            continue;
        for (unsigned byte; sscanf(hex + 2 * size, "%2x", &byte) == 1; size++)
            text[size] = (char)byte;
        check_ids(t, text, size, *ids == '-' ? "" : ids);
        cases++;
    }
    if (f)
        fclose(f);
    if (t)
        CHECK(cases == 82 && tokenizer_begin(t) == 1 && tokenizer_vocab_size(t) == 32000);
    tokenizer_close(t);
}

/* ---- llama2.c ---- */

/* A golden file of llama2.c's: the prompt and its ids, the begin token first. */
static void check_golden(const Tokenizer *t, const char *dir, int number)
{
    char name[60];
    size_t size;
    snprintf(name, sizeof name, "stories260K/golden/greedy_%02d.txt", number);
    char *text = read_file(dir, name, &size), *prompt = text ? strstr(text, "\nprompt: ") : NULL;
    char *ids = prompt ? strstr(prompt, "\nprompt_ids: 1") : NULL,
         *end = ids ? strstr(ids, "\nnew_tokens") : NULL;
    CHECK(end != NULL);
    if (end) {
        prompt += 9;
        *end = 0;
        ids += 14;
        check_ids(t, prompt, (size_t)(ids - 14 - prompt), ids + (*ids == ' '));
    }
    free(text);
}

/* What the generated ids of the first golden file read as. */
static void check_golden_text(const Tokenizer *t, const char *dir)
{
    size_t size;
    char *text = read_file(dir, "stories260K/golden/greedy_00.txt", &size);
    char *prompt = text ? strstr(text, "\nprompt_ids: 1") : NULL;
    char *made = text ? strstr(text, "\ngenerated_ids:") : NULL,
         *story = made ? strstr(made, "not printed):\n") : NULL;
    int32_t ids[300];
    size_t count = 0;
    CHECK(story != NULL);
    if (story) {
        char *lists[2] = {prompt + 14, made + 15};
        for (int i = 0; i < 2; i++)
            for (int used, id; count < 300 && sscanf(lists[i], "%d%n", &id, &used) == 1; lists[i] += used)
                ids[count++] = id;
        Text out = {0};
        tokenizer_decode(t, ids, count, &out);
        text_putc(&out, '\n');
        CHECK_TEXT(text_cstr(&out), story + 14);
        text_free(&out);
    }
    free(text);
}

static void test_stories(const char *dir)
{
    size_t size;
    char *data = read_file(dir, "stories260K/tok512.bin", &size);
    Error err = {""};
    Text json = {0};
    if (!data) {
        SKIP("stories260K's tokenizer is absent");
        return;
    }
    Tokenizer *t = open_made(tokenizer_json_from_llama2c(data, size, 512, &json, &err), &json, &err);
    for (int i = 0; i < 11 && t; i++)
        check_golden(t, dir, i);
    if (t) {
        CHECK(tokenizer_begin(t) == 1);
        check_golden_text(t, dir);
    }
    tokenizer_close(t);
    free(data);
}

/* ---- GGUF ---- */

/* As much of a GGUF file as says what the arrays are; the file is trusted. */
typedef struct Gguf {
    const char *at;
    TokenizerArrays arrays;
    char text[2][64]; /* model, pre */
    int32_t *types;
    TokenizerString *lists[2]; /* tokens, merges */
} Gguf;

static uint64_t take(Gguf *g, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)(unsigned char)*g->at++ << 8 * i;
    return value;
}

static TokenizerString take_string(Gguf *g)
{
    TokenizerString s = {.size = take(g, 8)};
    s.data = g->at;
    g->at += s.size;
    return s;
}

static int type_size(uint64_t type)
{
    static const char sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return sizes[type];
}

static bool is_key(TokenizerString key, const char *name)
{
    return key.size == strlen(name) && memcmp(key.data, name, key.size) == 0;
}

static void take_list(Gguf *g, TokenizerString key)
{
    uint64_t type = take(g, 4), count = take(g, 8);
    bool merges = is_key(key, "tokenizer.ggml.merges"), types = is_key(key, "tokenizer.ggml.token_type");
    if (type == 8) {
        g->lists[merges] = malloc(count * sizeof **g->lists);
        *(merges ? &g->arrays.merge_count : &g->arrays.count) = count;
    }
    if (types)
        g->types = malloc(count * sizeof *g->types);
    for (uint64_t i = 0; i < count; i++) {
        if (type == 8)
            g->lists[merges][i] = take_string(g);
        else if (types)
            g->types[i] = (int32_t)take(g, 4);
        else
            g->at += type_size(type);
    }
}

static void take_pair(Gguf *g)
{
    TokenizerString key = take_string(g), value;
    uint64_t type = take(g, 4);
    if (type == 9) {
        take_list(g, key);
    } else if (type == 8) {
        value = take_string(g);
        for (int i = 0; i < 2; i++)
            if (is_key(key, i ? "tokenizer.ggml.pre" : "tokenizer.ggml.model"))
                snprintf(g->text[i], sizeof g->text[i], "%.*s", (int)value.size, value.data);
    } else {
        uint64_t number = take(g, type_size(type));
        if (is_key(key, "tokenizer.ggml.bos_token_id"))
            g->arrays.begin = (int32_t)number;
    }
}

static Tokenizer *open_gguf(const char *data)
{
    Gguf g = {.at = data + 16, .arrays = {.begin = -1, .unknown = -1, .add_begin = -1}};
    Error err = {""};
    Text json = {0};
    for (uint64_t pairs = take(&g, 8); pairs; pairs--)
        take_pair(&g);
    g.arrays.model = g.text[0];
    g.arrays.pre = g.text[1];
    g.arrays.tokens = g.lists[0];
    g.arrays.merges = g.lists[1];
    g.arrays.types = g.types;
    Tokenizer *t = open_made(tokenizer_json_from_arrays(&g.arrays, &json, &err), &json, &err);
    free(g.types);
    free(g.lists[0]);
    free(g.lists[1]);
    return t;
}

/* llama.cpp's vocabulary tests: texts between marks, a line of ids for each. */
static int check_llama_cpp(const Tokenizer *t, char *texts, char *lines)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    int cases = 0;
    for (char *end, *stop; (end = strstr(texts, mark)) != NULL && (stop = strchr(lines, '\n')) != NULL;
         cases++) {
        *stop = 0;
        while (*lines == ' ')
            lines++;
        check_ids(t, texts, (size_t)(end - texts), lines);
        lines = stop + 1;
        texts = end + sizeof mark - 1;
    }
    return cases;
}

static void test_gguf(const char *dir)
{
    size_t size;
    char *data = read_file(dir, "gguf/ggml-vocab-gpt-2.gguf", &size);
    char *texts = read_file(dir, "gguf/ggml-vocab-gpt-2.gguf.inp", &size);
    char *lines = read_file(dir, "gguf/ggml-vocab-gpt-2.gguf.out", &size);
    Tokenizer *t = NULL;
    if (data && texts && lines && (t = open_gguf(data)) != NULL) {
        CHECK(check_llama_cpp(t, texts, lines) == 46);
        CHECK(tokenizer_vocab_size(t) == 50257 && tokenizer_is_special(t, 50256) && tokenizer_begin(t) == -1);
    } else if (!data) {
        SKIP("GPT-2's vocabulary in GGUF is absent");
    }
    tokenizer_close(t);
    free(data);
    free(texts);
    free(lines);
}

int main(void)
{
    const char *dir = check_data();
    if (dir) {
        test_tiny(dir);
        test_open_llama(dir);
        test_stories(dir);
        test_gguf(dir);
    } else {
        SKIP("there is no folder of test data (ANEC_TEST_DATA)");
    }
    return check_report();
}
