/* Large products of matrices by a BLAS library. On Apple chips the matrix units are reached through
 * Accelerate alone, whose sgemm is several times as fast as any sum of vector instructions; elsewhere our own
 * kernels are no slower than a BLAS, and none is looked for.
 *
 * The environment variable ANEC_BLAS is `off`, or the path of a shared object with cblas_sgemm (32-bit
 * integers) to take instead. Sums are fp32 in whatever order the library likes: the error of an element
 * stays below k * 2^-24 * sum |a| |b|, as with our own kernels, but the bits may differ from theirs. */
#ifndef RUNTIME_KERNELS_BLAS_H
#define RUNTIME_KERNELS_BLAS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* cblas_sgemm: the enumerations are ints. */
typedef void (*BlasSgemm)(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha,
                          const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);

/* What `setting` asks for, in the words of ANEC_BLAS; NULL: the system's own. Returns NULL with the reason in
 * err where there is none. A library stays loaded. */
BlasSgemm blas_find(const char *setting, Error *err);

/* The one that ANEC_BLAS asks for, found once; NULL if none. */
BlasSgemm blas_get(void);
/* For people: "Accelerate", a path, or "" where none is used. */
const char *blas_name(void);
/* Why ANEC_BLAS's library is not used; NULL where it is, or where the variable is unset or off. */
const char *blas_complaint(void);

struct Compute;
struct Linear;
struct Gemm;

/* compute_linear and compute_gemm by the BLAS. False, with nothing done, where it doesn't pay: the product is
 * small, has few columns, or there is no BLAS. */
bool blas_linear(struct Compute *c, const struct Linear *l, const float *x, size_t ldx, size_t n, float *y,
                 size_t ldy);
bool blas_gemm(struct Compute *c, const struct Gemm *g);
/* Workspace of the two, in floats; 0 where they return false. */
size_t blas_room(const struct Compute *c, size_t m, size_t n, size_t k);

#endif
