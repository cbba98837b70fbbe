/* Random programs on the CPU device: its fused steps and views against its plain evaluators. What is drawn is
 * any chain of movements, arithmetic, norms, reductions and products that the type rules accept. */
#include <math.h>

#include "runtime/device.h"
#include "tests/unit/check.h"

enum { PROGRAMS = 3000, OPS = 14, VALUES = 64, MOST_ELEMENTS = 4096, MOST_PORTS = 8 };

static uint64_t seed;

static int draw(int n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (int)((seed >> 33) % (uint64_t)n);
}

static float draw_float(void)
{
    return (float)(draw(4001) - 2000) / 1000.0f;
}

typedef struct Program {
    Module *m;
    Func *f;
    Value *value[VALUES];
    int values;
} Program;

static Value *any(const Program *p)
{
    return p->value[draw(p->values)];
}

static Value *random_const(Program *p, DType dtype, int rank, const int64_t *dims)
{
    double v[MOST_ELEMENTS];
    Type t = type_tensor(dtype, rank, dims);
    int64_t n = type_elements(&t);
    if (n > MOST_ELEMENTS)
        return NULL;
    for (int64_t i = 0; i < n; i++)
        v[i] = draw_float();
    return const_value(p->f, NULL, func_fresh_name(p->f, "c"), &t,
                       literal_floats(&p->m->arena, v, (size_t)n));
}

static void set_ints(Program *p, Op *op, const char *key, const int64_t *v, int n)
{
    op_set(op, key, inline_ints(p->m, v, n));
}

/* ---- one random op; operands that do not fit are refused by the type rules ---- */

static Op *draw_elementwise(Program *p, Value *x)
{
    static const OpCode unary[] = {OP_RELU, OP_TANH, OP_SIGMOID, OP_SILU, OP_GELU, OP_ABS, OP_SQUARE};
    static const OpCode binary[] = {OP_ADD, OP_MUL, OP_SUB, OP_MAXIMUM, OP_MINIMUM};
    if (draw(3) == 0) {
        Op *op = op_new(p->f, unary[draw(7)], (Span){0});
        op_set(op, "x", x);
        return op;
    }
    int64_t dims[IR_MAX_RANK];
    for (int i = 0; i < x->type->rank; i++)
        dims[i] = draw(2) ? 1 : x->type->dim[i];
    int kind = draw(3);
    Value *y = kind == 0   ? any(p)
               : kind == 1 ? inline_float(p->m, DT_FP32, draw_float())
                           : random_const(p, DT_FP32, x->type->rank, dims);
    bool swap = draw(2);
    Op *op = op_new(p->f, binary[draw(5)], (Span){0});
    op_set(op, swap ? "y" : "x", x);
    op_set(op, swap ? "x" : "y", y);
    return op;
}

static Op *draw_transpose(Program *p, Value *x)
{
    int64_t perm[IR_MAX_RANK];
    int r = x->type->rank;
    for (int i = 0; i < r; i++) {
        int at = draw(i + 1);
        perm[i] = perm[at];
        perm[at] = i;
    }
    Op *op = op_new(p->f, OP_TRANSPOSE, (Span){0});
    op_set(op, "x", x);
    set_ints(p, op, "perm", perm, r);
    return op;
}

static Op *draw_reshape(Program *p, Value *x)
{
    int64_t dims[IR_MAX_RANK], left = type_elements(x->type);
    int r = 1 + draw(4);
    for (int i = 0; i < r - 1; i++) {
        int64_t d = 1 + draw(6);
        dims[i] = left % d == 0 ? d : 1;
        left /= dims[i];
    }
    dims[r - 1] = left;
    Op *op = op_new(p->f, OP_RESHAPE, (Span){0});
    op_set(op, "x", x);
    set_ints(p, op, "shape", dims, r);
    return op;
}

static Op *draw_slice(Program *p, Value *x)
{
    int64_t begin[IR_MAX_RANK], size[IR_MAX_RANK], end[IR_MAX_RANK], stride[IR_MAX_RANK];
    int r = x->type->rank;
    bool by_index = draw(2), steps = draw(3) == 0;
    for (int i = 0; i < r; i++) {
        int n = (int)x->type->dim[i];
        begin[i] = draw(n);
        size[i] = 1 + draw(n - (int)begin[i]);
        end[i] = begin[i] + size[i];
        stride[i] = steps ? 1 + draw(2) : 1;
    }
    Op *op = op_new(p->f, by_index ? OP_SLICE_BY_INDEX : OP_SLICE_BY_SIZE, (Span){0});
    op_set(op, "x", x);
    set_ints(p, op, "begin", begin, r);
    set_ints(p, op, by_index ? "end" : "size", by_index ? end : size, r);
    if (by_index && steps)
        set_ints(p, op, "stride", stride, r);
    return op;
}

static Op *draw_concat(Program *p, Value *x)
{
    Value *parts[3] = {x, draw(2) ? any(p) : x, x};
    Op *op = op_new(p->f, OP_CONCAT, (Span){0});
    op_set_list(op, "values", parts, 2 + draw(2));
    op_set(op, "axis", inline_int(p->m, draw(x->type->rank) - (draw(2) ? x->type->rank : 0)));
    op_set(op, "interleave", inline_bool(p->m, draw(5) == 0));
    return op;
}

static Op *draw_norm(Program *p, Value *x)
{
    int64_t axis = draw(x->type->rank);
    bool softmax = draw(2);
    Value *gamma = draw(2) ? random_const(p, DT_FP32, 1, &x->type->dim[axis]) : NULL;
    Value *beta = draw(2) ? random_const(p, DT_FP32, 1, &x->type->dim[axis]) : NULL;
    Op *op = op_new(p->f, softmax ? OP_SOFTMAX : OP_LAYER_NORM, (Span){0});
    op_set(op, "x", x);
    if (softmax) {
        op_set(op, "axis", inline_int(p->m, axis));
        return op;
    }
    set_ints(p, op, "axes", &axis, 1);
    op_set(op, "gamma", gamma);
    op_set(op, "beta", beta);
    op_set(op, "epsilon", inline_float(p->m, DT_FP32, 0.125));
    return op;
}

static Op *draw_reduce(Program *p, Value *x)
{
    static const OpCode codes[] = {OP_REDUCE_SUM, OP_REDUCE_MEAN, OP_REDUCE_MAX};
    int64_t axis = draw(x->type->rank);
    Op *op = op_new(p->f, codes[draw(3)], (Span){0});
    op_set(op, "x", x);
    set_ints(p, op, "axes", &axis, 1);
    op_set(op, "keep_dims", inline_bool(p->m, draw(2)));
    return op;
}

static Op *draw_matmul(Program *p, Value *x)
{
    Value *y = draw(2) ? x : any(p);
    Op *op = op_new(p->f, OP_MATMUL, (Span){0});
    op_set(op, "x", x);
    op_set(op, "y", y);
    op_set(op, "transpose_x", inline_bool(p->m, draw(2)));
    op_set(op, "transpose_y", inline_bool(p->m, draw(2)));
    return op;
}

/* fp16 weights, behind a cast. */
static Value *draw_weight(Program *p, int rank, const int64_t *dims)
{
    Value *half = random_const(p, DT_FP16, rank, dims);
    if (!half)
        return NULL;
    Op *cast = op_new(p->f, OP_CAST, (Span){0});
    op_set(cast, "x", half);
    op_set(cast, "dtype", inline_string(p->m, "fp32"));
    Error err;
    return op_infer(cast, "w", &err) ? cast->result[0] : NULL;
}

static Op *draw_projection(Program *p, Value *x)
{
    int r = x->type->rank;
    bool conv = r == 4 && draw(2);
    int64_t dims[4] = {1 + draw(9), x->type->dim[conv ? 1 : r - 1], 1, 1};
    Value *w = draw_weight(p, conv ? 4 : 2, dims);
    if (!w)
        return NULL;
    Value *bias = draw(2) ? random_const(p, DT_FP32, 1, dims) : NULL;
    Op *op = op_new(p->f, conv ? OP_CONV : OP_LINEAR, (Span){0});
    op_set(op, "x", x);
    op_set(op, "weight", w);
    op_set(op, "bias", bias);
    if (conv)
        op_set(op, "pad_type", inline_string(p->m, "valid"));
    return op;
}

static Op *draw_rank(Program *p, Value *x)
{
    int64_t axis = draw(x->type->rank + 1);
    bool more = x->type->rank < 5 && draw(2);
    Op *op = op_new(p->f, more ? OP_EXPAND_DIMS : OP_SQUEEZE, (Span){0});
    op_set(op, "x", x);
    set_ints(p, op, "axes", &axis, 1);
    return op;
}

static void add_op(Program *p)
{
    static Op *(*const kinds[])(Program *, Value *) = {
        draw_elementwise, draw_elementwise, draw_transpose,  draw_transpose, draw_reshape,
        draw_slice,       draw_concat,      draw_norm,       draw_norm,      draw_reduce,
        draw_matmul,      draw_projection,  draw_projection, draw_rank};
    Value *x = draw(3) ? p->value[p->values - 1] : any(p);
    if (x->type->rank == 0)
        return;
    Op *op = kinds[draw((int)(sizeof kinds / sizeof *kinds))](p, x);
    Error err;
    if (!op)
        return;
    int64_t n = op_infer(op, "v", &err) ? type_elements(op->result[0]->type) : 0;
    if (n > 0 && n <= MOST_ELEMENTS && p->values < VALUES)
        p->value[p->values++] = op->result[0];
    else
        op_unlink(op);
}

static Program draw_program(void)
{
    Program p = {.m = module_new("1.3")};
    p.f = func_new(p.m, "main", "ios18");
    for (int i = 0; i < 2; i++) {
        int64_t dims[4] = {1, 1 + draw(6), 1 + draw(5), 1 + draw(12)};
        Type t = type_tensor(DT_FP32, 4, dims);
        if (i && draw(2))
            t = *p.value[0]->type;
        p.value[p.values++] = func_add_param(p.f, i ? "b" : "a", &t, (Span){0});
    }
    for (int i = 0; i < OPS; i++)
        add_op(&p);
    int outputs = 1 + draw(3);
    for (int i = 0; i < outputs; i++)
        func_add_output(p.f, p.value[p.values - 1 - draw(p.values < 6 ? p.values : 6)]);
    return p;
}

/* ---- running both ---- */

static bool run(const Program *p, bool generic, float *const *in, float **out, Error *err)
{
    PortData data[MOST_PORTS];
    Device *d = cpu_device_open(&(DeviceOptions){.threads = 1, .generic = generic}, err);
    Kernel *k = device_compile(d, p->f, NULL, err);
    for (int i = 0; k && i < k->ports; i++) {
        bool input = k->port[i].kind == PORT_INPUT;
        float *memory = input ? in[i] : (out[i - 2] = malloc(k->port[i].bytes));
        data[i] = (PortData){memory, k->port[i].bytes};
    }
    bool ok = k && device_run(k, data, k->ports, NULL, err);
    kernel_release(k);
    device_close(d);
    return ok;
}

/* Sums of products of large numbers lose digits: errors are measured against the largest element. */
static double distance(const float *a, const float *b, int64_t n)
{
    double worst = 0, most = 1;
    for (int64_t i = 0; i < n; i++) {
        if (isnan(a[i]) != isnan(b[i]) || isinf(a[i]) != isinf(b[i]))
            return INFINITY;
        if (!isfinite(a[i]) || !isfinite(b[i]))
            continue;
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
        most = fmax(most, fabs((double)b[i]));
    }
    return worst / most;
}

static void compare(const Program *p)
{
    float *in[2], *out[2][MOST_PORTS] = {{NULL}};
    Error err = {{0}};
    for (int i = 0; i < 2; i++) {
        int64_t n = type_elements(p->f->param[i]->type);
        in[i] = malloc((size_t)n * sizeof(float));
        for (int64_t k = 0; k < n; k++)
            in[i][k] = draw_float();
    }
    bool ok = run(p, true, in, out[0], &err) && run(p, false, in, out[1], &err);
    for (int i = 0; ok && i < p->f->outputs; i++)
        ok = distance(out[1][i], out[0][i], type_elements(p->f->output[i]->type)) <= 2e-4;
    CHECK(ok);
    if (!ok) {
        Text t = {0};
        func_print(&t, p->f);
        printf("    %s\n%s\n", err.text, text_cstr(&t));
        text_free(&t);
    }
    for (int g = 0; g < 2; g++)
        for (int i = 0; i < MOST_PORTS; i++)
            free(out[g][i]);
    free(in[0]);
    free(in[1]);
}

int main(void)
{
    const char *from = getenv("ANEC_TEST_SEED");
    uint64_t first = from ? strtoull(from, NULL, 10) : 1;
    for (uint64_t i = 0; i < PROGRAMS && !check_failed; i++) {
        seed = first + i;
        draw(2);
        Program p = draw_program();
        Diags diags = {.out = stdout};
        CHECK(func_verify(p.f, "random", &diags));
        compare(&p);
        if (check_failed)
            printf("seed %llu\n", (unsigned long long)(first + i));
        module_free(p.m);
    }
    return check_report();
}
