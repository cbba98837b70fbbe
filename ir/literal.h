/* Numbers as MIL text spells them. */
#ifndef IR_LITERAL_H
#define IR_LITERAL_H

#include "ir/ir.h"

/* The nearest value that the float type d can hold (ties to even; too large becomes infinite). */
double float_round(DType d, double v);
/* C99 hexadecimal, after rounding to d: "0x1.8p+1", "-0x0p+0", "inf", "nan". Always normalised, no trailing
 * zeros. */
void float_print(Text *out, DType d, double v);
/* Decimal; DT_UINT64 reads v's bits as unsigned. */
void int_print(Text *out, DType d, int64_t v);
/* The lengths of the axes that hold l's elements: t's own, one `?` among them found from the count. False
 * where they do not fit the count, or more than one is not a number. */
bool literal_dims(const Type *t, const Literal *l, int64_t dim[IR_MAX_RANK]);
/* Whether l is a literal of type t: kinds, counts and ranges. The text of err says what is wrong. */
MUST_USE bool literal_check(const Type *t, const Literal *l, Error *err);
/* In quotes, with escapes for ", \ and line ends. */
void string_print(Text *out, const char *s);

#endif
