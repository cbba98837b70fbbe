#ifndef FRONTEND_MLPACKAGE_PROGRAM_H
#define FRONTEND_MLPACKAGE_PROGRAM_H

#include "base/coreml.pb-c.h"
#include "ir/ir.h"

/* Fills an empty module, not verified yet. */
MUST_USE bool decode_program(Module *m, const Cm__Program *p, Diags *diags, Error *err);

#endif
