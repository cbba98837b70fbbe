/* Checkpoint readers over bytes, and everything that a compiler asks of what they let through. */
#include <stdlib.h>
#include <string.h>

#include "frontend/weights/weights.h"
#include "tests/fuzz/fuzz.h"

/* Every element is read, plainly and transposed; a header may describe far more tensors than it has bytes. */
static void read_elements(const Tensor *t)
{
    enum { MOST = 4096 };
    float floats[MOST];
    uint16_t halves[MOST];
    TensorIssue issue;
    Error err;
    int64_t n = tensor_elements(t);
    size_t count = n < MOST ? (size_t)n : MOST;
    bool matrix = t->rank == 2;
    (void)!tensor_to_f32(t, matrix, floats, 0, count, &issue);
    if (!tensor_to_f16(t, false, halves, (size_t)n - count, count, &issue))
        tensor_issue_error(t, &issue, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[256];
    Error err;
    size_t count;
    Weights *w = weights_open_memory(data, size, "fuzz", &err);
    if (!w)
        return 0;
    for (size_t i = 0; i < weights_count(w); i++) {
        const Tensor *t = weights_at(w, i);
        if (weights_find(w, t->name) != t)
            abort();
        tensor_describe(t, text, sizeof text);
        read_elements(t);
        weights_is_buffer(t);
    }
    weights_resolve(w, "transformer.h.0.ln_1.weight");
    weights_nearest(w, "h.0.attn.c_attn.weight", 2, (int64_t[]){8, 24});
    weights_config_list(w, "tokenizer.ggml.tokens", &count);
    weights_close(w);
    return 0;
}
