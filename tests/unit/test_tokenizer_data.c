/* Tokenizers on real vocabularies, against the ids that other programs give. */
#include <jansson.h>

#include "base/file.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/unit/check.h"

static char *read_file(const char *dir, const char *name, size_t *size)
{
    char path[1000], *data;
    Error err;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return file_read(path, 0, &data, size, &err) ? data : NULL;
}

/* From `vocab.json` and `merges.txt` in a folder; NULL where they are absent. */
static Tokenizer *from_folder(const char *dir)
{
    size_t vocab_size, merges_size;
    char *vocab = read_file(dir, "vocab.json", &vocab_size),
         *merges = read_file(dir, "merges.txt", &merges_size);
    Tokenizer *t = NULL;
    Error err;
    Text json = {0};
    if (vocab && merges) {
        if (tokenizer_json_from_bpe(vocab, vocab_size, merges, merges_size, NULL, 0, &json, &err))
            t = tokenizer_open(json.data, json.size, &err);
        if (!t)
            printf("%s: %s\n", dir, err.text);
        CHECK(t != NULL);
    }
    free(vocab);
    free(merges);
    text_free(&json);
    return t;
}

static Tokenizer *from_json(const char *dir, const char *name)
{
    size_t size;
    char *json = read_file(dir, name, &size);
    Error err;
    Tokenizer *t = json ? tokenizer_open(json, size, &err) : NULL;
    if (json && !t)
        printf("%s: %s\n", name, err.text);
    free(json);
    return t;
}

/* One case: the ids, written "1 2 3", and the way back. */
static void check_case(const Tokenizer *t, const char *text, size_t size, const char *expected)
{
    Error err = {""};
    int32_t *ids = NULL;
    size_t count = 0;
    CHECK(tokenizer_encode(t, text, size, false, &ids, &count, &err));
    Text got = {0}, back = {0};
    for (size_t i = 0; i < count; i++)
        text_printf(&got, "%s%d", i ? " " : "", (int)ids[i]);
    CHECK_TEXT(text_cstr(&got), expected);
    tokenizer_decode(t, ids, count, &back);
    CHECK(back.size == size && (!size || memcmp(back.data, text, size) == 0));
    text_free(&got);
    text_free(&back);
    free(ids);
}

/* Column `hex` of a table holds the bytes, the next one the ids. Returns the number of cases. */
static int check_table(const Tokenizer *t, const char *dir, const char *name, int hex)
{
    size_t size;
    char *table = read_file(dir, name, &size);
    int cases = 0;
    for (char *line = table, *next; line && *line; line = next) {
        next = strchr(line, '\n') + 1;
        next[-1] = 0;
        if (*line == '#')
            continue;
        for (int i = 0; i < hex; i++)
            line = strchr(line, '\t') + 1;
        char *ids = strchr(line, '\t') + 1, *end = strchr(ids, '\t'), *text = malloc(strlen(line) + 1);
        size_t length = (size_t)(ids - line - 1) / 2;
        ids[-1] = 0;
        if (end)
            *end = 0;
        for (size_t i = 0; i < length; i++) {
            unsigned byte;
            sscanf(line + 2 * i, "%2x", &byte);
            text[i] = (char)byte;
        }
        check_case(t, text, length, ids);
        free(text);
        cases++;
    }
    free(table);
    return cases;
}

/* Where the other programs disagree about white space: tiktoken's answers (Unicode White_Space). */
static void check_white_space(const Tokenizer *t)
{
    check_case(t,
               " \xef\xbb\xbf"
               "b",
               5, "27332 119 123 65");
    check_case(t, " \xef\xbb\xbf!", 5, "27332 119 123 0");
    check_case(t,
               " \xc2\x85"
               "b",
               4, "220 126 227 65");
    check_case(t, " \xc2\x85!", 4, "220 126 227 0");
    check_case(t, "a<|endoftext|>b", 15, "64 27 91 437 1659 5239 91 29 65");
}

/* llama.cpp's vocabulary tests: texts between marks, a line of ids for each. */
static int check_llama_cpp(const Tokenizer *t, const char *dir)
{
    static const char mark[] = "\n__ggml_vocab_test__\n";
    size_t size;
    char *texts = read_file(dir, "gguf/ggml-vocab-gpt-2.gguf.inp", &size);
    char *lines = read_file(dir, "gguf/ggml-vocab-gpt-2.gguf.out", &size);
    int cases = 0;
    for (char *text = texts, *line = lines, *end; text && line && (end = strstr(text, mark)) != NULL;
         cases++) {
        char *stop = strchr(line, '\n');
        *stop = 0;
        while (*line == ' ')
            line++;
        check_case(t, text, (size_t)(end - text), line);
        line = stop + 1;
        text = end + sizeof mark - 1;
    }
    free(texts);
    free(lines);
    return cases;
}

/* The number of tokens that nanoGPT's data/shakespeare/readme.md gives: 301966 to train, 36059 to
 * validate. */
static void check_shakespeare(const Tokenizer *t, const char *dir)
{
    size_t size, count = 0;
    char *text = read_file(dir, "corpora/tinyshakespeare.txt", &size);
    int32_t *ids = NULL;
    Error err;
    if (!text)
        SKIP("tinyshakespeare.txt is absent");
    else
        CHECK(tokenizer_encode(t, text, size, false, &ids, &count, &err) && count == 301966 + 36059);
    free(ids);
    free(text);
}

static void test_gpt2(const char *dir)
{
    char folder[1000];
    snprintf(folder, sizeof folder, "%s/gpt2-tokenizer", dir);
    Tokenizer *made = from_folder(folder), *file = from_json(folder, "tokenizer.json");
    if (!made || !file) {
        SKIP("GPT-2's tokenizer is absent");
        tokenizer_close(made);
        tokenizer_close(file);
        return;
    }
    CHECK(check_table(made, folder, "cases.tsv", 3) == 447);
    CHECK(check_table(file, folder, "cases.tsv", 3) == 447);
    check_white_space(made);
    CHECK(check_llama_cpp(made, dir) == 46);
    check_shakespeare(made, dir);
    CHECK(tokenizer_vocab_size(made) == 50257 && tokenizer_find(made, "<|endoftext|>") == 50256);
    CHECK(tokenizer_is_special(made, 50256));
    int differ = 0;
    for (int32_t id = 0; id < 50257; id++) {
        size_t a, b;
        const char *x = tokenizer_piece(made, id, &a), *y = tokenizer_piece(file, id, &b);
        differ += a != b || memcmp(x, y, a) != 0;
    }
    CHECK(differ == 0);
    tokenizer_close(made);
    tokenizer_close(file);
}

/* Ids and texts from Hugging Face's tokenizers, special tokens in the text being read as such. */
static void check_group(const char *dir, json_t *group)
{
    Tokenizer *t = from_json(dir, json_string_value(json_object_get(group, "tokenizer")));
    json_t *entry;
    size_t i;
    CHECK(t != NULL);
    if (!t)
        return;
    json_array_foreach(json_object_get(group, "cases"), i, entry) {
        const char *text = json_string_value(json_object_get(entry, "text"));
        json_t *expected = json_object_get(entry, "ids");
        Error err;
        int32_t *ids = NULL;
        size_t count = 0, same = 0;
        Text decoded = {0};
        CHECK(tokenizer_encode(t, text, strlen(text), true, &ids, &count, &err));
        CHECK(count == json_array_size(expected));
        for (size_t k = 0; k < count; k++)
            same += ids[k] == json_integer_value(json_array_get(expected, k));
        CHECK(same == json_array_size(expected));
        tokenizer_decode(t, ids, count, &decoded);
        CHECK_TEXT(text_cstr(&decoded), json_string_value(json_object_get(entry, "decoded")));
        text_free(&decoded);
        free(ids);
    }
    tokenizer_close(t);
}

static void test_hugging_face(const char *dir)
{
    static const char *const groups[] = {"byte_level", "split_qwen2", "metaspace"};
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

static void test_tales(void)
{
    Tokenizer *t = from_folder("models/tales");
    if (!t) {
        SKIP("models/tales is absent");
        return;
    }
    CHECK(check_table(t, "tests/data/tokenizer", "tales-cases.tsv", 0) == 25);
    tokenizer_close(t);
}

int main(void)
{
    const char *dir = check_data();
    test_tales();
    if (dir) {
        test_gpt2(dir);
        test_hugging_face(dir);
    } else {
        SKIP("there is no folder of test data (ANEC_TEST_DATA)");
    }
    return check_report();
}
