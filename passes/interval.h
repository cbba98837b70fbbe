/* Intervals of numbers, and what functions make of them. Every result holds every value that the function
 * takes on the intervals, also where the Neural Engine stores it in fp16 or reads it from a table. */
#ifndef PASSES_INTERVAL_H
#define PASSES_INTERVAL_H

#include "ir/ir.h"

typedef struct Interval {
    double low, high; /* low <= high; infinite: not known */
} Interval;

Interval interval_all(void);
Interval interval_around(double most); /* -most .. most */
double interval_most(Interval x);      /* the largest magnitude */
Interval interval_join(Interval x, Interval y);
/* What x has within -most .. most; x itself where that is nothing. */
Interval interval_within(Interval x, double most);
Interval interval_scale(Interval x, double factor);

/* The op as a function of one operand (its other operands are constants), or of two; all numbers where no
 * bound is known. */
Interval interval_unary(const Op *op, Interval x);
Interval interval_binary(const Op *op, Interval x, Interval y);

#endif
