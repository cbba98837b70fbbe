/* What resizes the last two axes of an image, and cuts from them. */
#include <math.h>
#include <string.h>

#include "runtime/eval/eval.h"
#include "runtime/eval/grid.h"

Grid grid_of(const char *name)
{
    return strcmp(name, "STRICT_ALIGN_CORNERS") == 0 ? GRID_STRICT
           : strcmp(name, "ALIGN_CORNERS") == 0      ? GRID_ALIGN
           : strcmp(name, "OFFSET_CORNERS") == 0     ? GRID_OFFSET
           : strcmp(name, "UNALIGN_CORNERS") == 0    ? GRID_UNALIGN
                                                     : GRID_DEFAULT;
}

double grid_point(Grid grid, int64_t i, double last, int64_t points)
{
    double in = last + 1, out = (double)points, at = (double)i, p = 0;
    switch (grid) {
    case GRID_DEFAULT: p = at * in / out; break;
    case GRID_STRICT: p = points > 1 ? at * last / (out - 1) : 0; break;
    case GRID_ALIGN: p = points > 1 ? at * last / (out - 1) : last / 2; break;
    case GRID_OFFSET: p = (at + 0.5) * (last > 1 ? last : 1) / out; break;
    case GRID_UNALIGN: p = (at + 0.5) * in / out - 0.5; break;
    }
    return p < 0 ? 0 : p > last ? last : p;
}

double grid_from_unit(double v, int64_t n, bool corners)
{
    return corners ? (v + 1) / 2 * (double)(n - 1) : ((v + 1) * (double)n - 1) / 2;
}

/* An element and its neighbour, and the neighbour's weight. */
typedef struct Between {
    int64_t low, high;
    double part;
} Between;

static Between between(Grid grid, bool nearest, int64_t i, int64_t ins, int64_t outs)
{
    double p = grid_point(grid, i, (double)(ins - 1), outs);
    int64_t low = (int64_t)floor(p), high = low + 1 < ins ? low + 1 : low;
    if (nearest && grid != GRID_DEFAULT)
        low = (int64_t)floor(p + 0.5);
    return nearest ? (Between){low < ins ? low : ins - 1, 0, 0} : (Between){low, high, p - (double)low};
}

static bool resample(const EvalCall *c, Grid grid, bool nearest, Error *err)
{
    const Tensor *x = call_operand(c, "x");
    Tensor *out = c->result[0];
    int r = x->rank;
    int64_t rows = r > 1 ? x->dim[r - 2] : 1, columns = r ? x->dim[r - 1] : 1;
    int64_t out_rows = r > 1 ? out->dim[r - 2] : 1, out_columns = r ? out->dim[r - 1] : 1;
    if (out->count && (!rows || !columns))
        return call_error(c, err, "x has no elements to be sampled");
    for (int64_t i = 0; i < out->count; i++) {
        int64_t plane = i / (out_rows * out_columns) * rows * columns;
        Between y = between(grid, nearest, i / out_columns % out_rows, rows, out_rows);
        Between w = between(grid, nearest, i % out_columns, columns, out_columns);
        const int64_t row = plane + y.low * columns, below = plane + y.high * columns;
        if (nearest) {
            tensor_move(out, i, x, row + w.low, 1);
            continue;
        }
        double a = tensor_get(x, row + w.low) * (1 - w.part) + tensor_get(x, row + w.high) * w.part;
        double b = tensor_get(x, below + w.low) * (1 - w.part) + tensor_get(x, below + w.high) * w.part;
        tensor_put(out, i, a * (1 - y.part) + b * y.part);
    }
    return true;
}

bool eval_upsample_nearest_neighbor(const EvalCall *c, Error *err)
{
    return resample(c, GRID_DEFAULT, true, err);
}

bool eval_resize_nearest_neighbor(const EvalCall *c, Error *err)
{
    return resample(c, GRID_DEFAULT, true, err);
}

bool eval_upsample_bilinear(const EvalCall *c, Error *err)
{
    bool align = call_bool(c, "align_corners", true), half = call_bool(c, "half_pixel_centers", !align);
    return resample(c, align ? GRID_STRICT : half ? GRID_UNALIGN : GRID_DEFAULT, false, err);
}

bool eval_resize_bilinear(const EvalCall *c, Error *err)
{
    return resample(c, grid_of(call_string(c, "sampling_mode", "DEFAULT")), false, err);
}

bool eval_resize(const EvalCall *c, Error *err)
{
    bool nearest = strcmp(call_string(c, "interpolation_mode", "LINEAR"), "NEAREST_NEIGHBOR") == 0;
    return resample(c, grid_of(call_string(c, "sampling_mode", "DEFAULT")), nearest, err);
}

bool eval_crop(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *high = call_operand(c, "crop_height"),
                 *wide = call_operand(c, "crop_width");
    Tensor *out = c->result[0];
    int r = x->rank;
    if (r < 2 || high->count != 2 || wide->count != 2)
        return call_error(c, err, "crops are pairs of numbers");
    int64_t rows = out->dim[r - 2], columns = out->dim[r - 1], top = tensor_get_int(high, 0),
            left = tensor_get_int(wide, 0);
    if (top < 0 || left < 0 || top + rows > x->dim[r - 2] || left + columns > x->dim[r - 1])
        return call_error(c, err, "the crop lies outside of x");
    for (int64_t i = 0; columns && i < out->count / columns; i++) {
        int64_t from = (i / rows * x->dim[r - 2] + i % rows + top) * x->dim[r - 1] + left;
        tensor_move(out, i * columns, x, from, columns);
    }
    return true;
}
