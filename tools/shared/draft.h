/* A draft: the MIL text and the weight file of a small program, op by op: what probes and benchmarks run.
 * Values are named v00, v01 ...; all attributes are named constants, which every compiler takes. */
#ifndef TOOLS_SHARED_DRAFT_H
#define TOOLS_SHARED_DRAFT_H

#include "base/text.h"
#include "ir/type.h"

enum { NODE_NAME = 24, NODE_RANK = 6 };

/* A value: its name and shape. */
typedef struct Node {
    char name[NODE_NAME];
    int rank;
    int64_t dim[NODE_RANK];
} Node;

typedef struct Draft {
    Text functions; /* those that are finished */
    Text params, body, outputs, blob;
    int names, records, params_count;
    char stride[NODE_NAME], valid[NODE_NAME], pad[NODE_NAME],
        one[NODE_NAME]; /* of convs, when there is one */
} Draft;

/* Numbers of a weight: pseudo-random within +-scale, the same every time; or all equal to scale; or scale on
 * the diagonal of the first two axes. */
typedef enum FillKind { FILL_RANDOM, FILL_EQUAL, FILL_DIAGONAL } FillKind;
typedef struct Fill {
    FillKind kind;
    double scale;
} Fill;

void draft_free(Draft *b);

Node node_of(int rank, const int64_t *dim);
Node node4(int64_t n, int64_t c, int64_t h, int64_t w);
int64_t node_elements(const Node *n);

/* fp16 [1, channels, 1, length]; inputs are bound in the order of their names. */
Node draft_input(Draft *b, const char *name, int64_t channels, int64_t length);
Node draft_input4(Draft *b, const char *name, Node shape);
void draft_output(Draft *b, const Node *n);

/* A constant in the weight file: fp16. */
Node draft_weight(Draft *b, Node shape, Fill fill);
/* The same as a literal: `out` gets the text. */
void draft_filled(Draft *b, Node shape, Fill fill, Text *out);
/* A constant in the weight file of any type, from bytes as they lie in the file. */
Node draft_bytes(Draft *b, DType dtype, Node shape, const void *bytes, size_t size);
/* The same as a literal, for attributes: `out` gets the text. */
void draft_literal(Draft *b, DType dtype, Node shape, const void *bytes, size_t size, Text *out);
/* name = OP()[ATTRIBUTES, name = ...], as iOS 16 spells constexpr ops. */
Node draft_attributed(Draft *b, Node shape, const char *op, const char *attributes);
/* A constant in the text: TYPE name = const()[..., val = TYPE(value)]. */
Node draft_value(Draft *b, const char *type, const char *value);
Node draft_ints(Draft *b, const int64_t *value, int count); /* tensor<int32, [count]> */

/* name = OP(...): everything behind the equals sign is the caller's. */
Node draft_op(Draft *b, Node shape, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The same with a type of another kind than fp16. */
Node draft_typed(Draft *b, DType dtype, Node shape, const char *fmt, ...) PRINTF_LIKE(4, 5);

Node draft_unary(Draft *b, const char *op, const Node *x);
Node draft_binary(Draft *b, const char *op, const Node *x, const Node *y); /* of x's shape */
Node draft_conv(Draft *b, const Node *x, const Node *weight);              /* 1x1 */
Node draft_matmul(Draft *b, const Node *x, const Node *y, bool transpose_y);
Node draft_reshape(Draft *b, const Node *x, Node shape);
Node draft_transpose(Draft *b, const Node *x, const int64_t *perm);

/* Statements as they are, whatever they name. */
void draft_raw(Draft *b, const char *statements);

/* What was built so far is a function of this name; what follows is the next one. Without it, main. */
void draft_function(Draft *b, const char *name);

/* The whole text. */
void draft_print(const Draft *b, Text *out);
/* The whole weight file; nothing where there are no weights. */
void draft_weights(const Draft *b, Text *out);
/* BlobResolver.find; context is the Text that draft_weights has filled. */
bool draft_find_blob(void *weights, const char *path, uint64_t offset, DType dtype, int64_t elements,
                     const void **data, Error *err);
#define DRAFT_WEIGHTS_PATH "@model_path/weights/weight.bin"

#endif
