#include "frontend/weights/hfnames.h"

#include <stdio.h>
#include <string.h>

typedef struct Renamed {
    const char *from, *to; /* # is the number of a layer */
} Renamed;

static const Renamed llama_names[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.#.attn_norm", "model.layers.#.input_layernorm"},
    {"blk.#.attn_q", "model.layers.#.self_attn.q_proj"},
    {"blk.#.attn_k", "model.layers.#.self_attn.k_proj"},
    {"blk.#.attn_v", "model.layers.#.self_attn.v_proj"},
    {"blk.#.attn_output", "model.layers.#.self_attn.o_proj"},
    {"blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm"},
    {"blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm"},
    {"blk.#.ffn_norm", "model.layers.#.post_attention_layernorm"},
    {"blk.#.ffn_gate", "model.layers.#.mlp.gate_proj"},
    {"blk.#.ffn_up", "model.layers.#.mlp.up_proj"},
    {"blk.#.ffn_down", "model.layers.#.mlp.down_proj"},
    {NULL, NULL},
};

static const Renamed gpt2_names[] = {
    {"token_embd", "wte"},
    {"position_embd", "wpe"},
    {"output_norm", "ln_f"},
    {"output", "lm_head"},
    {"blk.#.attn_norm", "h.#.ln_1"},
    {"blk.#.attn_qkv", "h.#.attn.c_attn"},
    {"blk.#.attn_output", "h.#.attn.c_proj"},
    {"blk.#.ffn_norm", "h.#.ln_2"},
    {"blk.#.ffn_up", "h.#.mlp.c_fc"},
    {"blk.#.ffn_down", "h.#.mlp.c_proj"},
    {NULL, NULL},
};

static const Renamed llama_keys[] = {
    {"block_count", "num_hidden_layers"},
    {"context_length", "max_position_embeddings"},
    {"embedding_length", "hidden_size"},
    {"feed_forward_length", "intermediate_size"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.head_count_kv", "num_key_value_heads"},
    {"attention.key_length", "head_dim"},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
    {"attention.sliding_window", "sliding_window"},
    {"rope.freq_base", "rope_theta"},
    {"vocab_size", "vocab_size"},
    {NULL, NULL},
};

static const Renamed gpt2_keys[] = {
    {"block_count", "n_layer"},         {"context_length", "n_positions"},
    {"embedding_length", "n_embd"},     {"feed_forward_length", "n_inner"},
    {"attention.head_count", "n_head"}, {"attention.layer_norm_epsilon", "layer_norm_epsilon"},
    {"vocab_size", "vocab_size"},       {NULL, NULL},
};

/* `paired`: the writer of GGUF files puts the rows of q and k in rotary pairs. */
static const struct {
    const char *arch;
    const Renamed *names, *keys;
    bool paired;
} architectures[] = {
    {"llama", llama_names, llama_keys, true},  {"mistral", llama_names, llama_keys, true},
    {"qwen2", llama_names, llama_keys, false}, {"qwen3", llama_names, llama_keys, false},
    {"gpt2", gpt2_names, gpt2_keys, false},
};
enum { ARCHITECTURES = sizeof architectures / sizeof *architectures };

static int architecture(const char *arch)
{
    for (int i = 0; i < ARCHITECTURES; i++)
        if (strcmp(architectures[i].arch, arch) == 0)
            return i;
    return -1;
}

/* Whether `stem` (of this length) fits the pattern; the layer's digits are left in number and digits. */
static bool fits(const char *pattern, const char *stem, size_t length, const char **number, size_t *digits)
{
    const char *hole = strchr(pattern, '#');
    size_t before = hole ? (size_t)(hole - pattern) : strlen(pattern), n = 0;
    if (length < before || memcmp(pattern, stem, before) != 0)
        return false;
    if (!hole)
        return length == before;
    while (before + n < length && stem[before + n] >= '0' && stem[before + n] <= '9')
        n++;
    *number = stem + before;
    *digits = n;
    size_t rest = strlen(hole + 1);
    return n > 0 && length - before - n == rest && memcmp(stem + before + n, hole + 1, rest) == 0;
}

const char *hf_tensor_name(Weights *w, const char *arch, const char *name)
{
    int known = architecture(arch);
    const char *suffix = strrchr(name, '.'), *number = "";
    size_t digits = 0;
    if (known < 0 || !suffix)
        return name;
    for (const Renamed *r = architectures[known].names; r->from; r++) {
        if (!fits(r->from, name, (size_t)(suffix - name), &number, &digits))
            continue;
        const char *hole = strchr(r->to, '#');
        if (!hole)
            return arena_printf(&w->arena, "%s%s", r->to, suffix);
        return arena_printf(&w->arena, "%.*s%.*s%s%s", (int)(hole - r->to), r->to, (int)digits, number,
                            hole + 1, suffix);
    }
    return name;
}

static bool has_part(const char *name, const char *part)
{
    return strstr(name, part) != NULL;
}

bool hf_is_paired(const char *arch, const char *name)
{
    int known = architecture(arch);
    return known >= 0 && architectures[known].paired &&
           (has_part(name, ".self_attn.q_proj.") || has_part(name, ".self_attn.k_proj."));
}

static void copy_key(json_t *config, const char *from, const char *to)
{
    json_t *v = json_object_get(config, from);
    if (v && !json_object_get(config, to))
        json_object_set(config, to, v);
}

/* The nested object of config.json; absent where positions are not scaled. */
static void copy_scaling(json_t *config, const char *arch)
{
    static const Renamed keys[] = {{"type", "rope_type"},
                                   {"factor", "factor"},
                                   {"original_context_length", "original_max_position_embeddings"}};
    json_t *scaling = json_object();
    char key[256];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        snprintf(key, sizeof key, "%s.rope.scaling.%s", arch, keys[i].from);
        json_t *v = json_object_get(config, key);
        if (v)
            json_object_set(scaling, keys[i].to, v);
    }
    const char *type = json_string_value(json_object_get(scaling, "rope_type"));
    if (type && strcmp(type, "none") != 0)
        json_object_set(config, "rope_scaling", scaling);
    json_decref(scaling);
}

void hf_config(Weights *w, const char *arch)
{
    int known = architecture(arch);
    char key[256];
    json_object_set_new(w->config, "model_type", json_string(arch));
    if (known < 0)
        return;
    for (const Renamed *r = architectures[known].keys; r->from; r++) {
        snprintf(key, sizeof key, "%s.%s", arch, r->from);
        copy_key(w->config, key, r->to);
    }
    copy_scaling(w->config, arch);
    copy_key(w->config, "tokenizer.ggml.bos_token_id", "bos_token_id");
    copy_key(w->config, "tokenizer.ggml.eos_token_id", "eos_token_id");
    const json_t *tokens = json_object_get(w->config, "tokenizer.ggml.tokens");
    if (json_is_array(tokens) && !json_object_get(w->config, "vocab_size"))
        json_object_set_new(w->config, "vocab_size", json_integer((json_int_t)json_array_size(tokens)));
}

void hf_config_head(Weights *w)
{
    bool separate = false;
    for (size_t i = 0; i < w->count && !separate; i++)
        separate = strcmp(w->tensors[i].name, "lm_head.weight") == 0;
    json_object_set_new(w->config, "tie_word_embeddings", json_boolean(!separate));
}

bool hf_config_rope(Weights *w, Error *err)
{
    enum { MOST = 4096 };
    const Tensor *t = NULL;
    float factor[MOST];
    TensorIssue issue;
    for (size_t i = 0; i < w->count && !t; i++)
        t = strcmp(w->tensors[i].name, "rope_freqs.weight") == 0 ? &w->tensors[i] : NULL;
    if (!t)
        return true;
    int64_t n = tensor_elements(t);
    if (t->rank != 1 || n > MOST)
        return error_set(err, "rope_freqs.weight is no list of at most %d factors", MOST);
    if (!tensor_to_f32(t, false, factor, 0, (size_t)n, &issue))
        return tensor_issue_error(t, &issue, err);
    json_t *list = json_array();
    for (int64_t i = 0; i < n; i++) {
        if (!(factor[i] > 0)) {
            json_decref(list);
            return error_set(err, "rope_freqs.weight: factor %d is not above 0", (int)i);
        }
        json_array_append_new(list, json_real((double)factor[i]));
    }
    json_object_set_new(w->config, "rope_factors", list);
    return true;
}
