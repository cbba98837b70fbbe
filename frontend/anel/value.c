#include "frontend/anel/elaborate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const AnelValue anel_none = {.kind = ANEL_NONE};
const AnelValue anel_error = {.kind = ANEL_ERROR};

AnelValue anel_int(int64_t i)
{
    return (AnelValue){.kind = ANEL_INT, .integer = i};
}

AnelValue anel_float(double d)
{
    return (AnelValue){.kind = ANEL_FLOAT, .number = d};
}

AnelValue anel_bool(bool b)
{
    return (AnelValue){.kind = ANEL_BOOL, .boolean = b};
}

AnelValue anel_text(const char *s)
{
    return (AnelValue){.kind = ANEL_TEXT, .text = s};
}

AnelValue anel_list(const AnelValue *item, int count)
{
    return (AnelValue){.kind = ANEL_LIST, .list = {item, count}};
}

AnelValue anel_tensor(Elab *e, Value *v)
{
    AnelTensor *t = arena_new(&e->scratch, AnelTensor);
    t->value = v;
    return (AnelValue){.kind = ANEL_TENSOR, .tensor = t};
}

/* ---- numbers ---- */

bool is_symbolic(const AnelValue *v)
{
    return v->kind == ANEL_INT && (v->integer == DIM_S || v->integer == DIM_T);
}

bool is_number(const AnelValue *v)
{
    return v->kind == ANEL_FLOAT || (v->kind == ANEL_INT && !is_symbolic(v));
}

double number_of(const AnelValue *v)
{
    return v->kind == ANEL_FLOAT ? v->number : (double)v->integer;
}

bool as_int(const AnelValue *v, int64_t *out)
{
    if (v->kind == ANEL_INT) {
        *out = v->integer;
        return true;
    }
    if (v->kind != ANEL_FLOAT || v->number != floor(v->number) || fabs(v->number) > (double)MAX_INT)
        return false;
    *out = (int64_t)v->number;
    return true;
}

bool anel_same(const AnelValue *a, const AnelValue *b)
{
    if (is_number(a) && is_number(b))
        return number_of(a) == number_of(b);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ANEL_BOOL: return a->boolean == b->boolean;
    case ANEL_INT: return a->integer == b->integer;
    case ANEL_TEXT: return strcmp(a->text, b->text) == 0;
    case ANEL_LIST:
        if (a->list.count != b->list.count)
            return false;
        for (int i = 0; i < a->list.count; i++)
            if (!anel_same(&a->list.item[i], &b->list.item[i]))
                return false;
        return true;
    default: return a->kind == ANEL_NONE;
    }
}

/* ---- texts ---- */

/* The shortest that reads back as the same number, with a point or an exponent. */
static void print_float(Text *out, double d)
{
    char s[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, d);
        if (strtod(s, NULL) == d)
            break;
    }
    text_puts(out, s);
    if (!strpbrk(s, ".eni"))
        text_puts(out, ".0");
}

static void print_list(Text *out, const AnelValue *v)
{
    enum { MOST = 16 }; /* for messages; longer ones are cut */
    text_putc(out, '[');
    for (int i = 0; i < v->list.count && i < MOST; i++) {
        text_puts(out, i ? ", " : "");
        anel_value_print(out, &v->list.item[i]);
    }
    text_puts(out, v->list.count > MOST ? ", ...]" : "]");
}

void anel_value_print(Text *out, const AnelValue *v)
{
    switch (v->kind) {
    case ANEL_NONE: text_puts(out, "none"); break;
    case ANEL_BOOL: text_puts(out, v->boolean ? "true" : "false"); break;
    case ANEL_FLOAT: print_float(out, v->number); break;
    case ANEL_TEXT: text_printf(out, "\"%.100s\"", v->text); break;
    case ANEL_LIST: print_list(out, v); break;
    case ANEL_TENSOR: text_puts(out, "tensor"); break;
    case ANEL_ERROR: text_puts(out, "error"); break;
    case ANEL_INT:
        if (is_symbolic(v))
            text_putc(out, v->integer == DIM_S ? 'S' : 'T');
        else
            text_printf(out, "%lld", (long long)v->integer);
        break;
    }
}

static const char *keep_text(Elab *e, Text *t)
{
    const char *s = arena_str(&e->scratch, text_cstr(t), t->size);
    text_free(t);
    return s;
}

const char *dims_string(Elab *e, const Type *t)
{
    Text out = {0};
    dims_print(&out, t->rank, t->dim);
    return keep_text(e, &out);
}

const char *describe(Elab *e, const AnelValue *v)
{
    static const char *const kinds[] = {
        [ANEL_NONE] = "",
        [ANEL_BOOL] = "",
        [ANEL_INT] = "the number ",
        [ANEL_FLOAT] = "the number ",
        [ANEL_TEXT] = "the text ",
        [ANEL_LIST] = "the list ",
        [ANEL_TENSOR] = "a tensor ",
        [ANEL_ERROR] = "",
    };
    Text out = {0};
    if (v->kind == ANEL_LIST && v->list.count && v->list.item[0].kind == ANEL_TENSOR) {
        text_printf(&out, "a list of %d tensors", v->list.count);
        return keep_text(e, &out);
    }
    text_puts(&out, is_symbolic(v) ? "the length " : kinds[v->kind]);
    if (v->kind == ANEL_TENSOR) {
        Type t = tensor_type(v->tensor);
        dims_print(&out, t.rank, t.dim);
    } else {
        anel_value_print(&out, v);
    }
    return keep_text(e, &out);
}

const char *span_text(Elab *e, Span at)
{
    return at.source ? arena_str(&e->scratch, at.source->text + at.start, at.length) : "";
}

AnelValue anel_keep(Elab *e, const AnelValue *v)
{
    Arena *a = &e->module->arena;
    AnelValue out = *v;
    if (v->kind == ANEL_TEXT)
        out.text = arena_str(a, v->text, strlen(v->text));
    if (v->kind != ANEL_LIST)
        return out;
    AnelValue *item = arena_many(a, (size_t)v->list.count, AnelValue);
    for (int i = 0; i < v->list.count; i++)
        item[i] = anel_keep(e, &v->list.item[i]);
    out.list.item = item;
    return out;
}

void nearest_try(Nearest *n, const char *candidate)
{
    int limit = (int)strlen(n->wanted) / 3 + 1;
    if (limit > 3)
        limit = 3;
    int distance = text_distance(n->wanted, candidate, limit);
    if (distance <= limit && (!n->best || distance < n->distance)) {
        n->best = candidate;
        n->distance = distance;
    }
}
