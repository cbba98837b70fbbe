/* Products: linear, matmul. */
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
        double sum = bias ? tensor_get(bias, bias->count == 1 ? 0 : o) : 0;
        for (int64_t k = 0; k < ins; k++)
            sum += tensor_get(x, row * ins + k) * tensor_get(weight, o * ins + k);
        tensor_put(out, i, sum);
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
                double sum = 0;
                for (int64_t k = 0; k < inner; k++)
                    sum += tensor_get(&x, at.at[0] + i * x_row + k * x_column) *
                           tensor_get(&y, at.at[1] + k * y_row + j * y_column);
                tensor_put(out, o++, sum);
            }
    return true;
}
