/* Checkpoints: named tensors in a mapped file and the config.json beside it, whatever the file format.
 *
 * Opening checks everything that the format promises (sizes, offsets, types, names), so that a Tensor may be
 * read without looking twice. Nothing is copied: a Tensor points into the mapping, possibly at an odd
 * address, and elements are converted range by range into the caller's buffer. A Weights is read-only after
 * opening; threads may share it. */
#ifndef FRONTEND_WEIGHTS_WEIGHTS_H
#define FRONTEND_WEIGHTS_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct json_t; /* jansson.h */

enum { WEIGHTS_MAX_RANK = 8 };

typedef enum WeightType {
#define W(id, name, elements, bytes) W_##id,
#include "frontend/weights/types.def"
#undef W
    W_UNKNOWN /* listed, but not converted */
} WeightType;

/* Row-major, the last axis fastest, little-endian. */
typedef struct Tensor {
    const char *name; /* UTF-8 without control characters */
    const char *file; /* the file that holds it, for messages */
    WeightType type;
    const char *type_name;           /* as the file spells it, quoted: for messages */
    int rank;                        /* 0: one element */
    int64_t shape[WEIGHTS_MAX_RANK]; /* lengths may be 0; the product and its bytes fit in int64_t */
    const uint8_t *data;             /* in the mapping, not aligned */
    uint64_t size;                   /* bytes */
    /* 0, or the rows (first axis) of each head, which stand in rotary pairs: stored row 2i is row i of the
     * head, stored row 2i + 1 is row pairs / 2 + i. Conversions put out, and indexes count, the unpaired
     * order. */
    int64_t pairs;
} Tensor;

/* Product of the shape. */
int64_t tensor_elements(const Tensor *t);
/* "F32 [768, 2304]" into out; returns out. Cut where it does not fit; 256 bytes always suffice. */
char *tensor_describe(const Tensor *t, char *out, size_t size);

/* ---- opening ---- */

typedef struct Weights Weights;

/* `path` is a checkpoint file of any known format, a shard index (*.index.json), or a folder with one of the
 * usual names in it (model.safetensors, pytorch_model.bin, or one of these with .index.json behind it).
 * config.json is read from the same folder; it may be absent, but not broken. NULL with err set where
 * anything is wrong. Free with weights_close. */
MUST_USE Weights *weights_open(const char *path, Error *err);
/* The same from a file's bytes, which must outlive the result; `name` stands for the path in messages. The
 * format is recognised from the bytes. There is no config but the one in the file itself. */
MUST_USE Weights *weights_open_memory(const void *data, size_t size, const char *name, Error *err);
void weights_close(Weights *w); /* NULL is allowed */

/* The path that was opened (the file, where a folder was given). */
const char *weights_path(const Weights *w);
/* "safetensors", ... */
const char *weights_format(const Weights *w);

/* ---- tensors ---- */

size_t weights_count(const Weights *w);
/* Tensors in the order of their data; they stand in one array, so `t - weights_at(w, 0)` is a tensor's
 * number. */
const Tensor *weights_at(const Weights *w, size_t i);
/* By exact name, or NULL. */
const Tensor *weights_find(const Weights *w, const char *name);
/* By name, whatever common prefix the exporter put in front. In this order:
 *   1. the name as it is;
 *   2. with a known prefix added: transformer. model. _orig_mod. _orig_mod.transformer. _orig_mod.model.
 * module. ...;
 *   3. with a known prefix of the wanted name taken off;
 *   4. with such a prefix replaced by another one.
 * NULL where none exists. The table is in names.c. */
const Tensor *weights_resolve(const Weights *w, const char *name);
/* The tensor whose name is nearest to `name` for "did you mean", or NULL where nothing is near. Prefixes and
 * buffers do not count; of equally near names, one with the wanted shape wins (rank < 0: any shape). */
const Tensor *weights_nearest(const Weights *w, const char *name, int rank, const int64_t *shape);
/* The name without the longest known prefix; lies in `name`. */
const char *weights_bare_name(const char *name);
/* Whether this is a buffer that frameworks save with the weights but which is none (a causal mask, position
 * ids, rotary tables): by name and shape. */
bool weights_is_buffer(const Tensor *t);

/* ---- conversion ---- */

typedef enum TensorFault {
    TENSOR_FINE,
    TENSOR_NAN,
    TENSOR_INFINITE,
    TENSOR_OVERFLOW,    /* finite, but infinite in the output type (fp16: |x| >= 65520) */
    TENSOR_UNCONVERTED, /* the element type has no conversion (integers, fp8, ...); `index` is 0 */
} TensorFault;

typedef struct TensorIssue {
    TensorFault fault;
    int64_t index; /* element in the SOURCE tensor, row-major */
    double value;
} TensorIssue;

/* Converts elements [first, first + count) in OUTPUT order. With transpose2d the tensor must have rank 2, [R,
 * C], and the output is [C, R]: output element i is source element (i % R) * C + i / R. The caller keeps the
 * range within the tensor. fp16 rounds to nearest even with subnormals kept (base/half.h); F64 goes through
 * float. False with *issue filled for the first bad element of the range, in output order; `out` is then
 * unspecified. Transposed ranges are fast where they span many whole output rows. */
MUST_USE bool tensor_to_f16(const Tensor *t, bool transpose2d, uint16_t *out, size_t first, size_t count,
                            TensorIssue *issue);
MUST_USE bool tensor_to_f32(const Tensor *t, bool transpose2d, float *out, size_t first, size_t count,
                            TensorIssue *issue);
/* Turns an issue into one line that names tensor, element and value; returns false. */
bool tensor_issue_error(const Tensor *t, const TensorIssue *issue, Error *err);

/* ---- config ---- */

typedef enum ConfigFound {
    CONFIG_ABSENT, /* no such key, or no config at all */
    CONFIG_NULL,
    CONFIG_OTHER, /* there, but of another type or out of range */
    CONFIG_FOUND  /* *out was set; it is left alone in all other cases */
} ConfigFound;

/* `key` is a key of config.json, or a path with dots: "rope_scaling.factor", and numbers for elements of
 * lists: "attention_types.0.1". A key that itself has dots is found first. Texts belong to w. */
ConfigFound weights_config_int(const Weights *w, const char *key, int64_t *out);
ConfigFound weights_config_number(const Weights *w, const char *key, double *out);
ConfigFound weights_config_bool(const Weights *w, const char *key, bool *out);
ConfigFound weights_config_text(const Weights *w, const char *key, const char **out);
ConfigFound weights_config_list(const Weights *w, const char *key, size_t *count);
/* "12", "null", "a text \"gelu\"", "a list", ... for messages about a CONFIG_OTHER; returns out. */
char *weights_config_describe(const Weights *w, const char *key, char *out, size_t size);
/* The whole object (owned by w), and the path it came from; NULL where there is none. */
struct json_t *weights_config(const Weights *w);
const char *weights_config_path(const Weights *w);

#endif
