/* Two programs side by side: what computes what, whatever the names are. */
#ifndef IR_DIFF_H
#define IR_DIFF_H

#include "ir/ir.h"

typedef struct DiffOptions {
    bool names; /* other names of values that are otherwise the same count too */
    /* Compares two constants that lie in files (of one type); false with what differs in `out`. NULL: they
     * count as the same. */
    bool (*weights)(void *context, const Value *a, const Value *b, Text *out);
    void *context;
} DiffOptions;

/* Adds a line for each difference of b from a; returns how many there are. Begins at the outputs and the
 * states that are written, and follows the operands of both sides in step; an op that only one side has is
 * found by what it leads back to. */
int func_diff(Text *out, const Func *a, const Func *b, const DiffOptions *options);

#endif
