#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "frontend/weights/internal.h"

static const struct {
    const char *name;
    int elements, bytes; /* of a block */
} types[] = {
#define W(id, name, elements, bytes) {name, elements, bytes},
#include "frontend/weights/types.def"
#undef W
    {"?", 1, 1},
};

WeightType weight_type_find(const char *name)
{
    for (int i = 0; i < W_UNKNOWN; i++)
        if (strcmp(types[i].name, name) == 0)
            return (WeightType)i;
    return W_UNKNOWN;
}

void weights_set_type(Weights *w, Tensor *t, const char *type)
{
    t->type = weight_type_find(type);
    t->type_name =
        t->type != W_UNKNOWN ? types[t->type].name : arena_printf(&w->arena, "%s", weights_quote(type).text);
}

Quoted weights_quote(const char *raw)
{
    Quoted q;
    error_quote(q.text, sizeof q.text, raw, (long)strlen(raw));
    return q;
}

int weight_type_block(WeightType type)
{
    return types[type].elements;
}

int weight_type_block_bytes(WeightType type)
{
    return types[type].bytes;
}

int64_t tensor_elements(const Tensor *t)
{
    int64_t n = 1;
    for (int i = 0; i < t->rank; i++)
        n *= t->shape[i];
    return n;
}

bool tensor_bytes(const Tensor *t, uint64_t *bytes)
{
    int64_t n = 1, per = types[t->type].elements, block = types[t->type].bytes;
    bool empty = false;
    for (int i = 0; i < t->rank; i++) {
        int64_t d = t->shape[i];
        if (d < 0 || (d > 0 && n > INT64_MAX / d))
            return false;
        if (d == 0)
            empty = true;
        else
            n *= d;
    }
    if (n / per > INT64_MAX / block)
        return false;
    if (empty)
        n = 0;
    *bytes = (uint64_t)(n / per * block);
    return n % per == 0;
}

char *tensor_describe(const Tensor *t, char *out, size_t size)
{
    size_t at = 0;
    for (int i = -1; i <= t->rank && at < size; i++) {
        int n;
        if (i < 0)
            n = snprintf(out, size, "%s [", t->type_name);
        else if (i < t->rank)
            n = snprintf(out + at, size - at, "%s%" PRId64, i ? ", " : "", t->shape[i]);
        else
            n = snprintf(out + at, size - at, "]");
        at += n > 0 ? (size_t)n : 0;
    }
    return out;
}

/* "[3, 17]", the position of a row-major index. */
static void describe_index(const Tensor *t, int64_t index, char *out, size_t size)
{
    int64_t position[WEIGHTS_MAX_RANK];
    for (int i = t->rank - 1; i >= 0; i--) {
        position[i] = index % t->shape[i];
        index /= t->shape[i];
    }
    size_t at = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < t->rank; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%" PRId64, i ? ", " : "", position[i]);
    snprintf(out + at, size - at, "]");
}

bool tensor_issue_error(const Tensor *t, const TensorIssue *issue, Error *err)
{
    char position[256];
    const Quoted name = weights_quote(t->name);
    if (issue->fault == TENSOR_UNCONVERTED)
        return error_set(
            err,
            "%s: tensor \"%s\" has elements of type %s, which cannot be converted; F32, F16, BF16 and "
            "F64 can",
            t->file, name.text, t->type_name);
    describe_index(t, issue->index, position, sizeof position);
    if (issue->fault == TENSOR_OVERFLOW)
        return error_set(err, "%s: tensor \"%s\" element %s is %g, too large for the type it is converted to",
                         t->file, name.text, position, issue->value);
    return error_set(err,
                     "%s: tensor \"%s\" element %s is %s: the checkpoint is damaged or its training diverged",
                     t->file, name.text, position,
                     issue->fault == TENSOR_NAN ? "not a number"
                     : issue->value < 0         ? "-infinity"
                                                : "infinity");
}
