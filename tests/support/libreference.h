/* Small decoders in double precision, in straightforward loops, for tests. A weight is made when it is first
 * asked for, from its name alone; afterwards all of them can be written as a checkpoint. So a reference is
 * one function, and what it reads is the checkpoint. Knows nothing of the compiler. */
#ifndef TESTS_SUPPORT_LIBREFERENCE_H
#define TESTS_SUPPORT_LIBREFERENCE_H

#include "base/arena.h"
#include "base/error.h"

typedef struct RefTensor {
    const char *name;
    int rank, shape[3];
    double *data;
} RefTensor;

typedef struct Ref {
    Arena arena;
    const char *prefix; /* in front of all names but those of lm_head and embed_out */
    int count;          /* tokens */
    const int *ids;
    int tensors, tensors_cap;
    RefTensor *tensor;
    const char *loud; /* matrices with this in their names are `gain` times as large; NULL: none */
    double gain;
} Ref;

/* A weight of these lengths (0: no such axis): around `centre`, with the standard deviation `spread`. Values
 * are exact in fp16. */
const double *ref_weight(Ref *r, const char *name, int a, int b, double spread, double centre);
/* model.safetensors in the folder `dir`, fp32. */
MUST_USE bool ref_write(const Ref *r, const char *dir, Error *err);
void ref_free(Ref *r);

/* In all that follows, x is [count, width], row after row; results are new. */

/* Rows of NAME.weight [rows, width]; the row of token t is ids[t], or t + offset where ids is NULL. */
double *ref_embed(Ref *r, const char *name, int rows, int width, const int *ids, int offset);
enum { REF_BIAS = 1, REF_CONV1D = 2 };
/* NAME.weight [out, in] ([in, out] with REF_CONV1D), and NAME.bias with REF_BIAS. */
double *ref_linear(Ref *r, const double *x, const char *name, int in, int out, int flags);
/* A product with the rows of a table: logits. */
double *ref_head(Ref *r, const double *x, const double *table, int width, int vocab);

typedef enum RefNorm {
    REF_LAYER,       /* weight and bias */
    REF_LAYER_SCALE, /* weight */
    REF_LAYER_PLAIN, /* neither */
    REF_LAYER_1P,    /* weight + 1, and bias */
    REF_RMS,         /* weight */
    REF_RMS_1P       /* weight + 1; one for all parts */
} RefNorm;
/* Each row in parts of `width` elements; there are `parts` of them, whose weights follow one another in one
 * tensor, [width] or, with several parts, [parts, width]. */
double *ref_norm(Ref *r, const double *x, const char *name, int parts, int width, RefNorm kind,
                 double epsilon);

typedef enum RefActivation {
    REF_GELU,
    REF_GELU_TANH,
    REF_GELU_QUICK,
    REF_RELU,
    REF_RELU2,
    REF_SILU
} RefActivation;
double *ref_activation(Ref *r, const double *x, int width, RefActivation kind);

double *ref_sum(Ref *r, const double *a, const double *b, double factor, int width); /* a + factor * b */
double *ref_product(Ref *r, const double *a, const double *b, int width);
double *ref_scaled(Ref *r, const double *a, double factor, int width);
double *ref_clipped(Ref *r, const double *a, double bound, int width);
/* Columns first + i * stride + j, for i below `groups` and j below `width`: [count, groups * width]. */
double *ref_columns(Ref *r, const double *x, int from, int first, int stride, int groups, int width);

/* Turns the first 2 * pairs elements of each head; halves, or neighbours where `interleaved`. */
double *ref_rotate(Ref *r, const double *x, int heads, int d, int pairs, const double *frequency,
                   bool interleaved);
/* theta ** (-2 j / dims) */
const double *ref_frequencies(Ref *r, int dims, double theta);
/* As the paper on ALiBi has it, and every implementation since. */
const double *ref_slopes(Ref *r, int heads, double most);

typedef struct RefAttention {
    int heads, groups, d;
    double scale;
    int window;           /* 0: none */
    const double *slopes; /* NULL: none; of the key's position, before the softmax and after the scale */
} RefAttention;
/* `cap` > 0: scores are cap * tanh(scores / cap), before the slopes. */
double *ref_attention_capped(Ref *r, const RefAttention *a, double cap, const double *q, const double *k,
                             const double *v);
double *ref_attention(Ref *r, const RefAttention *a, const double *q, const double *k, const double *v);

#endif
