/* The table of primitives, and what they share: reading arguments. */
#include "frontend/anel/elaborate.h"

#include <math.h>
#include <string.h>

static double squared(double x)
{
    return x * x;
}

static double inverse_root(double x)
{
    return 1 / sqrt(x);
}

static const Primitive table[] = {
#define PRIMITIVE(name, params) {#name, params, primitive_##name, OP_UNKNOWN, NULL},
#define ELEMENTWISE(name, op, scalar) {#name, "x", NULL, OP_##op, scalar},
#include "frontend/anel/primitives.def"
};

const Primitive *primitive_find(const char *name)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

void primitive_nearest(Nearest *n)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        nearest_try(n, table[i].name);
    nearest_try(n, "config");
}

static AnelValue run_elementwise(Elab *e, const Primitive *p, Call *c)
{
    if (c->arg[0].kind == ANEL_TENSOR)
        return emit_unary(e, p->unary, c->arg[0].tensor, c->span);
    if (!is_number(&c->arg[0]) || !p->scalar)
        return elab_error(e, c->at[0], "%s is for a tensor%s, not for %s", p->name,
                          p->scalar ? " or a number" : "", describe(e, &c->arg[0]));
    double d = p->scalar(number_of(&c->arg[0]));
    return isfinite(d) ? anel_float(d) : elab_error(e, c->span, "the result is not a finite number");
}

AnelValue primitive_run(Elab *e, const Primitive *p, Call *c)
{
    return p->run ? p->run(e, c) : run_elementwise(e, p, c);
}

/* ---- arguments ---- */

/* The name of the i-th parameter. */
static const char *param_name(Elab *e, const Call *c, int i)
{
    const char *p = c->params;
    for (; i > 0; i--)
        p += strcspn(p, " ") + 1;
    size_t n = strcspn(p, " ");
    return arena_str(&e->scratch, p, n - (p[n - 1] == '?'));
}

AnelTensor *arg_tensor(Elab *e, Call *c, int i)
{
    if (c->arg[i].kind == ANEL_TENSOR)
        return c->arg[i].tensor;
    elab_error(e, c->at[i], "%s: '%s' must be a tensor, not %s", c->name, param_name(e, c, i),
               describe(e, &c->arg[i]));
    return NULL;
}

static bool is_absent(const Call *c, int i)
{
    return !c->given[i] || c->arg[i].kind == ANEL_NONE;
}

bool arg_whole(Elab *e, Call *c, int i, int64_t otherwise, int64_t least, int64_t most, int64_t *out)
{
    *out = otherwise;
    if (is_absent(c, i))
        return true;
    if (is_symbolic(&c->arg[i]) || !as_int(&c->arg[i], out))
        elab_error(e, c->at[i], "%s: '%s' must be a whole number, not %s%s", c->name, param_name(e, c, i),
                   describe(e, &c->arg[i]),
                   c->arg[i].kind == ANEL_FLOAT ? "; a // b divides without a rest" : "");
    else if (*out < least || *out > most)
        elab_error(e, c->at[i], "%s: '%s' must be from %lld to %lld, not %lld", c->name, param_name(e, c, i),
                   (long long)least, (long long)most, (long long)*out);
    else
        return true;
    return false;
}

bool arg_number(Elab *e, Call *c, int i, double otherwise, double *out)
{
    *out = otherwise;
    if (is_absent(c, i))
        return true;
    if (!is_number(&c->arg[i])) {
        elab_error(e, c->at[i], "%s: '%s' must be a number, not %s", c->name, param_name(e, c, i),
                   describe(e, &c->arg[i]));
        return false;
    }
    *out = number_of(&c->arg[i]);
    return true;
}

bool arg_flag(Elab *e, Call *c, int i, bool otherwise, bool *out)
{
    *out = otherwise;
    if (is_absent(c, i))
        return true;
    if (c->arg[i].kind != ANEL_BOOL) {
        elab_error(e, c->at[i], "%s: '%s' must be true or false, not %s", c->name, param_name(e, c, i),
                   describe(e, &c->arg[i]));
        return false;
    }
    *out = c->arg[i].boolean;
    return true;
}

bool arg_axis(Elab *e, Call *c, int i, int otherwise, int rank, int *out)
{
    int64_t axis;
    if (is_absent(c, i))
        axis = otherwise;
    else if (!arg_whole(e, c, i, 0, INT32_MIN, INT32_MAX, &axis))
        return false;
    if (axis < -rank || axis >= rank) {
        elab_error(e, c->given[i] ? c->at[i] : c->span, "%s: there is no axis %lld in a tensor of %d axes",
                   c->name, (long long)axis, rank);
        return false;
    }
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}

bool arg_whole_list(Elab *e, Call *c, int i, bool symbols, int64_t *out, int limit, int *count)
{
    const AnelValue *v = &c->arg[i];
    if (v->kind != ANEL_LIST || v->list.count > limit) {
        elab_error(e, c->at[i], "%s: '%s' must be a list of at most %d whole numbers, not %s", c->name,
                   param_name(e, c, i), limit, describe(e, v));
        return false;
    }
    for (int k = 0; k < v->list.count; k++) {
        const AnelValue *item = &v->list.item[k];
        if (!as_int(item, &out[k]) || (is_symbolic(item) && !symbols)) {
            elab_error(e, c->at[i], "%s: '%s' holds whole numbers%s, not %s", c->name, param_name(e, c, i),
                       symbols ? ", S and T" : "", describe(e, item));
            return false;
        }
    }
    *count = v->list.count;
    return true;
}
