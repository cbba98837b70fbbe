/* Tokenizers on small vocabularies, whose answers are worked out by hand from the order of the merges, and
 * every message about a broken file. test_tokenizer_data.c compares with other programs on real
 * vocabularies. */
#include "base/file.h"
#include "runtime/sampler.h"
#include "runtime/tokenizer/split.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/unit/check.h"

static Tokenizer *open_text(const char *json, Error *err)
{
    return tokenizer_open(json, strlen(json), err);
}

static Tokenizer *open_file(const char *path)
{
    Error err;
    char *json;
    size_t size;
    Tokenizer *t = NULL;
    if (!file_read(path, 0, &json, &size, &err)) {
        printf("%s\n", err.text);
        return NULL;
    }
    t = tokenizer_open(json, size, &err);
    if (!t)
        printf("%s: %s\n", path, err.text);
    free(json);
    return t;
}

/* The ids of `text` as "1 2 3", or the error. */
static const char *ids_of(const Tokenizer *t, const char *text, size_t size, bool special)
{
    static char shown[1200];
    Error err;
    int32_t *ids = NULL;
    size_t count = 0;
    if (!tokenizer_encode(t, text, size, special, &ids, &count, &err))
        return strcpy(shown, err.text);
    int at = 0;
    shown[0] = 0;
    for (size_t i = 0; i < count && at < 1000; i++)
        at += sprintf(shown + at, "%s%d", i ? " " : "", (int)ids[i]);
    free(ids);
    return shown;
}

#define IDS(text, special, expected) CHECK_TEXT(ids_of(t, text, sizeof text - 1, special), expected)

static void test_merges(const Tokenizer *t)
{
    IDS("", false, "");
    IDS("a", false, "0");
    IDS("abc", false, "0 12");   /* "b c" is merge 1, before "a b" */
    IDS(" ab", false, "3 8");    /* "a b" before " a" */
    IDS(" abc", false, "10 12"); /* bc, then " a" */
    IDS("aaa", false, "13 0");   /* of equal ranks the leftmost */
    IDS("aaaa", false, "14");
    IDS("aaaaaaa", false, "14 13 0");
    IDS("a's", false, "0 4 5"); /* the split keeps 's apart */
    IDS("a  b", false, "0 3 3 1");
    IDS("a\n\nb ", false, "0 7 7 1 3");
    IDS("a1", false, "0 6");
    IDS("\xc3\xa9", false, "18");
    IDS("\xa9\xc3", false, "17 16"); /* no UTF-8 */
    IDS("a\xc3", false, "0 16");
    IDS("a\0b", false, "the tokenizer has no token for \"\\x00\", and no unknown token");
}

static void test_added(const Tokenizer *t)
{
    IDS("<|end|>", true, "15");
    IDS("<|end|>", false, "the tokenizer has no token for \"<\", and no unknown token");
    IDS("a<|end|><|end|>b", true, "0 15 15 1");
    IDS("<|end|", true, "the tokenizer has no token for \"<\", and no unknown token");
    IDS("cabbab", false, "2 19 1");           /* not special: found in any text */
    IDS("a \n<|end|>x\n b", true, "0 20 1");  /* the longest; with the white space around it */
    IDS(" \xe3\x80\x80<|end|>x", true, "20"); /* of Unicode, too */
    IDS("aba \n<|end|>", true, "8 0 3 7 15"); /* this one leaves it */
    CHECK(tokenizer_find(t, "<|end|>") == 15 && tokenizer_is_special(t, 15));
    CHECK(tokenizer_find(t, "abba") == 19 && !tokenizer_is_special(t, 19));
    CHECK(tokenizer_find(t, " ab") == 11);
    CHECK(tokenizer_find(t, "nothing") == -1);
    CHECK(!tokenizer_is_special(t, -1) && !tokenizer_is_special(t, 21));
    CHECK(tokenizer_vocab_size(t) == 21);
    size_t size = 9;
    CHECK(tokenizer_piece(t, 21, &size) == NULL && size == 0);
    CHECK(tokenizer_piece(t, -1, &size) == NULL && size == 0);
    const char *piece = tokenizer_piece(t, 18, &size);
    CHECK(size == 2 && memcmp(piece, "\xc3\xa9", 2) == 0);
    Text out = {0};
    tokenizer_decode(t, (const int32_t[]){0, 15, 18, 99, -7, 19}, 6, &out);
    CHECK_TEXT(text_cstr(&out), "a\xc3\xa9"
                                "abba");
    text_free(&out);
}

static void test_appends(const Tokenizer *t)
{
    Error err;
    int32_t *ids = NULL;
    size_t count = 0;
    CHECK(tokenizer_encode(t, "ab", 2, false, &ids, &count, &err) && count == 1);
    CHECK(!tokenizer_encode(t, "ab?", 3, false, &ids, &count, &err) && count == 1 && ids[0] == 8);
    CHECK(tokenizer_encode(t, "bc", 2, false, &ids, &count, &err) && count == 2 && ids[0] == 8 &&
          ids[1] == 12);
    free(ids);
}

/* Quadratic time would make hours of the first: one word of a million letters, 250000 times "aaaa". The
 * second is the same with nothing equal beside it: "ab" merges to nothing more. */
static void test_long_words(const Tokenizer *t)
{
    enum { SIZE = 1 << 20 };
    char *text = malloc(SIZE);
    Error err;
    int32_t *ids = NULL;
    size_t count = 0, wrong = 0;
    memset(text, 'a', SIZE);
    CHECK(tokenizer_encode(t, text, SIZE, false, &ids, &count, &err) && count == SIZE / 4);
    for (size_t i = 0; i < count; i++)
        wrong += ids[i] != 14;
    CHECK(wrong == 0);
    for (size_t i = 1; i < SIZE; i += 2)
        text[i] = 'b';
    count = 0;
    CHECK(tokenizer_encode(t, text, SIZE, false, &ids, &count, &err) && count == SIZE / 2);
    for (size_t i = 0; i < count; i++)
        wrong += ids[i] != 8;
    CHECK(wrong == 0);
    free(ids);
    free(text);
}

static void test_small(void)
{
    Tokenizer *t = open_file("tests/data/tokenizer/small.json");
    CHECK(t != NULL);
    if (!t)
        return;
    test_merges(t);
    test_added(t);
    test_appends(t);
    test_long_words(t);
    tokenizer_close(t);
}

/* A tokenizer.json around a pre-tokenizer and model options; "Ġ" is a space. */
#define WITH(pre, options, vocab, merges)                                                                    \
    "{\"pre_tokenizer\": " pre ", \"model\": {\"type\": \"BPE\", " options "\"vocab\": " vocab               \
    ", \"merges\": " merges "}}"
#define BYTE_LEVEL "{\"type\": \"ByteLevel\", \"add_prefix_space\": false}"
#define BYTE_LEVEL_WHOLE "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}"
#define SEQUENCE(first) "{\"type\": \"Sequence\", \"pretokenizers\": [" first "]}"
#define ABC                                                                                                  \
    "{\"a\": 0, \"b\": 1, \"Ġ\": 2, \"1\": 3, \"ab\": 4, \"11\": 5, \"Ġa\": 6, \"bĠ\": 7, " \
    "\"?\": 8, \"x\": 9, \"ax\": 10}"

static void test_configurations(void)
{
    Error err;
    Tokenizer *t =
        open_text(WITH("{\"type\": \"ByteLevel\", \"add_prefix_space\": true}", "", ABC, "[\"Ġ a\"]"), &err);
    IDS("a a", false, "6 6");
    IDS(" a", false, "6");
    tokenizer_close(t);

    t = open_text(WITH(BYTE_LEVEL_WHOLE, "", ABC, "[\"b Ġ\"]"), &err); /* no split: merges across words */
    IDS("ab a", false, "0 7 0");
    tokenizer_close(t);

    t = open_text(WITH(SEQUENCE("{\"type\": \"Digits\", \"individual_digits\": true}, " BYTE_LEVEL), "", ABC,
                       "[\"1 1\"]"),
                  &err);
    IDS("11a1", false, "3 3 0 3");
    tokenizer_close(t);

    t = open_text(WITH(SEQUENCE("{\"type\": \"Digits\"}, " BYTE_LEVEL), "", ABC, "[\"1 1\"]"), &err);
    IDS("a 1111b", false, "0 2 5 5 1");
    tokenizer_close(t);

    t = open_text(WITH(BYTE_LEVEL, "\"unk_token\": \"?\", ", ABC, "[]"), &err);
    IDS("azz", false, "0 8 8");
    tokenizer_close(t);

    t = open_text(WITH(BYTE_LEVEL, "\"ignore_merges\": true, ", ABC, "[]"), &err);
    IDS("ab ax abx", false, "4 2 0 9 2 0 1 9"); /* "ab" is a piece; " ax" is none */
    tokenizer_close(t);
}

/* U+2581 for spaces, unknown characters as bytes. "\xe2\x96\x81" is U+2581. */
static void test_characters(void)
{
    Error err;
    static const char vocab[] =
        "{\"<unk>\": 0, \"<0x0A>\": 1, \"<0xC3>\": 2, \"<0xA9>\": 3, \"\xe2\x96\x81\": 4, \"a\": 5, "
        "\"b\": 6, \"\xe2\x96\x81"
        "a\": 7}";
    static const char format[] =
        "{%s, \"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"fuse_unk\": true, "
        "\"byte_fallback\": %s, "
        "\"vocab\": %s, \"merges\": [\"\xe2\x96\x81 a\"]}}";
    static const char normalizer[] =
        "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": ["
        "{\"type\": \"Prepend\", \"prepend\": \"\xe2\x96\x81\"}, "
        "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xe2\x96\x81\"}]}";
    static const char metaspace[] =
        "\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"\xe2\x96\x81\", "
        "\"prepend_scheme\": \"%s\"}";
    char json[2000], pre[200];

    sprintf(json, format, normalizer, "true", vocab);
    Tokenizer *t = open_text(json, &err);
    IDS("a b", false, "7 4 6");
    IDS(" a", false, "4 7"); /* a space is put there in any case */
    IDS("a\n\xc3\xa9", false, "7 1 2 3");
    IDS("azz?b", false, "7 0 6"); /* no <0x7A>: one unknown token for the run */
    CHECK(tokenizer_find(t, " a") == 7 && tokenizer_find(t, "\n") == 1);
    Text out = {0};
    tokenizer_decode(t, (const int32_t[]){7, 4, 6, 1, 2, 3}, 6, &out);
    CHECK_TEXT(text_cstr(&out), "a b\n\xc3\xa9");
    text_free(&out);
    tokenizer_close(t);

    sprintf(pre, metaspace, "always");
    sprintf(json, format, pre, "false", vocab);
    t = open_text(json, &err);
    IDS("a", false, "7");
    IDS(" a", false, "7"); /* is there already */
    IDS("b\na", false, "4 6 0 5");
    tokenizer_close(t);

    sprintf(pre, metaspace, "never");
    sprintf(json, format, pre, "false", vocab);
    t = open_text(json, &err);
    IDS("a a", false, "5 7");
    tokenizer_close(t);
}

static void check_open_error(const char *json, const char *expected)
{
    Error err = {""};
    Tokenizer *t = open_text(json, &err);
    CHECK(t == NULL);
    CHECK_TEXT(err.text, expected);
    tokenizer_close(t);
}

static void test_open_errors(void)
{
    check_open_error("{\"model\": ", "not valid JSON: line 1, column 11: a value is expected");
    check_open_error("[]", "a tokenizer.json is a JSON object, this is none");
    check_open_error("{}", "the file has neither a ByteLevel nor a Metaspace pre-tokenizer");
    check_open_error("{\"pre_tokenizer\": " BYTE_LEVEL "}", "there is no \"model\"");
    check_open_error("{\"pre_tokenizer\": " BYTE_LEVEL ", \"model\": {\"type\": \"Unigram\"}}",
                     "tokenizers of the kind \"Unigram\" are not supported; BPE is");
    check_open_error("{\"pre_tokenizer\": " BYTE_LEVEL ", \"model\": {}}", "the model has no \"vocab\"");
    check_open_error("{\"normalizer\": {\"type\": \"NFKC\"}}", "the normalizer \"NFKC\" is not supported");
    check_open_error("{\"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}}",
                     "the pre-tokenizer \"BertPreTokenizer\" is not supported");
    check_open_error("{\"pre_tokenizer\": {\"type\": \"Sequence\"}}", "a Sequence has no \"pretokenizers\"");
    check_open_error("{\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"use_regex\": 1}}",
                     "\"use_regex\" is neither true nor false");
    check_open_error("{\"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": {\"Regex\": \"\\\\w+\"}, "
                     "\"behavior\": \"Isolated\"}}",
                     "the split pattern \"\\x5cw+\" is not supported");
    check_open_error("{\"pre_tokenizer\": {\"type\": \"Split\", \"behavior\": \"MergedWithNext\"}}",
                     "the Split behavior \"MergedWithNext\" is not supported");
    check_open_error("{\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"_\"}}",
                     "the Metaspace replacement \"_\" is not supported");
    check_open_error("{\"pre_tokenizer\": " SEQUENCE(BYTE_LEVEL ", {\"type\": \"Digits\"}") "}",
                     "a pre-tokenizer \"Digits\" after the last one is not supported");
    check_open_error("{\"pre_tokenizer\": " SEQUENCE("{\"type\": \"Digits\"}, {\"type\": \"ByteLevel\"}") "}",
                     "\"add_prefix_space\" after another pre-tokenizer is not supported");

    check_open_error(WITH(BYTE_LEVEL, "\"dropout\": 0.1, ", ABC, "[]"),
                     "the model's \"dropout\" is for training and not supported; set it to null");
    check_open_error(WITH(BYTE_LEVEL, "\"end_of_word_suffix\": \"</w>\", ", ABC, "[]"),
                     "the model's \"end_of_word_suffix\" is not supported");
    check_open_error(WITH(BYTE_LEVEL, "\"unk_token\": \"<unk>\", ", ABC, "[]"),
                     "the model's unknown token \"<unk>\" is not in its vocabulary");
    check_open_error(WITH(BYTE_LEVEL, "", "{\"a\": 0, \"a\": 1}", "[]"),
                     "not valid JSON: line 1, column 113: two members are called \"a\"");
    check_open_error(WITH(BYTE_LEVEL, "", "{\"a\": 0, \"b\": 0}", "[]"),
                     "tokens \"a\" and \"b\" have the same id 0");
    check_open_error(WITH(BYTE_LEVEL, "", "{\"a\": \"0\"}", "[]"), "the id of token \"a\" is no integer");
    check_open_error(WITH(BYTE_LEVEL, "", "{\"a\": -1}", "[]"),
                     "the id of token \"a\" is -1, but ids of this file must be 0..65537");
    check_open_error(WITH(BYTE_LEVEL, "", "{\"a\": 9223372036854775807}", "[]"),
                     "the id of token \"a\" is 9223372036854775807, but ids of this file must be 0..65537");
    check_open_error(WITH(BYTE_LEVEL, "", ABC, "{}"), "the model has no list of \"merges\"");
    check_open_error(WITH(BYTE_LEVEL, "", ABC, "[\"a b\", \"ab\"]"),
                     "merge 2 is neither \"left right\" nor [\"left\", \"right\"]");
    check_open_error(WITH(BYTE_LEVEL, "", ABC, "[[\"a\", \"b\", \"\"]]"),
                     "merge 1 is neither \"left right\" nor [\"left\", \"right\"]");
    check_open_error(WITH(BYTE_LEVEL, "", ABC, "[\"a c\"]"),
                     "merge 1 needs the token \"c\", which the vocabulary does not have");
    check_open_error(WITH(BYTE_LEVEL, "", ABC, "[\"b a\"]"),
                     "merge 1 needs the token \"ba\", which the vocabulary does not have");
    check_open_error(WITH(BYTE_LEVEL, "", ABC, "[\"a b\", [\"a\", \"b\"]]"),
                     "merge 2 repeats an earlier one");
}

#define ADDED(list)                                                                                          \
    "{\"added_tokens\": " list ", \"pre_tokenizer\": " BYTE_LEVEL                                            \
    ", \"model\": {\"vocab\": {\"a\": 0, \"b\": 1}, \"merges\": []}}"

static void test_added_errors(void)
{
    check_open_error(ADDED("{}"), "\"added_tokens\" is no list");
    check_open_error(ADDED("[1]"), "added token 0 has no \"content\"");
    check_open_error(ADDED("[{\"content\": \"<x>\"}]"), "the id of added token \"<x>\" is no integer");
    check_open_error(ADDED("[{\"content\": \"\", \"id\": 2}]"),
                     "added token \"\" has 0 bytes; 1..1024 can be used");
    check_open_error(ADDED("[{\"content\": \"<x>\", \"id\": 1}]"),
                     "added token \"<x>\" has the id 1 of token \"b\"");
    check_open_error(ADDED("[{\"content\": \"<x>\", \"id\": 2}, {\"content\": \"<x>\", \"id\": 3}]"),
                     "the added token \"<x>\" is there twice");
    check_open_error(ADDED("[{\"content\": \"<x>\", \"id\": 2, \"special\": 1}]"),
                     "added token \"<x>\": \"special\" is neither true nor false");
    check_open_error(ADDED("[{\"content\": \"<x>\", \"id\": 2, \"single_word\": true}]"),
                     "added token \"<x>\" is \"single_word\", which is not supported");
}

static bool from_bpe(const char *vocab, const char *merges, const int32_t *special, size_t count, Text *out,
                     Error *err)
{
    return tokenizer_json_from_bpe(vocab, strlen(vocab), merges, strlen(merges), special, count, out, err);
}

static void check_bpe_error(const char *vocab, const char *merges, const char *expected)
{
    Error err = {""};
    Text out = {0};
    CHECK(!from_bpe(vocab, merges, (const int32_t[]){-1, 7}, 2, &out, &err));
    CHECK_TEXT(err.text, expected);
    CHECK(out.size == 0);
    text_free(&out);
}

static void test_from_bpe_errors(void)
{
    static const char ab[] = "{\"a\": 0, \"b\": 1, \"ab\": 2}";
    check_bpe_error("{\"a\": 0", "",
                    "vocab.json is not valid: line 1, column 7: '}' expected near end of file");
    check_bpe_error("[]", "", "vocab.json is no object of tokens and their ids");
    check_bpe_error("{}", "", "vocab.json is no object of tokens and their ids");
    check_bpe_error("{\"a\": null}", "", "vocab.json: the id of \"a\" is no integer");
    check_bpe_error("{\"a\": 1}", "", "vocab.json: the id of \"a\" is 1, but the ids of 1 tokens are 0..0");
    check_bpe_error("{\"a\": -5}", "", "vocab.json: the id of \"a\" is -5, but the ids of 1 tokens are 0..0");
    check_bpe_error("{\"a\": 1, \"b\": 1}", "", "vocab.json: \"b\" and \"a\" have the same id 1");
    check_bpe_error("{\"a\": 0, \"a\": 1}", "",
                    "vocab.json is not valid: line 1, column 12: duplicate object key near '\"a\"'");
    check_bpe_error(ab, "#version: 0.2\na c\n", "merges.txt:2: the token \"c\" is not in vocab.json");
    check_bpe_error(ab, "a b\nb a\n", "merges.txt:2: the token \"ba\" is not in vocab.json");
    check_bpe_error(ab, "a b\r\n\r\na b\r\n", "merges.txt:3: \"a b\" is there twice");
    check_bpe_error(ab, "ab\n", "merges.txt:1: \"ab\" is not two tokens with one space between");
    check_bpe_error(ab, "a  b\n", "merges.txt:1: \"a  b\" is not two tokens with one space between");
    check_bpe_error(ab, "a \n", "merges.txt:1: \"a \" is not two tokens with one space between");
    check_bpe_error(ab, "a b", "the special token 7 is not in vocab.json, which has the ids 0..2");
}

static void test_from_bpe(void)
{
    static const char vocab[] = "{\"\\\"\": 0, \"\\\\\": 1, \"\xc4\xa0\": 2, \"a\": 3, \"\xc4\xa0"
                                "a\": 4, \"<pad>\": 5, "
                                "\"<|im|>\": 6, \"\\u00e9\": 7}";
    Error err;
    Text unix_lines = {0}, dos_lines = {0};
    CHECK(from_bpe(vocab, "#version: 0.2\n\xc4\xa0 a\n", (const int32_t[]){5, 3}, 2, &unix_lines, &err));
    CHECK(from_bpe(vocab, "#version: 0.2\r\n\xc4\xa0 a", (const int32_t[]){5, 3}, 2, &dos_lines, &err));
    CHECK_TEXT(text_cstr(&dos_lines), text_cstr(&unix_lines));
    Tokenizer *t = tokenizer_open(unix_lines.data, unix_lines.size, &err);
    CHECK(t != NULL);
    if (t) {
        CHECK(tokenizer_vocab_size(t) == 8);
        CHECK(tokenizer_is_special(t, 5) && tokenizer_is_special(t, 6)); /* named; looks like one */
        CHECK(!tokenizer_is_special(t, 3));                              /* named, but ordinary text */
        IDS("\" a\\\xe9", false, "0 4 1 7");
        IDS("a<pad><|im|>", true, "3 5 6");
    }
    tokenizer_close(t);
    text_free(&unix_lines);
    text_free(&dos_lines);
}

/* The shipped vocabulary has every byte: whatever the bytes are, they come back. Special and hostile ones
 * first. */
static void test_round_trip(void)
{
    static const char *const texts[] = {"\xff\xfe\x80\xc3", "\xed\xa0\x80",    "\xf0\x9f\x98",
                                        "\xc3\xa9\xcc\x81", " \xa0 \xc2\xa0x", "'\xc5\xbf's",
                                        "<|endoftext|>",    "\xf4\x90\x80\x80"};
    Error err;
    char *vocab = NULL, *merges = NULL;
    size_t vocab_size, merges_size, failed = 0;
    if (!file_exists("models/tales/vocab.json")) {
        SKIP("models/tales is absent");
        return;
    }
    Text json = {0};
    Tokenizer *t = NULL;
    if (file_read("models/tales/vocab.json", 0, &vocab, &vocab_size, &err) &&
        file_read("models/tales/merges.txt", 0, &merges, &merges_size, &err) &&
        tokenizer_json_from_bpe(vocab, vocab_size, merges, merges_size, NULL, 0, &json, &err))
        t = tokenizer_open(json.data, json.size, &err);
    CHECK(t != NULL);
    free(vocab);
    free(merges);
    Pcg32 random;
    pcg32_seed(&random, 1, 2);
    for (size_t n = 0; t && n < 2000; n++) {
        char text[64];
        size_t size = n < 8 ? strlen(texts[n]) : pcg32_next(&random) % sizeof text, count = 0;
        for (size_t i = 0; i < size; i++)
            text[i] = n < 8 ? texts[n][i] : (char)(pcg32_next(&random) >> (pcg32_next(&random) & 24));
        int32_t *ids = NULL;
        Text back = {0};
        failed += !tokenizer_encode(t, text, size, false, &ids, &count, &err);
        tokenizer_decode(t, ids, count, &back);
        failed += back.size != size || (size && memcmp(back.data, text, size) != 0);
        text_free(&back);
        free(ids);
    }
    CHECK(failed == 0);
    if (t) {
        CHECK(tokenizer_find(t, "<|endoftext|>") == 2047 && tokenizer_is_special(t, 2047));
        IDS("a<|endoftext|>", true, "64 2047");
        CHECK(strstr(ids_of(t, "a<|endoftext|>", 14, false), "2047") == NULL);
    }
    tokenizer_close(t);
    text_free(&json);
}

/* Texts cut into words; the file says where they come from. */
static void test_splits(void)
{
    static const struct {
        const char *name, *regex;
    } patterns[] = {
        {"gpt2", "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
        {"llama3",
         "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
         " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
         "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
        {"qwen2",
         "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
         "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
    };
    FILE *f = fopen("tests/data/tokenizer/split-cases.tsv", "r");
    char line[1000], name[20], hex[500], words[400];
    int cases = 0;
    CHECK(f != NULL);
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%19[^#\t]\t%499s\t%399[^\n]", name, hex, words) != 3)
            continue;
        const SplitPattern *pattern = NULL;
        for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
            if (strcmp(patterns[i].name, name) == 0)
                pattern = split_pattern_find(patterns[i].regex);
        CHECK(pattern != NULL);
        char text[250], got[400] = "";
        size_t size = strlen(hex) / 2;
        for (size_t i = 0; i < size; i++) {
            unsigned byte;
            sscanf(hex + 2 * i, "%2x", &byte);
            text[i] = (char)byte;
        }
        for (size_t at = 0, length; pattern && at < size; at += length) {
            length = split_next(pattern, text + at, size - at);
            sprintf(got + strlen(got), "%s%zu", at ? " " : "", length);
        }
        CHECK_TEXT(got, words);
        cases++;
    }
    if (f)
        fclose(f);
    CHECK(cases == 183);
    CHECK(split_pattern_find("\\w+") == NULL);
}

int main(void)
{
    test_small();
    test_configurations();
    test_characters();
    test_open_errors();
    test_added_errors();
    test_from_bpe_errors();
    test_from_bpe();
    test_round_trip();
    test_splits();
    return check_report();
}
