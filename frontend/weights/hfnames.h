/* One set of names for all formats: what GGUF and llama2.c files hold is given the tensor names and config
 * keys of the Hugging Face checkpoint of the same model, so that one model source binds to any of them. */
#ifndef FRONTEND_WEIGHTS_HFNAMES_H
#define FRONTEND_WEIGHTS_HFNAMES_H

#include "frontend/weights/internal.h"

/* "blk.3.attn_q.weight" of a GGUF file of architecture `arch` -> "model.layers.3.self_attn.q_proj.weight", in
 * w's arena; the name itself where nothing is known of it. */
const char *hf_tensor_name(Weights *w, const char *arch, const char *name);
/* Whether the rows of this tensor (by its new name) stand in rotary pairs in GGUF and llama2.c files. */
bool hf_is_paired(const char *arch, const char *name);
/* Adds the config keys for a GGUF file's metadata (already in w->config under its own keys). What the model
 * does with its head is told by hf_config_head, after the tensors. */
void hf_config(Weights *w, const char *arch);
void hf_config_head(Weights *w);
/* "rope_factors", a list: what the frequencies of rotary positions are divided by. Llama 3's GGUF files hold
 * these numbers, the result of its scaling, as the tensor rope_freqs.weight. */
MUST_USE bool hf_config_rope(Weights *w, Error *err);

#endif
