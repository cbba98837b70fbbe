#include "ir/literal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Rounds to `digits` significant bits, none of them below 2^lowest; beyond `most` is infinite. */
static double round_to(double v, int digits, int lowest, double most)
{
    int exponent;
    if (v == 0 || !isfinite(v))
        return v;
    frexp(v, &exponent); /* |v| in [2^(exponent-1), 2^exponent) */
    int unit = exponent - digits > lowest ? exponent - digits : lowest;
    double r = ldexp(rint(ldexp(v, -unit)), unit);
    r = fabs(r) > most ? INFINITY : fabs(r);
    return copysign(r, v);
}

double float_round(DType d, double v)
{
    switch (d) {
    case DT_FP16: return round_to(v, 11, -24, 65504);
    case DT_BF16: return round_to(v, 8, -133, 0x1.fep+127);
    case DT_FP32: return round_to(v, 24, -149, 0x1.fffffep+127);
    default: return v;
    }
}

/* The 52 bits below the leading one, as hex digits without the zeros at the end. */
static int put_fraction(char *at, uint64_t fraction)
{
    static const char hex[] = "0123456789abcdef";
    int n = 0;
    if (fraction)
        at[n++] = '.';
    for (; fraction; fraction = fraction << 4 & 0xfffffffffffffu)
        at[n++] = hex[fraction >> 48];
    return n;
}

void float_print(Text *out, DType d, double v)
{
    const uint64_t below_one = ((uint64_t)1 << 52) - 1;
    char s[40];
    int n = 0, exponent;
    uint64_t bits;
    v = float_round(d, v);
    if (isnan(v)) {
        text_puts(out, "nan");
        return;
    }
    if (signbit(v))
        text_putc(out, '-');
    if (isinf(v) || v == 0) {
        text_puts(out, v == 0 ? "0x0p+0" : "inf");
        return;
    }
    double leading = 2 * frexp(fabs(v), &exponent); /* [1, 2), also for subnormals */
    memcpy(&bits, &leading, sizeof bits);
    n = 3;
    memcpy(s, "0x1", 3);
    n += put_fraction(s + n, bits & below_one);
    n += snprintf(s + n, sizeof s - (size_t)n, "p%+d", exponent - 1);
    text_add(out, s, (size_t)n);
}

void int_print(Text *out, DType d, int64_t v)
{
    char s[24], *at = s + sizeof s;
    bool minus = v < 0 && d != DT_UINT64;
    uint64_t left = minus ? -(uint64_t)v : (uint64_t)v;
    do {
        *--at = (char)('0' + left % 10);
        left /= 10;
    } while (left);
    if (minus)
        *--at = '-';
    text_add(out, at, (size_t)(s + sizeof s - at));
}

void string_print(Text *out, const char *s)
{
    text_putc(out, '"');
    while (*s) {
        size_t plain = strcspn(s, "\"\\\n\t\r");
        text_add(out, s, plain);
        s += plain;
        if (!*s)
            break;
        char escape[2] = {'\\', *s == '\n' ? 'n' : *s == '\t' ? 't' : *s == '\r' ? 'r' : *s};
        text_add(out, escape, 2);
        s++;
    }
    text_putc(out, '"');
}

bool literal_dims(const Type *t, const Literal *l, int64_t dim[IR_MAX_RANK])
{
    int open = -1;
    Type known = {.rank = t->rank};
    for (int i = 0; i < t->rank; i++) {
        known.dim[i] = t->dim[i] < 0 ? 1 : t->dim[i];
        if (t->dim[i] < 0 && (open >= 0 || t->dim[i] != DIM_UNKNOWN))
            return false;
        if (t->dim[i] < 0)
            open = i;
    }
    int64_t elements = type_elements(&known), count = (int64_t)l->count;
    if (elements < 0 || (open < 0 ? elements != count : elements ? count % elements != 0 : count != 0))
        return false;
    if (open >= 0)
        known.dim[open] = elements ? count / elements : 0;
    memcpy(dim, known.dim, (size_t)t->rank * sizeof *dim);
    return true;
}

/* ---- checks ---- */

static bool int_in_range(const DTypeInfo *info, int64_t v)
{
    if (info->class == CLASS_BOOL)
        return v == 0 || v == 1;
    if ((v == DIM_S || v == DIM_T) && info->class == CLASS_INT && info->bits >= 32)
        return true;
    if (info->bits == 64) /* of uint64 the bits are kept */
        return true;
    int64_t most = ((int64_t)1 << (info->class == CLASS_INT ? info->bits - 1 : info->bits)) - 1;
    return v <= most && v >= (info->class == CLASS_INT ? -most - 1 : 0);
}

static bool check_ints(const Type *t, const Literal *l, Error *err)
{
    const DTypeInfo *info = &dtype_info[t->dtype];
    for (size_t i = 0; i < l->count; i++)
        if (!int_in_range(info, l->ints[i]))
            return error_set(err, "%lld does not fit %s", (long long)l->ints[i], info->name);
    return true;
}

/* Elements of a tensor that are written out. */
static bool check_elements(const Type *t, const Literal *l, Error *err)
{
    static const char *const names[] = {
        [LIT_INT] = "integers", [LIT_FLOAT] = "floats", [LIT_STRING] = "strings"};
    int64_t dim[IR_MAX_RANK];
    DClass class = dtype_info[t->dtype].class;
    bool fits = l->kind == LIT_STRING  ? class == CLASS_STRING
                : l->kind == LIT_FLOAT ? class == CLASS_FLOAT
                                       : class == CLASS_BOOL || class == CLASS_INT || class == CLASS_UINT;
    if (fits && literal_dims(t, l, dim))
        return l->kind != LIT_INT || check_ints(t, l, err);
    Text type = {0};
    type_print(&type, t);
    error_set(err, "%zu %s do not make a %s", l->count, names[l->kind], text_cstr(&type));
    text_free(&type);
    return false;
}

static bool check_reference(const Type *t, const Literal *l, Error *err)
{
    if (l->kind == LIT_BLOB && !dtype_info[t->dtype].blob_code)
        return error_set(err, "elements of type %s cannot stand in a weight file", dtype_info[t->dtype].name);
    if (l->kind == LIT_BLOB && type_elements(t) < 0)
        return error_set(err, "a constant in a weight file must have a shape of numbers");
    bool bytes = l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_INT8;
    if (bytes && t->dtype != DT_INT8)
        return error_set(err, "a weight in 8 bits has int8 as elements, not %s", dtype_info[t->dtype].name);
    if (l->kind == LIT_WEIGHT && !bytes && !dtype_is_float(t->dtype))
        return error_set(err, "a weight has floats as elements, not %s", dtype_info[t->dtype].name);
    if (l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_CAUSAL_MASK &&
        (t->rank < 2 || l->weight.window < 0))
        return error_set(err, "a causal mask has the axes queries and keys, and a window of 0 or more");
    if (l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_DISTANCE && t->rank < 2)
        return error_set(err, "distances have the axes queries and keys");
    return true;
}

static bool check_tree(const Type *t, const Literal *l, Error *err)
{
    size_t step = t->kind == TY_DICT ? 2 : 1;
    if (l->kind != LIT_TREE)
        return error_set(err, "a list, dict or tuple is expected");
    if (t->kind == TY_TUPLE ? l->count != (size_t)t->elements : l->count % step != 0)
        return error_set(err, "a tuple of %d has %zu elements", t->elements, l->count);
    if (t->kind == TY_LIST && t->list_length >= 0 && l->count != (size_t)t->list_length)
        return error_set(err, "a list of %lld has %zu elements", (long long)t->list_length, l->count);
    for (size_t i = 0; i < l->count; i++)
        if (!literal_check(t->element[t->kind == TY_TUPLE ? i : i % step], l->children[i], err))
            return false;
    return true;
}

bool literal_check(const Type *t, const Literal *l, Error *err)
{
    switch (t->kind) {
    case TY_LIST:
    case TY_DICT:
    case TY_TUPLE: return check_tree(t, l, err);
    case TY_STATE:
    case TY_BUFFER: return error_set(err, "only tensors, lists, dicts and tuples can be constants");
    case TY_TENSOR: break;
    }
    if (l->kind == LIT_TREE)
        return error_set(err, "a list, dict or tuple cannot be a tensor");
    if (l->kind == LIT_BLOB || l->kind == LIT_WEIGHT)
        return check_reference(t, l, err);
    return check_elements(t, l, err);
}
