#include "frontend/weights/random.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/half.h"

typedef struct Gain {
    char *name;
    UT_hash_handle hh;
} Gain;

struct RandomWeights {
    uint64_t seed;
    Gain *gains; /* tensors that scale the output of a norm */
};

RandomWeights *random_weights_new(const Func *model, uint64_t seed)
{
    RandomWeights *r = xcalloc(1, sizeof *r);
    r->seed = seed;
    for (const Op *op = model->first; op; op = op->next) {
        const Value *gamma = op->code == OP_LAYER_NORM ? op_arg(op, "gamma") : NULL;
        const Literal *l = gamma ? value_literal(gamma) : NULL;
        Gain *g = NULL;
        if (!l || l->kind != LIT_WEIGHT)
            continue;
        HASH_FIND_STR(r->gains, l->weight.name, g);
        if (g)
            continue;
        g = xcalloc(1, sizeof *g);
        g->name = xstrdup(l->weight.name);
        HASH_ADD_KEYPTR(hh, r->gains, g->name, strlen(g->name), g);
    }
    return r;
}

void random_weights_free(RandomWeights *r)
{
    Gain *g, *next;
    if (!r)
        return;
    HASH_ITER(hh, r->gains, g, next)
    {
        HASH_DEL(r->gains, g);
        free(g->name);
        free(g);
    }
    free(r);
}

/* FNV-1a. */
static uint64_t hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return h;
}

/* splitmix64 (Steele, Lea, Flood 2014): a good mix of a counter. */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The sum of four uniform 16-bit numbers, scaled to deviation 0.02. */
static float element(uint64_t key, int64_t i)
{
    uint64_t u = mix(key + (uint64_t)i);
    int32_t sum = (int32_t)(u & 0xffff) + (int32_t)(u >> 16 & 0xffff) + (int32_t)(u >> 32 & 0xffff) +
                  (int32_t)(u >> 48);
    const float deviation = 37837.2f; /* of the sum: sqrt(4/12) * 65536 */
    return (float)(sum - 131070) * (0.02f / deviation);
}

static bool read(void *context, const WeightRef *ref, const Type *type, int64_t first, int64_t count,
                 DType as, void *out, Error *err)
{
    const RandomWeights *r = context;
    Gain *gain;
    (void)type, (void)err;
    HASH_FIND_STR(r->gains, ref->name, gain);
    uint64_t key = mix(r->seed ^ hash(ref->name));
    for (int64_t i = 0; i < count; i++) {
        float v = gain ? 1.0f : element(key, first + i);
        if (as == DT_FP16)
            ((uint16_t *)out)[i] = half_from_float(v);
        else
            ((float *)out)[i] = v;
    }
    return true;
}

WeightSource random_weights_source(const RandomWeights *r)
{
    return (WeightSource){.context = (void *)(uintptr_t)r, .read = read};
}
