/* Expressions. */
#include "runtime/chat/interp.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- looking things up ---- */

static Value missing(Interp *in, Str name)
{
    return value_undefined(arena_str(&in->arena, name.data, name.size));
}

static Value lookup(Interp *in, Str name)
{
    for (const Scope *s = in->scope; s; s = s->parent) {
        interp_step(in, (double)s->vars.u.dict->count / 8);
        const Value *v = dict_find(s->vars, value_str(name));
        if (v)
            return *v;
    }
    if (function_exists(name))
        return (Value){.kind = V_FUNCTION, .str = name};
    return missing(in, name);
}

static Value *find_key(Interp *in, Value dict, Value key)
{
    interp_step(in, (double)dict.u.dict->count / 8 + value_extent(key).weight);
    return in->failed ? NULL : dict_find(dict, key);
}

static Value method_of(Interp *in, Value v, Str name)
{
    Value *self = arena_new(&in->arena, Value);
    *self = v;
    return (Value){.kind = V_METHOD, .u.self = self, .str = name};
}

Value interp_attribute(Interp *in, Value v, Str name)
{
    if (v.kind == V_UNDEFINED)
        return interp_fail(in, "\"%.60s\" is undefined, and so has no \"%.*s\"", v.str.data, (int)name.size,
                           name.data);
    if (method_exists(v, name))
        return method_of(in, v, name);
    const Value *found = v.kind == V_DICT ? find_key(in, v, value_str(name)) : NULL;
    return found ? *found : missing(in, name);
}

static Value item_at(Interp *in, Value v, int64_t at)
{
    int64_t count = v.kind == V_LIST ? (int64_t)v.u.list->count : (int64_t)str_length(v.str);
    interp_step(in, v.kind == V_STRING ? (double)count / 64 : 0);
    at += at < 0 ? count : 0;
    if (at < 0 || at >= count)
        return value_undefined("an item out of range");
    if (v.kind == V_LIST)
        return v.u.list->item[at];
    size_t from = 0;
    while (at--)
        from += str_char(v.str, from);
    return value_str(str_slice(v.str, from, from + str_char(v.str, from)));
}

Value interp_index(Interp *in, Value v, Value key)
{
    if (v.kind == V_DICT) {
        const Value *found = find_key(in, v, key);
        if (found)
            return *found;
    } else if ((v.kind == V_LIST || v.kind == V_STRING) && (key.kind == V_INT || key.kind == V_BOOL)) {
        return item_at(in, v, key.kind == V_INT ? key.u.whole : key.truth);
    }
    if (key.kind == V_STRING || v.kind == V_UNDEFINED)
        return interp_attribute(in, v, value_string(&in->arena, key));
    return value_undefined("an item that is not there");
}

/* ---- slices ---- */

typedef struct Range {
    int64_t from, to, step;
} Range;

static int64_t clamp(int64_t i, int64_t count, int64_t low, int64_t high)
{
    if (i < 0)
        i = i < -count ? -1 : i + count;
    return i < low ? low : i > high ? high : i;
}

/* As Python's slice.indices. */
static bool slice_range(Interp *in, const Node *n, int64_t count, Range *r)
{
    Value part[3];
    for (int i = 0; i < 3; i++) {
        part[i] = n->list[i] ? interp_eval(in, n->list[i]) : value_none();
        if (part[i].kind != V_NONE && part[i].kind != V_INT)
            interp_fail(in, "a slice needs whole numbers, not %s", value_kind_name(part[i]));
    }
    if (in->failed)
        return false;
    r->step = part[2].kind == V_NONE ? 1 : part[2].u.whole;
    if (r->step == 0)
        interp_fail(in, "the step of a slice is 0");
    /* A step beyond the list is one that takes a single item. */
    r->step = r->step > count + 1 ? count + 1 : r->step < -count - 1 ? -count - 1 : r->step;
    int64_t low = r->step < 0 ? -1 : 0, high = r->step < 0 ? count - 1 : count;
    r->from = part[0].kind == V_NONE ? (r->step < 0 ? high : low) : clamp(part[0].u.whole, count, low, high);
    r->to = part[1].kind == V_NONE ? (r->step < 0 ? low : high) : clamp(part[1].u.whole, count, low, high);
    return !in->failed;
}

static Value slice(Interp *in, const Node *n)
{
    Value v = interp_eval(in, n->a), all = v;
    if (v.kind == V_UNDEFINED)
        return interp_fail(in, "\"%.60s\" is undefined, and so has no parts", v.str.data);
    if (v.kind != V_LIST && v.kind != V_STRING)
        return interp_fail(in, "%s has no parts", value_kind_name(v));
    if (v.kind == V_STRING)
        all = interp_items(in, v);
    Range r;
    if (in->failed || !slice_range(in, n, (int64_t)all.u.list->count, &r))
        return value_none();
    Value out = value_list(&in->arena);
    for (int64_t i = r.from; r.step > 0 ? i < r.to : i > r.to; i += r.step)
        list_add(&in->arena, out, all.u.list->item[i]);
    interp_step(in, (double)out.u.list->count);
    if (v.kind == V_LIST)
        return out;
    Build b = interp_build(in);
    for (size_t i = 0; i < out.u.list->count; i++)
        build_str(&b, out.u.list->item[i].str);
    return interp_built(in, &b);
}

/* ---- operators ---- */

Value interp_items(Interp *in, Value v)
{
    Value out = v.kind == V_LIST ? v : value_list(&in->arena);
    if (v.kind == V_DICT && !v.u.dict->is_namespace)
        for (size_t i = 0; i < v.u.dict->count && interp_step(in, 1); i++)
            list_add(&in->arena, out, v.u.dict->pair[i].key);
    else if (v.kind == V_STRING)
        for (size_t at = 0, n; at < v.str.size && interp_step(in, 1); at += n) {
            n = str_char(v.str, at);
            list_add(&in->arena, out, value_str(str_slice(v.str, at, at + n)));
        }
    else if (v.kind != V_LIST && v.kind != V_UNDEFINED)
        interp_fail(in, "%s cannot be gone through", value_kind_name(v));
    return out;
}

bool interp_contains(Interp *in, Value container, Value item)
{
    switch (container.kind) {
    case V_UNDEFINED: return false;
    case V_DICT: return find_key(in, container, item) != NULL;
    case V_LIST:
        interp_step(in, value_extent(container).weight);
        for (size_t i = 0; !in->failed && i < container.u.list->count; i++)
            if (value_equal(container.u.list->item[i], item))
                return true;
        return false;
    case V_STRING:
        if (item.kind != V_STRING)
            break;
        if (!interp_step(in, (double)container.str.size / 64 * (1 + (double)item.str.size / 64)))
            return false;
        return str_find(container.str, item.str, 0) != SIZE_MAX;
    default: break;
    }
    interp_fail(in, "%s cannot be in %s", value_kind_name(item), value_kind_name(container));
    return false;
}

int interp_compare(Interp *in, Value a, Value b)
{
    if (value_is_number(a) && value_is_number(b)) {
        if (a.kind == V_INT && b.kind == V_INT)
            return (a.u.whole > b.u.whole) - (a.u.whole < b.u.whole);
        return (value_number(a) > value_number(b)) - (value_number(a) < value_number(b));
    }
    if (a.kind == V_STRING && b.kind == V_STRING)
        return str_compare(a.str, b.str);
    interp_fail(in, "%s and %s have no order", value_kind_name(a), value_kind_name(b));
    return 0;
}

static Value compare(Interp *in, const Node *n)
{
    Value a = interp_eval(in, n->a), b = interp_eval(in, n->b);
    double least =
        value_extent(a).weight < value_extent(b).weight ? value_extent(a).weight : value_extent(b).weight;
    if (in->failed || !interp_step(in, least))
        return value_none();
    switch (n->op) {
    case OP_EQ: return value_bool(value_equal(a, b));
    case OP_NE: return value_bool(!value_equal(a, b));
    case OP_IN: return value_bool(interp_contains(in, b, a));
    case OP_NOT_IN: return value_bool(!interp_contains(in, b, a));
    case OP_LT: return value_bool(interp_compare(in, a, b) < 0);
    case OP_LE: return value_bool(interp_compare(in, a, b) <= 0);
    case OP_GT: return value_bool(interp_compare(in, a, b) > 0);
    default: return value_bool(interp_compare(in, a, b) >= 0);
    }
}

static Value whole_result(Interp *in, double exact, int64_t wrapped)
{
    if (fabs(exact) >= 9.2e18)
        return interp_fail(in, "a whole number is out of range");
    return value_int(wrapped);
}

static Value whole_numbers(Interp *in, Operator op, int64_t a, int64_t b)
{
    uint64_t x = (uint64_t)a, y = (uint64_t)b;
    double power;
    switch (op) {
    case OP_ADD: return whole_result(in, (double)a + (double)b, (int64_t)(x + y));
    case OP_SUB: return whole_result(in, (double)a - (double)b, (int64_t)(x - y));
    case OP_MUL: return whole_result(in, (double)a * (double)b, (int64_t)(x * y));
    case OP_POW:
        power = pow((double)a, (double)b);
        if (b < 0)
            return value_float(power);
        return fabs(power) < 9e15 ? value_int((int64_t)power)
                                  : interp_fail(in, "a whole number is out of range");
    default: break;
    }
    if (b == -1)
        return op == OP_MOD ? value_int(0) : whole_result(in, -(double)a, (int64_t)(0 - x));
    int64_t quotient = a / b, rest = a % b;
    if (rest && (rest < 0) != (b < 0)) { /* Python rounds down */
        quotient--;
        rest += b;
    }
    return value_int(op == OP_MOD ? rest : quotient);
}

static Value numbers(Interp *in, Operator op, Value a, Value b)
{
    double x = value_number(a), y = value_number(b);
    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && y == 0)
        return interp_fail(in, "division by zero");
    if (a.kind != V_FLOAT && b.kind != V_FLOAT && op != OP_DIV)
        return whole_numbers(in, op, a.kind == V_INT ? a.u.whole : a.truth,
                             b.kind == V_INT ? b.u.whole : b.truth);
    switch (op) {
    case OP_ADD: return value_float(x + y);
    case OP_SUB: return value_float(x - y);
    case OP_MUL: return value_float(x * y);
    case OP_DIV: return value_float(x / y);
    case OP_FLOORDIV: return value_float(floor(x / y));
    case OP_MOD: return value_float(x - y * floor(x / y));
    default: return value_float(pow(x, y));
    }
}

static Value repeated(Interp *in, Str s, int64_t times)
{
    Build b = interp_build(in);
    for (int64_t i = 0; s.size && i < times && !b.full; i++)
        build_str(&b, s);
    interp_step(in, (double)b.size / 8);
    return interp_built(in, &b);
}

static Value lists_joined(Interp *in, const List *a, const List *b)
{
    Value out = value_list(&in->arena);
    for (size_t i = 0; i < a->count && interp_step(in, 1); i++)
        list_add(&in->arena, out, a->item[i]);
    for (size_t i = 0; i < b->count && interp_step(in, 1); i++)
        list_add(&in->arena, out, b->item[i]);
    return out;
}

static Value texts_joined(Interp *in, Str a, Str b)
{
    if (!a.size || !b.size)
        return value_str(a.size ? a : b);
    Build build = interp_build(in);
    build_str(&build, a);
    build_str(&build, b);
    interp_step(in, (double)build.size / 64);
    return interp_built(in, &build);
}

Value interp_binary(Interp *in, Operator op, Value a, Value b)
{
    static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};
    if (in->failed)
        return value_none();
    if (value_is_number(a) && value_is_number(b))
        return numbers(in, op, a, b);
    if (op == OP_ADD && a.kind == V_STRING && b.kind == V_STRING)
        return texts_joined(in, a.str, b.str);
    if (op == OP_ADD && a.kind == V_LIST && b.kind == V_LIST)
        return lists_joined(in, a.u.list, b.u.list);
    if (op == OP_MUL && a.kind == V_STRING && b.kind == V_INT)
        return repeated(in, a.str, b.u.whole);
    if (op == OP_MUL && a.kind == V_INT && b.kind == V_STRING)
        return repeated(in, b.str, a.u.whole);
    if (op == OP_MOD && a.kind == V_STRING)
        return b.kind == V_LIST ? text_format(in, a.str, b.u.list->item, b.u.list->count)
                                : text_format(in, a.str, &b, 1);
    const Value *undefined = a.kind == V_UNDEFINED ? &a : b.kind == V_UNDEFINED ? &b : NULL;
    if (undefined)
        return interp_fail(in, "\"%.60s\" is undefined", undefined->str.data);
    return interp_fail(in, "%s %s %s: there is no such thing", value_kind_name(a), signs[op],
                       value_kind_name(b));
}

static Value signed_value(Interp *in, const Node *n)
{
    Value v = interp_eval(in, n->a);
    if (in->failed)
        return v;
    if (!value_is_number(v))
        return interp_fail(in, "%s has no sign", value_kind_name(v));
    return n->kind == NODE_PLUS ? numbers(in, OP_ADD, value_int(0), v)
           : v.kind == V_FLOAT  ? value_float(-v.u.real)
                                : numbers(in, OP_SUB, value_int(0), v);
}

/* ---- calls ---- */

static Args arguments(Interp *in, const Node *n)
{
    Args args = {.count = n->count, .names = n->names, .name = n->name};
    args.item = arena_many(&in->arena, (size_t)n->count, Value);
    args.named = arena_many(&in->arena, (size_t)n->names, Value);
    for (int i = 0; i < n->count; i++)
        args.item[i] = interp_eval(in, n->list[i]);
    for (int i = 0; i < n->names; i++)
        args.named[i] = interp_eval(in, n->named[i]);
    return args;
}

static Value call(Interp *in, const Node *n)
{
    Value what = interp_eval(in, n->a);
    Args args = arguments(in, n);
    if (in->failed)
        return value_none();
    in->line = n->line;
    switch (what.kind) {
    case V_FUNCTION: return function_apply(in, what.str, &args);
    case V_METHOD: return method_apply(in, what.str, *what.u.self, &args);
    case V_MACRO: return interp_call_macro(in, what.u.macro, &args, value_undefined("caller"));
    case V_UNDEFINED: return interp_fail(in, "there is no function \"%.60s\"", what.str.data);
    default: return interp_fail(in, "%s cannot be called", value_kind_name(what));
    }
}

static Value filtered(Interp *in, const Node *n)
{
    Value self = interp_eval(in, n->a);
    Args args = arguments(in, n);
    in->line = n->line;
    return in->failed ? value_none() : filter_apply(in, n->text, self, &args);
}

static Value tested(Interp *in, const Node *n)
{
    Value self = interp_eval(in, n->a);
    Args args = arguments(in, n);
    in->line = n->line;
    return value_bool(!in->failed && test_apply(in, n->text, self, &args));
}

/* ---- all ---- */

static Value list_literal(Interp *in, const Node *n)
{
    Value out = value_list(&in->arena);
    out.u.list->tuple = n->kind == NODE_TUPLE;
    for (int i = 0; i < n->count && !in->failed; i++)
        list_add(&in->arena, out, interp_eval(in, n->list[i]));
    return out;
}

static Value dict_literal(Interp *in, const Node *n)
{
    Value out = value_dict(&in->arena);
    for (int i = 0; i < n->count && !in->failed; i += 2) {
        Value key = interp_eval(in, n->list[i]);
        if (key.kind > V_STRING || key.kind == V_UNDEFINED)
            return interp_fail(in, "%s cannot be a key", value_kind_name(key));
        interp_step(in, i);
        dict_set(&in->arena, out, key, interp_eval(in, n->list[i + 1]));
    }
    return out;
}

static Value evaluate(Interp *in, const Node *n)
{
    Value v;
    switch (n->kind) {
    case NODE_CONST: return n->value;
    case NODE_NAME: return lookup(in, n->text);
    case NODE_LIST:
    case NODE_TUPLE: return list_literal(in, n);
    case NODE_DICT: return dict_literal(in, n);
    case NODE_ATTRIBUTE: return interp_attribute(in, interp_eval(in, n->a), n->text);
    case NODE_INDEX: v = interp_eval(in, n->a); return interp_index(in, v, interp_eval(in, n->b));
    case NODE_SLICE: return slice(in, n);
    case NODE_CALL: return call(in, n);
    case NODE_FILTER: return filtered(in, n);
    case NODE_TEST: return tested(in, n);
    case NODE_NOT: return value_bool(!value_truth(interp_eval(in, n->a)));
    case NODE_NEGATE:
    case NODE_PLUS: return signed_value(in, n);
    case NODE_BINARY: v = interp_eval(in, n->a); return interp_binary(in, n->op, v, interp_eval(in, n->b));
    case NODE_CONCAT:
        v = interp_eval(in, n->a);
        return texts_joined(in, value_string(&in->arena, v), value_string(&in->arena, interp_eval(in, n->b)));
    case NODE_COMPARE: return compare(in, n);
    case NODE_AND: v = interp_eval(in, n->a); return value_truth(v) ? interp_eval(in, n->b) : v;
    case NODE_OR: v = interp_eval(in, n->a); return value_truth(v) ? v : interp_eval(in, n->b);
    case NODE_CHOICE:
        if (value_truth(interp_eval(in, n->b)))
            return interp_eval(in, n->a);
        return n->c ? interp_eval(in, n->c) : value_undefined("what is left out behind else");
    default: return interp_fail(in, "a statement is no expression");
    }
}

Value interp_eval(Interp *in, const Node *n)
{
    if (in->failed || !interp_step(in, 1))
        return value_none();
    int line = in->line;
    in->line = n->line;
    if (++in->depth > DEPTH_LIMIT)
        interp_fail(in, "the template is nested too deeply, or calls itself without end");
    Value v = in->failed ? value_none() : evaluate(in, n);
    Extent e = value_extent(v);
    if (!in->failed && (e.depth > VALUE_DEPTH || e.weight > VALUE_WEIGHT))
        interp_fail(in, "a list or dictionary is too large");
    in->depth--;
    in->line = line;
    return in->failed ? value_none() : v;
}
