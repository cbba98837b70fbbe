#include "runtime/tokenizer/write.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "runtime/tokenizer/classes.h"

void write_quoted(Text *out, const char *text, size_t size)
{
    text_putc(out, '"');
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20)
            text_printf(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            text_printf(out, "\\%c", c);
        else
            text_putc(out, (char)c);
    }
    text_putc(out, '"');
}

bool write_possible(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text, *end = at + size;
    for (int length; at < end; at += length) {
        char_class(at, end, &length);
        if (!*at || (length == 1 && *at >= 0x80))
            return false;
    }
    return true;
}

void write_added(Text *out, int32_t id, const char *text, size_t size, bool special)
{
    text_printf(out, "{\"id\": %d, \"content\": ", (int)id);
    write_quoted(out, text, size);
    text_printf(out,
                ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \"normalized\": false, "
                "\"special\": %s}",
                special ? "true" : "false");
}

bool write_checked(const Text *json, Text *out, Error *err)
{
    Tokenizer *t = tokenizer_open(text_cstr(json), json->size, err);
    if (t)
        text_add(out, text_cstr(json), json->size);
    tokenizer_close(t);
    return t != NULL;
}

static const char *yes(bool value)
{
    return value ? "true" : "false";
}

/* Nine digits are enough for the same float to be read again. */
static bool write_piece(const SourcePiece *piece, size_t id, Text *json, Error *err)
{
    char shown[80];
    if (!write_possible(piece->text.data, piece->text.size))
        return error_set(err, "piece %zu, \"%s\", is no UTF-8 text", id,
                         error_quote(shown, sizeof shown, piece->text.data, (long)piece->text.size));
    if (!(fabsf(piece->score) <= FLT_MAX))
        return error_set(err, "piece %zu, \"%s\", has a score that is no number", id,
                         error_quote(shown, sizeof shown, piece->text.data, (long)piece->text.size));
    text_puts(json, id ? ",\n[" : "\n[");
    write_quoted(json, piece->text.data, piece->text.size);
    text_printf(json, ", %.9g", (double)piece->score);
    if (piece->kind != PIECE_NORMAL)
        text_printf(json, ", \"%s\"", piece_kind_names[piece->kind]);
    text_putc(json, ']');
    return true;
}

static bool write_model(const SourceModel *m, Text *json, Error *err)
{
    if (!write_possible(m->unknown_text.data, m->unknown_text.size))
        return error_set(err, "the text for unknown characters is no UTF-8 text");
    text_printf(json,
                "{\"version\": \"1.0\",\n\"model\": {\"type\": \"SentencePiece\", \"algorithm\": \"%s\", "
                "\"dummy_prefix\": %s, \"collapse_spaces\": %s, \"escape_spaces\": %s, \"begin\": ",
                m->unigram ? "Unigram" : "BPE", yes(m->dummy_prefix), yes(m->collapse_spaces),
                yes(m->escape_spaces));
    if (m->begin >= 0)
        text_printf(json, "%d", (int)m->begin);
    else
        text_puts(json, "null");
    text_puts(json, ", \"unknown_text\": ");
    write_quoted(json, m->unknown_text.data, m->unknown_text.size);
    text_puts(json, ",\n\"pieces\": [");
    for (size_t id = 0; id < m->count; id++)
        if (!write_piece(&m->pieces[id], id, json, err))
            return false;
    text_puts(json, "]}}\n");
    return true;
}

bool write_spm(const SourceModel *m, Text *out, Error *err)
{
    Text json = {0};
    bool ok = write_model(m, &json, err) && write_checked(&json, out, err);
    text_free(&json);
    return ok;
}
