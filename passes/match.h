/* What the passes ask about graphs, by structure and never by name. */
#ifndef PASSES_MATCH_H
#define PASSES_MATCH_H

#include "ir/ir.h"

/* The op that makes v where it is of this code, else NULL. */
Op *def_of(const Value *v, OpCode code);
/* The one number of a constant float or integer; true for tensors whose elements are all the same, too. */
bool const_number(const Value *v, double *out);
bool is_weight(const Value *v);
/* A weight, a number, a table: anything that is known before run time. */
bool is_known(const Value *v);
/* Whether the operand is data, and no attribute such as an axis or a permutation. */
bool is_data(const Op *op, const char *key);
#define FOR_EACH_DATA(op, slot)                                                                              \
    for (int d_ = 0; d_ < (op)->args; d_++)                                                                  \
        if (is_data(op, (op)->arg[d_].key))                                                                  \
            for (Value **slot = (op)->arg[d_].values, **dend_ = slot + (op)->arg[d_].count; slot < dend_;    \
                 slot++)

/* An optional axis as 0 .. rank-1 of x; `fallback` (which may be negative) where it is not given. -1: not
 * constant. */
int op_axis(const Op *op, int64_t fallback);
/* The axes of a reduction or a norm as a set; false where they are not constant. */
bool op_axes(const Op *op, bool set[IR_MAX_RANK]);
/* An optional flag that is constant: its value, or `fallback`. */
bool op_flag(const Op *op, const char *key, bool fallback);
/* transpose: the permutation as given; false where not constant. */
bool op_perm(const Op *op, int64_t perm[IR_MAX_RANK]);
/* Whether op moves elements only: views, slices, concat. */
bool is_move(const Op *op);

#endif
