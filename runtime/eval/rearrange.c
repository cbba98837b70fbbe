/* einsum, and what moves whole blocks or sequences. */
#include "runtime/eval/eval.h"

/* The stride of an axis, 0 where it is broadcast. */
static int64_t stride_of(const Tensor *t, const int64_t *stride, int axis)
{
    return t->dim[axis] == 1 ? 0 : stride[axis];
}

/* [B, C, H, W] times [B, W, H, U] over W, for every B and H; without B where the rank is 3. */
bool eval_einsum(const EvalCall *c, Error *err)
{
    if (c->count[0] != 2)
        return call_error(c, err, "there must be two values");
    const Tensor *x = c->operand[0][0], *y = c->operand[0][1];
    Tensor *out = c->result[0];
    int r = out->rank;
    if (x->rank != r || y->rank != r || (r != 3 && r != 4) || x->dim[r - 1] != y->dim[r - 3])
        return call_error(c, err, "the values do not fit");
    int64_t sx[IR_MAX_RANK], sy[IR_MAX_RANK], wx[IR_MAX_RANK] = {0}, wy[IR_MAX_RANK] = {0};
    tensor_strides(x, sx);
    tensor_strides(y, sy);
    for (int i = 0; i < r; i++) {
        bool shared = i == r - 2 || i == r - 4;
        wx[i] = shared ? stride_of(x, sx, i) : i == r - 3 ? sx[i] : 0;
        wy[i] = shared ? stride_of(y, sy, i) : i == r - 1 ? sy[i] : 0;
    }
    Cursor at;
    cursor_begin(&at, r, out->dim);
    cursor_lane(&at, 0, wx);
    cursor_lane(&at, 0, wy);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        Sum sum = sum_begin(c->engine, 0);
        for (int64_t k = 0; k < x->dim[r - 1]; k++)
            sum_add(&sum, tensor_get(x, at.at[0] + k), tensor_get(y, at.at[1] + k * sy[r - 3]));
        tensor_put(out, i, sum_end(&sum));
    }
    return true;
}

/* Both ways: element (bh, bw, n, c, h, w) of the blocks is (n, c, h * BH + bh - top, w * BW + bw - left) of
 * the image, or lies in its margin. */
static bool move_blocks(const EvalCall *c, const char *margins, bool back, Error *err)
{
    Tensor *image = back ? c->result[0] : call_operand(c, "x");
    Tensor *blocks = back ? call_operand(c, "x") : c->result[0];
    const Tensor *block = call_operand(c, "block_shape"), *margin = call_operand(c, margins);
    if (image->rank != 4 || blocks->rank != 4 || block->count != 2 || margin->count != 4)
        return call_error(c, err, "expected [N, C, H, W], two lengths and four margins");
    int64_t bh = tensor_get_int(block, 0), bw = tensor_get_int(block, 1), n = image->dim[0];
    if (bh < 1 || bw < 1 || blocks->dim[0] != n * bh * bw || blocks->dim[1] != image->dim[1])
        return call_error(c, err, "the blocks do not fit");
    Cursor at;
    cursor_begin(&at, 4, blocks->dim);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t cell = at.index[0] / n;
        int64_t h = at.index[2] * bh + cell / bw - tensor_get_int(margin, 0);
        int64_t w = at.index[3] * bw + cell % bw - tensor_get_int(margin, 2);
        int64_t plane = at.index[0] % n * image->dim[1] + at.index[1];
        bool inside = h >= 0 && w >= 0 && h < image->dim[2] && w < image->dim[3];
        int64_t pixel = (plane * image->dim[2] + h) * image->dim[3] + w;
        if (inside && back)
            tensor_move(image, pixel, blocks, i, 1);
        else if (inside)
            tensor_move(blocks, i, image, pixel, 1);
        else if (!back)
            tensor_put_int(blocks, i, 0);
    }
    return true;
}

bool eval_space_to_batch(const EvalCall *c, Error *err)
{
    return move_blocks(c, "paddings", false, err);
}

bool eval_batch_to_space(const EvalCall *c, Error *err)
{
    return move_blocks(c, "crops", true, err);
}

/* The first lengths[b] elements of the sequence of each b the other way round. */
bool eval_reverse_sequence(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *lengths = call_operand(c, "lengths");
    int sequence, batch;
    int64_t stride[IR_MAX_RANK];
    if (!call_axis(c, "seq_axis", 0, x->rank, &sequence, err) ||
        !call_axis(c, "batch_axis", 0, x->rank, &batch, err))
        return false;
    if (lengths->count != x->dim[batch])
        return call_error(c, err, "there must be one length for each index of axis %d", batch);
    tensor_strides(x, stride);
    Cursor at;
    cursor_begin(&at, x->rank, x->dim);
    cursor_lane(&at, 0, stride);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t n = tensor_get_int(lengths, at.index[batch]), s = at.index[sequence];
        if (n < 0 || n > x->dim[sequence])
            return call_error(c, err, "length %lld is out of range for %lld elements", (long long)n,
                              (long long)x->dim[sequence]);
        int64_t from = s < n ? n - 1 - s : s;
        tensor_move(c->result[0], i, x, at.at[0] + (from - s) * stride[sequence], 1);
    }
    return true;
}
