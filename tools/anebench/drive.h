/* One run of a package: what is measured, and on which tokens, is the same for every command. */
#ifndef TOOLS_ANEBENCH_DRIVE_H
#define TOOLS_ANEBENCH_DRIVE_H

#include "runtime/session.h"

/* A new text of `count` tokens (1 to session_longest_prompt), up to the logits behind the last; the time that
 * took. */
MUST_USE bool drive_prefill(Session *s, int count, double *seconds, Error *err);
/* `count` more tokens, one by one. */
MUST_USE bool drive_decode(Session *s, int count, double *seconds, Error *err);

#endif
