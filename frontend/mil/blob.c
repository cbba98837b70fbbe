#include "frontend/mil/blob.h"

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static const char *code_name(uint32_t code)
{
    DType d = dtype_from_blob_code(code);
    return d == DT_NONE ? "an unknown type" : dtype_info[d].name;
}

bool blob_file_header(const FileMap *map, uint32_t *count, uint32_t *version)
{
    if (map->size < BLOB_HEADER)
        return false;
    *count = get32(map->data);
    *version = get32(map->data + 4);
    return true;
}

bool blob_peek(const FileMap *map, uint64_t offset, BlobRecord *r)
{
    if (offset > map->size || map->size - offset < BLOB_HEADER)
        return false;
    const uint8_t *p = map->data + offset;
    *r = (BlobRecord){get32(p), get32(p + 4), get64(p + 8), get64(p + 16), get64(p + 24)};
    return true;
}

static bool check_file(const FileMap *map, Error *err)
{
    uint32_t count, version;
    if (!blob_file_header(map, &count, &version))
        return error_set(err, "weight file is too short: %zu bytes, its header alone has %d", map->size,
                         BLOB_HEADER);
    if (version != BLOB_VERSION)
        return error_set(err, "weight file has format version %u, expected %d", version, BLOB_VERSION);
    return true;
}

static bool read_record(const FileMap *map, uint64_t offset, BlobRecord *r, Error *err)
{
    if (offset < BLOB_HEADER || !blob_peek(map, offset, r))
        return error_set(err, "no weight record at offset %llu of a file of %zu bytes",
                         (unsigned long long)offset, map->size);
    if (r->sentinel != BLOB_SENTINEL)
        return error_set(err, "no weight record at offset %llu: found 0x%08x where 0x%08x marks one",
                         (unsigned long long)offset, r->sentinel, BLOB_SENTINEL);
    if (r->payload > map->size || r->size > map->size - r->payload)
        return error_set(
            err, "weight record at offset %llu: %llu bytes at %llu lie outside of a file of %zu bytes",
            (unsigned long long)offset, (unsigned long long)r->size, (unsigned long long)r->payload,
            map->size);
    return true;
}

static bool check_type(const BlobRecord *r, uint64_t offset, DType dtype, int64_t elements, Error *err)
{
    const DTypeInfo *info = &dtype_info[dtype];
    uint64_t n = (uint64_t)elements, bits = (uint64_t)info->bits;
    if (!info->blob_code)
        return error_set(err, "elements of type %s cannot stand in a weight file", info->name);
    if (r->code != (uint32_t)info->blob_code)
        return error_set(err, "weight record at offset %llu holds %s, expected %s",
                         (unsigned long long)offset, code_name(r->code), info->name);
    if (elements < 0 || n > ((uint64_t)1 << 56))
        return error_set(err, "weight record at offset %llu: a count of %lld elements cannot be",
                         (unsigned long long)offset, (long long)elements);
    uint64_t size = (n * bits + 7) / 8;
    if (r->size != size)
        return error_set(err, "weight record at offset %llu has %llu bytes, %lld elements of %s need %llu",
                         (unsigned long long)offset, (unsigned long long)r->size, (long long)elements,
                         info->name, (unsigned long long)size);
    /* Older writers leave this field undefined, but not for the types that have use for it. */
    if (bits < 8 && r->unused_bits != size * 8 - n * bits)
        return error_set(
            err, "weight record at offset %llu says that %llu bits at its end are unused, expected %llu",
            (unsigned long long)offset, (unsigned long long)r->unused_bits,
            (unsigned long long)(size * 8 - n * bits));
    return true;
}

bool blob_find(const FileMap *map, uint64_t offset, DType dtype, int64_t elements, const uint8_t **data,
               Error *err)
{
    BlobRecord r = {0};
    if (!check_file(map, err) || !read_record(map, offset, &r, err) ||
        !check_type(&r, offset, dtype, elements, err))
        return false;
    uint64_t width = dtype_info[dtype].bits < 8 ? 1 : (uint64_t)dtype_info[dtype].bits / 8;
    if (r.payload % width)
        return error_set(err, "weight record at offset %llu: its data at %llu are not aligned to %llu bytes",
                         (unsigned long long)offset, (unsigned long long)r.payload,
                         (unsigned long long)width);
    *data = map->data + r.payload;
    return true;
}
