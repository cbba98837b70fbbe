/* What the readers of the formats share. A reader adds tensors to a Weights that open.c owns, indexes and
 * frees. */
#ifndef FRONTEND_WEIGHTS_INTERNAL_H
#define FRONTEND_WEIGHTS_INTERNAL_H

#include <jansson.h>

#include "base/arena.h"
#include "base/file.h"
#include "frontend/weights/weights.h"

struct Weights {
    Arena arena;
    const char *path;
    const char *format;
    FileMap *maps;
    size_t map_count, map_cap;
    Tensor *tensors;
    size_t count, cap;
    const Tensor **by_name; /* sorted */
    json_t *shard_map;      /* tensor -> file, of a sharded checkpoint */
    json_t *config;
    const char *config_path;
};

/* A checkpoint file in memory; it outlives the Weights. */
typedef struct Bytes {
    const uint8_t *data;
    size_t size;
    const char *name;
} Bytes;

/* One file format. `recognise` looks at the first bytes and the name, and has to be sure: the first that says
 * yes reads. `read` appends the tensors, and may set `config`; its error texts come without the file's name.
 */
typedef struct Format {
    const char *name;
    bool (*recognise)(const Bytes *file);
    bool (*read)(Weights *w, const Bytes *file, Error *err);
} Format;

bool safetensors_recognise(const Bytes *file);
bool safetensors_read(Weights *w, const Bytes *file, Error *err);
bool gguf_recognise(const Bytes *file);
bool gguf_read(Weights *w, const Bytes *file, Error *err);
bool pytorch_recognise(const Bytes *file);
bool pytorch_read(Weights *w, const Bytes *file, Error *err);
bool llama2c_recognise(const Bytes *file);
bool llama2c_read(Weights *w, const Bytes *file, Error *err);

/* A name from a file, fit for a message: weights_quote(name).text. */
typedef struct Quoted {
    char text[200];
} Quoted;
Quoted weights_quote(const char *raw);

/* The type that a format spells `name`, or W_UNKNOWN. */
WeightType weight_type_find(const char *name);
/* Sets t->type and t->type_name; the name need not be known, and is copied. */
void weights_set_type(Weights *w, Tensor *t, const char *type);
/* Sets *bytes from shape and type (the number of elements for W_UNKNOWN). False where a length is negative,
 * the elements or bytes overflow int64_t even without the lengths that are 0, or the elements do not fill
 * whole blocks. */
bool tensor_bytes(const Tensor *t, uint64_t *bytes);
/* Elements of a block; 1 for plain types. */
int weight_type_block(WeightType type);
int weight_type_block_bytes(WeightType type);
/* Appends a copy. */
void weights_add(Weights *w, const Tensor *t);
/* Sorts the tensors from number `first` on by their place in the file. */
void weights_sort_by_data(Weights *w, size_t first);
/* Checks a tensor's name from a file: 1 to 1024 bytes, no control characters. */
bool weights_name_ok(const char *name, size_t length);

/* Maps the shards that an index names and reads each; `index` is the path of the *.index.json. */
bool shards_read(Weights *w, const char *index, Error *err);
bool shards_check(const Weights *w, Error *err);
/* Maps `path` (owned by w from then on) and reads it in whatever format it is. */
bool weights_read_file(Weights *w, const char *path, Error *err);
/* A JSON object from a file of at most `limit` bytes, or NULL. Duplicate keys are refused. */
json_t *json_object_from_file(const char *path, size_t limit, Error *err);
/* The same from bytes; `what` begins the error text. */
json_t *json_object_from_bytes(const void *data, size_t size, const char *what, Error *err);

#endif
