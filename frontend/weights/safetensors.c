/* safetensors: u64 header length N, N bytes of JSON, tensor data. Offsets in the header count from the data's
 * first byte; together the tensors cover the data without holes or overlap. */
#include <inttypes.h>
#include <string.h>

#include "frontend/weights/internal.h"

enum { LENGTH_BYTES = 8, HEADER_LIMIT = 100000000 }; /* the limit of the reference library */

typedef struct Reader {
    Weights *w;
    const Bytes *file;
    const uint8_t *data; /* behind the header */
    uint64_t size;
    Error *err;
} Reader;

static uint64_t read_u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

bool safetensors_recognise(const Bytes *file)
{
    static const char suffix[] = ".safetensors";
    size_t length = strlen(file->name), n = sizeof suffix - 1;
    if (length >= n && strcmp(file->name + length - n, suffix) == 0)
        return true;
    return file->size > LENGTH_BYTES && file->data[LENGTH_BYTES] == '{' &&
           read_u64(file->data) <= HEADER_LIMIT;
}

static bool tensor_error(Reader *r, const char *name, const char *what)
{
    return error_set(r->err, "tensor \"%s\": %s", weights_quote(name).text, what);
}

static bool read_shape(Reader *r, Tensor *t, const json_t *shape)
{
    if (!json_is_array(shape))
        return tensor_error(r, t->name, "\"shape\" is not a list");
    if (json_array_size(shape) > WEIGHTS_MAX_RANK)
        return tensor_error(r, t->name, "\"shape\" has more than 8 lengths");
    t->rank = (int)json_array_size(shape);
    for (int i = 0; i < t->rank; i++) {
        const json_t *d = json_array_get(shape, (size_t)i);
        if (!json_is_integer(d) || json_integer_value(d) < 0)
            return tensor_error(r, t->name, "\"shape\" holds something else than whole numbers from 0 up");
        t->shape[i] = json_integer_value(d);
    }
    return true;
}

static bool read_offsets(Reader *r, Tensor *t, const json_t *offsets)
{
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return tensor_error(r, t->name, "\"data_offsets\" is not a pair of whole numbers");
    json_int_t from = json_integer_value(begin), to = json_integer_value(end);
    if (from < 0 || to < from)
        return tensor_error(r, t->name,
                            "\"data_offsets\" is not a range: begin and end from 0 up are expected");
    if ((uint64_t)to > r->size) {
        return error_set(r->err,
                         "cut short: tensor \"%s\" ends at byte %" PRIu64 " of the data, which has %" PRIu64
                         " bytes; fetch the file again",
                         weights_quote(t->name).text, (uint64_t)to, r->size);
    }
    t->data = r->data + from;
    t->size = (uint64_t)(to - from);
    return true;
}

static bool read_entry(Reader *r, const char *name, const json_t *entry)
{
    Tensor t = {.file = r->file->name};
    if (!weights_name_ok(name, strlen(name)))
        return tensor_error(r, name, "a name is 1 to 1024 bytes without control characters");
    t.name = arena_str(&r->w->arena, name, strlen(name));
    if (!json_is_object(entry))
        return tensor_error(r, name, "its entry in the header is not an object");
    const char *type = json_string_value(json_object_get(entry, "dtype"));
    if (!type)
        return tensor_error(r, name, "\"dtype\" is not a text");
    weights_set_type(r->w, &t, type);
    if (!read_shape(r, &t, json_object_get(entry, "shape")))
        return false;
    uint64_t bytes;
    if (!tensor_bytes(&t, &bytes))
        return tensor_error(r, name, "its shape has too many elements, or they do not fill whole bytes");
    if (!read_offsets(r, &t, json_object_get(entry, "data_offsets")))
        return false;
    if (t.type != W_UNKNOWN && bytes != t.size) {
        char shape[256];
        return error_set(r->err, "tensor \"%s\": %s takes %" PRIu64 " bytes, but its range has %" PRIu64,
                         weights_quote(name).text, tensor_describe(&t, shape, sizeof shape), bytes, t.size);
    }
    weights_add(r->w, &t);
    return true;
}

static bool read_metadata(Reader *r, json_t *metadata)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return error_set(r->err, "\"__metadata__\" is not an object");
    json_object_foreach(metadata, key, value)
    {
        if (!json_is_string(value))
            return error_set(r->err, "\"__metadata__\" may hold texts only");
    }
    return true;
}

/* Sorts this file's tensors, and checks that they cover the data. */
static bool check_cover(Reader *r, size_t first)
{
    Tensor *t = r->w->tensors + first;
    size_t count = r->w->count - first;
    const uint8_t *end = r->data;
    weights_sort_by_data(r->w, first);
    for (size_t i = 0; i < count; end = t[i].data + t[i].size, i++) {
        if (t[i].data == end)
            continue;
        if (t[i].data > end)
            return error_set(r->err, "%" PRIu64 " bytes of data before tensor \"%s\" belong to no tensor",
                             (uint64_t)(t[i].data - end), weights_quote(t[i].name).text);
        return error_set(r->err, "tensors \"%s\" and \"%s\" overlap", weights_quote(t[i - 1].name).text,
                         weights_quote(t[i].name).text);
    }
    uint64_t rest = r->size - (uint64_t)(end - r->data);
    if (rest)
        return error_set(r->err,
                         "%" PRIu64 " bytes behind the last tensor: the file is longer than its header says",
                         rest);
    return true;
}

static bool read_header(Reader *r, json_t *header)
{
    const char *key;
    json_t *value;
    size_t first = r->w->count;
    json_object_foreach(header, key, value)
    {
        bool metadata = strcmp(key, "__metadata__") == 0;
        if (!(metadata ? read_metadata(r, value) : read_entry(r, key, value)))
            return false;
    }
    return check_cover(r, first);
}

bool safetensors_read(Weights *w, const Bytes *file, Error *err)
{
    if (file->size < LENGTH_BYTES)
        return error_set(err, "cut short: a safetensors file has at least 8 bytes, this one has %zu",
                         file->size);
    uint64_t length = read_u64(file->data);
    if (length > HEADER_LIMIT)
        return error_set(err,
                         "not a safetensors file: it begins with a header length of %" PRIu64
                         " bytes, at most 100000000 are allowed",
                         length);
    if (length > file->size - LENGTH_BYTES)
        return error_set(
            err, "cut short: the header has %" PRIu64 " bytes, %zu are in the file; fetch the file again",
            length, file->size - LENGTH_BYTES);
    if (length < 2 || file->data[LENGTH_BYTES] != '{')
        return error_set(err, "not a safetensors file: the header is no JSON object");
    json_t *header = json_object_from_bytes(file->data + LENGTH_BYTES, (size_t)length, "header", err);
    if (!header)
        return false;
    Reader r = {w, file, file->data + LENGTH_BYTES + length, file->size - LENGTH_BYTES - length, err};
    bool ok = read_header(&r, header);
    json_decref(header);
    return ok;
}
