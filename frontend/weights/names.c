#include <string.h>

#include "base/text.h"
#include "frontend/weights/internal.h"

/* What exporters put in front of every name: transformers' *ForCausalLM classes, torch.compile, DataParallel
 * and Lightning wrappers. Tried in this order; the empty one is the name as it is. */
static const char *const prefixes[] = {
    "",
    "transformer.",
    "model.",
    "gpt_neox.",
    "_orig_mod.",
    "_orig_mod.transformer.",
    "_orig_mod.model.",
    "module.",
    "module.transformer.",
    "module._orig_mod.transformer.",
    "model.transformer.",
    "base_model.model.",
};
enum { PREFIXES = sizeof prefixes / sizeof *prefixes, NAME_LIMIT = 1024 };

bool weights_name_ok(const char *name, size_t length)
{
    if (length < 1 || length > NAME_LIMIT)
        return false;
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
            return false;
    return true;
}

const Tensor *weights_find(const Weights *w, const char *name)
{
    size_t low = 0, high = w->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(w->by_name[middle]->name, name);
        if (order == 0)
            return w->by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

static const Tensor *find_prefixed(const Weights *w, const char *name)
{
    char full[NAME_LIMIT + 64];
    size_t length = strlen(name);
    if (length > NAME_LIMIT)
        return NULL;
    for (int i = 0; i < PREFIXES; i++) {
        size_t n = strlen(prefixes[i]);
        memcpy(full, prefixes[i], n);
        memcpy(full + n, name, length + 1);
        const Tensor *t = weights_find(w, full);
        if (t)
            return t;
    }
    return NULL;
}

const Tensor *weights_resolve(const Weights *w, const char *name)
{
    const Tensor *t = find_prefixed(w, name);
    /* First every name with its prefix taken off, then other prefixes in its place: only an exact remainder
     * may win over a guessed one. */
    for (int guess = 0; !t && guess < 2; guess++)
        for (int i = 1; !t && i < PREFIXES; i++) {
            size_t n = strlen(prefixes[i]);
            if (strncmp(name, prefixes[i], n) == 0 && name[n])
                t = guess ? find_prefixed(w, name + n) : weights_find(w, name + n);
        }
    return t;
}

const char *weights_bare_name(const char *name)
{
    size_t longest = 0;
    for (int i = 0; i < PREFIXES; i++) {
        size_t n = strlen(prefixes[i]);
        if (n > longest && strncmp(name, prefixes[i], n) == 0 && name[n])
            longest = n;
    }
    return name + longest;
}

static bool same_shape(const Tensor *t, int rank, const int64_t *shape)
{
    return rank < 0 || (t->rank == rank && memcmp(t->shape, shape, (size_t)rank * sizeof *shape) == 0);
}

const Tensor *weights_nearest(const Weights *w, const char *name, int rank, const int64_t *shape)
{
    const char *wanted = weights_bare_name(name);
    const Tensor *best = NULL;
    int limit = 2 + (int)(strlen(wanted) > 120 ? 120 : strlen(wanted)) / 4, least = 2 * limit + 2;
    for (size_t i = 0; i < w->count; i++) {
        const Tensor *t = &w->tensors[i];
        if (weights_is_buffer(t))
            continue;
        int score =
            2 * text_distance(wanted, weights_bare_name(t->name), limit) + !same_shape(t, rank, shape);
        if (score < least) {
            least = score;
            best = t;
            limit = score / 2;
        }
    }
    return best;
}

/* ---- buffers ---- */

static bool is_mask(const Tensor *t)
{
    return t->rank == 4 && t->shape[0] == 1 && t->shape[1] == 1 && t->shape[2] == t->shape[3];
}

static bool is_scalar(const Tensor *t)
{
    return t->rank <= 1 && tensor_elements(t) == 1;
}

static bool is_vector(const Tensor *t)
{
    return t->rank == 1;
}

static bool is_ids(const Tensor *t)
{
    return t->rank <= 2 && (t->type == W_I64 || t->type == W_I32);
}

static bool is_table(const Tensor *t)
{
    return t->rank == 2 || (t->rank == 4 && t->shape[0] == 1 && t->shape[1] == 1);
}

/* Names end so, at a dot, and the shape is the buffer's: "attn.bias" [D] would be a weight. */
static const struct {
    const char *name;
    bool (*shape)(const Tensor *t);
} buffers[] = {
    {"attn.bias", is_mask},           /* GPT-2, nanoGPT */
    {"attn.mask", is_mask},           /* minGPT */
    {"attn.masked_bias", is_scalar},  /* GPT-2 before transformers 4.28 */
    {"attn.attention.bias", is_mask}, /* GPT-Neo */
    {"attn.attention.masked_bias", is_scalar},
    {"attention.bias", is_mask}, /* GPT-NeoX */
    {"attention.masked_bias", is_scalar},
    {"rope_freqs.weight", is_vector},   /* Llama 3 in GGUF; also "rope_factors" of the config */
    {"rotary_emb.inv_freq", is_vector}, /* Llama before transformers 4.32 */
    {"rotary_emb.cos_cached", is_table},
    {"rotary_emb.sin_cached", is_table},
    {"position_ids", is_ids},
};

bool weights_is_buffer(const Tensor *t)
{
    size_t length = strlen(t->name);
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        size_t n = strlen(buffers[i].name);
        if (length < n || strcmp(t->name + length - n, buffers[i].name) != 0)
            continue;
        if ((length == n || t->name[length - n - 1] == '.') && buffers[i].shape(t))
            return true;
    }
    return false;
}
