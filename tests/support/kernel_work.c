/* kernel_work M K N TIMES [int8]: products of an f16 matrix [M,K], or one of 8 bits with scales, with N
 * columns, one thread, for counting what they take (scripts/neon-count.sh). */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "runtime/kernels/kernels.h"

int main(int argc, char **argv)
{
    if (argc != 5 && argc != 6)
        return 2;
    size_t m = (size_t)atol(argv[1]), k = (size_t)atol(argv[2]), n = (size_t)atol(argv[3]);
    uint16_t *w = xcalloc(m * k, sizeof *w), *scales = xcalloc(m * KERNEL_BLOCKS(k), sizeof *scales);
    float *x = xcalloc(k * n, sizeof *x), *y = xcalloc(m * n, sizeof *y);
    Linear l = {.w = {w, argc == 5}, .m = m, .k = k, .ldw = k, .scales = argc == 5 ? NULL : scales};
    Compute c;
    compute_open(&c, 1);
    for (int i = atoi(argv[4]); i > 0; i--)
        compute_linear(&c, &l, x, n, n, y, n);
    printf("%s\n", kernels_level_name(c.kernels->level));
    compute_close(&c);
    free(w);
    free(scales);
    free(x);
    free(y);
    return 0;
}
