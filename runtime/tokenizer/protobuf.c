#include "runtime/tokenizer/protobuf.h"

#include <stdbool.h>

ProtoReader proto_reader(const void *message, size_t size)
{
    const unsigned char *at = message;
    return (ProtoReader){at, at + size};
}

/* Seven bits a byte, low ones first; ten bytes at most. */
static bool read_varint(ProtoReader *r, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; shift < 70 && r->at < r->end; shift += 7) {
        unsigned c = *r->at++;
        *value |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return shift < 63 || c < 2;
    }
    return false;
}

static bool read_fixed(ProtoReader *r, int bytes, uint64_t *value)
{
    if (r->end - r->at < bytes)
        return false;
    *value = 0;
    for (int i = 0; i < bytes; i++)
        *value |= (uint64_t)*r->at++ << 8 * i;
    return true;
}

static bool read_bytes(ProtoReader *r, ProtoField *field)
{
    uint64_t size;
    if (!read_varint(r, &size) || size > (size_t)(r->end - r->at))
        return false;
    field->data = (const char *)r->at;
    field->size = (size_t)size;
    r->at += field->size;
    return true;
}

ProtoStep proto_next(ProtoReader *r, ProtoField *field)
{
    uint64_t tag;
    bool ok = false;
    *field = (ProtoField){0};
    if (r->at == r->end)
        return PROTO_END;
    if (!read_varint(r, &tag) || tag >> 3 == 0 || tag > UINT32_MAX)
        return PROTO_BROKEN;
    field->number = (uint32_t)(tag >> 3);
    field->wire = (ProtoWire)(tag & 7);
    switch (tag & 7) {
    case PROTO_VARINT: ok = read_varint(r, &field->value); break;
    case PROTO_FIXED64: ok = read_fixed(r, 8, &field->value); break;
    case PROTO_BYTES: ok = read_bytes(r, field); break;
    case PROTO_FIXED32: ok = read_fixed(r, 4, &field->value); break;
    }
    return ok ? PROTO_FIELD : PROTO_BROKEN;
}
