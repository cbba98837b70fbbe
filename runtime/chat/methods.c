/* Methods of texts, lists and dictionaries: Python's. */
#include "runtime/chat/interp.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "runtime/chat/text.h"

/* ---- cases ---- */

static void put_char(Build *b, int32_t c, char mark)
{
    utf8proc_uint8_t u[4];
    build_bytes(b, (const char *)u, (size_t)utf8proc_encode_char(c, u), mark);
}

Value text_cased(Interp *in, Str s, TextCase how)
{
    Build b = interp_build(in);
    bool in_word = false;
    interp_step(in, (double)s.size / 8);
    for (size_t at = 0, n; at < s.size; at += n) {
        utf8proc_int32_t c = -1;
        n = str_char(s, at);
        (void)utf8proc_iterate((const utf8proc_uint8_t *)s.data + at, (utf8proc_ssize_t)n, &c);
        if (c < 0) {
            build_str(&b, str_slice(s, at, at + n));
            in_word = false;
            continue;
        }
        bool upper = how == CASE_UPPER || (how == CASE_CAPITAL && at == 0) || (how == CASE_TITLE && !in_word);
        utf8proc_category_t category = utf8proc_category(c);
        in_word = category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
        put_char(&b, upper ? utf8proc_toupper(c) : utf8proc_tolower(c), s.mark ? s.mark[at] : 0);
    }
    return interp_built(in, &b);
}

static Value call_upper(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_cased(in, self.str, CASE_UPPER);
}

static Value call_lower(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_cased(in, self.str, CASE_LOWER);
}

static Value call_title(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_cased(in, self.str, CASE_TITLE);
}

static Value call_capitalize(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_cased(in, self.str, CASE_CAPITAL);
}

/* ---- ends and parts ---- */

/* Charges what a search takes, and tells whether `what` is a text. */
static bool searchable(Interp *in, Str s, Value what)
{
    if (what.kind != V_STRING)
        interp_fail(in, "a text is expected, not %s", value_kind_name(what));
    return interp_step(in, (double)s.size / 64 * (1 + (double)what.str.size / 64));
}

static Value stripped(Interp *in, Value self, Value chars, bool left, bool right)
{
    if (!absent(chars) && chars.kind != V_NONE && !searchable(in, self.str, chars))
        return value_none();
    interp_step(in, (double)self.str.size / 64);
    return value_str(str_strip(self.str, chars.kind == V_STRING ? &chars.str : NULL, left, right));
}

static Value call_strip(Interp *in, Value self, const Value *arg, const Args *all)
{
    return stripped(in, self, arg[0], true, true);
}

static Value call_lstrip(Interp *in, Value self, const Value *arg, const Args *all)
{
    return stripped(in, self, arg[0], true, false);
}

static Value call_rstrip(Interp *in, Value self, const Value *arg, const Args *all)
{
    return stripped(in, self, arg[0], false, true);
}

static bool starts(Str s, Str with)
{
    return with.size <= s.size && memcmp(s.data, with.data, with.size) == 0;
}

static bool ends(Str s, Str with)
{
    return with.size <= s.size && memcmp(s.data + s.size - with.size, with.data, with.size) == 0;
}

/* One text, or a tuple of them. */
static Value any_end(Interp *in, Value self, Value what, bool (*at_end)(Str, Str))
{
    Value *item = what.kind == V_LIST ? what.u.list->item : &what;
    size_t count = what.kind == V_LIST ? what.u.list->count : 1;
    for (size_t i = 0; i < count; i++)
        if (searchable(in, (Str){0}, item[i]) && at_end(self.str, item[i].str))
            return value_bool(true);
    return value_bool(false);
}

static Value call_startswith(Interp *in, Value self, const Value *arg, const Args *all)
{
    return any_end(in, self, arg[0], starts);
}

static Value call_endswith(Interp *in, Value self, const Value *arg, const Args *all)
{
    return any_end(in, self, arg[0], ends);
}

static Value call_removeprefix(Interp *in, Value self, const Value *arg, const Args *all)
{
    if (!searchable(in, (Str){0}, arg[0]) || !starts(self.str, arg[0].str))
        return self;
    return value_str(str_slice(self.str, arg[0].str.size, self.str.size));
}

static Value call_removesuffix(Interp *in, Value self, const Value *arg, const Args *all)
{
    if (!searchable(in, (Str){0}, arg[0]) || !ends(self.str, arg[0].str))
        return self;
    return value_str(str_slice(self.str, 0, self.str.size - arg[0].str.size));
}

static Value call_find(Interp *in, Value self, const Value *arg, const Args *all)
{
    if (!searchable(in, self.str, arg[0]))
        return value_none();
    size_t at = str_find(self.str, arg[0].str, 0);
    return value_int(at == SIZE_MAX ? -1 : (int64_t)str_length(str_slice(self.str, 0, at)));
}

static Value call_count(Interp *in, Value self, const Value *arg, const Args *all)
{
    int64_t n = 0;
    if (!searchable(in, self.str, arg[0]))
        return value_none();
    if (!arg[0].str.size)
        return value_int((int64_t)str_length(self.str) + 1);
    for (size_t at = 0; (at = str_find(self.str, arg[0].str, at)) != SIZE_MAX; at += arg[0].str.size)
        n++;
    return value_int(n);
}

Value text_replaced(Interp *in, Str s, Value what, Value with, int64_t most)
{
    Build b = interp_build(in);
    if (!searchable(in, s, what) || !searchable(in, s, with))
        return value_none();
    size_t at = 0, hit = 0, next = 0;
    while (most-- != 0 && !b.full && (hit = str_find(s, what.str, next)) != SIZE_MAX) {
        build_str(&b, str_slice(s, at, hit));
        build_str(&b, with.str);
        at = hit + what.str.size;
        /* An empty text is between all characters. */
        next = what.str.size ? at : hit < s.size ? hit + str_char(s, hit) : s.size + 1;
    }
    build_str(&b, str_slice(s, at, s.size));
    interp_step(in, (double)b.size / 64);
    return interp_built(in, &b);
}

static Value call_replace(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_replaced(in, self.str, arg[0], arg[1], whole_arg(in, arg[2], -1));
}

/* ---- splitting and joining ---- */

static void add_part(Interp *in, Value list, Str s, size_t from, size_t to)
{
    interp_step(in, 1);
    list_add(&in->arena, list, value_str(str_slice(s, from, to)));
}

/* At runs of white space, none at the ends. */
static Value split_words(Interp *in, Str s, int64_t most)
{
    Value out = value_list(&in->arena);
    for (s = str_strip(s, NULL, true, false); s.size && !in->failed; s = str_strip(s, NULL, true, false)) {
        size_t end = 0;
        Str rest = str_strip(s, NULL, false, true);
        if (most-- == 0) {
            add_part(in, out, rest, 0, rest.size);
            break;
        }
        while (end < s.size && str_strip(str_slice(s, end, end + str_char(s, end)), NULL, true, false).size)
            end += str_char(s, end);
        add_part(in, out, s, 0, end);
        interp_step(in, (double)(end + 1) / 8);
        s = str_slice(s, end, s.size);
    }
    return out;
}

static Value split_at(Interp *in, Str s, Str separator, int64_t most)
{
    Value out = value_list(&in->arena);
    size_t at = 0, hit;
    while (!in->failed && most-- != 0 && (hit = str_find(s, separator, at)) != SIZE_MAX) {
        add_part(in, out, s, at, hit);
        at = hit + separator.size;
    }
    add_part(in, out, s, at, s.size);
    return out;
}

static Value call_split(Interp *in, Value self, const Value *arg, const Args *all)
{
    int64_t most = whole_arg(in, arg[1], -1);
    if (absent(arg[0]) || arg[0].kind == V_NONE)
        return split_words(in, self.str, most);
    if (!searchable(in, self.str, arg[0]))
        return value_none();
    if (!arg[0].str.size)
        return interp_fail(in, "split: the separator is empty");
    return split_at(in, self.str, arg[0].str, most);
}

/* From the right; without a limit it is split. */
static Value call_rsplit(Interp *in, Value self, const Value *arg, const Args *all)
{
    int64_t most = whole_arg(in, arg[1], -1);
    Value parts = call_split(in, self, arg, all), out = value_list(&in->arena);
    if (in->failed || most < 0 || absent(arg[0]) || arg[0].kind == V_NONE)
        return parts;
    parts = split_at(in, self.str, arg[0].str, -1);
    size_t count = parts.u.list->count, first = count > (size_t)most ? count - (size_t)most : 1;
    const Str *last = &parts.u.list->item[first - 1].str;
    add_part(in, out, self.str, 0, (size_t)(last->data + last->size - self.str.data));
    for (size_t i = first; i < count; i++)
        list_add(&in->arena, out, parts.u.list->item[i]);
    return out;
}

static Value call_splitlines(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value out = value_list(&in->arena);
    Str s = self.str;
    for (size_t at = 0; at < s.size && !in->failed;) {
        size_t end = at;
        while (end < s.size && s.data[end] != '\n' && s.data[end] != '\r')
            end++;
        add_part(in, out, s, at, end);
        end += end + 1 < s.size && memcmp(s.data + end, "\r\n", 2) == 0;
        at = end + 1;
    }
    return out;
}

Value text_join(Interp *in, Str between, Value list)
{
    Build b = interp_build(in);
    Value items = interp_items(in, list);
    for (size_t i = 0; !in->failed && i < items.u.list->count && !b.full; i++) {
        if (i)
            build_str(&b, between);
        value_print(&b, items.u.list->item[i], false);
    }
    interp_step(in, (double)b.size / 64);
    return interp_built(in, &b);
}

static Value call_join(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_join(in, self.str, arg[0]);
}

/* ---- classes ---- */

static Value all_are(Str s, const char *from_to)
{
    for (size_t i = 0; i < s.size; i++) {
        bool fits = false;
        for (const char *r = from_to; *r && !fits; r += 2)
            fits = s.data[i] >= r[0] && s.data[i] <= r[1];
        if (!fits)
            return value_bool(false);
    }
    return value_bool(s.size > 0);
}

static Value call_isdigit(Interp *in, Value self, const Value *arg, const Args *all)
{
    interp_step(in, (double)self.str.size / 8);
    return all_are(self.str, "09");
}

static Value call_isalpha(Interp *in, Value self, const Value *arg, const Args *all)
{
    interp_step(in, (double)self.str.size / 8);
    return all_are(self.str, "azAZ");
}

static Value call_isalnum(Interp *in, Value self, const Value *arg, const Args *all)
{
    interp_step(in, (double)self.str.size / 8);
    return all_are(self.str, "azAZ09");
}

static Value call_isspace(Interp *in, Value self, const Value *arg, const Args *all)
{
    interp_step(in, (double)self.str.size / 8);
    return value_bool(self.str.size && !str_strip(self.str, NULL, true, false).size);
}

/* ---- formats ---- */

/* "%s", "%d", "%%" with the items in order. */
Value text_format(Interp *in, Str format, const Value *item, size_t count)
{
    Build b = interp_build(in);
    size_t used = 0;
    for (size_t i = 0; i < format.size && !b.full; i++) {
        char kind = i + 1 < format.size ? format.data[i + 1] : 0;
        if (format.data[i] != '%') {
            build_str(&b, str_slice(format, i, i + 1));
            continue;
        }
        i++;
        if (kind == '%')
            build_text(&b, "%");
        else if (kind != 's' && kind != 'd' && kind != 'r')
            return interp_fail(in, "of the formats only %%s, %%d, %%r and %%%% are known here");
        else if (used == count)
            return interp_fail(in, "a format asks for more values than there are");
        else
            value_print(&b, item[used++], kind == 'r');
    }
    if (used < count)
        return interp_fail(in, "there are more values than the format asks for");
    interp_step(in, (double)b.size / 64);
    return interp_built(in, &b);
}

/* What "{NAME}", "{2}" or "{}" stands for. */
static Value field(Interp *in, Str name, int *next, const Args *all)
{
    int64_t at = 0;
    for (int i = 0; i < all->names; i++)
        if (str_is(name, all->name[i]))
            return all->named[i];
    for (size_t i = 0; i < name.size; i++)
        at = name.data[i] >= '0' && name.data[i] <= '9' && at < 1000 ? 10 * at + name.data[i] - '0' : 1000;
    at = name.size ? at : (*next)++;
    if (at < all->count)
        return all->item[at];
    return interp_fail(in, "format: there is no value for {%.*s}", name.size < 60 ? (int)name.size : 60,
                       name.data);
}

static Value call_format(Interp *in, Value self, const Value *arg, const Args *all)
{
    Build b = interp_build(in);
    Str s = self.str;
    int next = 0;
    for (size_t i = 0; i < s.size && !in->failed && !b.full; i++) {
        char c = s.data[i];
        if ((c == '{' || c == '}') && i + 1 < s.size && s.data[i + 1] == c) {
            build_str(&b, str_slice(s, i, i + 1));
            i++;
        } else if (c == '{') {
            size_t end = str_find(s, str_of("}"), i);
            if (end == SIZE_MAX)
                return interp_fail(in, "format: a { is not closed");
            value_print(&b, field(in, str_slice(s, i + 1, end), &next, all), false);
            i = end;
        } else {
            build_str(&b, str_slice(s, i, i + 1));
        }
        interp_step(in, 0.1);
    }
    return interp_built(in, &b);
}

static const Builtin text_methods[] = {
    {"strip", call_strip, "chars"},
    {"lstrip", call_lstrip, "chars"},
    {"rstrip", call_rstrip, "chars"},
    {"upper", call_upper, ""},
    {"lower", call_lower, ""},
    {"title", call_title, ""},
    {"capitalize", call_capitalize, ""},
    {"startswith", call_startswith, "prefix"},
    {"endswith", call_endswith, "suffix"},
    {"removeprefix", call_removeprefix, "prefix"},
    {"removesuffix", call_removesuffix, "suffix"},
    {"find", call_find, "sub"},
    {"count", call_count, "sub"},
    {"replace", call_replace, "old new count"},
    {"split", call_split, "sep maxsplit"},
    {"rsplit", call_rsplit, "sep maxsplit"},
    {"splitlines", call_splitlines, ""},
    {"join", call_join, "iterable"},
    {"isdigit", call_isdigit, ""},
    {"isalpha", call_isalpha, ""},
    {"isalnum", call_isalnum, ""},
    {"isspace", call_isspace, ""},
    {"format", call_format, "..."},
};

/* ---- lists and dictionaries ---- */

static Value call_index(Interp *in, Value self, const Value *arg, const Args *all)
{
    interp_step(in, value_extent(self).weight);
    for (size_t i = 0; i < self.u.list->count; i++)
        if (value_equal(self.u.list->item[i], arg[0]))
            return value_int((int64_t)i);
    return interp_fail(in, "index: it is not in the list");
}

static Value call_list_count(Interp *in, Value self, const Value *arg, const Args *all)
{
    int64_t n = 0;
    interp_step(in, value_extent(self).weight);
    for (size_t i = 0; i < self.u.list->count; i++)
        n += value_equal(self.u.list->item[i], arg[0]);
    return value_int(n);
}

static const Builtin list_methods[] = {
    {"index", call_index, "value"},
    {"count", call_list_count, "value"},
};

static Value call_get(Interp *in, Value self, const Value *arg, const Args *all)
{
    interp_step(in, (double)self.u.dict->count / 8);
    const Value *found = in->failed ? NULL : dict_find(self, arg[0]);
    return found ? *found : absent(arg[1]) ? value_none() : arg[1];
}

static Value call_keys(Interp *in, Value self, const Value *arg, const Args *all)
{
    return interp_items(in, self);
}

static Value call_values(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value out = value_list(&in->arena);
    for (size_t i = 0; i < self.u.dict->count && interp_step(in, 1); i++)
        list_add(&in->arena, out, self.u.dict->pair[i].value);
    return out;
}

Value dict_items(Interp *in, Value dict)
{
    Value out = value_list(&in->arena);
    for (size_t i = 0; i < dict.u.dict->count && interp_step(in, 1); i++) {
        Value pair = value_list(&in->arena);
        pair.u.list->tuple = true;
        list_add(&in->arena, pair, dict.u.dict->pair[i].key);
        list_add(&in->arena, pair, dict.u.dict->pair[i].value);
        list_add(&in->arena, out, pair);
    }
    return out;
}

static Value call_items(Interp *in, Value self, const Value *arg, const Args *all)
{
    return dict_items(in, self);
}

static const Builtin dict_methods[] = {
    {"get", call_get, "key default"},
    {"keys", call_keys, ""},
    {"values", call_values, ""},
    {"items", call_items, ""},
};

static const Builtin *methods_of(Value self, size_t *count)
{
    *count = 0;
    if (self.kind == V_STRING) {
        *count = sizeof text_methods / sizeof *text_methods;
        return text_methods;
    }
    if (self.kind == V_LIST) {
        *count = sizeof list_methods / sizeof *list_methods;
        return list_methods;
    }
    if (self.kind == V_DICT && !self.u.dict->is_namespace)
        *count = sizeof dict_methods / sizeof *dict_methods;
    return dict_methods;
}

bool method_exists(Value self, Str name)
{
    size_t count;
    const Builtin *table = methods_of(self, &count);
    for (size_t i = 0; i < count; i++)
        if (str_is(name, table[i].name))
            return true;
    return false;
}

Value method_apply(Interp *in, Str name, Value self, const Args *args)
{
    size_t count;
    const Builtin *table = methods_of(self, &count);
    return builtin_call(in, table, count, "method", name, self, args);
}
