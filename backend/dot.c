#include "backend/dot.h"

#include <string.h>

/* Constants of at most this many elements are written where they are used. */
enum { SHOWN_ELEMENTS = 6 };

static void put_quoted(Text *out, const char *s)
{
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            text_putc(out, '\\');
        text_putc(out, *s);
    }
}

static void put_type(Text *out, const Type *t)
{
    text_puts(out, dtype_info[t->dtype].name);
    text_putc(out, ' ');
    dims_print(out, t->rank, t->dim);
}

static bool is_weight(const Value *v)
{
    const Literal *l = value_literal(v);
    return l && (l->kind == LIT_WEIGHT || l->kind == LIT_BLOB || l->count > SHOWN_ELEMENTS);
}

static bool is_small_const(const Value *v)
{
    return value_is_const(v) && !is_weight(v);
}

/* Floats in decimal, for people; all else as MIL spells it. */
static void put_literal(Text *out, const Value *v)
{
    const Literal *l = value_literal(v);
    if (l->kind != LIT_FLOAT) {
        literal_print(out, v->type, l);
        return;
    }
    for (size_t i = 0; i < l->count; i++)
        text_printf(out, "%s%g", i ? ", " : l->count > 1 ? "[" : "", l->floats[i]);
    text_puts(out, l->count > 1 ? "]" : "");
}

/* "axis = -1" */
static void put_const(Text *out, const char *key, const Value *v)
{
    Text literal = {0};
    put_literal(&literal, v);
    text_printf(out, "\\l%s = ", key);
    put_quoted(out, text_cstr(&literal));
    text_free(&literal);
}

static void put_op_node(Text *out, const Op *op, const char *indent)
{
    text_printf(out, "%s\"%s\" [label=\"%s", indent, op->result[0]->name, op->spelling);
    for (int i = 0; i < op->args; i++)
        for (int k = 0; k < op->arg[i].count; k++)
            if (is_small_const(op->arg[i].values[k]))
                put_const(out, op->arg[i].key, op->arg[i].values[k]);
    text_puts(out, "\\l");
    put_type(out, op->result[0]->type);
    text_puts(out, "\\l\"];\n");
}

static void put_weight_node(Text *out, const Value *v)
{
    const Literal *l = value_literal(v);
    text_printf(out, "  \"%s\" [shape=note, fillcolor=\"#f3ead7\", label=\"", v->name);
    put_quoted(out, l->kind == LIT_WEIGHT && l->weight.name ? l->weight.name : v->name);
    text_puts(out, "\\l");
    put_type(out, v->type);
    text_puts(out, "\\l\"];\n");
}

static void put_port_node(Text *out, const Value *v)
{
    text_printf(out, "  \"%s\" [shape=oval, fillcolor=\"#d7e8f3\", label=\"%s\\n", v->name, v->name);
    put_type(out, v->type);
    text_puts(out, "\"];\n");
}

/* Nodes of one group, framed unless it is group 0. */
static void put_group(Text *out, const Func *f, int group)
{
    const char *indent = group ? "    " : "  ";
    if (group)
        text_printf(out,
                    "  subgraph cluster_%d {\n    label=\"%s\"; color=\"#7a9e4d\"; fontcolor=\"#4d6b28\";\n",
                    group, f->group[group].name);
    for (const Op *op = f->first; op; op = op->next)
        if (op->group == group && op->code != OP_CONST && op->results)
            put_op_node(out, op, indent);
    if (group)
        text_puts(out, "  }\n");
}

static void put_edges(Text *out, const Op *op)
{
    FOR_EACH_ARG(op, slot)
        if (!is_small_const(*slot)) {
            const Value *from =
                (*slot)->def && (*slot)->def->code != OP_CONST ? (*slot)->def->result[0] : *slot;
            if (op->results && from->name)
                text_printf(out, "  \"%s\" -> \"%s\";\n", from->name, op->result[0]->name);
        }
}

void dot_print(Text *out, const Func *f)
{
    text_printf(out, "digraph \"%s\" {\n  rankdir=TB; fontname=\"Helvetica\";\n", f->name);
    text_puts(out, "  node [shape=box, style=filled, fillcolor=white, fontname=\"Helvetica\", fontsize=10];\n"
                   "  edge [color=\"#666666\", arrowsize=0.6];\n");
    for (int i = 0; i < f->params; i++)
        put_port_node(out, f->param[i]);
    for (const Op *op = f->first; op; op = op->next)
        if (op->code == OP_CONST && is_weight(op->result[0]))
            put_weight_node(out, op->result[0]);
    for (int g = 0; g < f->groups; g++)
        put_group(out, f, g);
    for (const Op *op = f->first; op; op = op->next)
        put_edges(out, op);
    for (int i = 0; i < f->outputs; i++) {
        const Value *v = f->output[i];
        const char *from = v->def ? v->def->result[0]->name : v->name;
        text_printf(out, "  \"output %s\" [shape=oval, fillcolor=\"#d7e8f3\", label=\"%s\"];\n", v->name,
                    v->name);
        text_printf(out, "  \"%s\" -> \"output %s\";\n", from, v->name);
    }
    text_puts(out, "}\n");
}
