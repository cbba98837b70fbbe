/* Types and constants. Which field of TensorValue holds a type is what Core ML's own writer chooses: fp16 and
 * everything of 8 bits or fewer are bytes, int16 and uint16 are ints (coremltools, backend/mil/helper.py). */
#include <string.h>

#include "backend/mlpackage/encode.h"
#include "base/half.h"
#include "ir/literal.h"

static const struct {
    DType dtype;
    int code, feature;
} codes[] = {
    {DT_BOOL, 1, 0},   {DT_STRING, 2, 0}, {DT_FP16, 10, 65552}, {DT_FP32, 11, 65568},   {DT_FP64, 12, 65600},
    {DT_BF16, 13, 0},  {DT_INT8, 21, 0},  {DT_INT16, 22, 0},    {DT_INT32, 23, 131104}, {DT_INT64, 24, 0},
    {DT_INT4, 25, 0},  {DT_UINT8, 31, 0}, {DT_UINT16, 32, 0},   {DT_UINT32, 33, 0},     {DT_UINT64, 34, 0},
    {DT_UINT4, 35, 0}, {DT_UINT2, 36, 0}, {DT_UINT1, 37, 0},    {DT_UINT6, 38, 0},      {DT_UINT3, 39, 0},
};

int encode_dtype(DType d)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].dtype == d)
            return codes[i].code;
    return 0;
}

int encode_feature_dtype(DType d)
{
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i].dtype == d)
            return codes[i].feature;
    return 0;
}

/* ---- types ---- */

static Cm__Dimension *encode_dim(Arena *a, int64_t d)
{
    Cm__Dimension *out = arena_new(a, Cm__Dimension);
    cm__dimension__init(out);
    if (d < 0) {
        out->dimension_case = CM__DIMENSION__DIMENSION_UNKNOWN;
        out->unknown = arena_new(a, Cm__UnknownDimension);
        cm__unknown_dimension__init(out->unknown);
    } else {
        out->dimension_case = CM__DIMENSION__DIMENSION_CONSTANT;
        out->constant = arena_new(a, Cm__ConstantDimension);
        cm__constant_dimension__init(out->constant);
        out->constant->size = (uint64_t)d;
    }
    return out;
}

static Cm__TensorType *encode_tensor_type(Arena *a, const Type *t)
{
    Cm__TensorType *out = arena_new(a, Cm__TensorType);
    cm__tensor_type__init(out);
    out->datatype = encode_dtype(t->dtype);
    out->rank = t->rank;
    out->n_dimensions = (size_t)t->rank;
    out->dimensions = arena_many(a, (size_t)t->rank, Cm__Dimension *);
    for (int i = 0; i < t->rank; i++)
        out->dimensions[i] = encode_dim(a, t->dim[i]);
    return out;
}

static bool encode_elements(Arena *a, const Type *t, Cm__ValueType **out, Error *err)
{
    for (int i = 0; i < t->elements; i++)
        if (!(out[i] = encode_type(a, t->element[i], err)))
            return false;
    return true;
}

static bool encode_container(Arena *a, const Type *t, Cm__ValueType *v, Error *err)
{
    Cm__ValueType **of = arena_many(a, (size_t)t->elements, Cm__ValueType *);
    if (!encode_elements(a, t, of, err))
        return false;
    if (t->kind == TY_LIST) {
        v->type_case = CM__VALUE_TYPE__TYPE_LIST_TYPE;
        v->listtype = arena_new(a, Cm__ListType);
        cm__list_type__init(v->listtype);
        v->listtype->type = of[0];
        v->listtype->length = encode_dim(a, t->list_length);
    } else if (t->kind == TY_DICT) {
        v->type_case = CM__VALUE_TYPE__TYPE_DICTIONARY_TYPE;
        v->dictionarytype = arena_new(a, Cm__DictionaryType);
        cm__dictionary_type__init(v->dictionarytype);
        v->dictionarytype->keytype = of[0];
        v->dictionarytype->valuetype = of[1];
    } else {
        v->type_case = CM__VALUE_TYPE__TYPE_TUPLE_TYPE;
        v->tupletype = arena_new(a, Cm__TupleType);
        cm__tuple_type__init(v->tupletype);
        v->tupletype->types = of;
        v->tupletype->n_types = (size_t)t->elements;
    }
    return true;
}

Cm__ValueType *encode_type(Arena *a, const Type *t, Error *err)
{
    Cm__ValueType *v = arena_new(a, Cm__ValueType);
    cm__value_type__init(v);
    if (t->kind == TY_BUFFER) {
        error_set(err, "a Core ML package cannot hold values of type %s", type_text(a, t));
        return NULL;
    }
    if (t->kind == TY_TENSOR) {
        v->type_case = CM__VALUE_TYPE__TYPE_TENSOR_TYPE;
        v->tensortype = encode_tensor_type(a, t);
        return v;
    }
    if (t->kind != TY_STATE)
        return encode_container(a, t, v, err) ? v : NULL;
    Type held = *t;
    held.kind = TY_TENSOR;
    v->type_case = CM__VALUE_TYPE__TYPE_STATE_TYPE;
    v->statetype = arena_new(a, Cm__StateType);
    cm__state_type__init(v->statetype);
    v->statetype->wrappedtype = encode_type(a, &held, err);
    return v->statetype->wrappedtype ? v : NULL;
}

/* ---- constants ---- */

/* Elements one after the other in little-endian bit order, of any width up to 64. */
static void pack_bits(uint8_t *out, size_t index, int bits, uint64_t v)
{
    for (int b = 0; b < bits; b++) {
        size_t at = index * (size_t)bits + (size_t)b;
        if (v >> b & 1)
            out[at / 8] |= (uint8_t)(1u << at % 8);
    }
}

static void encode_bytes(Arena *a, DType d, const Literal *l, Cm__TensorValue *v)
{
    int bits = dtype_info[d].bits;
    v->value_case = CM__TENSOR_VALUE__VALUE_BYTES;
    v->bytes = arena_new(a, Cm__RepeatedBytes);
    cm__repeated_bytes__init(v->bytes);
    v->bytes->values.len = (l->count * (size_t)bits + 7) / 8;
    v->bytes->values.data = arena_alloc(a, v->bytes->values.len);
    for (size_t i = 0; i < l->count; i++) {
        uint64_t value = 0;
        if (d == DT_FP16)
            value = half_from_float((float)l->floats[i]);
        else if (d == DT_BF16)
            value = float_bits((float)l->floats[i]) >> 16;
        else
            value = (uint64_t)l->ints[i];
        pack_bits(v->bytes->values.data, i, bits, value);
    }
}

#define ENCODE_NUMBERS(WHICH, CASE, T, prefix, field, from)                                                  \
    do {                                                                                                     \
        v->value_case = CM__TENSOR_VALUE__VALUE_##CASE;                                                      \
        v->field = arena_new(a, T);                                                                          \
        prefix##__init(v->field);                                                                            \
        v->field->n_values = l->count;                                                                       \
        v->field->values = arena_array(a, l->count, sizeof *v->field->values);                               \
        for (size_t i = 0; i < l->count; i++)                                                                \
            v->field->values[i] = (WHICH)l->from[i];                                                         \
    } while (0)

static void encode_strings(Arena *a, const Literal *l, Cm__TensorValue *v)
{
    v->value_case = CM__TENSOR_VALUE__VALUE_STRINGS;
    v->strings = arena_new(a, Cm__RepeatedStrings);
    cm__repeated_strings__init(v->strings);
    v->strings->n_values = l->count;
    v->strings->values = arena_many(a, l->count, char *);
    for (size_t i = 0; i < l->count; i++)
        v->strings->values[i] = arena_str(a, l->strings[i], strlen(l->strings[i]));
}

static Cm__TensorValue *encode_tensor(Arena *a, DType d, const Literal *l)
{
    Cm__TensorValue *v = arena_new(a, Cm__TensorValue);
    cm__tensor_value__init(v);
    if (d == DT_STRING)
        encode_strings(a, l, v);
    else if (d == DT_BOOL)
        ENCODE_NUMBERS(protobuf_c_boolean, BOOLS, Cm__RepeatedBools, cm__repeated_bools, bools, ints);
    else if (d == DT_INT64 || d == DT_UINT64)
        ENCODE_NUMBERS(int64_t, LONG_INTS, Cm__RepeatedLongInts, cm__repeated_long_ints, longints, ints);
    else if (d == DT_INT16 || d == DT_UINT16 || d == DT_INT32 || d == DT_UINT32)
        ENCODE_NUMBERS(int32_t, INTS, Cm__RepeatedInts, cm__repeated_ints, ints, ints);
    else if (d == DT_FP32)
        ENCODE_NUMBERS(float, FLOATS, Cm__RepeatedFloats, cm__repeated_floats, floats, floats);
    else if (d == DT_FP64)
        ENCODE_NUMBERS(double, DOUBLES, Cm__RepeatedDoubles, cm__repeated_doubles, doubles, floats);
    else
        encode_bytes(a, d, l, v);
    return v;
}

/* The type of the n-th child of a container. */
static const Type *child_type(const Type *t, size_t n)
{
    return t->element[t->kind == TY_LIST ? 0 : t->kind == TY_DICT ? n % 2 : n];
}

static void encode_pairs(Arena *a, Cm__Value **of, size_t count, Cm__ImmediateValue *v)
{
    v->value_case = CM__IMMEDIATE_VALUE__VALUE_DICTIONARY;
    v->dictionary = arena_new(a, Cm__DictionaryValue);
    cm__dictionary_value__init(v->dictionary);
    v->dictionary->n_values = count / 2;
    v->dictionary->values = arena_many(a, count / 2, Cm__KeyValuePair *);
    for (size_t i = 0; i < count / 2; i++) {
        Cm__KeyValuePair *pair = v->dictionary->values[i] = arena_new(a, Cm__KeyValuePair);
        cm__key_value_pair__init(pair);
        pair->key = of[2 * i];
        pair->value = of[2 * i + 1];
    }
}

static bool encode_tree(Arena *a, const Type *t, const Literal *l, Cm__ImmediateValue *v, Error *err)
{
    Cm__Value **of = arena_many(a, l->count, Cm__Value *);
    for (size_t i = 0; i < l->count; i++)
        if (!(of[i] = encode_value(a, child_type(t, i), l->children[i], err)))
            return false;
    if (t->kind == TY_DICT) {
        encode_pairs(a, of, l->count, v);
    } else if (t->kind == TY_LIST) {
        v->value_case = CM__IMMEDIATE_VALUE__VALUE_LIST;
        v->list = arena_new(a, Cm__ListValue);
        cm__list_value__init(v->list);
        v->list->n_values = l->count;
        v->list->values = of;
    } else {
        v->value_case = CM__IMMEDIATE_VALUE__VALUE_TUPLE;
        v->tuple = arena_new(a, Cm__TupleValue);
        cm__tuple_value__init(v->tuple);
        v->tuple->n_values = l->count;
        v->tuple->values = of;
    }
    return true;
}

Cm__Value *encode_value(Arena *a, const Type *t, const Literal *l, Error *err)
{
    Cm__Value *v = arena_new(a, Cm__Value);
    cm__value__init(v);
    v->type = encode_type(a, t, err);
    if (!v->type)
        return NULL;
    if (l->kind == LIT_BLOB) {
        v->value_case = CM__VALUE__VALUE_BLOB_FILE_VALUE;
        v->blobfilevalue = arena_new(a, Cm__BlobFileValue);
        cm__blob_file_value__init(v->blobfilevalue);
        v->blobfilevalue->filename = arena_str(a, l->blob.path, strlen(l->blob.path));
        v->blobfilevalue->offset = l->blob.offset;
        return v;
    }
    if (l->kind == LIT_WEIGHT) {
        error_set(err, "the weight %s has no place in a file yet", l->weight.name ? l->weight.name : "");
        return NULL;
    }
    v->value_case = CM__VALUE__VALUE_IMMEDIATE_VALUE;
    v->immediatevalue = arena_new(a, Cm__ImmediateValue);
    cm__immediate_value__init(v->immediatevalue);
    if (l->kind == LIT_TREE)
        return encode_tree(a, t, l, v->immediatevalue, err) ? v : NULL;
    v->immediatevalue->value_case = CM__IMMEDIATE_VALUE__VALUE_TENSOR;
    v->immediatevalue->tensor = encode_tensor(a, t->dtype, l);
    return v;
}
