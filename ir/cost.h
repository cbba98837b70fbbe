/* What a function computes and moves, by its shapes: for predictions, not measurements. */
#ifndef IR_COST_H
#define IR_COST_H

#include "ir/ir.h"

typedef struct Cost {
    double flops;            /* a multiply-add counts two */
    double weight_bytes;     /* of constants that lie in files, each once */
    double activation_bytes; /* of inputs and outputs; states by what one run touches at the most */
    bool exact;              /* false: a shape is not known, and its ops are left out */
} Cost;

Cost func_cost(const Func *f);

/* Of one op; 0 where a shape is not known. */
double op_flops(const Op *op);

#endif
