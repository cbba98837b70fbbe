/* Rules of the random ops. */
#include "ir/infer.h"

static const char *const modes[] = {"logits", "probs", NULL};

/* A tensor of the shape that an operand says, of the element type of `keys[1]` (fp32 where not given). */
static int random_tensor(const Op *op, const char *const *keys, Type *out, Error *err)
{
    int64_t dim[IR_MAX_RANK], seed;
    int n = infer_row(op, "shape", err);
    const Type *first = NULL;
    for (; *keys; keys++) {
        const Type *t = infer_type(op, *keys);
        if (t && (t->rank != 0 || !dtype_is_float(t->dtype) || (first && first->dtype != t->dtype)))
            return infer_fail(op, err, "%s is %s, expected one %s", *keys, shown_type(t).text,
                              first ? dtype_info[first->dtype].name : "float");
        first = first ? first : t;
    }
    if (n < 0 || !infer_int(op, "seed", -1, &seed, err))
        return -1;
    Known known = infer_ints(op, "shape", n, dim, err);
    if (known == KNOWN_WRONG)
        return -1;
    for (int i = 0; i < n; i++) {
        if (known == KNOWN_NOT)
            dim[i] = DIM_UNKNOWN;
        else if (dim[i] < 0 && dim[i] != DIM_S && dim[i] != DIM_T)
            return infer_fail(op, err, "shape has the length %lld", (long long)dim[i]);
    }
    *out = type_tensor(first ? first->dtype : DT_FP32, n, dim);
    return 1;
}

int infer_random_bernoulli(const Op *op, Type *out, int limit, Error *err)
{
    return random_tensor(op, (const char *const[]){"prob", NULL}, out, err);
}

int infer_random_normal(const Op *op, Type *out, int limit, Error *err)
{
    return random_tensor(op, (const char *const[]){"mean", "stddev", NULL}, out, err);
}

int infer_random_uniform(const Op *op, Type *out, int limit, Error *err)
{
    return random_tensor(op, (const char *const[]){"low", "high", NULL}, out, err);
}

int infer_random_categorical(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int64_t size, seed;
    if (x->rank < 1 || !dtype_is_float(x->dtype))
        return infer_fail(op, err, "x is %s, expected floats of rank 1 or more", shown_type(x).text);
    if (!infer_named(op, "mode", "logits", modes, err) || !infer_int(op, "size", 1, &size, err) ||
        !infer_int(op, "seed", -1, &seed, err))
        return -1;
    if (size < 1 || size > INT32_MAX)
        return infer_fail(op, err, "size is %lld, expected 1 or more", (long long)size);
    out[0] = *x;
    out[0].dim[x->rank - 1] = size;
    return 1;
}
