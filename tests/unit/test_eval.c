/* The evaluators against numbers worked out by hand (or, for functions, to nine digits by another program).
 *
 * A case is an op, its operands and its results as text: "x = f[2,3] 1 2 3 4 5 6; axis = i 0" gives f32 `x`
 * and int32 scalar `axis`. Types: f fp32, h fp16, i int32, u uint8, b bool; dims in brackets, none for a
 * scalar;
 * "text" is a string. An operand that is a list is given several times. Results stand between `|`; "! text"
 * expects an error with that text. The program fails where a row of ops.def has no case. */
#include <ctype.h>
#include <math.h>

#include "runtime/eval/eval.h"
#include "tests/unit/check.h"

enum { MOST = 64, PARTS = 20 };

typedef struct Part {
    char key[32];
    Type type;
    Tensor tensor;
    double number[MOST];
    char string[64];
    union {
        float f[MOST];
        uint16_t h[MOST];
        int32_t i[MOST];
        uint8_t b[MOST];
    } room;
} Part;

static const struct {
    OpCode op;
    const char *operands, *results;
} cases[] = {
    {OP_CONST, "", "! when the function is compiled"},

    {OP_ABS, "x = f[4] -1.5 0 0.5 -2", "f[4] 1.5 0 0.5 2"},
    {OP_ABS, "x = i[2] -3 4", "i[2] 3 4"},
    {OP_ACOS, "x = f[4] -1 0 0.5 1", "f[4] 3.14159265 1.57079633 1.04719755 0"},
    {OP_ASIN, "x = f[4] -1 0 0.5 1", "f[4] -1.57079633 0 0.523598776 1.57079633"},
    {OP_ATAN, "x = f[4] -1.5 0 0.5 2", "f[4] -0.982793723 0 0.463647609 1.10714872"},
    {OP_CEIL, "x = f[4] -1.5 0 0.5 2", "f[4] -1 0 1 2"},
    {OP_CLIP, "x = f[4] -1.5 0 0.5 7; alpha = f -1; beta = f 6", "f[4] -1 0 0.5 6"},
    {OP_COS, "x = f[4] -1.5 0 0.5 2", "f[4] 0.0707372017 1 0.877582562 -0.416146837"},
    {OP_COSH, "x = f[4] -1.5 0 0.5 2", "f[4] 2.35240962 1 1.12762597 3.76219569"},
    {OP_ELU, "x = f[4] -1.5 0 0.5 2; alpha = f 0.5", "f[4] -0.38843492 0 0.5 2"},
    {OP_ERF, "x = f[4] -1.5 0 0.5 2", "f[4] -0.966105146 0 0.520499878 0.995322265"},
    {OP_EXP, "x = f[4] -1.5 0 0.5 2", "f[4] 0.22313016 1 1.64872127 7.3890561"},
    {OP_EXP2, "x = f[4] -1.5 0 0.5 2", "f[4] 0.353553391 1 1.41421356 4"},
    {OP_FLOOR, "x = f[4] -1.5 0 0.5 2", "f[4] -2 0 0 2"},
    {OP_GELU, "x = f[4] -1.5 0 0.5 2", "f[4] -0.100210802 0 0.345731231 1.95449974"},
    {OP_GELU, "x = f[4] -1.5 0 0.5 2; mode = \"EXACT\"", "f[4] -0.100210802 0 0.345731231 1.95449974"},
    {OP_GELU, "x = f[4] -1.5 0 0.5 2; mode = \"TANH_APPROXIMATION\"",
     "f[4] -0.100428423 0 0.34571401 1.95459769"},
    {OP_GELU, "x = f[4] -1.5 0 0.5 2; mode = \"SIGMOID_APPROXIMATION\"",
     "f[4] -0.108337802 0 0.350388437 1.93565862"},
    {OP_GELU, "x = f[1] 1; mode = \"QUICK\"", "! no mode \"QUICK\""},
    {OP_IDENTITY, "x = f[2,1] 3 4", "f[2,1] 3 4"},
    {OP_INVERSE, "x = f[2] 2 -4; epsilon = f 0", "f[2] 0.5 -0.25"},
    {OP_INVERSE, "x = f[1] 0", "f[1] 10000"},
    {OP_LEAKY_RELU, "x = f[3] -2 0 3; alpha = f 0.25", "f[3] -0.5 0 3"},
    {OP_LOG, "x = f[3] 1 2 10", "f[3] 0 0.693147181 2.30258509"},
    {OP_LOG, "x = f[2] 0 1; epsilon = f 1", "f[2] 0 0.693147181"},
    {OP_LOG, "x = f[1] 0", "f[1] -103.27893"},
    {OP_LOGICAL_NOT, "x = b[2] 0 1", "b[2] 1 0"},
    {OP_RELU, "x = f[3] -2 0 3", "f[3] 0 0 3"},
    {OP_RELU6, "x = f[4] -2 0 3 9", "f[4] 0 0 3 6"},
    {OP_ROUND, "x = f[6] -1.5 -0.5 0.5 1.5 2.5 2.6", "f[6] -2 0 0 2 2 3"},
    {OP_RSQRT, "x = f[3] 0 3 1; epsilon = f 1", "f[3] 1 0.5 0.707106781"},
    {OP_RSQRT, "x = f[2] 0 4", "f[2] 1000000 0.5"},
    {OP_SIGMOID, "x = f[4] -1.5 0 0.5 2", "f[4] 0.182425524 0.5 0.622459331 0.880797078"},
    {OP_SIGN, "x = f[3] -7 0 0.1", "f[3] -1 0 1"},
    {OP_SILU, "x = f[4] -1.5 0 0.5 2", "f[4] -0.273638286 0 0.311229666 1.76159416"},
    {OP_SIN, "x = f[4] -1.5 0 0.5 2", "f[4] -0.997494987 0 0.479425539 0.909297427"},
    {OP_SINH, "x = f[4] -1.5 0 0.5 2", "f[4] -2.12927946 0 0.521095305 3.62686041"},
    {OP_SOFTPLUS, "x = f[5] -1.5 0 0.5 2 200", "f[5] 0.201413278 0.693147181 0.974076984 2.12692801 200"},
    {OP_SOFTSIGN, "x = f[4] -1.5 0 0.5 2", "f[4] -0.6 0 0.333333333 0.666666667"},
    {OP_SQRT, "x = f[3] 0 4 2", "f[3] 0 2 1.41421356"},
    {OP_SQUARE, "x = f[3] -3 0 1.5", "f[3] 9 0 2.25"},
    {OP_TAN, "x = f[4] -1.5 0 0.5 2", "f[4] -14.1014199 0 0.54630249 -2.18503986"},
    {OP_TANH, "x = f[4] -1.5 0 0.5 2", "f[4] -0.905148254 0 0.462117157 0.96402758"},
    {OP_CAST, "x = f[4] -1.7 0 0.5 2.9; dtype = \"int32\"", "i[4] -1 0 0 2"},
    {OP_CAST, "x = f[3] -1.7 0 0.5; dtype = \"bool\"", "b[3] 1 0 1"},
    {OP_CAST, "x = i[2] 7 -7; dtype = \"fp32\"", "f[2] 7 -7"},
    {OP_CAST, "x = f[3] 1.00048828125 1.0014648 65520; dtype = \"fp16\"", "h[3] 1 1.001953125 inf"},

    {OP_ADD, "x = f[2,1] 1 2; y = f[3] 10 20 30", "f[2,3] 11 21 31 12 22 32"},
    {OP_ADD, "x = i[2] 2147483647 1; y = i 1", "i[2] -2147483648 2"},
    {OP_SUB, "x = f[2] 1 2; y = f[2] 10 20", "f[2] -9 -18"},
    {OP_MUL, "x = f[2] 1.5 2; y = f 4", "f[2] 6 8"},
    {OP_REAL_DIV, "x = f[2] 1 -3; y = f[2] 4 2", "f[2] 0.25 -1.5"},
    {OP_REAL_DIV, "x = i[2] 7 -7; y = i 2", "i[2] 3 -3"},
    {OP_FLOOR_DIV, "x = i[4] 7 -7 7 -7; y = i[4] 2 2 -2 -2", "i[4] 3 -4 -4 3"},
    {OP_FLOOR_DIV, "x = f[2] 7 -7; y = f 2", "f[2] 3 -4"},
    {OP_FLOOR_DIV, "x = i[1] 7; y = i 0", "i[1] 0"},
    {OP_MOD, "x = i[4] 7 -7 7 -7; y = i[4] 3 3 -3 -3", "i[4] 1 2 -2 -1"},
    {OP_MOD, "x = f[2] 5.5 -5.5; y = f 2", "f[2] 1.5 0.5"},
    {OP_POW, "x = f[3] 4 9 2; y = f 0.5", "f[3] 2 3 1.41421356"},
    {OP_POW, "x = i[3] 2 -3 1; y = i[3] 10 3 -1", "i[3] 1024 -27 1"},
    {OP_MAXIMUM, "x = f[2] 1 5; y = f[2] 3 2", "f[2] 3 5"},
    {OP_MINIMUM, "x = f[2] 1 5; y = f[2] 3 2", "f[2] 1 2"},
    {OP_EQUAL, "x = f[3] 1 2 3; y = f 2", "b[3] 0 1 0"},
    {OP_NOT_EQUAL, "x = f[3] 1 2 3; y = f 2", "b[3] 1 0 1"},
    {OP_GREATER, "x = i[3] 1 2 3; y = i 2", "b[3] 0 0 1"},
    {OP_GREATER_EQUAL, "x = i[3] 1 2 3; y = i 2", "b[3] 0 1 1"},
    {OP_LESS, "x = f[3] 1 2 3; y = f 2", "b[3] 1 0 0"},
    {OP_LESS_EQUAL, "x = f[3] 1 2 3; y = f 2", "b[3] 1 1 0"},
    {OP_LOGICAL_AND, "x = b[4] 0 0 1 1; y = b[4] 0 1 0 1", "b[4] 0 0 0 1"},
    {OP_LOGICAL_OR, "x = b[4] 0 0 1 1; y = b[4] 0 1 0 1", "b[4] 0 1 1 1"},
    {OP_LOGICAL_XOR, "x = b[4] 0 0 1 1; y = b[4] 0 1 0 1", "b[4] 0 1 1 0"},
    {OP_SELECT, "cond = b[2,1] 1 0; a = f[3] 1 2 3; b = f 9", "f[2,3] 1 2 3 9 9 9"},

    {OP_LINEAR, "x = f[2,3] 1 2 3 4 5 6; weight = f[2,3] 1 0 -1 2 2 2; bias = f[2] 0.5 -1",
     "f[2,2] -1.5 11 -1.5 29"},
    {OP_LINEAR, "x = f[3] 1 2 3; weight = h[1,3] 1 0 -1", "f[1] -2"},
    {OP_MATMUL, "x = f[2,2] 1 2 3 4; y = f[2,1] 10 1", "f[2,1] 12 34"},
    {OP_MATMUL, "x = f[2,1] 1 3; y = f[1,2] 10 1; transpose_x = b 1; transpose_y = b 1", "f[1,1] 13"},
    {OP_MATMUL, "x = f[2,1,2] 1 2 3 4; y = f[2,2] 1 10 100 1000", "f[2,1,2] 201 2010 403 4030"},
    {OP_MATMUL, "x = f[2] 1 2; y = f[2,2,1] 1 2 3 4", "f[2,1] 5 11"},
    {OP_CONV, "x = f[1,1,5] 1 2 3 4 5; weight = f[1,1,3] 1 10 100", "f[1,1,3] 321 432 543"},
    {OP_CONV,
     "x = f[1,1,5] 1 2 3 4 5; weight = f[1,1,2] 1 10; bias = f[1] 0.5; strides = i[1] 2; dilations = i[1] 2;"
     "pad_type = \"custom\"; pad = i[2] 1 2",
     "f[1,1,3] 20.5 42.5 4.5"},
    {OP_CONV, "x = f[1,1,4] 1 2 3 4; weight = f[1,1,2] 1 10; pad_type = \"same\"; strides = i[1] 1",
     "f[1,1,4] 21 32 43 4"},
    {OP_CONV, "x = f[1,1,4] 1 2 3 4; weight = f[1,1,2] 1 10; pad_type = \"same_lower\"",
     "f[1,1,4] 10 21 32 43"},
    {OP_CONV, "x = f[1,4,1,1] 1 2 3 4; weight = f[2,2,1,1] 1 10 100 1000; groups = i 2",
     "f[1,2,1,1] 21 4300"},
    {OP_CONV, "x = f[1,1,3,3] 1 2 3 4 5 6 7 8 9; weight = f[1,1,2,2] 1 10 100 1000",
     "f[1,1,2,2] 5421 6532 8754 9865"},
    {OP_CONV, "x = f[2,1,1] 1 2; weight = f[2,1,1] 3 4", "f[2,2,1] 3 4 6 8"},

    {OP_SOFTMAX, "x = f[2,3] 1 2 3 1001 1002 1003",
     "f[2,3] 0.0900305732 0.244728471 0.665240956 0.0900305732 0.244728471 0.665240956"},
    {OP_SOFTMAX, "x = f[3,2] 1 0 2 0 3 0; axis = i 0",
     "f[3,2] 0.0900305732 0.333333333 0.244728471 0.333333333 0.665240956 0.333333333"},
    {OP_LAYER_NORM, "x = f[1,3] 1 2 3; axes = i[1] -1", "f[1,3] -1.22473569 0 1.22473569"},
    {OP_LAYER_NORM, "x = f[3,1] 1 2 3; axes = i[1] 0; gamma = f[3] 1 2 3; beta = f[3] 10 20 30",
     "f[3,1] 8.77526431 20 33.6742071"},
    {OP_LAYER_NORM, "x = f[2,2] 1 2 3 4", "f[2,2] -1.34163542 -0.447211807 0.447211807 1.34163542"},
    {OP_LAYER_NORM, "x = f[2] 1 3; axes = i[1] 0; epsilon = f 3", "f[2] -0.5 0.5"},
    {OP_BATCH_NORM,
     "x = f[1,2,2] 1 3 5 7; mean = f[2] 1 5; variance = f[2] 4 1; epsilon = f 0; beta = f[2] 0 "
     "9; gamma = f[2] 1 2",
     "f[1,2,2] 0 1 9 13"},
    {OP_BATCH_NORM, "x = f[1,1,2] 1 3; mean = f[1] 1; variance = f[1] 4", "f[1,1,2] 0 0.99999875"},
    {OP_INSTANCE_NORM, "x = f[1,2,2] 1 3 10 30; epsilon = f 0; gamma = f[2] 1 2; beta = f[2] 5 0",
     "f[1,2,2] 4 6 -2 2"},
    {OP_INSTANCE_NORM, "x = f[1,1,4] 1 2 3 4", "f[1,1,4] -1.34163542 -0.447211807 0.447211807 1.34163542"},
    {OP_REDUCE_SUM, "x = f[2,3] 1 2 3 4 5 6; axes = i[1] 0; keep_dims = b 1", "f[1,3] 5 7 9"},
    {OP_REDUCE_SUM, "x = f[2,3] 1 2 3 4 5 6", "f 21"},
    {OP_REDUCE_MEAN, "x = f[2,3] 1 2 3 4 5 6; axes = i[1] -1", "f[2] 2 5"},
    {OP_REDUCE_MAX, "x = f[2,2,2] 1 2 3 4 8 7 6 5; axes = i[2] 0 2", "f[2] 8 6"},
    {OP_REDUCE_MIN, "x = i[2,3] 1 -2 3 4 5 6; axes = i[1] 1", "i[2] -2 4"},
    {OP_REDUCE_PROD, "x = f[4] 1 2 3 4", "f 24"},
    {OP_REDUCE_SUM_SQUARE, "x = f[3] 1 -2 3", "f 14"},
    {OP_REDUCE_L1_NORM, "x = f[3] 1 -2 3", "f 6"},
    {OP_REDUCE_L2_NORM, "x = f[2] 3 -4", "f 5"},
    {OP_REDUCE_LOG_SUM_EXP, "x = f[2,3] 1 2 3 1001 1002 1003; axes = i[1] 1",
     "f[2] 3.40760596 1003.40760596"},
    {OP_REDUCE_ARGMAX, "x = f[2,3] 1 5 3 7 7 6", "i[2] 1 0"},
    {OP_REDUCE_ARGMAX, "x = f[2,3] 1 5 3 7 7 6; axis = i 0; keep_dims = b 1", "i[1,3] 1 1 1"},
    {OP_REDUCE_ARGMIN, "x = f[2,3] 1 5 3 7 7 6; axis = i 1", "i[2] 0 2"},
    {OP_CUMSUM, "x = f[2,2] 1 2 3 4", "f[2,2] 1 2 4 6"},
    {OP_CUMSUM, "x = f[4] 1 2 3 4; exclusive = b 1", "f[4] 0 1 3 6"},
    {OP_CUMSUM, "x = f[4] 1 2 3 4; reverse = b 1; axis = i -1", "f[4] 10 9 7 4"},
    {OP_TOPK, "x = f[6] 3 9 4 9 1 7; k = i 3", "f[3] 9 9 7 | i[3] 1 3 5"},
    {OP_TOPK, "x = f[2,3] 3 1 2 6 5 4; k = i 2; axis = i -1; ascending = b 1",
     "f[2,2] 1 2 4 5 | i[2,2] 1 2 2 1"},
    {OP_TOPK, "x = f[3,2] 3 1 2 6 5 4; k = i 1; axis = i 0", "f[1,2] 5 6 | i[1,2] 2 1"},

    {OP_RESHAPE, "x = f[2,3] 1 2 3 4 5 6; shape = i[2] 3 2", "f[3,2] 1 2 3 4 5 6"},
    {OP_TRANSPOSE, "x = f[2,3] 1 2 3 4 5 6; perm = i[2] 1 0", "f[3,2] 1 4 2 5 3 6"},
    {OP_TRANSPOSE, "x = i[1,2,3] 1 2 3 4 5 6; perm = i[3] 2 0 -2", "i[3,1,2] 1 4 2 5 3 6"},
    {OP_EXPAND_DIMS, "x = f[2] 1 2; axes = i[1] 0", "f[1,2] 1 2"},
    {OP_SQUEEZE, "x = f[1,2] 1 2; axes = i[1] 0", "f[2] 1 2"},
    {OP_CONCAT, "values = f[2,1] 1 2; values = f[2,2] 3 4 5 6; axis = i 1", "f[2,3] 1 3 4 2 5 6"},
    {OP_CONCAT, "values = f[2] 1 2; values = f[2] 3 4; axis = i 0; interleave = b 1", "f[4] 1 3 2 4"},
    {OP_STACK, "values = f[2] 1 2; values = f[2] 3 4; axis = i 0", "f[2,2] 1 2 3 4"},
    {OP_STACK, "values = f[2] 1 2; values = f[2] 3 4; axis = i -1", "f[2,2] 1 3 2 4"},
    {OP_SPLIT, "x = f[2,3] 1 2 3 4 5 6; split_sizes = i[2] 1 2; axis = i 1", "f[2,1] 1 4 | f[2,2] 2 3 5 6"},
    {OP_SPLIT, "x = f[4] 1 2 3 4; num_splits = i 2; axis = i 0", "f[2] 1 2 | f[2] 3 4"},
    {OP_SLICE_BY_SIZE, "x = f[2,3] 1 2 3 4 5 6; begin = i[2] 0 1; size = i[2] 2 -1", "f[2,2] 2 3 5 6"},
    {OP_SLICE_BY_SIZE, "x = f[3] 1 2 3; begin = i[1] 2; size = i[1] 2", "! out of range"},
    {OP_SLICE_BY_INDEX, "x = f[2,3] 1 2 3 4 5 6; begin = i[2] 0 1; end = i[2] 2 3", "f[2,2] 2 3 5 6"},
    {OP_SLICE_BY_INDEX, "x = f[6] 1 2 3 4 5 6; begin = i[1] 1; end = i[1] -1; stride = i[1] 2", "f[2] 2 4"},
    {OP_SLICE_BY_INDEX,
     "x = f[4] 1 2 3 4; begin = i[1] 0; end = i[1] 0; stride = i[1] -1; begin_mask = b[1] 1; "
     "end_mask = b[1] 1",
     "f[4] 4 3 2 1"},
    {OP_SLICE_BY_INDEX,
     "x = f[2,2] 1 2 3 4; begin = i[2] 1 0; end = i[2] 2 0; end_mask = b[2] 0 1; squeeze_mask = b[2] 1 0",
     "f[2] 3 4"},
    {OP_SLICE_BY_INDEX, "x = f[3] 1 2 3; begin = i[1] 3; end = i[1] 4; squeeze_mask = b[1] 1",
     "! index 3 is out of range"},
    {OP_SLICE_BY_INDEX, "x = f[3] 1 2 3; begin = i[1] 2; end = i[1] 4", "f[1] 3"},
    {OP_SLICE_UPDATE, "x = f[2,2] 1 2 3 4; update = f[2,1] 8 9; begin = i[2] 0 1; end = i[2] 2 2",
     "f[2,2] 1 8 3 9"},
    {OP_SLICE_UPDATE, "x = f[3] 1 2 3; update = f[1] 9; begin = i[1] 3; end = i[1] 4", "! out of range"},
    {OP_SLICE_UPDATE,
     "x = f[2,2] 1 2 3 4; update = f[2] 8 9; begin = i[2] -1 0; end = i[2] 0 0; end_mask = b[2] "
     "0 1; squeeze_mask = b[2] 1 0",
     "f[2,2] 1 2 8 9"},
    {OP_TILE, "x = f[1,2] 1 2; reps = i[2] 2 2", "f[2,4] 1 2 1 2 1 2 1 2"},
    {OP_PAD, "x = f[2] 1 2; pad = i[2] 1 2; constant_val = f 9", "f[5] 9 1 2 9 9"},
    {OP_PAD, "x = f[3] 1 2 3; pad = i[2] 2 1; mode = \"reflect\"", "f[6] 3 2 1 2 3 2"},
    {OP_PAD, "x = f[1,2] 1 2; pad = i[2] 1 1; mode = \"replicate\"", "f[1,4] 1 1 2 2"},
    {OP_PAD, "x = f[2] 1 2; pad = i[2] 3 0; mode = \"reflect\"", "f[5] ! wider than"},
    {OP_PAD, "x = f[2] 1 2; pad = i[2] 0 0; mode = \"wrap\"", "! no mode"},
    {OP_REVERSE, "x = f[2,2] 1 2 3 4; axes = i[1] 1", "f[2,2] 2 1 4 3"},
    {OP_REVERSE, "x = f[2,2] 1 2 3 4", "f[2,2] 4 3 2 1"},
    {OP_GATHER, "x = f[3,2] 1 2 3 4 5 6; indices = i[2] 2 -3", "f[2,2] 5 6 1 2"},
    {OP_GATHER, "x = f[2,3] 1 2 3 4 5 6; indices = i 1; axis = i 1", "f[2] 2 5"},
    {OP_GATHER, "x = f[2,2] 1 2 3 4; indices = i[2,1] 1 0; axis = i 1; batch_dims = i 1", "f[2,1] 2 3"},
    {OP_GATHER, "x = f[3] 1 2 3; indices = i[1] 3", "f[1] ! index 3 is out of range for 3 elements"},
    {OP_GATHER, "x = f[3] 1 2 3; indices = i[1] -4", "f[1] ! index -4 is out of range"},
    {OP_GATHER_ALONG_AXIS, "x = f[2,2] 1 2 3 4; indices = i[2,2] 1 0 0 -1; axis = i 1", "f[2,2] 2 1 3 4"},
    {OP_GATHER_ALONG_AXIS, "x = f[2,2] 1 2 3 4; indices = i[1,2] 1 0", "f[1,2] 3 2"},
    {OP_GATHER_ALONG_AXIS, "x = f[2] 1 2; indices = i[1] 2", "f[1] ! out of range"},
    {OP_GATHER_ND, "x = f[2,2] 1 2 3 4; indices = i[2,2] 0 1 1 -2", "f[2] 2 3"},
    {OP_GATHER_ND, "x = f[2,2] 1 2 3 4; indices = i[1,1] 1", "f[1,2] 3 4"},
    {OP_GATHER_ND, "x = f[2,2] 1 2 3 4; indices = i[2,1] 1 0; batch_dims = i 1", "f[2] 2 3"},
    {OP_GATHER_ND, "x = f[2,2] 1 2 3 4; indices = i[1,2] 0 2", "f[1] ! index 2 is out of range for 2"},
    {OP_SHAPE, "x = f[2,1,3] 1 2 3 4 5 6", "i[3] 2 1 3"},
    {OP_FILL, "shape = i[2] 2 2; value = f 7", "f[2,2] 7 7 7 7"},
    {OP_RANGE_1D, "start = i 3; end = i 9; step = i 2", "i[3] 3 5 7"},
    {OP_RANGE_1D, "start = f 1; end = f 0; step = f -0.25", "f[4] 1 0.75 0.5 0.25"},

    {OP_READ_STATE, "input = h[2] 1 2", "f[2] 1 2"},
    {OP_WRITE_STATE, "input = h[2] 1 2; data = f[2] 3 4.0001", "h[2] 3 4"},
    {OP_CACHE, "x = f[1] 1", "f[1] ! cannot be executed"},
    {OP_CAUSAL, "x = f[1] 1", "f[1] ! cannot be executed"},
#include "tests/unit/eval_cases.inc"
};

/* ---- reading the texts ---- */

static const char *skip_spaces(const char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    return s;
}

static const char *read_dims(const char *s, Part *p)
{
    if (*s != '[')
        return s;
    do
        p->type.dim[p->type.rank++] = strtol(s + 1, (char **)(uintptr_t)&s, 10);
    while (*s == ',');
    return s + 1;
}

/* "f[2] 1 2" up to `stop` or the end. */
static const char *read_part(const char *s, const char *stop, Part *p)
{
    static const DType letters[128] = {
        ['f'] = DT_FP32, ['h'] = DT_FP16, ['i'] = DT_INT32, ['b'] = DT_BOOL, ['u'] = DT_UINT8};
    p->type = type_scalar(letters[(unsigned char)*s & 127]);
    s = skip_spaces(read_dims(s + 1, p));
    p->tensor = tensor_of(&p->type, p->type.dtype, &p->room);
    int n = 0;
    for (; *s && !strchr(stop, *s); s = skip_spaces(s))
        p->number[n++] = strtod(s, (char **)(uintptr_t)&s);
    if (*s != '!' && n != p->tensor.count) {
        printf("a case has %d numbers for %d elements\n", n, (int)p->tensor.count);
        exit(1);
    }
    return s;
}

static const char *read_operand(const char *s, Part *p)
{
    size_t n = strcspn(s, " =");
    memcpy(p->key, s, n);
    s = skip_spaces(skip_spaces(s + n) + 1);
    if (*s != '"') {
        s = read_part(s, ";", p);
        for (int64_t i = 0; i < p->tensor.count; i++)
            tensor_put(&p->tensor, i, p->number[i]);
    } else {
        n = strcspn(s + 1, "\"");
        memcpy(p->string, s + 1, n);
        p->tensor = (Tensor){.store = DT_STRING, .count = 1, .string = p->string};
        s = skip_spaces(s + n + 2);
    }
    return *s == ';' ? skip_spaces(s + 1) : s;
}

/* ---- running one ---- */

static bool close_to(double got, double want)
{
    if (isinf(want) || isinf(got))
        return got == want;
    return fabs(got - want) <= 1e-6 * fmax(1, fabs(want)) + (fabs(want) > 100 ? 1e-6 * fabs(want) : 0);
}

static bool same(const Part *want, const Tensor *got)
{
    for (int64_t i = 0; i < want->tensor.count; i++)
        if (!close_to(tensor_get(got, i), want->number[i])) {
            printf("element %d is %.9g, not %.9g\n", (int)i, tensor_get(got, i), want->number[i]);
            return false;
        }
    return true;
}

static Part part[2 * PARTS];

/* Operands become the call's, in the order of ops.def. */
static void set_operands(EvalCall *c, OpCode code, const char *text, Tensor **slot)
{
    int parts = 0;
    for (const char *s = text; *s;)
        s = read_operand(s, &part[parts++]);
    for (int i = 0; i < op_info(code)->operands; i++) {
        c->operand[i] = slot;
        for (int k = 0; k < parts; k++)
            if (strcmp(part[k].key, op_info(code)->operand[i].name) == 0)
                slot[c->count[i]++] = &part[k].tensor;
        slot += c->count[i];
    }
    c->operands = op_info(code)->operands;
    int used = 0;
    for (int i = 0; i < c->operands; i++)
        used += c->count[i];
    CHECK(used == parts);
}

static void run_case(OpCode code, const char *operands, const char *results)
{
    static Tensor *slot[2 * PARTS], *result[PARTS];
    static Part made[PARTS];
    memset(part, 0, sizeof part);
    memset(made, 0, sizeof made);
    Op op = {.code = code, .spelling = op_info(code)->spelling};
    EvalCall c = {.op = &op, .result = result};
    set_operands(&c, code, operands, slot);
    const char *s = results;
    for (; *s && *s != '!'; s = *s == '|' ? skip_spaces(s + 1) : s) {
        Part *want = &part[PARTS + c.results];
        s = read_part(s, "|!", want);
        made[c.results].tensor = tensor_of(&want->type, want->type.dtype, &made[c.results].room);
        result[c.results] = &made[c.results].tensor;
        c.results++;
    }
    Tensor none = {.store = DT_FP32, .rank = 1, .dim = {2}, .count = 2, .data = made[0].room.f};
    if (!c.results)
        result[c.results++] = &none; /* an error is expected, and no shape */
    Error err = {{0}};
    bool ok = eval_function(code)(&c, &err);
    if (*s == '!') {
        CHECK(!ok && strstr(err.text, skip_spaces(s + 1)));
        if (ok || !strstr(err.text, skip_spaces(s + 1)))
            printf("    %s: \"%s\"\n", op.spelling, err.text);
        return;
    }
    CHECK(ok);
    for (int i = 0; ok && i < c.results; i++) {
        bool good = same(&part[PARTS + i], code == OP_WRITE_STATE ? c.operand[0][0] : result[i]);
        CHECK(good);
        if (!good)
            printf("    %s(%s)\n", op.spelling, operands);
    }
}

static void check_every_row(void)
{
    for (int code = OP_UNKNOWN + 1; code < OP_COUNT; code++) {
        bool tested = false;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            tested = tested || cases[i].op == (OpCode)code;
        CHECK(tested);
        if (!tested)
            printf("    no case for %s\n", op_info((OpCode)code)->spelling);
    }
}

/* Conversions of every storage, at the edges. */
static void check_storage(void)
{
    static const struct {
        DType store;
        double in, out;
    } edges[] = {
        {DT_INT8, -1, -1},          {DT_UINT8, 255, 255},
        {DT_INT16, -32768, -32768}, {DT_UINT16, 65535, 65535},
        {DT_UINT32, 4e9, 4e9},      {DT_INT64, -5e12, -5e12},
        {DT_INT32, 2.9, 2},         {DT_INT32, -2.9, -2},
        {DT_INT32, NAN, 0},         {DT_BOOL, 0.25, 1},
        {DT_FP64, 1e300, 1e300},    {DT_BF16, 1.00390625, 1},
        {DT_BF16, 3.0, 3.0},        {DT_FP16, 65504, 65504},
        {DT_FP16, 0x1p-25, 0},      {DT_FP16, 0x1.8p-25, 0x1p-24},
        {DT_FP32, 1 + 1e-9, 1.0},
    };
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        uint64_t room[2] = {0, 0};
        Tensor t = {.store = edges[i].store, .rank = 1, .dim = {2}, .count = 2, .data = room};
        tensor_put(&t, 1, edges[i].in);
        CHECK(tensor_get(&t, 1) == edges[i].out);
        CHECK(tensor_get(&t, 0) == 0);
    }
}

int main(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(cases[i].op, cases[i].operands, cases[i].results);
    check_every_row();
    check_storage();
    return check_report();
}
