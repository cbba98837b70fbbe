/* Tokenizers from bytes: the first byte says what the rest is.
 *   j  tokenizer.json, NUL, a text to encode with it
 *   b  vocab.json, NUL, merges.txt: what comes out must open
 *   otherwise a text for a fixed tokenizer, where decoding must give the same bytes, and for the streams */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer/stream.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/fuzz/fuzz.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* Encodes and decodes; with `exact`, the bytes must come back. */
static void both_ways(const Tokenizer *t, const char *text, size_t size, bool special, bool exact)
{
    int32_t *ids = NULL;
    size_t count = 0;
    Error err;
    bool ok = tokenizer_encode(t, text, size, special, &ids, &count, &err);
    require(ok || !exact);
    Text back = {0};
    for (size_t i = 0; i < count; i++)
        require(ids[i] >= 0 && ids[i] < tokenizer_vocab_size(t));
    tokenizer_decode(t, ids, count, &back);
    if (exact)
        require(back.size == size && (!size || memcmp(back.data, text, size) == 0));
    text_free(&back);
    free(ids);
}

static void fuzz_json(const char *data, size_t size)
{
    const char *end = memchr(data, 0, size);
    size_t length = end ? (size_t)(end - data) : size;
    Error err;
    Tokenizer *t = tokenizer_open(data, length, &err);
    if (t && end) {
        both_ways(t, end + 1, size - length - 1, false, false);
        both_ways(t, end + 1, size - length - 1, true, false);
    }
    tokenizer_close(t);
}

static void fuzz_bpe(const char *data, size_t size)
{
    const char *end = memchr(data, 0, size);
    size_t length = end ? (size_t)(end - data) : size;
    static const int32_t special[] = {0, -1};
    Error err;
    Text json = {0};
    if (tokenizer_json_from_bpe(data, length, end ? end + 1 : "", end ? size - length - 1 : 0, special, 2,
                                &json, &err)) {
        Tokenizer *t = tokenizer_open(json.data, json.size, &err);
        require(t != NULL);
        tokenizer_close(t);
    }
    text_free(&json);
}

/* Every byte, the pairs of the letters a to d, and two runs; one of two split patterns. */
static Tokenizer *fixed(int pattern)
{
    static const char *const patterns[] = {
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\\\p{L}+| ?\\\\p{N}+| ?[^\\\\s\\\\p{L}\\\\p{N}]+|\\\\s+(?!\\\\S)|\\\\s+",
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}|"
        " ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"};
    Text json = {0};
    Error err;
    text_printf(
        &json,
        "{\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": "
        "{\"Regex\": \"%s\"}, \"behavior\": \"Isolated\"}, {\"type\": \"ByteLevel\", \"use_regex\": false, "
        "\"add_prefix_space\": false}]}, \"model\": {\"vocab\": {",
        patterns[pattern]);
    for (int byte = 0, above = 0x100; byte < 256; byte++) {
        bool printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
        text_printf(&json, "\"\\u%04x\": %d, ", printable ? byte : above++, byte);
    }
    for (int i = 0; i < 16; i++)
        text_printf(&json, "\"%c%c\": %d, ", 'a' + i / 4, 'a' + i % 4, 256 + i);
    text_puts(&json, "\"abcd\": 272, \"aaa\": 273}, \"merges\": [");
    for (int i = 0; i < 16; i++)
        text_printf(&json, "\"%c %c\", ", 'a' + i / 4, 'a' + i % 4);
    text_puts(&json, "\"ab cd\", \"aa a\"]}}");
    Tokenizer *t = tokenizer_open(json.data, json.size, &err);
    require(t != NULL);
    text_free(&json);
    return t;
}

/* What the streams let through must not depend on how the bytes arrive. */
static void fuzz_streams(const char *data, size_t size)
{
    static const char *const stops[] = {"aab", "abaa", "\n\n"};
    Text out[2] = {{0}}, kept[2] = {{0}};
    for (int i = 0; i < 2; i++) {
        StopMatcher *m = stop_matcher_new(stops, 3);
        Utf8Stream utf8 = {0};
        size_t step = i ? 1 : size;
        for (size_t at = 0; at < size; at += step)
            stop_matcher_feed(m, data + at, step, &kept[i]);
        stop_matcher_flush(m, &kept[i]);
        for (size_t at = 0; at < kept[i].size; at += i ? 3 : kept[i].size)
            utf8_stream_feed(&utf8, kept[i].data + at,
                             i && kept[i].size - at < 3 ? kept[i].size - at
                             : i                        ? 3
                                                        : kept[i].size,
                             &out[i]);
        utf8_stream_flush(&utf8, &out[i]);
        stop_matcher_free(m);
    }
    require(strcmp(text_cstr(&kept[0]), text_cstr(&kept[1])) == 0 && kept[0].size == kept[1].size);
    require(out[0].size == out[1].size &&
            (!out[0].size || memcmp(out[0].data, out[1].data, out[0].size) == 0));
    for (int i = 0; i < 2; i++) {
        text_free(&out[i]);
        text_free(&kept[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Tokenizer *tokenizers[2];
    const char *text = (const char *)data;
    if (!tokenizers[0])
        for (int i = 0; i < 2; i++)
            tokenizers[i] = fixed(i);
    if (size && text[0] == 'j')
        fuzz_json(text + 1, size - 1);
    else if (size && text[0] == 'b')
        fuzz_bpe(text + 1, size - 1);
    else if (size) {
        both_ways(tokenizers[text[0] & 1], text + 1, size - 1, false, true);
        fuzz_streams(text + 1, size - 1);
    }
    return 0;
}
