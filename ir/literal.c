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
