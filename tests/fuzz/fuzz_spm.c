/* Other programs' tokenizers from bytes: the first byte says what the rest is, a text to encode included.
 *   s  the text's size as a byte, the text, a tokenizer.model
 *   l  the same and two bytes of the model's vocabulary size, a tokenizer.bin
 *   a  the same, GGUF's arrays from the bytes that follow: model, pre-tokenizer, two flags, then lines
 *      "type token" with a score from their bytes, an empty line, merges
 *   j  the same, the "model" of a tokenizer.json in the second layout
 * What a converter takes must open. The text is normalized, too. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "runtime/tokenizer/convert.h"
#include "runtime/tokenizer/normalize.h"
#include "runtime/tokenizer/tokenizer.h"
#include "tests/fuzz/fuzz.h"

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void use(const Tokenizer *t, const char *text, size_t size)
{
    for (int special = 0; special < 2; special++) {
        int32_t *ids = NULL;
        size_t count = 0;
        Error err = {""};
        Text back = {0};
        require(tokenizer_encode(t, text, size, special, &ids, &count, &err) || err.text[0]);
        for (size_t i = 0; i < count; i++)
            require(ids[i] >= 0 && ids[i] < tokenizer_vocab_size(t));
        tokenizer_decode(t, ids, count, &back);
        text_free(&back);
        free(ids);
    }
}

/* A converter's answer: an error with a text, or a file that opens. */
static void check(bool made, const Text *json, const Error *problem, const char *text, size_t size)
{
    Error err = {""};
    if (!made) {
        require(problem->text[0] && !json->size);
        return;
    }
    Tokenizer *t = tokenizer_open(json->data, json->size, &err);
    require(t != NULL);
    use(t, text, size);
    tokenizer_close(t);
}

static const char *line_end(const char *at, const char *end)
{
    const char *stop = memchr(at, '\n', (size_t)(end - at));
    return stop ? stop : end;
}

enum { LIST_MAX = 4096 };

static void fuzz_arrays(const char *data, size_t size, const char *text, size_t text_size)
{
    static const char *const models[] = {"gpt2", "llama", "bert"};
    static const char *const pres[] = {NULL, "gpt-2", "smollm", "llama-bpe", "qwen2", "?"};
    const char *at = data + 4, *end = data + size;
    if (size < 4)
        return;
    TokenizerString *lists[2] = {xcalloc(LIST_MAX, sizeof **lists), xcalloc(LIST_MAX, sizeof **lists)};
    int32_t *types = xcalloc(LIST_MAX, sizeof *types);
    float *scores = xcalloc(LIST_MAX, sizeof *scores);
    size_t counts[2] = {0, 0};
    for (int list = 0; at < end; at++) {
        const char *stop = line_end(at, end);
        if (stop == at && !list) {
            list = 1;
        } else if (counts[list] < LIST_MAX) {
            size_t i = counts[list]++;
            if (!list) {
                types[i] = *at - '0';
                scores[i] = -(float)(stop - at) * 0.5f;
                at += stop > at + 1 ? 2 : 0;
            }
            lists[list][i] = (TokenizerString){at, (size_t)(stop - at)};
        }
        at = stop;
    }
    TokenizerArrays a = {.model = models[(unsigned char)data[0] % 3],
                         .pre = pres[(unsigned char)data[1] % 6],
                         .count = counts[0],
                         .tokens = lists[0],
                         .scores = data[2] & 1 ? NULL : scores,
                         .types = data[2] & 2 ? NULL : types,
                         .merges = lists[1],
                         .merge_count = counts[1],
                         .begin = data[3] % 4 - 1,
                         .unknown = data[3] / 4 % 4 - 1,
                         .add_begin = data[2] / 4 % 2,
                         .dummy_prefix = data[2] / 8 % 2,
                         .collapse_spaces = data[2] / 16 % 2};
    Text json = {0};
    Error err = {""};
    bool made = tokenizer_json_from_arrays(&a, &json, &err);
    check(made, &json, &err, text, text_size);
    text_free(&json);
    free(lists[0]);
    free(lists[1]);
    free(types);
    free(scores);
}

static void fuzz_model(const char *data, size_t size, const char *text, size_t text_size)
{
    Text json = {0};
    Error err = {""};
    text_puts(&json, "{\"model\": ");
    text_add(&json, data, size);
    text_putc(&json, '}');
    Tokenizer *t = tokenizer_open(json.data, json.size, &err);
    require(t || err.text[0]);
    if (t)
        use(t, text, text_size);
    tokenizer_close(t);
    text_free(&json);
}

/* Normalizing twice is normalizing once. */
static void fuzz_nfc(const char *text, size_t size)
{
    Text once = {0}, twice = {0};
    normalize_nfc(text, size, &once);
    normalize_nfc(text_cstr(&once), once.size, &twice);
    require(once.size == twice.size && (!once.size || memcmp(once.data, twice.data, once.size) == 0));
    text_free(&once);
    text_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    if (size < 2 || size - 2 < bytes[1])
        return 0;
    const char *text = data + 2, *rest = text + bytes[1];
    size_t text_size = bytes[1], left = size - 2 - text_size;
    Text json = {0};
    Error err = {""};
    bool made = false;
    fuzz_nfc(text, text_size);
    if (data[0] == 's') {
        made = tokenizer_json_from_spm(rest, left, &json, &err);
        check(made, &json, &err, text, text_size);
    } else if (data[0] == 'l' && left >= 2) {
        size_t count = (size_t)(unsigned char)rest[0] | (size_t)(unsigned char)rest[1] << 8;
        made = tokenizer_json_from_llama2c(rest + 2, left - 2, count, &json, &err);
        check(made, &json, &err, text, text_size);
    } else if (data[0] == 'a') {
        fuzz_arrays(rest, left, text, text_size);
    } else if (data[0] == 'j') {
        fuzz_model(rest, left, text, text_size);
    }
    text_free(&json);
    return 0;
}
