/* Types and constants. A tensor's numbers may be in any field of TensorValue: which one writers use for a
 * type has changed with their versions. */
#include <stdlib.h>
#include <string.h>

#include "base/half.h"
#include "frontend/mlpackage/decode.h"
#include "ir/literal.h"

/* ---- types ---- */

static DType dtype_of(int code)
{
    static const DType list[] = {
        [1] = DT_BOOL,   [2] = DT_STRING, [10] = DT_FP16,   [11] = DT_FP32,   [12] = DT_FP64,
        [13] = DT_BF16,  [21] = DT_INT8,  [22] = DT_INT16,  [23] = DT_INT32,  [24] = DT_INT64,
        [25] = DT_INT4,  [31] = DT_UINT8, [32] = DT_UINT16, [33] = DT_UINT32, [34] = DT_UINT64,
        [35] = DT_UINT4, [36] = DT_UINT2, [37] = DT_UINT1,  [38] = DT_UINT6,  [39] = DT_UINT3,
    };
    return code > 0 && code < (int)(sizeof list / sizeof *list) ? list[code] : DT_NONE;
}

static bool decode_dim(const Cm__Dimension *d, int64_t *out, Error *err)
{
    *out = DIM_UNKNOWN;
    if (d && d->dimension_case == CM__DIMENSION__DIMENSION_CONSTANT && d->constant) {
        if (d->constant->size > (uint64_t)1 << 62)
            return error_set(err, "a length of %llu cannot be", (unsigned long long)d->constant->size);
        *out = (int64_t)d->constant->size;
    } else if (d && d->dimension_case == CM__DIMENSION__DIMENSION_UNKNOWN && d->unknown &&
               d->unknown->variadic) {
        return error_set(err, "tensors of an unknown number of axes cannot be read");
    }
    return true;
}

static bool decode_tensor_type(const Decode *d, const Cm__TensorType *t, Type *out, Error *err)
{
    out->dtype = t ? dtype_of(t->datatype) : DT_NONE;
    if (out->dtype == DT_NONE)
        return error_set(err, "there is no element type %d", t ? (int)t->datatype : 0);
    if (t->n_dimensions > IR_MAX_RANK || t->rank != (int64_t)t->n_dimensions)
        return error_set(err, "a tensor of rank %lld with %zu lengths; at most %d axes can be read",
                         (long long)t->rank, t->n_dimensions, (int)IR_MAX_RANK);
    out->rank = (int)t->rank;
    out->bare = d->bare && !out->rank;
    for (int i = 0; i < out->rank; i++)
        if (!decode_dim(t->dimensions[i], &out->dim[i], err))
            return false;
    return true;
}

static bool decode_elements(const Decode *d, Cm__ValueType *const *from, size_t count, Type *out, Error *err)
{
    out->element = arena_many(d->arena, count, const Type *);
    for (size_t i = 0; i < count; i++, out->elements++) {
        const Type *e = out->element[i] = decode_type(d, from[i], err);
        if (!e)
            return false;
        if (e->kind == TY_STATE)
            return error_set(err, "a state cannot be an element");
    }
    return true;
}

static bool decode_state(const Decode *d, const Cm__StateType *s, Type *out, Error *err)
{
    const Type *held = decode_type(d, s ? s->wrappedtype : NULL, err);
    if (!held)
        return false;
    if (held->kind != TY_TENSOR)
        return error_set(err, "a state holds a tensor");
    *out = *held;
    out->kind = TY_STATE;
    return true;
}

static bool decode_any_type(const Decode *d, const Cm__ValueType *t, Type *out, Error *err)
{
    switch (t ? t->type_case : CM__VALUE_TYPE__TYPE__NOT_SET) {
    case CM__VALUE_TYPE__TYPE_TENSOR_TYPE: return decode_tensor_type(d, t->tensortype, out, err);
    case CM__VALUE_TYPE__TYPE_STATE_TYPE: return decode_state(d, t->statetype, out, err);
    case CM__VALUE_TYPE__TYPE_LIST_TYPE:
        out->kind = TY_LIST;
        return decode_dim(t->listtype->length, &out->list_length, err) &&
               decode_elements(d, &t->listtype->type, 1, out, err);
    case CM__VALUE_TYPE__TYPE_TUPLE_TYPE:
        out->kind = TY_TUPLE;
        return decode_elements(d, t->tupletype->types, t->tupletype->n_types, out, err);
    case CM__VALUE_TYPE__TYPE_DICTIONARY_TYPE: {
        Cm__ValueType *of[] = {t->dictionarytype->keytype, t->dictionarytype->valuetype};
        out->kind = TY_DICT;
        return decode_elements(d, of, 2, out, err);
    }
    default: return error_set(err, "a type is missing");
    }
}

const Type *decode_type(const Decode *d, const Cm__ValueType *t, Error *err)
{
    Type out = {.kind = TY_TENSOR};
    return decode_any_type(d, t, &out, err) ? type_copy(d->arena, &out) : NULL;
}

/* ---- numbers ---- */

/* Element `index` of little-endian bytes, of any width. */
static uint64_t unpack_bits(const uint8_t *bytes, size_t index, int bits)
{
    uint64_t v = 0;
    for (int b = 0; b < bits; b++) {
        size_t at = index * (size_t)bits + (size_t)b;
        v |= (uint64_t)(bytes[at / 8] >> at % 8 & 1) << b;
    }
    return v;
}

static int64_t sign_extended(uint64_t v, int bits, DClass class)
{
    if (class == CLASS_INT && bits < 64 && v >> (bits - 1) & 1)
        v |= ~(uint64_t)0 << bits;
    return (int64_t)v;
}

static double float_of_bits(DType d, uint64_t v)
{
    double wide;
    switch (d) {
    case DT_FP16: return half_to_float((uint16_t)v);
    case DT_BF16: return bf16_to_float((uint16_t)v);
    case DT_FP32: return float_from_bits((uint32_t)v);
    default: memcpy(&wide, &v, sizeof wide); return wide;
    }
}

static bool decode_bytes(const Decode *d, const Type *t, const Cm__RepeatedBytes *from, Literal *out,
                         Error *err)
{
    const DTypeInfo *info = &dtype_info[t->dtype];
    size_t size = from->values.len, bits = (size_t)info->bits;
    int64_t elements = type_elements(t);
    if (!bits)
        return error_set(err, "strings in place of numbers");
    /* Of a shape with `?` the bytes decide; only whole elements of at least 8 bits can be counted so. */
    out->count = elements >= 0 ? (size_t)elements : size * 8 / bits;
    if (out->count > size * 8 / bits || (out->count * bits + 7) / 8 != size)
        return error_set(err, "%zu bytes for %zu elements of %s", size, out->count, info->name);
    int64_t *ints = arena_many(d->arena, out->count, int64_t);
    double *floats = (double *)(void *)ints; /* of one width */
    for (size_t i = 0; i < out->count; i++) {
        uint64_t v = unpack_bits(from->values.data, i, info->bits);
        if (out->kind == LIT_FLOAT)
            floats[i] = float_of_bits(t->dtype, v);
        else
            ints[i] = sign_extended(v, info->bits, info->class);
    }
    if (out->kind == LIT_FLOAT)
        out->floats = floats;
    else
        out->ints = ints;
    return true;
}

#define DECODE_NUMBERS(from)                                                                                 \
    do {                                                                                                     \
        out->count = (from)->n_values;                                                                       \
        if (out->kind == LIT_FLOAT) {                                                                        \
            double *to_ = arena_many(d->arena, out->count, double);                                          \
            for (size_t i = 0; i < out->count; i++)                                                          \
                to_[i] = float_round(t->dtype, (double)(from)->values[i]);                                   \
            out->floats = to_;                                                                               \
        } else {                                                                                             \
            int64_t *to_ = arena_many(d->arena, out->count, int64_t);                                        \
            for (size_t i = 0; i < out->count; i++)                                                          \
                to_[i] = (int64_t)(from)->values[i];                                                         \
            out->ints = to_;                                                                                 \
        }                                                                                                    \
    } while (0)

static void decode_strings(const Decode *d, const Cm__RepeatedStrings *from, Literal *out)
{
    const char **strings = arena_many(d->arena, from->n_values, const char *);
    for (size_t i = 0; i < from->n_values; i++)
        strings[i] = arena_str(d->arena, from->values[i], strlen(from->values[i]));
    out->count = from->n_values;
    out->strings = strings;
}

/* What stands in uint32's place is the same bits as int32. */
static void wrap_unsigned(const Type *t, const Cm__TensorValue *v, Literal *out)
{
    if (t->dtype != DT_UINT32 || v->value_case != CM__TENSOR_VALUE__VALUE_INTS)
        return;
    for (size_t i = 0; i < out->count; i++)
        ((int64_t *)(uintptr_t)out->ints)[i] = (int64_t)(uint32_t)out->ints[i];
}

static bool decode_tensor(const Decode *d, const Type *t, const Cm__TensorValue *v, Literal *out, Error *err)
{
    DClass class = dtype_info[t->dtype].class;
    out->kind = class == CLASS_STRING ? LIT_STRING : class == CLASS_FLOAT ? LIT_FLOAT : LIT_INT;
    bool strings = v->value_case == CM__TENSOR_VALUE__VALUE_STRINGS;
    bool real =
        v->value_case == CM__TENSOR_VALUE__VALUE_FLOATS || v->value_case == CM__TENSOR_VALUE__VALUE_DOUBLES;
    if (v->value_case != CM__TENSOR_VALUE__VALUE__NOT_SET &&
        (strings != (out->kind == LIT_STRING) || (real && out->kind == LIT_INT)))
        return error_set(err, "the numbers of a constant are not of its type, %s", type_text(d->arena, t));
    switch (v->value_case) {
    case CM__TENSOR_VALUE__VALUE_FLOATS: DECODE_NUMBERS(v->floats); break;
    case CM__TENSOR_VALUE__VALUE_INTS: DECODE_NUMBERS(v->ints); break;
    case CM__TENSOR_VALUE__VALUE_BOOLS: DECODE_NUMBERS(v->bools); break;
    case CM__TENSOR_VALUE__VALUE_LONG_INTS: DECODE_NUMBERS(v->longints); break;
    case CM__TENSOR_VALUE__VALUE_DOUBLES: DECODE_NUMBERS(v->doubles); break;
    case CM__TENSOR_VALUE__VALUE_STRINGS: decode_strings(d, v->strings, out); break;
    case CM__TENSOR_VALUE__VALUE_BYTES: return decode_bytes(d, t, v->bytes, out, err);
    default: break;
    }
    wrap_unsigned(t, v, out);
    return true;
}

/* ---- containers ---- */

static bool add_child(const Decode *d, const Type *expected, const Cm__Value *v, Literal **to, Error *err)
{
    const Type *type;
    const Literal *l = decode_value(d, v, &type, err);
    if (!l)
        return false;
    if (!type_equal(type, expected))
        return error_set(err, "an element of type %s in place of %s", type_text(d->arena, type),
                         type_text(d->arena, expected));
    *to = (Literal *)(uintptr_t)l;
    return true;
}

static int by_key(const void *a, const void *b)
{
    const Literal *x = *(Literal *const *)a, *y = *(Literal *const *)b;
    return strcmp(x->strings[0], y->strings[0]);
}

/* By their keys, as Apple's compiler prints them; the writers of packages have any order. */
static void sort_pairs(const Type *t, Literal **children, size_t n)
{
    if (t->element[0]->kind != TY_TENSOR || t->element[0]->dtype != DT_STRING)
        return;
    for (size_t i = 0; i < n; i += 2)
        if (children[i]->kind != LIT_STRING || children[i]->count != 1)
            return;
    if (n)
        qsort(children, n / 2, 2 * sizeof *children, by_key);
}

static bool decode_tree(const Decode *d, const Type *t, const Cm__ImmediateValue *v, Literal *out, Error *err)
{
    bool list = v->value_case == CM__IMMEDIATE_VALUE__VALUE_LIST;
    bool dict = v->value_case == CM__IMMEDIATE_VALUE__VALUE_DICTIONARY;
    if (t->kind != (list ? TY_LIST : dict ? TY_DICT : TY_TUPLE))
        return error_set(err, "a constant is not of its type, %s", type_text(d->arena, t));
    size_t n = list ? v->list->n_values : dict ? 2 * v->dictionary->n_values : v->tuple->n_values;
    if (t->kind == TY_TUPLE && n != (size_t)t->elements)
        return error_set(err, "a tuple of %zu elements, expected %d", n, t->elements);
    Literal **children = arena_many(d->arena, n, Literal *);
    for (size_t i = 0; i < n; i++) {
        const Cm__KeyValuePair *pair = dict ? v->dictionary->values[i / 2] : NULL;
        const Cm__Value *child = pair   ? (i % 2 ? pair->value : pair->key)
                                 : list ? v->list->values[i]
                                        : v->tuple->values[i];
        if (!add_child(d, t->element[list ? 0 : dict ? i % 2 : i], child, &children[i], err))
            return false;
    }
    if (dict)
        sort_pairs(t, children, n);
    out->kind = LIT_TREE;
    out->count = n;
    out->children = children;
    return true;
}

static bool decode_immediate(const Decode *d, const Type *t, const Cm__ImmediateValue *v, Literal *out,
                             Error *err)
{
    switch (v ? v->value_case : CM__IMMEDIATE_VALUE__VALUE__NOT_SET) {
    case CM__IMMEDIATE_VALUE__VALUE_TENSOR:
        if (t->kind != TY_TENSOR)
            return error_set(err, "a constant is not of its type, %s", type_text(d->arena, t));
        return decode_tensor(d, t, v->tensor, out, err);
    case CM__IMMEDIATE_VALUE__VALUE_TUPLE:
    case CM__IMMEDIATE_VALUE__VALUE_LIST:
    case CM__IMMEDIATE_VALUE__VALUE_DICTIONARY: return decode_tree(d, t, v, out, err);
    default: return error_set(err, "a constant has no value");
    }
}

const Literal *decode_value(const Decode *d, const Cm__Value *v, const Type **type, Error *err)
{
    *type = v ? decode_type(d, v->type, err) : NULL;
    if (!*type) {
        if (!v)
            error_set(err, "a constant is missing");
        return NULL;
    }
    Literal *out = arena_new(d->arena, Literal);
    bool ok = true;
    if (v->value_case == CM__VALUE__VALUE_BLOB_FILE_VALUE) {
        const char *path = v->blobfilevalue->filename;
        out->kind = LIT_BLOB;
        out->count = 1;
        out->blob.path = arena_str(d->arena, path, strlen(path));
        out->blob.offset = v->blobfilevalue->offset;
    } else {
        const Cm__ImmediateValue *now =
            v->value_case == CM__VALUE__VALUE_IMMEDIATE_VALUE ? v->immediatevalue : NULL;
        ok = decode_immediate(d, *type, now, out, err);
    }
    return ok && literal_check(*type, out, err) ? out : NULL;
}
