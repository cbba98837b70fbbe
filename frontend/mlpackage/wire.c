#include "frontend/mlpackage/wire.h"

#include <inttypes.h>
#include <stddef.h>

/* Levels of messages: types nest 16 deep at most, each two or three messages. */
enum { MOST_LEVELS = 100 };
static const uint64_t most_memory = (uint64_t)4 << 30;

typedef struct Wire {
    const uint8_t *at, *end;
} Wire;

static bool read_varint(Wire *w, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 70 && w->at < w->end; shift += 7) {
        uint8_t byte = *w->at++;
        *out |= shift < 64 ? (uint64_t)(byte & 127) << shift : 0;
        if (byte < 128)
            return true;
    }
    return false;
}

/* Steps over a field's value; `inner` gets the bytes of one that is delimited by its length. */
static bool skip_value(Wire *w, unsigned kind, Wire *inner)
{
    uint64_t n = 0;
    if (kind == 0)
        return read_varint(w, &n);
    if (kind == 1)
        n = 8;
    else if (kind == 5)
        n = 4;
    else if (kind != 2 || !read_varint(w, &n))
        return false;
    if (n > (uint64_t)(w->end - w->at))
        return false;
    *inner = (Wire){w->at, w->at + n};
    w->at += n;
    return true;
}

static bool check(const ProtobufCMessageDescriptor *of, Wire w, int level, uint64_t *memory, Error *err)
{
    if (level > MOST_LEVELS)
        return error_set(err, "messages are nested more than %d deep", MOST_LEVELS);
    *memory += of->sizeof_message + 64;
    while (w.at < w.end) {
        uint64_t tag;
        Wire inner = {0};
        if (!read_varint(&w, &tag) || !tag || tag >> 3 > UINT32_MAX >> 3 || !skip_value(&w, tag & 7, &inner))
            return error_set(err,
                             "this is no Core ML model, or it is damaged: a message ends within a field");
        const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(of, (unsigned)(tag >> 3));
        *memory += 32;
        if (inner.at)
            *memory += 8 * (uint64_t)(inner.end - inner.at);
        if (*memory > most_memory)
            return error_set(err, "the model would take more than %" PRIu64 " GiB of memory",
                             most_memory >> 30);
        if (f && f->type == PROTOBUF_C_TYPE_MESSAGE && (tag & 7) == 2 &&
            !check(f->descriptor, inner, level + 1, memory, err))
            return false;
    }
    return true;
}

bool wire_check(const ProtobufCMessageDescriptor *of, const uint8_t *data, size_t size, Error *err)
{
    uint64_t memory = 0;
    return check(of, (Wire){data, data + size}, 1, &memory, err);
}

const char *wire_model_kind(const Cm__Model *model)
{
    static const struct {
        uint32_t tag;
        const char *name;
    } kinds[] = {
        {200, "pipeline classifier"},
        {201, "pipeline regressor"},
        {202, "pipeline"},
        {300, "linear regressor"},
        {301, "support vector regressor"},
        {302, "tree ensemble regressor"},
        {303, "neural network regressor"},
        {304, "Bayesian regressor"},
        {400, "linear classifier"},
        {401, "support vector classifier"},
        {402, "tree ensemble classifier"},
        {403, "neural network classifier"},
        {404, "nearest neighbours classifier"},
        {500, "neural network"},
        {501, "item recommender"},
        {555, "custom model"},
        {556, "linked model"},
        {560, "confidence thresholding"},
        {600, "one-hot encoder"},
        {601, "imputer"},
        {602, "feature vectorizer"},
        {603, "dict vectorizer"},
        {604, "scaler"},
        {606, "categorical mapping"},
        {607, "normalizer"},
        {609, "array feature extractor"},
        {610, "non-maximum suppression"},
        {900, "identity"},
        {2000, "text classifier"},
        {2001, "word tagger"},
        {2002, "vision feature print"},
        {2003, "sound analysis"},
        {2004, "gazetteer"},
        {2005, "word embedding"},
        {2006, "audio feature print"},
        {3000, "serialized model"},
    };
    for (size_t i = 0; i < model->base.n_unknown_fields; i++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (model->base.unknown_fields[i].tag == kinds[k].tag)
                return kinds[k].name;
    return NULL;
}
