/* Builds the MIL text and the weight file of a small program, op by op: what every probe runs. Values are
 * named v00, v01 ...; all attributes are named constants, which every compiler takes. */
#ifndef TOOLS_ANEPROBE_BUILD_H
#define TOOLS_ANEPROBE_BUILD_H

#include "base/text.h"
#include "ir/type.h"

enum { NODE_NAME = 24, NODE_RANK = 6 };

/* A value: its name and shape. */
typedef struct Node {
    char name[NODE_NAME];
    int rank;
    int64_t dim[NODE_RANK];
} Node;

typedef struct Build {
    Text params, body, outputs, blob;
    int names, records, params_count;
    char stride[NODE_NAME], valid[NODE_NAME], pad[NODE_NAME],
        one[NODE_NAME]; /* of convs, when there is one */
} Build;

/* Numbers of a weight: pseudo-random within +-scale, the same every time; or all equal to scale; or scale on
 * the diagonal of the first two axes. */
typedef enum FillKind { FILL_RANDOM, FILL_EQUAL, FILL_DIAGONAL } FillKind;
typedef struct Fill {
    FillKind kind;
    double scale;
} Fill;

void build_free(Build *b);

Node node_of(int rank, const int64_t *dim);
Node node4(int64_t n, int64_t c, int64_t h, int64_t w);
int64_t node_elements(const Node *n);

/* fp16 [1, channels, 1, length]; inputs are bound in the order of their names. */
Node build_input(Build *b, const char *name, int64_t channels, int64_t length);
Node build_input4(Build *b, const char *name, Node shape);
void build_output(Build *b, const Node *n);

/* A constant in the weight file: fp16. */
Node build_weight(Build *b, Node shape, Fill fill);
/* The same as a literal: `out` gets the text. */
void build_filled(Build *b, Node shape, Fill fill, Text *out);
/* A constant in the weight file of any type, from bytes as they lie in the file. */
Node build_bytes(Build *b, DType dtype, Node shape, const void *bytes, size_t size);
/* The same as a literal, for attributes: `out` gets the text. */
void build_literal(Build *b, DType dtype, Node shape, const void *bytes, size_t size, Text *out);
/* name = OP()[ATTRIBUTES, name = ...], as iOS 16 spells constexpr ops. */
Node build_attributed(Build *b, Node shape, const char *op, const char *attributes);
/* A constant in the text: TYPE name = const()[..., val = TYPE(value)]. */
Node build_value(Build *b, const char *type, const char *value);
Node build_ints(Build *b, const int64_t *value, int count); /* tensor<int32, [count]> */

/* name = OP(...): everything behind the equals sign is the caller's. */
Node build_op(Build *b, Node shape, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with a type of another kind than fp16. */
Node build_typed(Build *b, DType dtype, Node shape, const char *fmt, ...) PRINTF_LIKE(4, 5);

Node build_unary(Build *b, const char *op, const Node *x);
Node build_binary(Build *b, const char *op, const Node *x, const Node *y); /* of x's shape */
Node build_conv(Build *b, const Node *x, const Node *weight);              /* 1x1 */
Node build_matmul(Build *b, const Node *x, const Node *y, bool transpose_y);
Node build_reshape(Build *b, const Node *x, Node shape);
Node build_transpose(Build *b, const Node *x, const int64_t *perm);

/* Statements as they are, whatever they name. */
void build_raw(Build *b, const char *statements);

/* The whole text. */
void build_print(const Build *b, Text *out);
/* The whole weight file; nothing where there are no weights. */
void build_weights(const Build *b, Text *out);
#define BUILD_WEIGHTS_PATH "@model_path/weights/weight.bin"

#endif
