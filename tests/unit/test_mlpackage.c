/* A model with the fields that coremltools fills in (backend/mil/load.py and helper.py), written here message
 * by message: constants of every kind, weights in a file, a list argument, states, two functions of which the
 * second is the default, descriptions for each. What is read must be the text that Apple's compiler prints.
 */
#include "base/coreml.pb-c.h"
#include "frontend/mlpackage/mlpackage.h"
#include "tests/unit/check.h"

enum { FP16 = 10, FP32 = 11, INT32 = 23, BOOL = 1, STRING = 2, UINT8 = 31, MULTI_ARRAY_INT32 = 131104 };

static Arena arena;

#define NEW(Type, init, name)                                                                                \
    Type *name = arena_new(&arena, Type);                                                                    \
    init(name)

static void *list_of(const void *item, size_t size, size_t count, void *old)
{
    void **all = arena_many(&arena, count + 1, void *);
    if (count)
        memcpy(all, old, count * sizeof *all);
    all[count] = (void *)(uintptr_t)item;
    (void)size;
    return all;
}

/* Appends to a repeated field. */
#define ADD(list, n, item) ((list) = list_of((item), sizeof *(list), (n), (list)), (n)++)

/* ---- types ---- */

static Cm__ValueType *tensor_type(int dtype, int rank, const int64_t *dims)
{
    NEW(Cm__ValueType, cm__value_type__init, t);
    NEW(Cm__TensorType, cm__tensor_type__init, tensor);
    t->type_case = CM__VALUE_TYPE__TYPE_TENSOR_TYPE;
    t->tensortype = tensor;
    tensor->datatype = dtype;
    tensor->rank = rank;
    for (int i = 0; i < rank; i++) {
        NEW(Cm__Dimension, cm__dimension__init, d);
        NEW(Cm__ConstantDimension, cm__constant_dimension__init, c);
        d->dimension_case = CM__DIMENSION__DIMENSION_CONSTANT;
        d->constant = c;
        c->size = (uint64_t)dims[i];
        ADD(tensor->dimensions, tensor->n_dimensions, d);
    }
    return t;
}

#define TENSOR(dtype, ...)                                                                                   \
    tensor_type(dtype, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})
#define SCALAR(dtype) tensor_type(dtype, 0, NULL)

static Cm__ValueType *state_type(Cm__ValueType *inner)
{
    NEW(Cm__ValueType, cm__value_type__init, t);
    NEW(Cm__StateType, cm__state_type__init, s);
    t->type_case = CM__VALUE_TYPE__TYPE_STATE_TYPE;
    t->statetype = s;
    s->wrappedtype = inner;
    return t;
}

static Cm__NamedValueType *named(const char *name, Cm__ValueType *type)
{
    NEW(Cm__NamedValueType, cm__named_value_type__init, n);
    n->name = (char *)(uintptr_t)name;
    n->type = type;
    return n;
}

/* ---- values ---- */

static Cm__Value *immediate(Cm__ValueType *type, Cm__TensorValue *tensor)
{
    NEW(Cm__Value, cm__value__init, v);
    NEW(Cm__ImmediateValue, cm__immediate_value__init, i);
    v->type = type;
    v->value_case = CM__VALUE__VALUE_IMMEDIATE_VALUE;
    v->immediatevalue = i;
    i->value_case = CM__IMMEDIATE_VALUE__VALUE_TENSOR;
    i->tensor = tensor;
    return v;
}

static Cm__Value *text_value(const char *s)
{
    NEW(Cm__TensorValue, cm__tensor_value__init, t);
    NEW(Cm__RepeatedStrings, cm__repeated_strings__init, strings);
    t->value_case = CM__TENSOR_VALUE__VALUE_STRINGS;
    t->strings = strings;
    ADD(strings->values, strings->n_values, s);
    return immediate(SCALAR(STRING), t);
}

static Cm__Value *int_value(Cm__ValueType *type, const int32_t *values, size_t count)
{
    NEW(Cm__TensorValue, cm__tensor_value__init, t);
    NEW(Cm__RepeatedInts, cm__repeated_ints__init, ints);
    t->value_case = CM__TENSOR_VALUE__VALUE_INTS;
    t->ints = ints;
    ints->values = (int32_t *)(uintptr_t)values;
    ints->n_values = count;
    return immediate(type, t);
}

static Cm__Value *bool_value(int value)
{
    NEW(Cm__TensorValue, cm__tensor_value__init, t);
    NEW(Cm__RepeatedBools, cm__repeated_bools__init, bools);
    t->value_case = CM__TENSOR_VALUE__VALUE_BOOLS;
    t->bools = bools;
    bools->values = arena_copy(&arena, &(protobuf_c_boolean){value}, sizeof(protobuf_c_boolean));
    bools->n_values = 1;
    return immediate(SCALAR(BOOL), t);
}

/* fp16 and 8-bit integers are bytes, little end first. */
static Cm__Value *byte_value(Cm__ValueType *type, const char *bytes, size_t count)
{
    NEW(Cm__TensorValue, cm__tensor_value__init, t);
    NEW(Cm__RepeatedBytes, cm__repeated_bytes__init, b);
    t->value_case = CM__TENSOR_VALUE__VALUE_BYTES;
    t->bytes = b;
    b->values = (ProtobufCBinaryData){count, (uint8_t *)(uintptr_t)bytes};
    return immediate(type, t);
}

static Cm__Value *blob_value(Cm__ValueType *type, uint64_t offset)
{
    NEW(Cm__Value, cm__value__init, v);
    NEW(Cm__BlobFileValue, cm__blob_file_value__init, b);
    v->type = type;
    v->value_case = CM__VALUE__VALUE_BLOB_FILE_VALUE;
    v->blobfilevalue = b;
    b->filename = "@model_path/weights/weight.bin";
    b->offset = offset;
    return v;
}

static Cm__ValueEntry *entry(const char *key, Cm__Value *value)
{
    NEW(Cm__ValueEntry, cm__value_entry__init, e);
    e->key = (char *)(uintptr_t)key;
    e->value = value;
    return e;
}

/* dict<string, string> of two entries, in no order. */
static Cm__Value *dict_value(const char *const pairs[4])
{
    NEW(Cm__Value, cm__value__init, v);
    NEW(Cm__ImmediateValue, cm__immediate_value__init, i);
    NEW(Cm__DictionaryValue, cm__dictionary_value__init, d);
    NEW(Cm__ValueType, cm__value_type__init, t);
    NEW(Cm__DictionaryType, cm__dictionary_type__init, of);
    t->type_case = CM__VALUE_TYPE__TYPE_DICTIONARY_TYPE;
    t->dictionarytype = of;
    of->keytype = of->valuetype = SCALAR(STRING);
    v->type = t;
    v->value_case = CM__VALUE__VALUE_IMMEDIATE_VALUE;
    v->immediatevalue = i;
    i->value_case = CM__IMMEDIATE_VALUE__VALUE_DICTIONARY;
    i->dictionary = d;
    for (int k = 0; k < 4; k += 2) {
        NEW(Cm__KeyValuePair, cm__key_value_pair__init, pair);
        pair->key = text_value(pairs[k]);
        pair->value = text_value(pairs[k + 1]);
        ADD(d->values, d->n_values, pair);
    }
    return v;
}

/* ---- ops ---- */

static Cm__Operation *op(const char *type, const char *result, Cm__ValueType *result_type)
{
    NEW(Cm__Operation, cm__operation__init, o);
    o->type = (char *)(uintptr_t)type;
    if (result) {
        ADD(o->outputs, o->n_outputs, named(result, result_type));
        ADD(o->attributes, o->n_attributes, entry("name", text_value(result)));
    }
    return o;
}

static Cm__Operation *constant(const char *name, Cm__Value *value)
{
    Cm__Operation *o = op("const", name, value->type);
    ADD(o->attributes, o->n_attributes, entry("val", value));
    return o;
}

/* key = (names...): names end with NULL */
static void input(Cm__Operation *o, const char *key, const char *const *names)
{
    NEW(Cm__ArgumentEntry, cm__argument_entry__init, e);
    NEW(Cm__Argument, cm__argument__init, a);
    e->key = (char *)(uintptr_t)key;
    e->value = a;
    for (; *names; names++) {
        NEW(Cm__Binding, cm__binding__init, b);
        b->binding_case = CM__BINDING__BINDING_NAME;
        b->name = (char *)(uintptr_t)*names;
        ADD(a->arguments, a->n_arguments, b);
    }
    ADD(o->inputs, o->n_inputs, e);
}
#define INPUT(o, key, ...) input(o, key, (const char *const[]){__VA_ARGS__, NULL})

/* ---- functions ---- */

static Cm__Block *function(Cm__Program *p, const char *name, const char *opset, Cm__Function **out)
{
    NEW(Cm__FunctionEntry, cm__function_entry__init, e);
    NEW(Cm__Function, cm__function__init, f);
    NEW(Cm__BlockEntry, cm__block_entry__init, specialization);
    NEW(Cm__Block, cm__block__init, b);
    e->key = (char *)(uintptr_t)name;
    e->value = f;
    f->opset = specialization->key = (char *)(uintptr_t)opset;
    specialization->value = b;
    ADD(f->block_specializations, f->n_block_specializations, specialization);
    ADD(p->functions, p->n_functions, e);
    *out = f;
    return b;
}

static void add(Cm__Block *b, Cm__Operation *o)
{
    ADD(b->operations, b->n_operations, o);
}

static void fill_decode(Cm__Program *p)
{
    static const int32_t axis[] = {1}, numbers[] = {-1, 2};
    Cm__Function *f;
    Cm__Block *b = function(p, "decode", "CoreML8", &f);
    ADD(f->inputs, f->n_inputs, named("x", TENSOR(FP16, 1, 4)));
    ADD(f->inputs, f->n_inputs, named("cache", state_type(TENSOR(FP16, 1, 4))));
    Cm__Operation *read = op("read_state", "old", TENSOR(FP16, 1, 4));
    INPUT(read, "input", "cache");
    add(b, read);
    add(b, constant("axis", int_value(SCALAR(INT32), axis, 1)));
    add(b, constant("interleave", bool_value(0)));
    Cm__Operation *concat = op("concat", "both", TENSOR(FP16, 1, 8));
    INPUT(concat, "axis", "axis");
    INPUT(concat, "interleave", "interleave");
    INPUT(concat, "values", "old", "x");
    add(b, concat);
    add(b, constant("shape", int_value(TENSOR(INT32, 2), numbers, 2)));
    add(b, constant("half", byte_value(SCALAR(FP16), "\x00\x38", 2)));
    add(b, constant("row", byte_value(TENSOR(FP16, 2), "\x01\x00\x00\xc2", 4)));
    Cm__Operation *scaled = op("mul", "scaled", TENSOR(FP16, 1, 8));
    INPUT(scaled, "x", "both");
    INPUT(scaled, "y", "half");
    add(b, scaled);
    Cm__Operation *write = op("write_state", NULL, NULL);
    INPUT(write, "data", "x");
    INPUT(write, "input", "cache");
    add(b, write);
    ADD(b->outputs, b->n_outputs, "scaled");
}

/* iOS 16 spells the operands of compressed constants among the attributes. */
static void fill_prefill(Cm__Program *p)
{
    static const int32_t axis[] = {0};
    Cm__Function *f;
    Cm__Block *b = function(p, "prefill", "CoreML6", &f);
    ADD(f->inputs, f->n_inputs, named("x", TENSOR(FP32, 2, 3)));
    add(b, constant("weight", blob_value(TENSOR(FP32, 4, 3), 64)));
    Cm__Operation *o = op("constexpr_affine_dequantize", "bias", TENSOR(FP32, 4));
    ADD(o->attributes, o->n_attributes, entry("quantized_data", blob_value(TENSOR(UINT8, 4), 256)));
    ADD(o->attributes, o->n_attributes, entry("zero_point", byte_value(SCALAR(UINT8), "\x80", 1)));
    ADD(o->attributes, o->n_attributes, entry("scale", blob_value(TENSOR(FP32, 4), 320)));
    ADD(o->attributes, o->n_attributes, entry("axis", int_value(SCALAR(INT32), axis, 1)));
    add(b, o);
    Cm__Operation *linear = op("linear", "y", TENSOR(FP32, 2, 4));
    INPUT(linear, "bias", "bias");
    INPUT(linear, "weight", "weight");
    INPUT(linear, "x", "x");
    add(b, linear);
    ADD(b->outputs, b->n_outputs, "y");
}

/* Shapes that an input may have besides its own. */
static Cm__FeatureDescription *listed_input(void)
{
    static int64_t shapes[2][2] = {{2, 3}, {8, 3}};
    NEW(Cm__FeatureDescription, cm__feature_description__init, d);
    NEW(Cm__FeatureType, cm__feature_type__init, t);
    NEW(Cm__ArrayFeatureType, cm__array_feature_type__init, a);
    NEW(Cm__EnumeratedShapes, cm__enumerated_shapes__init, e);
    d->name = "x";
    d->type = t;
    t->type_case = CM__FEATURE_TYPE__TYPE_MULTI_ARRAY_TYPE;
    t->multiarraytype = a;
    a->datatype = MULTI_ARRAY_INT32;
    a->shape = shapes[0];
    a->n_shape = 2;
    a->enumeratedshapes = e;
    for (int i = 0; i < 2; i++) {
        NEW(Cm__Shape, cm__shape__init, s);
        s->shape = shapes[i];
        s->n_shape = 2;
        ADD(e->shapes, e->n_shapes, s);
    }
    return d;
}

static Cm__ModelDescription *description(void)
{
    NEW(Cm__ModelDescription, cm__model_description__init, d);
    NEW(Cm__Metadata, cm__metadata__init, about);
    NEW(Cm__TextEntry, cm__text_entry__init, note);
    NEW(Cm__FunctionDescription, cm__function_description__init, prefill);
    NEW(Cm__FunctionDescription, cm__function_description__init, decode);
    d->defaultfunctionname = "prefill";
    prefill->name = "prefill";
    ADD(prefill->input, prefill->n_input, listed_input());
    decode->name = "decode";
    ADD(d->functions, d->n_functions, decode);
    ADD(d->functions, d->n_functions, prefill);
    d->metadata = about;
    about->author = "someone";
    note->key = "com.github.apple.coremltools.version";
    note->value = "9.0";
    ADD(about->userdefined, about->n_userdefined, note);
    return d;
}

static const char expected[] =
    "program(1.3)\n"
    "[buildInfo = dict<string, string>({{\"coremltools-component-torch\", \"2.7.0\"}, "
    "{\"coremltools-version\", \"9.0\"}})]\n"
    "{\n"
    "    func decode<ios18>(state<tensor<fp16, [1, 4]>> cache, tensor<fp16, [1, 4]> x) {\n"
    "            tensor<fp16, [1, 4]> old = read_state(input = cache)[name = string(\"old\")];\n"
    "            int32 axis = const()[name = string(\"axis\"), val = int32(1)];\n"
    "            bool interleave = const()[name = string(\"interleave\"), val = bool(false)];\n"
    "            tensor<fp16, [1, 8]> both = concat(axis = axis, interleave = interleave, values = (old, "
    "x))[name = string(\"both\")];\n"
    "            tensor<int32, [2]> shape = const()[name = string(\"shape\"), val = tensor<int32, [2]>([-1, "
    "2])];\n"
    "            fp16 half = const()[name = string(\"half\"), val = fp16(0x1p-1)];\n"
    "            tensor<fp16, [2]> row = const()[name = string(\"row\"), val = tensor<fp16, [2]>([0x1p-24, "
    "-0x1.8p+1])];\n"
    "            tensor<fp16, [1, 8]> scaled = mul(x = both, y = half)[name = string(\"scaled\")];\n"
    "            write_state(data = x, input = cache);\n"
    "        } -> (scaled);\n"
    "    func prefill<ios16>(tensor<fp32, [2, 3]> x) [FlexibleShapeInformation = tuple<tuple<string, "
    "dict<string, tensor<int32, [?]>>>, tuple<string, dict<string, dict<string, tensor<int32, [?]>>>>>(("
    "(\"DefaultShapes\", {{\"x\", [2, 3]}}), (\"EnumeratedShapes\", {{\"KEYKEYKE\", {{\"x\", [2, 3]}}}, "
    "{\"KEYKEYKE\", {{\"x\", [8, 3]}}}})))] {\n"
    "            tensor<fp32, [4, 3]> weight = const()[name = string(\"weight\"), val = tensor<fp32, [4, "
    "3]>(BLOBFILE(path = string(\"@model_path/weights/weight.bin\"), offset = uint64(64)))];\n"
    "            tensor<fp32, [4]> bias = constexpr_affine_dequantize()[axis = int32(0), name = "
    "string(\"bias\"), quantized_data = tensor<uint8, [4]>(BLOBFILE(path = "
    "string(\"@model_path/weights/weight.bin\"), offset = uint64(256))), scale = tensor<fp32, "
    "[4]>(BLOBFILE(path = string(\"@model_path/weights/weight.bin\"), offset = uint64(320))), zero_point = "
    "uint8(128)];\n"
    "            tensor<fp32, [2, 4]> y = linear(bias = bias, weight = weight, x = x)[name = "
    "string(\"y\")];\n"
    "        } -> (y);\n"
    "}";

/* Names of listed shapes are hashes. */
static void hide_keys(char *text)
{
    for (char *s = text; (s = strstr(s, "{\"")) != NULL && strlen(s) > 10; s += 2)
        if (s[10] == '"')
            memcpy(s + 2, "KEYKEYKE", 8);
}

static void check_model(const Cm__Model *model)
{
    size_t size = cm__model__get_packed_size(model);
    uint8_t *data = xmalloc(size);
    cm__model__pack(model, data);
    Diags diags = {.out = stdout};
    Module *m = mlmodel_read(data, size, "t", &diags);
    CHECK(m != NULL && diags.warnings == 0);
    if (m) {
        Text text = {0};
        module_print(&text, m);
        char *got = xstrdup(text_cstr(&text));
        char *list = strstr(got, "(\"EnumeratedShapes\", {");
        if (list)
            hide_keys(list);
        CHECK_TEXT(got, expected);
        CHECK_TEXT(module_about(m, "author"), "someone");
        CHECK_TEXT(module_about(m, "com.github.apple.coremltools.version"), "9.0");
        CHECK(module_about(m, "license") == NULL);
        free(got);
        text_free(&text);
    }
    module_free(m);
    free(data);
}

int main(void)
{
    Cm__Model model = CM__MODEL__INIT;
    NEW(Cm__Program, cm__program__init, program);
    program->version = 1;
    ADD(program->attributes, program->n_attributes,
        entry("buildInfo", dict_value((const char *const[]){"coremltools-version", "9.0",
                                                            "coremltools-component-torch", "2.7.0"})));
    fill_decode(program);
    fill_prefill(program);
    model.specificationversion = 9;
    model.mlprogram = program;
    model.description = description();
    check_model(&model);
    arena_free(&arena);
    return check_report();
}
