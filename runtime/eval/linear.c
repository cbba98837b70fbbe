/* Products: linear, matmul. */
#include <math.h>

#include "runtime/eval/eval.h"

/* out[..., o] = sum over i of x[..., i] * weight[o, i], + bias[o] */
bool eval_linear(const EvalCall *c, Error *err)
{
    const Tensor *x = call_operand(c, "x"), *weight = call_operand(c, "weight"),
                 *bias = call_operand(c, "bias");
    Tensor *out = c->result[0];
    int64_t outs = weight->dim[0], ins = weight->dim[1];
    for (int64_t i = 0; i < out->count; i++) {
        int64_t row = i / outs, o = i % outs;
        Sum sum = sum_begin(c->engine, bias ? tensor_get(bias, bias->count == 1 ? 0 : o) : 0);
        for (int64_t k = 0; k < ins; k++)
            sum_add(&sum, tensor_get(x, row * ins + k), tensor_get(weight, o * ins + k));
        tensor_put(out, i, sum_end(&sum));
    }
    return true;
}

/* A matmul operand as [batches..., rows, columns]; a vector is a row on the left and a column on the right.
 */
static void as_matrix(const Tensor *t, bool left, bool transposed, Tensor *out, int64_t *row, int64_t *column)
{
    *out = *t;
    if (t->rank == 1) {
        out->rank = 2;
        out->dim[0] = left ? 1 : t->dim[0];
        out->dim[1] = left ? t->dim[0] : 1;
    } else if (transposed) {
        int r = t->rank;
        out->dim[r - 2] = t->dim[r - 1];
        out->dim[r - 1] = t->dim[r - 2];
    }
    bool swapped = transposed && t->rank > 1;
    *row = swapped ? 1 : out->dim[out->rank - 1];
    *column = swapped ? out->dim[out->rank - 2] : 1;
}

/* The batch dimensions of both, broadcast; each lane is the element where the matrix begins. */
static void begin_batches(Cursor *c, const Tensor *x, const Tensor *y)
{
    int rank = x->rank > y->rank ? x->rank : y->rank;
    int64_t dim[IR_MAX_RANK], stride[2][IR_MAX_RANK] = {{0}};
    const Tensor *side[2] = {x, y};
    for (int i = 0; i < rank - 2; i++)
        dim[i] = 1;
    for (int s = 0; s < 2; s++) {
        int64_t step = side[s]->dim[side[s]->rank - 2] * side[s]->dim[side[s]->rank - 1];
        for (int i = side[s]->rank - 2, at = rank - 2; i-- > 0; step *= side[s]->dim[i]) {
            at--;
            if (side[s]->dim[i] == 1)
                continue;
            dim[at] = side[s]->dim[i];
            stride[s][at] = step;
        }
    }
    cursor_begin(c, rank - 2, dim);
    cursor_lane(c, 0, stride[0]);
    cursor_lane(c, 0, stride[1]);
}

bool eval_matmul(const EvalCall *c, Error *err)
{
    Tensor x, y, *out = c->result[0];
    int64_t x_row, x_column, y_row, y_column;
    as_matrix(call_operand(c, "x"), true, call_bool(c, "transpose_x", false), &x, &x_row, &x_column);
    as_matrix(call_operand(c, "y"), false, call_bool(c, "transpose_y", false), &y, &y_row, &y_column);
    int64_t rows = x.dim[x.rank - 2], inner = x.dim[x.rank - 1], columns = y.dim[y.rank - 1];
    if (inner != y.dim[y.rank - 2])
        return call_error(c, err, "the inner dimensions differ");
    Cursor at;
    begin_batches(&at, &x, &y);
    for (int64_t o = 0; at.left > 0; cursor_next(&at))
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < columns; j++) {
                Sum sum = sum_begin(c->engine, 0);
                for (int64_t k = 0; k < inner; k++)
                    sum_add(&sum, tensor_get(&x, at.at[0] + i * x_row + k * x_column),
                            tensor_get(&y, at.at[1] + k * y_row + j * y_column));
                tensor_put(out, o++, sum_end(&sum));
            }
    return true;
}

/* ---- attention: query [..., L, E], key [..., S, E], value [..., S, V] ---- */

/* The weights of one query over all keys, before they are divided by their sum, which is returned. `at` is
 * the first element of its row in the mask, step 0 where the mask has one column. */
static double attend(Engine *engine, const Tensor *q, int64_t q_row, const Tensor *k, int64_t k_first,
                     const Tensor *mask, int64_t at, int64_t step, int64_t keys, int64_t width,
                     double *weight)
{
    double most = -INFINITY, sum = 0;
    for (int64_t s = 0; s < keys; s++) {
        Sum dot = sum_begin(engine, 0);
        for (int64_t e = 0; e < width; e++)
            sum_add(&dot, tensor_get(q, q_row + e), tensor_get(k, k_first + s * width + e));
        weight[s] = sum_end(&dot) / sqrt((double)width);
        if (mask && mask->store == DT_BOOL)
            weight[s] = tensor_get_int(mask, at + s * step) ? weight[s] : -INFINITY;
        else if (mask)
            weight[s] += tensor_get(mask, at + s * step);
        most = fmax(most, weight[s]);
    }
    for (int64_t s = 0; s < keys; s++)
        sum += weight[s] = exp(weight[s] - most);
    return sum;
}

bool eval_attention(const EvalCall *c, Error *err)
{
    const Tensor *q = call_operand(c, "query"), *k = call_operand(c, "key"), *v = call_operand(c, "value"),
                 *mask = call_operand(c, "attn_mask");
    int r = q->rank;
    int64_t keys = k->dim[r - 2], width = q->dim[r - 1], outs = v->dim[r - 1], rows = q->dim[r - 2];
    if (k->rank != r || v->rank != r || k->dim[r - 1] != width || v->dim[r - 2] != keys || !width || !keys)
        return call_error(c, err, "query, key and value do not fit");
    Arena arena = {0};
    double *weight = arena_many(&arena, (size_t)keys, double);
    Tensor scores = *q; /* its shape only, for the mask */
    scores.dim[r - 1] = 1;
    int64_t step = mask && mask->rank && mask->dim[mask->rank - 1] != 1 ? 1 : 0;
    Cursor at;
    cursor_begin(&at, r, scores.dim);
    if (mask)
        cursor_broadcast(&at, mask);
    for (int64_t i = 0; at.left > 0; i++, cursor_next(&at)) {
        int64_t stack = i / rows;
        double sum = attend(c->engine, q, i * width, k, stack * keys * width, mask, at.at[0], step, keys,
                            width, weight);
        for (int64_t o = 0; o < outs; o++) {
            Sum mixed = sum_begin(c->engine, 0);
            for (int64_t s = 0; s < keys; s++)
                sum_add(&mixed, weight[s], tensor_get(v, (stack * keys + s) * outs + o));
            tensor_put(c->result[0], i * outs + o, sum_end(&mixed) / sum);
        }
    }
    arena_free(&arena);
    return true;
}
