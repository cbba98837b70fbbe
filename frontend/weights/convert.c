#include <math.h>
#include <string.h>

#include "base/half.h"
#include "frontend/weights/blocks.h"
#include "frontend/weights/internal.h"
#include "frontend/weights/rows.h"

enum {
    CHUNK = 1024, /* floats on their way to fp16 stay in the first cache */
    SCAN = 1 << 16,
    TILE = 64 /* rows and columns that are transposed at a time */
};

/* One conversion; to fp16 where half is not NULL, else to fp32. */
typedef struct Job {
    const Tensor *t;
    bool half, transpose;
    uint32_t limit; /* bits of the smallest |x| that is a fault */
} Job;

/* ---- single elements and runs in source order ---- */

typedef void (*Unblock)(const uint8_t *from, float *to);

static Unblock unblock(WeightType type)
{
    switch (type) {
    case W_Q4_0: return block_q4_0;
    case W_Q8_0: return block_q8_0;
    case W_Q4_K: return block_q4_k;
    case W_Q5_K: return block_q5_k;
    case W_Q6_K: return block_q6_k;
    default: return NULL;
    }
}

static bool tensor_is_convertible(const Tensor *t)
{
    return t->type == W_F32 || t->type == W_F16 || t->type == W_BF16 || t->type == W_F64 || unblock(t->type);
}

/* A range may begin and end within a block. */
static void fetch_blocks(const Tensor *t, size_t first, size_t count, float *out)
{
    size_t elements = (size_t)weight_type_block(t->type), bytes = (size_t)weight_type_block_bytes(t->type);
    Unblock widen = unblock(t->type);
    for (size_t n; count; first += n, out += n, count -= n) {
        float block[BLOCK_LIMIT];
        size_t skip = first % elements;
        const uint8_t *from = t->data + first / elements * bytes;
        n = elements - skip < count ? elements - skip : count;
        if (n == elements) {
            widen(from, out);
            continue;
        }
        widen(from, block);
        memcpy(out, block + skip, n * sizeof *out);
    }
}

/* Elements as they are stored. */
static void fetch(const Tensor *t, size_t first, size_t count, float *out)
{
    switch (t->type) {
    case W_F32: memcpy(out, t->data + 4 * first, 4 * count); break;
    case W_F16: rows_f16_to_f32(t->data + 2 * first, out, count); break;
    case W_BF16: rows_bf16_to_f32(t->data + 2 * first, out, count); break;
    case W_F64: rows_f64_to_f32(t->data + 8 * first, out, count); break;
    default: fetch_blocks(t, first, count, out);
    }
}

/* Elements of one row. */
static size_t row_elements(const Tensor *t)
{
    size_t n = 1;
    for (int i = 1; i < t->rank; i++)
        n *= (size_t)t->shape[i];
    return n;
}

/* Where an element is stored; elements of one row stay together. */
static size_t stored_at(const Tensor *t, size_t index)
{
    if (!t->pairs)
        return index;
    size_t row = row_elements(t), pairs = (size_t)t->pairs, r = index / row, within = r % pairs;
    size_t stored = within < pairs / 2 ? 2 * within : 2 * (within - pairs / 2) + 1;
    return (r - within + stored) * row + index % row;
}

static double tensor_value(const Tensor *t, size_t index)
{
    size_t at = stored_at(t, index);
    if (t->type == W_F64) {
        double d;
        memcpy(&d, t->data + 8 * at, sizeof d);
        return d;
    }
    float f;
    fetch(t, at, 1, &f);
    return f;
}

static uint32_t stored_to_half(const Tensor *t, size_t first, size_t count, uint16_t *out)
{
    float floats[CHUNK];
    uint32_t peak = 0;
    if (t->type == W_F32)
        return rows_f32_to_f16(t->data + 4 * first, out, count);
    if (t->type == W_F16)
        return rows_f16_to_f16(t->data + 2 * first, out, count);
    for (size_t n; count; first += n, out += n, count -= n) {
        n = count < CHUNK ? count : CHUNK;
        fetch(t, first, n, floats);
        uint32_t top = rows_f32_to_f16((const uint8_t *)floats, out, n);
        peak = top > peak ? top : peak;
    }
    return peak;
}

static uint32_t stored_to_float(const Tensor *t, size_t first, size_t count, float *out)
{
    uint32_t peak = 0;
    if (t->type == W_F32)
        return rows_f32_to_f32(t->data + 4 * first, out, count);
    for (size_t n; count; first += n, out += n, count -= n) {
        n = count < CHUNK ? count : CHUNK;
        fetch(t, first, n, out);
        uint32_t top = rows_f32_to_f32((const uint8_t *)out, out, n);
        peak = top > peak ? top : peak;
    }
    return peak;
}

/* Runs of whole tensors, or of rows where those are not stored in their order. */
static size_t run_length(const Tensor *t, size_t first, size_t count)
{
    if (!t->pairs)
        return count;
    size_t row = row_elements(t), rest = row - first % row;
    return rest < count ? rest : count;
}

static uint32_t run_to_half(const Tensor *t, size_t first, size_t count, uint16_t *out)
{
    uint32_t peak = 0;
    for (size_t n; count; first += n, out += n, count -= n) {
        n = run_length(t, first, count);
        uint32_t top = stored_to_half(t, stored_at(t, first), n, out);
        peak = top > peak ? top : peak;
    }
    return peak;
}

static uint32_t run_to_float(const Tensor *t, size_t first, size_t count, float *out)
{
    uint32_t peak = 0;
    for (size_t n; count; first += n, out += n, count -= n) {
        n = run_length(t, first, count);
        uint32_t top = stored_to_float(t, stored_at(t, first), n, out);
        peak = top > peak ? top : peak;
    }
    return peak;
}

/* ---- faults ---- */

static TensorFault fault_of(const Job *job, double x)
{
    float f = (float)x;
    if (isnan(x))
        return TENSOR_NAN;
    if (isinf(x))
        return TENSOR_INFINITE;
    return (float_bits(f) & 0x7fffffff) >= job->limit ? TENSOR_OVERFLOW : TENSOR_FINE;
}

/* The first bad element of a range that has one. */
static bool find_fault(const Job *job, size_t first, size_t count, TensorIssue *issue)
{
    const Tensor *t = job->t;
    for (size_t i = first; i < first + count; i++) {
        size_t at = i;
        if (job->transpose) {
            size_t rows = (size_t)t->shape[0], columns = (size_t)t->shape[1];
            at = i % rows * columns + i / rows;
        }
        double x = tensor_value(t, at);
        TensorFault fault = fault_of(job, x);
        if (fault == TENSOR_FINE)
            continue;
        *issue = (TensorIssue){fault, (int64_t)at, x};
        return false;
    }
    return true;
}

/* ---- ranges ---- */

static bool convert_plain(const Job *job, uint8_t *out, size_t first, size_t count, TensorIssue *issue)
{
    size_t bytes = job->half ? 2 : 4;
    for (size_t n; count; first += n, out += n * bytes, count -= n) {
        n = count < SCAN ? count : SCAN;
        uint32_t peak = job->half ? run_to_half(job->t, first, n, (uint16_t *)(void *)out)
                                  : run_to_float(job->t, first, n, (float *)(void *)out);
        if (peak >= job->limit)
            return find_fault(job, first, n, issue);
    }
    return true;
}

/* Asks for the lines that a tile will be written to, while it is still being read: stores retire in order,
 * and each would wait for its own line (a third of the time). */
static void prefetch_rows(const uint8_t *out, size_t pitch, size_t rows, size_t bytes)
{
#if defined(__GNUC__)
    for (size_t i = 0; i < rows; i++)
        for (size_t at = 0; at < bytes + 63; at += 64) /* the row need not begin where a line does */
            __builtin_prefetch(out + i * pitch + (at < bytes ? at : bytes - 1), 1);
#endif
}

/* A tile of at most TILE rows and columns, into out with `rows` elements between the output's rows. */
static uint32_t tile_to_half(const Job *job, size_t r0, size_t r1, size_t c0, size_t c1, uint16_t *out)
{
    uint16_t tile[TILE * TILE];
    size_t rows = (size_t)job->t->shape[0], columns = (size_t)job->t->shape[1], high = r1 - r0;
    uint32_t peak = 0;
    for (size_t r = 0; r < high; r++) {
        uint32_t top = run_to_half(job->t, (r0 + r) * columns + c0, c1 - c0, tile + r * TILE);
        peak = top > peak ? top : peak;
    }
    rows_transpose16(tile, TILE, out, rows, high, c1 - c0);
    return peak;
}

static uint32_t tile_to_float(const Job *job, size_t r0, size_t r1, size_t c0, size_t c1, float *out)
{
    float tile[TILE * TILE];
    size_t rows = (size_t)job->t->shape[0], columns = (size_t)job->t->shape[1], high = r1 - r0;
    uint32_t peak = 0;
    for (size_t r = 0; r < high; r++) {
        uint32_t top = run_to_float(job->t, (r0 + r) * columns + c0, c1 - c0, tile + r * TILE);
        peak = top > peak ? top : peak;
    }
    for (size_t c = 0; c < c1 - c0; c++)
        for (size_t r = 0; r < high; r++)
            out[c * rows + r] = tile[r * TILE + c];
    return peak;
}

/* Source rows [r0, r1) of columns [c0, c1); out is where (r0, c0) goes. */
static uint32_t transpose_block(const Job *job, size_t r0, size_t r1, size_t c0, size_t c1, uint8_t *out)
{
    size_t rows = (size_t)job->t->shape[0], bytes = job->half ? 2 : 4;
    uint32_t peak = 0;
    for (size_t c = c0; c < c1; c += TILE)
        for (size_t r = r0; r < r1; r += TILE) {
            size_t r_end = r1 - r < TILE ? r1 : r + TILE, c_end = c1 - c < TILE ? c1 : c + TILE;
            uint8_t *at = out + ((c - c0) * rows + r - r0) * bytes;
            prefetch_rows(at, rows * bytes, c_end - c, (r_end - r) * bytes);
            uint32_t top = job->half ? tile_to_half(job, r, r_end, c, c_end, (uint16_t *)(void *)at)
                                     : tile_to_float(job, r, r_end, c, c_end, (float *)(void *)at);
            peak = top > peak ? top : peak;
        }
    return peak;
}

static bool convert_transposed(const Job *job, uint8_t *out, size_t first, size_t count, TensorIssue *issue)
{
    size_t rows = (size_t)job->t->shape[0], bytes = job->half ? 2 : 4;
    uint32_t peak = 0;
    /* The rest of an output row, whole output rows, the beginning of one. */
    for (size_t at = first, left = count, n; left; at += n, left -= n, out += n * bytes) {
        size_t c = at / rows, r = at % rows;
        size_t whole = r ? 0 : left / rows;
        n = whole ? whole * rows : left < rows - r ? left : rows - r;
        uint32_t top = whole ? transpose_block(job, 0, rows, c, c + whole, out)
                             : transpose_block(job, r, r + n, c, c + 1, out);
        peak = top > peak ? top : peak;
    }
    return peak < job->limit || find_fault(job, first, count, issue);
}

static bool convert(const Job *job, void *out, size_t first, size_t count, TensorIssue *issue)
{
    *issue = (TensorIssue){TENSOR_FINE, 0, 0};
    if (!tensor_is_convertible(job->t)) {
        issue->fault = TENSOR_UNCONVERTED;
        return false;
    }
    if (!count)
        return true;
    return job->transpose ? convert_transposed(job, out, first, count, issue)
                          : convert_plain(job, out, first, count, issue);
}

bool tensor_to_f16(const Tensor *t, bool transpose2d, uint16_t *out, size_t first, size_t count,
                   TensorIssue *issue)
{
    Job job = {t, true, transpose2d, ROWS_HALF_INFINITY};
    return convert(&job, out, first, count, issue);
}

bool tensor_to_f32(const Tensor *t, bool transpose2d, float *out, size_t first, size_t count,
                   TensorIssue *issue)
{
    Job job = {t, false, transpose2d, ROWS_INFINITY};
    return convert(&job, out, first, count, issue);
}
