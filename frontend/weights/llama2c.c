/* llama2.c checkpoints, fp32. Version 0 has no magic number: seven int32 {dim, hidden, layers, heads, kv
 * heads, vocab (negative: a classifier of its own at the end), context}, then the tensors, each for all
 * layers, and the rotary tables. Version 1: "ak42", int32 1, the seven, u8 "shared classifier", zeros up to
 * byte 256, then the same tensors with the norms first and without the tables. Names and config are those of
 * Hugging Face. */
#include <inttypes.h>
#include <string.h>

#include "frontend/weights/internal.h"

enum { MAGIC = 0x616b3432, HEADER_0 = 28, HEADER_1 = 256 };

typedef struct Shape {
    int64_t dim, hidden, layers, heads, kv_heads, vocab, context;
    bool shared; /* the classifier is the embedding */
} Shape;

/* One run of floats: `rows` x `columns` for every layer where per_layer, else once. A name with # is a
 * layer's. */
typedef struct Part {
    const char *name; /* NULL: skipped */
    int64_t rows, columns;
    bool per_layer, pairs;
} Part;

typedef struct Layout {
    Part part[16];
    int count;
} Layout;

static int32_t read_int(const uint8_t *p)
{
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

static void add(Layout *l, const char *name, int64_t rows, int64_t columns, bool per_layer)
{
    bool pairs = name && (strstr(name, "q_proj") || strstr(name, "k_proj"));
    l->part[l->count++] = (Part){name, rows, columns, per_layer, pairs};
}

static void add_norms(Layout *l, const Shape *s, int which)
{
    static const char *const names[] = {"model.layers.#.input_layernorm.weight",
                                        "model.layers.#.post_attention_layernorm.weight",
                                        "model.norm.weight"};
    add(l, names[which], 0, s->dim, which < 2);
}

static void add_attention(Layout *l, const Shape *s)
{
    int64_t kv = s->dim / s->heads * s->kv_heads;
    add(l, "model.layers.#.self_attn.q_proj.weight", s->dim, s->dim, true);
    add(l, "model.layers.#.self_attn.k_proj.weight", kv, s->dim, true);
    add(l, "model.layers.#.self_attn.v_proj.weight", kv, s->dim, true);
    add(l, "model.layers.#.self_attn.o_proj.weight", s->dim, s->dim, true);
}

static void add_mlp(Layout *l, const Shape *s)
{
    add(l, "model.layers.#.mlp.gate_proj.weight", s->hidden, s->dim, true);
    add(l, "model.layers.#.mlp.down_proj.weight", s->dim, s->hidden, true);
    add(l, "model.layers.#.mlp.up_proj.weight", s->hidden, s->dim, true);
}

static Layout layout_of(const Shape *s, int version)
{
    Layout l = {.count = 0};
    if (version == 1)
        for (int i = 0; i < 3; i++)
            add_norms(&l, s, i);
    add(&l, "model.embed_tokens.weight", s->vocab, s->dim, false);
    if (version == 0)
        add_norms(&l, s, 0);
    add_attention(&l, s);
    if (version == 0)
        add_norms(&l, s, 1);
    add_mlp(&l, s);
    if (version == 0) {
        add_norms(&l, s, 2);
        add(&l, NULL, s->context, s->dim / s->heads, false); /* cosines and sines, half each */
    }
    if (!s->shared)
        add(&l, "lm_head.weight", s->vocab, s->dim, false);
    return l;
}

/* Bytes of the tensors. The limits of shape_ok keep every product and the sum far below 2^64. */
static uint64_t layout_bytes(const Layout *l, const Shape *s)
{
    uint64_t sum = 0;
    for (int i = 0; i < l->count; i++) {
        const Part *p = &l->part[i];
        int64_t n = (p->rows ? p->rows : 1) * p->columns * (p->per_layer ? s->layers : 1);
        sum += 4 * (uint64_t)n;
    }
    return sum;
}

static bool shape_ok(const Shape *s)
{
    const int64_t most = 1 << 20;
    return s->dim > 0 && s->dim < most && s->hidden > 0 && s->hidden < most && s->layers > 0 &&
           s->layers < 1 << 12 && s->heads > 0 && s->kv_heads > 0 && s->heads % s->kv_heads == 0 &&
           s->dim % s->heads == 0 && s->dim / s->heads % 2 == 0 && s->vocab > 0 && s->vocab < 1 << 24 &&
           s->context > 0 && s->context < 1 << 24;
}

static Shape read_shape(const uint8_t *p)
{
    int64_t vocab = read_int(p + 20);
    return (Shape){read_int(p),      read_int(p + 4),  read_int(p + 8),
                   read_int(p + 12), read_int(p + 16), vocab < 0 ? -vocab : vocab,
                   read_int(p + 24), vocab > 0};
}

/* Without a magic number: the header has to explain the file's size to the byte. */
static bool is_version_0(const Bytes *file)
{
    if (file->size < HEADER_0)
        return false;
    Shape s = read_shape(file->data);
    if (!shape_ok(&s))
        return false;
    Layout l = layout_of(&s, 0);
    return layout_bytes(&l, &s) == file->size - HEADER_0;
}

bool llama2c_recognise(const Bytes *file)
{
    return (file->size >= 4 && read_int(file->data) == MAGIC) || is_version_0(file);
}

static void set_int(json_t *config, const char *key, int64_t value)
{
    json_object_set_new(config, key, json_integer(value));
}

/* What llama2.c has as constants is written out: eps, theta, BOS and EOS. */
static void make_config(Weights *w, const Shape *s)
{
    json_t *c = w->config = json_object();
    json_object_set_new(c, "model_type", json_string("llama"));
    json_object_set_new(c, "hidden_act", json_string("silu"));
    set_int(c, "hidden_size", s->dim);
    set_int(c, "intermediate_size", s->hidden);
    set_int(c, "num_hidden_layers", s->layers);
    set_int(c, "num_attention_heads", s->heads);
    set_int(c, "num_key_value_heads", s->kv_heads);
    set_int(c, "vocab_size", s->vocab);
    set_int(c, "max_position_embeddings", s->context);
    json_object_set_new(c, "rms_norm_eps", json_real(1e-5));
    json_object_set_new(c, "rope_theta", json_real(10000));
    json_object_set_new(c, "rope_scaling", json_null());
    json_object_set_new(c, "tie_word_embeddings", json_boolean(s->shared));
    set_int(c, "bos_token_id", 1);
    set_int(c, "eos_token_id", 2);
}

static const uint8_t *add_part(Weights *w, const Bytes *file, const Shape *s, const Part *p,
                               const uint8_t *data)
{
    Tensor t = {.file = file->name, .rank = p->rows ? 2 : 1, .pairs = p->pairs ? s->dim / s->heads : 0};
    t.shape[0] = p->rows ? p->rows : p->columns;
    t.shape[1] = p->rows ? p->columns : 0;
    weights_set_type(w, &t, "F32");
    t.size = 4 * (uint64_t)((p->rows ? p->rows : 1) * p->columns);
    const char *hole = p->name ? strchr(p->name, '#') : NULL;
    for (int64_t i = 0; i < (p->per_layer ? s->layers : 1); i++, data += t.size) {
        t.data = data;
        t.name =
            !hole ? p->name
                  : arena_printf(&w->arena, "%.*s%" PRId64 "%s", (int)(hole - p->name), p->name, i, hole + 1);
        if (t.name)
            weights_add(w, &t);
    }
    return data;
}

static bool read_parts(Weights *w, const Bytes *file, const Shape *s, int version, size_t header, Error *err)
{
    Layout l = layout_of(s, version);
    uint64_t bytes = layout_bytes(&l, s), there = file->size - header;
    if (bytes != there)
        return error_set(err, "%s: its header describes %" PRIu64 " bytes of tensors, %" PRIu64 " are there",
                         bytes > there ? "cut short" : "too long", bytes, there);
    const uint8_t *data = file->data + header;
    for (int i = 0; i < l.count; i++)
        data = add_part(w, file, s, &l.part[i], data);
    make_config(w, s);
    return true;
}

bool llama2c_read(Weights *w, const Bytes *file, Error *err)
{
    if (read_int(file->data) != MAGIC) {
        Shape s = read_shape(file->data);
        return read_parts(w, file, &s, 0, HEADER_0, err);
    }
    if (file->size < HEADER_1)
        return error_set(err, "cut short: a llama2.c header has 256 bytes, %zu are in the file", file->size);
    int32_t version = read_int(file->data + 4);
    if (version != 1)
        return error_set(
            err, "a llama2.c checkpoint of version %" PRId32 "; the fp32 versions 0 and 1 are read", version);
    Shape s = read_shape(file->data + 8);
    s.shared = file->data[36] != 0;
    if (!shape_ok(&s))
        return error_set(err, "the llama2.c header holds sizes that no model has");
    return read_parts(w, file, &s, 1, HEADER_1, err);
}
