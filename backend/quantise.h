/* Numbers in 8 bits with one fp16 scale for each block of WEIGHT_BLOCK: x = q * scale, as in ggml's Q8_0. The
 * scale is the block's largest magnitude over 127, rounded to fp16; q is rounded to nearest with that scale.
 */
#ifndef BACKEND_QUANTISE_H
#define BACKEND_QUANTISE_H

#include <stdbool.h>
#include <stdint.h>

/* The scales of x[blocks * WEIGHT_BLOCK], all finite. False: one is beyond fp16. */
bool quantise_scales(const float *x, int64_t blocks, uint16_t *scale);
/* The numbers, from -127 to 127; 0 in a block whose scale is 0. */
void quantise_numbers(const float *x, int64_t blocks, int8_t *q);

#endif
