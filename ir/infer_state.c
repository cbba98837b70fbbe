/* Rules of states, and of the KV cache in models. */
#include "ir/infer.h"

int infer_read_state(const Op *op, Type *out, int limit, Error *err)
{
    out[0] = *infer_type(op, "input");
    out[0].kind = TY_TENSOR;
    return 1;
}

int infer_write_state(const Op *op, Type *out, int limit, Error *err)
{
    const Type *state = infer_type(op, "input"), *data = infer_type(op, "data");
    if (data->dtype != state->dtype || !dims_fit(data, state))
        return infer_fail(op, err, "data %s cannot be written to input %s: the types must be the same",
                          shown_type(data).text, shown_type(state).text);
    return 0;
}

/* S becomes T. Where S has a length already (a specialised model), only the declaration knows T. */
int infer_cache(const Op *op, Type *out, int limit, Error *err)
{
    const Type *x = infer_type(op, "x");
    int tokens = 0;
    out[0] = *x;
    for (int i = 0; i < x->rank; i++) {
        tokens += x->dim[i] == DIM_S;
        if (x->dim[i] == DIM_S)
            out[0].dim[i] = DIM_T;
    }
    if (tokens == 0 && type_is_static(x) && op->results == 1) {
        out[0] = *op->result[0]->type;
        return 1;
    }
    if (tokens != 1)
        return infer_fail(op, err, "x %s must have exactly one axis S, that of the tokens",
                          shown_dims(x).text);
    return 1;
}
