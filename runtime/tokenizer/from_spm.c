/* SentencePiece's tokenizer.model, a protocol buffer (sentencepiece_model.proto), to tokenizer.json. */
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer/convert.h"
#include "runtime/tokenizer/protobuf.h"
#include "runtime/tokenizer/write.h"

/* Numbers of fields. */
enum {
    MODEL_PIECES = 1,
    MODEL_TRAINER = 2,
    MODEL_NORMALIZER = 3,
    MODEL_DENORMALIZER = 5,
    PIECE_TEXT = 1,
    PIECE_SCORE = 2,
    PIECE_TYPE = 3,
    TRAINER_TYPE = 3,
    TRAINER_SPACE_AS_SUFFIX = 24,
    TRAINER_BYTE_FALLBACK = 35,
    TRAINER_BOS = 41,
    TRAINER_UNKNOWN_TEXT = 44,
    NORMALIZER_NAME = 1,
    NORMALIZER_CHARSMAP = 2,
    NORMALIZER_DUMMY_PREFIX = 3,
    NORMALIZER_COLLAPSE = 4,
    NORMALIZER_ESCAPE = 5,
};

/* model_type */
enum { TYPE_UNIGRAM = 1, TYPE_BPE = 2 };

typedef struct Source {
    SourceModel model;
    SourcePiece *pieces;
    size_t cap;
    uint64_t type;
    bool byte_fallback, space_as_suffix;
    int32_t bos;
    Slice rule;      /* the normalizer's name */
    bool normalizes; /* with a table of replacements */
    Error *err;
} Source;

static bool broken(Source *s, const char *what)
{
    return error_set(s->err, "not a SentencePiece model: %s is cut short or damaged", what);
}

static Slice slice(const ProtoField *f)
{
    return (Slice){f->data, (uint32_t)f->size};
}

static bool read_piece(Source *s, const ProtoField *message)
{
    ProtoReader r = proto_reader(message->data, message->size);
    ProtoField f;
    ProtoStep step;
    SourcePiece piece = {.text = {"", 0}, .kind = PIECE_NORMAL};
    while ((step = proto_next(&r, &f)) == PROTO_FIELD) {
        if (f.number == PIECE_TEXT && f.wire == PROTO_BYTES) {
            piece.text = slice(&f);
        } else if (f.number == PIECE_SCORE && f.wire == PROTO_FIXED32) {
            uint32_t bits = (uint32_t)f.value;
            memcpy(&piece.score, &bits, sizeof bits);
        } else if (f.number == PIECE_TYPE && f.wire == PROTO_VARINT) {
            if (f.value < 1 || f.value >= PIECE_KINDS)
                return error_set(s->err, "piece %zu is of the type %llu, which is none", s->model.count,
                                 (unsigned long long)f.value);
            piece.kind = (PieceKind)f.value;
        }
    }
    if (step == PROTO_BROKEN)
        return broken(s, "a piece");
    if (s->model.count == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 1024;
        s->pieces = xrealloc(s->pieces, s->cap * sizeof *s->pieces);
    }
    s->pieces[s->model.count++] = piece;
    return true;
}

static bool read_trainer(Source *s, const ProtoField *message)
{
    ProtoReader r = proto_reader(message->data, message->size);
    ProtoField f;
    ProtoStep step;
    while ((step = proto_next(&r, &f)) == PROTO_FIELD) {
        if (f.number == TRAINER_UNKNOWN_TEXT && f.wire == PROTO_BYTES)
            s->model.unknown_text = slice(&f);
        if (f.wire != PROTO_VARINT)
            continue;
        switch (f.number) {
        case TRAINER_TYPE: s->type = f.value; break;
        case TRAINER_SPACE_AS_SUFFIX: s->space_as_suffix = f.value != 0; break;
        case TRAINER_BYTE_FALLBACK: s->byte_fallback = f.value != 0; break;
        case TRAINER_BOS: s->bos = f.value <= INT32_MAX ? (int32_t)f.value : -1; break;
        }
    }
    return step == PROTO_END || broken(s, "its trainer_spec");
}

static bool read_normalizer(Source *s, const ProtoField *message)
{
    ProtoReader r = proto_reader(message->data, message->size);
    ProtoField f;
    ProtoStep step;
    while ((step = proto_next(&r, &f)) == PROTO_FIELD) {
        if (f.number == NORMALIZER_NAME && f.wire == PROTO_BYTES)
            s->rule = slice(&f);
        if (f.number == NORMALIZER_CHARSMAP && f.wire == PROTO_BYTES)
            s->normalizes = f.size != 0;
        if (f.wire != PROTO_VARINT)
            continue;
        switch (f.number) {
        case NORMALIZER_DUMMY_PREFIX: s->model.dummy_prefix = f.value != 0; break;
        case NORMALIZER_COLLAPSE: s->model.collapse_spaces = f.value != 0; break;
        case NORMALIZER_ESCAPE: s->model.escape_spaces = f.value != 0; break;
        }
    }
    return step == PROTO_END || broken(s, "its normalizer_spec");
}

/* The other direction: only its table could matter. */
static bool read_denormalizer(Source *s, const ProtoField *message)
{
    Source other = {.err = s->err};
    if (!read_normalizer(&other, message))
        return false;
    return !other.normalizes || error_set(s->err, "the model has a denormalizer, which is not supported");
}

static bool read_model(Source *s, const void *data, size_t size)
{
    ProtoReader r = proto_reader(data, size);
    ProtoField f;
    ProtoStep step;
    if (size > INT32_MAX)
        return error_set(s->err, "a SentencePiece model of %zu bytes is too large", size);
    while ((step = proto_next(&r, &f)) == PROTO_FIELD) {
        if (f.wire != PROTO_BYTES)
            continue;
        if ((f.number == MODEL_PIECES && !read_piece(s, &f)) ||
            (f.number == MODEL_TRAINER && !read_trainer(s, &f)) ||
            (f.number == MODEL_NORMALIZER && !read_normalizer(s, &f)) ||
            (f.number == MODEL_DENORMALIZER && !read_denormalizer(s, &f)))
            return false;
    }
    if (step == PROTO_BROKEN)
        return broken(s, "the file");
    return s->model.count || error_set(s->err, "not a SentencePiece model: it has no pieces");
}

static bool check(Source *s)
{
    static const char *const types[] = {"0", "unigram", "BPE", "word", "char"};
    char shown[80];
    size_t bytes = 0;
    for (size_t i = 0; i < s->model.count; i++)
        bytes += s->pieces[i].kind == PIECE_BYTE;
    if (s->type != TYPE_UNIGRAM && s->type != TYPE_BPE)
        return error_set(s->err,
                         "SentencePiece models of the kind \"%s\" are not supported; BPE and unigram are",
                         s->type < 5 ? types[s->type] : "unknown");
    if (s->normalizes)
        return error_set(s->err, "SentencePiece's normalization \"%s\" is not supported; \"identity\" is",
                         error_quote(shown, sizeof shown, s->rule.data, (long)s->rule.size));
    if (s->space_as_suffix)
        return error_set(s->err, "SentencePiece's treat_whitespace_as_suffix is not supported");
    if (s->byte_fallback != (bytes != 0))
        return error_set(s->err, "the model has %zu pieces for bytes, but byte_fallback is %s", bytes,
                         s->byte_fallback ? "on" : "off");
    if (s->bos >= 0 && (size_t)s->bos < s->model.count && s->pieces[s->bos].kind == PIECE_CONTROL)
        s->model.begin = s->bos;
    return true;
}

bool tokenizer_json_from_spm(const void *model, size_t size, Text *out, Error *err)
{
    /* The defaults of the .proto. */
    Source s = {.model = {.dummy_prefix = true,
                          .collapse_spaces = true,
                          .escape_spaces = true,
                          .begin = -1,
                          .unknown_text = {" \xe2\x81\x87 ", 5}},
                .type = TYPE_UNIGRAM,
                .bos = 1,
                .rule = {"", 0},
                .err = err};
    bool ok = read_model(&s, model, size) && check(&s);
    s.model.pieces = s.pieces;
    s.model.unigram = s.type == TYPE_UNIGRAM;
    ok = ok && write_spm(&s.model, out, err);
    free(s.pieces);
    return ok;
}
