/* What may stand in an ANE program. */
#ifndef PASSES_SUPPORT_H
#define PASSES_SUPPORT_H

#include "ir/profile.h"

/* Why op cannot be part of a program under this profile, as a phrase that follows the op's name ("is not
 * listed by profile safe"); NULL: it can. The phrase lives in `a`. */
const char *ane_objection(const Profile *profile, const Op *op, Arena *a);

/* The same of a layer_norm that is written with simpler ops (head_norm.h). */
const char *ane_objection_to_parts_of_norm(const Profile *profile, const Op *op, Arena *a);

/* decompose.c: whether the pass can take this op apart. */
bool can_decompose(const Op *op);

#endif
