/* References of the families with rotary positions that models/ has a file of its own for: what make_family
 * writes checkpoints of. Each follows the published modelling code of its family in transformers, makes its
 * weights under the names there, without Ref.prefix, and returns the logits [count, DECODER_VOCAB]. */
#ifndef TESTS_SUPPORT_LIBDECODERS_H
#define TESTS_SUPPORT_LIBDECODERS_H

#include "tests/support/libreference.h"

enum { DECODER_VOCAB = 96 };

double *decoder_gptneox(Ref *r);        /* parallel blocks, half of each head rotated; old buffers */
double *decoder_gptneox_serial(Ref *r); /* one after the other, all rotated, no biases in attention */
double *decoder_gptj(Ref *r);
double *decoder_phi(Ref *r);
double *decoder_phi_normed(Ref *r); /* norms on heads, groups of heads, another GELU */
double *decoder_gemma(Ref *r);
double *decoder_gemma2(Ref *r);
double *decoder_gemma2_open(Ref *r);  /* neither caps nor windows */
double *decoder_llama_linear(Ref *r); /* as many keys as queries */
double *decoder_llama3(Ref *r);
double *decoder_llama_biased(Ref *r); /* all biases, long heads, GELU, tied */
double *decoder_mistral(Ref *r);      /* a window of 5 */
double *decoder_mistral_open(Ref *r);
double *decoder_qwen2(Ref *r);        /* no window */
double *decoder_qwen2_window(Ref *r); /* from the second layer on */
double *decoder_qwen3_window(Ref *r); /* in the first layer, as layer_types says */

#endif
