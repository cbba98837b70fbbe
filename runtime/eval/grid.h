/* Where an image is sampled along one axis: the grids of coremltools (ops/defs/iOS15/image_resizing.py,
 * resize_bilinear), which resizing and cropping share. */
#ifndef RUNTIME_EVAL_GRID_H
#define RUNTIME_EVAL_GRID_H

#include <stdbool.h>
#include <stdint.h>

typedef enum Grid { GRID_DEFAULT, GRID_STRICT, GRID_ALIGN, GRID_OFFSET, GRID_UNALIGN } Grid;

/* Of a sampling_mode; GRID_DEFAULT for "DEFAULT" and what is none. */
Grid grid_of(const char *name);

/* Point i of `points` over the elements 0 .. last, within them. `last` need not be a whole number. */
double grid_point(Grid grid, int64_t i, double last, int64_t points);

/* -1 .. 1 to elements: to the centres of the first and last of n, or to their outer edges. */
double grid_from_unit(double v, int64_t n, bool corners);

#endif
