/* rescale: where a sum could pass the accumulator's end, or a value fp16's, it is computed times 2^-k, which
 * is exact but for what becomes too small; and times 2^k again where it fits, as late as costs nothing:
 *
 *     conv          its weights, or what they meet, whichever is larger
 *     matmul, sums  the larger operand
 *     times k       the constant takes over the power
 *     bias, moves   stay small, if all that follows does
 *     a result      stays small where CPU functions alone read it: they multiply it after widening it
 *
 * Every value of a program has an exponent while this runs: it is held times 2^-exponent. What is to be
 * expected decides (range.h): the bound itself is passed by every model's scores, and by none in use. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pipeline.h"
#include "passes/range.h"

enum { MOST_SHIFT = 14 }; /* 2^14 is the smallest step that still has all its digits */
static const double HALF_MOST = 65504, HALF_NORMAL = 0x1p-14;

/* What happens to a value; in Value.mark. */
typedef struct Scaled {
    int exponent;
    bool absorbs; /* whatever uses it takes it small */
    bool carries; /* nothing but additions of constants lies between it and results that may be small */
    Value *again; /* itself, times 2^(exponent - again_at) */
    int again_at;
} Scaled;

typedef struct Rescale {
    Pipeline *p;
    const Instance *instance;
    Func *f;
    Arena arena;
    Op *before;    /* where new ops go */
    int *exponent; /* of each wire, in this bucket */
    bool tell;     /* the first bucket: --explain */
    Text text;
    Error err;
    bool failed;
} Rescale;

/* ---- how much ---- */

static int shift_for(double likely, double limit)
{
    int k = 0;
    while (k < MOST_SHIFT && isfinite(likely) && ldexp(likely, -k) >= limit)
        k++;
    return k;
}

static const Ranged *range_of(const Rescale *r, const Value *v)
{
    Ranged *found = NULL;
    if (v->name)
        HASH_FIND_STR(r->instance->segment->ranged, v->name, found);
    return found;
}

static int shift_of_sum(const Rescale *r, const Value *v)
{
    const Ranged *known = range_of(r, v);
    double limit = known && known->products ? r->p->profile->accumulator : HALF_MOST;
    return known ? shift_for(known->likely_sum, limit) : 0;
}

static Scaled *scaled(Rescale *r, Value *v)
{
    if (!v->mark)
        v->mark = arena_new(&r->arena, Scaled);
    return v->mark;
}

/* What the value itself needs in order to fit into fp16. */
static int shift_of_value(Rescale *r, Value *v)
{
    const Ranged *known = range_of(r, v);
    return known && scaled(r, v)->absorbs ? shift_for(known->likely, HALF_MOST) : 0;
}

static double likely_of(const Rescale *r, const Value *v)
{
    const Ranged *known = range_of(r, v);
    return known ? known->likely : 0;
}

/* ---- results that may be small ---- */

/* The cast with which a CPU function widens what it reads of wire w; NULL: it does otherwise. */
static Op *widening(const Pipeline *p, const Instance *i, int w)
{
    const Wire *wire = &p->wire[w];
    const char *buffer = p->carrier[wire->half_carrier].name, *port = NULL;
    const bool part = p->carrier[wire->half_carrier].type->dim[1] != wire->channels;
    for (int k = 0; k < i->inputs; k++)
        if (strcmp(i->input[k].buffer, buffer) == 0)
            port = i->input[k].port;
    const Value *v = NULL;
    for (int k = 0; port && k < i->physical->params; k++)
        if (strcmp(i->physical->param[k]->name, port) == 0)
            v = i->physical->param[k];
    for (Op *op = i->physical->first; v && op; op = op->next) {
        int64_t begin[4];
        if (op_arg(op, "x") != v)
            continue;
        if (op->code == OP_CAST)
            return op;
        if (part && op->code == OP_SLICE_BY_SIZE && arg_ints(op, "begin", begin, 4) == 4 &&
            begin[1] == wire->first)
            v = op->result[0];
    }
    return NULL;
}

/* Whether CPU functions alone read the wire. */
static bool may_be_small(const Rescale *r, int w)
{
    const Pipeline *p = r->p;
    int readers = 0, bucket = 0;
    if (p->wire[w].state || p->wire[w].tokens < 0 || p->wire[w].half_carrier < 0 ||
        p->wire[w].value == p->hidden)
        return false;
    while (p->bucket[bucket] != r->instance->bucket)
        bucket++;
    for (int s = 0; s < p->segments; s++)
        for (int k = 0; k < p->segment[s]->inputs; k++) {
            if (p->segment[s]->input[k] != w)
                continue;
            if (p->segment[s]->place != PLACE_CPU || !widening(p, p->instance[bucket * p->segments + s], w))
                return false;
            readers++;
        }
    return readers > 0;
}

static bool is_joined(const Rescale *r)
{
    return r->f->outputs == 1 && r->instance->segment->outputs > 1;
}

static Op *join_of(const Rescale *r)
{
    return is_joined(r) ? def_of(r->f->output[0], OP_CONCAT) : NULL;
}

/* ---- what takes a value as it is, from the last op to the first ---- */

static bool is_homogeneous(const Op *op)
{
    return op->code == OP_RELU || op->code == OP_ABS ||
           (is_move(op) && op->code != OP_CONCAT && op->code != OP_STACK && op->code != OP_PAD &&
            op->code != OP_SLICE_UPDATE && op->code != OP_GATHER && op->code != OP_GATHER_ALONG_AXIS);
}

static bool is_sum(OpCode code)
{
    return code == OP_ADD || code == OP_SUB || code == OP_MAXIMUM || code == OP_MINIMUM;
}

/* Whether it helps that a result is small: it may stay so, or fits when it is whole again. What ends in a
 * tanh is not helped: that takes an infinity for what it is. */
static bool is_helped(Rescale *r, Value *v)
{
    return scaled(r, v)->absorbs || !(likely_of(r, v) >= HALF_MOST);
}

static void ask_op(Rescale *r, const Op *op)
{
    bool products = op->code == OP_MUL || op->code == OP_CONV || op->code == OP_MATMUL ||
                    op->code == OP_REDUCE_SUM || op->code == OP_REDUCE_MEAN;
    bool moves = is_homogeneous(op) || is_sum(op->code), absorbs = products || moves, carries = moves;
    for (int i = 0; i < op->results; i++) {
        absorbs &= products ? is_helped(r, op->result[i]) : scaled(r, op->result[i])->absorbs;
        carries &= scaled(r, op->result[i])->carries;
    }
    if (is_sum(op->code))
        carries &= is_known(op_arg(op, "x")) || is_known(op_arg(op, "y"));
    FOR_EACH_DATA(op, slot) {
        scaled(r, *slot)->absorbs &= absorbs;
        scaled(r, *slot)->carries &= carries;
    }
}

static void ask_result(Rescale *r, Value *v, bool small)
{
    scaled(r, v)->absorbs &= small;
    scaled(r, v)->carries &= small;
}

static void ask_all(Rescale *r)
{
    Op *join = join_of(r);
    const Segment *s = r->instance->segment;
    for (int i = 0; i < r->f->params; i++)
        *scaled(r, r->f->param[i]) = (Scaled){.absorbs = true, .carries = true};
    for (Op *op = r->f->first; op; op = op->next)
        for (int i = 0; i < op->results; i++)
            *scaled(r, op->result[i]) = (Scaled){.absorbs = true, .carries = true};
    for (int i = 0; i < s->outputs; i++)
        ask_result(r, join ? op_find_arg(join, "values")->values[i] : r->f->output[i],
                   may_be_small(r, s->output[i]));
    for (Op *op = r->f->last; op; op = op->prev)
        if (op != join && op->code != OP_CONST)
            ask_op(r, op);
}

/* ---- changing ---- */

static void tell(Rescale *r, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void tell(Rescale *r, const char *fmt, ...)
{
    va_list ap;
    if (!r->tell)
        return;
    va_start(ap, fmt);
    char *line = arena_vprintf(&r->arena, fmt, ap);
    va_end(ap);
    text_printf(&r->text, "    %s\n", line);
}

static Value *number(Rescale *r, double v, const char *stem)
{
    Type t = type_scalar(DT_FP16);
    t.bare = strcmp(r->f->module->version, "1.0") != 0;
    return const_value(r->f, r->before, func_fresh_name(r->f, stem), &t,
                       literal_floats(&r->f->module->arena, &v, 1));
}

/* v * 2^shift, as an op of its own. */
static Value *shifted(Rescale *r, Value *v, int shift, const char *what)
{
    const char *stem = arena_printf(&r->f->module->arena, "%s_%s", v->name, what);
    Value *by = number(r, ldexp(1, shift), arena_printf(&r->f->module->arena, "%s_scale", stem));
    Op *op = op_new_before(r->f, r->before, OP_MUL, v->span);
    op_set(op, "x", v);
    op_set(op, "y", by);
    if (!op_infer(op, stem, &r->err)) {
        r->failed = true;
        return v;
    }
    op->label = op->result[0]->name;
    Scaled *s = scaled(r, op->result[0]);
    *s = *scaled(r, v);
    s->exponent -= shift;
    s->again = NULL;
    return op->result[0];
}

/* v, held times 2^-exponent. */
static Value *held(Rescale *r, Value *v, int exponent)
{
    Scaled *s = scaled(r, v);
    if (s->exponent == exponent)
        return v;
    if (!s->again || s->again_at != exponent) {
        s->again = shifted(r, v, s->exponent - exponent, s->exponent > exponent ? "whole" : "small");
        s->again_at = exponent;
        tell(r, "%s: times 2^%d", v->name, s->exponent - exponent);
        s = scaled(r, v);
    }
    return s->again;
}

/* A constant times 2^-shift: a weight is stored a second time. */
static Value *small_constant(Rescale *r, const Value *v, int shift)
{
    Arena *a = &r->f->module->arena;
    Literal l = *value_literal(v);
    const char *name = func_fresh_name(r->f, arena_printf(a, "%s_small", v->name ? v->name : "constant"));
    if (l.kind == LIT_WEIGHT) {
        l.weight.scale -= shift;
        return const_value(r->f, r->before, name, v->type, &l);
    }
    double *x = arena_many(a, l.count, double);
    for (size_t i = 0; i < l.count; i++)
        x[i] = ldexp(l.kind == LIT_FLOAT ? l.floats[i] : (double)l.ints[i], -shift);
    return const_value(r->f, r->before, name, v->type, literal_floats(a, x, l.count));
}

static void set_operand(Op *op, const char *key, Value *v)
{
    for (int i = 0; i < op->args; i++)
        if (strcmp(op->arg[i].key, key) == 0)
            op->arg[i].values[0] = v;
}

static bool is_stored(const Value *v)
{
    const Literal *l = value_literal(v);
    return l && ((l->kind == LIT_WEIGHT && l->weight.kind == WEIGHT_TENSOR) || l->kind == LIT_FLOAT);
}

/* ---- each kind of op ---- */

static int most_of(int a, int b)
{
    return a > b ? a : b;
}

/* Weights are divided where they are larger than what they meet: so neither becomes too small. */
static void scale_conv(Rescale *r, Op *op)
{
    Value *x = op_arg(op, "x"), *w = op_arg(op, "weight"), *bias = op_arg(op, "bias"), *out = op->result[0];
    int from = scaled(r, x)->exponent;
    int to = most_of(from, most_of(shift_of_sum(r, out), shift_of_value(r, out)));
    const Ranged *known = range_of(r, out);
    bool weights = to > from && is_stored(w) && known && known->weights_larger;
    if (bias && to && !is_stored(bias)) {
        set_operand(op, "x", held(r, x, 0));
        return;
    }
    if (weights) {
        set_operand(op, "weight", small_constant(r, w, to - from));
        tell(r, "%s: its weights times 2^%d", out->name, from - to);
    } else {
        set_operand(op, "x", held(r, x, to));
    }
    if (bias && to)
        set_operand(op, "bias", small_constant(r, bias, to));
    scaled(r, out)->exponent = to;
}

/* The product of x and y, or the sum of some. */
static void scale_product(Rescale *r, Op *op, int needed)
{
    Value *x = op_arg(op, "x"), *y = op_arg(op, "y");
    int from = scaled(r, x)->exponent + scaled(r, y)->exponent, by = needed - from;
    bool same = x == y, left = is_known(y) || (!is_known(x) && likely_of(r, x) >= likely_of(r, y));
    if (by > 0 && same) {
        Value *small = held(r, x, scaled(r, x)->exponent + (by + 1) / 2);
        set_operand(op, "x", small);
        set_operand(op, "y", small);
        scaled(r, op->result[0])->exponent = 2 * scaled(r, small)->exponent;
        return;
    }
    if (by > 0)
        set_operand(op, left ? "x" : "y", held(r, left ? x : y, scaled(r, left ? x : y)->exponent + by));
    scaled(r, op->result[0])->exponent = by > 0 ? needed : from;
}

static bool takes_over(double number)
{
    return fabs(number) <= HALF_MOST && fabs(number) >= HALF_NORMAL;
}

static void scale_mul(Rescale *r, Op *op)
{
    Value *x = op_arg(op, "x"), *y = op_arg(op, "y"), *out = op->result[0];
    int needed = shift_of_value(r, out);
    double n;
    bool right = is_known(y) && const_number(y, &n);
    if (!right && !(is_known(x) && const_number(x, &n))) {
        scale_product(r, op, needed);
        return;
    }
    Value *data = right ? x : y, *factor = right ? y : x;
    int by = scaled(r, data)->exponent - needed;
    if (by && !takes_over(ldexp(n, by))) {
        scale_product(r, op, needed);
        return;
    }
    if (by) {
        set_operand(op, right ? "y" : "x", small_constant(r, factor, -by));
        tell(r, "%s: its factor times 2^%d", out->name, by);
    }
    scaled(r, out)->exponent = needed;
}

static void scale_sum(Rescale *r, Op *op)
{
    static const char *const keys[] = {"x", "y"};
    Value *out = op->result[0];
    int to = shift_of_value(r, out);
    for (int i = 0; i < 2; i++) {
        Value *v = op_arg(op, keys[i]);
        if (is_known(v) && !is_stored(v)) {
            to = 0;
            break;
        }
        if (!is_known(v) && scaled(r, out)->absorbs)
            to = most_of(to, scaled(r, out)->carries ? scaled(r, v)->exponent : shift_of_value(r, v));
    }
    for (int i = 0; i < 2; i++) {
        Value *v = op_arg(op, keys[i]);
        if (!is_known(v))
            set_operand(op, keys[i], held(r, v, to));
        else if (to)
            set_operand(op, keys[i], small_constant(r, v, to));
    }
    scaled(r, out)->exponent = to;
}

static void scale_reduction(Rescale *r, Op *op)
{
    Value *x = op_arg(op, "x"), *out = op->result[0];
    int to = most_of(scaled(r, x)->exponent, most_of(shift_of_sum(r, out), shift_of_value(r, out)));
    set_operand(op, "x", held(r, x, to));
    scaled(r, out)->exponent = to;
}

static void scale_move(Rescale *r, Op *op)
{
    for (int i = 0; i < op->results; i++)
        scaled(r, op->result[i])->exponent = scaled(r, op_arg(op, "x"))->exponent;
}

/* The rest wants its operands as they are. */
static void scale_other(Rescale *r, Op *op)
{
    FOR_EACH_DATA(op, slot)
        if (!is_known(*slot))
            *slot = held(r, *slot, 0);
}

static void scale_op(Rescale *r, Op *op)
{
    r->before = op;
    if (op->code == OP_CONST || op == join_of(r))
        return;
    if (op->code == OP_CONV)
        scale_conv(r, op);
    else if (op->code == OP_MATMUL)
        scale_product(r, op, most_of(shift_of_sum(r, op->result[0]), shift_of_value(r, op->result[0])));
    else if (op->code == OP_MUL)
        scale_mul(r, op);
    else if (is_sum(op->code))
        scale_sum(r, op);
    else if (op->code == OP_REDUCE_SUM || op->code == OP_REDUCE_MEAN)
        scale_reduction(r, op);
    else if (is_homogeneous(op) && op_arg(op, "x"))
        scale_move(r, op);
    else
        scale_other(r, op);
}

/* ---- results ---- */

/* What the CPU takes small it makes whole; else an op does, and has the result's name. */
static Value *scale_result(Rescale *r, Value *v, int wire, bool named)
{
    int exponent = scaled(r, v)->exponent;
    if (!exponent)
        return v;
    if (may_be_small(r, wire)) {
        r->exponent[wire] = exponent;
        tell(r, "%s: stays times 2^%d, until the CPU has widened it", v->name, -exponent);
        return v;
    }
    Value *whole = held(r, v, 0);
    if (named && whole->def) {
        const char *name = v->name;
        v->name = v->def->label = whole->name;
        whole->name = whole->def->label = name;
    }
    return whole;
}

static void scale_results(Rescale *r)
{
    Op *join = join_of(r);
    const Segment *s = r->instance->segment;
    r->before = join;
    for (int i = 0; i < s->outputs; i++) {
        Value **slot = join ? &op_find_arg(join, "values")->values[i] : &r->f->output[i];
        *slot = scale_result(r, *slot, s->output[i], !join);
    }
}

/* What does not fit nevertheless. */
static void tell_rest(Rescale *r)
{
    for (Op *op = r->f->first; op; op = op->next)
        for (int i = 0; i < op->results; i++) {
            const Ranged *known = op == join_of(r) ? NULL : range_of(r, op->result[i]);
            if (known && isfinite(known->likely) &&
                ldexp(known->likely, -scaled(r, op->result[i])->exponent) >= HALF_MOST)
                tell(r, "%s: may reach %.3g, and fp16 ends at %.0f", known->name, known->likely, HALF_MOST);
        }
}

static void scale_program(Rescale *r)
{
    ask_all(r);
    for (Op *op = r->f->first, *next; op; op = next) {
        next = op->next;
        scale_op(r, op);
    }
    scale_results(r);
    func_sweep(r->f);
}

/* Behind the cast that widens it: times 2^exponent, in fp32. */
static bool widen(Rescale *r, const Instance *i, int wire)
{
    Op *cast = widening(r->p, i, wire), *next = cast->next;
    Func *f = i->physical;
    Op *op = next ? op_new_before(f, next, OP_MUL, cast->span) : op_new(f, OP_MUL, cast->span);
    op_set(op, "x", cast->result[0]);
    op_set(op, "y", inline_float(f->module, DT_FP32, ldexp(1, r->exponent[wire])));
    if (!op_infer(op, cast->result[0]->name, &r->err))
        return false;
    op->label = op->result[0]->name;
    value_replace(cast->result[0], op->result[0]);
    func_settle(f);
    cast->result[0]->forward = NULL;
    op_find_arg(op, "x")->values[0] = cast->result[0];
    return true;
}

static bool widen_all(Rescale *r, int first)
{
    const Pipeline *p = r->p;
    for (int s = 0; s < p->segments; s++)
        for (int k = 0; k < p->segment[s]->inputs; k++)
            if (p->segment[s]->place == PLACE_CPU && r->exponent[p->segment[s]->input[k]] &&
                !widen(r, p->instance[first + s], p->segment[s]->input[k]))
                return false;
    return true;
}

/* ---- --explain ---- */

typedef struct Tally {
    int safe, expected, passed, unknown;
} Tally;

static const char *origin(const Ranged *known)
{
    return known->measured ? "the calibration" : "the weights";
}

/* The largest sum that is expected, and the largest that is possible. */
static void tell_range(Rescale *r, const Segment *s, Tally *tally)
{
    const Ranged *most = NULL, *likely = NULL;
    for (const Ranged *known = s->ranged; known; known = known->hh.next) {
        if (!known->products)
            continue;
        double end = r->p->profile->accumulator;
        tally->safe += known->sum < end;
        tally->expected += !(known->sum < end) && known->likely_sum < end;
        tally->unknown += isinf(known->likely_sum) != 0;
        tally->passed += isfinite(known->likely_sum) && !(known->likely_sum < end);
        most = !most || known->sum > most->sum ? known : most;
        if (isfinite(known->likely_sum) && (!likely || known->likely_sum > likely->likely_sum))
            likely = known;
    }
    if (likely)
        text_printf(&r->p->ranges, "  %s: sums up to %.3g are expected (%s, by %s)", s->name,
                    likely->likely_sum, likely->name, origin(likely));
    else
        text_printf(&r->p->ranges, "  %s: what to expect of its sums is not known", s->name);
    if (most && isfinite(most->sum))
        text_printf(&r->p->ranges, ", none beyond %.3g (%s)\n", most->sum, most->name);
    else
        text_printf(&r->p->ranges, ", without a bound%s%s%s\n", most ? " (" : "", most ? most->name : "",
                    most ? ")" : "");
}

static void tell_program(Rescale *r, const Segment *s, Tally *tally)
{
    tell_range(r, s, tally);
    text_puts(&r->p->ranges, text_cstr(&r->text));
    text_clear(&r->text);
}

static void tell_tally(Pipeline *p, const Tally *t)
{
    text_printf(
        &p->ranges,
        "  %d sums stay below it whatever the input, %d are expected to, %d are not%s, %d are not known\n",
        t->safe, t->expected, t->passed, p->options->no_rescale ? "" : " (rescaled)", t->unknown);
    pipeline_count(p, "sums that stay in range", t->safe);
    pipeline_count(p, "sums that are expected to", t->expected);
    pipeline_count(p, "sums that are not", t->passed);
    pipeline_count(p, "sums not known", t->unknown);
}

/* ---- all ---- */

static bool scale_bucket(Rescale *r, int first, Tally *tally)
{
    Pipeline *p = r->p;
    r->exponent = arena_many(&r->arena, (size_t)p->wires, int);
    for (int s = 0; s < p->segments && !r->failed; s++) {
        r->instance = p->instance[first + s];
        if (p->segment[s]->place != PLACE_ANE)
            continue;
        r->f = r->instance->physical;
        if (!p->options->no_rescale)
            scale_program(r);
        if (r->tell)
            tell_rest(r);
        range_clear(r->f);
        if (r->tell)
            tell_program(r, p->segment[s], tally);
    }
    return !r->failed && widen_all(r, first);
}

bool pass_rescale(Pipeline *p)
{
    Rescale r = {.p = p, .tell = true};
    Tally tally = {0};
    bool ok = true;
    if (!p->options->weights) {
        text_puts(&p->ranges, "  not looked at: there are no weights\n");
        return true;
    }
    if (p->options->no_rescale && !p->options->explain)
        return true;
    for (int b = 0; b < p->buckets && ok; b++) {
        ok = scale_bucket(&r, b * p->segments, &tally);
        r.tell = false;
    }
    if (ok)
        tell_tally(p, &tally);
    else
        diag_error(p->diags, r.f->span, "%s: %s", r.f->name, r.err.text);
    text_free(&r.text);
    arena_free(&r.arena);
    return ok;
}
