/* Rules of compressed constants. iOS 16 gives the shape and packs indices and masks into uint8; iOS 18 types
 * them (uint4 indices, uint1 masks) and takes one palette or scale for each block. */
#include "ir/infer.h"

#include <string.h>

/* ---- shared ---- */

/* The iOS 16 `shape`: a constant row of lengths. */
static bool given_shape(const Op *op, DType dtype, Type *out, Error *err)
{
    int64_t dim[IR_MAX_RANK];
    int n = infer_row(op, "shape", err);
    if (n < 0)
        return false;
    Known known = infer_ints(op, "shape", n, dim, err);
    if (known == KNOWN_NOT)
        return infer_fail(op, err, "shape must be a constant list of integers") >= 0;
    for (int i = 0; known == KNOWN && i < n; i++)
        if (dim[i] < 0)
            return infer_fail(op, err, "shape has the length %lld", (long long)dim[i]) >= 0;
    if (known == KNOWN)
        *out = type_tensor(dtype, n, dim);
    if (known == KNOWN && type_elements(out) < 0)
        return infer_fail(op, err, "shape %s has too many elements", shown_dims(out).text) >= 0;
    return known == KNOWN;
}

/* `elements` of `bits` each, packed into a row of bytes. */
static bool packed_row(const Op *op, const char *key, int64_t elements, int bits, Error *err)
{
    const Type *t = infer_type(op, key);
    if (t->dtype != DT_UINT8 || t->rank != 1)
        return infer_fail(op, err, "%s is %s, expected packed bytes: tensor<uint8, [n]>", key,
                          shown_type(t).text) >= 0;
    int64_t bytes = elements / 8 * bits + (elements % 8 * bits + 7) / 8;
    if (!dim_fits(t->dim[0], bytes))
        return infer_fail(op, err, "%s %s: %lld elements of %d bits take %lld bytes", key, shown_dims(t).text,
                          (long long)elements, bits, (long long)bytes) >= 0;
    return true;
}

/* Every axis of `whole` is a number of equal blocks, one for each element of `blocks`. */
static bool divides(const Op *op, const char *key, const Type *blocks, const Type *whole, Error *err)
{
    bool fits = blocks->rank >= whole->rank;
    for (int i = 0; fits && i < whole->rank; i++)
        fits = blocks->dim[i] < 0 || whole->dim[i] < 0 ||
               (blocks->dim[i] > 0 && whole->dim[i] % blocks->dim[i] == 0);
    return fits || infer_fail(op, err, "%s %s does not divide %s into blocks", key, shown_dims(blocks).text,
                              shown_dims(whole).text) >= 0;
}

static bool need_mask(const Op *op, const char *key, Error *err)
{
    const Type *t = infer_type(op, key);
    return t->dtype == DT_UINT1 ||
           infer_fail(op, err, "%s is %s, expected uint1", key, shown_type(t).text) >= 0;
}

static bool need_row(const Op *op, const char *key, Error *err)
{
    const Type *t = infer_type(op, key);
    return t->rank == 1 ||
           infer_fail(op, err, "%s is %s, expected a row of what is not zero", key, shown_type(t).text) >= 0;
}

/* ---- shift and scale ---- */

static bool need_scale(const Op *op, Error *err)
{
    const Type *scale = infer_type(op, "scale");
    return dtype_is_float(scale->dtype) ||
           infer_fail(op, err, "scale is %s, expected floats", shown_type(scale).text) >= 0;
}

int infer_affine_dequantize(const Op *op, Type *out, int limit, Error *err)
{
    static const char *const keys[] = {"scale", "zero_point"};
    const Type *data = infer_type(op, "quantized_data");
    int axis = 0;
    if (data->dtype != DT_INT8 && data->dtype != DT_UINT8)
        return infer_fail(op, err, "quantized_data is %s, expected int8 or uint8", shown_type(data).text);
    if (!need_scale(op, err) || (data->rank && !infer_axis(op, "axis", 0, data->rank, &axis, err)))
        return -1;
    for (int i = 0; i < 2; i++) {
        const Type *t = infer_type(op, keys[i]);
        if (t && t->rank && (t->rank > 1 || !data->rank || !dim_fits(t->dim[0], data->dim[axis])))
            return infer_fail(op, err, "%s %s fits neither one number nor axis %d of quantized_data %s",
                              keys[i], shown_dims(t).text, axis, shown_dims(data).text);
    }
    out[0] = *data;
    out[0].dtype = infer_type(op, "scale")->dtype;
    return 1;
}

/* scale and zero_point at run time: one number, or one for each element of the axis. */
static bool check_axis_numbers(const Op *op, const Type *x, Error *err)
{
    static const char *const keys[] = {"scale", "zero_point"};
    for (int i = 0; i < 2; i++) {
        const Type *t = infer_type(op, keys[i]);
        int axis = 0;
        if (!t || t->rank == 0)
            continue;
        if (!op_arg(op, "axis"))
            return infer_fail(op, err, "%s %s needs an axis", keys[i], shown_dims(t).text) >= 0;
        if (!infer_axis(op, "axis", 0, x->rank, &axis, err))
            return false;
        if (t->rank != 1 || !dim_fits(t->dim[0], x->dim[axis]))
            return infer_fail(op, err, "%s %s does not fit axis %d of input %s", keys[i], shown_dims(t).text,
                              axis, shown_dims(x).text) >= 0;
    }
    return need_scale(op, err);
}

int infer_dequantize(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "input");
    if (x->dtype != DT_INT8 && x->dtype != DT_UINT8)
        return infer_fail(op, err, "input is %s, expected int8 or uint8", shown_type(x).text);
    if (!check_axis_numbers(op, x, err))
        return -1;
    out[0] = *x;
    out[0].dtype = infer_type(op, "scale")->dtype;
    return 1;
}

int infer_quantize(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "input");
    const char *name;
    if (!dtype_is_float(x->dtype))
        return infer_fail(op, err, "input is %s, expected floats", shown_type(x).text);
    if (!check_axis_numbers(op, x, err) || !infer_text(op, "output_dtype", "", &name, err))
        return -1;
    out[0] = *x;
    out[0].dtype = dtype_from_name(name, strlen(name));
    if (out[0].dtype != DT_INT8 && out[0].dtype != DT_UINT8)
        return infer_fail(op, err, "output_dtype is \"%.40s\", expected int8 or uint8", name);
    return 1;
}

/* scale and offset: as many axes as the data, each a divisor. */
static bool check_blocks(const Op *op, const Type *data, Error *err)
{
    const Type *scale = infer_type(op, "scale"), *offset = infer_type(op, "offset");
    if (!need_scale(op, err) || !divides(op, "scale", scale, data, err))
        return false;
    if (scale->rank != data->rank)
        return infer_fail(op, err, "scale %s must have as many axes as the data %s", shown_dims(scale).text,
                          shown_dims(data).text) >= 0;
    if (offset && !dims_fit(offset, scale))
        return infer_fail(op, err, "offset %s must have the shape of scale %s", shown_dims(offset).text,
                          shown_dims(scale).text) >= 0;
    return true;
}

int infer_blockwise(const Op *op, Type *out, int limit, Error *err)
{
    const Type *data = infer_type(op, "data");
    if (!check_blocks(op, data, err))
        return -1;
    out[0] = *data;
    out[0].dtype = infer_type(op, "scale")->dtype;
    return 1;
}

int infer_sparse_blockwise(const Op *op, Type *out, int limit, Error *err)
{
    const Type *mask = infer_type(op, "data_mask");
    if (!need_mask(op, "data_mask", err) || !need_row(op, "nonzero_data", err) ||
        !check_blocks(op, mask, err))
        return -1;
    out[0] = *mask;
    out[1] = *infer_type(op, "nonzero_data");
    out[1].dtype = infer_type(op, "scale")->dtype;
    return 2;
}

/* ---- palettes ---- */

/* Bits of an index into so many entries; 0 where there is no such palette. */
static int palette_bits(int64_t entries)
{
    for (int bits = 1; bits <= 8; bits++)
        if (entries == (int64_t)1 << bits)
            return bits;
    return 0;
}

/* iOS 16: one palette, indices packed. */
static bool packed_palette(const Op *op, Type *out, Error *err)
{
    const Type *lut = infer_type(op, "lut");
    int bits = lut->rank == 1 ? palette_bits(lut->dim[0]) : 0;
    if (!bits || bits == 5 || bits == 7)
        return infer_fail(op, err, "lut %s: a palette has 2, 4, 8, 16, 64 or 256 entries",
                          shown_dims(lut).text) >= 0;
    return given_shape(op, lut->dtype, out, err) && packed_row(op, "indices", type_elements(out), bits, err);
}

/* iOS 18: lut [blocks of each axis..., entries, length of a vector] for indices in the shape of `t`, which
 * becomes that of the result. */
static bool block_palettes(const Op *op, const char *indices, Type *t, Error *err)
{
    const Type *lut = infer_type(op, "lut");
    int bits = dtype_info[infer_type(op, indices)->dtype].bits, axis = 0;
    if (lut->rank != t->rank + 2)
        return infer_fail(op, err, "lut %s: expected two axes more than %s: entries, and length of a vector",
                          shown_dims(lut).text, shown_dims(t).text) >= 0;
    int64_t entries = lut->dim[t->rank], vector = lut->dim[t->rank + 1];
    if (dtype_info[infer_type(op, indices)->dtype].class != CLASS_UINT || bits > 8 ||
        entries != (int64_t)1 << bits)
        return infer_fail(op, err, "lut %s and %s %s: a palette has 2^bits entries", shown_dims(lut).text,
                          indices, shown_type(infer_type(op, indices)).text) >= 0;
    if (!divides(op, "lut", lut, t, err))
        return false;
    if (vector < 1 || (vector > 1 && !op_arg(op, "vector_axis")))
        return infer_fail(op, err, "lut %s: vectors of %lld elements need a vector_axis",
                          shown_dims(lut).text, (long long)vector) >= 0;
    if (op_arg(op, "vector_axis") && !infer_axis(op, "vector_axis", 0, t->rank, &axis, err))
        return false;
    if (t->rank && t->dim[axis] > 0 && vector > INT64_MAX / t->dim[axis])
        return infer_fail(op, err, "lut %s: the vectors are too long", shown_dims(lut).text) >= 0;
    if (t->rank && t->dim[axis] >= 0)
        t->dim[axis] *= vector;
    return true;
}

int infer_lut_to_dense(const Op *op, Type *out, int limit, Error *err)
{
    if (op_arg(op, "shape"))
        return packed_palette(op, &out[0], err) ? 1 : -1;
    out[0] = *infer_type(op, "indices");
    out[0].dtype = infer_type(op, "lut")->dtype;
    return block_palettes(op, "indices", &out[0], err) ? 1 : -1;
}

int infer_lut_to_sparse(const Op *op, Type *out, int limit, Error *err)
{
    const Type *lut = infer_type(op, "lut"), *nonzero = infer_type(op, "indices_nonzero_data");
    out[0] = *infer_type(op, "indices_mask");
    if (!need_mask(op, "indices_mask", err) || !need_row(op, "indices_nonzero_data", err) ||
        !block_palettes(op, "indices_nonzero_data", &out[0], err))
        return -1;
    int64_t n = nonzero->dim[0], vector = lut->dim[lut->rank - 1];
    if (n > 0 && vector > INT64_MAX / n)
        return infer_fail(op, err, "lut %s: the vectors are too long", shown_dims(lut).text);
    n = n < 0 ? n : n * vector;
    out[1] = type_tensor(lut->dtype, 1, &n);
    return 2;
}

/* ---- the rest ---- */

int infer_sparse_to_dense(const Op *op, Type *out, int limit, Error *err)
{
    const Type *nonzero = infer_type(op, "nonzero_data"), *mask = infer_type(op, "mask");
    if (!need_row(op, "nonzero_data", err))
        return -1;
    if (op_arg(op, "shape"))
        return given_shape(op, nonzero->dtype, &out[0], err) &&
                       packed_row(op, "mask", type_elements(&out[0]), 1, err)
                   ? 1
                   : -1;
    if (!need_mask(op, "mask", err))
        return -1;
    out[0] = *mask;
    out[0].dtype = nonzero->dtype;
    return 1;
}

int infer_constexpr_cast(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "source_val");
    const char *name;
    if (!infer_text(op, "output_dtype", "", &name, err))
        return -1;
    DType d = dtype_from_name(name, strlen(name));
    if (!dtype_is_float(d) || !dtype_is_float(x->dtype))
        return infer_fail(op, err, "source_val is %s and cannot be cast to \"%.40s\": floats only",
                          shown_type(x).text, name);
    out[0] = *x;
    out[0].dtype = d;
    return 1;
}
