#include "passes/legal.h"

#include "passes/match.h"

enum { LEAST = 4 };

Layout layout_plain(const Legal *l, int rank)
{
    Layout layout = {0};
    for (int pad = l->ane ? LEAST - rank : 0; pad > 0; pad--)
        layout.axis[layout.rank++] = -1;
    for (int i = 0; i < rank; i++)
        layout.axis[layout.rank++] = i;
    return layout;
}

Layout layout_last(int rank, int last)
{
    Layout layout = {0};
    if (rank == 2) /* [S, D] -> [1, D, 1, S] */
        return (Layout){LEAST, {-1, 1 - last, -1, last}};
    for (int pad = LEAST - rank; pad > 0; pad--)
        layout.axis[layout.rank++] = -1;
    for (int i = 0; i < rank; i++)
        if (i != last)
            layout.axis[layout.rank++] = i;
    layout.axis[layout.rank++] = last;
    return layout;
}

Layout layout_home(const Legal *l, int rank)
{
    return rank == 2 ? layout_last(2, 0) : layout_plain(l, rank);
}

int layout_find(const Layout *layout, int axis)
{
    for (int i = 0; i < layout->rank; i++)
        if (layout->axis[i] == axis)
            return i;
    return -1;
}

Type layout_type(const Layout *layout, const Type *logical)
{
    Type t = {.kind = TY_TENSOR, .dtype = logical->dtype, .rank = layout->rank};
    for (int i = 0; i < layout->rank; i++)
        t.dim[i] = layout->axis[i] < 0 ? 1 : logical->dim[layout->axis[i]];
    return t;
}

const Form *form_of(const Value *v)
{
    return v->mark;
}

void form_add(Legal *l, Value *v, const Layout *layout, Value *physical)
{
    Form *form = arena_new(l->arena, Form), *last = v->mark;
    *form = (Form){*layout, physical, NULL};
    while (last && last->next)
        last = last->next;
    if (last)
        last->next = form;
    else
        v->mark = form;
}

/* ---- conversion ---- */

/* The axes that are longer than 1, in physical order. */
static int long_axes(const Layout *layout, const Type *logical, int out[IR_MAX_RANK])
{
    int n = 0;
    for (int i = 0; i < layout->rank; i++)
        if (layout->axis[i] >= 0 && logical->dim[layout->axis[i]] != 1)
            out[n++] = layout->axis[i];
    return n;
}

/* Whether the elements lie in the same order. */
static bool same_order(const Layout *a, const Layout *b, const Type *logical)
{
    int x[IR_MAX_RANK], y[IR_MAX_RANK], n = long_axes(a, logical, x);
    if (long_axes(b, logical, y) != n)
        return false;
    for (int i = 0; i < n; i++)
        if (x[i] != y[i])
            return false;
    return true;
}

static bool is_long(const Layout *layout, int i, const Type *logical)
{
    return layout->axis[i] >= 0 && logical->dim[layout->axis[i]] != 1;
}

/* Which physical axis of `from` goes to which place, so that the long ones have the order of `to`: where the
 * ranks are equal, exactly in its places. */
static void find_perm(const Layout *from, const Layout *to, const Type *logical, int64_t perm[IR_MAX_RANK])
{
    int order[IR_MAX_RANK], next = 0, spare = 0;
    long_axes(to, logical, order);
    for (int i = 0; i < from->rank; i++) {
        const Layout *places = from->rank == to->rank ? to : from;
        if (is_long(places, i, logical)) {
            perm[i] = layout_find(from, order[next++]);
            continue;
        }
        while (is_long(from, spare, logical))
            spare++;
        perm[i] = spare++;
    }
}

Value *legal_reshape(Legal *l, Value *x, const Type *t, const char *stem)
{
    Op *before = def_of(x, OP_RESHAPE);
    if (dims_equal(x->type, t))
        return x;
    if (before)
        x = op_arg(before, "x");
    if (dims_equal(x->type, t))
        return x;
    Value *shape = legal_ints(l, arena_printf(l->arena, "%s_shape", stem), t->dim, t->rank);
    Op *op = legal_op(l, OP_RESHAPE, x->span);
    op_set(op, "x", x);
    op_set(op, "shape", shape);
    return legal_finish(l, op, stem);
}

static Value *turned(Legal *l, const Value *v, const Form *form, const Layout *to)
{
    int64_t perm[IR_MAX_RANK];
    find_perm(&form->layout, to, v->type, perm);
    bool rows = is_long(to, to->rank - 1, v->type) && to->axis[to->rank - 1] == v->type->rank - 1;
    const char *stem = arena_printf(l->arena, "%s_%s", legal_stem(l, v), rows ? "rows" : "columns");
    Value *order = legal_ints(l, arena_printf(l->arena, "%s_perm", stem), perm, form->layout.rank);
    Op *op = legal_op(l, OP_TRANSPOSE, v->span);
    op_set(op, "x", form->value);
    op_set(op, "perm", order);
    return legal_finish(l, op, stem);
}

static Value *convert(Legal *l, Value *v, const Layout *to)
{
    const Form *form = form_of(v);
    for (const Form *f = form; f; f = f->next)
        if (same_order(&f->layout, to, v->type)) {
            form = f;
            break;
        }
    Type t = layout_type(to, v->type);
    Value *x = form->value;
    if (!same_order(&form->layout, to, v->type))
        x = turned(l, v, form, to);
    return x ? legal_reshape(l, x, &t, legal_stem(l, v)) : NULL;
}

static bool same_layout(const Layout *a, const Layout *b, const Type *logical)
{
    Type x = layout_type(a, logical), y = layout_type(b, logical);
    return dims_equal(&x, &y) && same_order(a, b, logical);
}

Value *form_want(Legal *l, Value *v, const Layout *layout)
{
    if (is_known(v))
        return legal_constant(l, v, layout, v->name ? legal_stem(l, v) : "const", false);
    for (const Form *f = form_of(v); f; f = f->next)
        if (same_layout(&f->layout, layout, v->type))
            return f->value;
    Value *made = convert(l, v, layout);
    if (made)
        form_add(l, v, layout, made);
    return made;
}
