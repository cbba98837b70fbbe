/* Reads MIL text: the programs that the Neural Engine is given (docs/mil.md). */
#ifndef FRONTEND_MIL_MIL_H
#define FRONTEND_MIL_MIL_H

#include "ir/ir.h"

/* A verified module; NULL where there were errors, which went to diags. Values and ops keep spans into src,
 * so src must live as long as the module. Ops that ops.def does not have are carried through, with a warning.
 */
Module *mil_read(const Source *src, Diags *diags);

/* As mil_read, where nobody looks at diagnostics: the first error is err's text, with its place. */
MUST_USE Module *mil_read_whole(const Source *src, Error *err);

/* As mil_read, but the module is also there where verifying it found errors: everything was read, though some
 * of it is of wrong types. NULL where something could not be read. */
Module *mil_read_unverified(const Source *src, Diags *diags);

/* The same for what the compiler dumps: with the lengths S and T, WEIGHT(..), CAUSAL_MASK(..) and the ops of
 * models. */
Module *mil_read_model(const Source *src, Diags *diags);

#endif
