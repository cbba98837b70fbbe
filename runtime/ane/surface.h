/* The memory that programs read and write: IOSurfaces, in the sizes and strides that a loaded program asks
 * for. */
#ifndef RUNTIME_ANE_SURFACE_H
#define RUNTIME_ANE_SURFACE_H

#include "runtime/ane/program.h"

typedef struct AneSurface {
    Surface surface;
    Id object;     /* the framework's wrapper */
    size_t bytes;  /* allocated */
    size_t stride; /* from row to row */
    int64_t index; /* the number of its symbol: among the inputs or outputs of all functions */
} AneSurface;

/* The inputs or the outputs of one function. */
typedef struct AneSide {
    bool output;
    int64_t procedure;
} AneSide;

/* The procedure that a function is, by its name in a model's attributes; where they do not tell, `number`. */
int64_t surface_procedure(const Apple *a, CF attributes, const char *function, int number);

/* The layout of `count` ports from a program's attributes, which may lack it: then names in alphabetical
 * order, rows without gaps, and one size for all that every known chip takes and no less than `least`;
 * or each its own, in multiples of `unit` bytes, where that is not 0. */
void surface_layout(const Apple *a, CF attributes, AneSide side, const AnePort *port, int count, size_t unit,
                    size_t least, AneSurface *out);

/* Allocates what surface_layout has laid out. */
MUST_USE bool surface_open(const Apple *a, AneSurface *s, Error *err);
void surface_close(const Apple *a, AneSurface *s);

/* Dense rows in and out. */
MUST_USE bool surface_write(const Apple *a, const AneSurface *s, const AnePort *port, const void *from,
                            Error *err);
MUST_USE bool surface_read(const Apple *a, const AneSurface *s, const AnePort *port, void *to, Error *err);

#endif
