/* Safetensors files, good and broken, names, config and shards. Conversions are in test_weights_convert.c. */
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"
#include "frontend/weights/weights.h"
#include "tests/support/libcheckpoint.h"
#include "tests/unit/check.h"

static char folder[256]; /* ours, removed at the end */

static char *in_folder(const char *name)
{
    return path_join(folder, name);
}

static void write_file(const char *path, const void *data, size_t size)
{
    Error err;
    if (!file_write_atomic(path, data, size, &err)) {
        printf("%s\n", err.text);
        exit(2);
    }
}

/* ---- headers by hand ---- */

/* A file with this header and `data` zero bytes behind it, opened from memory; `length` < 0 is the true one.
 */
static Weights *open_header(const char *header, int64_t length, size_t data, Error *err)
{
    Text t = {0};
    uint64_t n = length < 0 ? strlen(header) : (uint64_t)length;
    for (int i = 0; i < 8; i++)
        text_putc(&t, (char)(n >> 8 * i));
    text_puts(&t, header);
    for (size_t i = 0; i < data; i++)
        text_putc(&t, 0);
    err->text[0] = 0;
    Weights *w = weights_open_memory(t.data, t.size, "m.safetensors", err);
    if (w) /* nothing may point into the bytes any more */
        weights_close(w);
    text_free(&t);
    return w;
}

static void refused(const char *header, size_t data, const char *message)
{
    Error err;
    Text expected = {0};
    text_printf(&expected, "m.safetensors: %s", message);
    CHECK(!open_header(header, -1, data, &err));
    CHECK_TEXT(err.text, expected.data);
    text_free(&expected);
}

/* The JSON library's own words follow; they name line and column. */
static void not_json(const char *header, const char *message)
{
    Error err;
    CHECK(!open_header(header, -1, 8, &err));
    CHECK(strstr(err.text, "m.safetensors: header: not valid JSON: "));
    CHECK(strstr(err.text, message));
}

static void accepted(const char *header, size_t data)
{
    Error err;
    CHECK(open_header(header, -1, data, &err));
    CHECK_TEXT(err.text, "");
}

#define F32(shape, offsets) "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_accepted(void)
{
    accepted("{}", 0);
    accepted("{}      ", 0);
    accepted("{\"__metadata__\":{\"format\":\"pt\"}}", 0);
    accepted("{\"a\":" F32("[]", "[0,4]") "}", 4);
    accepted("{\"a\":" F32("[0]", "[0,0]") "}", 0);
    accepted(
        "{\"a\":" F32("[1]", "[0,4]") ",\"z\":" F32("[3,0,7]", "[4,4]") ",\"b\":" F32("[1]", "[4,8]") "}", 8);
    accepted("{\"b\":" F32("[1]", "[4,8]") ",\"a\":" F32("[1]", "[0,4]") "}", 8);
    accepted("{\"a\":" F32("[1,1,1,1,1,1,1,1]", "[0,4]") "}", 4);
    accepted("{\"a\":{\"dtype\":\"Q9\",\"shape\":[5],\"data_offsets\":[0,3]}}", 3);
    accepted("{\"a\":{\"dtype\":\"F6_E2M3\",\"shape\":[8],\"data_offsets\":[0,6]}}", 6);
    accepted("{\"\\u00e9\":" F32("[1]", "[0,4]") "}", 4);
}

static void test_entries_refused(void)
{
    refused("{\"a\":" F32("[2]", "[0,4]") "}", 4, "tensor \"a\": F32 [2] takes 8 bytes, but its range has 4");
    refused("{\"a\":" F32("[1]", "[0,8]") "}", 8, "tensor \"a\": F32 [1] takes 4 bytes, but its range has 8");
    refused("{\"a\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
            "tensor \"a\": BF16 [2] takes 4 bytes, but its range has 8");
    refused("{\"a\":" F32("[1]", "[4,8]") "}", 8, "4 bytes of data before tensor \"a\" belong to no tensor");
    refused("{\"a\":" F32("[1]", "[0,4]") ",\"b\":" F32("[1]", "[8,12]") "}", 12,
            "4 bytes of data before tensor \"b\" belong to no tensor");
    refused("{\"a\":" F32("[2]", "[0,8]") ",\"b\":" F32("[2]", "[4,12]") "}", 12,
            "tensors \"a\" and \"b\" overlap");
    refused("{\"a\":" F32("[1]", "[0,4]") ",\"b\":" F32("[1]", "[0,4]") "}", 4,
            "tensors \"a\" and \"b\" overlap");
    refused("{\"a\":" F32("[1]", "[0,4]") "}", 7,
            "3 bytes behind the last tensor: the file is longer than its header says");
    refused("{}", 1, "1 bytes behind the last tensor: the file is longer than its header says");
    refused("{\"a\":" F32("[2]", "[0,8]") "}", 6,
            "cut short: tensor \"a\" ends at byte 8 of the data, which has 6 bytes; fetch the file again");
    refused("{\"a\":5}", 0, "tensor \"a\": its entry in the header is not an object");
    refused("{\"a\":{\"shape\":[],\"data_offsets\":[0,4]}}", 4, "tensor \"a\": \"dtype\" is not a text");
    refused("{\"a\":{\"dtype\":7,\"shape\":[],\"data_offsets\":[0,4]}}", 4,
            "tensor \"a\": \"dtype\" is not a text");
    refused("{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}", 2,
            "tensor \"a\": its shape has too many elements, or they do not fill whole bytes");
}

static void test_numbers_refused(void)
{
    static const char *const offsets[] = {"[0.0,4.0]",     "[0]", "[0,4,8]", "{}",
                                          "[\"0\",\"4\"]", "4",   "[null,4]"};
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        char header[256];
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":%s}}",
                 offsets[i]);
        refused(header, 4, "tensor \"a\": \"data_offsets\" is not a pair of whole numbers");
    }
    refused("{\"a\":" F32("[1]", "[-4,0]") "}", 4,
            "tensor \"a\": \"data_offsets\" is not a range: begin and end from 0 up are expected");
    refused("{\"a\":" F32("[1]", "[4,0]") "}", 4,
            "tensor \"a\": \"data_offsets\" is not a range: begin and end from 0 up are expected");
    refused("{\"a\":" F32("[1]", "[0,9223372036854775807]") "}", 4,
            "cut short: tensor \"a\" ends at byte 9223372036854775807 of the data, which has 4 bytes; "
            "fetch the file again");
    not_json("{\"a\":" F32("[1]", "[0,99999999999999999999]") "}",
             "too big integer near '99999999999999999999'");
    static const char *const shapes[] = {"[-1]", "[1.0]", "[\"1\"]", "[null]", "[[1]]", "[true]"};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        char header[256];
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[0,4]}}",
                 shapes[i]);
        refused(header, 4, "tensor \"a\": \"shape\" holds something else than whole numbers from 0 up");
    }
    refused("{\"a\":" F32("4", "[0,4]") "}", 4, "tensor \"a\": \"shape\" is not a list");
    refused("{\"a\":" F32("[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4,
            "tensor \"a\": \"shape\" has more than 8 lengths");
    static const char *const large[] = {
        "[4294967296,4294967296]", "[9223372036854775807,2]", "[2305843009213693952]",
        "[4611686018427387904,4611686018427387904,4]", "[4294967296,0,4294967296]"};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        char header[256];
        snprintf(header, sizeof header, "{\"a\":{\"dtype\":\"F32\",\"shape\":%s,\"data_offsets\":[0,0]}}",
                 large[i]);
        refused(header, 0, "tensor \"a\": its shape has too many elements, or they do not fill whole bytes");
    }
}

static void test_names_refused(void)
{
    not_json("{\"a\":" F32("[1]", "[0,4]") ",\"a\":" F32("[1]", "[4,8]") "}",
             "duplicate object key near '\"a\"'");
    not_json("{\"a\xff\":" F32("[1]", "[0,4]") "}", "unable to decode byte 0xff");
    not_json("{\"a\\u0000b\":" F32("[1]", "[0,4]") "}", "NUL");
    refused("{\"\":" F32("[1]", "[0,4]") "}", 4,
            "tensor \"\": a name is 1 to 1024 bytes without control characters");
    refused("{\"a\\u001b[31m\":" F32("[1]", "[0,4]") "}", 4,
            "tensor \"a\\x1b[31m\": a name is 1 to 1024 bytes without control characters");
    refused("{\"__metadata__\":5}", 0, "\"__metadata__\" is not an object");
    refused("{\"__metadata__\":{\"a\":5}}", 0, "\"__metadata__\" may hold texts only");
    refused("{\"a\":{\"dtype\":\"\\u0007F\",\"shape\":\"\",\"data_offsets\":[0,4]}}", 4,
            "tensor \"a\": \"shape\" is not a list");
}

static void test_headers_refused(void)
{
    Error err;
    refused("[]", 0, "not a safetensors file: the header is no JSON object");
    refused(" {}", 0, "not a safetensors file: the header is no JSON object");
    refused("{", 0, "not a safetensors file: the header is no JSON object");
    not_json("{\"a\":}", "unexpected token near '}'");
    CHECK(!open_header("{}", 0, 0, &err));
    CHECK_TEXT(err.text, "m.safetensors: not a safetensors file: the header is no JSON object");
    CHECK(!open_header("{}", 3, 0, &err));
    CHECK_TEXT(err.text,
               "m.safetensors: cut short: the header has 3 bytes, 2 are in the file; fetch the file again");
    CHECK(!open_header("{}", 100000001, 0, &err));
    CHECK_TEXT(
        err.text,
        "m.safetensors: not a safetensors file: it begins with a header length of 100000001 bytes, at most "
        "100000000 are allowed");
    CHECK(!open_header("{}", INT64_MAX, 0, &err));
    CHECK(strstr(err.text, "9223372036854775807 bytes, at most 100000000 are allowed"));
    Text deep = {0};
    text_puts(&deep, "{\"a\":");
    for (int i = 0; i < 100000; i++)
        text_putc(&deep, '[');
    not_json(deep.data, "maximum parsing depth reached");
    text_free(&deep);
}

/* ---- other kinds of file ---- */

static void test_formats(void)
{
    static const struct {
        const char *data;
        size_t size;
        const char *message;
    } rows[] = {
        {"", 0, "f: the file is empty"},
        {"PK\3\4\0\0\0\0\0\0", 10, "f: cut short: the zip archive has no end; fetch the file again"},
        {"version https://git-lfs.github.com/spec/v1\n", 43,
         "f: a Git LFS pointer, not the file itself: run `git lfs pull`, or download the file"},
        {"<!DOCTYPE html>", 15,
         "f: not a checkpoint of a known format (safetensors, GGUF, PyTorch, llama2.c)"},
        {"abc", 3, "f: not a checkpoint of a known format (safetensors, GGUF, PyTorch, llama2.c)"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Error err;
        CHECK(!weights_open_memory(rows[i].data, rows[i].size, "f", &err));
        CHECK_TEXT(err.text, rows[i].message);
    }
}

static void refused_path(const char *path, const char *message)
{
    Error err;
    Weights *w = weights_open(path, &err);
    CHECK(!w);
    CHECK(w || strstr(err.text, message));
    if (w || !strstr(err.text, message))
        printf("  %s: got \"%s\", expected \"%s\"\n", path, w ? "(opened)" : err.text, message);
    weights_close(w);
}

static void test_paths(void)
{
    char *fifo = in_folder("fifo.safetensors"), *empty = in_folder("empty"),
         *absent = in_folder("absent.safetensors");
    CHECK(mkfifo(fifo, 0600) == 0);
    CHECK(mkdir(empty, 0700) == 0);
    refused_path(fifo, "not a regular file");
    refused_path(empty, "no model.safetensors, pytorch_model.bin or .index.json of these in this folder");
    refused_path(absent, "No such file");
    char *inner = path_join(empty, "model.safetensors");
    CHECK(mkdir(inner, 0700) == 0);
    refused_path(empty, "not a regular file");
    free(fifo);
    free(empty);
    free(absent);
    free(inner);
}

/* ---- whole checkpoints ---- */

static char *make(const char *name, CheckpointSpec spec)
{
    Error err;
    char *dir = in_folder(name);
    if (!checkpoint_write(&spec, dir, &err)) {
        printf("%s\n", err.text);
        exit(2);
    }
    return dir;
}

static void test_checkpoint(void)
{
    static const char *const dtypes[] = {"f32", "f16", "bf16"};
    for (int i = 0; i < 6; i++) {
        CheckpointSpec spec = checkpoint_spec();
        char name[32], shape[64];
        Error err;
        spec.dtype = dtypes[i % 3];
        spec.unaligned = i >= 3;
        spec.buffers = i >= 3;
        snprintf(name, sizeof name, "good%d", i);
        char *dir = make(name, spec);
        Weights *w = weights_open(dir, &err);
        CHECK(w);
        if (w) {
            const Tensor *t = weights_find(w, "h.1.attn.c_attn.weight");
            CHECK(t && strcmp(tensor_describe(t, shape, sizeof shape), i % 3 == 0   ? "F32 [32, 96]"
                                                                       : i % 3 == 1 ? "F16 [32, 96]"
                                                                                    : "BF16 [32, 96]") == 0);
            CHECK(weights_count(w) == 4u + 24 + (i >= 3 ? 4 : 0));
            CHECK_TEXT(weights_at(w, 0)->name, "wte.weight");
            CHECK_TEXT(weights_format(w), "safetensors");
            CHECK(((uintptr_t)weights_at(w, 0)->data & 7) == (i >= 3 ? 3 : 0));
        }
        weights_close(w);
        free(dir);
    }
}

static void test_faults(void)
{
    static const char *const rows[][2] = {
        {"truncated", "cut short: tensor \"ln_f.bias\" ends at byte"},
        {"longer", "10 bytes behind the last tensor"},
        {"lying-header", "header: not valid JSON"},
        {"huge-header", "a header length of 9223372036854775808 bytes"},
        {"overlap", "tensors \"wpe.weight\" and \"wte.weight\" overlap"},
        {"hole", "4 bytes of data before tensor \"ln_f.bias\" belong to no tensor"},
        {"duplicate", "duplicate object key near '\"wte.weight\"'"},
        {"config", "config.json: not valid JSON"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        CheckpointSpec spec = checkpoint_spec();
        spec.broken = rows[i][0];
        char *dir = make(rows[i][0], spec);
        refused_path(dir, rows[i][1]);
        free(dir);
    }
}

/* Listed, but not used. */
static void test_unknown_type(void)
{
    CheckpointSpec spec = checkpoint_spec();
    Error err;
    TensorIssue issue;
    float out[32];
    spec.broken = "unknown-type";
    char *dir = make("unknown-type", spec);
    Weights *w = weights_open(dir, &err);
    const Tensor *t = w ? weights_find(w, "ln_f.bias") : NULL;
    CHECK(t && t->type == W_UNKNOWN && t->size == 128);
    if (t) {
        CHECK(!tensor_to_f32(t, false, out, 0, 32, &issue));
        tensor_issue_error(t, &issue, &err);
        CHECK(strstr(err.text, "tensor \"ln_f.bias\" has elements of type Q9, which cannot be converted"));
    }
    weights_close(w);
    free(dir);
}

/* Every beginning of a file is refused. */
static void test_every_cut(void)
{
    CheckpointSpec spec = checkpoint_spec();
    spec.layers = 1;
    spec.dim = spec.inner = spec.vocab = spec.context = 4;
    char *dir = make("cut", spec), *path = path_join(dir, "model.safetensors"), *data;
    size_t size, refusals = 0;
    Error err;
    CHECK(file_read(path, 0, &data, &size, &err));
    for (size_t n = 0; n < size; n++) {
        uint8_t *copy = xmalloc(n ? n : 1);
        memcpy(copy, data, n);
        Weights *w = weights_open_memory(copy, n, "cut.safetensors", &err);
        refusals += !w && strncmp(err.text, "cut.safetensors: ", 17) == 0;
        weights_close(w);
        free(copy);
    }
    CHECK(refusals == size);
    free(data);
    free(path);
    free(dir);
}

/* ---- names ---- */

static void test_resolve(void)
{
    static const char *const prefixes[] = {"",           "transformer.",           "model.",
                                           "_orig_mod.", "_orig_mod.transformer.", "module.transformer."};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        CheckpointSpec spec = checkpoint_spec();
        char name[32], full[64];
        Error err;
        spec.prefix = prefixes[i];
        snprintf(name, sizeof name, "prefix%zu", i);
        char *dir = make(name, spec);
        Weights *w = weights_open(dir, &err);
        CHECK(w);
        if (w) {
            snprintf(full, sizeof full, "%sln_f.weight", prefixes[i]);
            const Tensor *t = weights_find(w, full);
            CHECK(t);
            CHECK(weights_resolve(w, full) == t);
            CHECK(weights_resolve(w, "ln_f.weight") == t);
            CHECK(weights_resolve(w, "transformer.ln_f.weight") == t);
            CHECK(!weights_resolve(w, "ln_g.weight"));
            CHECK(!weights_resolve(w, "transformer."));
            CHECK(weights_nearest(w, "ln_f.wieght", -1, NULL) == t);
            CHECK((weights_find(w, "ln_f.weight") == NULL) == (i > 0));
        }
        weights_close(w);
        free(dir);
    }
}

static void test_nearest(void)
{
    CheckpointSpec spec = checkpoint_spec();
    Error err;
    spec.buffers = true;
    char *dir = make("nearest", spec);
    Weights *w = weights_open(dir, &err);
    CHECK(w);
    if (w) {
        const Tensor *t = weights_nearest(w, "h.0.attn.c_atn.weight", 2, (int64_t[]){32, 96});
        CHECK_TEXT(t ? t->name : NULL, "h.0.attn.c_attn.weight");
        t = weights_nearest(w, "transformer.h.1.mlp.cfc.bias", -1, NULL);
        CHECK_TEXT(t ? t->name : NULL, "h.1.mlp.c_fc.bias");
        t = weights_nearest(w, "wxe.weight", 2, (int64_t[]){300, 32}); /* wte or wpe: the shape decides */
        CHECK_TEXT(t ? t->name : NULL, "wte.weight");
        t = weights_nearest(w, "wxe.weight", 2, (int64_t[]){64, 32});
        CHECK_TEXT(t ? t->name : NULL, "wpe.weight");
        CHECK(!weights_nearest(w, "model.embed_tokens.scale", -1, NULL));
        t = weights_nearest(w, "h.0.attn.bias", -1, NULL); /* the mask is no candidate */
        CHECK(!t || strcmp(t->name, "h.0.attn.bias") != 0);
    }
    weights_close(w);
    free(dir);
}

static void test_buffers(void)
{
    static const struct {
        bool buffer;
        Tensor t;
    } rows[] = {
        {true, {.name = "h.0.attn.bias", .type = W_F32, .rank = 4, .shape = {1, 1, 1024, 1024}}},
        {true, {.name = "transformer.h.11.attn.bias", .type = W_BOOL, .rank = 4, .shape = {1, 1, 64, 64}}},
        {true, {.name = "attn.bias", .type = W_F32, .rank = 4, .shape = {1, 1, 8, 8}}},
        {false, {.name = "h.0.attn.bias", .type = W_F32, .rank = 1, .shape = {1024}}},
        {false, {.name = "h.0.attn.bias", .type = W_F32, .rank = 4, .shape = {1, 1, 8, 16}}},
        {false, {.name = "h.0.battn.bias", .type = W_F32, .rank = 4, .shape = {1, 1, 8, 8}}},
        {false, {.name = "h.0.attn.c_attn.bias", .type = W_F32, .rank = 1, .shape = {24}}},
        {true, {.name = "h.0.attn.masked_bias", .type = W_F32, .rank = 0}},
        {true, {.name = "h.0.attn.attention.masked_bias", .type = W_F32, .rank = 1, .shape = {1}}},
        {false, {.name = "h.0.attn.masked_bias", .type = W_F32, .rank = 1, .shape = {64}}},
        {true, {.name = "h.0.attn.attention.bias", .type = W_U8, .rank = 4, .shape = {1, 1, 16, 16}}},
        {true,
         {.name = "model.layers.0.self_attn.rotary_emb.inv_freq", .type = W_F32, .rank = 1, .shape = {32}}},
        {false,
         {.name = "model.layers.0.self_attn.rotary_emb.inv_freq", .type = W_F32, .rank = 2, .shape = {8, 4}}},
        {true, {.name = "embeddings.position_ids", .type = W_I64, .rank = 2, .shape = {1, 512}}},
        {false, {.name = "embeddings.position_ids", .type = W_F32, .rank = 2, .shape = {1, 512}}},
        {false, {.name = "wte.weight", .type = W_F32, .rank = 2, .shape = {11, 8}}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK(weights_is_buffer(&rows[i].t) == rows[i].buffer);
}

/* ---- config ---- */

static void test_config(void)
{
    static const char config[] =
        "{\"n\": 12, \"whole\": 2048.0, \"half\": 0.5, \"yes\": true, \"no\": false, \"name\": \"gpt2\","
        " \"nothing\": null,"
        " \"rope_scaling\": {\"factor\": 8.0, \"kind\": {\"type\": \"llama3\"}}, \"a.b\": 7,"
        " \"attention_types\": [[[\"global\", \"local\"], 2]], \"big\": 9223372036854775807}";
    Error err;
    int64_t n = -1;
    double x = -1;
    bool b = false;
    const char *s = NULL;
    size_t count = 0;
    char text[64], *dir = make("config-values", checkpoint_spec()), *path = path_join(dir, "config.json");
    write_file(path, config, sizeof config - 1);
    Weights *w = weights_open(dir, &err);
    CHECK(w);
    if (w) {
        CHECK(weights_config_int(w, "n", &n) == CONFIG_FOUND && n == 12);
        CHECK(weights_config_int(w, "whole", &n) == CONFIG_FOUND && n == 2048);
        CHECK(weights_config_int(w, "a.b", &n) == CONFIG_FOUND && n == 7);
        CHECK(weights_config_int(w, "big", &n) == CONFIG_FOUND && n == INT64_MAX);
        CHECK(weights_config_int(w, "half", &n) == CONFIG_OTHER && n == INT64_MAX);
        CHECK(weights_config_int(w, "name", &n) == CONFIG_OTHER);
        CHECK(weights_config_int(w, "nothing", &n) == CONFIG_NULL);
        CHECK(weights_config_int(w, "absent", &n) == CONFIG_ABSENT);
        CHECK(weights_config_int(w, "", &n) == CONFIG_ABSENT);
        CHECK(weights_config_number(w, "n", &x) == CONFIG_FOUND && x == 12);
        CHECK(weights_config_number(w, "rope_scaling.factor", &x) == CONFIG_FOUND && x == 8);
        CHECK(weights_config_number(w, "rope_scaling.factor.x", &x) == CONFIG_ABSENT);
        CHECK(weights_config_number(w, "rope_scaling", &x) == CONFIG_OTHER);
        CHECK(weights_config_bool(w, "yes", &b) == CONFIG_FOUND && b);
        CHECK(weights_config_bool(w, "no", &b) == CONFIG_FOUND && !b);
        CHECK(weights_config_bool(w, "n", &b) == CONFIG_OTHER);
        CHECK(weights_config_text(w, "rope_scaling.kind.type", &s) == CONFIG_FOUND &&
              strcmp(s, "llama3") == 0);
        CHECK(weights_config_text(w, "attention_types.0.0.1", &s) == CONFIG_FOUND && strcmp(s, "local") == 0);
        CHECK(weights_config_text(w, "attention_types.0.0.2", &s) == CONFIG_ABSENT);
        CHECK(weights_config_text(w, "attention_types.0x", &s) == CONFIG_ABSENT);
        CHECK(weights_config_int(w, "attention_types.0.1", &n) == CONFIG_FOUND && n == 2);
        CHECK(weights_config_list(w, "attention_types.0.0", &count) == CONFIG_FOUND && count == 2);
        CHECK(weights_config_list(w, "n", &count) == CONFIG_OTHER);
        CHECK_TEXT(weights_config_describe(w, "name", text, sizeof text), "the text \"gpt2\"");
        CHECK_TEXT(weights_config_describe(w, "rope_scaling", text, sizeof text), "an object");
        CHECK_TEXT(weights_config_describe(w, "half", text, sizeof text), "0.5");
        CHECK_TEXT(weights_config_path(w), path);
    }
    weights_close(w);
    unlink(path);
    w = weights_open(dir, &err);
    CHECK(w && !weights_config(w) && !weights_config_path(w) &&
          weights_config_int(w, "n", &n) == CONFIG_ABSENT);
    weights_close(w);
    write_file(path, "[1]", 3);
    refused_path(dir, "config.json: a JSON object is expected");
    write_file(path, "", 0);
    refused_path(dir, "config.json: not valid JSON");
    write_file(path, "{\"a\":1,\"a\":2}", 13);
    refused_path(dir, "duplicate object key");
    unlink(path);
    CHECK(mkfifo(path, 0600) == 0);
    refused_path(dir, "config.json: not a regular file");
    free(path);
    free(dir);
}

/* ---- shards ---- */

/* A safetensors file of one F32 scalar called `tensor`. */
static void write_shard(const char *dir, const char *file, const char *tensor)
{
    Text t = {0};
    char header[128], *path = path_join(dir, file);
    int n = snprintf(header, sizeof header, "{\"%s\":" F32("[]", "[0,4]") "}", tensor);
    for (int i = 0; i < 8; i++)
        text_putc(&t, (char)((unsigned)n >> (i < 4 ? 8 * i : 31) & (i < 4 ? 255 : 0)));
    text_puts(&t, header);
    text_add(&t, "\0\0\x80\x3f", 4);
    write_file(path, t.data, t.size);
    text_free(&t);
    free(path);
}

static void test_shards(void)
{
    static const struct {
        const char *index, *message;
    } rows[] = {
        {"{}", "no \"weight_map\" in it"},
        {"{\"weight_map\":{}}", "no \"weight_map\" in it"},
        {"{\"weight_map\":[\"a\"]}", "no \"weight_map\" in it"},
        {"{\"weight_map\":{\"a\":5}}", "tensor \"a\": the name of a file beside the index is expected"},
        {"{\"weight_map\":{\"a\":\"../1.safetensors\"}}", "the name of a file beside the index is expected"},
        {"{\"weight_map\":{\"a\":\"..\"}}", "the name of a file beside the index is expected"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", "the name of a file beside the index is expected"},
        {"{\"weight_map\":{\"a\":\"3.safetensors\"}}", "no such file; the index names it as a shard"},
        {"{\"weight_map\":{\"b\":\"1.safetensors\"}}",
         "tensor \"b\" is not in 1.safetensors, where the index says it is"},
        {"{\"weight_map\":{\"a\":\"2.safetensors\",\"b\":\"1.safetensors\"}}", "is not in 2.safetensors"},
        {"{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"4.safetensors\"}}", "tensor \"a\" is there twice"},
        {"{\"weight_map\":", "not valid JSON"},
    };
    Error err;
    char *dir = in_folder("shards"), *index = path_join(dir, "model.safetensors.index.json");
    static const char good[] =
        "{\"metadata\":{\"total_size\":8},\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}";
    CHECK(mkdir(dir, 0700) == 0);
    write_shard(dir, "1.safetensors", "a");
    write_shard(dir, "2.safetensors", "b");
    write_shard(dir, "4.safetensors", "a");
    write_file(index, good, sizeof good - 1);
    Weights *w = weights_open(dir, &err);
    CHECK(w && weights_count(w) == 2 && weights_find(w, "a") && weights_find(w, "b"));
    CHECK(w && strstr(weights_find(w, "b")->file, "/2.safetensors"));
    weights_close(w);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_file(index, rows[i].index, strlen(rows[i].index));
        refused_path(dir, rows[i].message);
    }
    free(index);
    free(dir);
}

/* ---- files of other makers ---- */

static void test_published(void)
{
    const char *data = check_data();
    Error err;
    if (!data) {
        SKIP("no test data");
        return;
    }
    char *gpt2 = path_join(data, "hf-fixtures/tiny_gpt2.safetensors");
    Weights *w = weights_open(gpt2, &err);
    CHECK(w && weights_count(w) == 30);
    const Tensor *mask = w ? weights_find(w, "h.0.attn.bias") : NULL;
    CHECK(mask && weights_is_buffer(mask));
    weights_close(w);
    char *index = path_join(data, "hf-fixtures/tiny_llama.safetensors.index.json");
    char *whole = path_join(data, "hf-fixtures/tiny_llama.safetensors");
    Weights *sharded = weights_open(index, &err), *single = weights_open(whole, &err);
    CHECK(sharded && single && weights_count(sharded) == weights_count(single));
    for (size_t i = 0; sharded && single && i < weights_count(single); i++) {
        const Tensor *a = weights_at(single, i), *b = weights_find(sharded, a->name);
        CHECK(b && a->size == b->size && memcmp(a->data, b->data, a->size) == 0);
    }
    weights_close(sharded);
    weights_close(single);
    char *tales = path_join(data, "tales");
    int64_t dim = 0;
    w = weights_open(tales, &err);
    CHECK(w && weights_config_int(w, "n_embd", &dim) == CONFIG_FOUND && dim == 256);
    weights_close(w);
    free(gpt2);
    free(index);
    free(whole);
    free(tales);
}

int main(void)
{
    const char *tmp = getenv("TMPDIR");
    Error err;
    snprintf(folder, sizeof folder, "%s/test_weights.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(folder))
        return 2;
    test_accepted();
    test_entries_refused();
    test_numbers_refused();
    test_names_refused();
    test_headers_refused();
    test_formats();
    test_paths();
    test_checkpoint();
    test_faults();
    test_unknown_type();
    test_every_cut();
    test_resolve();
    test_nearest();
    test_buffers();
    test_config();
    test_shards();
    test_published();
    CHECK(dir_remove(folder, &err));
    return check_report();
}
