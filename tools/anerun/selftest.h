/* Small programs whose results are known: each op of the safe core (docs/profiles.md) at two lengths, and the
 * kinds that the compiler makes of a real model, in two buckets. */
#ifndef TOOLS_ANERUN_SELFTEST_H
#define TOOLS_ANERUN_SELFTEST_H

#include "base/text.h"
#include "runtime/device.h"

/* Runs each on both devices; a line for each in `out`. Those that do not begin within so many seconds fail.
 * False where one fails. */
bool selftest(Device *tested, Device *reference, double bound, double seconds, Text *out);

/* On a device that compiles two programs and has room for one: both run in turn, and a third is refused. */
bool selftest_budget(Device *tested, Device *reference, Text *out);

#endif
