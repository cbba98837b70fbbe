/* Weights: declarations become entries by tensor name, and constants when a layout of theirs is asked for. */
#include "frontend/anel/elaborate.h"

#include <ctype.h>
#include <string.h>

/* NAME.weight where the declaration does not say. */
static const char *tensor_name(Elab *e, const Node *n)
{
    if (!n->kid[0])
        return arena_printf(&e->scratch, "%s.weight", n->text);
    AnelValue v = eval(e, n->kid[0]);
    if (v.kind != ANEL_TEXT)
        return NULL;
    if (!*v.text)
        elab_error(e, n->kid[0]->span, "the tensor's name is empty");
    return *v.text ? v.text : NULL;
}

static bool declared_type(Elab *e, const Node *shape, Type *out)
{
    int64_t dims[IR_MAX_RANK], elements = 1;
    if (shape->kids > IR_MAX_RANK) {
        elab_error(e, shape->span, "more than %d axes", IR_MAX_RANK);
        return false;
    }
    for (int i = 0; i < shape->kids; i++) {
        if (shape->kid[i]->kind == N_ELLIPSIS) {
            elab_error(e, shape->kid[i]->span, "a weight has all its lengths written out");
            return false;
        }
        if (!eval_int(e, shape->kid[i], "the length of a weight's axis", 1, INT32_MAX, &dims[i]))
            return false;
        if (elements > ((int64_t)1 << 40) / dims[i]) {
            elab_error(e, shape->span, "the weight has more than 2^40 elements");
            return false;
        }
        elements *= dims[i];
    }
    *out = type_tensor(DT_FP32, shape->kids, dims);
    return true;
}

static Weight *add_weight(Elab *e, const char *name, const Type *declared, Span at)
{
    Weight *w;
    HASH_FIND_STR(e->weights, name, w);
    if (w && !dims_equal(&w->declared, declared)) {
        elab_error(e, at, "the weight %s is %s here, but %s elsewhere", name, dims_string(e, declared),
                   dims_string(e, &w->declared));
        if (e->fresh)
            diag_note(e->diags, w->span, "here");
        return NULL;
    }
    if (w)
        return w;
    w = arena_new(&e->scratch, Weight);
    *w = (Weight){.name = arena_str(&e->scratch, name, strlen(name)), .declared = *declared, .span = at};
    HASH_ADD_KEYPTR(hh, e->weights, w->name, strlen(w->name), w);
    if (e->last_weight)
        e->last_weight->next = w;
    else
        e->first_weight = w;
    e->last_weight = w;
    e->weight_count++;
    return w;
}

/* What stands behind `else`, where it is to be taken. */
static bool takes_fallback(Elab *e, const Node *n, const char *name, AnelValue *out)
{
    if (!n->kid[2])
        return false;
    if (e->options->has_tensor && e->options->has_tensor(e->options->tensor_context, name))
        return false;
    *out = eval(e, n->kid[2]);
    return e->options->has_tensor || out->kind != ANEL_NONE;
}

static AnelValue fallback(Elab *e, const Node *n, const Type *declared, AnelValue v)
{
    if (v.kind == ANEL_NONE || v.kind == ANEL_ERROR)
        return v;
    if (v.kind != ANEL_TENSOR)
        return elab_error(e, n->kid[2]->span, "behind else stands a tensor or none, not %s", describe(e, &v));
    Type t = tensor_type(v.tensor);
    if (!dims_equal(&t, declared))
        return elab_error(e, n->kid[2]->span, "this is %s, but the weight it stands in for is %s",
                          dims_string(e, &t), dims_string(e, declared));
    return v;
}

void run_weight(Elab *e, const Node *n)
{
    Type declared;
    AnelValue v = anel_error;
    const char *name = tensor_name(e, n);
    if (name && declared_type(e, n->kid[1], &declared)) {
        Span at = span_join(n->span, n->kid[1]->span);
        if (takes_fallback(e, n, name, &v)) {
            v = fallback(e, n, &declared, v);
        } else {
            Weight *w = add_weight(e, name, &declared, at);
            if (w) {
                w->fallback |= n->kid[2] != NULL;
                v = anel_tensor(e, NULL);
                v.tensor->weight = w;
            } else {
                v = anel_error;
            }
        }
    }
    define(e, e->frame->scope, n->text, v);
}

/* ---- constants ---- */

/* An identifier that neither an op's result nor another weight has: those of ops end in _ and a number. */
static const char *constant_name(Elab *e, const Weight *w, bool flipped)
{
    char *s = arena_printf(&e->scratch, "%s%s%s", isdigit((unsigned char)*w->name) ? "w_" : "", w->name,
                           flipped ? "_t" : "");
    size_t n = strlen(s);
    for (char *c = s; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    bool taken = isdigit((unsigned char)s[n - 1]) || strcmp(s, "token") == 0 || strcmp(s, "position") == 0 ||
                 strcmp(s, "logits") == 0;
    if (taken)
        s = arena_printf(&e->scratch, "%s_w", s);
    Symbol *used;
    HASH_FIND_STR(e->constants, s, used);
    if (used)
        s = arena_printf(&e->scratch, "%s_%d_w", s, e->constant_count);
    e->constant_count++;
    Symbol *mine = arena_new(&e->scratch, Symbol);
    mine->name = s;
    HASH_ADD_KEYPTR(hh, e->constants, mine->name, strlen(mine->name), mine);
    return s;
}

Value *weight_value(Elab *e, Weight *w, bool flipped, Span at)
{
    if (w->constant[flipped])
        return w->constant[flipped];
    Type t = w->declared;
    if (flipped) {
        t.dim[0] = w->declared.dim[1];
        t.dim[1] = w->declared.dim[0];
    }
    WeightRef ref = {.kind = WEIGHT_TENSOR, .name = w->name, .transposed = flipped};
    const char *name = constant_name(e, w, flipped && w->constant[0]);
    Value *v = const_value(e->func, NULL, name, &t, literal_weight(&e->module->arena, &ref));
    v->span = v->def->span = w->span;
    return w->constant[flipped] = v;
}

void weights_settle(Elab *e)
{
    for (Weight *w = e->first_weight; w; w = w->next) {
        if (w->constant[0] || w->constant[1])
            continue;
        weight_value(e, w, false, w->span);
        if (tell_once(e, w->span))
            diag_warning(e->diags, w->span, "the weight %s is not used", w->name);
    }
}

const AnelWeight *weights_list(Elab *e)
{
    Arena *a = &e->module->arena;
    AnelWeight *list = arena_many(a, (size_t)e->weight_count, AnelWeight);
    int n = 0;
    for (const Weight *w = e->first_weight; w; w = w->next)
        list[n++] = (AnelWeight){.name = arena_str(a, w->name, strlen(w->name)),
                                 .declared = w->declared,
                                 .used = w->used,
                                 .fallback = w->fallback,
                                 .span = w->span};
    return list;
}
