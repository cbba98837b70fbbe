#include "tests/support/libcheckpoint.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/half.h"
#include "base/text.h"

const CheckpointFault checkpoint_faults[] = {
    {"missing", "h.0.mlp.c_fc.weight is not there"},
    {"surplus", "h.0.mlp.c_gate.weight is there too"},
    {"renamed", "h.0.attn.c_attn.weight is called h.0.attn.c_atn.weight"},
    {"shape", "h.0.mlp.c_fc.weight has one column less"},
    {"nan", "a NaN in h.0.attn.c_proj.weight, element 5"},
    {"infinity", "an infinity in ln_f.weight, element 3"},
    {"overflow", "70000 in wte.weight, element 7; of f32 and bf16, fp16 cannot hold it"},
    {"integers", "ln_f.bias says it holds I32"},
    {"unknown-type", "ln_f.bias says it holds Q9"},
    {"truncated", "the last 10 bytes are gone"},
    {"longer", "10 bytes follow the data"},
    {"lying-header", "the header length is 1000 too large"},
    {"huge-header", "the header length is 2^63"},
    {"overlap", "wpe.weight begins where wte.weight does"},
    {"hole", "4 bytes before the last tensor belong to none"},
    {"duplicate", "wpe.weight is called wte.weight"},
    {"config", "config.json is cut short"},
    {NULL, NULL},
};

enum { MAX_RANK = 4, MERGED_TOKENS_FROM = 260 };

typedef struct Entry {
    char name[256];
    int rank;
    int shape[MAX_RANK];
    float scale, centre;
    bool mask;
    const char *dtype; /* in the header */
    size_t begin, end;
} Entry;

typedef struct Writer {
    const CheckpointSpec *spec;
    Entry *entries;
    int count, cap;
    unsigned char *data;
    size_t size;
} Writer;

CheckpointSpec checkpoint_spec(void)
{
    return (CheckpointSpec){.layers = 2,
                            .heads = 2,
                            .dim = 32,
                            .inner = 128,
                            .context = 64,
                            .vocab = 300,
                            .dtype = "f32",
                            .prefix = "",
                            .seed = 1};
}

static bool broken(const Writer *w, const char *fault)
{
    return w->spec->broken && strcmp(w->spec->broken, fault) == 0;
}

/* ---- the tensors ---- */

static Entry *entry(Writer *w, const char *name, int rank, int a, int b, double scale, double centre)
{
    if (w->count == w->cap) {
        w->cap = w->cap ? 2 * w->cap : 64;
        w->entries = xrealloc(w->entries, (size_t)w->cap * sizeof *w->entries);
    }
    Entry *e = &w->entries[w->count++];
    *e = (Entry){.rank = rank, .shape = {a, b}, .scale = (float)scale, .centre = (float)centre};
    snprintf(e->name, sizeof e->name, "%s%s", strcmp(name, "lm_head.weight") == 0 ? "" : w->spec->prefix,
             name);
    if (w->spec->loud && strstr(name, w->spec->loud) && strstr(name, ".weight"))
        e->scale *= (float)w->spec->gain;
    return e;
}

static void projection(Writer *w, int layer, const char *name, int in, int out, double gain)
{
    char full[64];
    snprintf(full, sizeof full, "h.%d.%s.weight", layer, name);
    if (w->spec->linear)
        entry(w, full, 2, out, in, gain / sqrt(in), 0);
    else
        entry(w, full, 2, in, out, gain / sqrt(in), 0);
    snprintf(full, sizeof full, "h.%d.%s.bias", layer, name);
    entry(w, full, 1, out, 0, 0.1, 0);
}

static void norm(Writer *w, const char *name)
{
    char full[64];
    snprintf(full, sizeof full, "%s.weight", name);
    entry(w, full, 1, w->spec->dim, 0, 0.1, 1);
    snprintf(full, sizeof full, "%s.bias", name);
    entry(w, full, 1, w->spec->dim, 0, 0.1, 0);
}

/* Gains that keep activations near 1 and give logits of about 2, so that a softmax is neither flat nor a
 * step. */
static void list_tensors(Writer *w)
{
    const CheckpointSpec *s = w->spec;
    char name[64];
    entry(w, "wte.weight", 2, s->vocab, s->dim, 2 / sqrt(s->dim), 0);
    entry(w, "wpe.weight", 2, s->context, s->dim, 1 / sqrt(s->dim), 0);
    for (int i = 0; i < s->layers; i++) {
        snprintf(name, sizeof name, "h.%d.ln_1", i);
        norm(w, name);
        if (s->buffers) {
            snprintf(name, sizeof name, "h.%d.attn.bias", i);
            Entry *mask = entry(w, name, 4, 1, 1, 0, 0);
            mask->shape[2] = mask->shape[3] = s->context;
            mask->mask = true;
            snprintf(name, sizeof name, "h.%d.attn.masked_bias", i);
            entry(w, name, 0, 0, 0, 0, -10000);
        }
        projection(w, i, "attn.c_attn", s->dim, 3 * s->dim, 1);
        projection(w, i, "attn.c_proj", s->dim, s->dim, 0.5);
        snprintf(name, sizeof name, "h.%d.ln_2", i);
        norm(w, name);
        projection(w, i, "mlp.c_fc", s->dim, s->inner, 1);
        projection(w, i, "mlp.c_proj", s->inner, s->dim, 0.5);
    }
    norm(w, "ln_f");
    if (s->separate_head)
        entry(w, "lm_head.weight", 2, s->vocab, s->dim, 2 / sqrt(s->dim), 0);
}

static Entry *find(Writer *w, const char *name)
{
    size_t skip = strlen(w->spec->prefix);
    for (int i = 0; i < w->count; i++)
        if (strcmp(w->entries[i].name + skip, name) == 0)
            return &w->entries[i];
    return NULL;
}

/* The faults that change what tensors there are. */
static void break_tensors(Writer *w)
{
    if (broken(w, "missing")) {
        Entry *e = find(w, "h.0.mlp.c_fc.weight"), *end = w->entries + w->count--;
        memmove(e, e + 1, (size_t)(end - e - 1) * sizeof *e);
    }
    if (broken(w, "surplus"))
        entry(w, "h.0.mlp.c_gate.weight", 2, w->spec->dim, w->spec->inner, 1, 0);
    if (broken(w, "renamed"))
        snprintf(strstr(find(w, "h.0.attn.c_attn.weight")->name, "c_attn"), 32, "c_atn.weight");
    if (broken(w, "shape"))
        find(w, "h.0.mlp.c_fc.weight")->shape[1]--;
}

/* ---- the data ---- */

static uint64_t scramble(uint64_t z) /* splitmix64 */
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* About normal: the sum of four uniform numbers, of variance 1. Exact in float, so the same on every machine.
 */
static float noise(uint64_t key)
{
    uint64_t z = scramble(key);
    int sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (int)(z >> 16 * i & 0xffff) - 0x8000;
    return (float)sum * (1.7320508f / 65536);
}

static uint16_t to_bf16(float f)
{
    uint32_t u = float_bits(f);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

static void put(Writer *w, size_t at, float f)
{
    uint16_t h = strcmp(w->spec->dtype, "bf16") == 0 ? to_bf16(f) : half_from_float(f);
    if (strcmp(w->spec->dtype, "f32") == 0)
        memcpy(w->data + at, &f, 4);
    else
        memcpy(w->data + at, &h, 2);
}

static size_t width(const Writer *w)
{
    return strcmp(w->spec->dtype, "f32") == 0 ? 4 : 2;
}

static size_t elements(const Entry *e)
{
    size_t n = 1;
    for (int i = 0; i < e->rank; i++)
        n *= (size_t)e->shape[i];
    return n;
}

static void fill(Writer *w, const Entry *e)
{
    uint64_t key = scramble(w->spec->seed);
    for (const char *p = e->name + (e->name[0] == 'l' ? 0 : strlen(w->spec->prefix)); *p; p++)
        key = scramble(key ^ (unsigned char)*p);
    for (size_t i = 0, n = elements(e); i < n; i++) {
        float f = e->centre + (e->scale != 0 ? e->scale * noise(key + i) : 0);
        if (e->mask)
            f = i % (size_t)e->shape[3] <= i / (size_t)e->shape[3];
        put(w, e->begin + i * width(w), f);
    }
}

static void make_data(Writer *w)
{
    for (int i = 0; i < w->count; i++) {
        Entry *e = &w->entries[i];
        e->dtype = strcmp(w->spec->dtype, "f32") == 0   ? "F32"
                   : strcmp(w->spec->dtype, "f16") == 0 ? "F16"
                                                        : "BF16";
        e->begin = w->size;
        e->end = w->size += elements(e) * width(w);
    }
    w->data = xcalloc(w->size + 16, 1);
    for (int i = 0; i < w->count; i++)
        fill(w, &w->entries[i]);
    if (broken(w, "nan"))
        put(w, find(w, "h.0.attn.c_proj.weight")->begin + 5 * width(w), NAN);
    if (broken(w, "infinity"))
        put(w, find(w, "ln_f.weight")->begin + 3 * width(w), INFINITY);
    if (broken(w, "overflow"))
        put(w, find(w, "wte.weight")->begin + 7 * width(w), 70000);
}

/* ---- model.safetensors ---- */

/* The faults that only the header has. */
static void break_header(Writer *w)
{
    Entry *last = &w->entries[w->count - 1];
    if (broken(w, "integers"))
        find(w, "ln_f.bias")->dtype = "I32";
    if (broken(w, "unknown-type"))
        find(w, "ln_f.bias")->dtype = "Q9";
    if (broken(w, "overlap")) {
        Entry *e = find(w, "wpe.weight"), *before = find(w, "wte.weight");
        e->end -= e->begin - before->begin;
        e->begin = before->begin;
    }
    if (broken(w, "hole")) {
        last->begin += 4;
        last->end += 4;
        w->size += 4;
    }
    if (broken(w, "duplicate"))
        memcpy(strstr(find(w, "wpe.weight")->name, "wpe"), "wte", 3);
}

static void make_header(const Writer *w, Text *out)
{
    text_puts(out, "{\"__metadata__\":{\"format\":\"pt\"}");
    for (int i = 0; i < w->count; i++) {
        const Entry *e = &w->entries[i];
        text_printf(out, ",\"%s\":{\"dtype\":\"%s\",\"shape\":[", e->name, e->dtype);
        for (int k = 0; k < e->rank; k++)
            text_printf(out, "%s%d", k ? "," : "", e->shape[k]);
        text_printf(out, "],\"data_offsets\":[%zu,%zu]}", e->begin, e->end);
    }
    text_putc(out, '}');
    while (out->size % 8 != (w->spec->unaligned ? 3 : 0))
        text_putc(out, ' ');
}

static bool write_tensors(Writer *w, const char *path, Error *err)
{
    Text header = {0};
    uint64_t length;
    unsigned char prefix[8];
    break_header(w);
    make_header(w, &header);
    length =
        broken(w, "huge-header") ? (uint64_t)1 << 63 : header.size + (broken(w, "lying-header") ? 1000 : 0);
    for (int i = 0; i < 8; i++)
        prefix[i] = (unsigned char)(length >> 8 * i);
    size_t size = broken(w, "truncated") ? w->size - 10 : broken(w, "longer") ? w->size + 10 : w->size;
    FileWriter *f = file_create(path, err);
    bool ok = f && file_write(f, prefix, 8, err) && file_write(f, header.data, header.size, err) &&
              file_write(f, w->data, size, err);
    text_free(&header);
    if (ok)
        return file_close(f, err);
    file_abandon(f);
    return false;
}

/* ---- the tokenizer ---- */

typedef struct Vocab {
    Text json, merges;
    char **token;
    int count, limit;
} Vocab;

/* GPT-2's printable stand-in for a byte, as UTF-8. */
static void byte_token(int byte, char out[4])
{
    int code = byte, unprintable = 0;
    for (int b = 0; b <= byte; b++) {
        bool printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
        if (!printable && b == byte)
            code = 256 + unprintable;
        unprintable += !printable;
    }
    if (code < 0x80)
        snprintf(out, 4, "%c", code);
    else
        snprintf(out, 4, "%c%c", 0xc0 | code >> 6, 0x80 | (code & 0x3f));
}

static bool add_token(Vocab *v, const char *token)
{
    for (int i = 0; i < v->count; i++)
        if (strcmp(v->token[i], token) == 0)
            return false;
    if (v->count == v->limit)
        return false;
    const char *escape = *token == '"' || *token == '\\' ? "\\" : "";
    text_printf(&v->json, "%s\"%s%s\": %d", v->count ? ", " : "{", escape, token, v->count);
    v->token[v->count++] = xstrdup(token);
    return true;
}

static void merge(Vocab *v, const char *a, const char *b)
{
    char both[32];
    snprintf(both, sizeof both, "%s%s", a, b);
    if (add_token(v, both))
        text_printf(&v->merges, "%s %s\n", a, b);
}

static void add_merges(Vocab *v)
{
    static const char *const common[][2] = {
        {"\xc4\xa0", "t"},
        {"h", "e"},
        {"i", "n"},
        {"\xc4\xa0", "a"},
        {"\xc4\xa0t", "he"},
        {"r", "e"},
        {"o", "n"},
        {"e", "r"},
        {"\xc4\xa0", "s"},
        {"a", "t"},
        {"\xc4\xa0", "w"},
        {"n", "d"},
        {"o", "u"},
        {"in", "g"},
        {"e", "d"},
        {"\xc4\xa0", "o"},
        {"\xc4\xa0o", "f"},
        {"\xc4\xa0"
         "a",
         "nd"},
    };
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        merge(v, common[i][0], common[i][1]);
    for (char a = 'a'; a <= 'z'; a++) /* as many more as there is room for */
        for (char b = 'a'; b <= 'z'; b++)
            merge(v, (char[2]){a}, (char[2]){b});
}

/* Returns the id of <|endoftext|>. */
static bool write_tokenizer(const CheckpointSpec *spec, const char *vocab_path, const char *merges_path,
                            int *eot, Error *err)
{
    Vocab v = {.limit = spec->vocab - 1};
    v.token = xcalloc((size_t)spec->vocab, sizeof *v.token);
    for (int round = 0; round < 2; round++) /* as GPT-2 numbers them: printable bytes first */
        for (int b = 0; b < 256; b++) {
            char token[4];
            byte_token(b, token);
            bool printable = (unsigned char)token[0] < 0xc4;
            if (printable == !round)
                add_token(&v, token);
        }
    text_puts(&v.merges, "#version: 0.2\n");
    add_merges(&v);
    v.limit++;
    *eot = v.count;
    add_token(&v, "<|endoftext|>");
    text_puts(&v.json, "}\n");
    bool ok = file_write_atomic(vocab_path, v.json.data, v.json.size, err) &&
              file_write_atomic(merges_path, v.merges.data, v.merges.size, err);
    for (int i = 0; i < v.count; i++)
        free(v.token[i]);
    free(v.token);
    text_free(&v.json);
    text_free(&v.merges);
    return ok;
}

/* ---- config.json ---- */

static bool write_config(const CheckpointSpec *s, const char *path, int eot, Error *err)
{
    Text t = {0};
    text_printf(&t, "{\n  \"model_type\": \"gpt2\",\n  \"architectures\": [\"GPT2LMHeadModel\"],\n");
    text_printf(&t, "  \"n_layer\": %d,\n  \"n_head\": %d,\n  \"n_embd\": %d,\n", s->layers, s->heads,
                s->dim);
    if (s->inner == 4 * s->dim)
        text_printf(&t, "  \"n_inner\": null,\n");
    else
        text_printf(&t, "  \"n_inner\": %d,\n", s->inner);
    text_printf(&t, "  \"n_positions\": %d,\n  \"n_ctx\": %d,\n", s->context, s->context);
    text_printf(&t, "  \"vocab_size\": %d,\n  \"layer_norm_epsilon\": 1e-05,\n", s->vocab);
    if (eot >= 0)
        text_printf(&t, "  \"bos_token_id\": %d,\n  \"eos_token_id\": %d,\n", eot, eot);
    if (s->separate_head)
        text_printf(&t, "  \"tie_word_embeddings\": false,\n");
    text_printf(&t, "  \"activation_function\": \"gelu_new\"\n}\n");
    size_t size = s->broken && strcmp(s->broken, "config") == 0 ? t.size / 2 : t.size;
    bool ok = file_write_atomic(path, t.data, size, err);
    text_free(&t);
    return ok;
}

/* ---- all of it ---- */

static bool check_spec(const CheckpointSpec *s, Error *err)
{
    const CheckpointFault *f = checkpoint_faults;
    while (s->broken && f->name && strcmp(f->name, s->broken) != 0)
        f++;
    if (s->broken && !f->name)
        return error_set(err, "no fault is called \"%s\"", s->broken);
    if (strcmp(s->dtype, "f32") != 0 && strcmp(s->dtype, "f16") != 0 && strcmp(s->dtype, "bf16") != 0)
        return error_set(err, "the element types are f32, f16 and bf16");
    if (s->heads < 1 || s->dim < 1 || s->dim % s->heads)
        return error_set(err, "the heads have to divide the dimension");
    if (s->layers < 1 || s->inner < 1 || s->context < 1 || s->vocab < 1 || strlen(s->prefix) > 100)
        return error_set(err, "layers, inner, context and vocab are 1 at least");
    return true;
}

static bool write_all(const CheckpointSpec *spec, const char *dir, Error *err)
{
    Writer w = {.spec = spec};
    char *tensors = path_join(dir, "model.safetensors"), *config = path_join(dir, "config.json");
    char *vocab = path_join(dir, "vocab.json"), *merges = path_join(dir, "merges.txt");
    int eot = -1;
    list_tensors(&w);
    break_tensors(&w);
    make_data(&w);
    bool ok = write_tensors(&w, tensors, err) &&
              (spec->vocab < MERGED_TOKENS_FROM || write_tokenizer(spec, vocab, merges, &eot, err)) &&
              write_config(spec, config, eot, err);
    free(w.entries);
    free(w.data);
    free(tensors);
    free(config);
    free(vocab);
    free(merges);
    return ok;
}

bool checkpoint_write(const CheckpointSpec *spec, const char *dir, Error *err)
{
    if (!check_spec(spec, err))
        return false;
    if (mkdir(dir, 0777) != 0 && errno != EEXIST)
        return error_set_errno(err, errno, "%s: cannot make the folder", dir);
    return write_all(spec, dir, err);
}
