/* compare_npy GOT EXPECTED LIMIT: two .npy files of one element type and shape. Prints the greatest
 * difference relative to the greatest magnitude expected; exit status 1 where it is above LIMIT. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/eval/eval.h"
#include "runtime/npy.h"

static Tensor load(const char *path, Npy *n)
{
    Error err;
    if (!npy_read(path, n, &err)) {
        fprintf(stderr, "compare_npy: %s\n", err.text);
        exit(2);
    }
    return tensor_of(&n->type, n->type.dtype, n->data);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    Npy a, b;
    Tensor got = load(argv[1], &a), expected = load(argv[2], &b);
    double worst = 0, scale = 0;
    bool same = type_equal(&a.type, &b.type);
    for (int64_t i = 0; same && i < got.count; i++) {
        double x = tensor_get(&got, i), y = tensor_get(&expected, i);
        bool equal = x == y || (isnan(x) && isnan(y));
        worst = equal ? worst : fmax(worst, isfinite(x) && isfinite(y) ? fabs(x - y) : INFINITY);
        scale = isfinite(y) ? fmax(scale, fabs(y)) : scale;
    }
    double relative = worst > 0 ? worst / (scale > 0 ? scale : 1) : 0;
    printf("%s: %g\n", same ? "difference" : "another type or shape", relative);
    npy_free(&a);
    npy_free(&b);
    return !same || !(relative <= atof(argv[3]));
}
