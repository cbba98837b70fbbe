/* gguf_logits FILE.gguf IDS OUT: the logits, float64, that a Llama in a GGUF file of F32 and Q8_0 tensors
 * gives for ids with commas between: in double precision, from the numbers that the file stores, by a reader
 * of its own. Prints the number of logits in a row. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/half.h"
#include "tests/support/libreference.h"

static void die(const char *text)
{
    fprintf(stderr, "gguf_logits: %s\n", text);
    exit(2);
}

/* ---- the file ---- */

typedef struct Reader {
    const unsigned char *data;
    size_t at, size;
} Reader;

enum { MOST_KEYS = 256, MOST_IDS = 64 };

static struct {
    const char *name;
    double value;
} keys[MOST_KEYS];
static int key_count;

static const unsigned char *take(Reader *f, uint64_t bytes)
{
    if (bytes > f->size - f->at)
        die("cut short");
    f->at += (size_t)bytes;
    return f->data + f->at - bytes;
}

static uint64_t whole(Reader *f, int bytes)
{
    const unsigned char *p = take(f, (uint64_t)bytes);
    uint64_t n = 0;
    for (int i = 0; i < bytes; i++)
        n |= (uint64_t)p[i] << 8 * i;
    return n;
}

static const char *text(Reader *f, Arena *a)
{
    uint64_t n = whole(f, 8);
    return arena_str(a, (const char *)take(f, n), (size_t)n);
}

static double single(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float x;
    memcpy(&x, &low, sizeof x);
    return (double)x;
}

/* Numbers; 0 for whatever else there is. */
static double value(Reader *f, Arena *a, uint64_t type)
{
    static const int bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    if (type == 8) {
        (void)text(f, a);
        return 0;
    }
    if (type == 9) {
        uint64_t of = whole(f, 4), n = whole(f, 8);
        for (; n; n--)
            (void)value(f, a, of);
        return 0;
    }
    if (type > 12)
        die("a type of value that there is not");
    uint64_t n = whole(f, bytes[type]);
    return type == 6 ? single(n) : (double)n;
}

static double key(const char *name)
{
    for (int i = 0; i < key_count; i++)
        if (strcmp(keys[i].name, name) == 0)
            return keys[i].value;
    die(name);
    return 0;
}

static int number(const char *name)
{
    return (int)key(name);
}

static double element(const unsigned char *data, uint64_t type, int i)
{
    const unsigned char *p = type == 0 ? data + 4 * i : data + i / 32 * 34;
    Reader f = {p, 0, 4};
    if (type == 0)
        return single(whole(&f, 4));
    double scale = (double)half_to_float((uint16_t)whole(&f, 2));
    return scale * (signed char)p[2 + i % 32];
}

static void read_file(Reader *f, Ref *r)
{
    (void)take(f, 8);
    uint64_t tensors = whole(f, 8), values = whole(f, 8);
    if (values > MOST_KEYS || tensors > MOST_KEYS)
        die("more keys or tensors than a test has");
    for (; values; values--, key_count++) {
        keys[key_count].name = text(f, &r->arena);
        keys[key_count].value = value(f, &r->arena, whole(f, 4));
    }
    uint64_t type[MOST_KEYS], offset[MOST_KEYS];
    for (uint64_t i = 0; i < tensors; i++) {
        RefTensor t = {.name = text(f, &r->arena), .rank = (int)whole(f, 4)};
        for (int d = t.rank - 1; d >= 0 && t.rank <= 2; d--)
            t.shape[d] = (int)whole(f, 8);
        type[i] = whole(f, 4);
        offset[i] = whole(f, 8);
        if (type[i] != 0 && type[i] != 8)
            die("a tensor is neither F32 nor Q8_0");
        arena_push(&r->arena, r->tensor, r->tensors, r->tensors_cap, t);
    }
    size_t start = (f->at + 31) / 32 * 32;
    for (uint64_t i = 0; i < tensors; i++) {
        RefTensor *t = &r->tensor[i];
        int n = t->shape[0] * (t->rank == 2 ? t->shape[1] : 1);
        f->at = start;
        (void)take(f, offset[i]);
        const unsigned char *data = take(f, type[i] == 0 ? 4 * (uint64_t)n : (uint64_t)n / 32 * 34);
        t->data = arena_many(&r->arena, (size_t)n, double);
        for (int k = 0; k < n; k++)
            t->data[k] = element(data, type[i], k);
    }
}

/* ---- the model ---- */

#define NAME(format, ...) arena_printf(&r->arena, format, __VA_ARGS__)

/* The rows of q and k stand in pairs in such a file, so that neighbours turn. */
static double *attention(Ref *r, const double *x, int layer, int dim)
{
    int heads = number("llama.attention.head_count"), groups = number("llama.attention.head_count_kv");
    int d = dim / heads;
    RefAttention a = {heads, groups, d, 1 / sqrt(d), 0, NULL};
    const double *f = ref_frequencies(r, d, key("llama.rope.freq_base"));
    double *q = ref_linear(r, x, NAME("blk.%d.attn_q", layer), dim, dim, 0);
    double *k = ref_linear(r, x, NAME("blk.%d.attn_k", layer), dim, groups * d, 0);
    double *v = ref_linear(r, x, NAME("blk.%d.attn_v", layer), dim, groups * d, 0);
    q = ref_rotate(r, q, heads, d, d / 2, f, true);
    k = ref_rotate(r, k, groups, d, d / 2, f, true);
    return ref_linear(r, ref_attention(r, &a, q, k, v), NAME("blk.%d.attn_output", layer), dim, dim, 0);
}

static double *mlp(Ref *r, const double *x, int layer, int dim)
{
    int inner = number("llama.feed_forward_length");
    double *gate = ref_linear(r, x, NAME("blk.%d.ffn_gate", layer), dim, inner, 0);
    double *up = ref_linear(r, x, NAME("blk.%d.ffn_up", layer), dim, inner, 0);
    double *h = ref_product(r, ref_activation(r, gate, inner, REF_SILU), up, inner);
    return ref_linear(r, h, NAME("blk.%d.ffn_down", layer), inner, dim, 0);
}

static const RefTensor *find(const Ref *r, const char *name)
{
    for (int i = 0; i < r->tensors; i++)
        if (strcmp(r->tensor[i].name, name) == 0)
            return &r->tensor[i];
    return NULL;
}

static double *llama(Ref *r, int *vocab)
{
    const RefTensor *table = find(r, "token_embd.weight"), *head = find(r, "output.weight");
    if (!table)
        die("no token_embd.weight");
    int dim = number("llama.embedding_length"), tensors = r->tensors;
    double epsilon = key("llama.attention.layer_norm_rms_epsilon");
    *vocab = table->shape[0];
    for (int t = 0; t < r->count; t++)
        if (r->ids[t] < 0 || r->ids[t] >= *vocab)
            die("an id that the vocabulary does not have");
    const double *rows = head ? head->data : table->data;
    double *x = ref_embed(r, "token_embd", *vocab, dim, r->ids, 0);
    for (int i = 0; i < number("llama.block_count"); i++) {
        double *n = ref_norm(r, x, NAME("blk.%d.attn_norm", i), 1, dim, REF_RMS, epsilon);
        x = ref_sum(r, x, attention(r, n, i, dim), 1, dim);
        n = ref_norm(r, x, NAME("blk.%d.ffn_norm", i), 1, dim, REF_RMS, epsilon);
        x = ref_sum(r, x, mlp(r, n, i, dim), 1, dim);
    }
    x = ref_norm(r, x, "output_norm", 1, dim, REF_RMS, epsilon);
    if (r->tensors != tensors)
        die("the file lacks a tensor");
    return ref_head(r, x, rows, dim, *vocab);
}

int main(int argc, char **argv)
{
    char *data;
    int ids[MOST_IDS], vocab;
    Error err = {""};
    Reader f = {0};
    Ref r = {.prefix = "", .ids = ids};
    if (argc != 4)
        die("usage: gguf_logits FILE.gguf IDS OUT");
    if (!file_read(argv[1], 0, &data, &f.size, &err))
        die(err.text);
    for (char *p = argv[2]; *p && r.count < MOST_IDS; p += *p == ',')
        ids[r.count++] = (int)strtol(p, &p, 10);
    f.data = (const unsigned char *)data;
    read_file(&f, &r);
    const double *logits = llama(&r, &vocab);
    if (!file_write_atomic(argv[3], logits, (size_t)r.count * (size_t)vocab * sizeof *logits, &err))
        die(err.text);
    printf("%d\n", vocab);
    ref_free(&r);
    free(data);
    return 0;
}
