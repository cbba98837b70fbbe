#include "runtime/chat/value.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- strings ---- */

Str str_of(const char *s)
{
    return (Str){s, NULL, strlen(s)};
}

bool str_is(Str s, const char *text)
{
    return s.size == strlen(text) && memcmp(s.data, text, s.size) == 0;
}

int str_compare(Str a, Str b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int c = n ? memcmp(a.data, b.data, n) : 0;
    return c ? c : (a.size > b.size) - (a.size < b.size);
}

Str str_slice(Str s, size_t from, size_t to)
{
    return (Str){s.data + from, s.mark ? s.mark + from : NULL, to - from};
}

size_t str_char(Str s, size_t at)
{
    unsigned char c = (unsigned char)s.data[at];
    size_t n = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 ? 3 : c >= 0xc2 ? 2 : 1;
    if (c >= 0xf8 || n > s.size - at)
        return 1;
    for (size_t i = 1; i < n; i++)
        if (((unsigned char)s.data[at + i] & 0xc0) != 0x80)
            return 1;
    return n;
}

size_t str_length(Str s)
{
    size_t n = 0;
    for (size_t at = 0; at < s.size; at += str_char(s, at))
        n++;
    return n;
}

size_t str_find(Str s, Str what, size_t from)
{
    if (what.size == 0)
        return from <= s.size ? from : SIZE_MAX;
    for (size_t at = from; at + what.size <= s.size && at < s.size; at++) {
        const char *hit = memchr(s.data + at, what.data[0], s.size - at);
        if (!hit)
            return SIZE_MAX;
        at = (size_t)(hit - s.data);
        if (what.size <= s.size - at && memcmp(hit, what.data, what.size) == 0)
            return at;
    }
    return SIZE_MAX;
}

/* Python's white space; U+0085, U+00A0, U+1680, U+2000..200A, 2028, 2029, 202F, 205F, 3000 beyond ASCII. */
static bool is_space(const char *c, size_t n)
{
    static const char *const wide[] = {"\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\xa8",
                                       "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
    if (n == 1)
        return *c == ' ' || (*c >= '\t' && *c <= '\r') || (*c >= 0x1c && *c <= 0x1f);
    if (n == 3 && memcmp(c, "\xe2\x80", 2) == 0 && (unsigned char)c[2] <= 0x8a)
        return true;
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++)
        if (strlen(wide[i]) == n && memcmp(c, wide[i], n) == 0)
            return true;
    return false;
}

static bool strippable(Str s, size_t at, size_t n, const Str *chars)
{
    if (!chars)
        return is_space(s.data + at, n);
    for (size_t i = 0; i < chars->size; i += str_char(*chars, i))
        if (str_char(*chars, i) == n && memcmp(chars->data + i, s.data + at, n) == 0)
            return true;
    return false;
}

Str str_strip(Str s, const Str *chars, bool left, bool right)
{
    size_t from = 0, to = s.size;
    while (left && from < to && strippable(s, from, str_char(s, from), chars))
        from += str_char(s, from);
    while (right && to > from) {
        size_t at = to - 1;
        while (at > from && to - at < 4 && ((unsigned char)s.data[at] & 0xc0) == 0x80)
            at--;
        if (at + str_char(s, at) != to)
            at = to - 1;
        if (!strippable(s, at, to - at, chars))
            break;
        to = at;
    }
    return str_slice(s, from, to);
}

static void build_room(Build *b, size_t more)
{
    if (b->size + more <= b->cap)
        return;
    size_t cap = b->cap ? b->cap : 32;
    while (cap < b->size + more)
        cap *= 2;
    char *data = arena_alloc(b->arena, cap), *mark = arena_alloc(b->arena, cap);
    if (b->size) {
        memcpy(data, b->data, b->size);
        memcpy(mark, b->mark, b->size);
    }
    b->data = data;
    b->mark = mark;
    b->cap = cap;
}

void build_bytes(Build *b, const char *s, size_t n, char mark)
{
    if (b->limit && n > b->limit - b->size)
        b->full = true;
    if (!n || b->full)
        return;
    build_room(b, n);
    memcpy(b->data + b->size, s, n);
    memset(b->mark + b->size, mark, n);
    b->marked |= mark != 0;
    b->size += n;
}

void build_str(Build *b, Str s)
{
    if (!s.size)
        return;
    build_bytes(b, s.data, s.size, 0);
    if (s.mark && !b->full) {
        memcpy(b->mark + b->size - s.size, s.mark, s.size);
        b->marked = true;
    }
}

void build_text(Build *b, const char *s)
{
    build_bytes(b, s, strlen(s), 0);
}

Str build_done(const Build *b)
{
    return (Str){b->size ? b->data : "", b->marked ? b->mark : NULL, b->size};
}

/* ---- values ---- */

Value value_undefined(const char *name)
{
    return (Value){.kind = V_UNDEFINED, .str = str_of(name)};
}

Value value_none(void)
{
    return (Value){.kind = V_NONE};
}

Value value_bool(bool b)
{
    return (Value){.kind = V_BOOL, .truth = b};
}

Value value_int(int64_t i)
{
    return (Value){.kind = V_INT, .u.whole = i};
}

Value value_float(double f)
{
    return (Value){.kind = V_FLOAT, .u.real = f};
}

Value value_str(Str s)
{
    return (Value){.kind = V_STRING, .str = s};
}

Value value_text(const char *s)
{
    return value_str(str_of(s));
}

Value value_list(Arena *a)
{
    return (Value){.kind = V_LIST, .u.list = arena_new(a, List)};
}

Value value_dict(Arena *a)
{
    return (Value){.kind = V_DICT, .u.dict = arena_new(a, Dict)};
}

Extent value_extent(Value v)
{
    Extent e = {0, 1};
    if (v.kind != V_LIST && v.kind != V_DICT)
        return e;
    if (v.kind == V_LIST)
        e = v.u.list->extent;
    else if (!v.u.dict->is_namespace)
        e = v.u.dict->extent;
    return (Extent){e.depth + 1, e.weight + 1};
}

static void extend(Extent *e, Value v)
{
    Extent inner = value_extent(v);
    e->depth = inner.depth > e->depth ? inner.depth : e->depth;
    e->weight += inner.weight;
}

void list_add(Arena *a, Value list, Value item)
{
    List *l = list.u.list;
    extend(&l->extent, item);
    arena_push(a, l->item, l->count, l->cap, item);
}

Value *dict_find(Value dict, Value key)
{
    Dict *d = dict.u.dict;
    for (size_t i = 0; i < d->count; i++)
        if (value_equal(d->pair[i].key, key))
            return &d->pair[i].value;
    return NULL;
}

Value *dict_get(Value dict, const char *key)
{
    return dict_find(dict, value_text(key));
}

void dict_set(Arena *a, Value dict, Value key, Value value)
{
    Dict *d = dict.u.dict;
    Value *there = dict_find(dict, key);
    extend(&d->extent, value);
    if (there)
        *there = value;
    else
        arena_push(a, d->pair, d->count, d->cap, ((Pair){key, value}));
}

bool value_truth(Value v)
{
    switch (v.kind) {
    case V_UNDEFINED:
    case V_NONE: return false;
    case V_BOOL: return v.truth;
    case V_INT: return v.u.whole != 0;
    case V_FLOAT: return v.u.real != 0;
    case V_STRING: return v.str.size != 0;
    case V_LIST: return v.u.list->count != 0;
    case V_DICT: return v.u.dict->is_namespace || v.u.dict->count != 0;
    case V_MACRO:
    case V_FUNCTION:
    case V_METHOD: return true;
    }
    return false;
}

bool value_is_number(Value v)
{
    return v.kind == V_INT || v.kind == V_FLOAT || v.kind == V_BOOL;
}

double value_number(Value v)
{
    return v.kind == V_FLOAT ? v.u.real : v.kind == V_INT ? (double)v.u.whole : v.truth;
}

static bool lists_equal(const List *a, const List *b)
{
    if (a->count != b->count)
        return false;
    for (size_t i = 0; a != b && i < a->count; i++)
        if (!value_equal(a->item[i], b->item[i]))
            return false;
    return true;
}

static bool dicts_equal(Value a, Value b)
{
    if (a.u.dict == b.u.dict || a.u.dict->count != b.u.dict->count || a.u.dict->is_namespace ||
        b.u.dict->is_namespace)
        return a.u.dict == b.u.dict;
    for (size_t i = 0; i < a.u.dict->count; i++) {
        const Value *other = dict_find(b, a.u.dict->pair[i].key);
        if (!other || !value_equal(a.u.dict->pair[i].value, *other))
            return false;
    }
    return true;
}

bool value_equal(Value a, Value b)
{
    if (value_is_number(a) && value_is_number(b))
        return a.kind == V_INT && b.kind == V_INT ? a.u.whole == b.u.whole
                                                  : value_number(a) == value_number(b);
    if (a.kind != b.kind)
        return false;
    switch (a.kind) {
    case V_STRING: return a.str.size == b.str.size && str_compare(a.str, b.str) == 0;
    case V_LIST: return lists_equal(a.u.list, b.u.list);
    case V_DICT: return dicts_equal(a, b);
    case V_MACRO: return a.u.macro == b.u.macro;
    case V_FUNCTION: return str_compare(a.str, b.str) == 0;
    default: return a.kind == V_NONE || a.kind == V_UNDEFINED;
    }
}

const char *value_kind_name(Value v)
{
    static const char *const names[] = {"undefined", "none",       "a boolean", "a number",
                                        "a number",  "a text",     "a list",    "a dictionary",
                                        "a macro",   "a function", "a method"};
    return names[v.kind];
}

/* ---- printing ---- */

/* The shortest digits that read back as the same number, in Python's form. */
static void print_float(Build *b, double f)
{
    char s[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, f);
        if (strtod(s, NULL) == f)
            break;
    }
    if (f >= 1e-4 && f < 1e16 && strchr(s, 'e'))
        snprintf(s, sizeof s, "%.0f", f);
    if (!strpbrk(s, ".en"))
        strcat(s, ".0");
    build_text(b, s);
}

static void print_quoted(Build *b, Str s)
{
    bool single = s.size && memchr(s.data, '\'', s.size) && !memchr(s.data, '"', s.size);
    const char *quote = single ? "\"" : "'";
    build_text(b, quote);
    for (size_t i = 0; i < s.size; i++) {
        char c = s.data[i], mark = s.mark ? s.mark[i] : 0;
        char hex[8];
        const char *escape = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
        if (escape)
            build_bytes(b, escape, 2, mark);
        else if ((unsigned char)c < 0x20 || c == 0x7f)
            build_bytes(b, hex, (size_t)snprintf(hex, sizeof hex, "\\x%02x", (unsigned char)c), mark);
        else {
            if (c == '\\' || c == *quote)
                build_bytes(b, "\\", 1, mark);
            build_bytes(b, &c, 1, mark);
        }
    }
    build_text(b, quote);
}

static void print_dict(Build *b, const Dict *d)
{
    if (d->is_namespace) {
        build_text(b, "<namespace>");
        return;
    }
    build_text(b, "{");
    for (size_t i = 0; i < d->count && !b->full; i++) {
        build_text(b, i ? ", " : "");
        value_print(b, d->pair[i].key, true);
        build_text(b, ": ");
        value_print(b, d->pair[i].value, true);
    }
    build_text(b, "}");
}

void value_print(Build *b, Value v, bool quoted)
{
    char s[32];
    switch (v.kind) {
    case V_UNDEFINED: build_text(b, quoted ? "Undefined" : ""); break;
    case V_NONE: build_text(b, "None"); break;
    case V_BOOL: build_text(b, v.truth ? "True" : "False"); break;
    case V_INT:
        snprintf(s, sizeof s, "%lld", (long long)v.u.whole);
        build_text(b, s);
        break;
    case V_FLOAT: print_float(b, v.u.real); break;
    case V_STRING:
        if (quoted)
            print_quoted(b, v.str);
        else
            build_str(b, v.str);
        break;
    case V_LIST:
        build_text(b, v.u.list->tuple ? "(" : "[");
        for (size_t i = 0; i < v.u.list->count && !b->full; i++) {
            build_text(b, i ? ", " : "");
            value_print(b, v.u.list->item[i], true);
        }
        build_text(b, !v.u.list->tuple ? "]" : v.u.list->count == 1 ? ",)" : ")");
        break;
    case V_DICT: print_dict(b, v.u.dict); break;
    case V_MACRO:
    case V_FUNCTION:
    case V_METHOD: build_text(b, "<function>"); break;
    }
}

Str value_string(Arena *a, Value v)
{
    if (v.kind == V_STRING)
        return v.str;
    Build b = {.arena = a};
    value_print(&b, v, false);
    return build_done(&b);
}

/* ---- JSON ---- */

static void json_text(Build *b, Str s)
{
    build_text(b, "\"");
    for (size_t i = 0; i < s.size; i++) {
        unsigned char c = (unsigned char)s.data[i];
        char mark = s.mark ? s.mark[i] : 0, hex[8];
        const char *at = c < 0x20 ? strchr("\bb\ff\nn\rr\tt", c) : NULL;
        if (c && at) {
            build_bytes(b, "\\", 1, mark);
            build_bytes(b, at + 1, 1, mark);
        } else if (c < 0x20) {
            build_bytes(b, hex, (size_t)snprintf(hex, sizeof hex, "\\u%04x", c), mark);
        } else {
            if (c == '"' || c == '\\')
                build_bytes(b, "\\", 1, mark);
            build_bytes(b, s.data + i, 1, mark);
        }
    }
    build_text(b, "\"");
}

static void json_break(Build *b, int indent, int depth, bool first)
{
    build_text(b, first ? "" : indent < 0 ? ", " : ",");
    if (indent < 0)
        return;
    build_text(b, "\n");
    for (int i = 0; i < indent * depth && !b->full; i++)
        build_text(b, " ");
}

static bool json_key(Build *b, Value key)
{
    if (key.kind == V_STRING) {
        json_text(b, key.str);
        return true;
    }
    build_text(b, "\"");
    bool ok = key.kind <= V_FLOAT && value_json(b, key, -1, 0);
    build_text(b, "\"");
    return ok;
}

bool value_json(Build *b, Value v, int indent, int depth)
{
    bool ok = true;
    size_t count = v.kind == V_LIST ? v.u.list->count : v.kind == V_DICT ? v.u.dict->count : 0;
    switch (v.kind) {
    case V_NONE: build_text(b, "null"); return true;
    case V_BOOL: build_text(b, v.truth ? "true" : "false"); return true;
    case V_INT:
    case V_FLOAT: value_print(b, v, false); return true;
    case V_STRING: json_text(b, v.str); return true;
    case V_LIST: break;
    case V_DICT:
        if (v.u.dict->is_namespace)
            return false;
        break;
    default: return false;
    }
    build_text(b, v.kind == V_LIST ? "[" : "{");
    for (size_t i = 0; !b->full && ok && i < count; i++) {
        json_break(b, indent, depth + 1, i == 0);
        if (v.kind == V_DICT) {
            ok = json_key(b, v.u.dict->pair[i].key);
            build_text(b, ": ");
        }
        ok = ok &&
             value_json(b, v.kind == V_LIST ? v.u.list->item[i] : v.u.dict->pair[i].value, indent, depth + 1);
    }
    if (count)
        json_break(b, indent, depth, true);
    build_text(b, v.kind == V_LIST ? "]" : "}");
    return ok;
}

static Value text_from_json(Arena *a, const char *s, size_t n, bool mark)
{
    Build b = {.arena = a};
    build_bytes(&b, s, n, (char)mark);
    return value_str(build_done(&b));
}

Value value_from_json(Arena *a, const json_t *j, bool mark)
{
    Value v;
    size_t i;
    const char *key;
    json_t *item;
    switch (j ? json_typeof(j) : JSON_NULL) {
    case JSON_TRUE: return value_bool(true);
    case JSON_FALSE: return value_bool(false);
    case JSON_INTEGER: return value_int(json_integer_value(j));
    case JSON_REAL: return value_float(json_real_value(j));
    case JSON_STRING: return text_from_json(a, json_string_value(j), json_string_length(j), mark);
    case JSON_ARRAY:
        v = value_list(a);
        json_array_foreach(j, i, item) list_add(a, v, value_from_json(a, item, mark));
        return v;
    case JSON_OBJECT:
        v = value_dict(a);
        json_object_foreach((json_t *)(uintptr_t)j, key, item)
            dict_set(a, v, text_from_json(a, key, strlen(key), mark), value_from_json(a, item, mark));
        return v;
    case JSON_NULL: break;
    }
    return value_none();
}
