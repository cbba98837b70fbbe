/* Filters: Jinja's, and tojson as transformers has it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/chat/text.h"

/* What a text filter works on: everything can be printed. */
static Str text_of(Interp *in, Value v)
{
    Str s = value_string(&in->arena, v);
    interp_step(in, (double)s.size / 64);
    return s;
}

/* ---- texts ---- */

static Value call_trim(Interp *in, Value self, const Value *arg, const Args *all)
{
    Str s = text_of(in, self);
    if (!absent(arg[0]) && arg[0].kind != V_NONE && arg[0].kind != V_STRING)
        return interp_fail(in, "trim: a text is expected, not %s", value_kind_name(arg[0]));
    interp_step(in, arg[0].kind == V_STRING ? (double)s.size / 64 * (double)arg[0].str.size : 0);
    return value_str(str_strip(s, arg[0].kind == V_STRING ? &arg[0].str : NULL, true, true));
}

static Value call_upper(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_cased(in, text_of(in, self), CASE_UPPER);
}

static Value call_lower(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_cased(in, text_of(in, self), CASE_LOWER);
}

static Value call_title(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_cased(in, text_of(in, self), CASE_TITLE);
}

static Value call_capitalize(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_cased(in, text_of(in, self), CASE_CAPITAL);
}

static Value call_string(Interp *in, Value self, const Value *arg, const Args *all)
{
    Build b = interp_build(in);
    value_print(&b, self, false);
    return interp_built(in, &b);
}

static Value call_replace(Interp *in, Value self, const Value *arg, const Args *all)
{
    return text_replaced(in, text_of(in, self), arg[0], arg[1], whole_arg(in, arg[2], -1));
}

static Value call_tojson(Interp *in, Value self, const Value *arg, const Args *all)
{
    Build b = interp_build(in);
    int64_t indent = whole_arg(in, arg[1], -1);
    if (indent > 100)
        return interp_fail(in, "tojson: an indentation of %lld is too wide", (long long)indent);
    if (!value_json(&b, self, (int)(indent < 0 ? -1 : indent), 0) && !b.full)
        return interp_fail(in, "tojson: %s cannot be written as JSON", value_kind_name(self));
    interp_step(in, (double)b.size / 8);
    return interp_built(in, &b);
}

/* Every line but the first (and empty ones) moves to the right. */
static Value call_indent(Interp *in, Value self, const Value *arg, const Args *all)
{
    Build b = interp_build(in), margin = interp_build(in);
    Str s = text_of(in, self);
    bool first = value_truth(arg[1]), blank = value_truth(arg[2]);
    if (arg[0].kind == V_STRING)
        build_str(&margin, arg[0].str);
    else
        for (int64_t i = whole_arg(in, arg[0], 4); i > 0 && !margin.full; i--)
            build_text(&margin, " ");
    for (size_t at = 0; at < s.size && !b.full;) {
        size_t end = at;
        while (end < s.size && s.data[end] != '\n')
            end++;
        if ((at || first) && (end > at || blank))
            build_str(&b, build_done(&margin));
        end += end < s.size;
        build_str(&b, str_slice(s, at, end));
        at = end;
        interp_step(in, (double)margin.size / 64);
    }
    return interp_built(in, &b);
}

/* ---- numbers ---- */

static Value call_int(Interp *in, Value self, const Value *arg, const Args *all)
{
    int64_t otherwise = whole_arg(in, arg[0], 0);
    if (self.kind == V_INT || self.kind == V_BOOL)
        return value_int(self.kind == V_INT ? self.u.whole : self.truth);
    if (self.kind == V_FLOAT)
        return fabs(self.u.real) < 9e18 ? value_int((int64_t)self.u.real) : value_int(otherwise);
    if (self.kind != V_STRING || !self.str.size || self.str.size > 40)
        return value_int(otherwise);
    Str s = str_strip(self.str, NULL, true, true);
    char *text = arena_str(&in->arena, s.data, s.size), *end;
    double whole = strtod(text, &end);
    if (end == text || *end || !(fabs(whole) < 9e15))
        return value_int(otherwise);
    return value_int((int64_t)whole);
}

static Value call_float(Interp *in, Value self, const Value *arg, const Args *all)
{
    double otherwise = value_is_number(arg[0]) ? value_number(arg[0]) : 0;
    if (value_is_number(self))
        return value_float(value_number(self));
    if (self.kind != V_STRING || !self.str.size || self.str.size > 400)
        return value_float(otherwise);
    char *text = arena_str(&in->arena, self.str.data, self.str.size), *end;
    double f = strtod(text, &end);
    return value_float(end == text || *end ? otherwise : f);
}

static Value call_abs(Interp *in, Value self, const Value *arg, const Args *all)
{
    if (!value_is_number(self))
        return interp_fail(in, "abs: a number is expected, not %s", value_kind_name(self));
    if (self.kind == V_FLOAT)
        return value_float(fabs(self.u.real));
    return value_number(self) < 0 ? interp_binary(in, OP_SUB, value_int(0), self) : self;
}

static Value call_round(Interp *in, Value self, const Value *arg, const Args *all)
{
    int64_t digits = whole_arg(in, arg[0], 0);
    if (!value_is_number(self) || digits < -300 || digits > 300)
        return interp_fail(in, "round: a number is expected, not %s", value_kind_name(self));
    double scale = pow(10, (double)digits), x = value_number(self) * scale;
    bool up = arg[1].kind == V_STRING && str_is(arg[1].str, "ceil");
    bool down = arg[1].kind == V_STRING && str_is(arg[1].str, "floor");
    return value_float((up ? ceil(x) : down ? floor(x) : rint(x)) / scale);
}

/* ---- any values ---- */

static Value call_default(Interp *in, Value self, const Value *arg, const Args *all)
{
    bool use = self.kind == V_UNDEFINED || (value_truth(arg[1]) && !value_truth(self));
    return !use ? self : absent(arg[0]) ? value_text("") : arg[0];
}

static Value call_safe(Interp *in, Value self, const Value *arg, const Args *all)
{
    return self;
}

static Value call_length(Interp *in, Value self, const Value *arg, const Args *all)
{
    if (self.kind == V_STRING)
        return interp_step(in, (double)self.str.size / 64) ? value_int((int64_t)str_length(self.str)) : self;
    if (self.kind == V_LIST)
        return value_int((int64_t)self.u.list->count);
    if (self.kind == V_DICT)
        return value_int((int64_t)self.u.dict->count);
    return self.kind == V_UNDEFINED ? value_int(0)
                                    : interp_fail(in, "%s has no length", value_kind_name(self));
}

/* ---- lists ---- */

static Value call_list(Interp *in, Value self, const Value *arg, const Args *all)
{
    return interp_items(in, self);
}

static Value call_first(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value items = interp_items(in, self);
    if (in->failed || !items.u.list->count)
        return value_undefined("the first of no items");
    return items.u.list->item[0];
}

static Value call_last(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value items = interp_items(in, self);
    if (in->failed || !items.u.list->count)
        return value_undefined("the last of no items");
    return items.u.list->item[items.u.list->count - 1];
}

static Value call_items(Interp *in, Value self, const Value *arg, const Args *all)
{
    if (self.kind == V_UNDEFINED)
        return value_list(&in->arena);
    return self.kind == V_DICT
               ? dict_items(in, self)
               : interp_fail(in, "items: a dictionary is expected, not %s", value_kind_name(self));
}

static Value call_reverse(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value items = interp_items(in, self), out = value_list(&in->arena);
    for (size_t i = in->failed ? 0 : items.u.list->count; i-- > 0 && interp_step(in, 1);)
        list_add(&in->arena, out, items.u.list->item[i]);
    return self.kind == V_STRING ? text_join(in, str_of(""), out) : out;
}

/* "a.b.0" of a value. */
static Value by_path(Interp *in, Value v, Value path)
{
    if (path.kind == V_INT)
        return interp_index(in, v, path);
    if (path.kind != V_STRING)
        return interp_fail(in, "the name of an attribute is expected, not %s", value_kind_name(path));
    Str rest = path.str;
    while (!in->failed) {
        size_t dot = str_find(rest, str_of("."), 0);
        Str name = dot == SIZE_MAX ? rest : str_slice(rest, 0, dot);
        bool digits = name.size && name.size < 10 && strspn(name.data, "0123456789") >= name.size;
        v = digits ? interp_index(in, v, value_int(atoi(arena_str(&in->arena, name.data, name.size))))
            : v.kind == V_DICT ? interp_index(in, v, value_str(name))
                               : interp_attribute(in, v, name);
        if (dot == SIZE_MAX)
            return v;
        rest = str_slice(rest, dot + 1, rest.size);
    }
    return v;
}

static const Value *named(const Args *all, const char *name)
{
    for (int i = 0; i < all->names; i++)
        if (strcmp(all->name[i], name) == 0)
            return &all->named[i];
    return NULL;
}

static Args rest_of(const Args *all, int from)
{
    Args rest = *all;
    rest.item += from < rest.count ? from : rest.count;
    rest.count -= from < rest.count ? from : rest.count;
    return rest;
}

static Value call_join(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value items = interp_items(in, self);
    if (!absent(arg[1]) && !in->failed) {
        Value picked = value_list(&in->arena);
        for (size_t i = 0; i < items.u.list->count && interp_step(in, 1); i++)
            list_add(&in->arena, picked, by_path(in, items.u.list->item[i], arg[1]));
        items = picked;
    }
    return in->failed ? items : text_join(in, absent(arg[0]) ? str_of("") : text_of(in, arg[0]), items);
}

/* map('filter', ...) or map(attribute='name', default=...). */
static Value call_map(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value items = interp_items(in, self), out = value_list(&in->arena);
    const Value *attribute = named(all, "attribute"), *otherwise = named(all, "default");
    Args rest = rest_of(all, 1);
    if (!attribute && (!all->count || all->item[0].kind != V_STRING))
        return interp_fail(in, "map needs the name of a filter, or attribute=");
    for (size_t i = 0; !in->failed && i < items.u.list->count && interp_step(in, 1); i++) {
        Value v = items.u.list->item[i];
        if (attribute) {
            v = by_path(in, v, *attribute);
            v = v.kind == V_UNDEFINED && otherwise ? *otherwise : v;
        } else {
            v = filter_apply(in, all->item[0].str, v, &rest);
        }
        list_add(&in->arena, out, v);
    }
    return out;
}

/* Those for which the test (argument `at`; none: truth) says `keep`; of an attribute where `path` is set. */
static Value choose(Interp *in, Value self, const Args *all, const Value *path, int at, bool keep)
{
    Value items = interp_items(in, self), out = value_list(&in->arena);
    Args rest = rest_of(all, at + 1);
    if (all->count > at && all->item[at].kind != V_STRING)
        return interp_fail(in, "the name of a test is expected, not %s", value_kind_name(all->item[at]));
    for (size_t i = 0; !in->failed && i < items.u.list->count && interp_step(in, 1); i++) {
        Value item = items.u.list->item[i], v = path ? by_path(in, item, *path) : item;
        bool yes = all->count > at ? test_apply(in, all->item[at].str, v, &rest) : value_truth(v);
        if (yes == keep)
            list_add(&in->arena, out, item);
    }
    return out;
}

static Value choose_by(Interp *in, Value self, const Args *all, bool keep)
{
    if (!all->count)
        return interp_fail(in, "the name of an attribute is missing");
    return choose(in, self, all, &all->item[0], 1, keep);
}

static Value call_select(Interp *in, Value self, const Value *arg, const Args *all)
{
    return choose(in, self, all, NULL, 0, true);
}

static Value call_reject(Interp *in, Value self, const Value *arg, const Args *all)
{
    return choose(in, self, all, NULL, 0, false);
}

static Value call_selectattr(Interp *in, Value self, const Value *arg, const Args *all)
{
    return choose_by(in, self, all, true);
}

static Value call_rejectattr(Interp *in, Value self, const Value *arg, const Args *all)
{
    return choose_by(in, self, all, false);
}

static Value call_unique(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value items = interp_items(in, self), out = value_list(&in->arena);
    for (size_t i = 0; !in->failed && i < items.u.list->count; i++)
        if (!interp_contains(in, out, items.u.list->item[i]))
            list_add(&in->arena, out, items.u.list->item[i]);
    return out;
}

static Value call_sum(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value items = interp_items(in, self), sum = absent(arg[1]) ? value_int(0) : arg[1];
    for (size_t i = 0; !in->failed && i < items.u.list->count && interp_step(in, 1); i++) {
        Value v = items.u.list->item[i];
        sum = interp_binary(in, OP_ADD, sum, absent(arg[0]) ? v : by_path(in, v, arg[0]));
    }
    return sum;
}

/* ---- order ---- */

/* What an item is ordered by: texts without their case, as Jinja does it. */
static Value sort_key(Interp *in, Value v, Value attribute, bool sensitive)
{
    if (!absent(attribute) && attribute.kind != V_NONE)
        v = by_path(in, v, attribute);
    return v.kind == V_STRING && !sensitive ? text_cased(in, v.str, CASE_LOWER) : v;
}

/* Merges the sorted halves [from, middle) and [middle, to) of `order`, stably. */
static void merge(Interp *in, const Value *key, size_t *order, size_t *spare, size_t from, size_t to,
                  bool down)
{
    if (to - from < 2 || in->failed)
        return;
    size_t middle = from + (to - from) / 2, a = from, b = middle;
    merge(in, key, order, spare, from, middle, down);
    merge(in, key, order, spare, middle, to, down);
    for (size_t i = from; i < to; i++) {
        int c =
            a < middle && b < to && interp_step(in, 1) ? interp_compare(in, key[order[a]], key[order[b]]) : 0;
        bool left = b == to || (a < middle && (down ? c >= 0 : c <= 0));
        spare[i] = order[left ? a++ : b++];
    }
    memcpy(order + from, spare + from, (to - from) * sizeof *order);
}

static Value sorted(Interp *in, Value items, Value attribute, bool sensitive, bool down)
{
    size_t count = in->failed ? 0 : items.u.list->count;
    Value out = value_list(&in->arena), *key = arena_many(&in->arena, count, Value);
    size_t *order = arena_many(&in->arena, count, size_t), *spare = arena_many(&in->arena, count, size_t);
    for (size_t i = 0; i < count; i++) {
        order[i] = i;
        key[i] = sort_key(in, items.u.list->item[i], attribute, sensitive);
    }
    merge(in, key, order, spare, 0, count, down);
    for (size_t i = 0; i < count; i++)
        list_add(&in->arena, out, items.u.list->item[order[i]]);
    return out;
}

static Value call_sort(Interp *in, Value self, const Value *arg, const Args *all)
{
    return sorted(in, interp_items(in, self), arg[2], value_truth(arg[1]), value_truth(arg[0]));
}

static Value call_dictsort(Interp *in, Value self, const Value *arg, const Args *all)
{
    bool by_value = arg[1].kind == V_STRING && str_is(arg[1].str, "value");
    if (self.kind != V_DICT)
        return interp_fail(in, "dictsort: a dictionary is expected, not %s", value_kind_name(self));
    return sorted(in, dict_items(in, self), value_int(by_value), value_truth(arg[0]), value_truth(arg[2]));
}

static Value extreme(Interp *in, Value self, const Value *arg, bool most)
{
    Value order = sorted(in, interp_items(in, self), arg[1], value_truth(arg[0]), most);
    return in->failed || !order.u.list->count ? value_undefined("the least or most of no items")
                                              : order.u.list->item[0];
}

static Value call_min(Interp *in, Value self, const Value *arg, const Args *all)
{
    return extreme(in, self, arg, false);
}

static Value call_max(Interp *in, Value self, const Value *arg, const Args *all)
{
    return extreme(in, self, arg, true);
}

static const Builtin filters[] = {
    {"abs", call_abs, ""},
    {"capitalize", call_capitalize, ""},
    {"count", call_length, ""},
    {"d", call_default, "default_value boolean"},
    {"default", call_default, "default_value boolean"},
    {"dictsort", call_dictsort, "case_sensitive by reverse"},
    {"first", call_first, ""},
    {"float", call_float, "default"},
    {"indent", call_indent, "width first blank"},
    {"int", call_int, "default"},
    {"items", call_items, ""},
    {"join", call_join, "d attribute"},
    {"last", call_last, ""},
    {"length", call_length, ""},
    {"list", call_list, ""},
    {"lower", call_lower, ""},
    {"map", call_map, "..."},
    {"max", call_max, "case_sensitive attribute"},
    {"min", call_min, "case_sensitive attribute"},
    {"reject", call_reject, "..."},
    {"rejectattr", call_rejectattr, "..."},
    {"replace", call_replace, "old new count"},
    {"reverse", call_reverse, ""},
    {"round", call_round, "precision method"},
    {"safe", call_safe, ""},
    {"select", call_select, "..."},
    {"selectattr", call_selectattr, "..."},
    {"sort", call_sort, "reverse case_sensitive attribute"},
    {"string", call_string, ""},
    {"sum", call_sum, "attribute start"},
    {"title", call_title, ""},
    {"tojson", call_tojson, "ensure_ascii indent separators sort_keys"},
    {"trim", call_trim, "chars"},
    {"unique", call_unique, "case_sensitive attribute"},
    {"upper", call_upper, ""},
};

Value filter_apply(Interp *in, Str name, Value self, const Args *args)
{
    return builtin_call(in, filters, sizeof filters / sizeof *filters, "filter", name, self, args);
}
