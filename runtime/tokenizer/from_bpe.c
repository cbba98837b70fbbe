/* vocab.json and merges.txt (as GPT-2 came) to one tokenizer.json. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/tokenizer/alphabet.h"
#include "runtime/tokenizer/write.h"

enum { QUOTED = 80 };

typedef struct Source {
    json_t *vocab;
    size_t size;        /* ids are 0 .. size - 1 */
    const char **piece; /* by id; owned by vocab */
    bool *made;         /* by id: one byte, or what a merge makes */
    bool *special;      /* by id */
    MergeTable merges;
    Text lines; /* the merges as a JSON list, without its brackets */
    Error *err;
} Source;

static bool read_vocab(Source *s, const char *text, size_t size)
{
    json_error_t problem;
    char shown[QUOTED], other[QUOTED];
    s->vocab = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
    if (!s->vocab)
        return error_set(s->err, "vocab.json is not valid: line %d, column %d: %s", problem.line,
                         problem.column,
                         error_quote(shown, sizeof shown, problem.text, (long)strlen(problem.text)));
    s->size = json_object_size(s->vocab);
    if (!s->size || s->size > INT32_MAX / 4)
        return error_set(s->err, "vocab.json is no object of tokens and their ids");
    s->piece = xcalloc(s->size, sizeof *s->piece);
    s->made = xcalloc(s->size, sizeof *s->made);
    s->special = xcalloc(s->size, sizeof *s->special);

    const char *key;
    json_t *value;
    json_object_foreach(s->vocab, key, value) {
        json_int_t id = json_integer_value(value);
        error_quote(shown, sizeof shown, key, (long)strlen(key));
        if (!json_is_integer(value))
            return error_set(s->err, "vocab.json: the id of \"%s\" is no integer", shown);
        if (id < 0 || (uint64_t)id >= s->size)
            return error_set(s->err,
                             "vocab.json: the id of \"%s\" is %lld, but the ids of %zu tokens are 0..%zu",
                             shown, (long long)id, s->size, s->size - 1);
        if (s->piece[id])
            return error_set(s->err, "vocab.json: \"%s\" and \"%s\" have the same id %d", shown,
                             error_quote(other, sizeof other, s->piece[id], (long)strlen(s->piece[id])),
                             (int)id);
        char byte[2];
        size_t length = strlen(key);
        s->piece[id] = key;
        s->made[id] = length <= 2 && alphabet_decode(key, length, byte, &length) && length == 1;
    }
    return true;
}

/* The id of the piece `size` bytes long, or -1 with an error. */
static int32_t find(Source *s, const char *data, size_t size, size_t line)
{
    char shown[QUOTED];
    char *key = xmalloc(size + 1);
    memcpy(key, data, size);
    key[size] = 0;
    const json_t *id = strlen(key) == size ? json_object_get(s->vocab, key) : NULL;
    free(key);
    if (id)
        return (int32_t)json_integer_value(id);
    error_set(s->err, "merges.txt:%zu: the token \"%s\" is not in vocab.json", line,
              error_quote(shown, sizeof shown, data, (long)size));
    return -1;
}

static bool read_merge(Source *s, const char *text, size_t size, size_t line, int32_t rank)
{
    char shown[QUOTED], joined[2048];
    const char *space = memchr(text, ' ', size), *end = text + size;
    if (!space || space == text || space + 1 == end || memchr(space + 1, ' ', (size_t)(end - space - 1)))
        return error_set(s->err, "merges.txt:%zu: \"%s\" is not two tokens with one space between", line,
                         error_quote(shown, sizeof shown, text, (long)size));
    if (size > sizeof joined)
        return error_set(s->err, "merges.txt:%zu: a merge of %zu bytes is too long (at most %zu)", line, size,
                         sizeof joined);
    size_t left = (size_t)(space - text);
    memcpy(joined, text, left);
    memcpy(joined + left, space + 1, size - left - 1);
    Merge m = {.rank = rank};
    if ((m.left = find(s, text, left, line)) < 0 ||
        (m.right = find(s, space + 1, size - left - 1, line)) < 0 ||
        (m.id = find(s, joined, size - 1, line)) < 0)
        return false;
    if (!merge_table_add(&s->merges, m))
        return error_set(s->err, "merges.txt:%zu: \"%s\" is there twice", line,
                         error_quote(shown, sizeof shown, text, (long)size));
    s->made[m.id] = true;
    text_puts(&s->lines, rank ? ",\n" : "\n");
    write_quoted(&s->lines, text, size);
    return true;
}

static bool read_merges(Source *s, const char *text, size_t size)
{
    size_t lines = 1, line = 0;
    int32_t rank = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    if (lines > INT32_MAX / 4)
        return error_set(s->err, "merges.txt has too many lines");
    merge_table_init(&s->merges, lines);
    for (const char *end = text + size; text < end; text++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop ? stop : end;
        size_t length = (size_t)(stop - text);
        length -= length && text[length - 1] == '\r';
        bool version = line++ == 0 && length >= 8 && memcmp(text, "#version", 8) == 0;
        if (length && !version && !read_merge(s, text, length, line, rank++))
            return false;
        text = stop;
    }
    return true;
}

static bool mark_special(Source *s, const int32_t *special, size_t count)
{
    for (size_t id = 0; id < s->size; id++) {
        size_t length = strlen(s->piece[id]);
        s->special[id] = !s->made[id] && length > 4 && memcmp(s->piece[id], "<|", 2) == 0 &&
                         memcmp(s->piece[id] + length - 2, "|>", 2) == 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (special[i] == -1)
            continue;
        if (special[i] < 0 || (size_t)special[i] >= s->size)
            return error_set(s->err, "the special token %d is not in vocab.json, which has the ids 0..%zu",
                             (int)special[i], s->size - 1);
        s->special[special[i]] = !s->made[special[i]] && *s->piece[special[i]];
    }
    return true;
}

static void write(const Source *s, Text *out)
{
    const char *separator = "\n";
    text_puts(out, "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null,\n\"added_tokens\": [");
    for (size_t id = 0; id < s->size; id++) {
        if (!s->special[id])
            continue;
        text_puts(out, separator);
        write_added(out, (int32_t)id, s->piece[id], strlen(s->piece[id]), true);
        separator = ",\n";
    }
    text_puts(
        out,
        "],\n\"normalizer\": null,\n"
        "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, "
        "\"use_regex\": true},\n"
        "\"post_processor\": null,\n"
        "\"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, \"trim_offsets\": true, "
        "\"use_regex\": true},\n"
        "\"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": null, "
        "\"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, \"fuse_unk\": false, "
        "\"byte_fallback\": false, \"ignore_merges\": false,\n\"vocab\": {");
    for (size_t id = 0; id < s->size; id++) {
        text_puts(out, id ? ",\n" : "\n");
        write_quoted(out, s->piece[id], strlen(s->piece[id]));
        text_printf(out, ": %zu", id);
    }
    text_puts(out, "},\n\"merges\": [");
    text_add(out, text_cstr(&s->lines), s->lines.size);
    text_puts(out, "]}}\n");
}

bool tokenizer_json_from_bpe(const char *vocab_json, size_t vocab_size, const char *merges_txt,
                             size_t merges_size, const int32_t *special, size_t special_count, Text *out,
                             Error *err)
{
    Source s = {.err = err};
    bool ok = read_vocab(&s, vocab_json, vocab_size) && read_merges(&s, merges_txt, merges_size) &&
              mark_special(&s, special, special_count);
    if (ok)
        write(&s, out);
    merge_table_free(&s.merges);
    text_free(&s.lines);
    free(s.piece);
    free(s.made);
    free(s.special);
    json_decref(s.vocab);
    return ok;
}
