/* Each op of a program for the engine, by the profile. */
#include <math.h>
#include <string.h>

#include "check/internal.h"

static const char *shown(const Unit *u, const Value *v)
{
    return type_text(&u->c->arena, v->type);
}

static bool is_inline(const Value *v)
{
    return v->def && !v->def->func;
}

/* Unknown ops have their arguments by key too, so that these rules do not wait for ops.def. */
static const Value *operand(const Op *op, const char *key)
{
    return op_arg(op, key);
}

static bool is(const Op *op, const char *spelling)
{
    return strcmp(op->spelling, spelling) == 0;
}

/* ---- does it run there at all ---- */

static void check_listed(const Unit *u, const Op *op)
{
    const char *source = NULL;
    OpCode code = op->code;
    ProfileOp what = code != OP_UNKNOWN ? u->p->op[code] : profile_op(u->p, op->spelling, NULL);
    if (op_info(code)->flags & F_CONST && what == PROFILE_UNLISTED && code == OP_CONST)
        return;
    static const RuleId rule[] = {
        [PROFILE_UNLISTED] = RULE_ANE_OP_UNLISTED, [PROFILE_DECOMPOSE] = RULE_ANE_OP_DISPUTED,
        [PROFILE_DISPUTED] = RULE_ANE_OP_DISPUTED, [PROFILE_CPU] = RULE_ANE_OP_FALLBACK,
        [PROFILE_FAILS] = RULE_ANE_OP_REJECTED,
    };
    static const char *const text[] = {
        [PROFILE_UNLISTED] = "no source says whether it runs on the engine",
        [PROFILE_DECOMPOSE] = "it does not work everywhere",
        [PROFILE_DISPUTED] = "it does not work everywhere",
        [PROFILE_CPU] = "it compiles, but does not run on the engine",
        [PROFILE_FAILS] = "it does not compile",
    };
    if (what == PROFILE_NATIVE || what == PROFILE_SEEN)
        return;
    profile_op(u->p, op->spelling, &source);
    const ProfileLine *line = profile_line(u->p, arena_printf(&u->c->arena, "op.%s", op->spelling));
    bool mild = what == PROFILE_DECOMPOSE && line && line->confidence == 'B';
    report(u, mild ? RULE_ANE_OP_REPLACEABLE : rule[what], op->span, op->spelling, "%s: %s%s%s%s",
           op->spelling, text[what], source ? " (" : "", source ? source : "", source ? ")" : "");
}

/* ---- sizes and types of values ---- */

static void check_size(const Unit *u, const Op *op, const Value *v, Span at)
{
    const Type *t = v->type;
    if (t->kind != TY_TENSOR)
        return;
    if (t->rank > u->p->rank)
        report(u, RULE_ANE_RANK, at, op->spelling, "%s: %s has %d axes, %lld are possible", op->spelling,
               shown(u, v), t->rank, (long long)u->p->rank);
    for (int i = 0; i < t->rank; i++) {
        bool channel = t->rank == 4 && i == 1;
        int64_t most = channel ? u->p->channels : u->p->axis;
        if (t->dim[i] <= most)
            continue;
        report(u, channel ? RULE_ANE_CHANNELS : RULE_ANE_AXIS, at, op->spelling,
               "%s: axis %d of %s is longer than %lld", op->spelling, i, shown(u, v), (long long)most);
        return;
    }
}

static bool takes_other_types(const Op *op)
{
    return op->code == OP_CAST || (op_info(op->code)->flags & (F_CONST | F_EFFECT)) ||
           op->code == OP_SELECT || op->code == OP_LOGICAL_NOT || is(op, "quantize") || is(op, "dequantize");
}

static void check_compute_type(const Unit *u, const Op *op, const Value *v)
{
    DType d = v->type->dtype;
    if (v->type->kind != TY_TENSOR || d == DT_FP16 || d == DT_BOOL || takes_other_types(op))
        return;
    report(u, RULE_ANE_FP16_ONLY, op->span, dtype_info[d].name, "%s computes %s, not fp16", op->spelling,
           shown(u, v));
}

static void check_cast(const Unit *u, const Op *op)
{
    const Value *x = operand(op, "x"), *y = op->results ? op->result[0] : NULL;
    if (op->code != OP_CAST || !x || !y)
        return;
    if (!dtype_is_float(x->type->dtype) || !dtype_is_float(y->type->dtype))
        report(u, RULE_ANE_FP16_ONLY, op->span, "cast",
               "cast from %s to %s: only fp16 and fp32 are in every sweep", dtype_info[x->type->dtype].name,
               dtype_info[y->type->dtype].name);
}

static void check_values(const Unit *u, const Op *op)
{
    for (int i = 0; i < op->results; i++) {
        const Type *t = op->result[i]->type;
        check_size(u, op, op->result[i], op->result[i]->span);
        check_compute_type(u, op, op->result[i]);
        if (t->kind == TY_TENSOR && !type_is_static(t))
            report(u, RULE_ANE_STATIC, op->result[i]->span, "inside", "%s is %s: its lengths must be known",
                   value_shown(op->result[i]), shown(u, op->result[i]));
        if (t->kind == TY_TENSOR && (op_info(op->code)->flags & F_CONST) && dtype_info[t->dtype].bits < 8 &&
            t->dtype != DT_STRING)
            report(u, RULE_ANE_SUB_BYTE, op->result[i]->span, dtype_info[t->dtype].name,
                   "%s is %s: less than 8 bits", value_shown(op->result[i]), shown(u, op->result[i]));
    }
    bool packed = strncmp(op->spelling, "constexpr_", 10) == 0; /* its operands never reach the engine */
    FOR_EACH_ARG(op, slot)
        if (is_inline(*slot)) {
            const Type *t = (*slot)->type;
            if (!packed)
                check_size(u, op, *slot, (*slot)->span);
            if (dtype_info[t->dtype].bits < 8 && t->kind == TY_TENSOR && t->dtype != DT_STRING)
                report(u, RULE_ANE_SUB_BYTE, (*slot)->span, dtype_info[t->dtype].name,
                       "%s: %s has less than 8 bits", op->spelling, shown(u, *slot));
        }
}

/* ---- constants in place ---- */

static void check_named(const Unit *u, const Op *op)
{
    static const char *const needs[][2] = {
        {"conv", "strides"},       {"conv", "pad_type"}, {"conv", "pad"},
        {"conv", "dilations"},     {"conv", "groups"},   {"matmul", "transpose_x"},
        {"matmul", "transpose_y"}, {"cast", "dtype"},    {"gelu", "mode"},
    };
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        const Value *v = is(op, needs[i][0]) ? operand(op, needs[i][1]) : NULL;
        if (v && is_inline(v))
            report(u, RULE_ANE_NAMED_CONSTANT, v->span.source ? v->span : op->span, op->spelling,
                   "%s: %s is written in place, a named constant is needed", op->spelling, needs[i][1]);
    }
}

static void check_concat(const Unit *u, const Op *op)
{
    const Value *axis = operand(op, "axis"), *interleave = operand(op, "interleave");
    if (op->code == OP_CONCAT && (!interleave || is_inline(interleave) || !axis || is_inline(axis)))
        report(u, RULE_ANE_CONCAT, op->span, NULL, "concat: %s",
               !interleave ? "interleave is not given" : "axis and interleave are not both named");
}

/* ---- conv and matmul ---- */

static void check_conv(const Unit *u, const Op *op)
{
    const Value *w = operand(op, "weight");
    if (op->code != OP_CONV || !w)
        return;
    const Type *t = w->type;
    if (operand(op, "bias"))
        report(u, RULE_ANE_CONV_BIAS, op->span, NULL, "conv with a bias: add it behind the conv");
    if (at_run_time(w))
        report(u, RULE_ANE_CONV_WEIGHT, op->span, NULL, "conv: the weight %s is no constant", value_shown(w));
    if (t->rank > 0 && t->dim[0] > u->p->conv_outputs)
        report(u, RULE_ANE_CONV_OUTPUTS, op->span, NULL, "conv with %lld output channels: %lld are possible",
               (long long)t->dim[0], (long long)u->p->conv_outputs);
    if (t->rank >= 3 && u->p->kernel_width && t->dim[t->rank - 1] > u->p->kernel_width)
        report(u, RULE_ANE_CONV_KERNEL, op->span, NULL,
               "conv with a kernel of %lld columns: %lld are possible", (long long)t->dim[t->rank - 1],
               (long long)u->p->kernel_width);
}

static void check_product(const Unit *u, const Op *op)
{
    const Value *y = operand(op, op->code == OP_LINEAR ? "weight" : "y");
    if ((op->code == OP_MATMUL || op->code == OP_LINEAR) && y && !at_run_time(y))
        report(u, RULE_ANE_MATMUL_WEIGHT, op->span, op->spelling,
               "%s with the constant %s: a 1x1 conv is faster", op->spelling, value_shown(y));
}

/* ---- attention ---- */

static void check_sdpa(const Unit *u, const Op *op)
{
    if (!is(op, "scaled_dot_product_attention"))
        return;
    const Value *q = operand(op, "query"), *k = operand(op, "key");
    int64_t rows = q && q->type->rank > 1 ? q->type->dim[q->type->rank - 2] : 0;
    int64_t keys = k && k->type->rank > 1 ? k->type->dim[k->type->rank - 2] : rows;
    if (operand(op, "attn_mask"))
        report(u, RULE_ANE_SDPA_MASK, op->span, NULL, "the engine drops attn_mask");
    int64_t both = rows < keys ? rows : keys, most = u->p->sdpa_length;
    if (most && (both >= most || keys > 2048))
        report(u, RULE_ANE_SDPA_LENGTH, op->span, NULL, "%lld queries and %lld keys: garbage from %lld on",
               (long long)rows, (long long)keys, (long long)most);
}

static void check_softmax(const Unit *u, const Op *op)
{
    const Value *x = operand(op, "x");
    int64_t axis = -1;
    if (op->code != OP_SOFTMAX || !x || !x->type->rank)
        return;
    arg_int(op, "axis", &axis);
    axis += axis < 0 ? x->type->rank : 0;
    if (axis == x->type->rank - 1 || axis < 0 || axis >= x->type->rank)
        return;
    int64_t n = x->type->dim[axis];
    report(u, RULE_ANE_SOFTMAX, op->span, NULL, "softmax over axis %lld of %s, not the last%s",
           (long long)axis, shown(u, x), n > 0 && (n & (n - 1)) ? "; no power of two" : "");
}

/* ---- single ops ---- */

static void check_epsilon(const Unit *u, const Op *op)
{
    static const char *const needs[] = {"layer_norm", "rsqrt",      "log",
                                        "inverse",    "batch_norm", "instance_norm"};
    bool needed = false;
    double epsilon;
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        needed |= is(op, needs[i]);
    if (!needed)
        return;
    if (!operand(op, "epsilon"))
        report(u, RULE_ANE_EPSILON, op->span, op->spelling, "%s without epsilon", op->spelling);
    else if (arg_float(op, "epsilon", &epsilon) && epsilon < u->p->smallest_epsilon)
        report(u, RULE_ANE_EPSILON, op->span, op->spelling, "%s: epsilon is %g, below %g", op->spelling,
               epsilon, u->p->smallest_epsilon);
}

static void check_constexpr(const Unit *u, const Op *op)
{
    const Arg *data = op_find_arg(op, is(op, "constexpr_affine_dequantize") ? "quantized_data" : "data");
    const Value *scale = operand(op, "scale");
    if (is(op, "constexpr_affine_dequantize") && data && scale && (!data->attribute || scale->type->rank > 1))
        report(u, RULE_ANE_CONSTEXPR, op->span, op->spelling,
               "%s: its operands stand among the attributes, with a scale of rank 1", op->spelling);
    if (is(op, "constexpr_blockwise_shift_scale") && data && scale &&
        (data->attribute || scale->type->rank != data->values[0]->type->rank))
        report(u, RULE_ANE_CONSTEXPR, op->span, op->spelling,
               "%s: its operands are arguments, with a scale of the weight's rank", op->spelling);
}

static bool is_zero(const Value *v)
{
    const Literal *l = v ? value_literal(v) : NULL;
    return l && l->count == 1 &&
           (l->kind == LIT_FLOAT ? l->floats[0] == 0 : l->kind == LIT_INT && !l->ints[0]);
}

static void check_elementwise(const Unit *u, const Op *op)
{
    const Value *y = operand(op, "y");
    if (op->code == OP_MUL && (is_zero(operand(op, "x")) || is_zero(y)))
        report(u, RULE_ANE_MUL_ZERO, op->span, NULL, "mul by the constant 0");
    if (op->code == OP_POW && y && at_run_time(y))
        report(u, RULE_ANE_POW, op->span, NULL, "pow: the exponent %s is no constant", value_shown(y));
    if (op->code == OP_GELU && !operand(op, "mode"))
        report(u, RULE_ANE_GELU, op->span, NULL, "gelu without a mode");
}

static void check_slice(const Unit *u, const Op *op)
{
    const Value *x = operand(op, "x");
    int64_t begin[IR_MAX_RANK];
    if ((op->code != OP_SLICE_BY_SIZE && op->code != OP_SLICE_BY_INDEX) || !x || !u->p->slice_clamp)
        return;
    int n = arg_ints(op, "begin", begin, IR_MAX_RANK);
    if (n == x->type->rank && n > 0 && begin[n - 1] != 0)
        report(u, RULE_ANE_SLICE, op->span, op->spelling,
               "%s begins at %lld of the last axis: values above %lld "
               "become infinite",
               op->spelling, (long long)begin[n - 1], (long long)u->p->slice_clamp);
}

static void check_op(const Unit *u, const Op *op)
{
    check_listed(u, op);
    check_values(u, op);
    check_cast(u, op);
    check_named(u, op);
    check_concat(u, op);
    check_conv(u, op);
    check_product(u, op);
    check_sdpa(u, op);
    check_softmax(u, op);
    check_epsilon(u, op);
    check_constexpr(u, op);
    check_elementwise(u, op);
    check_slice(u, op);
}

/* ---- ops together ---- */

static void check_together(const Unit *u, const Func *f)
{
    const Op *split = NULL, *tile = NULL, *softmax = NULL, *matmul = NULL;
    int others = 0;
    for (const Op *op = f->first; op; op = op->next) {
        split = op->code == OP_SPLIT ? op : split;
        tile = op->code == OP_TILE ? op : tile;
        softmax = op->code == OP_SOFTMAX ? op : softmax;
        matmul = op->code == OP_MATMUL ? op : matmul;
        others += op->code != OP_MATMUL && op->code != OP_RESHAPE && !(op_info(op->code)->flags & F_CONST);
    }
    if (split && tile && softmax && matmul)
        report(u, RULE_ANE_COMBINATION, tile->span, NULL, "%s has split, matmul, softmax and tile", f->name);
    if (matmul && !others)
        report(u, RULE_ANE_MATMUL_ONLY, matmul->span, NULL, "%s is only a matmul", f->name);
}

void check_engine_ops(const Unit *u)
{
    for (int i = 0; i < u->m->funcs; i++) {
        const Func *f = u->m->func[i];
        for (int k = 0; k < f->params; k++)
            if (f->param[k]->type->kind == TY_TENSOR && f->param[k]->type->rank > u->p->rank)
                report(u, RULE_ANE_RANK, f->param[k]->span, NULL, "input %s has %d axes, %lld are possible",
                       f->param[k]->name, f->param[k]->type->rank, (long long)u->p->rank);
        for (const Op *op = f->first; op; op = op->next)
            check_op(u, op);
        check_together(u, f);
    }
}
