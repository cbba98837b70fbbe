/* Runs a function op by op with the evaluators, for programs whose shapes are not known before their inputs
 * are: types are inferred anew as the values come, with the shapes and small numbers that were computed. The
 * devices (runtime/device.h) are for everything else, and much faster. */
#ifndef RUNTIME_INTERPRET_H
#define RUNTIME_INTERPRET_H

#include "runtime/device.h"
#include "runtime/eval/eval.h"

typedef struct InterpretOptions {
    Numerics numerics;     /* how floats are kept between ops */
    size_t memory;         /* most bytes of values at a time; 0: the machine's memory */
    const Trace *trace;    /* NULL: none */
    struct Engine *engine; /* as in DeviceOptions */
} InterpretOptions;

/* Runs f, which func_verify has passed. param[i] is stored in the element type of parameter i, in a shape
 * that fits it; states among them are changed in place. Fills output[0 .. f->outputs), each of its declared
 * element type with memory of its own, to be freed by the caller (`data`), also after an error: a list is
 * a tensor of all its elements, a dictionary one of its values. Values and
 * ops of f are marked while it runs: one run of a function at a time. */
MUST_USE bool interpret(Func *f, Tensor *param, Tensor *output, const BlobResolver *blobs,
                        const InterpretOptions *options, Error *err);

#endif
