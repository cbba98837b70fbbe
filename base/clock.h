/* A clock for measuring and for deadlines: it only goes forward, from a start that means nothing. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

int64_t clock_ns(void);
double clock_seconds(void);

/* Does nothing for so long; less where a signal comes. */
void clock_sleep(double seconds);

#endif
