/* kernel_work M K N TIMES: products of an f16 matrix [M,K] with N columns, one thread, for counting what they
 * take (scripts/neon-count.sh). */
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "runtime/kernels/kernels.h"

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    size_t m = (size_t)atol(argv[1]), k = (size_t)atol(argv[2]), n = (size_t)atol(argv[3]);
    uint16_t *w = xcalloc(m * k, sizeof *w);
    float *x = xcalloc(k * n, sizeof *x), *y = xcalloc(m * n, sizeof *y);
    Linear l = {.w = {w, true}, .m = m, .k = k, .ldw = k};
    Compute c;
    compute_open(&c, 1);
    for (int i = atoi(argv[4]); i > 0; i--)
        compute_linear(&c, &l, x, n, n, y, n);
    printf("%s\n", kernels_level_name(c.kernels->level));
    compute_close(&c);
    free(w);
    free(x);
    free(y);
    return 0;
}
