/* Rules of lists (of tensors of one shape, read and written by number), and of classify. */
#include "ir/infer.h"

#include <string.h>

/* The type of a list's elements; NULL with err set where they are no tensors. */
static const Type *element_of(const Op *op, Error *err)
{
    const Type *ls = infer_type(op, "ls"), *element = ls->element[0];
    if (element->kind == TY_TENSOR)
        return element;
    infer_fail(op, err, "ls is %s, expected a list of tensors", shown_type(ls).text);
    return NULL;
}

/* One integer; its value where it is known, else -1. */
static bool read_index(const Op *op, int64_t *index, Error *err)
{
    const Type *t = infer_type(op, "index");
    if (t->rank != 0 || !dtype_is_int(t->dtype))
        return infer_fail(op, err, "index is %s, expected one integer", shown_type(t).text) >= 0;
    if (!arg_int(op, "index", index))
        *index = -1;
    return *index >= -1 || infer_fail(op, err, "index is %lld", (long long)*index) >= 0;
}

/* Whether a value whose first `skipped` axes are left out can be an element. */
static bool fits_element(const Type *value, int skipped, const Type *element)
{
    Type rest = *value;
    rest.rank -= skipped;
    if (rest.rank < 0 || value->dtype != element->dtype)
        return false;
    memmove(rest.dim, rest.dim + skipped, (size_t)rest.rank * sizeof *rest.dim);
    return dims_fit(&rest, element);
}

/* The length after something was written at `index` (-1: not known where). */
static int64_t length_after(const Type *ls, int64_t index)
{
    if (ls->list_length < 0 || index < 0)
        return ls->list_length;
    return index < ls->list_length ? ls->list_length : index + 1;
}

/* ---- making ---- */

/* What is said of one axis: a number, or a name for one that is not known. */
static bool declared_axis(const Op *op, const Value *v, int64_t *out, Error *err)
{
    const Literal *l = value_literal(v);
    if (!l || l->count != 1 || (l->kind != LIT_INT && l->kind != LIT_STRING))
        return infer_fail(op, err, "elem_shape must be constants: lengths, or names of unknown ones") >= 0;
    *out = l->kind == LIT_INT ? l->ints[0] : DIM_UNKNOWN;
    return true;
}

/* The result's type is the declared one: there is no other place for the elements' type. */
int infer_make_list(const Op *op, Type *out, int limit, Error *err)
{
    const Type *declared = op->results == 1 ? op->result[0]->type : NULL;
    const Arg *shape = op_find_arg(op, "elem_shape");
    const char *name;
    int64_t length;
    bool dynamic, known = arg_int(op, "init_length", &length);
    Type element = {.kind = TY_TENSOR};
    if (!infer_text(op, "dtype", "fp32", &name, err) ||
        !infer_bool(op, "dynamic_length", true, &dynamic, err))
        return -1;
    element.dtype = dtype_from_name(name, strlen(name));
    for (int i = 0; shape && i < shape->count; i++, element.rank++)
        if (i == IR_MAX_RANK || !declared_axis(op, shape->values[i], &element.dim[i], err))
            return -1;
    if (!declared || declared->kind != TY_LIST || declared->element[0]->kind != TY_TENSOR)
        return infer_fail(op, err, "its result must be declared as a list of tensors");
    if (declared->element[0]->dtype != element.dtype || !dims_fit(declared->element[0], &element))
        return infer_fail(op, err, "its result is declared as %s, but its elements are %s",
                          shown_type(declared).text, shown_type(&element).text);
    if (known && length < 0)
        return infer_fail(op, err, "init_length is %lld", (long long)length);
    out[0] = *declared;
    if (known || !op_arg(op, "init_length"))
        out[0].list_length = known ? length : 1;
    return 1;
}

/* ---- reading and writing ---- */

int infer_list_length(const Op *op, Type *out, int limit, Error *err)
{
    out[0] = type_scalar(DT_INT32);
    return element_of(op, err) ? 1 : -1;
}

int infer_list_read(const Op *op, Type *out, int limit, Error *err)
{
    const Type *element = element_of(op, err);
    int64_t index;
    if (!element || !read_index(op, &index, err))
        return -1;
    out[0] = *element;
    return 1;
}

int infer_list_gather(const Op *op, Type *out, int limit, Error *err)
{
    const Type *element = element_of(op, err), *indices = infer_type(op, "indices");
    if (!element)
        return -1;
    if (indices->rank != 1 || !dtype_is_int(indices->dtype) || element->rank == IR_MAX_RANK)
        return infer_fail(op, err, "indices is %s, expected a row of integers", shown_type(indices).text);
    out[0] = (Type){.kind = TY_TENSOR, .dtype = element->dtype, .rank = element->rank + 1};
    out[0].dim[0] = indices->dim[0];
    memcpy(out[0].dim + 1, element->dim, (size_t)element->rank * sizeof *element->dim);
    return 1;
}

int infer_list_write(const Op *op, Type *out, int limit, Error *err)
{
    const Type *element = element_of(op, err), *value = infer_type(op, "value");
    int64_t index;
    if (!element || !read_index(op, &index, err))
        return -1;
    if (!fits_element(value, 0, element))
        return infer_fail(op, err, "value is %s, but ls is %s", shown_type(value).text,
                          shown_type(infer_type(op, "ls")).text);
    out[0] = *infer_type(op, "ls");
    out[0].list_length = length_after(&out[0], index);
    return 1;
}

int infer_list_scatter(const Op *op, Type *out, int limit, Error *err)
{
    const Type *element = element_of(op, err), *value = infer_type(op, "value"),
               *indices = infer_type(op, "indices");
    const Literal *l = value_literal(op_arg(op, "indices"));
    if (!element)
        return -1;
    if (indices->rank != 1 || !dtype_is_int(indices->dtype) || value->rank < 1 ||
        !dim_fits(value->dim[0], indices->dim[0]) || !fits_element(value, 1, element))
        return infer_fail(op, err, "value is %s and indices %s, but ls is %s", shown_type(value).text,
                          shown_type(indices).text, shown_type(infer_type(op, "ls")).text);
    out[0] = *infer_type(op, "ls");
    for (size_t i = 0; l && l->kind == LIT_INT && i < l->count; i++)
        out[0].list_length = length_after(&out[0], l->ints[i]);
    return 1;
}

/* ---- classify ---- */

/* The likeliest class, and a dictionary of all probabilities; its type is the declared one. */
int infer_classify(const Op *op, Type *out, int limit, Error *err)
{
    const Type *probabilities = infer_type(op, "probabilities"), *classes = infer_type(op, "classes");
    const Type *class = classes->element[0];
    int64_t count = type_elements(probabilities);
    if (!dtype_is_float(probabilities->dtype))
        return infer_fail(op, err, "probabilities is %s, expected floats", shown_type(probabilities).text);
    if (class->kind != TY_TENSOR || class->rank != 0 ||
        (class->dtype != DT_STRING && class->dtype != DT_INT64))
        return infer_fail(op, err, "classes is %s, expected a list of strings or of int64",
                          shown_type(classes).text);
    if (!value_literal(op_arg(op, "classes")))
        return infer_fail(op, err, "classes must be a constant");
    if (count >= 0 && classes->list_length >= 0 && count != classes->list_length)
        return infer_fail(op, err, "there are %lld classes for probabilities %s",
                          (long long)classes->list_length, shown_dims(probabilities).text);
    const Type *declared = op->results == 2 ? op->result[1]->type : NULL;
    if (!declared || declared->kind != TY_DICT || declared->element[0]->dtype != class->dtype ||
        !dtype_is_float(declared->element[1]->dtype))
        return infer_fail(op, err, "its results are a %s and a dictionary of such to fp64",
                          dtype_info[class->dtype].name);
    out[0] = *class;
    out[1] = *declared;
    return 2;
}
