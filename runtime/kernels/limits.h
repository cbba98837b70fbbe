/* What this machine can do at the most, measured: speed is worth little without it. */
#ifndef RUNTIME_KERNELS_LIMITS_H
#define RUNTIME_KERNELS_LIMITS_H

#include "base/error.h"
#include "runtime/kernels/kernels.h"

typedef struct Limits {
    double read;  /* bytes a second from memory, all threads of the pool reading their own part in order */
    double flops; /* fp32 operations a second in registers, all threads, a multiply-add counted as two */
} Limits;

/* Memory to read: `bytes`, which should be many times the caches and as large as the weights in question.
 * It is asked for in large pages where the system has them. NULL where there is not enough memory; free with
 * limits_close, NULL is allowed. */
typedef struct LimitsProbe LimitsProbe;
MUST_USE LimitsProbe *limits_open(size_t bytes, Error *err);
void limits_close(LimitsProbe *p);

/* A few runs each with the threads and the level of `c`, some 60 ms for 250 MB: reading by plain loads and
 * with prefetch, the better of the two. What others do on the machine moves it within seconds: measure beside
 * what is compared with it. */
Limits limits_measure(LimitsProbe *p, Compute *c);

#endif
