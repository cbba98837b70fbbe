/* Rules of what takes boxes, or coordinates, of images: crop_resize, resample, affine,
 * non_maximum_suppression. */
#include "ir/infer.h"

#include <string.h>

static bool target(const Op *op, const char *key, int64_t *length, Error *err)
{
    if (!infer_int(op, key, 1, length, err))
        return false;
    return (*length >= 1 && *length <= INT32_MAX) ||
           infer_fail(op, err, "%s is %lld, expected a length", key, (long long)*length) >= 0;
}

static bool need_floats(const Op *op, const char *key, Error *err)
{
    const Type *t = infer_type(op, key);
    return dtype_is_float(t->dtype) ||
           infer_fail(op, err, "%s is %s, expected floats", key, shown_type(t).text) >= 0;
}

/* ---- affine ---- */

int infer_affine(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const sampling[] = {"bilinear", NULL}, *const padding[] = {"constant", NULL};
    static const char *const coordinates[] = {"normalized_minus_one_to_one", NULL};
    const Type *x = infer_type(op, "x"), *matrix = infer_type(op, "transform_matrix");
    bool corners;
    if (x->rank != 4 || matrix->rank != 2 || !dim_fits(matrix->dim[1], 6) ||
        !(dim_fits(matrix->dim[0], x->dim[0]) || matrix->dim[0] == 1))
        return infer_fail(op, err, "x %s and transform_matrix %s: expected [N, C, H, W] and [N or 1, 6]",
                          shown_dims(x).text, shown_dims(matrix).text);
    if (!infer_named(op, "sampling_mode", "bilinear", sampling, err) ||
        !infer_named(op, "padding_mode", "constant", padding, err) ||
        !infer_named(op, "coordinates_mode", coordinates[0], coordinates, err) ||
        !infer_bool(op, "align_corners", true, &corners, err))
        return -1;
    out[0] = *x;
    return target(op, "output_height", &out[0].dim[2], err) && target(op, "output_width", &out[0].dim[3], err)
               ? 1
               : -1;
}

/* ---- resample ---- */

int infer_resample(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const sampling[] = {"bilinear", "nearest", NULL};
    static const char *const padding[] = {"constant", "border", "reflection", "symmetric", NULL};
    static const char *const modes[] = {"unnormalized", "normalized_minus_one_to_one",
                                        "normalized_zero_to_one", NULL};
    static const char *const keys[] = {"x", "padding_value", NULL};
    const Type *x = infer_type(op, "x"), *at = infer_type(op, "coordinates");
    bool corners;
    if (x->rank != 4 || at->rank != 4 || !dim_fits(at->dim[3], 2) || !dim_fits(x->dim[0], at->dim[0]))
        return infer_fail(op, err, "x %s and coordinates %s: expected [N, C, H, W] and [N, H2, W2, 2]",
                          shown_dims(x).text, shown_dims(at).text);
    if (!need_floats(op, "x", err) || !infer_same_dtype(op, keys, err) ||
        !infer_named(op, "sampling_mode", "bilinear", sampling, err) ||
        !infer_named(op, "padding_mode", "constant", padding, err) ||
        !infer_named(op, "coordinates_mode", "unnormalized", modes, err) ||
        !infer_bool(op, "align_corners", true, &corners, err))
        return -1;
    out[0] = *x;
    out[0].dim[0] = dim_known(x->dim[0], at->dim[0]);
    out[0].dim[2] = at->dim[1];
    out[0].dim[3] = at->dim[2];
    return 1;
}

/* ---- crop_resize ---- */

/* Until iOS 16: roi [N, 1, 4 or 5, 1, 1], and the result is [N, B or 1, C, H, W]. */
static int crop_regions(const Op *op, Type *out, Error *err)
{
    static const char *const keys[] = {"x", "roi", "pad_value", NULL};
    const Type *x = infer_type(op, "x"), *roi = infer_type(op, "roi");
    bool five = roi->rank == 5 && roi->dim[2] == 5;
    if (roi->rank != 5 || !dim_fits(roi->dim[1], 1) || !(five || dim_fits(roi->dim[2], 4)) ||
        !dim_fits(roi->dim[3], 1) || !dim_fits(roi->dim[4], 1))
        return infer_fail(op, err, "roi is %s, expected [N, 1, 4 or 5, 1, 1]", shown_dims(roi).text);
    if (!infer_same_dtype(op, keys, err))
        return -1;
    int64_t dim[5] = {roi->dim[0], five ? 1 : x->dim[0], x->dim[1]};
    *out = type_tensor(x->dtype, 5, dim);
    if (roi->dim[2] < 0)
        out->dim[1] = x->dim[0] == 1 ? 1 : DIM_UNKNOWN;
    return 1;
}

/* Since iOS 17: boxes [N, 4] and box_indices [N], and the result is [N, C, H, W]. */
static int crop_boxes(const Op *op, Type *out, Error *err)
{
    static const char *const keys[] = {"x", "pad_value", NULL};
    const Type *x = infer_type(op, "x"), *boxes = infer_type(op, "boxes"),
               *index = infer_type(op, "box_indices");
    bool normalised;
    if (boxes->rank != 2 || !dim_fits(boxes->dim[1], 4))
        return infer_fail(op, err, "boxes is %s, expected [N, 4]", shown_dims(boxes).text);
    if (index && (index->rank != 1 || !dim_fits(index->dim[0], boxes->dim[0])))
        return infer_fail(op, err, "box_indices %s does not fit boxes %s", shown_dims(index).text,
                          shown_dims(boxes).text);
    if (!index && x->dim[0] >= 0 && boxes->dim[0] > x->dim[0])
        return infer_fail(op, err, "boxes %s are more than the pictures of x %s: box_indices must say which",
                          shown_dims(boxes).text, shown_dims(x).text);
    if (!infer_same_dtype(op, keys, err) ||
        !infer_bool(op, "normalized_coordinates", false, &normalised, err) ||
        (normalised && !need_floats(op, "boxes", err)))
        return -1;
    int64_t dim[4] = {boxes->dim[0], x->dim[1]};
    *out = type_tensor(x->dtype, 4, dim);
    return 1;
}

int infer_crop_resize(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const modes[] = {"CORNERS_HEIGHT_FIRST", "CORNERS_WIDTH_FIRST",
                                        "CENTER_SIZE_HEIGHT_FIRST", "CENTER_SIZE_WIDTH_FIRST", NULL};
    const Type *x = infer_type(op, "x"), *roi = infer_type(op, "roi"), *boxes = infer_type(op, "boxes");
    bool normalised;
    if (!roi == !boxes)
        return infer_fail(op, err, "one of roi (until iOS 16) and boxes (since iOS 17) must be given");
    if (roi && infer_type(op, "box_indices"))
        return infer_fail(op, err, "box_indices belong to boxes, the fifth number of roi says the picture");
    if (x->rank != 4)
        return infer_fail(op, err, "x %s has rank %d, expected [N, C, H, W]", shown_dims(x).text, x->rank);
    if (!need_floats(op, "x", err) || !infer_named(op, "box_coordinate_mode", modes[0], modes, err) ||
        !infer_named(op, "sampling_mode", "DEFAULT", infer_samplings, err) ||
        !infer_bool(op, "normalized_coordinates", false, &normalised, err) ||
        (roi ? crop_regions(op, out, err) : crop_boxes(op, out, err)) < 0)
        return -1;
    int64_t *dim = out[0].dim + out[0].rank - 2;
    return target(op, "target_height", &dim[0], err) && target(op, "target_width", &dim[1], err) ? 1 : -1;
}

/* ---- non_maximum_suppression ---- */

/* Until iOS 16 boxes are [n, B, 4] and scores [n, B, K]; there is a score_threshold, and the fourth result
 * counts the boxes. Since iOS 17 the last two axes are the other way round, and neither exists. */
int infer_non_maximum_suppression(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"boxes", "scores", "iou_threshold", "score_threshold", NULL};
    const Type *boxes = infer_type(op, "boxes"), *scores = infer_type(op, "scores");
    bool counted = infer_type(op, "score_threshold") != NULL, per_class;
    int number = counted ? 1 : 2, four = 3 - number; /* axes: of the boxes, of what a box has */
    int64_t most;
    if (boxes->rank != 3 || scores->rank != 3 || !dim_fits(boxes->dim[four], 4) ||
        !dim_fits(boxes->dim[0], scores->dim[0]) || !dim_fits(boxes->dim[number], scores->dim[number]))
        return infer_fail(op, err, "boxes %s and scores %s: expected %s", shown_dims(boxes).text,
                          shown_dims(scores).text,
                          counted ? "[n, B, 4] and [n, B, K]" : "[n, 4, B] and [n, K, B]");
    if (!need_floats(op, "boxes", err) || !infer_same_dtype(op, keys, err) ||
        !infer_int(op, "max_boxes", 0, &most, err) ||
        !infer_bool(op, "per_class_suppression", false, &per_class, err))
        return -1;
    if (most < 1 || most > INT32_MAX)
        return infer_fail(op, err, "max_boxes is %lld, expected 1 or more", (long long)most);
    int64_t n = dim_known(boxes->dim[0], scores->dim[0]), selected[2] = {n, most};
    out[0] = *boxes;
    out[1] = *scores;
    for (int i = 0; i < 2; i++) {
        out[i].dim[0] = n;
        out[i].dim[number] = most;
    }
    out[0].dim[four] = 4;
    out[2] = type_tensor(DT_INT32, 2, selected);
    out[3] = type_tensor(DT_INT32, 1, &n);
    return counted ? 4 : 3;
}
