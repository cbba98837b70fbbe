/* What each level adds to a table of kernels; for cpu.c. In the order they may be applied: a level
 * starts from the table of the one before it and replaces what it does better. False: this build has no
 * such level. */
#ifndef RUNTIME_KERNELS_LEVELS_H
#define RUNTIME_KERNELS_LEVELS_H

#include "runtime/kernels/kernels.h"

/* In front of a loop of constant length whose arrays have to become registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define UNROLL _Pragma("GCC unroll 32")
#else
#define UNROLL
#endif

void kernels_init_ref(Kernels *k);
bool kernels_init_avx2(Kernels *k);
bool kernels_init_avx512(Kernels *k);
bool kernels_init_amx(Kernels *k);
bool kernels_init_neon(Kernels *k);
bool kernels_init_dotprod(Kernels *k);
bool kernels_init_fhm(Kernels *k);
bool kernels_init_i8mm(Kernels *k);

#endif
