/* The pipeline on graphs that are built here, where tests/passes has them written in .anel. */
#include <math.h>

#include "base/half.h"
#include "passes/passes.h"
#include "tests/unit/check.h"

/* ---- building ---- */

typedef struct Builder {
    Module *m;
    Func *f;
    bool alien; /* every value gets a name that says nothing, attributes are named constants */
    int made;
} Builder;

static const char *name_of(Builder *b, const char *plain)
{
    return b->alien ? arena_printf(&b->m->arena, "zz_%d_q", 1000 - b->made++)
                    : arena_printf(&b->m->arena, "%s_%d", plain, b->made++);
}

static Value *finish(Builder *b, Op *op)
{
    Type types[8];
    Error err;
    int n = op_result_types(op, types, 8, &err);
    if (n < 1)
        printf("%s: %s\n", op->spelling, err.text);
    for (int i = 0; i < n; i++)
        op_add_result(op, name_of(b, op->spelling), &types[i]);
    return n < 1 ? NULL : op->result[0];
}

static Value *ints(Builder *b, const int64_t *v, int64_t n)
{
    Type t = type_tensor(DT_INT32, 1, &n);
    return b->alien
               ? const_value(b->f, NULL, name_of(b, "ints"), &t, literal_ints(&b->m->arena, v, (size_t)n))
               : inline_ints(b->m, v, n);
}

static Value *integer(Builder *b, int64_t v)
{
    Type t = type_scalar(DT_INT32);
    return b->alien ? const_value(b->f, NULL, name_of(b, "int"), &t, literal_ints(&b->m->arena, &v, 1))
                    : inline_int(b->m, v);
}

static Value *number(Builder *b, double v)
{
    Type t = type_scalar(DT_FP32);
    return b->alien ? const_value(b->f, NULL, name_of(b, "number"), &t, literal_floats(&b->m->arena, &v, 1))
                    : inline_float(b->m, DT_FP32, v);
}

static Value *weight(Builder *b, const char *name, int rank, int64_t d0, int64_t d1)
{
    int64_t dims[2] = {d0, d1};
    Type t = type_tensor(DT_FP32, rank, dims);
    WeightRef ref = {.kind = WEIGHT_TENSOR, .name = name};
    return const_value(b->f, NULL, name_of(b, "weight"), &t, literal_weight(&b->m->arena, &ref));
}

static Value *unary(Builder *b, OpCode code, Value *x)
{
    Op *op = op_new(b->f, code, (Span){0});
    op_set(op, "x", x);
    return finish(b, op);
}

static Value *binary(Builder *b, OpCode code, Value *x, Value *y)
{
    Op *op = op_new(b->f, code, (Span){0});
    op_set(op, "x", x);
    op_set(op, "y", y);
    return finish(b, op);
}

static Value *shaped(Builder *b, OpCode code, const char *key, Value *x, int64_t a, int64_t c, int64_t d,
                     int n)
{
    int64_t v[3] = {a, c, d};
    Value *shape = ints(b, v, n);
    Op *op = op_new(b->f, code, (Span){0});
    op_set(op, "x", x);
    op_set(op, key, shape);
    return finish(b, op);
}

static Value *linear(Builder *b, Value *x, const char *name, int64_t out)
{
    int64_t in = x->type->dim[1];
    Value *w = weight(b, arena_printf(&b->m->arena, "%s.weight", name), 2, out, in);
    Value *bias = weight(b, arena_printf(&b->m->arena, "%s.bias", name), 1, out, 0);
    Op *op = op_new(b->f, OP_LINEAR, (Span){0});
    op_set(op, "x", x);
    op_set(op, "weight", w);
    op_set(op, "bias", bias);
    return finish(b, op);
}

static Value *norm(Builder *b, Value *x, const char *name)
{
    int64_t last = -1;
    Value *axes = ints(b, &last, 1), *epsilon = number(b, 1e-5);
    Value *gamma = weight(b, arena_printf(&b->m->arena, "%s.weight", name), 1, x->type->dim[1], 0);
    Value *beta = weight(b, arena_printf(&b->m->arena, "%s.bias", name), 1, x->type->dim[1], 0);
    Op *op = op_new(b->f, OP_LAYER_NORM, (Span){0});
    op_set(op, "x", x);
    op_set(op, "axes", axes);
    op_set(op, "gamma", gamma);
    op_set(op, "beta", beta);
    op_set(op, "epsilon", epsilon);
    return finish(b, op);
}

static Value *gather(Builder *b, const char *name, int64_t rows, int64_t dim, Value *ids)
{
    Value *table = weight(b, name, 2, rows, dim), *axis = integer(b, 0);
    Op *op = op_new(b->f, OP_GATHER, (Span){0});
    op_set(op, "x", table);
    op_set(op, "indices", ids);
    op_set(op, "axis", axis);
    return finish(b, op);
}

static Value *heads(Builder *b, Value *x, int64_t n)
{
    Value *v = shaped(b, OP_RESHAPE, "shape", x, DIM_S, n, x->type->dim[1] / n, 3);
    return shaped(b, OP_TRANSPOSE, "perm", v, 1, 0, 2, 3);
}

static Value *softmax(Builder *b, Value *x)
{
    Value *axis = integer(b, -1);
    Op *op = op_new(b->f, OP_SOFTMAX, (Span){0});
    op_set(op, "x", x);
    op_set(op, "axis", axis);
    return finish(b, op);
}

static Value *attention(Builder *b, Value *x, const char *at, int64_t n)
{
    int64_t dim = x->type->dim[1];
    Value *qkv = linear(b, x, arena_printf(&b->m->arena, "%s.c_attn", at), 3 * dim);
    Value *parts = integer(b, 3), *axis = integer(b, -1);
    Op *split = op_new(b->f, OP_SPLIT, (Span){0});
    op_set(split, "x", qkv);
    op_set(split, "num_splits", parts);
    op_set(split, "axis", axis);
    finish(b, split);
    Value *q = heads(b, split->result[0], n), *k = unary(b, OP_CACHE, heads(b, split->result[1], n));
    Value *v = unary(b, OP_CACHE, heads(b, split->result[2], n));
    Value *s = binary(b, OP_MATMUL, q, shaped(b, OP_TRANSPOSE, "perm", k, 0, 2, 1, 3));
    s = unary(b, OP_CAUSAL, binary(b, OP_MUL, s, number(b, 1 / sqrt((double)dim / (double)n))));
    Value *c = shaped(b, OP_TRANSPOSE, "perm", binary(b, OP_MATMUL, softmax(b, s), v), 1, 0, 2, 3);
    c = shaped(b, OP_RESHAPE, "shape", c, DIM_S, dim, 0, 2);
    return linear(b, c, arena_printf(&b->m->arena, "%s.c_proj", at), dim);
}

static Value *mlp(Builder *b, Value *x, const char *at)
{
    int64_t dim = x->type->dim[1];
    Value *h = linear(b, x, arena_printf(&b->m->arena, "%s.c_fc", at), 4 * dim);
    Op *gelu = op_new(b->f, OP_GELU, (Span){0});
    op_set(gelu, "x", h);
    op_set(gelu, "mode", inline_string(b->m, "TANH_APPROXIMATION"));
    return linear(b, finish(b, gelu), arena_printf(&b->m->arena, "%s.c_proj", at), dim);
}

static Builder begin(bool alien)
{
    static const int64_t s[1] = {DIM_S};
    Type ids = type_tensor(DT_INT32, 1, s);
    Builder b = {.m = module_new("1.3"), .alien = alien};
    b.f = func_new(b.m, alien ? "other" : "gpt2", "ios18");
    func_add_param(b.f, "token", &ids, (Span){0});
    func_add_param(b.f, "position", &ids, (Span){0});
    return b;
}

static Module *gpt2(int layers, int64_t n, int64_t dim, int64_t context, int64_t vocab, bool alien)
{
    Builder b = begin(alien);
    Arena *a = &b.m->arena;
    Value *x = binary(&b, OP_ADD, gather(&b, "wte", vocab, dim, b.f->param[0]),
                      gather(&b, "wpe", context, dim, b.f->param[1]));
    for (int i = 0; i < layers; i++) {
        x = binary(
            &b, OP_ADD, x,
            attention(&b, norm(&b, x, arena_printf(a, "h.%d.ln_1", i)), arena_printf(a, "h.%d.attn", i), n));
        x = binary(&b, OP_ADD, x,
                   mlp(&b, norm(&b, x, arena_printf(a, "h.%d.ln_2", i)), arena_printf(a, "h.%d.mlp", i)));
    }
    func_add_output(b.f, linear(&b, norm(&b, x, "ln_f"), "head", vocab));
    return b.m;
}

/* ---- running ---- */

static Plan *run(const Module *m, PipelineOptions o, Diags *diags)
{
    if (!o.model.context)
        o.model = (ModelInfo){.name = "test", .context = 64, .vocab = 32, .bos = -1, .eos = -1};
    return passes_run(m->func[0], &o, diags);
}

static int count_kind(const Plan *plan, const char *kind)
{
    int n = 0;
    for (int i = 0; i < plan->programs; i++)
        n += strcmp(plan->program[i]->kind, kind) == 0;
    return n;
}

static const Func *find_program(const Plan *plan, const char *name)
{
    for (int i = 0; i < plan->programs; i++)
        if (strcmp(plan->program[i]->name, name) == 0)
            return plan->program[i]->module->func[0];
    return NULL;
}

/* ---- what programs there are ---- */

static void test_counts(void)
{
    Diags diags = {.out = stdout};
    Module *m = gpt2(3, 2, 8, 64, 32, false);
    Plan *plan = run(m, (PipelineOptions){0}, &diags);
    CHECK(plan && diags.errors == 0);
    if (plan) {
        CHECK(count_kind(plan, "attention") == 3 * 2); /* buckets 32 and 64 */
        CHECK(count_kind(plan, "mlp") == 2 * 2); /* the last one is the head's */
        CHECK(count_kind(plan, "cpu") == 2);
        CHECK(count_kind(plan, "head") == 1 && count_kind(plan, "decode") == 1);
        CHECK(plan->programs == 14 && plan->entries == 4 && plan->states == 6);
        CHECK_TEXT(plan->state[5].name, "cache_005");
        CHECK(plan->entry[0].kind == ENTRY_PREFILL && plan->entry[0].bucket == 32);
        CHECK(plan->entry[0].steps == 11); /* 5 programs, 6 functions before, between and behind */
        const Step *s = &plan->entry[1].step[1];
        CHECK_TEXT(s->program->name, "attention_00.s0064");
        CHECK(s->stores == 2);
        CHECK_TEXT(s->store[1].state, "cache_001");
        CHECK_TEXT(s->store[1].buffer, "attention_00.result");
        CHECK(s->store[0].first == 8 && s->store[1].first == 16 && s->store[1].count == 8);
    }
    plan_free(plan);
    module_free(m);
}

static void test_ports(void)
{
    Diags diags = {.out = stdout};
    Module *m = gpt2(1, 2, 8, 64, 32, false);
    Plan *plan = run(m, (PipelineOptions){0}, &diags);
    const Func *f = plan ? find_program(plan, "attention_00.s0032") : NULL;
    static const int64_t in[4] = {1, 8, 1, 32}, out[4] = {1, 24, 1, 32};
    Type x = type_tensor(DT_FP16, 4, in), result = type_tensor(DT_FP16, 4, out);
    CHECK(f && f->params == 1 && type_equal(f->param[0]->type, &x));
    CHECK(f && f->outputs == 1 && type_equal(f->output[0]->type, &result));
    for (const Op *op = f ? f->first : NULL; op; op = op->next) {
        const char *name = op->result[0]->name;
        CHECK(op->label && strcmp(op->label, name) == 0);
        CHECK(op_from_spelling(name, strlen(name)) == OP_UNKNOWN); /* no name is that of an op */
        FOR_EACH_ARG(op, slot)
            CHECK((*slot)->name != NULL); /* nothing is written in place */
        CHECK(op->code != OP_LINEAR && op->code != OP_SPLIT && op->code != OP_GELU && op->code != OP_CAUSAL);
    }
    plan_free(plan);
    module_free(m);
}

static void print_ane(const Plan *plan, Text *out)
{
    for (int i = 0; i < plan->programs; i++)
        if (strcmp(plan->program[i]->kind, "decode") != 0) { /* it keeps the model's names */
            text_printf(out, "%s %s %s\n", plan->program[i]->name, plan->program[i]->begins ? "b" : "",
                        plan->program[i]->begins ? plan->program[i]->begins : "");
            module_print(out, plan->program[i]->module);
        }
}

/* Neither the names of values nor how attributes are written makes a difference. */
static void test_renaming(void)
{
    Diags diags = {.out = stdout};
    Text text[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++) {
        Module *m = gpt2(2, 2, 8, 64, 32, i == 1);
        Plan *plan = run(m, (PipelineOptions){0}, &diags);
        CHECK(plan != NULL);
        if (plan)
            print_ane(plan, &text[i]);
        plan_free(plan);
        module_free(m);
    }
    CHECK(text[0].size > 1000);
    CHECK(strcmp(text_cstr(&text[0]), text_cstr(&text[1])) == 0);
    text_free(&text[0]);
    text_free(&text[1]);
}

/* ---- buckets ---- */

static void check_buckets(int64_t context, const int64_t *asked, int count, const char *expected)
{
    Diags diags = {.out = stdout};
    Text got = {0};
    Module *m = gpt2(1, 1, 4, context, 8, false);
    PipelineOptions o = {.buckets = asked, .bucket_count = count};
    o.model = (ModelInfo){.name = "test", .context = context, .vocab = 8, .bos = -1, .eos = -1};
    Plan *plan = run(m, o, &diags);
    for (int i = 0; plan && i < plan->entries; i++)
        if (plan->entry[i].kind == ENTRY_PREFILL)
            text_printf(&got, "%s%lld", got.size ? " " : "", (long long)plan->entry[i].bucket);
    CHECK_TEXT(text_cstr(&got), expected);
    text_free(&got);
    plan_free(plan);
    module_free(m);
}

static void test_buckets(void)
{
    static const int64_t few[] = {64, 32}, odd[] = {20, 40, 33}, one[] = {16};
    check_buckets(1024, NULL, 0, "32 64 128 256 512 1024");
    check_buckets(1000, NULL, 0, "32 64 128 256 512 1024");
    check_buckets(256, NULL, 0, "32 64 128 256");
    check_buckets(100, NULL, 0, "32 64 128");
    check_buckets(2048, NULL, 0, "32 64 128 256 512 1024");
    check_buckets(16, NULL, 0, "32");
    check_buckets(16, one, 1, "32");
    check_buckets(1024, few, 2, "32 64");
    check_buckets(64, odd, 3, "32 64");
}

/* ---- fold ---- */

/* A product with a constant matrix, either way round, is a linear; its sum with a vector has a bias. */
static void test_products(void)
{
    for (int turned = 0; turned < 2; turned++) {
        Diags diags = {.out = stdout};
        Builder b = begin(false);
        Value *x = gather(&b, "wte", 32, 4, b.f->param[0]);
        Value *w = weight(&b, "w", 2, turned ? 32 : 4, turned ? 4 : 32);
        Op *op = op_new(b.f, OP_MATMUL, (Span){0});
        op_set(op, "x", x);
        op_set(op, "y", w);
        op_set(op, "transpose_y", inline_bool(b.m, turned));
        func_add_output(b.f, binary(&b, OP_ADD, weight(&b, "bias", 1, 32, 0), finish(&b, op)));
        Plan *plan = run(b.m, (PipelineOptions){0}, &diags);
        const Func *f = plan ? find_program(plan, "head") : NULL;
        int found = 0;
        for (op = f ? f->first : NULL; op; op = op->next) {
            CHECK(op->code != OP_MATMUL && op->code != OP_ADD);
            found += op->code == OP_LINEAR && op_arg(op, "bias");
            if (op->code == OP_CONST && op->literal->kind == LIT_WEIGHT &&
                strcmp(op->literal->weight.name, "w") == 0)
                CHECK(op->literal->weight.transposed == !turned && op->result[0]->type->dim[0] == 32);
        }
        CHECK(found == 1);
        plan_free(plan);
        module_free(b.m);
    }
}

/* sqrt(2 * 8) / 4 - 1 = 0: the sum with x is x. */
static void test_arithmetic(void)
{
    Diags diags = {.out = stdout};
    Builder b = begin(false);
    Value *c = binary(&b, OP_MUL, number(&b, 2), number(&b, 8));
    c = binary(&b, OP_SUB, binary(&b, OP_REAL_DIV, unary(&b, OP_SQRT, c), number(&b, 4)), number(&b, 1));
    Value *x = gather(&b, "wte", 32, 4, b.f->param[0]);
    func_add_output(b.f, linear(&b, binary(&b, OP_ADD, c, x), "head", 32));
    Text stats = {0};
    Plan *plan = run(b.m, (PipelineOptions){.stats = &stats}, &diags);
    CHECK(plan && strstr(text_cstr(&stats), "constants computed 4, neutral operations 1"));
    text_free(&stats);
    plan_free(plan);
    module_free(b.m);
}

/* ---- ranges ---- */

static double scale;

static bool read_constant(void *context, const WeightRef *ref, const Type *type, int64_t first, int64_t count,
                          DType as, void *out, Error *err)
{
    const char *dot = strrchr(ref->name, '.');
    bool bias = dot && strcmp(dot, ".bias") == 0;
    float number = bias ? 0 : strstr(ref->name, "ln_") ? 1 : (float)scale;
    for (int64_t i = 0; i < count; i++) {
        if (as == DT_FP16)
            ((uint16_t *)out)[i] = half_from_float(number);
        else
            ((float *)out)[i] = number;
    }
    return true;
}

/* D = 16, gamma = 1: |x|_2 <= 4, |w|_2 = 4 * scale, so that a projection is at most 16 * scale; scores of d =
 * 8 at most 8 * (16 * scale)^2; the projection of the context 16 * scale * 16 * scale; and so on. */
static void test_ranges(void)
{
    WeightSource source = {.read = read_constant};
    for (int large = 0; large < 2; large++) {
        Diags diags = {.out = stdout};
        Text text = {0};
        Module *m = gpt2(2, 2, 16, 64, 32, false);
        scale = large ? 4 : 0.5;
        Plan *plan = run(m, (PipelineOptions){.explain = &text, .weights = &source}, &diags);
        CHECK(plan != NULL);
        if (large) {
            /* 8 * 64^2 = 32768: at the limit, and beyond it with what rounding adds. The MLP's second
             * sum: 64 terms of 4 * 64 = 16384: below it. */
            CHECK_TOLD(strstr(text_cstr(&text), "none beyond 3.33e+04 (scores)"), "%s", text_cstr(&text));
            CHECK(strstr(text_cstr(&text), "8 sums stay below it whatever the input, 2 are expected to"));
        } else {
            CHECK(strstr(text_cstr(&text), "10 sums stay below it whatever the input, 0 are expected to"));
        }
        text_free(&text);
        plan_free(plan);
        module_free(m);
    }
}

/* ---- mistakes ---- */

static void test_errors(void)
{
    Diags diags = {0};
    Module *m = gpt2(1, 1, 4, 64, 8, false);
    CHECK(!run(m, (PipelineOptions){.profile = "m99"}, &diags) && diags.errors == 1);
    CHECK(!run(m, (PipelineOptions){.dump_stages = "fold,nothing"}, &diags) && diags.errors == 2);
    module_free(m);
    Builder b = begin(false);
    func_add_output(b.f, gather(&b, "wte", 8, 4, b.f->param[0]));
    func_add_output(b.f, b.f->output[0]);
    CHECK(!run(b.m, (PipelineOptions){0}, &diags) && diags.errors == 3);
    module_free(b.m);
}

int main(void)
{
    test_counts();
    test_ports();
    test_renaming();
    test_buckets();
    test_products();
    test_arithmetic();
    test_ranges();
    test_errors();
    return check_report();
}
