/* llama2.c's tokenizer.bin to tokenizer.json. Its pieces are SentencePiece's with " " for U+2581, and the
 * begin and end tokens have newlines around their names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer/config.h"
#include "runtime/tokenizer/convert.h"
#include "runtime/tokenizer/write.h"

/* run.c has these ids built in. */
enum { UNKNOWN = 0, BEGIN = 1, END = 2, BYTES = 3, PIECES = BYTES + 256 };

static uint32_t read_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static Slice without_newlines(Slice name)
{
    if (name.size > 2 && name.data[0] == '\n' && name.data[name.size - 1] == '\n')
        return (Slice){name.data + 1, name.size - 2};
    return name;
}

static bool check_byte(const SourcePiece *piece, size_t id, Error *err)
{
    char name[8], shown[40];
    snprintf(name, sizeof name, "<0x%02X>", (unsigned)(id - BYTES));
    if (piece->text.size == 6 && memcmp(piece->text.data, name, 6) == 0)
        return true;
    return error_set(err, "piece %zu is \"%s\", where llama2.c has %s", id,
                     error_quote(shown, sizeof shown, piece->text.data, (long)piece->text.size), name);
}

static bool read_pieces(const unsigned char *data, size_t size, size_t count, SourcePiece *pieces, Error *err)
{
    size_t at = 4;
    for (size_t id = 0; id < count; id++) {
        if (size - at < 8 || size - at - 8 < read_u32(data + at + 4))
            return error_set(err, "the file of %zu bytes ends before piece %zu of %zu", size, id, count);
        SourcePiece *p = &pieces[id];
        uint32_t bits = read_u32(data + at), length = read_u32(data + at + 4);
        memcpy(&p->score, &bits, sizeof bits);
        p->text = (Slice){(const char *)data + at + 8, length};
        p->kind = id == UNKNOWN ? PIECE_UNKNOWN
                  : id < BYTES  ? PIECE_CONTROL
                  : id < PIECES ? PIECE_BYTE
                                : PIECE_NORMAL;
        if (p->kind == PIECE_CONTROL)
            p->text = without_newlines(p->text);
        if (p->kind == PIECE_BYTE && !check_byte(p, id, err))
            return false;
        at += 8 + (size_t)length;
    }
    return at == size ||
           error_set(err, "%zu bytes follow piece %zu, the last of the model", size - at, count - 1);
}

bool tokenizer_json_from_llama2c(const void *data, size_t size, size_t count, Text *out, Error *err)
{
    if (size < 4)
        return error_set(err, "a tokenizer.bin has at least 4 bytes, this has %zu", size);
    if (count < PIECES || count > size / 8)
        return error_set(err, "a file of %zu bytes does not hold the model's %zu pieces (at least %d)", size,
                         count, PIECES);
    SourcePiece *pieces = xcalloc(count, sizeof *pieces);
    SourceModel model = {.dummy_prefix = true, .begin = BEGIN, .pieces = pieces, .count = count};
    bool ok = read_pieces(data, size, count, pieces, err);
    model.unknown_text = pieces[UNKNOWN].text;
    ok = ok && write_spm(&model, out, err);
    free(pieces);
    return ok;
}
