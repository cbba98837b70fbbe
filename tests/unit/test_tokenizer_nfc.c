/* Unicode normalization, by itself and as tokenizers ask for it. */
#include "runtime/tokenizer/normalize.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/unit/check.h"

static void check_nfc(const char *text, size_t size, const char *expected, size_t expected_size)
{
    Text out = {0};
    normalize_nfc(text, size, &out);
    CHECK(out.size == expected_size && (!out.size || memcmp(out.data, expected, out.size) == 0));
    text_free(&out);
}

static size_t unhex(const char *hex, char *out)
{
    size_t n = 0;
    for (unsigned byte; sscanf(hex, "%2x", &byte) == 1; hex += 2)
        out[n++] = (char)byte;
    return n;
}

/* The first line of the file says where its answers come from. */
static void test_table(void)
{
    FILE *f = fopen("tests/data/tokenizer/nfc-cases.tsv", "r");
    char line[1000], hex[2][400], text[2][200];
    int cases = 0;
    CHECK(f != NULL);
    while (f && fgets(line, sizeof line, f)) {
        if (*line == '#' || sscanf(line, "%399s %399s", hex[0], hex[1]) != 2)
            continue;
        size_t size = unhex(hex[0], text[0]), expected = unhex(hex[1], text[1]);
        check_nfc(text[0], size, text[1], expected);
        check_nfc(text[1], expected, text[1], expected); /* is so already */
        cases++;
    }
    if (f)
        fclose(f);
    CHECK(cases == 89);
}

#define SAME(text) check_nfc(text, sizeof text - 1, text, sizeof text - 1)

static void test_invalid(void)
{
    SAME("\xff");
    SAME("e\xff\xcc\x81"); /* the mark finds no letter */
    SAME("\xcc\x81");
    SAME("\xed\xa0\x80 \xf4\x90\x80\x80 \xc0\x80 \xe2\x84");
    check_nfc("\xe2\x84"
              "e\xcc\x81\xc3",
              6, "\xe2\x84\xc3\xa9\xc3", 5);
    check_nfc("a\0e\xcc\x81", 5, "a\0\xc3\xa9", 4);
}

/* Quadratic time would make an hour of this: one letter with a million marks in the wrong order. */
static void test_many_marks(void)
{
    enum { PAIRS = 1 << 19 };
    char *text = malloc(4 * PAIRS + 1), *expected = malloc(4 * PAIRS + 1);
    text[0] = 'b';
    memcpy(expected, "\xe1\xb8\x85", 3); /* b and the first U+0323 */
    for (size_t i = 0; i < PAIRS; i++) {
        memcpy(text + 1 + 4 * i, "\xcc\x81\xcc\xa3", 4);
        if (i) /* U+0323, class 220, before U+0301, class 230 */
            memcpy(expected + 1 + 2 * i, "\xcc\xa3", 2);
        memcpy(expected + 1 + 2 * PAIRS + 2 * i, "\xcc\x81", 2);
    }
    check_nfc(text, 4 * PAIRS + 1, expected, 4 * PAIRS + 1);
    free(text);
    free(expected);
}

/* "e" U+0301 must become the one token of U+00E9; added tokens are found before. */
static void test_tokenizer(void)
{
    static const char json[] =
        "{\"added_tokens\": [{\"id\": 4, \"content\": \"e\xcc\x81!\"}], \"normalizer\": {\"type\": \"NFC\"}, "
        "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false}, "
        "\"model\": {\"vocab\": {\"\xc3\x83\": 0, \"\xc2\xa9\": 1, \"\xc3\x83\xc2\xa9\": 2, \"e\": 3}, "
        "\"merges\": [\"\xc3\x83 \xc2\xa9\"]}}";
    Error err;
    Tokenizer *t = tokenizer_open(json, sizeof json - 1, &err);
    int32_t *ids = NULL;
    size_t count = 0;
    CHECK(t != NULL);
    if (t)
        CHECK(tokenizer_encode(t,
                               "e\xcc\x81"
                               "e\xcc\x81!e\xc3\xa9",
                               10, false, &ids, &count, &err) &&
              count == 4 && ids[0] == 2 && ids[1] == 4 && ids[2] == 3 && ids[3] == 2);
    free(ids);
    tokenizer_close(t);
}

int main(void)
{
    test_table();
    test_invalid();
    test_many_marks();
    test_tokenizer();
    return check_report();
}
