/* One pass over a copy of the text: values become nodes, texts lose their escapes and get their NUL where
 * they stand. The scanner reads texts, numbers and words; what stands between them is looked at by hand. */
#include "base/json_tree.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/hash.h"

enum {
    MOST_BYTES = 1 << 28,       /* a node for each at the most: JsonNode.nodes has 29 bits */
    NODES_MASK = (1 << 29) - 1,
    MOST_DEPTH = 2048, /* jansson's */
    FEW_MEMBERS = 8,   /* up to so many names are compared with one another */
};

typedef struct Reader {
    JsonNode *nodes;
    size_t count, cap;
    char *start, *cursor, *limit; /* of the text; limit is at the NUL behind it */
    Error *err;
} Reader;

static bool bad(Reader *r, const char *at, const char *problem)
{
    int line = 1, column = 1;
    for (const char *p = r->start; p < at; p++) {
        column = *p == '\n' ? 1 : column + 1;
        line += *p == '\n';
    }
    return error_set(r->err, "line %d, column %d: %s", line, column, problem);
}

static JsonNode *push(Reader *r, JsonKind kind)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->nodes = xrealloc(r->nodes, r->cap * sizeof *r->nodes);
    }
    JsonNode *n = &r->nodes[r->count++];
    *n = (JsonNode){.kind = kind, .nodes = 1};
    return n;
}

/* ---- texts ---- */

static unsigned hex(const char *digits)
{
    char text[5] = {digits[0], digits[1], digits[2], digits[3], 0};
    return (unsigned)strtoul(text, NULL, 16);
}

static char *put_utf8(char *out, unsigned c)
{
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    *out++ = (char)(first[more] | c >> 6 * more);
    while (more--)
        *out++ = (char)(0x80 | (c >> 6 * more & 0x3f));
    return out;
}

/* The character of an escape \uXXXX, or of two that are surrogates; `in` goes behind it. 0: there is none. */
static unsigned escaped_character(const char **in)
{
    unsigned c = hex(*in + 2), low;
    *in += 6;
    if (c < 0xd800 || c > 0xdfff)
        return c;
    if (c > 0xdbff || (*in)[0] != '\\' || (*in)[1] != 'u' || (low = hex(*in + 2)) < 0xdc00 || low > 0xdfff)
        return 0;
    *in += 6;
    return 0x10000 + ((c & 0x3ff) << 10) + (low & 0x3ff);
}

/* Takes the escapes out of a text that the scanner has found well-formed, at its place. */
static bool unescape(Reader *r, char *text, const char *end, uint32_t *size)
{
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char *out = text;
    for (const char *in = text; in < end;) {
        if (*in != '\\') {
            *out++ = *in++;
        } else if (in[1] != 'u') {
            *out++ = meant[strchr(names, in[1]) - names];
            in += 2;
        } else {
            const char *at = in;
            unsigned c = escaped_character(&in);
            if (!c)
                return bad(r, at, "an escape that stands for no character");
            out = put_utf8(out, c);
        }
    }
    *size = (uint32_t)(out - text);
    return true;
}

/* A text from the quote at `from` to the one before the cursor. */
static bool take_text(Reader *r, char *from, bool escapes)
{
    char *text = from + 1;
    uint32_t size = (uint32_t)(r->cursor - text - 1);
    if (escapes && !unescape(r, text, r->cursor - 1, &size))
        return false;
    text[size] = 0;
    JsonNode *n = push(r, JSON_NODE_TEXT);
    n->text = text;
    n->size = size;
    return true;
}

/* ---- numbers and words ---- */

static bool take_integer(Reader *r, const char *from)
{
    long long value = 0;
    if (r->cursor - from < 19 && *from != '-') {
        for (const char *p = from; p < r->cursor; p++)
            value = 10 * value + (*p - '0');
    } else {
        errno = 0;
        value = strtoll(from, NULL, 10);
        if (errno == ERANGE)
            return bad(r, from, "an integer that is too large");
    }
    push(r, JSON_NODE_INTEGER)->integer = value;
    return true;
}

static bool take_real(Reader *r, const char *from)
{
    double value = strtod(from, NULL);
    if (isinf(value))
        return bad(r, from, "a number that is too large");
    push(r, JSON_NODE_REAL)->real = value;
    return true;
}

/* What holds no other values, at the cursor. */
static bool read_plain(Reader *r)
{
    char *cursor = r->cursor, *from = cursor, *marker;
#define TAKE(value) return (void)(r->cursor = cursor), (value)
    /*!re2c
        re2c:define:YYCTYPE = "unsigned char";
        re2c:define:YYCURSOR = cursor;
        re2c:define:YYMARKER = marker;
        re2c:yyfill:enable = 0;
        re2c:flags:bit-vectors = 1;

        tail    = [\x80-\xbf];
        utf8    = [\xc2-\xdf] tail | "\xe0" [\xa0-\xbf] tail | [\xe1-\xec\xee\xef] tail{2}
                | "\xed" [\x80-\x9f] tail | "\xf0" [\x90-\xbf] tail{2} | [\xf1-\xf3] tail{3}
                | "\xf4" [\x80-\x8f] tail{2};
        plain   = [\x20-\x7f] \ ["\\] | utf8;
        escape  = "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4});
        integer = "-"? ("0" | [1-9][0-9]*);

        "\"" plain* "\""             { TAKE(take_text(r, from, false)); }
        "\"" (plain | escape)* "\""  { TAKE(take_text(r, from, true)); }
        integer                      { TAKE(take_integer(r, from)); }
        integer ("." [0-9]+)? ([eE] [+-]? [0-9]+)?  { TAKE(take_real(r, from)); }
        "null"                       { TAKE(push(r, JSON_NODE_NULL)); }
        "false"                      { TAKE(push(r, JSON_NODE_FALSE)); }
        "true"                       { TAKE(push(r, JSON_NODE_TRUE)); }
        "\""                         { return bad(r, from, "a text that is not ended or not valid"); }
        *                            { return bad(r, from, "a value is expected"); }
    */
#undef TAKE
}

/* ---- values ---- */

static bool same_text(const JsonNode *a, const JsonNode *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

/* The second of two members of one name, or NULL. */
static const JsonNode *repeated_of_few(const JsonNode *object)
{
    JSON_NODE_MEMBERS(key, object)
        for (const JsonNode *other = object + 1; other < key; other = json_node_next(other + 1))
            if (same_text(other, key))
                return key;
    return NULL;
}

static const JsonNode *repeated_of_many(const JsonNode *object)
{
    uint32_t count = hash_slots(object->size), mask = count - 1;
    uint32_t *slots = xcalloc(count, sizeof *slots); /* nodes from the object to the name; 0: none */
    uint64_t seed = hash_seed(slots);
    const JsonNode *twice = NULL;
    JSON_NODE_MEMBERS(key, object) {
        uint32_t at = (uint32_t)hash_bytes(seed, key->text, key->size) & mask;
        while (slots[at] && !same_text(&object[slots[at]], key))
            at = (at + 1) & mask;
        if (slots[at]) {
            twice = key;
            break;
        }
        slots[at] = (uint32_t)(key - object);
    }
    free(slots);
    return twice;
}

static bool read_value(Reader *r, int depth);

/* The next character that is no white space. */
static char peek(Reader *r)
{
    while (*r->cursor == ' ' || *r->cursor == '\n' || *r->cursor == '\t' || *r->cursor == '\r')
        r->cursor++;
    return *r->cursor;
}

static bool pass(Reader *r, char c)
{
    bool here = peek(r) == c;
    r->cursor += here;
    return here;
}

static bool read_list(Reader *r, size_t list, int depth)
{
    if (pass(r, ']'))
        return true;
    do {
        if (!read_value(r, depth))
            return false;
        r->nodes[list].size++;
    } while (pass(r, ','));
    return pass(r, ']') || bad(r, r->cursor, "a list goes on with ',' or ']'");
}

static bool read_object(Reader *r, size_t object, int depth)
{
    if (pass(r, '}'))
        return true;
    do {
        if (peek(r) != '"')
            return bad(r, r->cursor, "the name of a member is expected");
        if (!read_plain(r))
            return false;
        if (!pass(r, ':'))
            return bad(r, r->cursor, "behind the name of a member comes ':'");
        if (!read_value(r, depth))
            return false;
        r->nodes[object].size++;
    } while (pass(r, ','));
    return pass(r, '}') || bad(r, r->cursor, "an object goes on with ',' or '}'");
}

static bool check_names(Reader *r, size_t object)
{
    const JsonNode *o = &r->nodes[object];
    const JsonNode *twice = o->size > FEW_MEMBERS ? repeated_of_many(o) : repeated_of_few(o);
    char shown[80], problem[160];
    if (!twice)
        return true;
    snprintf(problem, sizeof problem, "two members are called \"%s\"",
             error_quote(shown, sizeof shown, twice->text, (long)twice->size));
    return bad(r, twice->text, problem);
}

static bool read_value(Reader *r, int depth)
{
    size_t at = r->count;
    char c = peek(r);
    if (depth == MOST_DEPTH)
        return bad(r, r->cursor, "too many values inside one another");
    if (c != '[' && c != '{')
        return read_plain(r);
    r->cursor++;
    push(r, c == '[' ? JSON_NODE_LIST : JSON_NODE_OBJECT);
    if (!(c == '[' ? read_list : read_object)(r, at, depth + 1))
        return false;
    r->nodes[at].nodes = (uint32_t)(r->count - at) & NODES_MASK;
    return c == '[' || check_names(r, at);
}

static bool read_whole(Reader *r)
{
    char c = peek(r);
    if (c != '[' && c != '{')
        return bad(r, r->cursor, "'{' or '[' is expected");
    if (!read_value(r, 0))
        return false;
    peek(r);
    return r->cursor == r->limit || bad(r, r->cursor, "the end is expected");
}

bool json_tree_read(JsonTree *tree, const char *text, size_t size, Error *err)
{
    *tree = (JsonTree){0};
    if (size > MOST_BYTES)
        return error_set(err, "a text of %zu bytes is too long (at most %d)", size, MOST_BYTES);
    char *copy = xmalloc(size + 1);
    if (size)
        memcpy(copy, text, size);
    copy[size] = 0;
    Reader r = {.start = copy, .cursor = copy, .limit = copy + size, .err = err};
    bool ok = read_whole(&r);
    *tree = (JsonTree){r.nodes, copy};
    if (!ok)
        json_tree_free(tree);
    return ok;
}

void json_tree_free(JsonTree *tree)
{
    free(tree->nodes);
    free(tree->text);
    *tree = (JsonTree){0};
}

/* ---- looking at values ---- */

const JsonNode *json_node_get(const JsonNode *object, const char *name)
{
    JSON_NODE_MEMBERS(key, object) {
        if (strcmp(key->text, name) == 0)
            return key + 1;
    }
    return NULL;
}

const JsonNode *json_node_first(const JsonNode *list)
{
    return json_node_is(list, JSON_NODE_LIST) && list->size ? list + 1 : NULL;
}

const char *json_node_text(const JsonNode *n)
{
    return json_node_is(n, JSON_NODE_TEXT) ? n->text : NULL;
}

bool json_node_is_number(const JsonNode *n)
{
    return json_node_is(n, JSON_NODE_INTEGER) || json_node_is(n, JSON_NODE_REAL);
}

double json_node_number(const JsonNode *n)
{
    return json_node_is(n, JSON_NODE_INTEGER) ? (double)n->integer
           : json_node_is(n, JSON_NODE_REAL)  ? n->real
                                              : 0.0;
}
