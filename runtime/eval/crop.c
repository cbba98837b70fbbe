/* What samples an image at boxes or coordinates: crop_resize, resample and affine. */
#include <math.h>
#include <string.h>

#include "runtime/eval/eval.h"
#include "runtime/eval/grid.h"

/* ---- one sample ---- */

typedef enum Outside { OUTSIDE_CONSTANT, OUTSIDE_BORDER, OUTSIDE_REFLECT, OUTSIDE_SYMMETRIC } Outside;

/* An image [N, C, H, W] and what lies around it. */
typedef struct Image {
    const Tensor *x;
    Outside outside;
    double padding; /* OUTSIDE_CONSTANT */
} Image;

/* The element that stands for index i of an axis of n; -1: the padding. */
static int64_t inside(Outside outside, int64_t i, int64_t n)
{
    int64_t period = outside == OUTSIDE_REFLECT ? 2 * (n - 1) : 2 * n;
    if (i >= 0 && i < n)
        return i;
    if (outside == OUTSIDE_CONSTANT)
        return -1;
    if (outside == OUTSIDE_BORDER || period == 0)
        return i < 0 ? 0 : n - 1;
    i = (i % period + period) % period;
    return i < n ? i : outside == OUTSIDE_REFLECT ? period - i : period - 1 - i;
}

static double pixel(const Image *image, int64_t plane, int64_t row, int64_t column)
{
    const Tensor *x = image->x;
    int64_t r = inside(image->outside, row, x->dim[2]), w = inside(image->outside, column, x->dim[3]);
    return r < 0 || w < 0 ? image->padding : tensor_get(x, (plane * x->dim[2] + r) * x->dim[3] + w);
}

/* Coordinates that no index can be: everything is the same so far outside. */
static double near_enough(double v)
{
    const double far = 0x1p40;
    return isnan(v) || v < -far ? -far : v > far ? far : v;
}

/* Mirrored at the centres of the first and last element, or at their outer edges, before it is rounded. */
static double mirrored(Outside outside, double v, int64_t n)
{
    double edge = outside == OUTSIDE_REFLECT ? 0 : 0.5, length = (double)(n - 1) + 2 * edge;
    if (outside != OUTSIDE_REFLECT && outside != OUTSIDE_SYMMETRIC)
        return v;
    if (length == 0)
        return 0;
    double m = fabs(fmod(v + edge, 2 * length));
    return (m > length ? 2 * length - m : m) - edge;
}

static double nearest(const Image *image, int64_t plane, double row, double column)
{
    double r = mirrored(image->outside, near_enough(row), image->x->dim[2]);
    double w = mirrored(image->outside, near_enough(column), image->x->dim[3]);
    return pixel(image, plane, (int64_t)rint(r), (int64_t)rint(w));
}

static double bilinear(const Image *image, int64_t plane, double row, double column)
{
    row = near_enough(row);
    column = near_enough(column);
    int64_t r = (int64_t)floor(row), w = (int64_t)floor(column);
    double down = row - (double)r, right = column - (double)w;
    double a = pixel(image, plane, r, w) * (1 - right) + pixel(image, plane, r, w + 1) * right;
    double b = pixel(image, plane, r + 1, w) * (1 - right) + pixel(image, plane, r + 1, w + 1) * right;
    return a * (1 - down) + b * down;
}

static bool is_image(const EvalCall *c, const Tensor *x, Error *err)
{
    return x->rank == 4 || call_error(c, err, "x has rank %d, expected [N, C, H, W]", x->rank);
}

/* ---- crop_resize ---- */

/* One axis of a box: where it begins and ends among the elements. */
typedef struct Side {
    double start, end;
} Side;

/* CORNERS are start and end, CENTER_SIZE the middle and the length; HEIGHT_FIRST or WIDTH_FIRST. */
static void read_box(const EvalCall *c, const double v[4], Side side[2])
{
    const char *mode = call_string(c, "box_coordinate_mode", "CORNERS_HEIGHT_FIRST");
    const Tensor *x = call_operand(c, "x");
    bool normalised = call_bool(c, "normalized_coordinates", false);
    bool centred = strncmp(mode, "CENTER", 6) == 0, width_first = strstr(mode, "WIDTH_FIRST") != NULL;
    double scale = call_number(c, "spatial_scale", 1);
    for (int axis = 0; axis < 2; axis++) {
        double a = v[axis ^ width_first], b = v[2 + (axis ^ width_first)];
        double unit = scale * (normalised ? (double)(x->dim[2 + axis] - 1) : 1);
        side[axis] = centred ? (Side){(a - b / 2) * unit, (a + b / 2) * unit} : (Side){a * unit, b * unit};
    }
}

/* A box that ends before it begins is read backwards. A point that only rounding has put beyond the image
 * is its edge. */
static double box_point(Grid grid, Side side, int64_t i, int64_t points, int64_t n)
{
    double length = side.end - side.start, last = (double)(n - 1);
    double p = side.start + copysign(grid_point(grid, i, fabs(length), points), length);
    double slack = 1e-6 * fmax(1, last);
    return p < 0 && p > -slack ? 0 : p > last && p < last + slack ? last : p;
}

/* All channels of one box of one picture, into out from `first` on. */
static void crop_box(const EvalCall *c, const Side side[2], int64_t picture, int64_t first)
{
    Tensor *out = c->result[0];
    Image image = {.x = call_operand(c, "x"), .outside = OUTSIDE_BORDER};
    Grid grid = grid_of(call_string(c, "sampling_mode", "DEFAULT"));
    int64_t rows = out->dim[out->rank - 2], columns = out->dim[out->rank - 1], channels = image.x->dim[1];
    double padding = call_number(c, "pad_value", 0);
    for (int64_t i = 0; i < rows * columns; i++) {
        double row = box_point(grid, side[0], i / columns, rows, image.x->dim[2]);
        double column = box_point(grid, side[1], i % columns, columns, image.x->dim[3]);
        bool in = row >= 0 && column >= 0 && row <= (double)(image.x->dim[2] - 1) &&
                  column <= (double)(image.x->dim[3] - 1);
        for (int64_t k = 0; k < channels; k++)
            tensor_put(out, first + k * rows * columns + i,
                       in ? bilinear(&image, picture * channels + k, row, column) : padding);
    }
}

/* Until iOS 16 `roi` [N, 1, 4 or 5, 1, 1]: every box of every picture, or the picture's number before the
 * box. Then `boxes` [N, 4] and `box_indices` [N], 0, 1, 2 ... where not given. */
bool eval_crop_resize(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *roi = call_operand(c, "roi"), *boxes = call_operand(c, "boxes"),
                 *index = call_operand(c, "box_indices"), *from = roi ? roi : boxes;
    Tensor *out = c->result[0];
    if (!is_image(c, x, err))
        return false;
    if (!from || from->rank != (roi ? 5 : 2) || (index && index->count != from->dim[0]))
        return call_error(c, err, "there are no boxes, or not as many box_indices");
    int64_t numbers = from->dim[roi ? 2 : 1], item = out->count;
    bool each = roi && numbers == 4;
    int64_t pictures = each ? x->dim[0] : 1;
    if (numbers < 4 || (from->dim[0] && pictures && item % (from->dim[0] * pictures)))
        return call_error(c, err, "the boxes do not fit the result");
    item = from->dim[0] && pictures ? item / (from->dim[0] * pictures) : 0;
    for (int64_t i = 0; i < from->dim[0] * pictures; i++) {
        int64_t box = i / pictures, picture = each ? i % pictures : index ? tensor_get_int(index, box) : box;
        double v[4];
        Side side[2];
        if (roi && !each)
            picture = tensor_get_int(roi, box * numbers);
        if (picture < 0 || picture >= x->dim[0])
            return call_error(c, err, "box %lld is of picture %lld, there are %lld", (long long)box,
                              (long long)picture, (long long)x->dim[0]);
        for (int k = 0; k < 4; k++)
            v[k] = tensor_get(from, (box + 1) * numbers - 4 + k);
        read_box(c, v, side);
        crop_box(c, side, picture, i * item);
    }
    return true;
}

/* ---- resample: coordinates [N, H2, W2, 2], the column before the row ---- */

static Outside outside_of(const char *name)
{
    return strcmp(name, "border") == 0       ? OUTSIDE_BORDER
           : strcmp(name, "reflection") == 0 ? OUTSIDE_REFLECT
           : strcmp(name, "symmetric") == 0  ? OUTSIDE_SYMMETRIC
                                             : OUTSIDE_CONSTANT;
}

static double coordinate(double v, int64_t n, const char *mode, bool corners)
{
    if (strcmp(mode, "unnormalized") == 0)
        return v;
    return grid_from_unit(strcmp(mode, "normalized_zero_to_one") == 0 ? 2 * v - 1 : v, n, corners);
}

bool eval_resample(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *at = call_operand(c, "coordinates");
    Tensor *out = c->result[0];
    const char *mode = call_string(c, "coordinates_mode", "unnormalized");
    bool corners = call_bool(c, "align_corners", true);
    bool near = strcmp(call_string(c, "sampling_mode", "bilinear"), "nearest") == 0;
    Image image = {x, outside_of(call_string(c, "padding_mode", "constant")),
                   call_number(c, "padding_value", 0)};
    if (!is_image(c, x, err))
        return false;
    if (at->rank != 4 || at->dim[3] != 2 || at->dim[0] != x->dim[0])
        return call_error(c, err, "the coordinates must be [N, H, W, 2]");
    if (out->count && (!x->dim[2] || !x->dim[3]))
        return call_error(c, err, "x has no elements to be sampled");
    Cursor i;
    cursor_begin(&i, out->rank, out->dim);
    for (int64_t k = 0; i.left > 0; k++, cursor_next(&i)) {
        int64_t point = (i.index[0] * at->dim[1] + i.index[2]) * at->dim[2] + i.index[3];
        double column = coordinate(tensor_get(at, 2 * point), x->dim[3], mode, corners);
        double row = coordinate(tensor_get(at, 2 * point + 1), x->dim[2], mode, corners);
        int64_t plane = i.index[0] * x->dim[1] + i.index[1];
        tensor_put(out, k, near ? nearest(&image, plane, row, column) : bilinear(&image, plane, row, column));
    }
    return true;
}

/* ---- affine: where each pixel comes from is a linear map of its own place, both from -1 to 1 ---- */

static double to_unit(int64_t i, int64_t n, bool corners)
{
    if (!corners)
        return (2 * (double)i + 1) / (double)n - 1;
    return n > 1 ? 2 * (double)i / (double)(n - 1) - 1 : 0;
}

bool eval_affine(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *matrix = call_operand(c, "transform_matrix");
    Tensor *out = c->result[0];
    bool corners = call_bool(c, "align_corners", true);
    Image image = {.x = x, .padding = call_number(c, "padding_value", 0)};
    Cursor at;
    if (!is_image(c, x, err))
        return false;
    if (matrix->rank != 2 || matrix->dim[1] != 6)
        return call_error(c, err, "transform_matrix must be [N or 1, 6]");
    cursor_begin(&at, out->rank, out->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t m = matrix->dim[0] == 1 ? 0 : 6 * at.index[0];
        double u = to_unit(at.index[3], out->dim[3], corners), v = to_unit(at.index[2], out->dim[2], corners);
        double a = tensor_get(matrix, m) * u + tensor_get(matrix, m + 1) * v + tensor_get(matrix, m + 2);
        double b = tensor_get(matrix, m + 3) * u + tensor_get(matrix, m + 4) * v + tensor_get(matrix, m + 5);
        tensor_put(out, i,
                   bilinear(&image, at.index[0] * x->dim[1] + at.index[1],
                            grid_from_unit(b, x->dim[2], corners), grid_from_unit(a, x->dim[3], corners)));
    }
    return true;
}
