#include "ir/infer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static InferFn *const rules[OP_COUNT] = {
#define OP(id, spelling, opset, flags, infer, eval, operands, results) [OP_##id] = infer_##infer,
#include "ir/ops.def"
};

/* ---- messages ---- */

int infer_fail(const Op *op, Error *err, const char *fmt, ...)
{
    char text[900];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    error_set(err, "%s: %s", op->spelling, text);
    return -1;
}

static Shown shown(Text *t)
{
    Shown s;
    snprintf(s.text, sizeof s.text, "%s", text_cstr(t));
    text_free(t);
    return s;
}

Shown shown_dims(const Type *t)
{
    Text out = {0};
    dims_print(&out, t->rank, t->dim);
    return shown(&out);
}

Shown shown_type(const Type *t)
{
    Text out = {0};
    type_print(&out, t);
    return shown(&out);
}

Shown shown_dim(int64_t d)
{
    Shown s = {"?"};
    if (d == DIM_S || d == DIM_T)
        snprintf(s.text, sizeof s.text, "%c", d == DIM_S ? 'S' : 'T');
    else if (d >= 0)
        snprintf(s.text, sizeof s.text, "%lld", (long long)d);
    return s;
}

/* ---- operands ---- */

const Type *infer_type(const Op *op, const char *key)
{
    const Value *v = op_arg(op, key);
    return v ? v->type : NULL;
}

/* The constant of an operand, written in the program; *given says whether there is an operand at all. */
static const Literal *constant_of(const Op *op, const char *key, bool *given)
{
    const Value *v = op_arg(op, key);
    *given = v != NULL;
    return v ? value_literal(v) : NULL;
}

static bool need_constant(const Op *op, const char *key, const char *what, Error *err)
{
    return infer_fail(op, err, "%s must be a constant %s", key, what) >= 0;
}

bool infer_int(const Op *op, const char *key, int64_t fallback, int64_t *out, Error *err)
{
    bool given;
    const Literal *l = constant_of(op, key, &given);
    if (given && (!l || l->kind != LIT_INT || l->count != 1))
        return need_constant(op, key, "integer", err);
    *out = given ? l->ints[0] : fallback;
    return true;
}

bool infer_bool(const Op *op, const char *key, bool fallback, bool *out, Error *err)
{
    bool given;
    const Literal *l = constant_of(op, key, &given);
    if (given && (!l || l->kind != LIT_INT || l->count != 1 || infer_type(op, key)->dtype != DT_BOOL))
        return need_constant(op, key, "bool", err);
    *out = given ? l->ints[0] != 0 : fallback;
    return true;
}

bool infer_text(const Op *op, const char *key, const char *fallback, const char **out, Error *err)
{
    bool given;
    const Literal *l = constant_of(op, key, &given);
    if (given && (!l || l->kind != LIT_STRING || l->count != 1))
        return need_constant(op, key, "string", err);
    *out = given ? l->strings[0] : fallback;
    return true;
}

bool infer_named(const Op *op, const char *key, const char *fallback, const char *const *names, Error *err)
{
    const char *name;
    if (!infer_text(op, key, fallback, &name, err))
        return false;
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return infer_fail(op, err, "there is no %s \"%.40s\"", key, name) >= 0;
}

static bool axis_in_rank(const Op *op, const char *key, int64_t v, int rank, int *axis, Error *err)
{
    if (v < -rank || v >= rank)
        return infer_fail(op, err, "%s %lld is out of range for a tensor of rank %d", key, (long long)v,
                          rank) >= 0;
    *axis = (int)(v < 0 ? v + rank : v);
    return true;
}

bool infer_axis(const Op *op, const char *key, int64_t fallback, int rank, int *axis, Error *err)
{
    int64_t v;
    return infer_int(op, key, fallback, &v, err) && axis_in_rank(op, key, v, rank, axis, err);
}

bool infer_axes(const Op *op, const char *key, int rank, bool set[IR_MAX_RANK], Error *err)
{
    bool given;
    const Literal *l = constant_of(op, key, &given);
    for (int i = 0; i < IR_MAX_RANK; i++)
        set[i] = !given && i < rank;
    if (!given)
        return true;
    if (!l || l->kind != LIT_INT)
        return need_constant(op, key, "list of integers", err);
    for (size_t i = 0; i < l->count; i++) {
        int axis = 0;
        if (!axis_in_rank(op, key, l->ints[i], rank, &axis, err))
            return false;
        if (set[axis])
            return infer_fail(op, err, "%s names axis %d twice", key, axis) >= 0;
        set[axis] = true;
    }
    return true;
}

int infer_row(const Op *op, const char *key, Error *err)
{
    const Type *t = infer_type(op, key);
    if (t->rank != 1 || !(dtype_is_int(t->dtype) || t->dtype == DT_BOOL))
        return infer_fail(op, err, "%s is %s, expected a row of integers", key, shown_type(t).text);
    if (t->dim[0] < 0 || t->dim[0] > IR_MAX_RANK)
        return infer_fail(op, err, "%s has %s elements, expected at most %d", key, shown_dim(t->dim[0]).text,
                          IR_MAX_RANK);
    return (int)t->dim[0];
}

Known infer_ints(const Op *op, const char *key, int count, int64_t *out, Error *err)
{
    const Value *v = op_arg(op, key);
    if (!v)
        return KNOWN_NOT;
    int n = infer_row(op, key, err);
    if (n < 0)
        return KNOWN_WRONG;
    if (n != count)
        return (Known)infer_fail(op, err, "%s has %d elements, expected %d", key, n, count);
    const Literal *l = value_literal(v);
    if (!l || l->kind != LIT_INT || l->count != (size_t)count)
        return KNOWN_NOT;
    memcpy(out, l->ints, l->count * sizeof *out);
    return KNOWN;
}

bool infer_const_ints(const Op *op, const char *key, int count, int64_t fallback, int64_t *out, Error *err)
{
    for (int i = 0; i < count; i++)
        out[i] = fallback;
    if (!op_arg(op, key))
        return true;
    Known known = infer_ints(op, key, count, out, err);
    return known == KNOWN_NOT ? need_constant(op, key, "list of integers", err) : known == KNOWN;
}

bool infer_same_dtype(const Op *op, const char *const *keys, Error *err)
{
    const Type *x = infer_type(op, keys[0]);
    for (const char *const *key = keys + 1; *key; key++) {
        const Type *t = infer_type(op, *key);
        if (t && t->dtype != x->dtype)
            return infer_fail(op, err, "%s is %s and %s is %s: their element types must be the same", keys[0],
                              shown_type(x).text, *key, shown_type(t).text) >= 0;
    }
    return true;
}

/* ---- dimensions ---- */

bool dim_fits(int64_t a, int64_t b)
{
    return a == b || a == DIM_UNKNOWN || b == DIM_UNKNOWN;
}

int64_t dim_known(int64_t a, int64_t b)
{
    return a == DIM_UNKNOWN ? b : a;
}

bool dims_fit(const Type *a, const Type *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (!dim_fits(a->dim[i], b->dim[i]))
            return false;
    return true;
}

/* ---- one op ---- */

static TypeKind operand_kind(const Op *op, const OperandInfo *operand)
{
    bool state = op->code == OP_READ_STATE || op->code == OP_WRITE_STATE;
    bool list = strcmp(operand->name, "ls") == 0 || (op->code == OP_CLASSIFY && operand->name[0] == 'c');
    return state && strcmp(operand->name, "input") == 0 ? TY_STATE : list ? TY_LIST : TY_TENSOR;
}

static bool check_value(const Op *op, const OperandInfo *operand, const Value *v, Error *err)
{
    static const char *const names[] = {[TY_TENSOR] = "tensor", [TY_STATE] = "state", [TY_LIST] = "list"};
    TypeKind kind = operand_kind(op, operand);
    if (op->code == OP_WHILE_LOOP && v->type->kind == TY_LIST)
        return true;
    if (op->code == OP_TENSOR_BUFFER_TO_TENSOR && v->type->kind == TY_BUFFER)
        return true;
    return v->type->kind == kind || infer_fail(op, err, "%s is %s, expected a %s", operand->name,
                                               shown_type(v->type).text, names[kind]) >= 0;
}

static bool check_operands(const Op *op, Error *err)
{
    const OpInfo *info = op_info(op->code);
    for (int i = 0; i < info->operands; i++) {
        const OperandInfo *operand = &info->operand[i];
        const Arg *arg = &op->arg[i];
        if (!arg->count && !operand->optional)
            return infer_fail(op, err, "operand %s is missing", operand->name) >= 0;
        if (arg->count > 1 && !operand->list)
            return infer_fail(op, err, "operand %s has %d values, expected one", operand->name, arg->count) >=
                   0;
        for (int k = 0; k < arg->count; k++)
            if (!check_value(op, operand, arg->values[k], err))
                return false;
    }
    return true;
}

/* What no machine holds is refused here, so that later arithmetic on counts is safe. */
static bool check_result(const Op *op, const Type *t, Error *err)
{
    if (type_is_static(t) && type_elements(t) < 0)
        return infer_fail(op, err, "the result %s has too many elements", shown_dims(t).text) >= 0;
    return true;
}

static int declared_types(const Op *op, Type *out, int limit, Error *err)
{
    if (op->results > limit)
        return infer_fail(op, err, "%d results are more than the %d that are possible", op->results, limit);
    for (int i = 0; i < op->results; i++)
        out[i] = *op->result[i]->type;
    return op->results;
}

int op_result_types(const Op *op, Type *out, int limit, Error *err)
{
    if (op->code == OP_UNKNOWN)
        return declared_types(op, out, limit, err);
    if (!check_operands(op, err))
        return -1;
    int n = rules[op->code](op, out, limit, err);
    for (int i = 0; i < n; i++) {
        if (!check_result(op, &out[i], err))
            return -1;
        out[i].bare = out[i].rank == 0 && out[i].kind == TY_TENSOR;
    }
    return n;
}

int infer_const(const Op *op, Type *out, int limit, Error *err)
{
    if (op->results != 1)
        return infer_fail(op, err, "a constant has exactly one result");
    return declared_types(op, out, limit, err);
}
