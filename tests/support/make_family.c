/* make_family NAME FOLDER: a small checkpoint of that family, config.json and model.safetensors, and
 * `logits`: float64, what a reference of its own (libreference.c) makes of the ids that are printed.
 * make_family NAME FOLDER NAMES GAIN: with matrices GAIN times as large whose names hold NAMES.
 * make_family --list: the names, each with the model it is for.
 *
 * The functions follow the papers and the public modelling code of each family. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/support/libdecoders.h"

enum {
    DIM = 32,
    HEADS = 4,
    GROUPS = 2,
    D = 8,
    INNER = 48,
    VOCAB = DECODER_VOCAB,
    CONTEXT = 64,
    LAYERS = 2,
    COUNT = 14
};

static const int ids[COUNT] = {7, 0, 12, 12, 95, 3, 50, 1, 64, 31, 2, 5, 77, 40};

#define NAME(format, ...) arena_printf(&r->arena, format, __VA_ARGS__)

static const double *table_of(Ref *r, const char *name, int width)
{
    return ref_weight(r, NAME("%s.weight", name), VOCAB, width, 1, 0);
}

static double *simple_mlp(Ref *r, const double *x, const char *up, const char *down, int inner,
                          RefActivation act, int flags)
{
    double *h = ref_activation(r, ref_linear(r, x, up, DIM, inner, flags), inner, act);
    return ref_linear(r, h, down, inner, DIM, flags);
}

/* Llama's: gate_proj, up_proj, down_proj. */
static double *gated(Ref *r, const double *x, const char *at, RefActivation kind)
{
    double *gate = ref_activation(r, ref_linear(r, x, NAME("%s.gate_proj", at), DIM, INNER, 0), INNER, kind);
    double *up = ref_linear(r, x, NAME("%s.up_proj", at), DIM, INNER, 0);
    return ref_linear(r, ref_product(r, gate, up, INNER), NAME("%s.down_proj", at), INNER, DIM, 0);
}

static double *gated_mlp(Ref *r, const double *x, const char *at)
{
    return gated(r, x, at, REF_SILU);
}

/* ---- rotary positions, groups of heads ---- */

typedef struct Rotary {
    int groups, pairs; /* 0: not rotated */
    double theta, scale, clip;
    bool interleaved;
    int window, flags, out_flags;
} Rotary;

enum { Q_NORM_NONE, Q_NORM_ALL, Q_NORM_HEADS, Q_NORM_EACH, Q_NORM_GEMMA };

static double *head_norms(Ref *r, const double *x, const char *at, int heads, int kind)
{
    if (kind == Q_NORM_ALL)
        return ref_norm(r, x, at, 1, heads * D, REF_RMS, 1e-6);
    if (kind == Q_NORM_HEADS)
        return ref_norm(r, x, at, heads, D, REF_LAYER_SCALE, 1e-5);
    if (kind == Q_NORM_GEMMA)
        return ref_norm(r, x, at, heads, D, REF_RMS_1P, 1e-6);
    double *out = arena_many(&r->arena, (size_t)(r->count * heads * D), double);
    for (int h = 0; h < heads; h++) { /* a tensor for each head */
        const double *part = ref_norm(r, ref_columns(r, x, heads * D, h * D, D, 1, D),
                                      NAME("%s.norms.%d", at, h), 1, D, REF_LAYER_SCALE, 1e-5);
        for (int t = 0; t < r->count; t++)
            memcpy(out + (t * heads + h) * D, part + t * D, D * sizeof *out);
    }
    return out;
}

static double *rotary_core(Ref *r, const Rotary *a, const double *q, const double *k, const double *v,
                           const double *frequency)
{
    RefAttention attention = {HEADS, a->groups, D, a->scale ? a->scale : 1 / sqrt(D), a->window, NULL};
    if (!frequency)
        frequency = ref_frequencies(r, 2 * a->pairs, a->theta);
    q = ref_rotate(r, q, HEADS, D, a->pairs, frequency, a->interleaved);
    k = ref_rotate(r, k, a->groups, D, a->pairs, frequency, a->interleaved);
    return ref_attention(r, &attention, q, k, v);
}

static double *rotary_attention(Ref *r, const Rotary *a, const double *x, const char *at, int q_norm,
                                const char *suffix)
{
    int kv = a->groups * D;
    double *q = ref_linear(r, x, NAME("%s.q_proj", at), DIM, HEADS * D, a->flags);
    double *k = ref_linear(r, x, NAME("%s.k_proj", at), DIM, kv, a->flags);
    double *v = ref_linear(r, x, NAME("%s.v_proj", at), DIM, kv, a->flags);
    if (a->clip > 0) {
        q = ref_clipped(r, q, a->clip, DIM);
        k = ref_clipped(r, k, a->clip, kv);
        v = ref_clipped(r, v, a->clip, kv);
    }
    if (q_norm) {
        q = head_norms(r, q, NAME("%s.q_%s", at, suffix), HEADS, q_norm);
        k = head_norms(r, k, NAME("%s.k_%s", at, suffix), a->groups, q_norm);
    }
    return ref_linear(r, rotary_core(r, a, q, k, v, NULL), NAME("%s.o_proj", at), DIM, DIM, a->out_flags);
}

static double *starcoder2(Ref *r)
{
    Rotary a = {GROUPS, D / 2, 100000, 0, 0, false, 5, REF_BIAS, REF_BIAS};
    double *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("layers.%d.input_layernorm", i), 1, DIM, REF_LAYER, 1e-5);
        x = ref_sum(r, x, rotary_attention(r, &a, n, NAME("layers.%d.self_attn", i), 0, NULL), 1, DIM);
        n = ref_norm(r, x, NAME("layers.%d.post_attention_layernorm", i), 1, DIM, REF_LAYER, 1e-5);
        x = ref_sum(r, x,
                    simple_mlp(r, n, NAME("layers.%d.mlp.c_fc", i), NAME("layers.%d.mlp.c_proj", i), INNER,
                               REF_GELU_TANH, REF_BIAS),
                    1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_LAYER, 1e-5);
    return ref_head(r, x, table_of(r, "embed_tokens", DIM), DIM, VOCAB);
}

static double *olmo(Ref *r)
{
    Rotary a = {HEADS, D / 2, 10000, 0, 0.7, false, 0, 0, 0};
    double *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, "", 1, DIM, REF_LAYER_PLAIN, 1e-5);
        x = ref_sum(r, x, rotary_attention(r, &a, n, NAME("layers.%d.self_attn", i), 0, NULL), 1, DIM);
        n = ref_norm(r, x, "", 1, DIM, REF_LAYER_PLAIN, 1e-5);
        x = ref_sum(r, x, gated_mlp(r, n, NAME("layers.%d.mlp", i)), 1, DIM);
    }
    x = ref_norm(r, x, "", 1, DIM, REF_LAYER_PLAIN, 1e-5);
    return ref_head(r, x, table_of(r, "lm_head", DIM), DIM, VOCAB);
}

static double *olmo2(Ref *r)
{
    Rotary a = {GROUPS, D / 2, 500000, 0, 0, false, 0, 0, 0};
    double *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *y = rotary_attention(r, &a, x, NAME("layers.%d.self_attn", i), Q_NORM_ALL, "norm");
        y = ref_norm(r, y, NAME("layers.%d.post_attention_layernorm", i), 1, DIM, REF_RMS, 1e-6);
        x = ref_sum(r, x, y, 1, DIM);
        y = gated_mlp(r, x, NAME("layers.%d.mlp", i));
        y = ref_norm(r, y, NAME("layers.%d.post_feedforward_layernorm", i), 1, DIM, REF_RMS, 1e-6);
        x = ref_sum(r, x, y, 1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_RMS, 1e-6);
    return ref_head(r, x, table_of(r, "lm_head", DIM), DIM, VOCAB);
}

static double *granite(Ref *r)
{
    Rotary a = {GROUPS, D / 2, 10000, 0.2, 0, false, 0, 0, 0};
    double *x = ref_scaled(r, ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0), 3, DIM);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("layers.%d.input_layernorm", i), 1, DIM, REF_RMS, 1e-5);
        x = ref_sum(r, x, rotary_attention(r, &a, n, NAME("layers.%d.self_attn", i), 0, NULL), 0.22, DIM);
        n = ref_norm(r, x, NAME("layers.%d.post_attention_layernorm", i), 1, DIM, REF_RMS, 1e-5);
        x = ref_sum(r, x, gated_mlp(r, n, NAME("layers.%d.mlp", i)), 0.22, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_RMS, 1e-5);
    return ref_scaled(r, ref_head(r, x, table_of(r, "embed_tokens", DIM), DIM, VOCAB), 1 / 8.0, VOCAB);
}

static double *cohere(Ref *r)
{
    Rotary a = {GROUPS, D / 2, 10000, 0, 0, true, 0, 0, 0};
    double *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("layers.%d.input_layernorm", i), 1, DIM, REF_LAYER_SCALE, 1e-5);
        double *y = rotary_attention(r, &a, n, NAME("layers.%d.self_attn", i), Q_NORM_HEADS, "norm");
        x = ref_sum(r, ref_sum(r, x, y, 1, DIM), gated_mlp(r, n, NAME("layers.%d.mlp", i)), 1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_LAYER_SCALE, 1e-5);
    return ref_scaled(r, ref_head(r, x, table_of(r, "embed_tokens", DIM), DIM, VOCAB), 0.25, VOCAB);
}

static double *stablelm_norms(Ref *r)
{
    Rotary a = {GROUPS, D / 4, 10000, 0, 0, false, 0, REF_BIAS, 0};
    double *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("layers.%d.input_layernorm", i), 1, DIM, REF_LAYER, 1e-5);
        double *y = rotary_attention(r, &a, n, NAME("layers.%d.self_attn", i), Q_NORM_EACH, "layernorm");
        x = ref_sum(r, ref_sum(r, x, y, 1, DIM), gated_mlp(r, n, NAME("layers.%d.mlp", i)), 1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_LAYER, 1e-5);
    return ref_head(r, x, table_of(r, "lm_head", DIM), DIM, VOCAB);
}

static double *stablelm(Ref *r)
{
    Rotary a = {HEADS, D / 8, 10000, 0, 0, false, 0, 0, 0};
    double *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("layers.%d.input_layernorm", i), 1, DIM, REF_LAYER, 1e-5);
        x = ref_sum(r, x, rotary_attention(r, &a, n, NAME("layers.%d.self_attn", i), 0, NULL), 1, DIM);
        n = ref_norm(r, x, NAME("layers.%d.post_attention_layernorm", i), 1, DIM, REF_LAYER, 1e-5);
        x = ref_sum(r, x, gated_mlp(r, n, NAME("layers.%d.mlp", i)), 1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_LAYER, 1e-5);
    return ref_head(r, x, table_of(r, "lm_head", DIM), DIM, VOCAB);
}

static double *smollm3(Ref *r)
{
    Rotary a = {GROUPS, D / 2, 2000000, 0, 0, false, 0, 0, 0};
    double *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int i = 0; i < 4; i++) {
        double *n = ref_norm(r, x, NAME("layers.%d.input_layernorm", i), 1, DIM, REF_RMS, 1e-6);
        a.pairs = i == 3 ? 0 : D / 2;
        x = ref_sum(r, x, rotary_attention(r, &a, n, NAME("layers.%d.self_attn", i), 0, NULL), 1, DIM);
        n = ref_norm(r, x, NAME("layers.%d.post_attention_layernorm", i), 1, DIM, REF_RMS, 1e-6);
        x = ref_sum(r, x, gated_mlp(r, n, NAME("layers.%d.mlp", i)), 1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_RMS, 1e-6);
    return ref_head(r, x, table_of(r, "embed_tokens", DIM), DIM, VOCAB);
}

/* Of three layers the last one sees all, with slower turns; norms around the blocks. */
static double *gemma3(Ref *r)
{
    double *x = ref_scaled(r, ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0), sqrt(DIM), DIM);
    for (int i = 0; i < 3; i++) {
        Rotary a = {GROUPS, D / 2, i < 2 ? 10000 : 1000000, 1 / sqrt(12), 0, false, i < 2 ? 5 : 0, 0, 0};
        const char *at = NAME("layers.%d", i);
        double *y = ref_norm(r, x, NAME("%s.input_layernorm", at), 1, DIM, REF_RMS_1P, 1e-6);
        y = rotary_attention(r, &a, y, NAME("%s.self_attn", at), Q_NORM_GEMMA, "norm");
        y = ref_norm(r, y, NAME("%s.post_attention_layernorm", at), 1, DIM, REF_RMS_1P, 1e-6);
        x = ref_sum(r, x, y, 1, DIM);
        y = ref_norm(r, x, NAME("%s.pre_feedforward_layernorm", at), 1, DIM, REF_RMS_1P, 1e-6);
        y = gated(r, y, NAME("%s.mlp", at), REF_GELU_TANH);
        y = ref_norm(r, y, NAME("%s.post_feedforward_layernorm", at), 1, DIM, REF_RMS_1P, 1e-6);
        x = ref_sum(r, x, y, 1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_RMS_1P, 1e-6);
    return ref_head(r, x, table_of(r, "embed_tokens", DIM), DIM, VOCAB);
}

/* Two of four MLPs count for each token. */
static double *mixture(Ref *r, const double *x, const char *at)
{
    enum { EXPERTS = 4 };
    double *score = ref_linear(r, x, NAME("%s.gate", at), DIM, EXPERTS, 0), *sum = ref_scaled(r, x, 0, DIM);
    for (int j = 0; j < EXPERTS; j++) {
        double *gate = ref_linear(r, x, NAME("%s.experts.%d.w1", at, j), DIM, INNER, 0);
        double *up = ref_linear(r, x, NAME("%s.experts.%d.w3", at, j), DIM, INNER, 0);
        double *h = ref_product(r, ref_activation(r, gate, INNER, REF_SILU), up, INNER);
        double *y = ref_linear(r, h, NAME("%s.experts.%d.w2", at, j), INNER, DIM, 0);
        for (int t = 0; t < r->count; t++) {
            const double *s = score + t * EXPERTS;
            double rival = -INFINITY, better = 0;
            for (int i = 0; i < EXPERTS; i++) {
                better += s[i] > s[j];
                if (i != j)
                    rival = fmax(rival, s[i]);
            }
            double share = better < 2 ? 1 / (1 + exp(rival - s[j])) : 0; /* of the best two */
            for (int i = 0; i < DIM; i++)
                sum[t * DIM + i] += share * y[t * DIM + i];
        }
    }
    return sum;
}

static double *mixtral(Ref *r)
{
    Rotary a = {GROUPS, D / 2, 1000000, 0, 0, false, 0, 0, 0};
    double *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("layers.%d.input_layernorm", i), 1, DIM, REF_RMS, 1e-5);
        x = ref_sum(r, x, rotary_attention(r, &a, n, NAME("layers.%d.self_attn", i), 0, NULL), 1, DIM);
        n = ref_norm(r, x, NAME("layers.%d.post_attention_layernorm", i), 1, DIM, REF_RMS, 1e-5);
        x = ref_sum(r, x, mixture(r, n, NAME("layers.%d.block_sparse_moe", i)), 1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_RMS, 1e-5);
    return ref_head(r, x, table_of(r, "lm_head", DIM), DIM, VOCAB);
}

static double *nemotron(Ref *r)
{
    Rotary a = {GROUPS, D / 4, 10000, 0, 0, false, 0, 0, 0};
    double *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("layers.%d.input_layernorm", i), 1, DIM, REF_LAYER_1P, 1e-5);
        x = ref_sum(r, x, rotary_attention(r, &a, n, NAME("layers.%d.self_attn", i), 0, NULL), 1, DIM);
        n = ref_norm(r, x, NAME("layers.%d.post_attention_layernorm", i), 1, DIM, REF_LAYER_1P, 1e-5);
        x = ref_sum(r, x,
                    simple_mlp(r, n, NAME("layers.%d.mlp.up_proj", i), NAME("layers.%d.mlp.down_proj", i),
                               INNER, REF_RELU2, 0),
                    1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_LAYER_1P, 1e-5);
    return ref_head(r, x, table_of(r, "lm_head", DIM), DIM, VOCAB);
}

/* Joined projections; the context is longer than what it was trained for. */
static double *phi3(Ref *r)
{
    static const double longer[D / 2] = {1, 1.5, 2.5, 4};
    Rotary a = {GROUPS, D / 2, 10000, 0, 0, false, 0, 0, 0};
    double *f = arena_many(&r->arena, D / 2, double), *x = ref_embed(r, "embed_tokens", VOCAB, DIM, ids, 0);
    for (int j = 0; j < D / 2; j++)
        f[j] = pow(10000, -2.0 * j / D) / longer[j];
    a.scale = (1 + log(CONTEXT / 32.0) / log(32)) / sqrt(D); /* on q and on k: the square of the root */
    for (int i = 0; i < LAYERS; i++) {
        int all = (HEADS + 2 * GROUPS) * D, kv = GROUPS * D;
        double *n = ref_norm(r, x, NAME("layers.%d.input_layernorm", i), 1, DIM, REF_RMS, 1e-5);
        double *qkv = ref_linear(r, n, NAME("layers.%d.self_attn.qkv_proj", i), DIM, all, 0);
        double *o = rotary_core(r, &a, ref_columns(r, qkv, all, 0, 0, 1, DIM),
                                ref_columns(r, qkv, all, DIM, 0, 1, kv),
                                ref_columns(r, qkv, all, DIM + kv, 0, 1, kv), f);
        x = ref_sum(r, x, ref_linear(r, o, NAME("layers.%d.self_attn.o_proj", i), DIM, DIM, 0), 1, DIM);
        n = ref_norm(r, x, NAME("layers.%d.post_attention_layernorm", i), 1, DIM, REF_RMS, 1e-5);
        double *both = ref_linear(r, n, NAME("layers.%d.mlp.gate_up_proj", i), DIM, 2 * INNER, 0);
        double *gate = ref_activation(r, ref_columns(r, both, 2 * INNER, 0, 0, 1, INNER), INNER, REF_SILU);
        double *h = ref_product(r, gate, ref_columns(r, both, 2 * INNER, INNER, 0, 1, INNER), INNER);
        x = ref_sum(r, x, ref_linear(r, h, NAME("layers.%d.mlp.down_proj", i), INNER, DIM, 0), 1, DIM);
    }
    x = ref_norm(r, x, "norm", 1, DIM, REF_RMS, 1e-5);
    return ref_head(r, x, table_of(r, "lm_head", DIM), DIM, VOCAB);
}

/* ---- Falcon ---- */

/* Each group: its queries, its key, its value. */
static double *falcon_attention(Ref *r, const double *x, const char *at, int groups, bool alibi, int flags)
{
    int many = HEADS / groups, part = (many + 2) * D, all = groups * part;
    RefAttention a = {HEADS, groups, D, 1 / sqrt(D), 0, NULL};
    double *qkv = ref_linear(r, x, NAME("%s.query_key_value", at), DIM, all, flags);
    double *q = ref_columns(r, qkv, all, 0, part, groups, many * D);
    double *k = ref_columns(r, qkv, all, many * D, part, groups, D);
    double *v = ref_columns(r, qkv, all, (many + 1) * D, part, groups, D);
    if (alibi) { /* the bias is scaled with the scores */
        double *slopes = arena_copy(&r->arena, ref_slopes(r, HEADS, 8), HEADS * sizeof *slopes);
        for (int h = 0; h < HEADS; h++)
            slopes[h] /= sqrt(D);
        a.slopes = slopes;
    } else {
        const double *f = ref_frequencies(r, D, 10000);
        q = ref_rotate(r, q, HEADS, D, D / 2, f, false);
        k = ref_rotate(r, k, groups, D, D / 2, f, false);
    }
    return ref_linear(r, ref_attention(r, &a, q, k, v), NAME("%s.dense", at), DIM, DIM, flags);
}

static double *falcon_mlp(Ref *r, const double *x, int i, int flags)
{
    return simple_mlp(r, x, NAME("h.%d.mlp.dense_h_to_4h", i), NAME("h.%d.mlp.dense_4h_to_h", i), 4 * DIM,
                      REF_GELU, flags);
}

static double *falcon_end(Ref *r, const double *x)
{
    double *n = ref_norm(r, x, "ln_f", 1, DIM, REF_LAYER, 1e-5);
    return ref_head(r, n, table_of(r, "word_embeddings", DIM), DIM, VOCAB);
}

static double *falcon_parallel(Ref *r, int groups, const char *one, const char *two)
{
    double *x = ref_embed(r, "word_embeddings", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("h.%d.%s", i, one), 1, DIM, REF_LAYER, 1e-5);
        double *m = two ? ref_norm(r, x, NAME("h.%d.%s", i, two), 1, DIM, REF_LAYER, 1e-5) : n;
        double *y = falcon_attention(r, n, NAME("h.%d.self_attention", i), groups, false, 0);
        x = ref_sum(r, ref_sum(r, x, y, 1, DIM), falcon_mlp(r, m, i, 0), 1, DIM);
    }
    return falcon_end(r, x);
}

static double *falcon(Ref *r)
{
    return falcon_parallel(r, 1, "input_layernorm", NULL);
}

static double *falcon_new(Ref *r)
{
    return falcon_parallel(r, GROUPS, "ln_attn", "ln_mlp");
}

static double *falcon_rw(Ref *r)
{
    double *x = ref_embed(r, "word_embeddings", VOCAB, DIM, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("h.%d.input_layernorm", i), 1, DIM, REF_LAYER, 1e-5);
        x = ref_sum(r, x, falcon_attention(r, n, NAME("h.%d.self_attention", i), HEADS, true, REF_BIAS), 1,
                    DIM);
        n = ref_norm(r, x, NAME("h.%d.post_attention_layernorm", i), 1, DIM, REF_LAYER, 1e-5);
        x = ref_sum(r, x, falcon_mlp(r, n, i, REF_BIAS), 1, DIM);
    }
    return falcon_end(r, x);
}

/* ---- ALiBi ---- */

static double *bloom(Ref *r)
{
    RefAttention a = {HEADS, HEADS, D, 1 / sqrt(D), 0, ref_slopes(r, HEADS, 8)};
    double *x = ref_embed(r, "word_embeddings", VOCAB, DIM, ids, 0);
    x = ref_norm(r, x, "word_embeddings_layernorm", 1, DIM, REF_LAYER, 1e-5);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("h.%d.input_layernorm", i), 1, DIM, REF_LAYER, 1e-5);
        double *qkv =
            ref_linear(r, n, NAME("h.%d.self_attention.query_key_value", i), DIM, 3 * DIM, REF_BIAS);
        double *o = ref_attention(r, &a, ref_columns(r, qkv, 3 * DIM, 0, 3 * D, HEADS, D),
                                  ref_columns(r, qkv, 3 * DIM, D, 3 * D, HEADS, D),
                                  ref_columns(r, qkv, 3 * DIM, 2 * D, 3 * D, HEADS, D));
        o = ref_linear(r, o, NAME("h.%d.self_attention.dense", i), DIM, DIM, REF_BIAS);
        x = ref_sum(r, x, o, 1, DIM);
        n = ref_norm(r, x, NAME("h.%d.post_attention_layernorm", i), 1, DIM, REF_LAYER, 1e-5);
        n = simple_mlp(r, n, NAME("h.%d.mlp.dense_h_to_4h", i), NAME("h.%d.mlp.dense_4h_to_h", i), 4 * DIM,
                       REF_GELU_TANH, REF_BIAS);
        x = ref_sum(r, x, n, 1, DIM);
    }
    return falcon_end(r, x);
}

/* Six heads: no power of two. */
static double *mpt(Ref *r)
{
    enum { WIDE = 48, MANY = 6 };
    RefAttention a = {MANY, MANY, D, 1 / sqrt(D), 0, ref_slopes(r, MANY, 8)};
    double *x = ref_embed(r, "wte", VOCAB, WIDE, ids, 0);
    for (int i = 0; i < LAYERS; i++) {
        double *n = ref_norm(r, x, NAME("blocks.%d.norm_1", i), 1, WIDE, REF_LAYER_SCALE, 1e-5);
        double *qkv = ref_linear(r, n, NAME("blocks.%d.attn.Wqkv", i), WIDE, 3 * WIDE, 0);
        qkv = ref_clipped(r, qkv, 1.5, 3 * WIDE);
        double *o = ref_attention(r, &a, ref_columns(r, qkv, 3 * WIDE, 0, 0, 1, WIDE),
                                  ref_columns(r, qkv, 3 * WIDE, WIDE, 0, 1, WIDE),
                                  ref_columns(r, qkv, 3 * WIDE, 2 * WIDE, 0, 1, WIDE));
        x = ref_sum(r, x, ref_linear(r, o, NAME("blocks.%d.attn.out_proj", i), WIDE, WIDE, 0), 1, WIDE);
        n = ref_norm(r, x, NAME("blocks.%d.norm_2", i), 1, WIDE, REF_LAYER_SCALE, 1e-5);
        n = ref_linear(r, n, NAME("blocks.%d.ffn.up_proj", i), WIDE, 2 * WIDE, 0);
        n = ref_activation(r, n, 2 * WIDE, REF_GELU);
        x = ref_sum(r, x, ref_linear(r, n, NAME("blocks.%d.ffn.down_proj", i), 2 * WIDE, WIDE, 0), 1, WIDE);
    }
    x = ref_norm(r, x, "norm_f", 1, WIDE, REF_LAYER_SCALE, 1e-5);
    return ref_head(r, x, table_of(r, "wte", WIDE), WIDE, VOCAB);
}

/* ---- learned positions ---- */

static double *opt_attention(Ref *r, const double *x, const char *at)
{
    RefAttention a = {HEADS, HEADS, D, 1 / sqrt(D), 0, NULL};
    double *q = ref_linear(r, x, NAME("%s.q_proj", at), DIM, DIM, REF_BIAS);
    double *k = ref_linear(r, x, NAME("%s.k_proj", at), DIM, DIM, REF_BIAS);
    double *v = ref_linear(r, x, NAME("%s.v_proj", at), DIM, DIM, REF_BIAS);
    return ref_linear(r, ref_attention(r, &a, q, k, v), NAME("%s.out_proj", at), DIM, DIM, REF_BIAS);
}

static double *opt_mlp(Ref *r, const double *x, const char *at)
{
    return simple_mlp(r, x, NAME("%s.fc1", at), NAME("%s.fc2", at), INNER, REF_RELU, REF_BIAS);
}

static double *opt(Ref *r)
{
    double *x = ref_embed(r, "decoder.embed_tokens", VOCAB, DIM, ids, 0);
    x = ref_sum(r, x, ref_embed(r, "decoder.embed_positions", CONTEXT + 2, DIM, NULL, 2), 1, DIM);
    for (int i = 0; i < LAYERS; i++) {
        const char *at = NAME("decoder.layers.%d", i);
        double *n = ref_norm(r, x, NAME("%s.self_attn_layer_norm", at), 1, DIM, REF_LAYER, 1e-5);
        x = ref_sum(r, x, opt_attention(r, n, NAME("%s.self_attn", at)), 1, DIM);
        n = ref_norm(r, x, NAME("%s.final_layer_norm", at), 1, DIM, REF_LAYER, 1e-5);
        x = ref_sum(r, x, opt_mlp(r, n, at), 1, DIM);
    }
    x = ref_norm(r, x, "decoder.final_layer_norm", 1, DIM, REF_LAYER, 1e-5);
    return ref_head(r, x, table_of(r, "decoder.embed_tokens", DIM), DIM, VOCAB);
}

/* As the 350m: norms behind the sums, none at the end, narrow embeddings. */
static double *opt_350m(Ref *r)
{
    enum { NARROW = 16 };
    double *x = ref_embed(r, "decoder.embed_tokens", VOCAB, NARROW, ids, 0);
    x = ref_linear(r, x, "decoder.project_in", NARROW, DIM, 0);
    x = ref_sum(r, x, ref_embed(r, "decoder.embed_positions", CONTEXT + 2, DIM, NULL, 2), 1, DIM);
    for (int i = 0; i < LAYERS; i++) {
        const char *at = NAME("decoder.layers.%d", i);
        x = ref_sum(r, x, opt_attention(r, x, NAME("%s.self_attn", at)), 1, DIM);
        x = ref_norm(r, x, NAME("%s.self_attn_layer_norm", at), 1, DIM, REF_LAYER, 1e-5);
        x = ref_sum(r, x, opt_mlp(r, x, at), 1, DIM);
        x = ref_norm(r, x, NAME("%s.final_layer_norm", at), 1, DIM, REF_LAYER, 1e-5);
    }
    x = ref_linear(r, x, "decoder.project_out", DIM, NARROW, 0);
    return ref_head(r, x, table_of(r, "decoder.embed_tokens", NARROW), NARROW, VOCAB);
}

static double *gptbigcode(Ref *r)
{
    RefAttention a = {HEADS, 1, D, 1 / sqrt(D), 0, NULL};
    double *x = ref_embed(r, "wte", VOCAB, DIM, ids, 0);
    x = ref_sum(r, x, ref_embed(r, "wpe", CONTEXT, DIM, NULL, 0), 1, DIM);
    for (int i = 0; i < LAYERS; i++) {
        int all = DIM + 2 * D;
        double *n = ref_norm(r, x, NAME("h.%d.ln_1", i), 1, DIM, REF_LAYER, 1e-5);
        double *qkv = ref_linear(r, n, NAME("h.%d.attn.c_attn", i), DIM, all, REF_BIAS);
        double *o =
            ref_attention(r, &a, ref_columns(r, qkv, all, 0, 0, 1, DIM),
                          ref_columns(r, qkv, all, DIM, 0, 1, D), ref_columns(r, qkv, all, DIM + D, 0, 1, D));
        x = ref_sum(r, x, ref_linear(r, o, NAME("h.%d.attn.c_proj", i), DIM, DIM, REF_BIAS), 1, DIM);
        n = ref_norm(r, x, NAME("h.%d.ln_2", i), 1, DIM, REF_LAYER, 1e-5);
        n = simple_mlp(r, n, NAME("h.%d.mlp.c_fc", i), NAME("h.%d.mlp.c_proj", i), 4 * DIM, REF_GELU_TANH,
                       REF_BIAS);
        x = ref_sum(r, x, n, 1, DIM);
    }
    x = ref_norm(r, x, "ln_f", 1, DIM, REF_LAYER, 1e-5);
    return ref_head(r, x, table_of(r, "wte", DIM), DIM, VOCAB);
}

static double *gpt1(Ref *r)
{
    RefAttention a = {HEADS, HEADS, D, 1 / sqrt(D), 0, NULL};
    int flags = REF_BIAS | REF_CONV1D;
    double *x = ref_embed(r, "tokens_embed", VOCAB, DIM, ids, 0);
    x = ref_sum(r, x, ref_embed(r, "positions_embed", CONTEXT, DIM, NULL, 0), 1, DIM);
    for (int i = 0; i < LAYERS; i++) {
        double *qkv = ref_linear(r, x, NAME("h.%d.attn.c_attn", i), DIM, 3 * DIM, flags);
        double *o = ref_attention(r, &a, ref_columns(r, qkv, 3 * DIM, 0, 0, 1, DIM),
                                  ref_columns(r, qkv, 3 * DIM, DIM, 0, 1, DIM),
                                  ref_columns(r, qkv, 3 * DIM, 2 * DIM, 0, 1, DIM));
        x = ref_sum(r, x, ref_linear(r, o, NAME("h.%d.attn.c_proj", i), DIM, DIM, flags), 1, DIM);
        x = ref_norm(r, x, NAME("h.%d.ln_1", i), 1, DIM, REF_LAYER, 1e-5);
        double *h = simple_mlp(r, x, NAME("h.%d.mlp.c_fc", i), NAME("h.%d.mlp.c_proj", i), 4 * DIM,
                               REF_GELU_TANH, flags);
        x = ref_norm(r, ref_sum(r, x, h, 1, DIM), NAME("h.%d.ln_2", i), 1, DIM, REF_LAYER, 1e-5);
    }
    return ref_head(r, x, table_of(r, "tokens_embed", DIM), DIM, VOCAB);
}

/* ---- all of them ---- */

#define LLAMA_SIZES                                                                                          \
    "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"hidden_size\":32,\"intermediate_size\":48,"         \
    "\"max_position_embeddings\":64,\"vocab_size\":96"
#define LLAMA3                                                                                               \
    "\"rope_type\":\"llama3\",\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"              \
    "\"original_max_position_embeddings\":32"
#define GROUPED LLAMA_SIZES ",\"num_key_value_heads\":2"

static const struct {
    const char *name, *model, *prefix;
    double *(*logits)(Ref *r);
    const char *config;
} families[] = {
    {"gptneox", "gptneox", "gpt_neox.", decoder_gptneox,
     LLAMA_SIZES ",\"layer_norm_eps\":1e-5,\"rotary_pct\":0.5,\"rotary_emb_base\":10000,"
                 "\"use_parallel_residual\":true,\"hidden_act\":\"gelu\",\"tie_word_embeddings\":false"},
    {"gptneox-serial", "gptneox", "", decoder_gptneox_serial,
     LLAMA_SIZES ",\"layer_norm_eps\":1e-5,\"attention_bias\":false,\"use_parallel_residual\":false,"
                 "\"hidden_act\":\"gelu_fast\",\"rope_parameters\":{\"rope_type\":\"default\","
                 "\"rope_theta\":10000.0,\"partial_rotary_factor\":1.0}"},
    {"gptj", "gptj", "transformer.", decoder_gptj,
     "\"n_layer\":2,\"n_head\":4,\"n_embd\":32,\"n_inner\":null,\"n_positions\":64,\"vocab_size\":96,"
     "\"rotary\":true,\"rotary_dim\":4,\"activation_function\":\"gelu_new\""},
    {"phi", "phi", "model.", decoder_phi,
     LLAMA_SIZES ",\"num_key_value_heads\":null,\"qk_layernorm\":false,\"rope_scaling\":null"},
    {"phi-normed", "phi", "model.", decoder_phi_normed,
     GROUPED ",\"qk_layernorm\":true,\"partial_rotary_factor\":0.5,\"hidden_act\":\"quick_gelu\""},
    {"gemma", "gemma", "model.", decoder_gemma,
     LLAMA_SIZES ",\"num_key_value_heads\":1,\"head_dim\":12,\"hidden_act\":\"gelu\","
                 "\"hidden_activation\":null,\"rms_norm_eps\":1e-6,\"rope_theta\":10000.0"},
    {"gemma2", "gemma2", "model.", decoder_gemma2,
     GROUPED ",\"head_dim\":8,\"query_pre_attn_scalar\":20,\"attn_logit_softcapping\":1.5,"
             "\"final_logit_softcapping\":6.0,\"sliding_window\":5,"
             "\"hidden_activation\":\"gelu_pytorch_tanh\""},
    {"gemma2-open", "gemma2", "model.", decoder_gemma2_open,
     GROUPED ",\"head_dim\":8,\"query_pre_attn_scalar\":20,\"attn_logit_softcapping\":null,"
             "\"final_logit_softcapping\":null,\"sliding_window\":null"},
    {"llama-linear", "llama", "model.", decoder_llama_linear,
     LLAMA_SIZES ",\"rms_norm_eps\":1e-5,\"rope_scaling\":{\"type\":\"linear\",\"factor\":2.5}"},
    {"llama-factors", "llama", "model.", decoder_llama_linear,
     LLAMA_SIZES ",\"rms_norm_eps\":1e-5,\"rope_factors\":[2.5,2.5,2.5,2.5]"},
    {"llama3", "llama", "model.", decoder_llama3,
     GROUPED ",\"rms_norm_eps\":1e-5,\"rope_theta\":100.0,\"rope_scaling\":{" LLAMA3 "}"},
    {"llama3-newer", "llama", "model.", decoder_llama3,
     GROUPED ",\"rms_norm_eps\":1e-5,\"rope_parameters\":{\"rope_theta\":100.0," LLAMA3 "}"},
    {"llama-biased", "llama", "model.", decoder_llama_biased,
     GROUPED ",\"rms_norm_eps\":1e-5,\"head_dim\":12,\"attention_bias\":true,\"mlp_bias\":true,"
             "\"hidden_act\":\"gelu\",\"tie_word_embeddings\":true,\"rope_theta\":500000.0,"
             "\"rope_scaling\":{\"type\":\"dynamic\",\"factor\":4.0}"},
    {"mistral", "mistral", "model.", decoder_mistral,
     GROUPED ",\"rms_norm_eps\":1e-5,\"rope_theta\":1000000.0,\"head_dim\":null,\"sliding_window\":5"},
    {"mistral-open", "mistral", "model.", decoder_mistral_open,
     GROUPED ",\"rms_norm_eps\":1e-5,\"rope_theta\":1000000.0,\"sliding_window\":null"},
    {"qwen2", "qwen2", "model.", decoder_qwen2,
     GROUPED ",\"rms_norm_eps\":1e-5,\"rope_theta\":1000000.0,\"use_sliding_window\":false,"
             "\"sliding_window\":5,\"max_window_layers\":0,\"tie_word_embeddings\":true"},
    {"qwen2-window", "qwen2", "model.", decoder_qwen2_window,
     GROUPED ",\"rms_norm_eps\":1e-5,\"rope_theta\":1000000.0,\"use_sliding_window\":true,"
             "\"sliding_window\":5,\"max_window_layers\":1"},
    {"qwen3-window", "qwen3", "model.", decoder_qwen3_window,
     GROUPED ",\"rms_norm_eps\":1e-5,\"rope_theta\":1000000.0,\"head_dim\":12,\"use_sliding_window\":true,"
             "\"sliding_window\":5,\"layer_types\":[\"sliding_attention\",\"full_attention\"]"},
    {"opt", "opt", "model.", opt,
     "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"hidden_size\":32,\"ffn_dim\":48,"
     "\"max_position_embeddings\":64,\"vocab_size\":96,\"word_embed_proj_dim\":32,"
     "\"do_layer_norm_before\":true,\"activation_function\":\"relu\""},
    {"opt-350m", "opt", "model.", opt_350m,
     "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"hidden_size\":32,\"ffn_dim\":48,"
     "\"max_position_embeddings\":64,\"vocab_size\":96,\"word_embed_proj_dim\":16,"
     "\"do_layer_norm_before\":false,\"activation_function\":\"relu\""},
    {"bloom", "bloom", "transformer.", bloom,
     "\"n_layer\":2,\"n_head\":4,\"hidden_size\":32,\"seq_length\":64,\"vocab_size\":96"},
    {"falcon", "falcon", "transformer.", falcon,
     "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"hidden_size\":32,\"vocab_size\":96,"
     "\"max_position_embeddings\":64,\"multi_query\":true,\"parallel_attn\":true,\"bias\":false"},
    {"falcon-new", "falcon", "transformer.", falcon_new,
     "\"num_hidden_layers\":2,\"num_attention_heads\":4,\"num_kv_heads\":2,\"hidden_size\":32,"
     "\"vocab_size\":96,"
     "\"max_position_embeddings\":64,\"new_decoder_architecture\":true,\"bias\":false"},
    {"falcon-rw", "falcon", "transformer.", falcon_rw,
     "\"n_layer\":2,\"n_head\":4,\"hidden_size\":32,\"vocab_size\":96,\"max_position_embeddings\":64,"
     "\"alibi\":true,\"multi_query\":false,\"parallel_attn\":false,\"bias\":true"},
    {"starcoder2", "starcoder2", "model.", starcoder2,
     GROUPED ",\"rope_theta\":100000,\"sliding_window\":5,\"norm_epsilon\":1e-5,"
             "\"hidden_act\":\"gelu_pytorch_tanh\""},
    {"gptbigcode", "gptbigcode", "transformer.", gptbigcode,
     "\"n_layer\":2,\"n_head\":4,\"n_embd\":32,\"n_inner\":null,\"n_positions\":64,\"vocab_size\":96,"
     "\"multi_query\":true,\"activation_function\":\"gelu_pytorch_tanh\""},
    {"olmo", "olmo", "model.", olmo, LLAMA_SIZES ",\"clip_qkv\":0.7,\"rope_theta\":10000.0"},
    {"olmo2", "olmo2", "model.", olmo2, GROUPED ",\"rms_norm_eps\":1e-6,\"rope_theta\":500000"},
    {"granite", "granite", "model.", granite,
     GROUPED ",\"rms_norm_eps\":1e-5,\"embedding_multiplier\":3,\"attention_multiplier\":0.2,"
             "\"residual_multiplier\":0.22,\"logits_scaling\":8"},
    {"cohere", "cohere", "model.", cohere,
     GROUPED ",\"layer_norm_eps\":1e-5,\"use_qk_norm\":true,\"logit_scale\":0.25"},
    {"phi3", "phi3", "model.", phi3,
     GROUPED ",\"rms_norm_eps\":1e-5,\"original_max_position_embeddings\":32,\"sliding_window\":null,"
             "\"rope_scaling\":{\"type\":\"longrope\",\"long_factor\":[1,1.5,2.5,4],"
             "\"short_factor\":[1,1,1,1]}"},
    {"stablelm", "stablelm", "model.", stablelm, LLAMA_SIZES ",\"layer_norm_eps\":1e-5"},
    {"stablelm-12b", "stablelm", "model.", stablelm_norms,
     GROUPED ",\"layer_norm_eps\":1e-5,\"partial_rotary_factor\":0.5,\"qk_layernorm\":true,"
             "\"use_parallel_residual\":true,\"use_qkv_bias\":true"},
    {"mpt", "mpt", "transformer.", mpt,
     "\"n_layers\":2,\"n_heads\":6,\"d_model\":48,\"expansion_ratio\":2,\"max_seq_len\":64,\"vocab_size\":96,"
     "\"attn_config\":{\"alibi\":true,\"alibi_bias_max\":8,\"clip_qkv\":1.5,\"softmax_scale\":null}"},
    {"smollm3", "smollm3", "model.", smollm3,
     "\"num_hidden_layers\":4,\"num_attention_heads\":4,\"hidden_size\":32,\"intermediate_size\":48,"
     "\"max_position_embeddings\":64,\"vocab_size\":96,\"num_key_value_heads\":2,\"rms_norm_eps\":1e-6,"
     "\"rope_theta\":2000000.0,\"no_rope_layers\":[1,1,1,0]"},
    {"mixtral", "mixtral", "model.", mixtral,
     GROUPED ",\"rms_norm_eps\":1e-5,\"num_local_experts\":4,\"num_experts_per_tok\":2"},
    {"gemma3", "gemma3", "model.", gemma3,
     "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"hidden_size\":32,\"intermediate_size\":48,"
     "\"max_position_embeddings\":64,\"vocab_size\":96,\"head_dim\":8,\"rms_norm_eps\":1e-6,"
     "\"rope_theta\":1000000,\"rope_local_base_freq\":10000,\"sliding_window\":5,"
     "\"query_pre_attn_scalar\":12,\"hidden_activation\":\"gelu_pytorch_tanh\",\"num_hidden_layers\":3,"
     "\"layer_types\":[\"sliding_attention\",\"sliding_attention\",\"full_attention\"]"},
    {"nemotron", "nemotron", "model.", nemotron,
     GROUPED ",\"norm_eps\":1e-5,\"hidden_act\":\"relu2\",\"partial_rotary_factor\":0.5"},
    {"gpt1", "gpt1", "transformer.", gpt1,
     "\"n_layer\":2,\"n_head\":4,\"n_embd\":32,\"n_positions\":64,\"vocab_size\":96,\"afn\":\"gelu\""},
};
enum { FAMILIES = sizeof families / sizeof *families };

static bool write_text(const char *dir, const char *name, const void *data, size_t size, Error *err)
{
    char *path = path_join(dir, name);
    bool ok = file_write_atomic(path, data, size, err);
    free(path);
    return ok;
}

static bool make(int n, const char *dir, const char *loud, const char *gain, Error *err)
{
    Ref r = {.prefix = families[n].prefix, .count = COUNT, .ids = ids, .loud = loud};
    r.gain = gain ? atof(gain) : 1;
    const double *logits = families[n].logits(&r);
    const char *config = arena_printf(&r.arena, "{%s}\n", families[n].config);
    mkdir(dir, 0777);
    bool ok = ref_write(&r, dir, err) && write_text(dir, "config.json", config, strlen(config), err) &&
              write_text(dir, "logits", logits, (size_t)COUNT * VOCAB * sizeof *logits, err);
    ref_free(&r);
    for (int i = 0; ok && i < COUNT; i++)
        printf("%s%d", i ? "," : "", ids[i]);
    puts("");
    return ok;
}

int main(int argc, char **argv)
{
    Error err = {""};
    for (int i = 0; i < FAMILIES && argc == 2 && strcmp(argv[1], "--list") == 0; i++)
        printf("%s %s\n", families[i].name, families[i].model);
    for (int i = 0; i < FAMILIES && (argc == 3 || argc == 5); i++)
        if (strcmp(argv[1], families[i].name) == 0 &&
            make(i, argv[2], argc == 5 ? argv[3] : NULL, argc == 5 ? argv[4] : NULL, &err))
            return 0;
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return 0;
    fprintf(stderr, "make_family: %s\n",
            *err.text ? err.text : "usage: make_family --list | NAME FOLDER [NAMES GAIN]");
    return 1;
}
