/* Lists: a tensor of all elements one after the other, the first axis counts them. And classify. */
#include <string.h>

#include "runtime/eval/eval.h"

static int64_t element_count(const Tensor *ls)
{
    int64_t n = 1;
    for (int i = 1; i < ls->rank; i++)
        n *= ls->dim[i];
    return n;
}

static bool in_list(const EvalCall *c, int64_t index, const Tensor *ls, Error *err)
{
    return (index >= 0 && index < ls->dim[0]) ||
           call_error(c, err, "index %lld is out of range for a list of %lld", (long long)index,
                      (long long)ls->dim[0]);
}

/* The result holds zeros already. */
bool eval_make_list(const EvalCall *c, Error *err)
{
    for (int64_t i = 0; i < c->result[0]->count; i++)
        tensor_put_int(c->result[0], i, 0);
    return true;
}

bool eval_list_length(const EvalCall *c, Error *err)
{
    tensor_put_int(c->result[0], 0, call_operand(c, "ls")->dim[0]);
    return true;
}

/* Elements by number, one after the other. */
static bool gather_elements(const EvalCall *c, const Tensor *indices, Error *err)
{
    const Tensor *ls = call_operand(c, "ls");
    int64_t n = element_count(ls);
    if (c->result[0]->count != n * indices->count)
        return call_error(c, err, "the elements have another shape than was declared");
    for (int64_t i = 0; i < indices->count; i++) {
        int64_t index = tensor_get_int(indices, i);
        if (!in_list(c, index, ls, err))
            return false;
        tensor_move(c->result[0], i * n, ls, index * n, n);
    }
    return true;
}

bool eval_list_read(const EvalCall *c, Error *err)
{
    return gather_elements(c, call_operand(c, "index"), err);
}

bool eval_list_gather(const EvalCall *c, Error *err)
{
    return gather_elements(c, call_operand(c, "indices"), err);
}

/* A copy, as long as it has to be, with zeros where nothing was, and the values in their places. A list that
 * was made without a shape has no elements yet. */
static bool scatter_elements(const EvalCall *c, const Tensor *indices, Error *err)
{
    const Tensor *ls = call_operand(c, "ls"), *value = call_operand(c, "value");
    Tensor *out = c->result[0];
    int64_t n = element_count(out);
    if (value->count != n * indices->count || (ls->count && element_count(ls) != n))
        return call_error(c, err, "the value has another shape than the list's elements");
    if (ls->count > out->count)
        return call_error(c, err, "the list would become shorter");
    tensor_move(out, 0, ls, 0, ls->count);
    for (int64_t i = ls->count; i < out->count; i++)
        tensor_put_int(out, i, 0);
    for (int64_t i = 0; i < indices->count; i++) {
        int64_t index = tensor_get_int(indices, i);
        if (!in_list(c, index, out, err))
            return false;
        tensor_move(out, index * n, value, i * n, n);
    }
    return true;
}

bool eval_list_write(const EvalCall *c, Error *err)
{
    return scatter_elements(c, call_operand(c, "index"), err);
}

bool eval_list_scatter(const EvalCall *c, Error *err)
{
    return scatter_elements(c, call_operand(c, "indices"), err);
}

/* The first of the likeliest classes; the dictionary's values are the probabilities, in the classes' order.
 */
bool eval_classify(const EvalCall *c, Error *err)
{
    const Value *v = op_arg(c->op, "classes");
    const Literal *classes = v ? value_literal(v) : NULL;
    const Tensor *x = call_operand(c, "probabilities");
    int64_t best = 0;
    if (!classes || classes->kind != LIT_TREE || x->count < 1 || (int64_t)classes->count != x->count)
        return call_error(c, err, "there is not one class for each probability");
    for (int64_t i = 0; i < x->count; i++) {
        best = tensor_get(x, i) > tensor_get(x, best) ? i : best;
        tensor_put(c->result[1], i, tensor_get(x, i));
    }
    const Literal *class = classes->children[best];
    if (class->kind == LIT_STRING)
        c->result[0]->string = class->strings[0];
    else
        tensor_put_int(c->result[0], 0, class->ints[0]);
    return true;
}
