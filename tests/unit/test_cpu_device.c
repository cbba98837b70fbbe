/* The CPU device on whole programs: its fused steps against its plain evaluators and against double
 * precision, for several numbers of threads; ports; errors. */
#include <sys/mman.h>

#include "tests/unit/cpu_programs.h"

static double worst_double(const uint16_t *a, const double *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++)
        worst = fmax(worst, fabs(half_to_float(a[i]) - b[i]) / fmax(1, fabs(b[i])));
    return worst;
}

/* Runs [1, c_in, 1, s] -> [1, c_out, 1, s] in fp16 on fused and plain devices and with 1, 2 and 3 threads. */
static uint16_t *check_forms(uint16_t *x, int64_t ins, int64_t outs, const char *expected, double tolerance)
{
    uint16_t *out[4];
    Error err = {{0}};
    for (int i = 0; i < 4; i++) {
        out[i] = calloc((size_t)outs, sizeof *out[i]);
        Bind bind[] = {{PORT_INPUT, "x", x, (size_t)ins * 2}, {PORT_OUTPUT, "out", out[i], (size_t)outs * 2}};
        bool ok = run_once((DeviceOptions){.threads = i ? i : 1, .generic = i == 0}, bind, 2, &err);
        CHECK(ok && all_finite);
        if (!ok)
            printf("    %s\n", err.text);
        if (i)
            CHECK_TEXT(kinds, expected);
    }
    double plain = worst_half(out[1], out[0], outs);
    CHECK(plain <= tolerance);
    if (plain > tolerance)
        printf("    fused and plain differ by %g\n", plain);
    CHECK(memcmp(out[1], out[2], (size_t)outs * 2) == 0);
    CHECK(memcmp(out[1], out[3], (size_t)outs * 2) == 0);
    free(out[0]);
    free(out[2]);
    free(out[3]);
    return out[1];
}

/* ---- attention, the form of an ANE program ---- */

typedef struct AttentionData {
    int heads, d, s, window;
    uint16_t *x, *w_in, *b_in, *w_out, *b_out, *mask;
} AttentionData;

static AttentionData attention_data(int heads, int d, int s, int window)
{
    int64_t c = heads * d;
    AttentionData a = {heads,
                       d,
                       s,
                       window,
                       random_half(c * s, 1),
                       random_half(3 * c * c, 2 / sqrtf((float)c)),
                       random_half(3 * c, 0.5f),
                       random_half(c * c, 1 / sqrtf((float)c)),
                       random_half(c, 0.5f),
                       NULL};
    a.mask = malloc((size_t)s * (size_t)s * 2);
    for (int q = 0; q < s; q++)
        for (int k = 0; k < s; k++)
            a.mask[q * s + k] = half_from_float(k > q || (window && k <= q - window) ? (float)MASKED : 0);
    return a;
}

static void attention_free(AttentionData *a)
{
    free(a->x);
    free(a->w_in);
    free(a->b_in);
    free(a->w_out);
    free(a->b_out);
    free(a->mask);
}

static void write_part(const char *name, int index, const AttentionData *a)
{
    int c = a->heads * a->d;
    line("%s %s4 = slice_by_size(begin = tensor<int32, [4]>([0, %d, 0, 0]), size = tensor<int32, "
         "[4]>([1, %d, 1, %d]), "
         "x = qkv)[name = string(\"%s4\")]",
         halves("1, %d, 1, %d", c, a->s), name, index * c, c, a->s, name);
    line("%s %s3 = reshape(shape = tensor<int32, [4]>([1, %d, %d, %d]), x = %s4)[name = string(\"%s3\")]",
         halves("1, %d, %d, %d", a->heads, a->d, a->s), name, a->heads, a->d, a->s, name, name);
    line("%s %s = transpose(perm = tensor<int32, [4]>([0, 1, 3, 2]), x = %s3)[name = string(\"%s\")]",
         halves("1, %d, %d, %d", a->heads, a->s, a->d), name, name, name);
}

static void write_attention(const AttentionData *a)
{
    int c = a->heads * a->d, h = a->heads, d = a->d, s = a->s;
    begin("tensor<fp16, [1, %d, 1, %d]> x", c, s);
    conv_consts();
    blob_const("w_in", halves("%d, %d, 1, 1", 3 * c, c), a->w_in, DT_FP16, (int64_t)3 * c * c);
    conv("qkv_0", 3 * c, s, "w_in", "x");
    blob_const("b_in", halves("1, %d, 1, 1", 3 * c), a->b_in, DT_FP16, 3 * c);
    line("%s qkv = add(x = qkv_0, y = b_in)", halves("1, %d, 1, %d", 3 * c, s));
    write_part("q", 0, a);
    write_part("k", 1, a);
    write_part("v", 2, a);
    const char *square = halves("1, %d, %d, %d", h, s, s);
    line("%s scores = matmul(transpose_x = no, transpose_y = yes, x = q, y = k)", square);
    line("fp16 scale = const()[val = fp16(%a)]", 1.0 / (d == 4 ? 2 : 8));
    line("%s scaled = mul(x = scores, y = scale)", square);
    blob_const("mask", halves("1, 1, %d, %d", s, s), a->mask, DT_FP16, (int64_t)s * s);
    square = halves("1, %d, %d, %d", h, s, s);
    line("%s masked = add(x = scaled, y = mask)", square);
    line("%s p = softmax(axis = int32(-1), x = masked)", square);
    line("%s a = matmul(transpose_x = no, transpose_y = no, x = p, y = v)", halves("1, %d, %d, %d", h, s, d));
    line("%s at = transpose(perm = tensor<int32, [4]>([0, 1, 3, 2]), x = a)",
         halves("1, %d, %d, %d", h, d, s));
    line("%s ar = reshape(shape = tensor<int32, [4]>([1, %d, 1, %d]), x = at)", halves("1, %d, 1, %d", c, s),
         c, s);
    blob_const("w_out", halves("%d, %d, 1, 1", c, c), a->w_out, DT_FP16, (int64_t)c * c);
    conv("o_0", c, s, "w_out", "ar");
    blob_const("b_out", halves("1, %d, 1, 1", c), a->b_out, DT_FP16, c);
    line("%s o = add(x = o_0, y = b_out)", halves("1, %d, 1, %d", c, s));
    line("%s out = concat(axis = int32(1), interleave = no, values = (o, k4, v4))",
         halves("1, %d, 1, %d", 3 * c, s));
    end("out");
}

static double *attention_reference(const AttentionData *a)
{
    int c = a->heads * a->d, s = a->s;
    double *x = widen(a->x, (int64_t)c * s), *qkv = project(a->w_in, a->b_in, x, 3 * c, c, s);
    double *mixed = malloc((size_t)c * (size_t)s * sizeof *mixed);
    for (int h = 0; h < a->heads; h++)
        for (int t = 0; t < s; t++) {
            const double *head = qkv + (int64_t)h * a->d * s;
            int first = a->window && t >= a->window ? t - a->window + 1 : 0;
            attend(head + t, head + (int64_t)c * s, head + (int64_t)2 * c * s, a->d, 1, s, first, t,
                   1.0 / (a->d == 4 ? 2 : 8), mixed + (int64_t)h * a->d * s + t, s, s);
        }
    double *out = project(a->w_out, a->b_out, mixed, c, c, s);
    memcpy(qkv, out, (size_t)c * (size_t)s * sizeof *out);
    free(out);
    free(mixed);
    free(x);
    return qkv;
}

static void test_attention(int heads, int d, int s, int window, const char *steps)
{
    AttentionData a = attention_data(heads, d, s, window);
    int64_t n = (int64_t)heads * d * s;
    write_attention(&a);
    uint16_t *out = check_forms(a.x, n, 3 * n, steps, 2 * ROUNDING);
    double *want = attention_reference(&a);
    double worst = worst_double(out, want, 3 * n);
    CHECK(worst <= ROUNDING);
    if (worst > ROUNDING)
        printf("    attention %d x %d, S = %d: off by %g\n", heads, d, s, worst);
    free(want);
    free(out);
    attention_free(&a);
}

/* ---- MLP: the tanh-form GELU in several spellings ---- */

static void write_gelu(const char *spelling, const char *h, const char *type)
{
    if (strcmp(spelling, "native") == 0) {
        line("%s g = gelu(mode = string(\"TANH_APPROXIMATION\"), x = %s)", type, h);
        return;
    }
    bool cube = strcmp(spelling, "pow") != 0;
    if (cube) {
        line("%s h2 = mul(x = %s, y = %s)", type, h, h);
        line("%s h3 = mul(x = h2, y = %s)", type, h);
    } else {
        line("%s h3 = pow(x = %s, y = fp16(0x1.8p+1))", type, h);
    }
    line("%s c3 = mul(x = h3, y = fp16(0x1.6e4p-5))", type);
    line("%s in = add(x = %s, y = c3)", type, h);
    line("%s sc = mul(x = in, y = fp16(0x1.988p-1))", type);
    line("%s th = tanh(x = sc)", type);
    line("%s on = add(x = th, y = fp16(0x1p+0))", type);
    if (cube) {
        line("%s hh = mul(x = %s, y = fp16(0x1p-1))", type, h);
        line("%s g = mul(x = hh, y = on)", type);
    } else {
        line("%s oh = mul(x = fp16(0x1p-1), y = on)", type);
        line("%s g = mul(x = oh, y = %s)", type, h);
    }
}

static void test_mlp(int c, int s, const char *spelling)
{
    int f = 4 * c;
    uint16_t *x = random_half((int64_t)c * s, 2), *w1 = random_half((int64_t)f * c, 2 / sqrtf((float)c));
    uint16_t *w2 = random_half((int64_t)f * c, 1 / sqrtf((float)c)), *b1 = random_half(f, 1),
             *b2 = random_half(c, 1);
    begin("tensor<fp16, [1, %d, 1, %d]> x", c, s);
    conv_consts();
    blob_const("w1", halves("%d, %d, 1, 1", f, c), w1, DT_FP16, (int64_t)f * c);
    conv("h_0", f, s, "w1", "x");
    blob_const("b1", halves("1, %d, 1, 1", f), b1, DT_FP16, f);
    const char *type = halves("1, %d, 1, %d", f, s);
    line("%s h = add(x = b1, y = h_0)", type);
    write_gelu(spelling, "h", type);
    blob_const("w2", halves("%d, %d, 1, 1", c, f), w2, DT_FP16, (int64_t)f * c);
    conv("o_0", c, s, "w2", "g");
    blob_const("b2", halves("1, %d, 1, 1", c), b2, DT_FP16, c);
    line("%s out = add(x = o_0, y = b2)", halves("1, %d, 1, %d", c, s));
    end("out");
    const char *steps = s == 1 ? "convert matvec+gelu matvec output" : "convert linear+gelu linear output";
    /* The fused form has the exact constants, the decomposed one those that fp16 holds. */
    uint16_t *out = check_forms(x, (int64_t)c * s, (int64_t)c * s, steps, 2 * ROUNDING + 1e-4);
    double *wide = widen(x, (int64_t)c * s), *h = project(w1, b1, wide, f, c, s);
    for (int64_t i = 0; i < (int64_t)f * s; i++)
        h[i] = 0.5 * h[i] * (1 + tanh(0.79788456080286535588 * (h[i] + 0.044715 * h[i] * h[i] * h[i])));
    double *want = project(w2, b2, h, c, f, s);
    CHECK(worst_double(out, want, (int64_t)c * s) <= ROUNDING);
    free(want);
    free(h);
    free(wide);
    free(out);
    free(x);
    free(w1);
    free(w2);
    free(b1);
    free(b2);
}

/* Matrices are used where they lie: compiling reads none of them, and copies none. */
static void test_lazy(void)
{
    enum { C = 256, S = 32 };
    size_t bytes = 2 * C * C;
    void *closed = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANON, -1, 0);
    CHECK(closed != MAP_FAILED);
    uint16_t *bias = random_half(C, 1);
    begin("tensor<fp16, [1, %d, 1, %d]> x", C, S);
    conv_consts();
    blob_const("w", halves("%d, %d, 1, 1", C, C), closed, DT_FP16, C * C);
    conv("c", C, S, "w", "x");
    blob_const("b", halves("1, %d, 1, 1", C), bias, DT_FP16, C);
    line("%s out = add(x = c, y = b)", halves("1, %d, 1, %d", C, S));
    end("out");
    Error err;
    Module *m = read_text();
    Device *d = cpu_device_open(&(DeviceOptions){.threads = 1}, &err);
    Kernel *k = device_compile(d, m->func[0], &resolver, &err);
    CHECK(k && k->constants <= 4 * C + 1024 && k->workspace <= 8 * C * S && k->steps == 3);
    kernel_release(k);
    device_close(d);
    module_free(m);
    free(bias);
    munmap(closed, bytes);
}

/* ---- programs of many forms: fused against plain ---- */

/* Runs the text, whose ports are x fp32 [ins] and out fp32 [outs]; the fused and the plain result must agree.
 */
static void check_plain(int64_t ins, int64_t outs, const char *expected)
{
    float *x = random_float(ins, 2), *out[2];
    Error err = {{0}};
    for (int i = 0; i < 2; i++) {
        out[i] = calloc((size_t)outs, sizeof *out[i]);
        Bind bind[] = {{PORT_INPUT, "x", x, (size_t)ins * 4}, {PORT_OUTPUT, "out", out[i], (size_t)outs * 4}};
        bool ok = run_once((DeviceOptions){.threads = 2, .generic = i == 0}, bind, 2, &err);
        CHECK(ok && all_finite);
        if (!ok)
            printf("    %s\n%s\n", err.text, text_cstr(&text));
    }
    if (expected)
        CHECK_TEXT(kinds, expected);
    double worst = 0;
    for (int64_t i = 0; i < outs; i++)
        worst = fmax(worst, fabs((double)out[0][i] - (double)out[1][i]) / fmax(1, fabs((double)out[0][i])));
    CHECK(worst <= allowed(2e-6, 1e-3));
    if (worst > allowed(2e-6, 1e-3))
        printf("    off by %g (%s)\n%s\n", worst, kinds, text_cstr(&text));
    free(out[0]);
    free(out[1]);
    free(x);
}

#define INTS(n, list) "tensor<int32, [" #n "]>([" list "])"

static void test_views(void)
{
    begin("tensor<fp32, [2, 3, 4, 5]> x");
    line("tensor<fp32, [5, 2, 4, 3]> a = transpose(perm = " INTS(4, "3, 0, 2, 1") ", x = x)");
    line("tensor<fp32, [10, 12]> b = reshape(shape = " INTS(2, "10, 12") ", x = a)");
    line("tensor<fp32, [4, 6]> c = slice_by_index(begin = " INTS(2, "2, 3") ", end = " INTS(
        2, "6, -3") ", x = b)");
    line("tensor<fp32, [1, 6]> d, tensor<fp32, [3, 6]> e = split(axis = int32(0), split_sizes = " INTS(
        2, "1, 3") ", x = c)");
    line("tensor<fp32, [3, 6]> f = mul(x = d, y = e)");
    line("tensor<fp32, [6, 3]> g = transpose(perm = " INTS(2, "1, 0") ", x = f)");
    line("tensor<fp32, [6, 3]> out = softmax(axis = int32(0), x = g)");
    end("out");
    check_plain(120, 18, "copy mul softmax output");

    begin("tensor<fp32, [7, 16]> x"); /* rows: layer_norm, linear and residual as rows */
    line("tensor<fp32, [7, 16]> n = layer_norm(axes = " INTS(1, "1") ", x = x)");
    uint16_t *w = random_half(256, 1), *b = random_half(16, 1);
    blob_const("w", halves("16, 16"), w, DT_FP16, 256);
    blob_const("b", halves("16"), b, DT_FP16, 16);
    line("tensor<fp32, [16, 16]> wide = cast(dtype = string(\"fp32\"), x = w)");
    line("tensor<fp32, [16]> bias = cast(dtype = string(\"fp32\"), x = b)");
    line("tensor<fp32, [7, 16]> l = linear(bias = bias, weight = wide, x = n)");
    line("tensor<fp32, [7, 16]> r = relu(x = l)");
    line("tensor<fp32, [7, 16]> m = linear(weight = wide, x = r)");
    line("tensor<fp32, [7, 16]> out = add(x = x, y = m)");
    end("out");
    check_plain(112, 112, "layer_norm copy linear+relu copy linear+residual output");

    begin("tensor<fp32, [2, 3, 4]> x"); /* matmul with batches that repeat */
    line("tensor<fp32, [1, 3, 4]> t = slice_by_size(begin = " INTS(3, "1, 0, 0") ", size = " INTS(
        3, "1, 3, 4") ", x = x)");
    line("tensor<fp32, [2, 3, 3]> s = matmul(transpose_x = bool(false), transpose_y = "
         "bool(true), x = x, y = t)");
    line("tensor<fp32, [2, 3]> sum = reduce_sum(axes = " INTS(1, "1") ", keep_dims = bool(false), x = s)");
    line("tensor<fp32, [2, 2, 3]> out = stack(axis = int32(1), values = (sum, sum))");
    end("out");
    check_plain(24, 12, "matmul reduce_sum stack");
    free(w);
    free(b);
}

/* What looks like a fused form and is none: the inner value is used elsewhere, the shapes differ. */
/* A projection of `tokens` rows whose weight is of 8 bits, with scales for blocks of `block`. */
static void write_bytes(int64_t tokens, int64_t m, int64_t k, int64_t block, const int8_t *q,
                        const uint16_t *scale)
{
    char type[64];
    begin("tensor<fp32, [%lld, %lld]> x", (long long)tokens, (long long)k);
    snprintf(type, sizeof type, "tensor<int8, [%lld, %lld]>", (long long)m, (long long)k);
    blob_const("q", type, q, DT_INT8, m * k);
    blob_const("s", halves("%lld, %lld", (long long)m, (long long)(k / block)), scale, DT_FP16,
               m * k / block);
    line("%s h = constexpr_blockwise_shift_scale(data = q, scale = s)",
         halves("%lld, %lld", (long long)m, (long long)k));
    line("tensor<fp32, [%lld, %lld]> w = cast(dtype = string(\"fp32\"), x = h)", (long long)m, (long long)k);
    line("tensor<fp32, [%lld, %lld]> out = linear(weight = w, x = x)", (long long)tokens, (long long)m);
    end("out");
}

/* Weights of 8 bits are multiplied as they are stored where their blocks are the kernels'; else they are
 * unpacked to fp16, as evaluated op by op. */
static void test_bytes(int64_t tokens, int64_t m, int64_t k)
{
    uint16_t *scale = random_half(m * k, 0.002f);
    int8_t *q = malloc((size_t)(m * k));
    float *x = random_float(tokens * k, 1), *out = calloc((size_t)(tokens * m), sizeof *out);
    for (int64_t i = 0; i < m * k; i++)
        q[i] = (int8_t)(127 * next_random());
    write_bytes(tokens, m, k, 16, q, scale);
    check_plain(tokens * k, tokens * m, NULL);
    write_bytes(tokens, m, k, 32, q, scale);
    Bind bind[] = {{PORT_INPUT, "x", x, (size_t)(tokens * k) * 4},
                   {PORT_OUTPUT, "out", out, (size_t)(tokens * m) * 4}};
    Error err = {{0}};
    CHECK(run_once((DeviceOptions){.threads = 2}, bind, 2, &err));
    CHECK(strstr(kinds, tokens == 1 ? "matvec" : "linear") && !strstr(kinds, "convert"));
    double worst = 0;
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t i = 0; i < m; i++) {
            double sum = 0, size = 0;
            for (int64_t j = 0; j < k; j++) {
                double product =
                    q[i * k + j] * (double)half_to_float(scale[(i * k + j) / 32]) * (double)x[t * k + j];
                sum += product;
                size += fabs(product);
            }
            worst = fmax(worst, fabs((double)out[t * m + i] - sum) / size);
        }
    CHECK_TOLD(worst <= 2e-5, "off by %g", worst);
    free(scale);
    free(q);
    free(x);
    free(out);
}

/* Three products with one vector are one step; with several rows they are not. */
static void test_together(int rows)
{
    enum { K = 40, M = 24 };
    uint16_t *w = random_half(3 * M * K, 0.2f), *bias = random_half(M, 1);
    begin("tensor<fp32, [%d, 40]> x", rows);
    for (int i = 0; i < 3; i++) {
        char name[8];
        snprintf(name, sizeof name, "h%d", i);
        blob_const(name, halves("%d, %d", M, K), w + i * M * K, DT_FP16, M * K);
        line("tensor<fp32, [24, 40]> w%d = cast(dtype = string(\"fp32\"), x = h%d)", i, i);
    }
    blob_const("b", halves("%d", M), bias, DT_FP16, M);
    line("tensor<fp32, [24]> bias = cast(dtype = string(\"fp32\"), x = b)");
    line("tensor<fp32, [%d, 24]> q = linear(weight = w0, x = x)", rows);
    line("tensor<fp32, [%d, 24]> r = relu(x = q)", rows);
    line("tensor<fp32, [%d, 24]> s = mul(x = q, y = r)", rows); /* q is needed beside its activation */
    line("tensor<fp32, [%d, 24]> k = linear(bias = bias, weight = w1, x = x)", rows);
    line("tensor<fp32, [%d, 24]> t = sub(x = s, y = k)", rows);
    line("tensor<fp32, [%d, 24]> g0 = linear(weight = w2, x = x)", rows);
    line("tensor<fp32, [%d, 24]> g = sigmoid(x = g0)", rows);
    line("tensor<fp32, [%d, 24]> out = mul(x = t, y = g)", rows);
    end("out");
    check_plain(rows * K, rows * M, rows == 1 ? "matvecs relu mul sub mul" : NULL);
    free(w);
    free(bias);
}

static void test_near_misses(void)
{
    uint16_t *w = random_half(64, 1);
    begin("tensor<fp32, [1, 8, 1, 6]> x");
    conv_consts();
    blob_const("w", halves("8, 8, 1, 1"), w, DT_FP16, 64);
    line("tensor<fp32, [8, 8, 1, 1]> wide = cast(dtype = string(\"fp32\"), x = w)");
    line("tensor<fp32, [1, 8, 1, 6]> c = conv(dilations = dl, groups = gr, pad = pd, pad_type = "
         "pt, strides = st, "
         "weight = wide, x = x)");
    line("tensor<fp32, [1, 8, 1, 6]> a = tanh(x = c)");
    line("tensor<fp32, [1, 8, 1, 6]> s = sigmoid(x = c)");
    line("tensor<fp32, [1, 8, 1, 6]> g = mul(x = s, y = c)"); /* silu, but c has another
                                                                                       use */
    line("tensor<fp32, [1, 8, 1, 6]> out = add(x = a, y = g)");
    end("out");
    check_plain(48, 48, "linear tanh silu add");

    begin("tensor<fp32, [1, 8, 1, 6]> x"); /* a 3-wide conv, and a constant of another shape */
    uint16_t *wide = random_half(192, 1);
    conv_consts();
    blob_const("half", halves("8, 8, 1, 3"), wide, DT_FP16, 192);
    line("tensor<fp32, [8, 8, 1, 3]> w = cast(dtype = string(\"fp32\"), x = half)");
    line("tensor<fp32, [1, 8, 1, 4]> c = conv(dilations = dl, groups = gr, pad = pd, pad_type = "
         "pt, strides = st, "
         "weight = w, x = x)");
    line("tensor<fp32, [1, 8, 1, 4]> out = add(x = c, y = tensor<fp32, [4]>([1, 2, 3, 4]))");
    end("out");
    check_plain(48, 32, "conv add");
    free(wide);
    free(w);
}

/* The activations that arithmetic may spell, told apart: the two gelus differ by no more than 4.7e-4. */
static void test_activations(void)
{
    begin("tensor<fp32, [300]> x");
    line("tensor<fp32, [300]> a = mul(x = fp32(0x1.6a09e6p-1), y = x)");
    line("tensor<fp32, [300]> b = erf(x = a)");
    line("tensor<fp32, [300]> c = add(x = fp32(0x1p+0), y = b)");
    line("tensor<fp32, [300]> d = mul(x = c, y = x)");
    line("tensor<fp32, [300]> out = mul(x = d, y = fp32(0x1p-1))");
    end("out");
    check_plain(300, 300, "gelu");

    begin("tensor<fp32, [300]> x");
    line("tensor<fp32, [300]> a = square(x = x)");
    line("tensor<fp32, [300]> b = mul(x = a, y = fp32(0x1.6e4e26p-5))");
    line("tensor<fp32, [300]> c = add(x = b, y = fp32(0x1p+0))");
    line("tensor<fp32, [300]> d = mul(x = c, y = x)");
    line("tensor<fp32, [300]> e = mul(x = d, y = fp32(0x1.988454p-1))");
    line("tensor<fp32, [300]> f = tanh(x = e)");
    line("tensor<fp32, [300]> g = add(x = f, y = fp32(0x1p+0))");
    line("tensor<fp32, [300]> h = mul(x = g, y = x)");
    line("tensor<fp32, [300]> out = real_div(x = h, y = fp32(0x1p+1))");
    end("out");
    check_plain(300, 300, "gelu");

    begin("tensor<fp32, [300]> x");
    line("tensor<fp32, [300]> a = mul(x = x, y = fp32(-0x1p+0))");
    line("tensor<fp32, [300]> b = exp(x = a)");
    line("tensor<fp32, [300]> c = add(x = b, y = fp32(0x1p+0))");
    line("tensor<fp32, [300]> out = real_div(x = x, y = c)");
    end("out");
    check_plain(300, 300, "silu");

    begin("tensor<fp32, [300]> x"); /* the sigmoid form of gelu is none of them */
    line("tensor<fp32, [300]> a = mul(x = x, y = fp32(0x1.b3b646p+0))");
    line("tensor<fp32, [300]> b = sigmoid(x = a)");
    line("tensor<fp32, [300]> out = mul(x = x, y = b)");
    end("out");
    check_plain(300, 300, "mul sigmoid mul");
}

/* fp32 glue between ANE programs: residual, norm over the channels, cast to fp16. */
static void test_glue(void)
{
    enum { C = 24, S = 37 };
    float *x = random_float(C * S, 3), *sum = calloc(C * S, 4);
    uint16_t *y = random_half(C * S, 1), *n = calloc(C * S, 2), *gamma = random_half(C, 1);
    begin("tensor<fp32, [1, 24, 1, 37]> x, tensor<fp16, [1, 24, 1, 37]> y");
    blob_const("gamma", halves("24"), gamma, DT_FP16, C);
    line("tensor<fp32, [24]> wide = cast(dtype = string(\"fp32\"), x = gamma)");
    line("tensor<fp32, [1, 24, 1, 37]> y32 = cast(dtype = string(\"fp32\"), x = y)");
    line("tensor<fp32, [1, 24, 1, 37]> sum = add(x = x, y = y32)");
    line("tensor<fp32, [1, 24, 1, 37]> n32 = layer_norm(axes = " INTS(1, "1") ", epsilon = fp32(0x1p-10), "
                                                                              "gamma = wide, x = sum)[name = "
                                                                              "string(\"n32\")]");
    line("tensor<fp16, [1, 24, 1, 37]> n = cast(dtype = string(\"fp16\"), x = n32)");
    end("n, sum");
    Bind bind[] = {{PORT_INPUT, "x", x, sizeof(float) * C * S},
                   {PORT_INPUT, "y", y, 2 * C * S},
                   {PORT_OUTPUT, "n", n, 2 * C * S},
                   {PORT_OUTPUT, "sum", sum, sizeof(float) * C * S}};
    Error err;
    CHECK(run_once((DeviceOptions){.threads = 2}, bind, 4, &err));
    CHECK_TEXT(kinds, "convert add layer_norm output");
    double worst = 0;
    for (int s = 0; s < S; s++) {
        double mean = 0, variance = 0;
        for (int c = 0; c < C; c++) {
            CHECK(sum[c * S + s] == x[c * S + s] + half_to_float(y[c * S + s]));
            mean += sum[c * S + s] / C;
        }
        for (int c = 0; c < C; c++)
            variance += (sum[c * S + s] - mean) * (sum[c * S + s] - mean) / C;
        for (int c = 0; c < C; c++) {
            double want = (sum[c * S + s] - mean) / sqrt(variance + 0x1p-10) * half_to_float(gamma[c]);
            worst = fmax(worst, fabs(half_to_float(n[c * S + s]) - want) / fmax(1, fabs(want)));
        }
    }
    CHECK(worst <= ROUNDING);
    free(x);
    free(y);
    free(n);
    free(sum);
    free(gamma);
}

/* Inside, fp16 is kept as fp32, unless every value is to be stored as it is declared. */
static void test_numerics(void)
{
    float x[2] = {1.0f + 0x1p-20f, 70000.0f}, y[2];
    begin("tensor<fp32, [2]> x");
    line("tensor<fp16, [2]> h = cast(dtype = string(\"fp16\"), x = x)");
    line("tensor<fp32, [2]> y = cast(dtype = string(\"fp32\"), x = h)");
    end("y");
    Bind bind[] = {{PORT_INPUT, "x", x, 8}, {PORT_OUTPUT, "y", y, 8}};
    Error err;
    CHECK(run_once((DeviceOptions){.threads = 1}, bind, 2, &err) && y[0] == x[0] && y[1] == x[1] &&
          all_finite);
    CHECK(run_once((DeviceOptions){.threads = 1, .generic = true}, bind, 2, &err) && y[0] == x[0] &&
          y[1] == x[1]);
    CHECK(run_once((DeviceOptions){.threads = 1, .numerics = NUMERICS_STORED}, bind, 2, &err));
    CHECK(y[0] == 1 && isinf(y[1]) && !all_finite);
}

/* ---- ports and errors ---- */

static void test_ports(void)
{
    float x[4] = {1, 2, 3, 4}, y[4], room[6];
    int32_t i[4];
    Error err;
    begin("tensor<fp32, [2, 2]> x");
    line("tensor<fp32, [2, 2]> y = transpose(perm = " INTS(2, "1, 0") ", x = x)");
    line("tensor<int32, [2, 2]> i = cast(dtype = string(\"int32\"), x = y)");
    end("y, i, x");
    Module *m = read_text();
    Device *d = cpu_device_open(NULL, &err);
    Kernel *k = device_compile(d, m->func[0], NULL, &err);
    CHECK(d && k && k->ports == 4 && strcmp(d->name, "cpu") == 0 && strstr(d->description, "thread"));
    CHECK(kernel_port(k, PORT_INPUT, "x") == 0 && kernel_port(k, PORT_OUTPUT, "x") == 3);
    CHECK(kernel_port(k, PORT_OUTPUT, "z") == -1 && kernel_port(k, PORT_STATE, "x") == -1);
    CHECK(k->port[2].bytes == 16 && k->port[2].type->dtype == DT_INT32 && k->port[2].type->rank == 2);
    PortData good[4] = {{x, 16}, {y, 16}, {i, 16}, {room, 16}}, data[4];
    CHECK(device_run(k, good, 4, NULL, &err));
    CHECK(y[0] == 1 && y[1] == 3 && y[2] == 2 && y[3] == 4 && i[1] == 3 && i[2] == 2 && room[2] == 3);
    static const struct {
        int port, offset;
        size_t bytes;
        const char *error;
    } bad[] = {{0, -1, 16, "nothing is bound to `x`"},
               {0, 0, 12, "12 bytes are bound to `x`, which takes 16"},
               {3, 2, 16, "not aligned"}};
    for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
        memcpy(data, good, sizeof data);
        char *at = bad[b].port ? (char *)room : (char *)x;
        data[bad[b].port] = (PortData){bad[b].offset < 0 ? NULL : at + bad[b].offset, bad[b].bytes};
        CHECK(!device_run(k, data, 4, NULL, &err) && strstr(err.text, bad[b].error));
    }
    memcpy(data, good, sizeof data);
    data[1].data = x;
    CHECK(!device_run(k, data, 4, NULL, &err) && strstr(err.text, "overlaps"));
    CHECK(!device_run(k, good, 3, NULL, &err) && strstr(err.text, "3 memories are bound to 4 ports"));
    kernel_release(k);
    kernel_release(NULL);
    device_close(d);
    device_close(NULL);
    module_free(m);
}

static void check_refused(const char *error)
{
    Error err = {{0}};
    Module *m = read_text();
    for (int generic = 0; generic < 2; generic++) {
        Device *d = cpu_device_open(&(DeviceOptions){.threads = 1, .generic = generic}, &err);
        CHECK(!device_compile(d, m->func[0], &resolver, &err) && strstr(err.text, error));
        if (!strstr(err.text, error))
            printf("    \"%s\"\n", err.text);
        device_close(d);
    }
    module_free(m);
}

static void test_refused(void)
{
    begin("tensor<fp32, [?, 4]> x");
    line("tensor<fp32, [?, 4]> y = relu(x = x)");
    end("y");
    check_refused("shapes that are not known before the run are not supported");
    begin("tensor<fp32, [4]> x");
    line("tensor<fp32, [4]> y = no_such_op(x = x)");
    end("y");
    check_refused("the cpu device has no op `no_such_op`");
    begin("tensor<fp32, [4]> x");
    line("tensor<fp32, [4]> w = const()[val = tensor<fp32, [4]>(BLOBFILE(path = "
         "string(\"@model_path/weights/w.bin\"), offset = uint64(64)))]");
    line("tensor<fp32, [4]> y = add(x = x, y = w)");
    end("y");
    check_refused("w: no such blob");
    begin("tensor<fp32, [1000000, 1000000, 1000]> x");
    line("tensor<fp32, [1000000, 1000000, 1000]> y = relu(x = x)");
    end("y");
    check_refused("too large");
}

int main(void)
{
    test_attention(2, 4, 5, 0, "convert linear attention+causal linear concat concat concat");
    test_attention(3, 8, 33, 0, "convert linear attention+causal linear concat concat concat");
    test_attention(3, 16, 40, 7, "convert linear attention+mask linear concat concat concat");
    test_attention(2, 64, 96, 0, "convert linear attention+causal linear concat concat concat");
    test_attention(1, 5, 1, 0, "convert matvec attention+causal matvec concat concat concat");
    test_mlp(8, 5, "mul");
    test_mlp(24, 33, "pow");
    test_mlp(16, 64, "native");
    test_mlp(16, 1, "mul");
    test_together(1);
    test_together(3);
    test_bytes(1, 37, 96);
    test_bytes(5, 18, 192);
    test_lazy();
    test_views();
    test_near_misses();
    test_activations();
    test_glue();
    test_numerics();
    test_ports();
    test_refused();
    text_free(&text);
    return check_report();
}
