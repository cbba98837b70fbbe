#include "backend/blob.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/quantise.h"
#include "base/half.h"

enum { HEADER = 64, VERSION = 2, CHUNK_ELEMENTS = 1 << 19 };
static const uint32_t SENTINEL = 0xDEADBEEF;

static uint64_t align(uint64_t n)
{
    return (n + BLOB_ALIGN - 1) & ~(uint64_t)(BLOB_ALIGN - 1);
}

uint64_t blob_add(Arena *a, BlobFile *file, const WeightRef *ref, const Type *type)
{
    if (!file->size)
        file->size = HEADER;
    BlobRecord r = {*ref, type, align(file->size), (uint64_t)type_bytes(type)};
    arena_push(a, file->record, file->records, file->cap, r);
    file->size = r.offset + HEADER + r.size;
    return r.offset;
}

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

/* What is on its way to one file: written, hashed and counted together. */
typedef struct Output {
    FileWriter *file;
    Sha256 *hash;
    uint64_t position;
    const WeightSource *weights;
    void *buffer;  /* CHUNK_ELEMENTS of any type */
    float *floats; /* as many numbers before they become 8 bits; NULL: not needed yet */
    void (*progress)(void *context, uint64_t bytes);
    void *context;
} Output;

static bool put(Output *o, const void *data, size_t size, Error *err)
{
    sha256_add(o->hash, data, size);
    o->position += size;
    return file_write(o->file, data, size, err);
}

static bool put_padding(Output *o, uint64_t until, Error *err)
{
    static const uint8_t zeros[BLOB_ALIGN];
    return put(o, zeros, (size_t)(until - o->position), err);
}

/* Element (q, k) is 0 where key k is seen by query q. */
static void fill_mask(const BlobRecord *r, int64_t first, int64_t count, uint16_t *out)
{
    const Type *t = r->type;
    int64_t keys = t->dim[t->rank - 1], queries = t->dim[t->rank - 2], window = r->ref.window;
    const uint16_t masked = 0xf0e2; /* MASKED as fp16: -10000 exactly */
    for (int64_t i = 0; i < count; i++) {
        int64_t k = (first + i) % keys, q = (first + i) / keys % queries;
        out[i] = k <= q && (!window || k > q - window) ? 0 : masked;
    }
}

/* Element (q, k) is q - k. Exact up to 2048; what is farther away is rounded, as everything that far is. */
static void fill_distance(const BlobRecord *r, int64_t first, int64_t count, uint16_t *out)
{
    const Type *t = r->type;
    int64_t columns = t->dim[t->rank - 1], rows = t->dim[t->rank - 2];
    for (int64_t i = 0; i < count; i++) {
        int64_t column = (first + i) % columns, row = (first + i) / columns % rows;
        out[i] = half_from_float((float)(r->ref.transposed ? column - row : row - column));
    }
}

/* Powers of two are exact in fp16, but for what becomes a subnormal. */
static void scale_halves(const BlobRecord *r, int64_t count, uint16_t *x)
{
    for (int64_t i = 0; i < count && r->ref.scale; i++)
        x[i] = half_from_float(ldexpf(half_to_float(x[i]), r->ref.scale));
}

/* `blocks` blocks from block `first` of a tensor that is stored in 8 bits. */
static bool read_blocks(Output *o, const BlobRecord *r, int64_t first, int64_t blocks, Error *err)
{
    if (!o->floats)
        o->floats = xmalloc(CHUNK_ELEMENTS * sizeof(float));
    return o->weights->read(o->weights->context, &r->ref, r->type, first * WEIGHT_BLOCK,
                            blocks * WEIGHT_BLOCK, DT_FP32, o->floats, err);
}

static bool read_bytes(Output *o, const BlobRecord *r, int64_t first, int64_t count, Error *err)
{
    int64_t blocks = count / WEIGHT_BLOCK;
    if (!read_blocks(o, r, first / WEIGHT_BLOCK, blocks, err))
        return false;
    quantise_numbers(o->floats, blocks, o->buffer);
    return true;
}

static bool read_scales(Output *o, const BlobRecord *r, int64_t first, int64_t count, Error *err)
{
    enum { MOST = CHUNK_ELEMENTS / WEIGHT_BLOCK };
    for (int64_t at = 0; at < count; at += MOST) {
        int64_t n = count - at < MOST ? count - at : MOST;
        if (!read_blocks(o, r, first + at, n, err))
            return false;
        if (!quantise_scales(o->floats, n, (uint16_t *)o->buffer + at))
            return error_set(err, "%s: its numbers are too large for fp16", r->ref.name);
    }
    return true;
}

static bool read_chunk(Output *o, const BlobRecord *r, int64_t first, int64_t count, Error *err)
{
    if (r->ref.kind == WEIGHT_CAUSAL_MASK) {
        fill_mask(r, first, count, o->buffer);
        return true;
    }
    if (r->ref.kind == WEIGHT_DISTANCE) {
        fill_distance(r, first, count, o->buffer);
        return true;
    }
    if (r->ref.kind == WEIGHT_INT8)
        return read_bytes(o, r, first, count, err);
    if (r->ref.kind == WEIGHT_SCALES)
        return read_scales(o, r, first, count, err);
    if (!o->weights->read(o->weights->context, &r->ref, r->type, first, count, r->type->dtype, o->buffer,
                          err))
        return false;
    if (r->type->dtype == DT_FP16)
        scale_halves(r, count, o->buffer);
    return true;
}

static bool put_payload(Output *o, const BlobRecord *r, Error *err)
{
    int64_t total = type_elements(r->type), width = dtype_info[r->type->dtype].bits / 8;
    for (int64_t first = 0; first < total; first += CHUNK_ELEMENTS) {
        int64_t count = total - first < CHUNK_ELEMENTS ? total - first : CHUNK_ELEMENTS;
        if (!read_chunk(o, r, first, count, err) || !put(o, o->buffer, (size_t)(count * width), err))
            return false;
        if (o->progress)
            o->progress(o->context, (uint64_t)(count * width));
    }
    return true;
}

static bool put_record(Output *o, const BlobRecord *r, Error *err)
{
    uint8_t header[HEADER] = {0};
    put32(header, SENTINEL);
    put32(header + 4, (uint32_t)dtype_info[r->type->dtype].blob_code);
    put64(header + 8, r->size);
    put64(header + 16, r->offset + HEADER);
    return put_padding(o, r->offset, err) && put(o, header, sizeof header, err) && put_payload(o, r, err);
}

static bool put_all(Output *o, const BlobFile *file, Error *err)
{
    uint8_t header[HEADER] = {0};
    put32(header, (uint32_t)file->records);
    put32(header + 4, VERSION);
    if (!put(o, header, sizeof header, err))
        return false;
    for (int i = 0; i < file->records; i++)
        if (!put_record(o, &file->record[i], err))
            return false;
    return true;
}

bool blob_write(const BlobFile *file, const char *path, const WeightSource *weights, char hex[65],
                void (*progress)(void *context, uint64_t bytes), void *context, Error *err)
{
    Output o = {.weights = weights, .progress = progress, .context = context};
    o.file = file_create(path, err);
    if (!o.file)
        return false;
    o.hash = sha256_new();
    o.buffer = xmalloc(CHUNK_ELEMENTS * sizeof(float));
    bool ok = put_all(&o, file, err);
    if (ok)
        ok = file_close(o.file, err);
    else
        file_abandon(o.file);
    sha256_hex(o.hash, hex);
    free(o.buffer);
    free(o.floats);
    return ok;
}
