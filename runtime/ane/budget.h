/* What the system allows a process: so many compilations in its life, and so many programs loaded at a time.
 * The numbers are the profile's (profiles/, "compiles" and "resident"). */
#ifndef RUNTIME_ANE_BUDGET_H
#define RUNTIME_ANE_BUDGET_H

#include "runtime/ane/inside.h"

/* Takes one compilation out of the budget; fails where none is left, and then e->exhausted is set. */
MUST_USE bool budget_compile(AneEngine *e, Error *err);

/* Whether none is left. */
bool budget_is_spent(const AneEngine *e);

/* A compilation was refused without a reason, which is what the system does at a limit: where others went
 * well before, it may be lower than believed, and e->exhausted is set. */
void budget_doubt(AneEngine *e);
/* A fresh process did compile it: this one compiles no more. */
void budget_learn(AneEngine *e);

/* `m` is used now: others are unloaded before it. */
void budget_touch(AneModel *m);

/* Unloads the program that was used longest ago, but not `keep`; false where there is none. */
bool budget_unload_one(AneEngine *e, const AneModel *keep);

/* Unloads until one more program may be loaded. */
void budget_make_room(AneEngine *e, const AneModel *keep);

#endif
