/* The probe of small weights: which constexpr forms compile, and compute what they should. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/half.h"
#include "tools/aneprobe/probes.h"

enum { OUT = 64, IN = 64, LENGTH = 64, BLOCK = 32, COLOURS = 16 };

static void fill_scales(uint16_t *scale, int count)
{
    for (int i = 0; i < count; i++)
        scale[i] = half_from_float(0x1p-9f * (float)(1 + i % 3));
}

static void fill_bytes(uint8_t *bytes, size_t count)
{
    uint32_t state = 11;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(state >> 24);
    }
}

/* By attributes, with a scale of rank 1: the spelling of iOS 16. */
static Node affine(Draft *b, DType dtype, int64_t outputs, int64_t inputs)
{
    Text t = {0};
    size_t n = (size_t)(outputs * inputs);
    uint8_t *data = xmalloc(n);
    uint16_t *scale = xmalloc((size_t)outputs * sizeof *scale);
    fill_bytes(data, n);
    fill_scales(scale, (int)outputs);
    text_puts(&t, "axis = int32(0), quantized_data = ");
    draft_literal(b, dtype, node4(outputs, inputs, 1, 1), data, n, &t);
    text_puts(&t, ", scale = ");
    draft_literal(b, DT_FP16, node_of(1, &outputs), scale, (size_t)outputs * sizeof *scale, &t);
    text_printf(&t, ", zero_point = %s(%d)", dtype_info[dtype].name, dtype == DT_UINT8 ? 128 : 0);
    Node w = draft_attributed(b, node4(outputs, inputs, 1, 1), "constexpr_affine_dequantize", t.data);
    free(data);
    free(scale);
    text_free(&t);
    return w;
}

Node build_int8_weight(Draft *b, int64_t outputs, int64_t inputs)
{
    return affine(b, DT_INT8, outputs, inputs);
}

static Node int8_affine(Draft *b)
{
    return affine(b, DT_INT8, OUT, IN);
}

/* By arguments, a scale for each output and `blocks` of inputs: the spelling of iOS 18. */
static Node blockwise(Draft *b, DType dtype, int blocks)
{
    static uint8_t data[OUT * IN];
    static uint16_t scale[OUT * IN / BLOCK];
    size_t bytes = sizeof data * (size_t)dtype_info[dtype].bits / 8;
    Node shape = node4(OUT, IN, 1, 1), scales = node4(OUT, blocks, 1, 1);
    fill_bytes(data, bytes);
    fill_scales(scale, OUT * blocks);
    Node w = draft_bytes(b, dtype, shape, data, bytes);
    Node s = draft_bytes(b, DT_FP16, scales, scale, (size_t)(OUT * blocks) * sizeof *scale);
    if (dtype == DT_INT8)
        return draft_op(b, shape, "constexpr_blockwise_shift_scale(data = %s, scale = %s)", w.name, s.name);
    memset(data, 0x88, sizeof data); /* the middle of the sixteen is zero */
    Node o = draft_bytes(b, dtype, scales, data, (size_t)(OUT * blocks) / 2);
    return draft_op(b, shape, "constexpr_blockwise_shift_scale(data = %s, offset = %s, scale = %s)", w.name,
                    o.name, s.name);
}

static Node int8_blockwise(Draft *b)
{
    return blockwise(b, DT_INT8, 1);
}

static Node uint4_affine(Draft *b)
{
    return blockwise(b, DT_UINT4, 1);
}

static Node uint4_blockwise(Draft *b)
{
    return blockwise(b, DT_UINT4, IN / BLOCK);
}

static Node palette(Draft *b)
{
    static uint8_t index[OUT * IN / 2];
    uint16_t colour[COLOURS];
    fill_bytes(index, sizeof index);
    for (int i = 0; i < COLOURS; i++)
        colour[i] = half_from_float(0x1p-5f * (float)(i - COLOURS / 2));
    Node i = draft_bytes(b, DT_UINT4, node4(OUT, IN, 1, 1), index, sizeof index);
    Node table =
        draft_bytes(b, DT_FP16, node_of(6, (int64_t[]){1, 1, 1, 1, COLOURS, 1}), colour, sizeof colour);
    return draft_op(b, node4(OUT, IN, 1, 1), "constexpr_lut_to_dense(indices = %s, lut = %s)", i.name,
                    table.name);
}

static Node half_weight(Draft *b)
{
    return draft_weight(b, node4(OUT, IN, 1, 1), (Fill){FILL_RANDOM, 0.1});
}

/* The forms, and the op that each is a vote for. The last also has 8 bits between its convs. */
static const struct Form {
    const char *name, *op;
    Node (*weight)(Draft *b);
    bool narrow;
} forms[] = {
    {"fp16", NULL, half_weight, false},
    {"int8 affine", "constexpr_affine_dequantize", int8_affine, false},
    {"int8 by channel", "constexpr_blockwise_shift_scale", int8_blockwise, false},
    {"uint4 affine", "constexpr_blockwise_shift_scale", uint4_affine, false},
    {"uint4 in blocks", "constexpr_blockwise_shift_scale", uint4_blockwise, false},
    {"4-bit palette", "constexpr_lut_to_dense", palette, false},
    {"W8A8", "quantize", int8_affine, true},
    {"W8A8", "dequantize", int8_affine, true},
};
enum { FORMS = sizeof forms / sizeof *forms };

static void build_form(Draft *b, const struct Form *form)
{
    Node x = draft_input(b, "x", IN, LENGTH), w = form->weight(b);
    if (form->narrow) {
        Node scale = draft_value(b, "fp16", "0x1p-7"), type = draft_value(b, "string", "\"int8\"");
        Node q = draft_typed(b, DT_INT8, x, "quantize(input = %s, output_dtype = %s, scale = %s)", x.name,
                             type.name, scale.name);
        x = draft_op(b, x, "dequantize(input = %s, scale = %s)", q.name, scale.name);
    }
    Node y = draft_conv(b, &x, &w);
    draft_output(b, &y);
}

/* The outcomes of an op's forms, the worst where they agree that it does not work; else disputed. */
static void tell_op(const Lab *lab, Result *r, const Outcome *o, int first)
{
    const char *op = forms[first].op;
    int right = 0, all = 0;
    for (int i = first; i < FORMS && forms[i].op && strcmp(forms[i].op, op) == 0; i++, all++)
        right += o[i] == OUTCOME_RIGHT;
    if (right == 0 || right == all) {
        result_op(lab, r, op, o[first], "");
        return;
    }
    Text key = {0};
    text_printf(&key, "op.%s", op);
    result_line(r, true, key.data, "disputed", "some forms of it");
    text_free(&key);
}

bool probe_quantised(Lab *lab, Result *r, Error *err)
{
    Outcome o[FORMS];
    Text told = {0};
    int right = 0;
    for (int i = 0; i < FORMS; i++) {
        bool again = i > 0 && strcmp(forms[i].name, forms[i - 1].name) == 0;
        Draft b = {0};
        Error why;
        if (again) {
            o[i] = o[i - 1];
            continue;
        }
        build_form(&b, &forms[i]);
        if (!try_program(lab, &b, 0, &o[i], &why, err)) {
            text_free(&told);
            return false;
        }
        right += o[i] == OUTCOME_RIGHT;
        text_printf(&told, "%s%s %s", i ? ", " : "", forms[i].name,
                    o[i] == OUTCOME_RIGHT   ? "yes"
                    : o[i] == OUTCOME_WRONG ? "wrong"
                                            : "no");
    }
    result_number(r, right, "forms", "%s", told.data);
    text_free(&told);
    for (int i = 1; i < FORMS; i++)
        if (!forms[i - 1].op || strcmp(forms[i].op, forms[i - 1].op) != 0)
            tell_op(lab, r, o, i);
    return true;
}
