/* The CPU device on whole programs: its fused steps against its plain evaluators and against double
 * precision, for several numbers of threads; states over several steps; ports; errors. */
#include <math.h>

#include "base/half.h"
#include "frontend/mil/mil.h"
#include "runtime/device.h"
#include "tests/unit/check.h"

/* ---- numbers ---- */

static uint32_t seed = 1;

static float next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)((int32_t)(seed >> 8) - (1 << 23)) * 0x1p-23f;
}

static uint16_t *random_half(int64_t n, float size)
{
    uint16_t *v = malloc((size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++)
        v[i] = half_from_float(size * next_random());
    return v;
}

static float *random_float(int64_t n, float size)
{
    float *v = malloc((size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++)
        v[i] = size * next_random();
    return v;
}

/* ---- weights, named by BLOBFILE offsets ---- */

enum { MOST_BLOBS = 64 };
static struct Blob {
    const void *data;
    DType dtype;
    int64_t elements;
} blob[MOST_BLOBS];
static int blobs;

static bool find_blob(void *context, const char *path, uint64_t offset, DType dtype, int64_t elements,
                      const void **data, Error *err)
{
    uint64_t i = offset / 64 - 1;
    if (strcmp(path, "@model_path/weights/w.bin") != 0 || i >= (uint64_t)blobs || blob[i].dtype != dtype ||
        blob[i].elements != elements)
        return error_set(err, "no such blob");
    *data = blob[i].data;
    return true;
}

static const BlobResolver resolver = {find_blob, NULL};

/* ---- programs as text ---- */

static Text text;

static void line(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void line(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&text, fmt, ap);
    va_end(ap);
    text_puts(&text, ";\n");
}

static void begin(const char *params, ...) PRINTF_LIKE(1, 2);
static void begin(const char *params, ...)
{
    va_list ap;
    text_clear(&text);
    blobs = 0;
    text_puts(&text, "program(1.3)\n{\n    func main<ios18>(");
    va_start(ap, params);
    text_vprintf(&text, params, ap);
    va_end(ap);
    text_puts(&text, ") {\n");
}

static void end(const char *outputs)
{
    text_printf(&text, "        } -> (%s);\n}", outputs);
}

static void blob_const(const char *name, const char *type, const void *data, DType dtype, int64_t elements)
{
    blob[blobs++] = (struct Blob){data, dtype, elements};
    line(
        "%s %s = const()[name = string(\"%s\"), val = %s(BLOBFILE(path = string(\"@model_path/weights/w.bin\"), "
        "offset = uint64(%d)))]",
        type, name, name, type, 64 * blobs);
}

static const char *halves(const char *dims, ...) PRINTF_LIKE(1, 2);
static const char *halves(const char *dims, ...)
{
    static char type[4][96];
    static int at;
    char inner[64];
    va_list ap;
    va_start(ap, dims);
    vsnprintf(inner, sizeof inner, dims, ap);
    va_end(ap);
    at = (at + 1) % 4;
    snprintf(type[at], sizeof type[at], "tensor<fp16, [%s]>", inner);
    return type[at];
}

static void conv_consts(void)
{
    line("tensor<int32, [2]> st = const()[val = tensor<int32, [2]>([1, 1])]");
    line("tensor<int32, [2]> dl = const()[val = tensor<int32, [2]>([1, 1])]");
    line("tensor<int32, [4]> pd = const()[val = tensor<int32, [4]>([0, 0, 0, 0])]");
    line("string pt = const()[val = string(\"valid\")]");
    line("int32 gr = const()[val = int32(1)]");
    line("bool no = const()[val = bool(false)]");
    line("bool yes = const()[val = bool(true)]");
}

static void conv(const char *out, int channels, int s, const char *weight, const char *x)
{
    line(
        "%s %s = conv(dilations = dl, groups = gr, pad = pd, pad_type = pt, strides = st, weight = %s, x = %s)"
        "[name = string(\"%s\")]",
        halves("1, %d, 1, %d", channels, s), out, weight, x, out);
}

/* ---- running ---- */

typedef struct Bind {
    PortKind kind;
    const char *name;
    void *data;
    size_t bytes;
} Bind;

static char kinds[4096]; /* of the steps of the last traced run */
static bool all_finite;

static void note_step(void *context, const TraceStep *s)
{
    size_t n = strlen(kinds);
    snprintf(kinds + n, sizeof kinds - n, "%s%s", n ? " " : "", s->kind);
    all_finite = all_finite && s->nans == 0 && s->infinities == 0;
    CHECK(s->seconds >= 0 && s->bytes >= 0 && s->flops >= 0 && s->name && s->type && s->least <= s->most);
}

static Module *read_text(void)
{
    static Source source;
    Diags diags = {.out = stdout, .quiet = true};
    source = (Source){"test.mil", text_cstr(&text), text.size};
    Module *m = mil_read(&source, &diags);
    if (!m || diags.errors) {
        printf("%s\n", text_cstr(&text));
        exit(1);
    }
    return m;
}

static bool bind_all(const Kernel *k, const Bind *bind, int count, PortData *data)
{
    if (k->ports != count)
        return false;
    for (int i = 0; i < count; i++) {
        int port = kernel_port(k, bind[i].kind, bind[i].name);
        if (port < 0)
            return false;
        data[port] = (PortData){bind[i].data, bind[i].bytes};
    }
    return true;
}

/* Compiles the text, runs it once and traces. */
static bool run_once(DeviceOptions options, const Bind *bind, int count, Error *err)
{
    Trace trace = {.ranges = true, .step = note_step};
    PortData data[16];
    Module *m = read_text();
    Device *d = cpu_device_open(&options, err);
    Kernel *k = d ? device_compile(d, module_find(m, "main"), &resolver, err) : NULL;
    kinds[0] = 0;
    all_finite = true;
    bool ok = k && bind_all(k, bind, count, data) && device_run(k, data, count, &trace, err);
    kernel_release(k);
    device_close(d);
    module_free(m);
    return ok;
}

static double worst_half(const uint16_t *a, const uint16_t *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = half_to_float(a[i]), y = half_to_float(b[i]);
        worst = fmax(worst, fabs(x - y) / fmax(1, fabs(y)));
    }
    return worst;
}

static double worst_double(const uint16_t *a, const double *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++)
        worst = fmax(worst, fabs(half_to_float(a[i]) - b[i]) / fmax(1, fabs(b[i])));
    return worst;
}

/* Rounding to fp16, for values near 1; two values that are rounded may end twice as far apart. */
#define ROUNDING 0x1.1p-11

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
    line(
        "%s %s4 = slice_by_size(begin = tensor<int32, [4]>([0, %d, 0, 0]), size = tensor<int32, [4]>([1, %d, 1, %d]), "
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

/* y[m][s] = W[m][k] x[k][s] + b[m] */
static double *project(const uint16_t *w, const uint16_t *b, const double *x, int m, int k, int s)
{
    double *y = malloc((size_t)m * (size_t)s * sizeof *y);
    for (int i = 0; i < m; i++)
        for (int t = 0; t < s; t++) {
            double sum = b ? half_to_float(b[i]) : 0;
            for (int j = 0; j < k; j++)
                sum += half_to_float(w[(int64_t)i * k + j]) * x[(int64_t)j * s + t];
            y[(int64_t)i * s + t] = sum;
        }
    return y;
}

static double *widen(const uint16_t *x, int64_t n)
{
    double *y = malloc((size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++)
        y[i] = half_to_float(x[i]);
    return y;
}

/* One query of one head: q[d], keys and values at [first, last], rows `step` and elements `next` apart. */
static void attend(const double *q, const double *k, const double *v, int d, int64_t step, int64_t next,
                   int first, int last, double scale, double *out, int64_t out_next, int64_t q_next)
{
    double *p = malloc((size_t)(last + 1) * sizeof *p), sum = 0;
    for (int t = first; t <= last; t++) {
        double dot = 0;
        for (int i = 0; i < d; i++)
            dot += q[i * q_next] * k[t * step + i * next];
        sum += p[t] = exp(dot * scale);
    }
    for (int i = 0; i < d; i++) {
        double y = 0;
        for (int t = first; t <= last; t++)
            y += p[t] / sum * v[t * step + i * next];
        out[i * out_next] = y;
    }
    free(p);
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

/* ---- decode: one layer over a KV cache, the form of decode.mil ---- */

enum { VOCAB = 11 };

typedef struct DecodeData {
    int heads, d, t, window;
    uint16_t *wte, *w_in, *w_out, *gamma, *bias;
} DecodeData;

static void write_cached(const DecodeData *m, const char *x, const char *state)
{
    int h = m->heads, d = m->d, t = m->t;
    const char *row = halves("%d, 1, %d", h, d), *all = halves("%d, %d, %d", h, t, d);
    line("%s %s16 = cast(dtype = string(\"fp16\"), x = %s)[name = string(\"%s16\")]", row, x, x, x);
    line("%s %sold = read_state(input = %s)[name = string(\"%sold\")]", all, x, state, x);
    line("tensor<int32, [3]> %sbeg = concat(axis = int32(0), interleave = bool(false), "
         "values = (tensor<int32, [1]>([0]), position, tensor<int32, [1]>([0])))[name = string(\"%sbeg\")]",
         x, x);
    line("tensor<int32, [3]> %send = concat(axis = int32(0), interleave = bool(false), "
         "values = (tensor<int32, [1]>([%d]), next, tensor<int32, [1]>([%d])))[name = string(\"%send\")]",
         x, h, d, x);
    line(
        "%s %snew = slice_update(begin = %sbeg, end = %send, update = %s16, x = %sold)[name = string(\"%snew\")]",
        all, x, x, x, x, x, x);
    line("write_state(data = %snew, input = %s)", x, state);
    line(
        "tensor<fp32, [%d, %d, %d]> %s32 = cast(dtype = string(\"fp32\"), x = %snew)[name = string(\"%s32\")]",
        h, t, d, x, x, x);
}

static void write_head(const DecodeData *m, const char *name)
{
    line("tensor<fp32, [1, %d, %d]> %sr = reshape(shape = tensor<int32, [3]>([1, %d, %d]), x = %s0)"
         "[name = string(\"%sr\")]",
         m->heads, m->d, name, m->heads, m->d, name, name);
    line(
        "tensor<fp32, [%d, 1, %d]> %s = transpose(perm = tensor<int32, [3]>([1, 0, 2]), x = %sr)[name = string(\"%s\")]",
        m->heads, m->d, name, name, name);
}

static void write_mask(const DecodeData *m)
{
    int t = m->t;
    line("tensor<int32, [%d]> r = range_1d(end = int32(%d), start = int32(0), step = int32(1))", t, t);
    line("tensor<bool, [%d]> not_later = less_equal(x = r, y = position)", t);
    if (m->window) {
        line("tensor<int32, [1]> oldest = sub(x = position, y = tensor<int32, [1]>([%d]))", m->window);
        line("tensor<bool, [%d]> near = greater(x = r, y = oldest)", t);
        line("tensor<bool, [%d]> seen = logical_and(x = not_later, y = near)", t);
    }
    line("tensor<fp32, [%d]> mask = select(a = fp32(0x0p+0), b = fp32(-0x1.388p+13), cond = %s)", t,
         m->window ? "seen" : "not_later");
}

static void wide_const(const char *name, int rows, int columns, const uint16_t *data)
{
    char half[32];
    snprintf(half, sizeof half, "%s_h", name);
    if (rows) {
        blob_const(half, halves("%d, %d", rows, columns), data, DT_FP16, (int64_t)rows * columns);
        line("tensor<fp32, [%d, %d]> %s = cast(dtype = string(\"fp32\"), x = %s)[name = string(\"%s\")]",
             rows, columns, name, half, name);
    } else {
        blob_const(half, halves("%d", columns), data, DT_FP16, columns);
        line("tensor<fp32, [%d]> %s = cast(dtype = string(\"fp32\"), x = %s)[name = string(\"%s\")]", columns,
             name, half, name);
    }
}

static void write_decode(const DecodeData *m)
{
    int h = m->heads, d = m->d, t = m->t, c = h * d;
    begin("state<tensor<fp16, [%d, %d, %d]>> k_00, tensor<int32, [1]> position, tensor<int32, [1]> token, "
          "state<tensor<fp16, [%d, %d, %d]>> v_00",
          h, t, d, h, t, d);
    line("tensor<int32, [1]> next = add(x = position, y = tensor<int32, [1]>([1]))");
    write_mask(m);
    wide_const("wte", VOCAB, c, m->wte);
    wide_const("w_in", 3 * c, c, m->w_in);
    wide_const("w_out", c, c, m->w_out);
    wide_const("gamma", 0, c, m->gamma);
    wide_const("bias", 0, 3 * c, m->bias);
    line(
        "%s e16 = gather(axis = int32(0), batch_dims = int32(0), indices = token, validate_indices = bool(false), "
        "x = wte_h)",
        halves("1, %d", c));
    line("tensor<fp32, [1, %d]> e = cast(dtype = string(\"fp32\"), x = e16)", c);
    line(
        "tensor<fp32, [1, %d]> n = layer_norm(axes = tensor<int32, [1]>([-1]), epsilon = fp32(0x1.4f8b58p-17), "
        "gamma = gamma, x = e)",
        c);
    line("tensor<fp32, [1, %d]> qkv = linear(bias = bias, weight = w_in, x = n)", 3 * c);
    line(
        "tensor<fp32, [1, %d]> q0, tensor<fp32, [1, %d]> k0, tensor<fp32, [1, %d]> v0 = split(axis = int32(1), "
        "num_splits = int32(3), x = qkv)",
        c, c, c);
    write_head(m, "q");
    write_head(m, "k");
    write_head(m, "v");
    write_cached(m, "k", "k_00");
    write_cached(m, "v", "v_00");
    line(
        "tensor<fp32, [%d, 1, %d]> s = matmul(transpose_x = bool(false), transpose_y = bool(true), x = q, y = k32)",
        h, t);
    line("tensor<fp32, [%d, 1, %d]> sc = real_div(x = s, y = fp32(0x1p+1))", h, t);
    line("tensor<fp32, [%d, 1, %d]> ms = add(x = sc, y = mask)", h, t);
    line("tensor<fp32, [%d, 1, %d]> p = softmax(axis = int32(-1), x = ms)", h, t);
    line(
        "tensor<fp32, [%d, 1, %d]> a = matmul(transpose_x = bool(false), transpose_y = bool(false), x = p, y = v32)",
        h, d);
    line("tensor<fp32, [1, %d, %d]> at = transpose(perm = tensor<int32, [3]>([1, 0, 2]), x = a)", h, d);
    line("tensor<fp32, [1, %d]> ar = reshape(shape = tensor<int32, [2]>([1, %d]), x = at)", c, c);
    line("tensor<fp32, [1, %d]> o = linear(weight = w_out, x = ar)", c);
    line("tensor<fp32, [1, %d]> res = add(x = e, y = o)", c);
    line("tensor<fp32, [1, %d]> logits = linear(weight = wte, x = res)", VOCAB);
    end("logits");
}

/* The same in double precision; only the cache is fp16. */
static void decode_reference(const DecodeData *m, int token, int position, uint16_t *k, uint16_t *v,
                             double *logits)
{
    int c = m->heads * m->d, t = m->t, d = m->d;
    double *e = widen(m->wte + token * c, c), *n = malloc((size_t)c * sizeof *n), mean = 0, variance = 0;
    for (int i = 0; i < c; i++)
        mean += e[i] / c;
    for (int i = 0; i < c; i++)
        variance += (e[i] - mean) * (e[i] - mean) / c;
    for (int i = 0; i < c; i++)
        n[i] = (e[i] - mean) / sqrt(variance + 1e-5) * half_to_float(m->gamma[i]);
    double *qkv = project(m->w_in, m->bias, n, 3 * c, c, 1), *mixed = n;
    for (int h = 0; h < m->heads; h++) {
        int64_t first = (int64_t)h * t * d, row = first + (int64_t)position * d;
        for (int i = 0; i < d; i++) {
            k[row + i] = half_from_float((float)qkv[c + h * d + i]);
            v[row + i] = half_from_float((float)qkv[2 * c + h * d + i]);
        }
        double *keys = widen(k + first, (int64_t)t * d), *values = widen(v + first, (int64_t)t * d);
        int oldest = m->window && position >= m->window ? position - m->window + 1 : 0;
        attend(qkv + h * d, keys, values, d, d, 1, oldest, position, 0.5, mixed + h * d, 1, 1);
        free(keys);
        free(values);
    }
    double *o = project(m->w_out, NULL, mixed, c, c, 1);
    for (int i = 0; i < c; i++)
        o[i] += e[i];
    double *out = project(m->wte, NULL, o, VOCAB, c, 1);
    memcpy(logits, out, VOCAB * sizeof *out);
    free(out);
    free(o);
    free(qkv);
    free(n);
    free(e);
}

typedef struct Decoder {
    Device *device;
    Kernel *kernel;
    uint16_t *k, *v;
    int32_t token, position;
    float logits[VOCAB];
    PortData data[5];
} Decoder;

static void decoder_open(Decoder *x, const Module *m, const DecodeData *data, DeviceOptions options)
{
    Error err;
    size_t n = (size_t)data->heads * (size_t)data->t * (size_t)data->d;
    x->k = calloc(n, 2);
    x->v = calloc(n, 2);
    Bind bind[] = {{PORT_STATE, "k_00", x->k, n * 2},
                   {PORT_STATE, "v_00", x->v, n * 2},
                   {PORT_INPUT, "token", &x->token, 4},
                   {PORT_INPUT, "position", &x->position, 4},
                   {PORT_OUTPUT, "logits", x->logits, VOCAB * 4}};
    x->device = cpu_device_open(&options, &err);
    x->kernel = device_compile(x->device, module_find(m, "main"), &resolver, &err);
    CHECK(x->kernel && bind_all(x->kernel, bind, 5, x->data));
}

static bool decoder_run(Decoder *x, int token, int position, Error *err)
{
    Trace trace = {.step = note_step};
    x->token = token;
    x->position = position;
    kinds[0] = 0;
    return device_run(x->kernel, x->data, 5, &trace, err);
}

static void decoder_close(Decoder *x)
{
    kernel_release(x->kernel);
    device_close(x->device);
    free(x->k);
    free(x->v);
}

static double worst_float(const float *a, const double *b, int n)
{
    double worst = 0;
    for (int i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)a[i] - b[i]) / fmax(1, fabs(b[i])));
    return worst;
}

static void decoder_errors(Decoder *x, int t)
{
    static const struct {
        int token, position;
    } bad[] = {{0, -1}, {0, 1 << 20}, {VOCAB, 0}, {-VOCAB - 1, 0}, {INT32_MIN, INT32_MAX}};
    Error err;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!decoder_run(x, bad[i].token, bad[i].position, &err) && strstr(err.text, "out of range"));
    CHECK(!decoder_run(x, 0, t, &err) && strstr(err.text, "out of range"));
}

static void test_decode(int heads, int d, int t, int window)
{
    int c = heads * d;
    DecodeData m = {heads,
                    d,
                    t,
                    window,
                    random_half(VOCAB * c, 1),
                    random_half((int64_t)3 * c * c, 2 / sqrtf((float)c)),
                    random_half((int64_t)c * c, 1 / sqrtf((float)c)),
                    random_half(c, 1),
                    random_half(3 * c, 0.5f)};
    write_decode(&m);
    Module *module = read_text();
    Decoder x[4];
    for (int i = 0; i < 4; i++)
        decoder_open(&x[i], module, &m, (DeviceOptions){.threads = i ? i : 1, .generic = i == 0});
    size_t n = (size_t)heads * (size_t)t * (size_t)d;
    uint16_t *k = calloc(n, 2), *v = calloc(n, 2);
    double logits[VOCAB];
    Error err = {{0}};
    for (int p = 0; p < t; p++) {
        int token = (p * 7 + 3) % VOCAB;
        decode_reference(&m, token, p, k, v, logits);
        for (int i = 0; i < 4; i++) {
            bool ok = decoder_run(&x[i], token, p, &err);
            CHECK(ok && worst_float(x[i].logits, logits, VOCAB) <= 2e-3);
            if (!ok)
                printf("    %s\n", err.text);
            if (i)
                CHECK_TEXT(kinds,
                           "gather layer_norm matvec state state attention+cache matvec+residual matvec");
        }
        CHECK(memcmp(x[1].logits, x[2].logits, sizeof x[1].logits) == 0);
        CHECK(memcmp(x[1].logits, x[3].logits, sizeof x[1].logits) == 0);
    }
    CHECK(worst_half(x[1].k, k, (int64_t)n) <= ROUNDING && worst_half(x[1].v, v, (int64_t)n) <= ROUNDING);
    CHECK(worst_half(x[0].k, k, (int64_t)n) <= ROUNDING && worst_half(x[0].v, v, (int64_t)n) <= ROUNDING);
    decoder_errors(&x[0], t);
    decoder_errors(&x[1], t);
    for (int i = 0; i < 4; i++)
        decoder_close(&x[i]);
    module_free(module);
    free(k);
    free(v);
    free(m.wte);
    free(m.w_in);
    free(m.w_out);
    free(m.gamma);
    free(m.bias);
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
    CHECK(worst <= 2e-6);
    if (worst > 2e-6)
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
    line(
        "tensor<fp32, [2, 3, 3]> s = matmul(transpose_x = bool(false), transpose_y = bool(true), x = x, y = t)");
    line("tensor<fp32, [2, 3]> sum = reduce_sum(axes = " INTS(1, "1") ", keep_dims = bool(false), x = s)");
    line("tensor<fp32, [2, 2, 3]> out = stack(axis = int32(1), values = (sum, sum))");
    end("out");
    check_plain(24, 12, "matmul reduce_sum stack");
    free(w);
    free(b);
}

/* What looks like a fused form and is none: the inner value is used elsewhere, the shapes differ. */
static void test_near_misses(void)
{
    uint16_t *w = random_half(64, 1);
    begin("tensor<fp32, [1, 8, 1, 6]> x");
    conv_consts();
    blob_const("w", halves("8, 8, 1, 1"), w, DT_FP16, 64);
    line("tensor<fp32, [8, 8, 1, 1]> wide = cast(dtype = string(\"fp32\"), x = w)");
    line(
        "tensor<fp32, [1, 8, 1, 6]> c = conv(dilations = dl, groups = gr, pad = pd, pad_type = pt, strides = st, "
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
    line(
        "tensor<fp32, [1, 8, 1, 4]> c = conv(dilations = dl, groups = gr, pad = pd, pad_type = pt, strides = st, "
        "weight = w, x = x)");
    line("tensor<fp32, [1, 8, 1, 4]> out = add(x = c, y = tensor<fp32, [4]>([1, 2, 3, 4]))");
    end("out");
    check_plain(48, 32, "conv add");
    free(wide);
    free(w);
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
    test_decode(2, 4, 6, 0);
    test_decode(3, 20, 37, 0);
    test_decode(2, 16, 19, 5);
    test_views();
    test_near_misses();
    test_glue();
    test_numerics();
    test_ports();
    test_refused();
    text_free(&text);
    return check_report();
}
