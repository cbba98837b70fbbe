/* Compressed constants. Elements below 8 bits are one to a byte here, except in the iOS 16 forms, which are
 * packed by definition: low bits first. Layouts: coremltools ops/defs/iOS16/constexpr_ops.py and
 * iOS18/compression.py. */
#include <math.h>

#include "runtime/eval/eval.h"

static unsigned packed_bits(const Tensor *bytes, int64_t i, int bits)
{
    int64_t first = i * bits, byte = first / 8;
    unsigned both = (unsigned)tensor_get_int(bytes, byte);
    if (byte + 1 < bytes->count)
        both |= (unsigned)tensor_get_int(bytes, byte + 1) << 8;
    return both >> (first % 8) & ((1u << bits) - 1);
}

/* ---- blocks: which element of a smaller tensor an index of the whole falls in ---- */

typedef struct Blocks {
    int rank;
    int64_t length[IR_MAX_RANK], stride[IR_MAX_RANK]; /* of a block; in elements of the smaller tensor */
} Blocks;

/* False where the axes of `small` do not divide `dim`. */
static bool blocks_of(const Tensor *small, int rank, const int64_t *dim, Blocks *b)
{
    int64_t stride[IR_MAX_RANK];
    tensor_strides(small, stride);
    b->rank = rank;
    for (int i = 0; i < rank; i++) {
        if (i >= small->rank || small->dim[i] < 1 || dim[i] % small->dim[i])
            return false;
        b->length[i] = dim[i] / small->dim[i];
        b->stride[i] = stride[i];
    }
    return true;
}

static int64_t block_at(const Blocks *b, const int64_t *index)
{
    int64_t at = 0;
    for (int i = 0; i < b->rank; i++)
        at += index[i] / b->length[i] * b->stride[i];
    return at;
}

/* ---- shift and scale ---- */

bool eval_constexpr_affine_dequantize(const EvalCall *c, Error *err)
{
    const Tensor *data = call_operand(c, "quantized_data"), *scale = call_operand(c, "scale"),
                 *zero = call_operand(c, "zero_point");
    int64_t stride[IR_MAX_RANK], step = 1, n = 1;
    int axis;
    if (data->rank) {
        if (!call_axis(c, "axis", 0, data->rank, &axis, err))
            return false;
        tensor_strides(data, stride);
        step = stride[axis];
        n = data->dim[axis];
    }
    if ((scale->count != 1 && scale->count != n) || (zero && zero->count != 1 && zero->count != n))
        return call_error(c, err, "scale or zero_point does not fit the axis");
    for (int64_t i = 0; i < data->count; i++) {
        int64_t channel = i / step % n;
        double shift = zero ? tensor_get(zero, zero->count == 1 ? 0 : channel) : 0;
        tensor_put(c->result[0], i,
                   (tensor_get(data, i) - shift) * tensor_get(scale, scale->count == 1 ? 0 : channel));
    }
    return true;
}

static double shifted(const Tensor *data, int64_t i, const Tensor *scale, const Tensor *offset, int64_t block)
{
    double shift = offset ? tensor_get(offset, block) : 0;
    return (tensor_get(data, i) - shift) * tensor_get(scale, block);
}

bool eval_constexpr_blockwise_shift_scale(const EvalCall *c, Error *err)
{
    const Tensor *data = call_operand(c, "data"), *scale = call_operand(c, "scale"),
                 *offset = call_operand(c, "offset");
    Blocks b;
    Cursor at;
    if (!blocks_of(scale, data->rank, data->dim, &b) || (offset && offset->count != scale->count))
        return call_error(c, err, "scale or offset does not divide the data into blocks");
    cursor_begin(&at, data->rank, data->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at))
        tensor_put(c->result[0], i, shifted(data, i, scale, offset, block_at(&b, at.index)));
    return true;
}

static bool too_few(const EvalCall *c, int64_t count, Error *err)
{
    return call_error(c, err, "the mask has another number of ones than the %lld values that are given",
                      (long long)count);
}

bool eval_constexpr_sparse_blockwise_shift_scale(const EvalCall *c, Error *err)
{
    const Tensor *mask = call_operand(c, "data_mask"), *data = call_operand(c, "nonzero_data");
    const Tensor *scale = call_operand(c, "scale"), *offset = call_operand(c, "offset");
    Blocks b;
    Cursor at;
    int64_t next = 0;
    if (!blocks_of(scale, mask->rank, mask->dim, &b) || (offset && offset->count != scale->count))
        return call_error(c, err, "scale or offset does not divide the data into blocks");
    tensor_move(c->result[0], 0, mask, 0, mask->count);
    cursor_begin(&at, mask->rank, mask->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        if (!tensor_get_int(mask, i))
            continue;
        if (next == data->count)
            return too_few(c, data->count, err);
        tensor_put(c->result[1], next, shifted(data, next, scale, offset, block_at(&b, at.index)));
        next++;
    }
    return next == data->count || too_few(c, data->count, err);
}

/* ---- the same at run time ---- */

/* Calls f with the scale and the zero point of each element's place on the axis. */
static bool along_axis(const EvalCall *c, double (*f)(double x, double scale, double zero, bool is_signed),
                       Error *err)
{
    const Tensor *x = call_operand(c, "input"), *scale = call_operand(c, "scale"),
                 *zero = call_operand(c, "zero_point");
    Tensor *out = c->result[0];
    int64_t stride[IR_MAX_RANK], step = 1, n = 1;
    int axis;
    if (scale->count != 1 || (zero && zero->count != 1)) {
        if (!call_axis(c, "axis", 0, x->rank, &axis, err))
            return false;
        tensor_strides(x, stride);
        step = stride[axis];
        n = x->dim[axis];
    }
    if ((scale->count != 1 && scale->count != n) || (zero && zero->count != 1 && zero->count != n))
        return call_error(c, err, "scale or zero_point does not fit the axis");
    bool is_signed = c->op->results && c->op->result[0]->type->dtype == DT_INT8;
    for (int64_t i = 0; i < x->count; i++) {
        int64_t at = i / step % n;
        double shift = zero ? tensor_get(zero, zero->count == 1 ? 0 : at) : 0;
        tensor_put(out, i,
                   f(tensor_get(x, i), tensor_get(scale, scale->count == 1 ? 0 : at), shift, is_signed));
    }
    return true;
}

static double to_real(double x, double scale, double zero, bool is_signed)
{
    return (x - zero) * scale;
}

static double to_quantum(double x, double scale, double zero, bool is_signed)
{
    double v = rint(x / scale) + zero, low = is_signed ? -128 : 0;
    return v < low ? low : v > low + 255 ? low + 255 : v;
}

bool eval_dequantize(const EvalCall *c, Error *err)
{
    return along_axis(c, to_real, err);
}

bool eval_quantize(const EvalCall *c, Error *err)
{
    return along_axis(c, to_quantum, err);
}

/* ---- palettes ---- */

static bool packed_palette(const EvalCall *c, Error *err)
{
    const Tensor *indices = call_operand(c, "indices"), *lut = call_operand(c, "lut");
    Tensor *out = c->result[0];
    int bits = 0;
    while (lut->count > (int64_t)1 << bits)
        bits++;
    bool enough = bits >= 1 && bits <= 8 && indices->count >= (out->count * bits + 7) / 8;
    if (!enough || lut->count != (int64_t)1 << bits)
        return call_error(c, err, "the indices do not fit the palette and the shape");
    for (int64_t i = 0; i < out->count; i++)
        tensor_move(out, i, lut, packed_bits(indices, i, bits), 1);
    return true;
}

/* lut [blocks..., entries, vector]; element v of a vector lies v further along `axis`. */
typedef struct Palette {
    const Tensor *lut;
    Blocks blocks;
    int64_t entries, vector;
    int axis;
} Palette;

static bool palette_of(const EvalCall *c, int rank, const int64_t *dim, Palette *p, Error *err)
{
    const Tensor *lut = call_operand(c, "lut");
    *p = (Palette){.lut = lut};
    if (lut->rank != rank + 2 || !blocks_of(lut, rank, dim, &p->blocks))
        return call_error(c, err, "lut does not divide the indices into blocks");
    p->entries = lut->dim[rank];
    p->vector = lut->dim[rank + 1];
    if (!call_operand(c, "vector_axis"))
        return p->vector == 1 || call_error(c, err, "vectors need a vector_axis");
    return call_axis(c, "vector_axis", 0, rank, &p->axis, err);
}

/* The first element of entry `i` in the palette of an index. */
static bool palette_entry(const EvalCall *c, const Palette *p, const int64_t *index, int64_t i, int64_t *at,
                          Error *err)
{
    if (i < 0 || i >= p->entries)
        return call_error(c, err, "index %lld is out of range for %lld entries", (long long)i,
                          (long long)p->entries);
    *at = block_at(&p->blocks, index) + i * p->vector;
    return true;
}

bool eval_constexpr_lut_to_dense(const EvalCall *c, Error *err)
{
    const Tensor *indices = call_operand(c, "indices");
    Tensor *out = c->result[0];
    Palette p;
    Cursor at;
    int64_t stride[IR_MAX_RANK], entry = 0;
    if (call_operand(c, "shape"))
        return packed_palette(c, err);
    if (!palette_of(c, indices->rank, indices->dim, &p, err))
        return false;
    if (indices->count * p.vector != out->count)
        return call_error(c, err, "the result does not have the shape of the indices");
    tensor_strides(out, stride);
    cursor_begin(&at, indices->rank, indices->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t to = 0;
        if (!palette_entry(c, &p, at.index, tensor_get_int(indices, i), &entry, err))
            return false;
        for (int d = 0; d < indices->rank; d++)
            to += at.index[d] * stride[d] * (d == p.axis ? p.vector : 1);
        for (int64_t v = 0; v < p.vector; v++)
            tensor_move(out, to + (indices->rank ? v * stride[p.axis] : 0), p.lut, entry + v, 1);
    }
    return true;
}

/* The places of what is not zero among all elements of the mask. */
static bool sparse_place(const EvalCall *c, const Tensor *mask, int64_t *place, int64_t count, Error *err)
{
    int64_t next = 0;
    for (int64_t i = 0; i < mask->count; i++) {
        if (!tensor_get_int(mask, i))
            continue;
        if (next == count)
            return too_few(c, count, err);
        place[next++] = i;
    }
    return next == count || too_few(c, count, err);
}

/* The mask grows along the vector axis; its ones are then visited in row-major order, each knowing the
 * element of the small mask that it came from. */
static bool fill_sparse(const EvalCall *c, const Palette *p, const Tensor *mask, const Tensor *data,
                        const int64_t *rank_of, Error *err)
{
    Tensor *wide = c->result[0], *out = c->result[1];
    int64_t stride[IR_MAX_RANK], next = 0, entry = 0;
    Cursor at;
    tensor_strides(mask, stride);
    cursor_begin(&at, wide->rank, wide->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t index[IR_MAX_RANK], from = 0, v = wide->rank ? at.index[p->axis] % p->vector : 0;
        for (int d = 0; d < wide->rank; d++) {
            index[d] = d == p->axis ? at.index[d] / p->vector : at.index[d];
            from += index[d] * stride[d];
        }
        int64_t one = tensor_get_int(mask, from);
        tensor_put_int(wide, i, one);
        if (!one)
            continue;
        if (!palette_entry(c, p, index, tensor_get_int(data, rank_of[from]), &entry, err))
            return false;
        tensor_move(out, next++, p->lut, entry + v, 1);
    }
    return true;
}

bool eval_constexpr_lut_to_sparse(const EvalCall *c, Error *err)
{
    const Tensor *mask = call_operand(c, "indices_mask"), *data = call_operand(c, "indices_nonzero_data");
    Palette p;
    if (!palette_of(c, mask->rank, mask->dim, &p, err))
        return false;
    if (c->result[0]->rank != mask->rank || c->result[0]->count != mask->count * p.vector ||
        c->result[1]->count != data->count * p.vector)
        return call_error(c, err, "the results do not have the shapes of the mask and the data");
    Arena arena = {0};
    int64_t *place = arena_many(&arena, (size_t)data->count + 1, int64_t);
    int64_t *rank_of = arena_many(&arena, (size_t)mask->count + 1, int64_t);
    bool ok = sparse_place(c, mask, place, data->count, err);
    for (int64_t i = 0; ok && i < data->count; i++)
        rank_of[place[i]] = i;
    ok = ok && fill_sparse(c, &p, mask, data, rank_of, err);
    arena_free(&arena);
    return ok;
}

/* ---- the rest ---- */

bool eval_constexpr_sparse_to_dense(const EvalCall *c, Error *err)
{
    const Tensor *data = call_operand(c, "nonzero_data"), *mask = call_operand(c, "mask");
    Tensor *out = c->result[0];
    bool packed = call_operand(c, "shape") != NULL;
    int64_t next = 0;
    if (packed ? mask->count < (out->count + 7) / 8 : mask->count != out->count)
        return call_error(c, err, "the mask does not have the shape of the result");
    for (int64_t i = 0; i < out->count; i++) {
        bool one = packed ? packed_bits(mask, i, 1) : tensor_get_int(mask, i) != 0;
        if (one && next == data->count)
            return too_few(c, data->count, err);
        if (one)
            tensor_move(out, i, data, next++, 1);
        else
            tensor_put_int(out, i, 0);
    }
    return next == data->count || too_few(c, data->count, err);
}

bool eval_constexpr_cast(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "source_val");
    tensor_move(c->result[0], 0, x, 0, x->count);
    return true;
}
