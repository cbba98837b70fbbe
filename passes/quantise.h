#ifndef PASSES_QUANTISE_H
#define PASSES_QUANTISE_H

#include "ir/ir.h"

/* The weights of a function's projections become numbers of 8 bits with a scale for each WEIGHT_BLOCK of a
 * row; what other ops read, and rows of other lengths, stay as they are. How many weights that was; -1 with
 * err set. */
int quantise_projections(Func *f, Error *err);

#endif
