/* The level `amx` where no CPU has it: the source of its kernels over tiles in plain C. */
#ifndef TESTS_SUPPORT_LIBAMX_H
#define TESTS_SUPPORT_LIBAMX_H

#include "runtime/kernels/kernels.h"

/* The table of the level. False where this CPU lacks AVX-512, of which the rest of it is made, or where the
 * level refused itself: while it looks at itself, each of its sums has the bits `wrong_bits` turned over. */
bool amx_in_c(Kernels *k, uint32_t wrong_bits);

/* Tiles loaded and multiplied by this thread since the last call. */
typedef struct AmxWork {
    size_t loads, dots;
} AmxWork;
AmxWork amx_work(void);

#endif
