#include "frontend/weights/bind.h"

#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/text.h"

/* One weight of the model and its tensor. */
typedef struct Bind {
    const char *name; /* as the model says it */
    const Tensor *tensor;
    Type declared;          /* in the checkpoint's layout */
    bool conv1d;            /* declared as [in, out] */
    bool projection, table; /* read by linear, by gather */
    bool flipped;           /* stored [b, a] where [a, b] was declared */
    Span span;
    UT_hash_handle hh;
} Bind;

struct Bound {
    Arena arena;
    const Weights *weights;
    Bind *binds;
    bool *used; /* one per tensor */
};

/* The shape that the checkpoint should have: a transposed value was declared the other way round. */
static Type declared_shape(const Value *v, const WeightRef *ref)
{
    Type t = *v->type;
    if (ref->transposed && t.rank == 2) {
        t.dim[0] = v->type->dim[1];
        t.dim[1] = v->type->dim[0];
    }
    return t;
}

static bool has_shape(const Tensor *t, const Type *want, bool flipped)
{
    if (t->rank != want->rank)
        return false;
    for (int i = 0; i < t->rank; i++)
        if (t->shape[i] != want->dim[flipped ? t->rank - 1 - i : i])
            return false;
    return true;
}

static void report_missing(Bound *b, const Bind *bind, Diags *diags)
{
    const Tensor *near = weights_nearest(b->weights, bind->name, bind->declared.rank, bind->declared.dim);
    char text[128];
    diag_error(diags, bind->span, "%s: has no tensor %s %s", weights_path(b->weights), bind->name,
               dims_text(&b->arena, &bind->declared));
    if (near)
        diag_note(diags, (Span){0}, "the nearest is %s, %s", near->name,
                  tensor_describe(near, text, sizeof text));
}

static void report_shape(Bound *b, const Bind *bind, Diags *diags)
{
    char text[128];
    diag_error(diags, bind->span, "%s: tensor %s is %s, but the model declares %s", bind->tensor->file,
               bind->tensor->name, tensor_describe(bind->tensor, text, sizeof text),
               dims_text(&b->arena, &bind->declared));
    diag_note(diags, (Span){0}, "do config.json, --set and the weights belong to the same model?");
}

static bool may_flip(const Bind *b)
{
    return b->projection && !b->table && b->declared.rank == 2;
}

static bool is_square(const Bind *b)
{
    return b->declared.dim[0] == b->declared.dim[1];
}

static void add(Bound *b, const Op *op)
{
    const Literal *l = op->literal;
    Bind *bind;
    if (op->code != OP_CONST || !l || l->kind != LIT_WEIGHT || l->weight.kind != WEIGHT_TENSOR)
        return;
    HASH_FIND_STR(b->binds, l->weight.name, bind);
    if (bind)
        return;
    bind = arena_new(&b->arena, Bind);
    bind->name = arena_str(&b->arena, l->weight.name, strlen(l->weight.name));
    bind->declared = declared_shape(op->result[0], &l->weight);
    bind->conv1d = l->weight.transposed;
    bind->span = op->span;
    HASH_ADD_KEYPTR(hh, b->binds, bind->name, strlen(bind->name), bind);
}

/* Only what linear layers read may be stored in the other layout; an embedding table never is. */
static void add_user(Bound *b, const Op *op)
{
    const Value *v = op->code == OP_LINEAR   ? op_arg(op, "weight")
                     : op->code == OP_GATHER ? op_arg(op, "x")
                                             : NULL;
    const Literal *l = v ? value_literal(v) : NULL;
    Bind *bind = NULL;
    if (l && l->kind == LIT_WEIGHT && l->weight.name)
        HASH_FIND_STR(b->binds, l->weight.name, bind);
    if (!bind)
        return;
    bind->projection |= op->code == OP_LINEAR;
    bind->table |= op->code == OP_GATHER;
}

static void resolve(Bound *b, Diags *diags)
{
    for (Bind *bind = b->binds; bind; bind = bind->hh.next) {
        bind->tensor = weights_resolve(b->weights, bind->name);
        if (!bind->tensor) {
            report_missing(b, bind, diags);
            continue;
        }
        b->used[bind->tensor - weights_at(b->weights, 0)] = true;
        if (has_shape(bind->tensor, &bind->declared, false))
            continue;
        bind->flipped = may_flip(bind) && has_shape(bind->tensor, &bind->declared, true);
        if (!bind->flipped)
            report_shape(b, bind, diags);
    }
}

static bool is_ignored(const Tensor *t, const char *const *ignore, int ignored)
{
    for (int i = 0; i < ignored; i++)
        if (strncmp(t->name, ignore[i], strlen(ignore[i])) == 0 ||
            strncmp(weights_bare_name(t->name), ignore[i], strlen(ignore[i])) == 0)
            return true;
    return false;
}

/* One error for all of them: a model that lacks a layer has many. */
static void report_surplus(Bound *b, const char *const *ignore, int ignored, Diags *diags)
{
    enum { SHOWN = 4 };
    const Tensor *first = NULL;
    Text names = {0};
    char text[128];
    size_t count = 0;
    for (size_t i = 0; i < weights_count(b->weights); i++) {
        const Tensor *t = weights_at(b->weights, i);
        if (b->used[i] || weights_is_buffer(t) || is_ignored(t, ignore, ignored))
            continue;
        first = first ? first : t;
        if (count++ < SHOWN)
            text_printf(&names, "%s%s %s", count > 1 ? ", " : "", t->name,
                        tensor_describe(t, text, sizeof text));
    }
    if (count == 1)
        diag_error(diags, (Span){0}, "%s: tensor %s, %s, is not used by the model", first->file, first->name,
                   tensor_describe(first, text, sizeof text));
    else if (count)
        diag_error(diags, (Span){0}, "%s: %zu tensors of the checkpoint are not used by the model: %s%s",
                   first->file, count, text_cstr(&names), count > SHOWN ? " ..." : "");
    if (count)
        diag_note(diags, (Span){0},
                  "what the model leaves alone, it says: ignore(\"%s\"), or the beginning of such names",
                  first->name);
    text_free(&names);
}

/* Matrices that were declared alike (Conv1D or Linear) are stored alike. Square ones cannot tell by
 * themselves. */
static void settle_layout(Bound *b, bool conv1d, Diags *diags)
{
    int flipped = 0, straight = 0;
    for (const Bind *bind = b->binds; bind; bind = bind->hh.next)
        if (bind->tensor && may_flip(bind) && bind->conv1d == conv1d && !is_square(bind))
            *(bind->flipped ? &flipped : &straight) += 1;
    for (Bind *bind = b->binds; bind; bind = bind->hh.next) {
        if (!bind->tensor || !may_flip(bind) || bind->conv1d != conv1d)
            continue;
        if (is_square(bind))
            bind->flipped = flipped > straight;
        else if (flipped && straight && bind->flipped == (flipped < straight))
            report_shape(b, bind, diags);
    }
}

static Bind *find(const Bound *b, const char *name)
{
    Bind *bind;
    HASH_FIND_STR(b->binds, name, bind);
    return bind;
}

Bound *bind_weights_but(const Func *model, const Weights *w, const char *const *ignore, int ignored,
                        Diags *diags)
{
    Bound *b = xcalloc(1, sizeof *b);
    int before = diags->errors;
    b->weights = w;
    b->used = xcalloc(weights_count(w), sizeof *b->used);
    for (const Op *op = model->first; op; op = op->next)
        add(b, op);
    for (const Op *op = model->first; op; op = op->next)
        add_user(b, op);
    resolve(b, diags);
    settle_layout(b, true, diags);
    settle_layout(b, false, diags);
    report_surplus(b, ignore, ignored, diags);
    if (diags->errors == before)
        return b;
    bound_free(b);
    return NULL;
}

Bound *bind_weights(const Func *model, const Weights *w, Diags *diags)
{
    return bind_weights_but(model, w, NULL, 0, diags);
}

void bound_free(Bound *b)
{
    if (!b)
        return;
    HASH_CLEAR(hh, b->binds);
    free(b->used);
    arena_free(&b->arena);
    free(b);
}

static bool read(void *context, const WeightRef *ref, const Type *type, int64_t first, int64_t count,
                 DType as, void *out, Error *err)
{
    const Bind *bind = find(context, ref->name);
    TensorIssue issue;
    (void)type;
    if (!bind)
        return error_set(err, "%s: not a weight of the model", ref->name);
    bool transposed = ref->transposed != bind->flipped;
    bool ok = as == DT_FP16
                  ? tensor_to_f16(bind->tensor, transposed, out, (size_t)first, (size_t)count, &issue)
                  : tensor_to_f32(bind->tensor, transposed, out, (size_t)first, (size_t)count, &issue);
    return ok || tensor_issue_error(bind->tensor, &issue, err);
}

static bool lies_turned(void *context, const WeightRef *ref)
{
    const Bind *bind = find(context, ref->name);
    return bind && ref->transposed != bind->flipped;
}

WeightSource bound_source(const Bound *b)
{
    return (WeightSource){(void *)(uintptr_t)b, read, lies_turned};
}
