/* A bias on attention scores that is linear in the distance, brought into a form that the ANE can have. */
#ifndef PASSES_BIAS_H
#define PASSES_BIAS_H

#include "ir/ir.h"

/*     x + c * distance   ->   c * (x * (1 / c) + distance)
 *
 * with c a number or a table (ALiBi's slopes, one for each head): a product of two constants is as large as
 * all scores, for each layer; and whether the ANE takes an op without data is not known. */
void bias_factor(Func *f);

#endif
