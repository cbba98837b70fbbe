/* What each opset lets the operands of an op be: the data are ir/signatures.def. */
#ifndef IR_SIGNATURE_H
#define IR_SIGNATURE_H

#include "ir/ir.h"

typedef enum SignatureFault {
    SIGNATURE_FITS,
    SIGNATURE_EARLY, /* the operand came with a later opset */
    SIGNATURE_GONE,  /* the operand is of an older opset's form of the op */
    SIGNATURE_TYPE,  /* the element type came with a later opset */
    SIGNATURE_MIXED  /* it is another one than that of an operand that must have the same */
} SignatureFault;

/* Whether the operand op->arg[i] is what `opset` (15 .. 18) lets it be; the text of err says why not. Element
 * types that no opset has are no matter of this: the type rules judge them. */
SignatureFault signature_check(const Op *op, int i, int opset, Error *err);

#endif
