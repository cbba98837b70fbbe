/* The middle of measured numbers. */
#ifndef BASE_MEDIAN_H
#define BASE_MEDIAN_H

/* Sorts numbers[0..count) ascending and gives their median; 0 where there are none. */
double median_of(double *numbers, int count);

#endif
