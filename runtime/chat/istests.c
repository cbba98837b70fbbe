/* What may stand behind `is`. */
#include <string.h>

#include "runtime/chat/text.h"

/* ---- kinds: tests that are a set of kinds ---- */

#define K(kind) (1u << (kind))

static const struct {
    const char *name;
    unsigned kinds;
} kinds[] = {
    {"undefined", K(V_UNDEFINED)},
    {"defined", ~K(V_UNDEFINED)},
    {"none", K(V_NONE)},
    {"boolean", K(V_BOOL)},
    {"integer", K(V_INT)},
    {"float", K(V_FLOAT)},
    {"number", K(V_BOOL) | K(V_INT) | K(V_FLOAT)},
    {"string", K(V_STRING)},
    {"mapping", K(V_DICT)},
    {"iterable", K(V_STRING) | K(V_LIST) | K(V_DICT) | K(V_UNDEFINED)},
    {"sequence", K(V_STRING) | K(V_LIST) | K(V_DICT) | K(V_UNDEFINED)},
    {"callable", K(V_MACRO) | K(V_FUNCTION) | K(V_METHOD)},
};

/* ---- tests that look at the value ---- */

static Value test_true(Interp *in, Value self, const Value *arg, const Args *all)
{
    return value_bool(self.kind == V_BOOL && self.truth);
}

static Value test_false(Interp *in, Value self, const Value *arg, const Args *all)
{
    return value_bool(self.kind == V_BOOL && !self.truth);
}

/* Python's rest: of the divisor's sign. */
static Value rest_is(Interp *in, Value self, Value divisor, int64_t rest)
{
    Value r = interp_binary(in, OP_MOD, self, divisor);
    return value_bool(!in->failed && value_equal(r, value_int(rest)));
}

static Value test_odd(Interp *in, Value self, const Value *arg, const Args *all)
{
    return rest_is(in, self, value_int(2), 1);
}

static Value test_even(Interp *in, Value self, const Value *arg, const Args *all)
{
    return rest_is(in, self, value_int(2), 0);
}

static Value test_divisible(Interp *in, Value self, const Value *arg, const Args *all)
{
    return rest_is(in, self, arg[0], 0);
}

/* Texts with letters, all of that case. */
static Value of_case(Interp *in, Value self, TextCase how, TextCase other)
{
    Str s = value_string(&in->arena, self);
    Value same = text_cased(in, s, how), changed = text_cased(in, s, other);
    return value_bool(!in->failed && value_equal(same, value_str(s)) && !value_equal(changed, value_str(s)));
}

static Value test_lower(Interp *in, Value self, const Value *arg, const Args *all)
{
    return of_case(in, self, CASE_LOWER, CASE_UPPER);
}

static Value test_upper(Interp *in, Value self, const Value *arg, const Args *all)
{
    return of_case(in, self, CASE_UPPER, CASE_LOWER);
}

static Value test_equal(Interp *in, Value self, const Value *arg, const Args *all)
{
    interp_step(in, value_extent(self).weight);
    return value_bool(!in->failed && value_equal(self, arg[0]));
}

static Value test_unequal(Interp *in, Value self, const Value *arg, const Args *all)
{
    return value_bool(!test_equal(in, self, arg, all).truth);
}

static Value test_same(Interp *in, Value self, const Value *arg, const Args *all)
{
    bool same = self.kind == arg[0].kind && test_equal(in, self, arg, all).truth;
    if (same && self.kind == V_LIST)
        same = self.u.list == arg[0].u.list;
    if (same && self.kind == V_DICT)
        same = self.u.dict == arg[0].u.dict;
    return value_bool(same);
}

static Value test_less(Interp *in, Value self, const Value *arg, const Args *all)
{
    return value_bool(interp_compare(in, self, arg[0]) < 0);
}

static Value test_at_most(Interp *in, Value self, const Value *arg, const Args *all)
{
    return value_bool(interp_compare(in, self, arg[0]) <= 0);
}

static Value test_greater(Interp *in, Value self, const Value *arg, const Args *all)
{
    return value_bool(interp_compare(in, self, arg[0]) > 0);
}

static Value test_at_least(Interp *in, Value self, const Value *arg, const Args *all)
{
    return value_bool(interp_compare(in, self, arg[0]) >= 0);
}

static Value test_in(Interp *in, Value self, const Value *arg, const Args *all)
{
    return value_bool(interp_contains(in, arg[0], self));
}

static const Builtin tests[] = {
    {"true", test_true, ""},
    {"false", test_false, ""},
    {"odd", test_odd, ""},
    {"even", test_even, ""},
    {"divisibleby", test_divisible, "num"},
    {"lower", test_lower, ""},
    {"upper", test_upper, ""},
    {"equalto", test_equal, "other"},
    {"eq", test_equal, "other"},
    {"==", test_equal, "other"},
    {"ne", test_unequal, "other"},
    {"!=", test_unequal, "other"},
    {"sameas", test_same, "other"},
    {"lt", test_less, "other"},
    {"<", test_less, "other"},
    {"lessthan", test_less, "other"},
    {"le", test_at_most, "other"},
    {"<=", test_at_most, "other"},
    {"gt", test_greater, "other"},
    {">", test_greater, "other"},
    {"greaterthan", test_greater, "other"},
    {"ge", test_at_least, "other"},
    {">=", test_at_least, "other"},
    {"in", test_in, "seq"},
};

bool test_apply(Interp *in, Str name, Value v, const Args *args)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(name, kinds[i].name)) {
            if (args->count || args->names)
                interp_fail(in, "the test \"%s\" takes no argument", kinds[i].name);
            return kinds[i].kinds >> v.kind & 1;
        }
    return value_truth(builtin_call(in, tests, sizeof tests / sizeof *tests, "test", name, v, args));
}
