#include "tests/support/libdecoders.h"

#include <math.h>

enum { DIM = 32, HEADS = 4, D = 8, INNER = 48, LAYERS = 2, VOCAB = DECODER_VOCAB };

#define NAME(format, ...) arena_printf(&r->arena, format, __VA_ARGS__)

static double *embedding(Ref *r, const char *name)
{
    return ref_embed(r, name, VOCAB, DIM, r->ids, 0);
}

static double *norm(Ref *r, const double *x, const char *name, RefNorm kind)
{
    double epsilon = kind == REF_RMS_1P ? 1e-6 : 1e-5;
    return ref_norm(r, x, name, 1, DIM, kind, epsilon);
}

/* One norm for all heads: each head of each token is a row. */
static double *head_norm(Ref *r, const double *x, const char *name, int heads, int d, RefNorm kind)
{
    int count = r->count;
    r->count *= heads;
    double *y = ref_norm(r, x, name, 1, d, kind, 1e-5);
    r->count = count;
    return y;
}

static double *sum(Ref *r, const double *a, const double *b)
{
    return ref_sum(r, a, b, 1, DIM);
}

static double *logits(Ref *r, const double *x, const char *name)
{
    return ref_head(r, x, ref_weight(r, NAME("%s.weight", name), VOCAB, DIM, 1, 0), DIM, VOCAB);
}

static double *mlp(Ref *r, const double *x, const char *up, const char *down, int inner, RefActivation kind)
{
    double *h = ref_activation(r, ref_linear(r, x, up, DIM, inner, REF_BIAS), inner, kind);
    return ref_linear(r, h, down, inner, DIM, REF_BIAS);
}

static double *gated_mlp(Ref *r, const double *x, const char *at, RefActivation kind, int flags)
{
    double *gate = ref_linear(r, x, NAME("%s.gate_proj", at), DIM, INNER, flags);
    double *up = ref_linear(r, x, NAME("%s.up_proj", at), DIM, INNER, flags);
    double *h = ref_product(r, ref_activation(r, gate, INNER, kind), up, INNER);
    return ref_linear(r, h, NAME("%s.down_proj", at), INNER, DIM, flags);
}

typedef struct Heads {
    int groups, d, pairs; /* of HEADS heads; rotated pairs of elements */
    const double *frequency;
    bool interleaved;
    int window;
    double scale, cap;
} Heads;

static double *rotary_attention(Ref *r, const Heads *h, const double *q, const double *k, const double *v)
{
    RefAttention a = {HEADS, h->groups, h->d, h->scale, h->window, NULL};
    q = ref_rotate(r, q, HEADS, h->d, h->pairs, h->frequency, h->interleaved);
    k = ref_rotate(r, k, h->groups, h->d, h->pairs, h->frequency, h->interleaved);
    return ref_attention_capped(r, &a, h->cap, q, k, v);
}

/* ---- GPT-NeoX, GPT-J, Phi ---- */

static double *gptneox(Ref *r, bool parallel, int rotated, int flags, RefActivation kind)
{
    Heads h = {HEADS, D, rotated / 2, ref_frequencies(r, rotated, 10000), false, 0, 1 / sqrt(D), 0};
    double *x = embedding(r, "embed_in");
    for (int i = 0; i < LAYERS; i++) {
        const char *at = NAME("layers.%d", i);
        double *n = norm(r, x, NAME("%s.input_layernorm", at), REF_LAYER);
        double *qkv = ref_linear(r, n, NAME("%s.attention.query_key_value", at), DIM, 3 * DIM, flags);
        double *q = ref_columns(r, qkv, 3 * DIM, 0, 3 * D, HEADS, D);
        double *k = ref_columns(r, qkv, 3 * DIM, D, 3 * D, HEADS, D);
        double *v = ref_columns(r, qkv, 3 * DIM, 2 * D, 3 * D, HEADS, D);
        double *a = rotary_attention(r, &h, q, k, v);
        a = ref_linear(r, a, NAME("%s.attention.dense", at), DIM, DIM, flags);
        double *behind = sum(r, x, a);
        n = norm(r, parallel ? x : behind, NAME("%s.post_attention_layernorm", at), REF_LAYER);
        n = mlp(r, n, NAME("%s.mlp.dense_h_to_4h", at), NAME("%s.mlp.dense_4h_to_h", at), INNER, kind);
        x = sum(r, behind, n);
    }
    return logits(r, norm(r, x, "final_layer_norm", REF_LAYER), "embed_out");
}

double *decoder_gptneox(Ref *r)
{
    for (int i = 0; i < LAYERS; i++) { /* what older files hold besides */
        (void)ref_weight(r, NAME("layers.%d.attention.rotary_emb.inv_freq", i), 2, 0, 1, 0);
        (void)ref_weight(r, NAME("layers.%d.attention.masked_bias", i), 1, 0, 1, 0);
    }
    return gptneox(r, true, D / 2, REF_BIAS, REF_GELU);
}

double *decoder_gptneox_serial(Ref *r)
{
    return gptneox(r, false, D, 0, REF_GELU_TANH);
}

double *decoder_gptj(Ref *r)
{
    enum { ROTATED = 4 };
    Heads h = {HEADS, D, ROTATED / 2, ref_frequencies(r, ROTATED, 10000), true, 0, 1 / sqrt(D), 0};
    double *x = embedding(r, "wte");
    for (int i = 0; i < LAYERS; i++) {
        double *n = norm(r, x, NAME("h.%d.ln_1", i), REF_LAYER);
        double *q = ref_linear(r, n, NAME("h.%d.attn.q_proj", i), DIM, DIM, 0);
        double *k = ref_linear(r, n, NAME("h.%d.attn.k_proj", i), DIM, DIM, 0);
        double *v = ref_linear(r, n, NAME("h.%d.attn.v_proj", i), DIM, DIM, 0);
        double *a = rotary_attention(r, &h, q, k, v);
        a = ref_linear(r, a, NAME("h.%d.attn.out_proj", i), DIM, DIM, 0);
        n = mlp(r, n, NAME("h.%d.mlp.fc_in", i), NAME("h.%d.mlp.fc_out", i), 4 * DIM, REF_GELU_TANH);
        x = sum(r, sum(r, x, a), n);
    }
    return ref_linear(r, norm(r, x, "ln_f", REF_LAYER), "lm_head", DIM, VOCAB, REF_BIAS);
}

static double *phi(Ref *r, int groups, bool normed, RefActivation kind)
{
    enum { ROTATED = 4 };
    Heads h = {groups, D, ROTATED / 2, ref_frequencies(r, ROTATED, 10000), false, 0, 1 / sqrt(D), 0};
    double *x = embedding(r, "embed_tokens");
    for (int i = 0; i < LAYERS; i++) {
        const char *at = NAME("layers.%d.self_attn", i);
        double *n = norm(r, x, NAME("layers.%d.input_layernorm", i), REF_LAYER);
        double *q = ref_linear(r, n, NAME("%s.q_proj", at), DIM, DIM, REF_BIAS);
        double *k = ref_linear(r, n, NAME("%s.k_proj", at), DIM, groups * D, REF_BIAS);
        double *v = ref_linear(r, n, NAME("%s.v_proj", at), DIM, groups * D, REF_BIAS);
        if (normed) {
            q = head_norm(r, q, NAME("%s.q_layernorm", at), HEADS, D, REF_LAYER);
            k = head_norm(r, k, NAME("%s.k_layernorm", at), groups, D, REF_LAYER);
        }
        double *a = rotary_attention(r, &h, q, k, v);
        a = ref_linear(r, a, NAME("%s.dense", at), DIM, DIM, REF_BIAS);
        n = mlp(r, n, NAME("layers.%d.mlp.fc1", i), NAME("layers.%d.mlp.fc2", i), INNER, kind);
        x = sum(r, sum(r, x, a), n);
    }
    return ref_linear(r, norm(r, x, "final_layernorm", REF_LAYER), "lm_head", DIM, VOCAB, REF_BIAS);
}

double *decoder_phi(Ref *r)
{
    return phi(r, HEADS, false, REF_GELU_TANH);
}

double *decoder_phi_normed(Ref *r)
{
    return phi(r, 2, true, REF_GELU_QUICK);
}

/* ---- Gemma ---- */

static double *gemma_attention(Ref *r, const Heads *h, const double *x, const char *at)
{
    double *q = ref_linear(r, x, NAME("%s.q_proj", at), DIM, HEADS * h->d, 0);
    double *k = ref_linear(r, x, NAME("%s.k_proj", at), DIM, h->groups * h->d, 0);
    double *v = ref_linear(r, x, NAME("%s.v_proj", at), DIM, h->groups * h->d, 0);
    return ref_linear(r, rotary_attention(r, h, q, k, v), NAME("%s.o_proj", at), HEADS * h->d, DIM, 0);
}

double *decoder_gemma(Ref *r)
{
    enum { LONG = 12 }; /* all heads together are longer than the embeddings */
    Heads h = {1, LONG, LONG / 2, ref_frequencies(r, LONG, 10000), false, 0, 1 / sqrt(LONG), 0};
    double *x = ref_scaled(r, embedding(r, "embed_tokens"), sqrt(DIM), DIM);
    for (int i = 0; i < LAYERS; i++) {
        double *n = norm(r, x, NAME("layers.%d.input_layernorm", i), REF_RMS_1P);
        x = sum(r, x, gemma_attention(r, &h, n, NAME("layers.%d.self_attn", i)));
        n = norm(r, x, NAME("layers.%d.post_attention_layernorm", i), REF_RMS_1P);
        x = sum(r, x, gated_mlp(r, n, NAME("layers.%d.mlp", i), REF_GELU_TANH, 0));
    }
    return logits(r, norm(r, x, "norm", REF_RMS_1P), "embed_tokens");
}

static double *gemma2(Ref *r, double cap, double limit, int window)
{
    Heads h = {2, D, D / 2, ref_frequencies(r, D, 10000), false, 0, 1 / sqrt(20), cap};
    double *x = ref_scaled(r, embedding(r, "embed_tokens"), sqrt(DIM), DIM);
    for (int i = 0; i < LAYERS; i++) {
        const char *at = NAME("layers.%d", i);
        h.window = i % 2 == 0 ? window : 0;
        double *n = norm(r, x, NAME("%s.input_layernorm", at), REF_RMS_1P);
        n = gemma_attention(r, &h, n, NAME("%s.self_attn", at));
        x = sum(r, x, norm(r, n, NAME("%s.post_attention_layernorm", at), REF_RMS_1P));
        n = norm(r, x, NAME("%s.pre_feedforward_layernorm", at), REF_RMS_1P);
        n = gated_mlp(r, n, NAME("%s.mlp", at), REF_GELU_TANH, 0);
        x = sum(r, x, norm(r, n, NAME("%s.post_feedforward_layernorm", at), REF_RMS_1P));
    }
    double *y = logits(r, norm(r, x, "norm", REF_RMS_1P), "embed_tokens");
    for (int i = 0; limit > 0 && i < r->count * VOCAB; i++)
        y[i] = limit * tanh(y[i] / limit);
    return y;
}

double *decoder_gemma2(Ref *r)
{
    return gemma2(r, 1.5, 6, 5);
}

double *decoder_gemma2_open(Ref *r)
{
    return gemma2(r, 0, 0, 0);
}

/* ---- Llama and its kin ---- */

typedef struct Llama {
    Heads heads;
    int in_flags, out_flags, mlp_flags; /* of q, k and v; of what is behind; of the MLP */
    bool normed;                        /* queries and keys */
    int windows[LAYERS];
    RefActivation kind;
    const char *head;
} Llama;

static double *llama_attention(Ref *r, const Llama *m, const double *x, const char *at, int window)
{
    Heads h = m->heads;
    double *q = ref_linear(r, x, NAME("%s.q_proj", at), DIM, HEADS * h.d, m->in_flags);
    double *k = ref_linear(r, x, NAME("%s.k_proj", at), DIM, h.groups * h.d, m->in_flags);
    double *v = ref_linear(r, x, NAME("%s.v_proj", at), DIM, h.groups * h.d, m->in_flags);
    if (m->normed) {
        q = head_norm(r, q, NAME("%s.q_norm", at), HEADS, h.d, REF_RMS);
        k = head_norm(r, k, NAME("%s.k_norm", at), h.groups, h.d, REF_RMS);
    }
    h.window = window;
    return ref_linear(r, rotary_attention(r, &h, q, k, v), NAME("%s.o_proj", at), HEADS * h.d, DIM,
                      m->out_flags);
}

static double *llama(Ref *r, const Llama *m)
{
    double *x = embedding(r, "embed_tokens");
    for (int i = 0; i < LAYERS; i++) {
        double *n = norm(r, x, NAME("layers.%d.input_layernorm", i), REF_RMS);
        x = sum(r, x, llama_attention(r, m, n, NAME("layers.%d.self_attn", i), m->windows[i]));
        n = norm(r, x, NAME("layers.%d.post_attention_layernorm", i), REF_RMS);
        x = sum(r, x, gated_mlp(r, n, NAME("layers.%d.mlp", i), m->kind, m->mlp_flags));
    }
    return logits(r, norm(r, x, "norm", REF_RMS), m->head);
}

static Llama plain(Ref *r, int groups, int d, double theta)
{
    Heads h = {groups, d, d / 2, ref_frequencies(r, d, theta), false, 0, 1 / sqrt(d), 0};
    return (Llama){h, 0, 0, 0, false, {0}, REF_SILU, "lm_head"};
}

double *decoder_llama_linear(Ref *r)
{
    Llama m = plain(r, HEADS, D, 10000);
    double *f = arena_copy(&r->arena, m.heads.frequency, D / 2 * sizeof *f);
    for (int j = 0; j < D / 2; j++)
        f[j] /= 2.5;
    m.heads.frequency = f;
    return llama(r, &m);
}

/* By wavelengths, as the published function has it: factor 8, 1 and 4, trained for 32 positions. */
double *decoder_llama3(Ref *r)
{
    Llama m = plain(r, 2, D, 100);
    double *f = arena_copy(&r->arena, m.heads.frequency, D / 2 * sizeof *f);
    for (int j = 0; j < D / 2; j++) {
        double wave = 2 * acos(-1) / f[j], smooth = (32 / wave - 1) / (4 - 1);
        if (wave > 32 / 1.0)
            f[j] /= 8;
        else if (wave >= 32 / 4.0)
            f[j] = (1 - smooth) * f[j] / 8 + smooth * f[j];
    }
    m.heads.frequency = f;
    return llama(r, &m);
}

double *decoder_llama_biased(Ref *r)
{
    Llama m = plain(r, 2, 12, 500000);
    m.in_flags = m.out_flags = m.mlp_flags = REF_BIAS;
    m.kind = REF_GELU;
    m.head = "embed_tokens";
    return llama(r, &m);
}

double *decoder_mistral(Ref *r)
{
    Llama m = plain(r, 2, D, 1000000);
    m.windows[0] = m.windows[1] = 5;
    return llama(r, &m);
}

double *decoder_mistral_open(Ref *r)
{
    Llama m = plain(r, 2, D, 1000000);
    return llama(r, &m);
}

double *decoder_qwen2(Ref *r)
{
    Llama m = plain(r, 2, D, 1000000);
    m.in_flags = REF_BIAS;
    m.head = "embed_tokens";
    return llama(r, &m);
}

double *decoder_qwen2_window(Ref *r)
{
    Llama m = plain(r, 2, D, 1000000);
    m.in_flags = REF_BIAS;
    m.windows[1] = 5;
    return llama(r, &m);
}

double *decoder_qwen3_window(Ref *r)
{
    Llama m = plain(r, 2, 12, 1000000);
    m.normed = true;
    m.windows[0] = 5;
    return llama(r, &m);
}
