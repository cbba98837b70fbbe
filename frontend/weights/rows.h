/* Runs of elements, converted at the speed of memory. Sources are not aligned. Each returns the largest |x|
 * it met as the bits of a float, so that one comparison finds NaN (above infinity), infinities and what
 * overflows. */
#ifndef FRONTEND_WEIGHTS_ROWS_H
#define FRONTEND_WEIGHTS_ROWS_H

#include <stddef.h>
#include <stdint.h>

enum { ROWS_INFINITY = 0x7f800000, ROWS_HALF_INFINITY = 0x477ff000 /* 65520, which rounds to infinity */ };

uint32_t rows_f32_to_f16(const uint8_t *from, uint16_t *to, size_t count);
uint32_t rows_f32_to_f32(const uint8_t *from, float *to, size_t count);
/* A copy; the result is 0 or ROWS_INFINITY. */
uint32_t rows_f16_to_f16(const uint8_t *from, uint16_t *to, size_t count);
void rows_f16_to_f32(const uint8_t *from, float *to, size_t count);
void rows_bf16_to_f32(const uint8_t *from, float *to, size_t count);
void rows_f64_to_f32(const uint8_t *from, float *to, size_t count);

/* to[c * to_pitch + r] = from[r * from_pitch + c] for `rows` rows and `columns` columns. */
void rows_transpose16(const uint16_t *from, size_t from_pitch, uint16_t *to, size_t to_pitch, size_t rows,
                      size_t columns);

#endif
