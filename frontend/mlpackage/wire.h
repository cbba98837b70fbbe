#ifndef FRONTEND_MLPACKAGE_WIRE_H
#define FRONTEND_MLPACKAGE_WIRE_H

#include "base/coreml.pb-c.h"
#include "base/error.h"

/* Looks through the bytes of a message before protobuf-c does, which recurses as deep as they say and takes
 * memory for every message in them: depth, lengths and the sum of all that would be allocated are bounded. */
MUST_USE bool wire_check(const ProtobufCMessageDescriptor *of, const uint8_t *data, size_t size, Error *err);

/* What a model holds in place of an ML Program ("neural network"); NULL where that is not known. */
const char *wire_model_kind(const Cm__Model *model);

#endif
