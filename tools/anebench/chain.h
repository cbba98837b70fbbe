/* Blocks of conv and relu over [1, width, 1, length], several in one program: what fusing is measured with.
 */
#ifndef TOOLS_ANEBENCH_CHAIN_H
#define TOOLS_ANEBENCH_CHAIN_H

#include "base/diag.h"
#include "runtime/device.h"

typedef struct Chain {
    Text mil, weights;
    Source source;
    Module *module;
    Kernel *kernel;
    uint16_t *in, *out;
    size_t bytes; /* of each */
} Chain;

/* Compiles blocks [first, first + count) for the device. Closed where it fails. */
MUST_USE bool chain_open(Chain *c, Device *device, int64_t width, int64_t length, int first, int count,
                         Error *err);
MUST_USE bool chain_run(Chain *c, Error *err);
void chain_close(Chain *c);

#endif
