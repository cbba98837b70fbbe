/* GGUF, versions 2 and 3: "GGUF", u32 version, u64 tensors, u64 keys, the keys with their values, the
 * tensors' names, shapes (fastest axis first), types and offsets, padding to `general.alignment`, data.
 * Metadata becomes the config, under its own keys and under those of config.json; tensors get their Hugging
 * Face names. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/half.h"
#include "frontend/weights/hfnames.h"

enum {
    KEY_LIMIT = 1 << 16,
    LIST_LIMIT = 1 << 24,
    LIST_DEPTH = 4,
    DIM_LIMIT = 4,
    INFO_BYTES = 24, /* a tensor's entry has at least so many bytes, */
    KEY_BYTES = 13   /* and a key with its value so many */
};

/* After the first failure everything reads as zero. */
typedef struct Cursor {
    Weights *w;
    const Bytes *file;
    size_t at;
    Error *err;
    bool failed;
} Cursor;

bool gguf_recognise(const Bytes *file)
{
    return file->size >= 4 && memcmp(file->data, "GGUF", 4) == 0;
}

static bool fail(Cursor *c, const char *what)
{
    if (!c->failed)
        error_set(c->err, "%s (at byte %zu)", what, c->at);
    c->failed = true;
    return false;
}

static const uint8_t *take(Cursor *c, uint64_t n)
{
    if (c->failed || n > c->file->size - c->at) {
        fail(c, "cut short: the file ends within its header; fetch it again");
        return NULL;
    }
    const uint8_t *p = c->file->data + c->at;
    c->at += (size_t)n;
    return p;
}

static uint64_t take_number(Cursor *c, int bytes)
{
    const uint8_t *p = take(c, (uint64_t)bytes);
    uint64_t v = 0;
    for (int i = bytes - 1; p && i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* In the arena, with a NUL behind it; bytes that are a NUL end it early. */
static const char *take_name(Cursor *c)
{
    uint64_t n = take_number(c, 8);
    const uint8_t *p = take(c, n);
    const char *name = p ? arena_str(&c->w->arena, (const char *)p, (size_t)n) : "";
    if (!c->failed && (strlen(name) != n || !weights_name_ok(name, (size_t)n)))
        fail(c, "a name is 1 to 1024 bytes without control characters");
    return name;
}

/* ---- values ---- */

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, LIST, U64, I64, F64, KINDS };
static const uint8_t kind_bytes[KINDS] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};

static json_t *take_text(Cursor *c)
{
    uint64_t n = take_number(c, 8);
    const uint8_t *p = take(c, n);
    json_t *text = p ? json_stringn((const char *)p, (size_t)n) : NULL;
    return text ? text : json_null(); /* a token that is no UTF-8 */
}

static json_t *float_value(double d)
{
    json_t *v = json_real(d);
    return v ? v : json_null(); /* NaN and infinity */
}

static json_t *take_value(Cursor *c, uint32_t kind, int depth);

static json_t *take_list(Cursor *c, int depth)
{
    json_t *list = json_array();
    uint32_t kind = (uint32_t)take_number(c, 4);
    uint64_t count = take_number(c, 8);
    if (kind >= KINDS || depth >= LIST_DEPTH)
        fail(c, "a list of an unknown kind");
    else if (count > LIST_LIMIT || count > (c->file->size - c->at) / kind_bytes[kind])
        fail(c, "a list is longer than the file");
    for (uint64_t i = 0; i < count && !c->failed; i++)
        json_array_append_new(list, take_value(c, kind, depth + 1));
    return list;
}

static json_t *take_value(Cursor *c, uint32_t kind, int depth)
{
    if (kind == STRING)
        return take_text(c);
    if (kind == LIST)
        return take_list(c, depth);
    if (kind >= KINDS) {
        fail(c, "a value of an unknown kind");
        return json_null();
    }
    uint64_t v = take_number(c, kind_bytes[kind]);
    double d;
    switch (kind) {
    case I8: return json_integer((int8_t)v);
    case I16: return json_integer((int16_t)v);
    case I32: return json_integer((int32_t)v);
    case F32: return float_value((double)float_from_bits((uint32_t)v));
    case F64: memcpy(&d, &v, sizeof d); return float_value(d);
    case BOOL: return json_boolean(v);
    default: return v > INT64_MAX ? json_real((double)v) : json_integer((json_int_t)v);
    }
}

static void read_keys(Cursor *c, uint64_t count)
{
    if (count > KEY_LIMIT || count > (c->file->size - c->at) / KEY_BYTES)
        fail(c, "more metadata keys than the file can hold");
    for (uint64_t i = 0; i < count && !c->failed; i++) {
        const char *key = take_name(c);
        json_t *value = take_value(c, (uint32_t)take_number(c, 4), 0);
        if (!c->failed && json_object_get(c->w->config, key))
            fail(c, "a metadata key is there twice");
        if (c->failed || json_object_set(c->w->config, key, value) != 0)
            fail(c, "a metadata key is no UTF-8");
        json_decref(value);
    }
}

/* ---- tensors ---- */

/* ggml's numbers; the types without a name here were never in files, or are gone. */
static const char *const type_names[] = {
    [0] = "F32",     [1] = "F16",    [2] = "Q4_0",     [3] = "Q4_1",    [6] = "Q5_0",     [7] = "Q5_1",
    [8] = "Q8_0",    [9] = "Q8_1",   [10] = "Q2_K",    [11] = "Q3_K",   [12] = "Q4_K",    [13] = "Q5_K",
    [14] = "Q6_K",   [15] = "Q8_K",  [16] = "IQ2_XXS", [17] = "IQ2_XS", [18] = "IQ3_XXS", [19] = "IQ1_S",
    [20] = "IQ4_NL", [21] = "IQ3_S", [22] = "IQ2_S",   [23] = "IQ4_XS", [24] = "I8",      [25] = "I16",
    [26] = "I32",    [27] = "I64",   [28] = "F64",     [29] = "IQ1_M",  [30] = "BF16",
};

static void take_type(Cursor *c, Tensor *t)
{
    char name[32];
    uint32_t type = (uint32_t)take_number(c, 4);
    bool known = type < sizeof type_names / sizeof *type_names && type_names[type];
    snprintf(name, sizeof name, "ggml type %" PRIu32, type);
    weights_set_type(c->w, t, known ? type_names[type] : name);
}

/* `data` is left an offset; the header's end is not known yet. */
static void take_tensor(Cursor *c, const char *arch, uint64_t *offset)
{
    const char *name = take_name(c);
    Tensor t = {.file = c->file->name};
    uint32_t rank = (uint32_t)take_number(c, 4);
    if (rank > DIM_LIMIT)
        fail(c, "a tensor has more than 4 axes");
    t.rank = c->failed ? 0 : (int)rank;
    for (int i = t.rank - 1; i >= 0; i--) {
        uint64_t d = take_number(c, 8);
        if (d > INT64_MAX)
            fail(c, "a tensor's shape is too large");
        t.shape[i] = c->failed ? 0 : (int64_t)d;
    }
    take_type(c, &t);
    *offset = take_number(c, 8);
    int64_t row = t.rank ? t.shape[t.rank - 1] : 1;
    if (!c->failed && (!tensor_bytes(&t, &t.size) || row % weight_type_block(t.type)))
        fail(c, "a tensor's shape is too large, or its rows are no whole blocks");
    if (t.type == W_UNKNOWN)
        t.size = 0; /* who knows */
    if (c->failed)
        return;
    t.name = hf_tensor_name(c->w, arch, name);
    weights_add(c->w, &t);
}

/* The rows of q and k of these tensors are read head by head. */
static bool set_pairs(Weights *w, Tensor *t, const char *arch, Error *err)
{
    int64_t heads = 0;
    bool keys = strstr(t->name, ".k_proj.") != NULL;
    if (!hf_is_paired(arch, t->name))
        return true;
    if (!keys || weights_config_int(w, "num_key_value_heads", &heads) != CONFIG_FOUND)
        (void)weights_config_int(w, "num_attention_heads", &heads);
    if (t->rank < 1 || heads < 1 || t->shape[0] % heads || t->shape[0] / heads % 2)
        return error_set(err, "tensor \"%s\": its rows are no whole heads", weights_quote(t->name).text);
    t->pairs = t->shape[0] / heads;
    return true;
}

static bool place(Cursor *c, Tensor *t, uint64_t offset, uint64_t start, uint64_t alignment)
{
    const uint64_t size = c->file->size;
    if (offset % alignment)
        return error_set(c->err, "tensor \"%s\": its offset is not aligned", weights_quote(t->name).text);
    if (start > size || offset > size - start || t->size > size - start - offset)
        return error_set(c->err, "cut short: tensor \"%s\" ends behind the end of the file; fetch it again",
                         weights_quote(t->name).text);
    t->data = c->file->data + start + offset;
    return true;
}

static bool read_tensors(Cursor *c, uint64_t count, const char *arch)
{
    int64_t alignment = 32;
    size_t first = c->w->count;
    if (count > (c->file->size - c->at) / INFO_BYTES)
        return fail(c, "more tensors than the file can hold");
    uint64_t *offset = arena_many(&c->w->arena, (size_t)count, uint64_t);
    for (uint64_t i = 0; i < count && !c->failed; i++)
        take_tensor(c, arch, &offset[i]);
    if (c->failed)
        return false;
    if (weights_config_int(c->w, "general.alignment", &alignment) == CONFIG_OTHER || alignment < 1 ||
        alignment > 1 << 20)
        return error_set(c->err, "\"general.alignment\" is no sensible number");
    uint64_t step = (uint64_t)alignment, start = (c->at + step - 1) / step * step;
    for (size_t i = 0; i < count; i++) {
        Tensor *t = &c->w->tensors[first + i];
        if (!place(c, t, offset[i], start, step) || !set_pairs(c->w, t, arch, c->err))
            return false;
    }
    return true;
}

bool gguf_read(Weights *w, const Bytes *file, Error *err)
{
    Cursor c = {w, file, 4, err, false};
    uint32_t version = (uint32_t)take_number(&c, 4);
    if (!c.failed && (version < 2 || version > 3))
        return error_set(err, "GGUF version %" PRIu32 "; versions 2 and 3 are read", version);
    uint64_t tensors = take_number(&c, 8), keys = take_number(&c, 8);
    w->config = json_object();
    if (!c.failed)
        read_keys(&c, keys);
    const char *arch = json_string_value(json_object_get(w->config, "general.architecture"));
    if (c.failed)
        return false;
    hf_config(w, arch ? arch : "");
    if (!read_tensors(&c, tensors, arch ? arch : ""))
        return false;
    hf_config_head(w);
    if (!hf_config_rope(w, err))
        return false;
    weights_sort_by_data(w, w->count - (size_t)tensors);
    return true;
}
