/* Rules of what resizes the last two axes of an image, and cuts from them. */
#include "ir/infer.h"

#include <math.h>
#include <string.h>

static bool need_image(const Op *op, int least, Error *err)
{
    const Type *x = infer_type(op, "x");
    return x->rank >= least || infer_fail(op, err, "x %s has rank %d, expected at least %d",
                                          shown_dims(x).text, x->rank, least) >= 0;
}

const char *const infer_samplings[] = {"STRICT_ALIGN_CORNERS", "ALIGN_CORNERS",   "DEFAULT",
                                       "OFFSET_CORNERS",       "UNALIGN_CORNERS", NULL};

/* The length of an axis by a factor, an integer or a float. */
static bool scaled(const Op *op, const char *key, int64_t *length, Error *err)
{
    double factor = 1;
    if (op_arg(op, key) && !arg_float(op, key, &factor))
        return infer_fail(op, err, "%s must be a constant number", key) >= 0;
    if (!(factor > 0) || !(factor * (double)(*length > 0 ? *length : 1) < 0x1p40))
        return infer_fail(op, err, "%s is %g, expected a factor above 0", key, factor) >= 0;
    if (factor != 1)
        *length = *length < 0 ? DIM_UNKNOWN : (int64_t)floor(factor * (double)*length);
    return true;
}

int infer_upsample(const Op *op, Type *out, int limit, Error *err)
{
    bool flag;
    if (!need_image(op, 3, err))
        return -1;
    out[0] = *infer_type(op, "x");
    int64_t *dim = out[0].dim + out[0].rank - 2;
    return scaled(op, "scale_factor_height", &dim[0], err) &&
                   scaled(op, "scale_factor_width", &dim[1], err) &&
                   infer_bool(op, "align_corners", true, &flag, err) &&
                   infer_bool(op, "half_pixel_centers", false, &flag, err)
               ? 1
               : -1;
}

static bool target(const Op *op, const char *key, int64_t *length, Error *err)
{
    if (!infer_int(op, key, 1, length, err))
        return false;
    return (*length >= 1 && *length <= INT32_MAX) ||
           infer_fail(op, err, "%s is %lld, expected a length", key, (long long)*length) >= 0;
}

int infer_resize_to(const Op *op, Type *out, int limit, Error *err)
{
    if (!need_image(op, 3, err) || !infer_named(op, "sampling_mode", "DEFAULT", infer_samplings, err))
        return -1;
    out[0] = *infer_type(op, "x");
    int64_t *dim = out[0].dim + out[0].rank - 2;
    return target(op, "target_size_height", &dim[0], err) && target(op, "target_size_width", &dim[1], err)
               ? 1
               : -1;
}

/* The last `resized_dims` axes take their lengths from the end of `shape`; 0 there keeps one. */
int infer_resize(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const modes[] = {"LINEAR", "NEAREST_NEIGHBOR", NULL};
    const Type *x = infer_type(op, "x");
    int64_t resized, shape[IR_MAX_RANK];
    int n = infer_row(op, "shape", err);
    if (n < 0 || !infer_int(op, "resized_dims", 0, &resized, err) ||
        !infer_named(op, "interpolation_mode", "LINEAR", modes, err) ||
        !infer_named(op, "sampling_mode", "DEFAULT", infer_samplings, err))
        return -1;
    if (n > x->rank || resized < 0 || resized > n || resized > 2)
        return infer_fail(op, err,
                          "x %s, a shape of %d lengths and resized_dims %lld: the last axes of x, at most 2",
                          shown_dims(x).text, n, (long long)resized);
    Known known = infer_ints(op, "shape", n, shape, err);
    if (known == KNOWN_WRONG)
        return -1;
    out[0] = *x;
    for (int i = 0; i < (int)resized; i++) {
        int64_t length = known == KNOWN ? shape[n - 1 - i] : DIM_UNKNOWN;
        if (known == KNOWN && (length < 0 || length > INT32_MAX))
            return infer_fail(op, err, "shape holds %lld, expected a length", (long long)length);
        if (length)
            out[0].dim[x->rank - 1 - i] = length;
    }
    return 1;
}

int infer_crop(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[2] = {"crop_height", "crop_width"};
    if (!need_image(op, 3, err))
        return -1;
    out[0] = *infer_type(op, "x");
    for (int i = 0; i < 2; i++) {
        int64_t cut[2], *dim = &out[0].dim[out[0].rank - 2 + i];
        if (!infer_const_ints(op, keys[i], 2, 0, cut, err))
            return -1;
        bool sane = cut[0] >= 0 && cut[1] >= 0 && cut[0] <= INT32_MAX && cut[1] <= INT32_MAX;
        if (!sane || (*dim >= 0 && cut[0] + cut[1] > *dim))
            return infer_fail(op, err, "%s cuts %lld and %lld from the %s of x %s", keys[i],
                              (long long)cut[0], (long long)cut[1], shown_dim(*dim).text,
                              shown_dims(&out[0]).text);
        if (cut[0] + cut[1])
            *dim = *dim < 0 ? DIM_UNKNOWN : *dim - cut[0] - cut[1];
    }
    return 1;
}
