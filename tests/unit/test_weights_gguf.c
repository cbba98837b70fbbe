/* GGUF and llama2.c files: the same models as safetensors, quantised blocks, and broken files. */
#include <inttypes.h>
#include <math.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "frontend/weights/weights.h"
#include "tests/unit/check.h"

/* ---- files by hand ---- */

static void number(Text *t, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++)
        text_putc(t, (char)(v >> 8 * i));
}

static void name(Text *t, const char *s)
{
    number(t, strlen(s), 8);
    text_puts(t, s);
}

static void begin(Text *t, uint32_t version, uint64_t tensors, uint64_t keys)
{
    text_puts(t, "GGUF");
    number(t, version, 4);
    number(t, tensors, 8);
    number(t, keys, 8);
}

static void tensor(Text *t, const char *s, uint64_t elements, uint32_t type, uint64_t offset)
{
    name(t, s);
    number(t, 1, 4);
    number(t, elements, 8);
    number(t, type, 4);
    number(t, offset, 8);
}

static void pad(Text *t, size_t to)
{
    while (t->size % to)
        text_putc(t, 0);
}

/* ---- blocks ---- */

enum { Q4_0 = 2, Q8_0 = 8 };

/* 64 elements of a type whose block is an fp16 scale of 0.5 and then `bytes` bytes 0, 37, 74, ... */
static void small_blocks(Text *t, uint32_t type, int bytes)
{
    begin(t, 3, 1, 0);
    tensor(t, "x", 64, type, 0);
    pad(t, 32);
    for (int b = 0; b < 2; b++) {
        number(t, 0x3800, 2);
        for (int i = 0; i < bytes; i++)
            text_putc(t, (char)(37 * (i + 32 * b)));
    }
}

static void test_small_blocks(void)
{
    static const struct {
        uint32_t type;
        int bytes;
    } rows[] = {{Q4_0, 16}, {Q8_0, 32}};
    for (int k = 0; k < 2; k++) {
        Text t = {0};
        Error err;
        TensorIssue issue;
        float f[64], part[64];
        int wrong = 0;
        small_blocks(&t, rows[k].type, rows[k].bytes);
        Weights *w = weights_open_memory(t.data, t.size, "f", &err);
        const Tensor *x = w ? weights_find(w, "x") : NULL;
        CHECK(x && tensor_to_f32(x, false, f, 0, 64, &issue));
        for (int i = 0; x && i < 64; i++) {
            int b = i / 32, e = i % 32;
            unsigned byte = (unsigned)(37 * ((k ? e : e % 16) + 32 * b)) & 255;
            int q = k ? (int)byte - (byte > 127 ? 256 : 0) : (int)(e < 16 ? byte & 15 : byte >> 4) - 8;
            wrong += f[i] != 0.5f * (float)q;
        }
        CHECK(wrong == 0);
        CHECK(x && tensor_to_f32(x, false, part, 5, 50, &issue) && memcmp(part, f + 5, 50 * sizeof *f) == 0);
        weights_close(w);
        text_free(&t);
    }
}

static void compare_quantised(const Weights *w, const char *type, const json_t *expected)
{
    char tensor_name[64];
    float f[1024], part[300];
    double worst = 0;
    TensorIssue issue;
    snprintf(tensor_name, sizeof tensor_name, "kq.%s.weight", type);
    const Tensor *t = weights_find(w, tensor_name);
    CHECK(t && json_array_size(expected) == 1024);
    CHECK(t && tensor_to_f32(t, false, f, 0, 1024, &issue));
    for (size_t i = 0; t && i < 1024; i++)
        worst = fmax(worst, fabs(f[i] - json_number_value(json_array_get(expected, i))));
    CHECK(worst < 1e-5);
    CHECK(t && tensor_to_f32(t, false, part, 200, 300, &issue) && memcmp(part, f + 200, sizeof part) == 0);
}

/* ggml's own dequantised values. */
static void test_k_blocks(const char *data)
{
    static const char *const types[] = {"Q4_K", "Q5_K", "Q6_K"};
    char *path = path_join(data, "hf-fixtures/tiny_kquant.gguf");
    char *values = path_join(data, "hf-fixtures/tiny_kquant_ref.json");
    json_t *expected = json_load_file(values, 0, NULL);
    Error err;
    TensorIssue issue;
    float f[1];
    Weights *w = weights_open(path, &err);
    CHECK(w && expected);
    for (size_t i = 0; w && i < sizeof types / sizeof *types; i++)
        compare_quantised(w, types[i], json_object_get(json_object_get(expected, "dequant"), types[i]));
    const Tensor *t = w ? weights_find(w, "kq.Q2_K.weight") : NULL;
    CHECK(t && !tensor_to_f32(t, false, f, 0, 1, &issue) && issue.fault == TENSOR_UNCONVERTED);
    if (t)
        tensor_issue_error(t, &issue, &err);
    CHECK(t && strstr(err.text, "elements of type Q2_K, which cannot be converted"));
    weights_close(w);
    json_decref(expected);
    free(path);
    free(values);
}

/* ---- whole models against their safetensors form ---- */

static double worst_difference(const Tensor *a, const Tensor *b)
{
    size_t n = (size_t)tensor_elements(a);
    float *x = xmalloc(n * sizeof *x), *y = xmalloc(n * sizeof *y);
    double worst = 0;
    TensorIssue issue;
    for (int transpose = 0; transpose < (a->rank == 2 ? 2 : 1); transpose++) {
        if (!tensor_to_f32(a, transpose, x, 0, n, &issue) || !tensor_to_f32(b, transpose, y, 0, n, &issue))
            worst = INFINITY;
        for (size_t i = 0; i < n; i++)
            worst = fmax(worst, fabs((double)x[i] - y[i]));
    }
    free(x);
    free(y);
    return worst;
}

static bool same_shape(const Tensor *a, const Tensor *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, sizeof a->shape) == 0;
}

/* fp16 of some odd range, plain and transposed. */
static bool same_halves(const Tensor *a, const Tensor *b)
{
    size_t n = (size_t)tensor_elements(a), first = n / 3, count = n / 2;
    uint16_t *x = xmalloc(n * sizeof *x), *y = xmalloc(n * sizeof *y);
    bool same = true;
    TensorIssue issue;
    for (int transpose = 0; transpose < (a->rank == 2 ? 2 : 1); transpose++)
        same = same && tensor_to_f16(a, transpose, x, first, count, &issue) &&
               tensor_to_f16(b, transpose, y, first, count, &issue) && memcmp(x, y, count * sizeof *x) == 0;
    free(x);
    free(y);
    return same;
}

/* Every weight of `path` is in `reference`, with its shape and values, and the other way round. */
static void compare_models(const char *data, const char *path, const char *reference, double tolerance)
{
    Error err;
    char *a_path = path_join(data, path), *b_path = path_join(data, reference);
    Weights *a = weights_open(a_path, &err), *b = weights_open(b_path, &err);
    int wrong = 0;
    size_t buffers = 0;
    CHECK(a && b);
    for (size_t i = 0; a && b && i < weights_count(b); i++)
        buffers += weights_is_buffer(weights_at(b, i));
    CHECK(a && b && weights_count(a) == weights_count(b) - buffers);
    for (size_t i = 0; a && b && i < weights_count(a); i++) {
        const Tensor *x = weights_at(a, i), *y = weights_find(b, x->name);
        wrong += !y || !same_shape(x, y) || worst_difference(x, y) > tolerance ||
                 (tolerance == 0 && !same_halves(x, y));
    }
    CHECK(wrong == 0);
    weights_close(a);
    weights_close(b);
    free(a_path);
    free(b_path);
}

/* The config that a file holds has every number of the config.json of the same model. */
static void compare_config(const char *data, const char *path, const char *reference)
{
    Error err;
    char *a_path = path_join(data, path), *b_path = path_join(data, reference);
    Weights *w = weights_open(a_path, &err);
    json_t *expected = json_load_file(b_path, 0, NULL), *value;
    const char *key;
    int numbers = 0;
    CHECK(w && expected);
    json_object_foreach(expected, key, value)
    {
        double x = NAN;
        if (!w || !json_is_number(value))
            continue;
        CHECK(weights_config_number(w, key, &x) == CONFIG_FOUND &&
              fabs(x - json_number_value(value)) < 1e-10);
        numbers++;
    }
    CHECK(numbers >= 8);
    weights_close(w);
    json_decref(expected);
    free(a_path);
    free(b_path);
}

/* A GGUF file by hand, for what no file at hand has: scaled positions, a tied head, tokens instead of a
 * vocabulary's size, a tensor that no table knows. */
static void test_metadata(void)
{
    Text t = {0};
    Error err;
    const char *s = NULL;
    bool tied = false;
    double x = 0;
    int64_t n = 0;
    size_t factors = 0;
    begin(&t, 3, 2, 6);
    name(&t, "general.architecture");
    number(&t, 8, 4);
    name(&t, "llama");
    name(&t, "llama.rope.scaling.type");
    number(&t, 8, 4);
    name(&t, "linear");
    name(&t, "llama.rope.scaling.factor");
    number(&t, 6, 4);
    number(&t, 0x40800000, 4); /* 4.0 */
    name(&t, "tokenizer.ggml.tokens");
    number(&t, 9, 4);
    number(&t, 8, 4);
    number(&t, 3, 8);
    name(&t, "a");
    name(&t, "\xff"); /* no UTF-8 */
    name(&t, "c");
    name(&t, "signed");
    number(&t, 5, 4);
    number(&t, 0xfffffffe, 4);
    name(&t, "huge");
    number(&t, 10, 4);
    number(&t, UINT64_MAX, 8);
    tensor(&t, "blk.12.ffn_up.weight", 8, 0, 32);
    tensor(&t, "rope_freqs.weight", 8, 0, 0);
    pad(&t, 32);
    for (int i = 0; i < 16; i++)
        number(&t, i < 4 ? 0x3f800000 : i < 8 ? 0x41000000 : 0, 4); /* 1.0, 8.0 */
    Weights *w = weights_open_memory(t.data, t.size, "f", &err);
    CHECK(w);
    if (w) {
        CHECK_TEXT(weights_at(w, 0)->name, "rope_freqs.weight");
        CHECK_TEXT(weights_at(w, 1)->name, "model.layers.12.mlp.up_proj.weight");
        CHECK(weights_config_text(w, "rope_scaling.rope_type", &s) == CONFIG_FOUND &&
              strcmp(s, "linear") == 0);
        CHECK(weights_config_number(w, "rope_scaling.factor", &x) == CONFIG_FOUND && x == 4);
        CHECK(weights_config_list(w, "rope_factors", &factors) == CONFIG_FOUND && factors == 8);
        CHECK(weights_config_number(w, "rope_factors.4", &x) == CONFIG_FOUND && x == 8);
        CHECK(weights_is_buffer(weights_at(w, 0)));
        CHECK(weights_config_bool(w, "tie_word_embeddings", &tied) == CONFIG_FOUND && tied);
        CHECK(weights_config_int(w, "vocab_size", &n) == CONFIG_FOUND && n == 3);
        CHECK(weights_config_int(w, "signed", &n) == CONFIG_FOUND && n == -2);
        CHECK(weights_config_int(w, "huge", &n) == CONFIG_OTHER);
        CHECK_TEXT(weights_format(w), "GGUF");
        CHECK_TEXT(weights_config_path(w), "f");
    }
    weights_close(w);
    text_free(&t);
}

/* ---- broken files ---- */

static void refused(Text *t, const char *message)
{
    Error err;
    Weights *w = weights_open_memory(t->data, t->size, "f", &err);
    CHECK(!w);
    CHECK(!w && strstr(err.text, message));
    if (!w && !strstr(err.text, message))
        printf("  got \"%s\", expected \"%s\"\n", err.text, message);
    weights_close(w);
    text_free(t);
}

static void test_broken_headers(void)
{
    Text t = {0};
    begin(&t, 1, 0, 0);
    refused(&t, "f: GGUF version 1; versions 2 and 3 are read");
    begin(&t, 3, UINT64_MAX, 0);
    refused(&t, "f: more tensors than the file can hold");
    begin(&t, 3, 0, UINT64_MAX);
    refused(&t, "f: more metadata keys than the file can hold");
    begin(&t, 3, 0, 1);
    number(&t, UINT64_MAX, 8);
    pad(&t, 128);
    refused(&t, "f: cut short: the file ends within its header");
    begin(&t, 3, 0, 1);
    name(&t, "a\n");
    pad(&t, 128);
    refused(&t, "f: a name is 1 to 1024 bytes without control characters");
    begin(&t, 3, 0, 1);
    name(&t, "a");
    number(&t, 77, 4);
    pad(&t, 128);
    refused(&t, "f: a value of an unknown kind");
    begin(&t, 3, 0, 1);
    name(&t, "a");
    number(&t, 9, 4);
    number(&t, 4, 4);
    number(&t, (uint64_t)1 << 62, 8);
    refused(&t, "f: a list is longer than the file");
    begin(&t, 3, 0, 1);
    name(&t, "a");
    for (int i = 0; i < 100; i++) { /* lists of one list of one list ... */
        number(&t, 9, 4);
        number(&t, i ? 1 : 9, i ? 8 : 4);
        if (!i)
            number(&t, 1, 8);
    }
    refused(&t, "f: a list of an unknown kind");
    begin(&t, 3, 0, 2);
    for (int i = 0; i < 2; i++) {
        name(&t, "a");
        number(&t, 4, 4);
        number(&t, 5, 4);
    }
    refused(&t, "f: a metadata key is there twice");
    begin(&t, 3, 0, 1);
    name(&t, "general.alignment");
    number(&t, 4, 4);
    number(&t, 0, 4);
    refused(&t, "f: \"general.alignment\" is no sensible number");
}

static void test_broken_tensors(void)
{
    static const struct {
        uint64_t elements, offset;
        uint32_t type;
        const char *message;
    } rows[] = {
        {8, 32, 0, "f: cut short: tensor \"x\" ends behind the end of the file"},
        {8, UINT64_MAX - 31, 0, "f: cut short: tensor \"x\" ends behind the end of the file"},
        {9, 0, 0, "f: cut short: tensor \"x\" ends behind the end of the file"},
        {8, 4, 0, "f: tensor \"x\": its offset is not aligned"},
        {8, 0, Q8_0, "f: a tensor's shape is too large, or its rows are no whole blocks"},
        {(uint64_t)1 << 62, 0, 0, "f: a tensor's shape is too large, or its rows are no whole blocks"},
        {(uint64_t)1 << 63, 0, 0, "f: a tensor's shape is too large"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Text t = {0};
        begin(&t, 3, 1, 0);
        tensor(&t, "x", rows[i].elements, rows[i].type, rows[i].offset);
        pad(&t, 32);
        number(&t, 0, 8);
        pad(&t, 32);
        refused(&t, rows[i].message);
    }
    Text t = {0};
    begin(&t, 3, 2, 0);
    tensor(&t, "x", 8, 0, 0);
    tensor(&t, "x", 8, 0, 0);
    pad(&t, 32);
    number(&t, 0, 8);
    pad(&t, 32);
    refused(&t, "f: tensor \"x\" is there twice");
}

static void test_every_cut(const char *data, const char *path, size_t step)
{
    Error err;
    char *full = path_join(data, path), *bytes;
    size_t size, opened = 0;
    CHECK(file_read(full, 0, &bytes, &size, &err));
    for (size_t n = 0; n < size; n += step) {
        char *copy = xmalloc(n ? n : 1);
        memcpy(copy, bytes, n);
        Weights *w = weights_open_memory(copy, n, "f", &err);
        opened += w != NULL;
        weights_close(w);
        free(copy);
    }
    CHECK(opened == 0);
    free(bytes);
    free(full);
}

static void test_broken_factors(void)
{
    Text t = {0};
    begin(&t, 3, 1, 0);
    tensor(&t, "rope_freqs.weight", 8, 0, 0);
    pad(&t, 32);
    for (int i = 0; i < 8; i++)
        number(&t, i == 2 ? 0 : 0x3f800000, 4);
    refused(&t, "f: rope_freqs.weight: factor 2 is not above 0");
    begin(&t, 3, 1, 0);
    tensor(&t, "rope_freqs.weight", 4097, 0, 0);
    pad(&t, 32);
    text_printf(&t, "%16388s", "");
    refused(&t, "f: rope_freqs.weight is no list of at most 4096 factors");
}

static void test_llama2c_headers(void)
{
    Text t = {0};
    text_puts(&t, "24ka");
    number(&t, 2, 4);
    pad(&t, 256);
    refused(&t, "f: a llama2.c checkpoint of version 2; the fp32 versions 0 and 1 are read");
    text_puts(&t, "24ka");
    number(&t, 1, 4);
    refused(&t, "f: cut short: a llama2.c header has 256 bytes, 8 are in the file");
    text_puts(&t, "24ka");
    number(&t, 1, 4);
    pad(&t, 256);
    refused(&t, "f: the llama2.c header holds sizes that no model has");
    text_puts(&t, "24ka");
    for (int i = 0; i < 8; i++)
        number(&t, i == 5 ? 1 : (const unsigned[]){1, 64, 172, 5, 8, 4, 512, 512}[i], 4);
    pad(&t, 256);
    refused(&t, "f: cut short: its header describes");
}

int main(void)
{
    const char *data = check_data();
    test_small_blocks();
    test_metadata();
    test_broken_headers();
    test_broken_tensors();
    test_broken_factors();
    test_llama2c_headers();
    if (!data) {
        SKIP("no test data");
        return check_report();
    }
    test_k_blocks(data);
    compare_models(data, "hf-fixtures/tiny_llama_f32.gguf", "hf-fixtures/tiny_llama.safetensors", 0);
    compare_models(data, "hf-fixtures/tiny_llama_f16.gguf", "hf-fixtures/tiny_llama.safetensors", 1e-3);
    compare_models(data, "stories260K/stories260K.bin", "stories260K/hf", 0);
    compare_models(data, "stories260K/stories260K_v1.bin", "stories260K/hf", 0);
    compare_config(data, "hf-fixtures/tiny_llama_f32.gguf", "hf-fixtures/tiny_llama_config.json");
    compare_config(data, "stories260K/stories260K.bin", "stories260K/hf/config.json");
    test_every_cut(data, "hf-fixtures/tiny_llama_f32.gguf", 1);
    test_every_cut(data, "hf-fixtures/tiny_llama_q8.gguf", 7);
    test_every_cut(data, "stories260K/stories260K.bin", 9973);
    test_every_cut(data, "stories260K/stories260K_v1.bin", 9973);
    return check_report();
}
