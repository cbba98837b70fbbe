/* A small program for devices to run: d = a - b, and c made of d. */
#ifndef TESTS_SUPPORT_LIBDIFFERENCE_H
#define TESTS_SUPPORT_LIBDIFFERENCE_H

#include "runtime/device.h"

/* Runs a kernel with inputs a and b and outputs c and d, all fp16 [1, 4, 1, 32]; whether d is a - b and c is
 * times * d + more. */
bool difference_is_right(Kernel *k, float times, float more, Error *err);

#endif
