/* The wire format of protocol buffers, as far as reading needs it: fields in the order of the file. */
#ifndef RUNTIME_TOKENIZER_PROTOBUF_H
#define RUNTIME_TOKENIZER_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

typedef struct ProtoReader {
    const unsigned char *at, *end;
} ProtoReader;

typedef enum ProtoWire { PROTO_VARINT = 0, PROTO_FIXED64 = 1, PROTO_BYTES = 2, PROTO_FIXED32 = 5 } ProtoWire;

/* Which of value and data is set follows from `wire`; check it before use. */
typedef struct ProtoField {
    uint32_t number; /* above 0 */
    ProtoWire wire;
    uint64_t value;   /* PROTO_VARINT, PROTO_FIXED64, PROTO_FIXED32 (its bits) */
    const char *data; /* PROTO_BYTES: inside the message */
    size_t size;
} ProtoField;

typedef enum ProtoStep { PROTO_END, PROTO_FIELD, PROTO_BROKEN } ProtoStep;

ProtoReader proto_reader(const void *message, size_t size);
/* The next field. PROTO_BROKEN: these bytes are no message (groups, which nobody writes any more, too). */
ProtoStep proto_next(ProtoReader *r, ProtoField *field);

#endif
