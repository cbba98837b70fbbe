/* legalise: the physical form of every function.
 *
 * For the ANE (facts in docs/devices.md): fp16, four axes, [1, C, 1, S] in and out; linear is a conv of 1x1
 * and an addition; attributes are named constants; several results are one output, joined on the channel
 * axis. For the CPU: fp32, weights fp16 and widened where they are used; casts where values come from
 * programs or go to them. */
#include "passes/legal.h"

#include <string.h>

#include "passes/match.h"
#include "passes/program.h"

Op *legal_op(Legal *l, OpCode code, Span at)
{
    return op_new(l->to, code, at);
}

Value *legal_finish(Legal *l, Op *op, const char *stem)
{
    enum { MOST = 64 };
    Type types[MOST];
    int n = op_result_types(op, types, MOST, &l->err);
    for (int i = 0; i < n; i++)
        op_add_result(op, names_unique(&l->names, stem), &types[i]);
    if (n <= 0)
        return NULL;
    op->label = op->result[0]->name;
    return op->result[0];
}

const char *legal_stem(Legal *l, const Value *v)
{
    const char *name = v->name ? v->name : "value";
    size_t n = strlen(name), end = n;
    while (end && name[end - 1] >= '0' && name[end - 1] <= '9')
        end--;
    bool numbered = end > 1 && end < n && name[end - 1] == '_';
    return arena_str(l->arena, name, numbered ? end - 1 : n);
}

Value *legal_cast(Legal *l, Value *x, DType to, const char *stem)
{
    Value *dtype = legal_string(l, arena_printf(l->arena, "to_%s", dtype_info[to].name), dtype_info[to].name);
    Op *op = legal_op(l, OP_CAST, x->span);
    op_set(op, "x", x);
    op_set(op, "dtype", dtype);
    return legal_finish(l, op, stem);
}

/* ---- the boundary ---- */

static const Wire *wire_at(const Legal *l, int w)
{
    return &l->p->wire[w];
}

/* The carrier that a function reads a wire from. */
static int carrier_read(const Legal *l, const Wire *w)
{
    return l->ane || w->full_carrier < 0 ? w->half_carrier : w->full_carrier;
}

static Type carrier_type(const Legal *l, int carrier)
{
    Type t = *l->p->carrier[carrier].type;
    for (int i = 0; i < t.rank; i++)
        if (t.dim[i] == DIM_S || t.dim[i] == DIM_T)
            t.dim[i] = l->instance->bucket;
    return t;
}

static void bind(Legal *l, bool output, const char *port, const char *buffer)
{
    Instance *i = l->instance;
    Arena *a = &l->p->plan->arena;
    Binding b = {arena_str(a, port, strlen(port)), buffer};
    Binding **list = output ? &i->output : &i->input;
    int *count = output ? &i->outputs : &i->inputs;
    Binding *grown = arena_many(a, (size_t)*count + 1, Binding);
    if (*count)
        memcpy(grown, *list, (size_t)*count * sizeof *grown);
    grown[(*count)++] = b;
    *list = grown;
}

/* "attention_00.result" -> "result" */
static const char *last_part(const char *name)
{
    const char *dot = strchr(name, '.');
    return dot ? dot + 1 : name;
}

/* The parameter for a carrier, made when it is first asked for. */
static Value *carrier_param(Legal *l, int carrier, const char *stem)
{
    const char *buffer = l->p->carrier[carrier].name;
    for (int i = 0; i < l->instance->inputs; i++)
        if (strcmp(l->instance->input[i].buffer, buffer) == 0)
            return l->to->param[i];
    Type t = carrier_type(l, carrier);
    Value *v = func_add_param(l->to, names_unique(&l->names, stem), &t, (Span){0});
    bind(l, false, v->name, buffer);
    return v;
}

static Value *take_channels(Legal *l, Value *x, const Wire *w, const char *stem)
{
    int64_t begin[4] = {0, w->first, 0, 0}, size[4] = {1, w->channels, 1, l->instance->bucket};
    if (x->type->dim[1] == w->channels)
        return x;
    Value *from = legal_ints(l, arena_printf(l->arena, "%s_begin", stem), begin, 4);
    Value *length = legal_ints(l, arena_printf(l->arena, "%s_size", stem), size, 4);
    Op *op = legal_op(l, OP_SLICE_BY_SIZE, x->span);
    op_set(op, "x", x);
    op_set(op, "begin", from);
    op_set(op, "size", length);
    return legal_finish(l, op, stem);
}

/* The axes of a value that is carried as [1, C, 1, S], before they are joined. */
static Layout carried_layout(const Value *v, const Wire *w)
{
    return layout_last(v->type->rank, w->tokens);
}

static bool add_input(Legal *l, Value *v, const Wire *w)
{
    int carrier = carrier_read(l, w);
    const char *stem = legal_stem(l, v), *name = l->p->carrier[carrier].name;
    bool part = w->tokens >= 0 && l->p->carrier[carrier].type->dim[1] != w->channels;
    Value *x = carrier_param(l, carrier, part ? last_part(name) : stem);
    Layout layout = layout_plain(l, v->type->rank);
    if (w->tokens >= 0) {
        layout = carried_layout(v, w);
        Type t = layout_type(&layout, v->type);
        x = take_channels(l, x, w, stem);
        if (x && !l->ane && x->type->dtype == DT_FP16)
            x = legal_cast(l, x, DT_FP32, stem);
        x = x ? legal_reshape(l, x, &t, stem) : NULL;
    }
    if (x)
        form_add(l, v, &layout, x);
    return x != NULL;
}

static bool add_inputs(Legal *l)
{
    const Segment *s = l->instance->segment;
    if (s == l->p->head) {
        int64_t dims[4] = {1, l->p->hidden->type->dim[1], 1, 1};
        Type t = type_tensor(DT_FP32, 4, dims);
        Layout layout = layout_last(2, 0);
        form_add(l, l->instance->logical->param[0], &layout,
                 func_add_param(l->to, names_unique(&l->names, "hidden"), &t, (Span){0}));
        bind(l, false, "hidden", "hidden");
        return true;
    }
    for (int i = 0; i < s->inputs; i++)
        if (!add_input(l, l->instance->logical->param[i], wire_at(l, s->input[i])))
            return false;
    return true;
}

/* The value as its carriers want it: [1, C, 1, S] where it has tokens. */
static Value *packed(Legal *l, Value *v, const Wire *w)
{
    Layout layout = w->tokens >= 0 ? carried_layout(v, w) : layout_plain(l, v->type->rank);
    Value *x = form_want(l, v, &layout);
    int64_t dims[4] = {1, w->channels, 1, l->instance->bucket};
    Type t = type_tensor(v->type->dtype, 4, dims);
    return x && w->tokens >= 0 ? legal_reshape(l, x, &t, legal_stem(l, v)) : x;
}

/* An output is made by an op of its own. */
static Value *own_result(Legal *l, Value *x, const char *stem)
{
    bool taken = !x->def;
    for (int i = 0; i < l->to->outputs; i++)
        taken |= l->to->output[i] == x;
    if (!taken)
        return x;
    Op *op = legal_op(l, OP_IDENTITY, x->span);
    op_set(op, "x", x);
    return legal_finish(l, op, stem);
}

static bool add_output(Legal *l, Value *x, const char *stem, const char *buffer)
{
    Value *v = x ? own_result(l, x, stem) : NULL;
    if (!v)
        return false;
    func_add_output(l->to, v);
    bind(l, true, v->name, buffer);
    return true;
}

static bool add_function_outputs(Legal *l)
{
    const Segment *s = l->instance->segment;
    for (int i = 0; i < s->outputs; i++) {
        const Wire *w = wire_at(l, s->output[i]);
        Value *v = l->instance->logical->output[i], *x = packed(l, v, w);
        const char *stem = legal_stem(l, v);
        if (!x || (w->full && !add_output(l, x, stem, l->p->carrier[w->full_carrier].name)))
            return false;
        Value *half = w->half ? legal_cast(l, x, DT_FP16, arena_printf(l->arena, "%s_half", stem)) : NULL;
        if (w->half && !add_output(l, half, stem, l->p->carrier[w->half_carrier].name))
            return false;
    }
    return true;
}

static void rename_result(Legal *l, Value *v, const char *stem)
{
    const char *name = names_unique(&l->names, stem);
    v->def->label = v->name = arena_str(&l->to->module->arena, name, strlen(name));
}

static bool add_joined_output(Legal *l, Value **parts, int count, const char *buffer)
{
    Value *axis = legal_int(l, "axis", 1), *interleave = legal_bool(l, "interleave", false);
    Op *op = legal_op(l, OP_CONCAT, (Span){0});
    op_set_list(op, "values", parts, count);
    op_set(op, "axis", axis);
    op_set(op, "interleave", interleave);
    return add_output(l, legal_finish(l, op, "result"), "result", buffer);
}

/* Joined; or separate, with names whose alphabetical order is theirs. */
static bool add_program_outputs(Legal *l)
{
    const Segment *s = l->instance->segment;
    Value **parts = arena_many(l->arena, (size_t)s->outputs, Value *);
    for (int i = 0; i < s->outputs; i++) {
        parts[i] = packed(l, l->instance->logical->output[i], wire_at(l, s->output[i]));
        if (!parts[i])
            return false;
    }
    const char *first = l->p->carrier[wire_at(l, s->output[0])->half_carrier].name;
    if (s->outputs > 1 && l->p->profile->concat_outputs)
        return add_joined_output(l, parts, s->outputs, first);
    for (int i = 0; i < s->outputs; i++) {
        parts[i] = own_result(l, parts[i], "out");
        if (s->outputs > 1 && parts[i])
            rename_result(l, parts[i], arena_printf(l->arena, "out_%02d", i));
        if (!add_output(l, parts[i], "out", l->p->carrier[wire_at(l, s->output[i])->half_carrier].name))
            return false;
    }
    return true;
}

/* The head's result is the logits of one row. */
static bool add_head_output(Legal *l)
{
    Value *v = l->instance->logical->output[0];
    Layout plain = layout_plain(l, v->type->rank);
    Value *x = form_want(l, v, &plain);
    return x && add_output(l, x, "logits", "logits");
}

/* ---- one function ---- */

static bool write_function(Legal *l)
{
    if (!add_inputs(l))
        return false;
    for (const Op *op = l->instance->logical->first; op; op = op->next)
        if (!legal_emit(l, op))
            return false;
    if (l->instance->segment == l->p->head)
        return add_head_output(l);
    return l->ane ? add_program_outputs(l) : add_function_outputs(l);
}

static bool legalise(Pipeline *p, Instance *i)
{
    Arena scratch = {0};
    const Segment *s = i->segment;
    bool ane = s->place == PLACE_ANE;
    Legal l = {.p = p, .instance = i, .ane = ane, .real = ane ? DT_FP16 : DT_FP32, .arena = &scratch};
    l.to = func_new(i->program->module, program_function(p, i), ane ? p->profile->opset : "ios18");
    l.names.arena = &scratch;
    bool ok = write_function(&l);
    if (!ok)
        diag_error(p->diags, i->logical->span, "%s: %s", s->name, l.err.text);
    else
        pipeline_count(p, "operations dropped", func_sweep(l.to));
    func_sort_params(l.to);
    i->physical = l.to;
    func_clear_marks(i->logical);
    names_free(&l.names);
    legal_free_shared(&l);
    arena_free(&scratch);
    return ok;
}

bool pass_legalise(Pipeline *p)
{
    for (int n = 0; n < p->instances; n++) {
        p->instance[n]->program = program_for(p, n);
        if (!legalise(p, p->instance[n]))
            return false;
    }
    programs_settle(p);
    return true;
}
