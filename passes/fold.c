/* fold: what can be computed now is, what changes nothing goes, and several spellings of one thing become
 * one, so that the passes behind have fewer forms to know:
 *
 *     x / c                       ->  x * (1 / c)           (x * a) * b     ->  x * (a * b)
 *     matmul(x, transpose(y))     ->  matmul(x, y, transpose_y = true)
 *     matmul(x, weight)           ->  linear(x, weight)     linear(x, w) + b -> linear(x, w, b)
 */
#include <math.h>
#include <string.h>

#include "passes/match.h"
#include "passes/pipeline.h"

typedef struct Fold {
    Pipeline *p;
    Func *f;
} Fold;

static Value *behind(Value *v)
{
    while (v->forward)
        v = v->forward;
    return v;
}

static bool becomes(Fold *f, Op *op, Value *v, const char *counter)
{
    if (!type_equal(op->result[0]->type, v->type))
        return false;
    value_replace(op->result[0], v);
    op_unlink(op);
    pipeline_count(f->p, counter, 1);
    return true;
}

/* ---- numbers ---- */

static bool compute(OpCode code, double x, double y, double *out)
{
    switch (code) {
    case OP_ADD: *out = x + y; break;
    case OP_SUB: *out = x - y; break;
    case OP_MUL: *out = x * y; break;
    case OP_REAL_DIV: *out = x / y; break;
    case OP_POW: *out = pow(x, y); break;
    case OP_MAXIMUM: *out = fmax(x, y); break;
    case OP_MINIMUM: *out = fmin(x, y); break;
    case OP_SQRT: *out = sqrt(x); break;
    case OP_EXP: *out = exp(x); break;
    case OP_LOG: *out = log(x); break;
    case OP_SQUARE: *out = x * x; break;
    default: return false;
    }
    return isfinite(*out);
}

enum { TABLE = 1 << 16 }; /* elements that a computed constant may have */

/* Written out as floats: numbers and tables, but not weights. */
static bool is_table(const Value *v)
{
    const Literal *l = value_literal(v);
    return l && l->kind == LIT_FLOAT && dtype_is_float(v->type->dtype) && type_elements(v->type) > 0;
}

/* The element of v that broadcasting has at `at` of the result. */
static double table_at(const Value *v, const Type *result, int64_t at)
{
    const Type *t = v->type;
    int64_t index = 0, step = 1;
    for (int i = t->rank - 1, k = result->rank - 1; i >= 0; i--, k--) {
        index += t->dim[i] == 1 ? 0 : at % result->dim[k] * step;
        at /= result->dim[k];
        step *= t->dim[i];
    }
    const Literal *l = value_literal(v);
    return l->floats[l->count == 1 ? 0 : index];
}

static bool make_table(Fold *f, Op *op, const double *numbers, size_t count)
{
    Value *old = op->result[0];
    Value *v =
        const_value(f->f, op, old->name, old->type, literal_floats(&f->f->module->arena, numbers, count));
    v->span = v->def->span = op->span;
    return becomes(f, op, v, "constants computed");
}

/* An op on constants. */
static bool fold_constants(Fold *f, Op *op)
{
    const Value *x = op_arg(op, "x"), *y = op_find_arg(op, "y") ? op_arg(op, "y") : NULL;
    const Type *t = op->results == 1 ? op->result[0]->type : NULL;
    int64_t n = t && dtype_is_float(t->dtype) ? type_elements(t) : 0;
    if (n < 1 || n > TABLE || !x || !is_table(x) || (y && !is_table(y)))
        return false;
    if (op->code == OP_RESHAPE && value_literal(x)->count == (size_t)n)
        return make_table(f, op, value_literal(x)->floats, (size_t)n);
    double *numbers = arena_many(&f->f->module->arena, (size_t)n, double);
    for (int64_t i = 0; i < n; i++)
        if (!compute(op->code, table_at(x, t, i), y ? table_at(y, t, i) : 0, &numbers[i]))
            return false;
    return make_table(f, op, numbers, (size_t)n);
}

/* x * 1, x + 0, x - 0, x / 1, x ** 1. An unsigned zero for a signed one is no difference here. */
static bool fold_neutral(Fold *f, Op *op)
{
    Value *x = op_arg(op, "x"), *y = op_arg(op, "y");
    double c;
    bool one = op->code == OP_MUL || op->code == OP_REAL_DIV || op->code == OP_POW;
    if (!one && op->code != OP_ADD && op->code != OP_SUB)
        return false;
    if (const_number(y, &c) && c == one)
        return becomes(f, op, x, "neutral operations");
    bool swaps = op_info(op->code)->flags & F_COMMUTATIVE;
    return swaps && const_number(x, &c) && c == one && becomes(f, op, y, "neutral operations");
}

static bool is_scalar(const Value *v, double *out)
{
    return type_elements(v->type) == 1 && v->type->rank == 0 && const_number(v, out);
}

static void fold_division(Fold *f, Op *op)
{
    double c;
    if (!is_scalar(op_arg(op, "y"), &c) || c == 0 || !dtype_is_float(op->result[0]->type->dtype))
        return;
    Op *mul = op_new_before(f->f, op, OP_MUL, op->span);
    op_set(mul, "x", op_arg(op, "x"));
    op_set(mul, "y", inline_float(f->f->module, op->result[0]->type->dtype, 1 / c));
    Value *v = op_add_result(mul, op->result[0]->name, op->result[0]->type);
    becomes(f, op, v, "divisions made products");
}

/* The other operand of a product with a number. */
static Value *scaled_value(const Op *op, double *factor)
{
    Value *x = op_arg(op, "x"), *y = op_arg(op, "y");
    if (is_scalar(y, factor))
        return x;
    return is_scalar(x, factor) ? y : NULL;
}

static void fold_factors(Fold *f, Op *op)
{
    double a, b;
    Value *inner = scaled_value(op, &a);
    Op *mul = inner ? def_of(inner, OP_MUL) : NULL;
    Value *x = mul ? scaled_value(mul, &b) : NULL;
    if (!x || !isfinite(a * b) || !dtype_is_float(x->type->dtype))
        return;
    op_set(op, "x", x);
    op_set(op, "y", inline_float(f->f->module, x->type->dtype, a * b));
    pipeline_count(f->p, "factors joined", 1);
}

/* ---- movement ---- */

static bool fold_transpose(Fold *f, Op *op)
{
    int64_t perm[IR_MAX_RANK], inner[IR_MAX_RANK];
    int rank = op->result[0]->type->rank;
    Op *before = def_of(op_arg(op, "x"), OP_TRANSPOSE);
    if (!op_perm(op, perm))
        return false;
    if (before && op_perm(before, inner)) {
        for (int i = 0; i < rank; i++)
            perm[i] = inner[perm[i]];
        op_set(op, "x", op_arg(before, "x"));
        op_set(op, "perm", inline_ints(f->f->module, perm, rank));
        pipeline_count(f->p, "transposes joined", 1);
    }
    for (int i = 0; i < rank; i++)
        if (perm[i] != i)
            return false;
    return becomes(f, op, op_arg(op, "x"), "moves that move nothing");
}

/* A weight with axes of length 1 among its own. No matrix: what reads one may turn it. */
static bool fold_weight_shape(Fold *f, Op *op)
{
    Value *w = op_arg(op, "x"), *old = op->result[0];
    const Type *from = w->type, *to = old->type;
    if (!is_weight(w) || value_literal(w)->weight.kind != WEIGHT_TENSOR || to->rank < 3)
        return false;
    for (int i = 0, k = 0; i < from->rank || k < to->rank;) {
        if (i < from->rank && from->dim[i] == 1)
            i++;
        else if (k < to->rank && to->dim[k] == 1)
            k++;
        else if (i < from->rank && k < to->rank && from->dim[i] == to->dim[k])
            i++, k++;
        else
            return false;
    }
    Value *v = const_value(f->f, op, old->name, to, value_literal(w));
    v->span = v->def->span = op->span;
    return becomes(f, op, v, "weights shaped");
}

static bool fold_reshape(Fold *f, Op *op)
{
    if (fold_weight_shape(f, op))
        return true;
    Op *before = def_of(op_arg(op, "x"), OP_RESHAPE);
    const Type *to = op->result[0]->type;
    if (before) { /* the shape may have lengths that are copied from x: spelled out */
        op_set(op, "x", op_arg(before, "x"));
        op_set(op, "shape", inline_ints(f->f->module, to->dim, to->rank));
        pipeline_count(f->p, "reshapes joined", 1);
    }
    return becomes(f, op, op_arg(op, "x"), "moves that move nothing");
}

static bool fold_whole(Fold *f, Op *op)
{
    Value *x = op->code == OP_CONCAT ? op->arg[0].values[0] : op_arg(op, "x");
    if (op->code == OP_CONCAT && op->arg[0].count != 1)
        return false;
    return op->results == 1 && becomes(f, op, x, "moves that move nothing");
}

/* ---- products ---- */

static bool swaps_last_two(const Op *transpose)
{
    int64_t perm[IR_MAX_RANK];
    int rank = transpose->result[0]->type->rank;
    if (rank < 2 || !op_perm(transpose, perm))
        return false;
    for (int i = 0; i < rank - 2; i++)
        if (perm[i] != i)
            return false;
    return perm[rank - 1] == rank - 2;
}

static void fold_turned(Fold *f, Op *op)
{
    Op *turn = def_of(op_arg(op, "y"), OP_TRANSPOSE);
    if (!turn || !swaps_last_two(turn))
        return;
    bool turned = op_flag(op, "transpose_y", false);
    op_set(op, "y", op_arg(turn, "x"));
    op_set(op, "transpose_y", inline_bool(f->f->module, !turned));
    pipeline_count(f->p, "transposes into products", 1);
}

/* The weight [in, out] as [out, in]: the same tensor read the other way round. */
static Value *turned_weight(Fold *f, Op *before, const Value *w)
{
    int64_t dims[2] = {w->type->dim[1], w->type->dim[0]};
    Type t = type_tensor(w->type->dtype, 2, dims);
    WeightRef ref = value_literal(w)->weight;
    ref.transposed = !ref.transposed;
    return const_value(f->f, before, func_fresh_name(f->f, "turned"), &t,
                       literal_weight(&f->f->module->arena, &ref));
}

static bool fold_to_linear(Fold *f, Op *op)
{
    Value *x = op_arg(op, "x"), *w = op_arg(op, "y");
    if (!is_weight(w) || w->type->rank != 2 || x->type->rank < 2 || is_known(x) ||
        op_flag(op, "transpose_x", false))
        return false;
    Op *linear = op_new_before(f->f, op, OP_LINEAR, op->span);
    op_set(linear, "x", x);
    op_set(linear, "weight", op_flag(op, "transpose_y", false) ? w : turned_weight(f, linear, w));
    Value *v = op_add_result(linear, op->result[0]->name, op->result[0]->type);
    v->uses = op->result[0]->uses;
    return becomes(f, op, v, "products made linear");
}

/* linear + weight [out]. */
static bool fold_bias(Fold *f, Op *op)
{
    for (int i = 0; i < 2; i++) {
        Value *v = op_arg(op, i ? "y" : "x"), *b = op_arg(op, i ? "x" : "y");
        Op *linear = def_of(v, OP_LINEAR);
        if (!linear || v->uses != 1 || op_arg(linear, "bias") || !is_weight(b) || b->type->rank != 1 ||
            b->type->dim[0] != v->type->dim[v->type->rank - 1])
            continue;
        op_move_before(linear, op); /* behind the bias */
        op_set(linear, "bias", b);
        return becomes(f, op, v, "biases into linear");
    }
    return false;
}

/* ---- one op ---- */

static void fold_op(Fold *f, Op *op)
{
    if (fold_constants(f, op))
        return;
    switch (op->code) {
    case OP_ADD:
        if (fold_bias(f, op))
            return;
        fold_neutral(f, op);
        return;
    case OP_SUB:
    case OP_POW: fold_neutral(f, op); return;
    case OP_REAL_DIV:
        if (!fold_neutral(f, op))
            fold_division(f, op);
        return;
    case OP_MUL:
        fold_factors(f, op);
        fold_neutral(f, op);
        return;
    case OP_TRANSPOSE: fold_transpose(f, op); return;
    case OP_RESHAPE: fold_reshape(f, op); return;
    case OP_MATMUL:
        fold_turned(f, op);
        fold_to_linear(f, op);
        return;
    case OP_CAST:
    case OP_IDENTITY:
    case OP_SLICE_BY_SIZE:
    case OP_SPLIT:
    case OP_CONCAT:
    case OP_TILE: fold_whole(f, op); return;
    default: return;
    }
}

bool pass_fold(Pipeline *p)
{
    Fold f = {p, p->graph};
    func_count_uses(p->graph);
    for (Op *op = p->graph->first, *next; op; op = next) {
        next = op->next;
        FOR_EACH_ARG(op, slot)
            *slot = behind(*slot);
        fold_op(&f, op);
    }
    func_settle(p->graph);
    return true;
}
