/* A watchdog: calls that may never come back run on a thread of their own, and whoever waits for them stops
 * waiting at a deadline. */
#ifndef RUNTIME_ANE_WATCH_H
#define RUNTIME_ANE_WATCH_H

#include "base/error.h"

typedef struct Watch Watch;

MUST_USE Watch *watch_open(Error *err);

/* call(context, err) on the watch's thread. Where it is not back after so many seconds: false, with err set,
 * and the watch is stuck from then on; `context` then has to stay as it is for ever. */
MUST_USE bool watch_call(Watch *w, double seconds, bool (*call)(void *context, Error *err), void *context,
                         Error *err);

bool watch_is_stuck(const Watch *w); /* NULL: it is not */

/* A stuck watch is left behind, with its thread. NULL is allowed. */
void watch_close(Watch *w);

#endif
