#include "frontend/anel/elaborate.h"

#include <math.h>
#include <string.h>

static bool is(const Node *n, const char *operator)
{
    return strcmp(n->text, operator) == 0;
}

/* ---- numbers ---- */

static AnelValue whole(Elab *e, const Node *n, double exact, int64_t value)
{
    if (fabs(exact) > (double)MAX_INT)
        return elab_error(e, n->span, "the result is too large");
    return anel_int(value);
}

static AnelValue real(Elab *e, const Node *n, double value)
{
    if (!isfinite(value))
        return elab_error(e, n->span, "the result is not a finite number");
    return anel_float(value);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? q - 1 : q;
}

static AnelValue power(Elab *e, const Node *n, int64_t a, int64_t b)
{
    double exact = pow((double)a, (double)b);
    if (b < 0)
        return real(e, n, exact);
    if (fabs(exact) > (double)MAX_INT)
        return elab_error(e, n->span, "the result is too large");
    return anel_int((int64_t)exact);
}

static AnelValue whole_arithmetic(Elab *e, const Node *n, int64_t a, int64_t b)
{
    double x = (double)a, y = (double)b;
    switch (n->text[0]) {
    case '+': return whole(e, n, x + y, a + b);
    case '-': return whole(e, n, x - y, a - b);
    case '%': return anel_int(a - floor_div(a, b) * b);
    case '/': return n->text[1] ? anel_int(floor_div(a, b)) : anel_float(x / y);
    default:
        if (n->text[1])
            return power(e, n, a, b);
        return fabs(x * y) > (double)MAX_INT ? whole(e, n, x * y, 0) : anel_int(a * b);
    }
}

static AnelValue real_arithmetic(Elab *e, const Node *n, double x, double y)
{
    switch (n->text[0]) {
    case '+': return real(e, n, x + y);
    case '-': return real(e, n, x - y);
    case '%': return real(e, n, x - floor(x / y) * y);
    case '/': return real(e, n, n->text[1] ? floor(x / y) : x / y);
    default: return real(e, n, n->text[1] ? pow(x, y) : x * y);
    }
}

static AnelValue arithmetic(Elab *e, const Node *n, const AnelValue *a, const AnelValue *b)
{
    if ((n->text[0] == '/' || n->text[0] == '%') && number_of(b) == 0)
        return elab_error(e, n->span, "division by zero");
    if (a->kind == ANEL_INT && b->kind == ANEL_INT)
        return whole_arithmetic(e, n, a->integer, b->integer);
    return real_arithmetic(e, n, number_of(a), number_of(b));
}

static AnelValue join_lists(Elab *e, const Node *n, const AnelValue *a, const AnelValue *b)
{
    int count = a->list.count + b->list.count;
    if (count > MAX_ITEMS)
        return elab_error(e, n->span, "the list has more than %d items", MAX_ITEMS);
    e->steps += count;
    AnelValue *item = arena_many(&e->scratch, (size_t)count, AnelValue);
    for (int i = 0; i < count; i++)
        item[i] = i < a->list.count ? a->list.item[i] : b->list.item[i - a->list.count];
    return anel_list(item, count);
}

/* ---- comparisons ---- */

static AnelValue ordered(Elab *e, const Node *n, const AnelValue *a, const AnelValue *b)
{
    bool x_fits = a->kind == ANEL_TENSOR || is_number(a), y_fits = b->kind == ANEL_TENSOR || is_number(b);
    if ((a->kind == ANEL_TENSOR || b->kind == ANEL_TENSOR) && x_fits && y_fits)
        return emit_comparison(e, n->text, a, b, n->span);
    if (!is_number(a) || !is_number(b))
        return elab_error(e, n->span, "'%s' compares numbers, not %s and %s", n->text, describe(e, a),
                          describe(e, b));
    double x = number_of(a), y = number_of(b);
    bool less = n->text[0] == '<' ? x < y : x > y;
    return anel_bool(less || (n->text[1] && x == y));
}

/* A tensor may be compared with none only. */
static AnelValue equal(Elab *e, const Node *n, const AnelValue *a, const AnelValue *b)
{
    bool tensors = a->kind == ANEL_TENSOR || b->kind == ANEL_TENSOR;
    if (tensors && a->kind != ANEL_NONE && b->kind != ANEL_NONE)
        return elab_error(e, n->span, "'%s' cannot compare %s and %s", n->text, describe(e, a),
                          describe(e, b));
    return anel_bool(anel_same(a, b) == (n->text[0] == '='));
}

static bool compares(const Node *n)
{
    return n->text[0] == '<' || n->text[0] == '>' || n->text[0] == '=' || n->text[0] == '!';
}

/* ---- operators ---- */

AnelValue eval_binary(Elab *e, const Node *n, const AnelValue *a, const AnelValue *b)
{
    if (a->kind == ANEL_ERROR || b->kind == ANEL_ERROR)
        return anel_error;
    if (compares(n))
        return n->text[0] == '<' || n->text[0] == '>' ? ordered(e, n, a, b) : equal(e, n, a, b);
    bool x = a->kind == ANEL_TENSOR, y = b->kind == ANEL_TENSOR;
    if ((x && y) || (x && is_number(b)) || (y && is_number(a)))
        return emit_arithmetic(e, n->text, a, b, n->span);
    if (is_number(a) && is_number(b))
        return arithmetic(e, n, a, b);
    if (a->kind == ANEL_LIST && b->kind == ANEL_LIST && is(n, "+"))
        return join_lists(e, n, a, b);
    if (is_symbolic(a) || is_symbolic(b))
        return elab_error(e, n->span,
                          "S and T have no number while a model is compiled; they stand in shapes only");
    if (a->kind == ANEL_TEXT || b->kind == ANEL_TEXT)
        return elab_error(e, n->span, "'%s' is not for texts; a template joins them: \"{a}.{b}\"", n->text);
    return elab_error(e, n->span, "'%s' is not for %s and %s", n->text, describe(e, a), describe(e, b));
}

bool eval_truth(Elab *e, const Node *n, bool *out)
{
    AnelValue v = eval(e, n);
    bool choice = v.kind == ANEL_TENSOR && tensor_type(v.tensor).dtype == DT_BOOL;
    bool maybe = v.kind == ANEL_TENSOR || v.kind == ANEL_NONE;
    if (v.kind == ANEL_BOOL) {
        *out = v.boolean;
        return true;
    }
    if (v.kind != ANEL_ERROR)
        elab_error(e, n->span, "a condition is true or false, not %s%s", describe(e, &v),
                   choice  ? "; where(condition, a, b) chooses by element"
                   : maybe ? "; compare with none: x != none"
                           : "");
    return false;
}

static AnelValue eval_logic(Elab *e, const Node *n)
{
    bool a, b;
    if (!eval_truth(e, n->kid[0], &a))
        return anel_error;
    if (a == is(n, "or"))
        return anel_bool(a);
    return eval_truth(e, n->kid[1], &b) ? anel_bool(b) : anel_error;
}

static AnelValue eval_unary(Elab *e, const Node *n)
{
    bool b;
    if (is(n, "not"))
        return eval_truth(e, n->kid[0], &b) ? anel_bool(!b) : anel_error;
    AnelValue v = eval(e, n->kid[0]);
    if (v.kind == ANEL_ERROR)
        return v;
    if (v.kind == ANEL_TENSOR) {
        AnelValue minus = anel_float(-1);
        return emit_arithmetic(e, "*", &v, &minus, n->span);
    }
    if (!is_number(&v))
        return elab_error(e, n->span, "'-' is not for %s", describe(e, &v));
    return v.kind == ANEL_INT ? anel_int(-v.integer) : anel_float(-v.number);
}

/* ---- the rest ---- */

static AnelValue eval_name(Elab *e, const Node *n)
{
    const Symbol *s = find_symbol(e->frame, n->text);
    if (s)
        return s->value;
    if (strcmp(n->text, "S") == 0)
        return anel_int(DIM_S);
    if (strcmp(n->text, "T") == 0)
        return anel_int(DIM_T);
    for (int i = 0; i < e->func->params; i++)
        if (strcmp(e->func->param[i]->name, n->text) == 0)
            return anel_tensor(e, e->func->param[i]);
    return elab_error(e, n->span, "'%s' has no value here", n->text);
}

static bool add_part(Elab *e, const Node *part, const AnelValue *v, Text *out)
{
    if (v->kind == ANEL_TEXT)
        text_puts(out, v->text);
    else if (is_number(v) || v->kind == ANEL_BOOL)
        anel_value_print(out, v);
    else if (v->kind != ANEL_ERROR)
        elab_error(e, part->span, "{ } in a text takes a number, a text or a truth value, not %s",
                   describe(e, v));
    return v->kind == ANEL_TEXT || is_number(v) || v->kind == ANEL_BOOL;
}

static AnelValue eval_string(Elab *e, const Node *n)
{
    Text out = {0};
    bool ok = true;
    for (int i = 0; ok && i < n->kids; i++) {
        const Node *part = n->kid[i];
        AnelValue v = part->kind == N_TEXT ? anel_text(part->text) : eval(e, part);
        ok = add_part(e, part, &v, &out);
        if (ok && out.size > MAX_TEXT) {
            elab_error(e, n->span, "the text is longer than %d bytes", MAX_TEXT);
            ok = false;
        }
    }
    AnelValue v = ok ? anel_text(arena_str(&e->scratch, text_cstr(&out), out.size)) : anel_error;
    text_free(&out);
    return v;
}

static AnelValue eval_index(Elab *e, const Node *n)
{
    AnelValue list = eval(e, n->kid[0]);
    int64_t i;
    if (list.kind == ANEL_ERROR)
        return list;
    if (list.kind == ANEL_TENSOR)
        return elab_error(e, n->span, "tensors are cut by slice(x, start, end, axis) and split, not by [ ]");
    if (list.kind != ANEL_LIST)
        return elab_error(e, n->span, "[ ] picks from a list, not from %s", describe(e, &list));
    AnelValue at = eval(e, n->kid[1]);
    if (at.kind == ANEL_ERROR)
        return at;
    if (!as_int(&at, &i) || i < -list.list.count || i >= list.list.count)
        return elab_error(e, n->kid[1]->span, "the list has %d items; there is none at %s", list.list.count,
                          describe(e, &at));
    return list.list.item[i < 0 ? i + list.list.count : i];
}

static AnelValue eval_list(Elab *e, const Node *n)
{
    AnelValue *item = arena_many(&e->scratch, (size_t)n->kids, AnelValue);
    for (int i = 0; i < n->kids; i++) {
        item[i] = eval(e, n->kid[i]);
        if (item[i].kind == ANEL_ERROR)
            return anel_error;
    }
    return anel_list(item, n->kids);
}

typedef struct Collect {
    const Node *value;
    AnelValue *item;
    int count, cap;
    bool failed;
} Collect;

static void collect(Elab *e, void *context)
{
    Collect *c = context;
    AnelValue v = eval(e, c->value);
    c->failed |= v.kind == ANEL_ERROR;
    arena_push(&e->scratch, c->item, c->count, c->cap, v);
}

static AnelValue eval_each(Elab *e, const Node *n)
{
    Collect c = {.value = n->kid[1]};
    int before = e->diags->errors;
    for_each(e, n->kid[0], n->text, collect, &c);
    return c.failed || e->exhausted || e->diags->errors != before ? anel_error : anel_list(c.item, c.count);
}

static AnelValue eval_cond(Elab *e, const Node *n)
{
    bool b;
    if (!eval_truth(e, n->kid[1], &b))
        return anel_error;
    return eval(e, n->kid[b ? 0 : 2]);
}

static AnelValue eval_operator(Elab *e, const Node *n)
{
    if (is(n, "and") || is(n, "or"))
        return eval_logic(e, n);
    AnelValue a = eval(e, n->kid[0]), b = eval(e, n->kid[1]);
    return eval_binary(e, n, &a, &b);
}

static AnelValue eval_node(Elab *e, const Node *n)
{
    switch (n->kind) {
    case N_INT: return anel_int(n->integer);
    case N_FLOAT: return anel_float(n->number);
    case N_TRUE: return anel_bool(true);
    case N_FALSE: return anel_bool(false);
    case N_NONE: return anel_none;
    case N_STRING: return eval_string(e, n);
    case N_NAME: return eval_name(e, n);
    case N_UNARY: return eval_unary(e, n);
    case N_COND: return eval_cond(e, n);
    case N_CALL: return eval_call(e, n);
    case N_INDEX: return eval_index(e, n);
    case N_LIST: return eval_list(e, n);
    case N_EACH: return eval_each(e, n);
    case N_BINARY: return eval_operator(e, n);
    default: return anel_error;
    }
}

AnelValue eval(Elab *e, const Node *n)
{
    if (!elab_enter(e, n->span))
        return anel_error;
    AnelValue v = eval_node(e, n);
    elab_leave(e);
    return v;
}

bool eval_int(Elab *e, const Node *n, const char *what, int64_t least, int64_t most, int64_t *out)
{
    AnelValue v = eval(e, n);
    if (v.kind == ANEL_ERROR)
        return false;
    if (is_symbolic(&v) || !as_int(&v, out))
        elab_error(e, n->span, "%s must be a whole number, not %s%s", what, describe(e, &v),
                   v.kind == ANEL_FLOAT ? "; a // b divides without a rest" : "");
    else if (*out < least || *out > most)
        elab_error(e, n->span, "%s must be from %lld to %lld, not %lld", what, (long long)least,
                   (long long)most, (long long)*out);
    else
        return true;
    return false;
}
