/* What the framework says when a call fails. */
#ifndef RUNTIME_ANE_FAILURE_H
#define RUNTIME_ANE_FAILURE_H

#include "runtime/ane/objc.h"

/* Fills err with STEP, the NSError's text (NULL: there was none) and the likely cause; returns false. */
bool failure_tell(const Apple *a, Id nserror, const char *step, Error *err);

/* Whether it is worth trying again: the engine had no resources just then. */
bool failure_is_transient(const Apple *a, Id nserror);

#endif
