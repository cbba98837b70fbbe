/* The canonical text form: byte for byte the layout that Apple's compiler prints (docs/mil.md). */
#include "ir/ir.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/literal.h"

/* How things are spelled where the text leaves a choice. */
typedef struct Style {
    bool ranked; /* program 1.0: a scalar is `tensor<string, []>`, for the names and blob references that have
                  * no type of their own in the IR */
    bool decimal; /* inside a dict: floats are decimal */
} Style;

/* ---- literals ---- */

static void element_print(Text *out, const Style *style, const Type *t, const Literal *l, size_t i)
{
    if (l->kind == LIT_STRING)
        string_print(out, l->strings[i]);
    else if (l->kind == LIT_FLOAT && style->decimal && isfinite(l->floats[i]))
        text_printf(out, "%.17g", l->floats[i]);
    else if (l->kind == LIT_FLOAT)
        float_print(out, t->dtype, l->floats[i]);
    else if (t->dtype == DT_BOOL)
        text_puts(out, l->ints[i] ? "true" : "false");
    else if (dtype_info[t->dtype].class == CLASS_INT && (l->ints[i] == DIM_S || l->ints[i] == DIM_T))
        text_putc(out, l->ints[i] == DIM_S ? 'S' : 'T');
    else
        int_print(out, t->dtype, l->ints[i]);
}

/* Elements from *next on, nested in brackets for the axes axis .. rank-1. */
static void nested_print(Text *out, const Style *style, const Type *t, const int64_t *dim, int axis,
                         const Literal *l, size_t *next)
{
    if (axis == t->rank) {
        element_print(out, style, t, l, (*next)++);
        return;
    }
    text_putc(out, '[');
    for (int64_t i = 0; i < dim[axis]; i++) {
        if (i)
            text_puts(out, ", ");
        nested_print(out, style, t, dim, axis + 1, l, next);
    }
    text_putc(out, ']');
}

static void elements_print(Text *out, const Style *style, const Type *t, const Literal *l)
{
    int64_t dim[IR_MAX_RANK];
    size_t next = 0;
    if (literal_dims(t, l, dim)) {
        nested_print(out, style, t, dim, 0, l, &next);
        return;
    }
    dim[0] = (int64_t)l->count; /* ill-formed, which the verifier says: all the elements, in one row */
    Type row = {.kind = TY_TENSOR, .dtype = t->dtype, .rank = 1};
    nested_print(out, style, &row, dim, 0, l, &next);
}

static void scalar_type_print(Text *out, const Style *style, DType dtype)
{
    Type t = type_scalar(dtype);
    t.bare = !style->ranked;
    type_print(out, &t);
}

static void blob_print(Text *out, const Style *style, const Literal *l)
{
    text_puts(out, "BLOBFILE(path = ");
    scalar_type_print(out, style, DT_STRING);
    text_putc(out, '(');
    string_print(out, l->blob.path);
    text_puts(out, "), offset = ");
    scalar_type_print(out, style, DT_UINT64);
    text_putc(out, '(');
    int_print(out, DT_UINT64, (int64_t)l->blob.offset);
    text_puts(out, "))");
}

static void weight_print(Text *out, const WeightRef *w)
{
    if (w->kind == WEIGHT_CAUSAL_MASK) {
        text_puts(out, "CAUSAL_MASK(window = ");
        int_print(out, DT_INT64, w->window);
    } else if (w->kind == WEIGHT_DISTANCE) {
        text_puts(out, w->transposed ? "DISTANCE(transposed = true" : "DISTANCE(");
    } else {
        text_puts(out, w->kind == WEIGHT_INT8     ? "INT8(name = "
                       : w->kind == WEIGHT_SCALES ? "SCALES(name = "
                                                  : "WEIGHT(name = ");
        string_print(out, w->name);
        if (w->transposed)
            text_puts(out, ", transposed = true");
        if (w->scale)
            text_printf(out, ", scale = %d", w->scale);
    }
    text_putc(out, ')');
}

static void untyped_print(Text *out, const Style *style, const Type *t, const Literal *l);

static void dict_print(Text *out, const Style *style, const Type *t, const Literal *l)
{
    Style inside = *style;
    inside.decimal = true;
    text_putc(out, '{');
    for (size_t i = 0; i + 1 < l->count; i += 2) {
        text_puts(out, i ? ", {" : "{");
        untyped_print(out, &inside, t->element[0], l->children[i]);
        text_puts(out, ", ");
        untyped_print(out, &inside, t->element[1], l->children[i + 1]);
        text_putc(out, '}');
    }
    text_putc(out, '}');
}

static void tree_print(Text *out, const Style *style, const Type *t, const Literal *l)
{
    if (t->kind == TY_DICT) {
        dict_print(out, style, t, l);
        return;
    }
    text_putc(out, t->kind == TY_TUPLE ? '(' : '[');
    for (size_t i = 0; i < l->count; i++) {
        if (i)
            text_puts(out, ", ");
        untyped_print(out, style, t->element[t->kind == TY_TUPLE ? i : 0], l->children[i]);
    }
    text_putc(out, t->kind == TY_TUPLE ? ')' : ']');
}

static void untyped_print(Text *out, const Style *style, const Type *t, const Literal *l)
{
    switch (l->kind) {
    case LIT_BLOB: blob_print(out, style, l); break;
    case LIT_WEIGHT: weight_print(out, &l->weight); break;
    case LIT_TREE: tree_print(out, style, t, l); break;
    default: elements_print(out, style, t, l); break;
    }
}

void literal_print(Text *out, const Type *type, const Literal *l)
{
    untyped_print(out, &(Style){0}, type, l);
}

static void typed_print(Text *out, const Style *style, const Type *t, const Literal *l)
{
    type_print(out, t);
    text_putc(out, '(');
    untyped_print(out, style, t, l);
    text_putc(out, ')');
}

/* ---- arguments and attributes ---- */

/* One `key = ...`: an argument, an attribute, or the name. Exactly one of the three is set. */
typedef struct Entry {
    const char *key;
    const Arg *arg;
    const Attr *attr;
    const char *label;
} Entry;

static int by_key(const void *a, const void *b)
{
    return strcmp(((const Entry *)a)->key, ((const Entry *)b)->key);
}

static void value_print(Text *out, const Style *style, const Value *v)
{
    if (v->def && !v->def->func && v->def->literal)
        typed_print(out, style, v->type, v->def->literal);
    else
        text_puts(out, v->name ? v->name : "?");
}

static void arg_print(Text *out, const Style *style, const Arg *arg)
{
    if (arg->list)
        text_putc(out, '(');
    for (int i = 0; i < arg->count; i++) {
        if (i)
            text_puts(out, ", ");
        value_print(out, style, arg->values[i]);
    }
    if (arg->list)
        text_putc(out, ')');
}

static void entry_print(Text *out, const Style *style, const Entry *e)
{
    text_puts(out, e->key);
    text_puts(out, " = ");
    if (e->arg) {
        arg_print(out, style, e->arg);
    } else if (e->attr) {
        typed_print(out, style, e->attr->type, e->attr->literal);
    } else {
        scalar_type_print(out, style, DT_STRING);
        text_putc(out, '(');
        string_print(out, e->label);
        text_putc(out, ')');
    }
}

static void entries_print(Text *out, const Style *style, Entry *entries, size_t count)
{
    if (count > 1)
        qsort(entries, count, sizeof *entries, by_key);
    for (size_t i = 0; i < count; i++) {
        if (i)
            text_puts(out, ", ");
        entry_print(out, style, &entries[i]);
    }
}

/* [a = .., b = ..]: of a program, a function or (with `op`) a statement. Nothing where there are none. */
static void attributes_print(Text *out, const Style *style, const Attr *attr, int attrs, const Op *op,
                             const char *before)
{
    Attr value = {0};
    size_t n = 0;
    Entry *entries = xmalloc(((size_t)attrs + 2 + (op ? (size_t)op->args : 0)) * sizeof *entries);
    for (int i = 0; i < attrs; i++)
        entries[n++] = (Entry){.key = attr[i].key, .attr = &attr[i]};
    for (int i = 0; op && i < op->args; i++)
        if (op->arg[i].attribute && op->arg[i].count)
            entries[n++] = (Entry){.key = op->arg[i].key, .arg = &op->arg[i]};
    if (op && op->label)
        entries[n++] = (Entry){.key = "name", .label = op->label};
    if (op && op->literal && op->results) {
        value = (Attr){"val", op->result[0]->type, op->literal};
        entries[n++] = (Entry){.key = "val", .attr = &value};
    }
    if (n) {
        text_puts(out, before);
        text_putc(out, '[');
        entries_print(out, style, entries, n);
        text_putc(out, ']');
    }
    free(entries);
}

static void arguments_print(Text *out, const Style *style, const Op *op)
{
    size_t n = 0;
    Entry *entries = xmalloc(((size_t)op->args + 1) * sizeof *entries);
    for (int i = 0; i < op->args; i++)
        if (!op->arg[i].attribute && (op->arg[i].count || (op->code == OP_UNKNOWN && op->arg[i].list)))
            entries[n++] = (Entry){.key = op->arg[i].key, .arg = &op->arg[i]};
    text_putc(out, '(');
    entries_print(out, style, entries, n);
    text_putc(out, ')');
    free(entries);
}

/* ---- statements, functions, programs ---- */

static void typed_names_print(Text *out, Value *const *values, int count)
{
    for (int i = 0; i < count; i++) {
        if (i)
            text_puts(out, ", ");
        type_print(out, values[i]->type);
        text_putc(out, ' ');
        text_puts(out, values[i]->name ? values[i]->name : "?");
    }
}

static void spaces_print(Text *out, int count)
{
    for (int i = 0; i < count; i++)
        text_putc(out, ' ');
}

static void body_print(Text *out, const Style *style, const Func *f, int indent);

/* `indent` is that of the statement. */
static void statement_print(Text *out, const Style *style, const Op *op, int indent)
{
    typed_names_print(out, op->result, op->results);
    if (op->results)
        text_puts(out, " = ");
    text_puts(out, op->spelling);
    if (op->opset) {
        text_putc(out, '<');
        text_puts(out, op->opset);
        text_putc(out, '>');
    }
    arguments_print(out, style, op);
    attributes_print(out, style, op->attr, op->attrs, op, "");
    for (int i = 0; i < op->blocks; i++) {
        text_printf(out, "%s\n%*s(", i ? "," : " {", indent + 4, "");
        typed_names_print(out, op->block[i]->param, op->block[i]->params);
        text_puts(out, ") {\n");
        body_print(out, style, op->block[i], indent + 12);
        text_putc(out, ')');
    }
    if (op->blocks)
        text_printf(out, "\n%*s}", indent, "");
    text_putc(out, ';');
}

/* Statements and outputs, up to the last of these. */
static void body_print(Text *out, const Style *style, const Func *f, int indent)
{
    for (const Op *op = f->first; op; op = op->next) {
        spaces_print(out, indent);
        statement_print(out, style, op, indent);
        text_putc(out, '\n');
    }
    text_printf(out, "%*s} -> (", indent - 4, "");
    for (int i = 0; i < f->outputs; i++) {
        if (i)
            text_puts(out, ", ");
        value_print(out, style, f->output[i]);
    }
}

static Style style_of(const Module *m)
{
    return (Style){.ranked = m && strcmp(m->version, "1.0") == 0};
}

void op_print(Text *out, const Op *op)
{
    Style style = style_of(op->func ? op->func->module : NULL);
    statement_print(out, &style, op, 12);
}

void func_print(Text *out, const Func *f)
{
    Style style = style_of(f->module);
    text_printf(out, "    func %s<%s>(", f->name, f->opset);
    typed_names_print(out, f->param, f->params);
    text_putc(out, ')');
    attributes_print(out, &style, f->attr, f->attrs, NULL, " ");
    text_puts(out, " {\n");
    body_print(out, &style, f, 12);
    text_puts(out, ");\n");
}

void module_print(Text *out, const Module *m)
{
    Style style = style_of(m);
    text_printf(out, "program(%s)\n", m->version);
    if (m->attrs) {
        attributes_print(out, &style, m->attr, m->attrs, NULL, "");
        text_putc(out, '\n');
    }
    text_puts(out, "{\n");
    for (int i = 0; i < m->funcs; i++)
        func_print(out, m->func[i]);
    text_puts(out, m->newline ? "}\n" : "}");
}
