/* What goes into a program of the engine and comes out: shapes, types, order, sizes; and the program as a
 * whole. */
#include <string.h>

#include "check/internal.h"

typedef struct Port {
    const Func *f;
    const Value *v;
    bool output;
    Span at;
} Port;

static const char *side(const Port *port)
{
    return port->output ? "output" : "input";
}

static const char *shown(const Unit *u, const Value *v)
{
    return type_text(&u->c->arena, v->type);
}

/* ---- shape ---- */

static void check_last_axis(const Unit *u, const Port *port)
{
    const Type *t = port->v->type;
    if (!t->rank || (t->dtype != DT_FP16 && t->dtype != DT_FP32))
        return;
    int64_t last = t->dim[t->rank - 1], unit = u->p->last_axis / (t->dtype == DT_FP32 ? 2 : 1);
    if (unit < 1)
        unit = 1;
    if (last % unit)
        report(u, RULE_ANE_LAST_AXIS, port->at, NULL,
               "%s %s is %s: its last axis, %lld, is no multiple of %lld", side(port), port->v->name,
               shown(u, port->v), (long long)last, (long long)unit);
    else if (last % (2 * unit))
        report(u, RULE_ANE_LAST_AXIS_64, port->at, NULL, "%s %s is %s: multiples of %lld are faster",
               side(port), port->v->name, shown(u, port->v), (long long)(2 * unit));
}

static void check_width(const Unit *u, const Port *port)
{
    const Type *t = port->v->type;
    bool row = t->rank == 4 && t->dim[2] == 1;
    if (row && !port->output && u->p->dead_width_first && t->dim[3] >= u->p->dead_width_first &&
        t->dim[3] <= u->p->dead_width_last)
        report(u, RULE_ANE_DEAD_WIDTH, port->at, NULL, "input %s is %s: widths from %lld to %lld fail",
               port->v->name, shown(u, port->v), (long long)u->p->dead_width_first,
               (long long)u->p->dead_width_last);
}

static void check_layout(const Unit *u, const Port *port)
{
    const Type *t = port->v->type;
    if (t->rank != 4)
        report(u, RULE_ANE_LAYOUT, port->at, NULL, "%s %s is %s: [1, C, 1, S] is expected", side(port),
               port->v->name, shown(u, port->v));
    else if (t->dim[0] != 1 && t->dim[0] >= 0)
        report(u, RULE_ANE_LAYOUT, port->at, NULL, "%s %s is %s: a batch of %lld", side(port), port->v->name,
               shown(u, port->v), (long long)t->dim[0]);
}

static void check_dtype(const Unit *u, const Port *port)
{
    DType d = port->v->type->dtype;
    if (d == DT_FP32)
        report(u, RULE_ANE_IO_FP16, port->at, NULL, "%s %s is %s: fp16 is faster", side(port), port->v->name,
               shown(u, port->v));
    else if (d != DT_FP16)
        report(u, RULE_ANE_IO_TYPE, port->at, NULL, "%s %s is %s: fp16 is expected", side(port),
               port->v->name, shown(u, port->v));
}

static void check_port(const Unit *u, const Port *port)
{
    const Type *t = port->v->type;
    if (t->kind == TY_STATE) {
        report(u, RULE_ANE_STATE, port->at, NULL, "%s %s is a state", side(port), port->v->name);
        return;
    }
    if (t->kind != TY_TENSOR)
        return;
    check_dtype(u, port);
    if (!type_is_static(t)) { /* of results check_engine_ops says it */
        if (!port->output)
            report(u, RULE_ANE_STATIC, port->at, NULL, "%s %s is %s: its lengths must be known", side(port),
                   port->v->name, shown(u, port->v));
        return;
    }
    check_layout(u, port);
    check_last_axis(u, port);
    check_width(u, port);
    int64_t bytes = type_bytes(t);
    if (bytes >= 0 && bytes < u->p->surface_bytes)
        report(u, RULE_ANE_SURFACE_MINIMUM, port->at, NULL,
               "%s %s has %lld bytes: its surface needs at least %lld", side(port), port->v->name,
               (long long)bytes, (long long)u->p->surface_bytes);
}

/* ---- order ---- */

/* The place where `name` has its last digits; the length of what is before them. */
static size_t stem_of(const char *name, uint64_t *number)
{
    size_t n = strlen(name), at = n;
    *number = 0;
    while (at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9' && n - at < 18)
        at--;
    for (size_t i = at; i < n; i++)
        *number = 10 * *number + (uint64_t)(name[i] - '0');
    return at < n ? at : 0;
}

/* Two names of one stem whose numbers go the other way than their bytes. */
static bool numbers_turned(const char *a, const char *b)
{
    uint64_t x, y;
    size_t n = stem_of(a, &x), m = stem_of(b, &y);
    return n && n == m && memcmp(a, b, n) == 0 && x != y && (x < y) != (strcmp(a, b) < 0);
}

static void check_order(const Unit *u, const Func *f, Value *const *v, int count, bool output)
{
    for (int i = 1; i < count; i++) {
        const char *a = v[i - 1]->name, *b = v[i]->name;
        if (!a || !b)
            continue;
        Span at = output ? f->span : v[i]->span;
        if (numbers_turned(a, b))
            report(u, RULE_ANE_ORDER_NUMBERS, at, NULL,
                   "%s %s is bound before %s: write the numbers with zeros", output ? "output" : "input",
                   strcmp(a, b) < 0 ? a : b, strcmp(a, b) < 0 ? b : a);
        else if (strcmp(a, b) > 0)
            report(u, RULE_ANE_ORDER, at, NULL, "%s %s stands behind %s, but is bound before it",
                   output ? "output" : "input", b, a);
    }
}

static void check_equal(const Unit *u, const Func *f, Value *const *v, int count, bool output)
{
    for (int i = 1; i < count && u->p->equal_surfaces; i++)
        if (type_bytes(v[i]->type) != type_bytes(v[0]->type)) {
            report(u, RULE_ANE_SURFACE_EQUAL, output ? f->span : v[i]->span, NULL,
                   "%s %s has %lld bytes and %s %lld: allocate all as large as the largest",
                   output ? "output" : "input", v[0]->name, (long long)type_bytes(v[0]->type), v[i]->name,
                   (long long)type_bytes(v[i]->type));
            return;
        }
}

/* ---- functions ---- */

static bool computed(const Value *v)
{
    return v->def && !(op_info(v->def->code)->flags & F_CONST);
}

static void check_function(const Unit *u, Func *f)
{
    for (int i = 0; i < f->params; i++) {
        check_port(u, &(Port){f, f->param[i], false, f->param[i]->span});
        if (!f->param[i]->uses) /* counted by check_structure */
            report(u, RULE_ANE_INPUT_UNUSED, f->param[i]->span, NULL, "nothing uses input %s",
                   f->param[i]->name);
    }
    for (int i = 0; i < f->outputs; i++) {
        const Value *v = f->output[i];
        if (!computed(v))
            report(u, RULE_ANE_OUTPUT_DEAD, f->span, NULL, "%s returns %s, which no op computes", f->name,
                   value_shown(v));
        else
            check_port(u, &(Port){f, v, true, v->span});
    }
    if (f->outputs == 0)
        report(u, RULE_ANE_OUTPUT_DEAD, f->span, NULL, "%s returns nothing", f->name);
    check_order(u, f, f->param, f->params, false);
    check_order(u, f, f->output, f->outputs, true);
    check_equal(u, f, f->param, f->params, false);
    check_equal(u, f, f->output, f->outputs, true);
    if (f->outputs > 1 && u->p->concat_outputs)
        report(u, RULE_ANE_SINGLE_OUTPUT, f->span, NULL, "%s has %d outputs: one is proven", f->name,
               f->outputs);
}

void check_engine_io(const Unit *u)
{
    for (int i = 0; i < u->m->funcs; i++)
        check_function(u, u->m->func[i]);
}

/* ---- the program ---- */

static void check_header(const Unit *u)
{
    bool info = false;
    const Module *m = u->m;
    Span top = {&u->file->source, 0, 7};
    for (int i = 0; i < m->attrs; i++)
        info |= strcmp(m->attr[i].key, "buildInfo") == 0;
    if (!info)
        report(u, RULE_ANE_BUILD_INFO, top, NULL, "program(%s) has no buildInfo", m->version);
    if (m->funcs > u->p->functions)
        report(u, RULE_ANE_FUNCTIONS, m->func[1]->span, NULL, "%d functions in one program", m->funcs);
    for (int i = 0; i < m->funcs; i++)
        if (strcmp(m->version, u->p->program_version) != 0 || strcmp(m->func[i]->opset, u->p->opset) != 0)
            report(u, RULE_ANE_DIALECT, m->func[i]->span, NULL,
                   "program(%s) with %s: proven is program(%s) with %s", m->version, m->func[i]->opset,
                   u->p->program_version, u->p->opset);
}

static int64_t count_blobs(const Module *m, int64_t *convs, int64_t *bytes)
{
    int64_t blobs = 0;
    for (int i = 0; i < m->funcs; i++)
        for (const Op *op = m->func[i]->first; op; op = op->next) {
            *convs += op->code == OP_CONV;
            const Literal *own = op->code == OP_CONST ? op->literal : NULL;
            if (own && own->kind == LIT_BLOB) {
                blobs++;
                *bytes += type_bytes(op->result[0]->type);
            }
            FOR_EACH_ARG(op, slot)
                if ((*slot)->def && !(*slot)->def->func && (*slot)->def->literal->kind == LIT_BLOB) {
                    blobs++;
                    *bytes += type_bytes((*slot)->type);
                }
        }
    return blobs;
}

void check_engine_program(const Unit *u)
{
    int64_t convs = 0, bytes = 0, blobs = count_blobs(u->m, &convs, &bytes);
    Span at = u->m->func[0]->span;
    check_header(u);
    if (blobs > u->p->blobs)
        report(u, RULE_ANE_BLOBS, at, NULL, "%lld constants in weight files: %lld are proven",
               (long long)blobs, (long long)u->p->blobs);
    if (u->file->used_count > u->p->blob_files)
        report(u, RULE_ANE_BLOB_FILES, at, NULL, "constants from %d weight files: %lld are proven",
               u->file->used_count, (long long)u->p->blob_files);
    if (bytes > u->p->weights_bytes)
        report(u, RULE_ANE_WEIGHTS_SIZE, at, NULL, "%lld bytes of weights: %lld fit", (long long)bytes,
               (long long)u->p->weights_bytes);
    if (u->p->conv_blocks && convs > u->p->conv_blocks)
        report(u, RULE_ANE_DEPTH, at, NULL, "%lld convs: %lld fit", (long long)convs,
               (long long)u->p->conv_blocks);
}
