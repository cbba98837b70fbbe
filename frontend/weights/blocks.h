/* Quantised blocks of GGUF files, widened to floats. A block of 32 or 256 elements begins with, or holds, its
 * fp16 scales; the layouts are ggml's. */
#ifndef FRONTEND_WEIGHTS_BLOCKS_H
#define FRONTEND_WEIGHTS_BLOCKS_H

#include <stdint.h>

enum { BLOCK_LIMIT = 256 /* elements of the largest block */ };

void block_q4_0(const uint8_t *from, float *to);
void block_q8_0(const uint8_t *from, float *to);
void block_q4_k(const uint8_t *from, float *to);
void block_q5_k(const uint8_t *from, float *to);
void block_q6_k(const uint8_t *from, float *to);

#endif
