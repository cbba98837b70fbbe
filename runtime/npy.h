/* Arrays in files: the .npy format of numpy, versions 1 to 3. Authority: numpy/lib/format.py. */
#ifndef RUNTIME_NPY_H
#define RUNTIME_NPY_H

#include <stddef.h>

#include "base/error.h"
#include "ir/type.h"

/* An array in this machine's byte order, row-major. */
typedef struct Npy {
    Type type;  /* a static TY_TENSOR of bool, fp16, fp32, fp64, or integers of 8 to 64 bits */
    void *data; /* malloc'ed, type_bytes() of it and at least one */
} Npy;

/* Takes both byte orders and both of C and Fortran order. */
MUST_USE bool npy_read(const char *path, Npy *out, Error *err);
/* The same from bytes. */
MUST_USE bool npy_parse(const void *bytes, size_t size, Npy *out, Error *err);
void npy_free(Npy *n);

/* Writes a row-major array of one of the types above, version 1.0, little-endian. */
MUST_USE bool npy_write(const char *path, const Type *type, const void *data, Error *err);

#endif
