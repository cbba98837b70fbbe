/* How filters, methods and functions are called; functions. */
#include "runtime/chat/interp.h"

#include <stdio.h>
#include <string.h>

/* The place of a parameter in "a b c", or -1. */
static int parameter_index(const char *parameters, const char *name)
{
    size_t n = strlen(name);
    for (int i = 0; *parameters; i++) {
        size_t word = strcspn(parameters, " ");
        if (word == n && memcmp(parameters, name, n) == 0)
            return i;
        parameters += word + (parameters[word] == ' ');
    }
    return -1;
}

static int parameter_count(const char *parameters)
{
    int count = *parameters != 0;
    for (; *parameters; parameters++)
        count += *parameters == ' ';
    return count;
}

static bool bind(Interp *in, const Builtin *b, const Args *args, Value *arg)
{
    bool more = strstr(b->parameters, "...") != NULL;
    int known = parameter_count(b->parameters) - more;
    memset(arg, 0, PARAMETERS * sizeof *arg);
    if (args->count > known && !more)
        interp_fail(in, "%s takes at most %d arguments, not %d", b->name, known, args->count);
    for (int i = 0; i < args->count && i < known; i++)
        arg[i] = args->item[i];
    for (int i = 0; i < args->names; i++) {
        int at = parameter_index(b->parameters, args->name[i]);
        if (at >= 0)
            arg[at] = args->named[i];
        else if (!more)
            interp_fail(in, "%s has no parameter \"%.60s\"", b->name, args->name[i]);
    }
    /* An undefined argument that was given is not one that is absent. */
    for (int i = 0; i < args->count && i < known; i++)
        if (absent(arg[i]))
            arg[i] = value_undefined("an argument");
    return !in->failed;
}

Value builtin_call(Interp *in, const Builtin *table, size_t count, const char *what, Str name, Value self,
                   const Args *args)
{
    Value arg[PARAMETERS];
    for (size_t i = 0; i < count; i++)
        if (str_is(name, table[i].name))
            return bind(in, &table[i], args, arg) ? table[i].call(in, self, arg, args) : value_none();
    return interp_fail(in, "there is no %s \"%.*s\" here", what, name.size < 60 ? (int)name.size : 60,
                       name.data);
}

int64_t whole_arg(Interp *in, Value arg, int64_t otherwise)
{
    if (absent(arg) || arg.kind == V_NONE)
        return otherwise;
    if (arg.kind == V_BOOL)
        return arg.truth;
    if (arg.kind != V_INT)
        interp_fail(in, "a whole number is expected, not %s", value_kind_name(arg));
    return arg.kind == V_INT ? arg.u.whole : otherwise;
}

/* ---- functions ---- */

enum { RANGE_LIMIT = 100000 };

static Value call_range(Interp *in, Value self, const Value *arg, const Args *all)
{
    int64_t from = absent(arg[1]) ? 0 : whole_arg(in, arg[0], 0);
    int64_t to = whole_arg(in, arg[absent(arg[1]) ? 0 : 1], 0), step = whole_arg(in, arg[2], 1);
    Value out = value_list(&in->arena);
    if (step == 0)
        return interp_fail(in, "range: the step is 0");
    double count = ((double)to - (double)from) / (double)step;
    if (count > RANGE_LIMIT)
        return interp_fail(in, "range: more than %d numbers", (int)RANGE_LIMIT);
    if (!interp_step(in, count > 0 ? count : 0))
        return out;
    for (double i = 0; i < count; i++)
        list_add(&in->arena, out, value_int(from + (int64_t)i * step));
    return out;
}

static void put_named(Interp *in, Value dict, Value first, const Args *all)
{
    if (first.kind == V_DICT)
        for (size_t i = 0; i < first.u.dict->count && interp_step(in, 1 + (double)i / 8); i++)
            dict_set(&in->arena, dict, first.u.dict->pair[i].key, first.u.dict->pair[i].value);
    else if (!absent(first))
        interp_fail(in, "a dictionary is expected, not %s", value_kind_name(first));
    for (int i = 0; i < all->names && interp_step(in, 1 + (double)i / 8); i++)
        dict_set(&in->arena, dict, value_text(all->name[i]), all->named[i]);
}

static Value call_dict(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value out = value_dict(&in->arena);
    put_named(in, out, arg[0], all);
    return out;
}

static Value call_namespace(Interp *in, Value self, const Value *arg, const Args *all)
{
    Value out = call_dict(in, self, arg, all);
    if (!in->failed)
        out.u.dict->is_namespace = true;
    return out;
}

static Value call_raise(Interp *in, Value self, const Value *arg, const Args *all)
{
    Str s = value_string(&in->arena, arg[0]);
    return interp_fail(in, "the template refuses this conversation: %.*s", s.size < 600 ? (int)s.size : 600,
                       s.data);
}

static Value call_strftime(Interp *in, Value self, const Value *arg, const Args *all)
{
    struct tm when;
    char text[256];
    Str format = value_string(&in->arena, arg[0]);
    if (!localtime_r(&in->now, &when) || format.size > 100 || memchr(format.data, 0, format.size))
        return interp_fail(in, "strftime_now: this is no date, or no form for one");
    size_t n = strftime(text, sizeof text, arena_str(&in->arena, format.data, format.size), &when);
    return value_str((Str){arena_str(&in->arena, text, n), NULL, n});
}

static const Builtin functions[] = {
    {"range", call_range, "start stop step"},   {"dict", call_dict, "first ..."},
    {"namespace", call_namespace, "first ..."}, {"raise_exception", call_raise, "message"},
    {"strftime_now", call_strftime, "format"},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

bool function_exists(Str name)
{
    for (int i = 0; i < FUNCTIONS; i++)
        if (str_is(name, functions[i].name))
            return true;
    return false;
}

Value function_apply(Interp *in, Str name, const Args *args)
{
    return builtin_call(in, functions, FUNCTIONS, "function", name, value_none(), args);
}
