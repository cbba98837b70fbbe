/* Another process of a program, and what it prints. */
#ifndef TOOLS_ANEPROBE_CHILD_H
#define TOOLS_ANEPROBE_CHILD_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

/* Runs argv (NULL at its end) and collects its standard output; kills it after so many seconds. Fails where
 * it was killed, or did not start. */
MUST_USE bool child_run(const char *const *argv, int64_t seconds, Text *out, Error *err);

#endif
