/* Rules of lstm, gru and rnn: x [steps, batch, in] -> [steps or 1, batch, directions * hidden], and the last
 * states. */
#include "ir/infer.h"

#include <string.h>

typedef struct Cell {
    int gates, directions;
    int64_t in, hidden;
    bool sequence;
} Cell;

static bool in_set(const Op *op, const char *key, const char *fallback, const char *const *set, Error *err)
{
    const char *name;
    if (!infer_text(op, key, fallback, &name, err))
        return false;
    for (int i = 0; set[i]; i++)
        if (strcmp(name, set[i]) == 0)
            return true;
    return infer_fail(op, err, "there is no %s \"%.40s\"", key, name) >= 0;
}

static bool check_names(const Op *op, bool both, Error *err)
{
    static const char *const directions[] = {"forward", "reverse", "bidirectional", NULL};
    static const char *const one_way[] = {"forward", "reverse", NULL};
    static const char *const activations[] = {"tanh", "scaled_tanh", "sigmoid", "hard_sigmoid",
                                              "relu", "linear",      NULL};
    static const char *const keys[] = {"recurrent_activation", "cell_activation", "activation"};
    if (!in_set(op, "direction", "forward", both ? directions : one_way, err))
        return false;
    for (int i = 0; i < 3; i++)
        if (!in_set(op, keys[i], "tanh", activations, err))
            return false;
    return true;
}

static bool has_shape(const Op *op, const char *key, int rank, int64_t first, int64_t second, Error *err)
{
    const Type *t = infer_type(op, key);
    int64_t dim[2] = {first, second};
    Type want = type_tensor(DT_FP32, rank, dim);
    return !t || dims_fit(t, &want) ||
           infer_fail(op, err, "%s is %s, expected %s", key, shown_dims(t).text, shown_dims(&want).text) >= 0;
}

/* The weights of one direction; `tail` is "" or "_back". */
static bool check_weights(const Op *op, const Cell *c, const char *const key[4], Error *err)
{
    int64_t rows = c->gates * c->hidden;
    return has_shape(op, key[0], 2, rows, c->in, err) && has_shape(op, key[1], 2, rows, c->hidden, err) &&
           has_shape(op, key[2], 1, rows, 0, err) && has_shape(op, key[3], 1, 3 * c->hidden, 0, err);
}

static bool read_cell(const Op *op, int gates, Cell *c, Error *err)
{
    static const char *const forward[4] = {"weight_ih", "weight_hh", "bias", "peephole"};
    static const char *const back[4] = {"weight_ih_back", "weight_hh_back", "bias_back", "peephole_back"};
    static const char *const same[] = {"x",         "initial_h", "initial_c",  "weight_ih",
                                       "weight_hh", "bias",      "input_bias", NULL};
    const Type *x = infer_type(op, "x"), *hh = infer_type(op, "weight_hh");
    const char *direction;
    *c = (Cell){.gates = gates};
    if (x->rank != 3 || hh->rank != 2)
        return infer_fail(op, err,
                          "x %s and weight_hh %s: expected [steps, batch, in] and [%d * hidden, hidden]",
                          shown_dims(x).text, shown_dims(hh).text, gates) >= 0;
    if (!infer_text(op, "direction", "forward", &direction, err) || !check_names(op, gates == 4, err) ||
        !infer_bool(op, "output_sequence", false, &c->sequence, err) || !infer_same_dtype(op, same, err))
        return false;
    c->directions = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
    c->in = x->dim[2];
    c->hidden = hh->dim[1];
    if (c->hidden < 0 || c->hidden > INT32_MAX)
        return infer_fail(op, err, "weight_hh %s: no such size is possible", shown_dims(hh).text) >= 0;
    if (c->directions == 2 && (!op_arg(op, back[0]) || !op_arg(op, back[1])))
        return infer_fail(op, err, "bidirectional needs weight_ih_back and weight_hh_back") >= 0;
    int64_t state = c->directions * c->hidden;
    return check_weights(op, c, forward, err) && (c->directions == 1 || check_weights(op, c, back, err)) &&
           has_shape(op, "initial_h", 2, x->dim[1], state, err) &&
           has_shape(op, "initial_c", 2, x->dim[1], state, err);
}

static int outputs(const Op *op, int gates, int states, Type *out, Error *err)
{
    const Type *x = infer_type(op, "x");
    Cell c;
    if (!read_cell(op, gates, &c, err))
        return -1;
    int64_t dim[3] = {c.sequence ? x->dim[0] : 1, x->dim[1], c.directions * c.hidden};
    out[0] = type_tensor(x->dtype, 3, dim);
    for (int i = 1; i <= states; i++)
        out[i] = type_tensor(x->dtype, 2, dim + 1);
    return 1 + states;
}

int infer_lstm(const Op *op, Type *out, int limit, Error *err)
{
    return outputs(op, 4, 2, out, err);
}

int infer_gru(const Op *op, Type *out, int limit, Error *err)
{
    const Type *hh = infer_type(op, "weight_hh");
    bool after;
    if (!infer_bool(op, "reset_after", false, &after, err) ||
        (hh->rank == 2 && !has_shape(op, "input_bias", 1, hh->dim[0], 0, err)))
        return -1;
    return outputs(op, 3, 1, out, err);
}

int infer_rnn(const Op *op, Type *out, int limit, Error *err)
{
    return outputs(op, 1, 1, out, err);
}
