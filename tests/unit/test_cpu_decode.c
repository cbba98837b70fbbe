/* Decode programs on the CPU device: a KV cache in states, several steps, against double precision. */
#include "tests/unit/cpu_programs.h"

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
    line("%s %snew = slice_update(begin = %sbeg, end = %send, update = %s16, x = %sold)[name = "
         "string(\"%snew\")]",
         all, x, x, x, x, x, x);
    line("write_state(data = %snew, input = %s)", x, state);
    line("tensor<fp32, [%d, %d, %d]> %s32 = cast(dtype = string(\"fp32\"), x = %snew)[name = "
         "string(\"%s32\")]",
         h, t, d, x, x, x);
}

static void write_head(const DecodeData *m, const char *name)
{
    line("tensor<fp32, [1, %d, %d]> %sr = reshape(shape = tensor<int32, [3]>([1, %d, %d]), x = %s0)"
         "[name = string(\"%sr\")]",
         m->heads, m->d, name, m->heads, m->d, name, name);
    line("tensor<fp32, [%d, 1, %d]> %s = transpose(perm = tensor<int32, [3]>([1, 0, 2]), x = "
         "%sr)[name = string(\"%s\")]",
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
    line("%s e16 = gather(axis = int32(0), batch_dims = int32(0), indices = token, "
         "validate_indices = bool(false), "
         "x = wte_h)",
         halves("1, %d", c));
    line("tensor<fp32, [1, %d]> e = cast(dtype = string(\"fp32\"), x = e16)", c);
    line("tensor<fp32, [1, %d]> n = layer_norm(axes = tensor<int32, [1]>([-1]), epsilon = "
         "fp32(0x1.4f8b58p-17), "
         "gamma = gamma, x = e)",
         c);
    line("tensor<fp32, [1, %d]> qkv = linear(bias = bias, weight = w_in, x = n)", 3 * c);
    line("tensor<fp32, [1, %d]> q0, tensor<fp32, [1, %d]> k0, tensor<fp32, [1, %d]> v0 = "
         "split(axis = int32(1), "
         "num_splits = int32(3), x = qkv)",
         c, c, c);
    write_head(m, "q");
    write_head(m, "k");
    write_head(m, "v");
    write_cached(m, "k", "k_00");
    write_cached(m, "v", "v_00");
    if (m->window) { /* the other spelling of the same */
        line("tensor<fp32, [%d, %d, %d]> kt = transpose(perm = tensor<int32, [3]>([0, 2, 1]), x = k32)", h, d,
             t);
        line("tensor<fp32, [%d, 1, %d]> s = matmul(x = q, y = kt)", h, t);
    } else {
        line("tensor<fp32, [%d, 1, %d]> s = matmul(transpose_x = bool(false), transpose_y = bool(true), "
             "x = q, y = k32)",
             h, t);
    }
    line("tensor<fp32, [%d, 1, %d]> sc = real_div(x = s, y = fp32(0x1p+1))", h, t);
    line("tensor<fp32, [%d, 1, %d]> ms = add(x = sc, y = mask)", h, t);
    line("tensor<fp32, [%d, 1, %d]> p = softmax(axis = int32(-1), x = ms)", h, t);
    line("tensor<fp32, [%d, 1, %d]> a = matmul(transpose_x = bool(false), transpose_y = "
         "bool(false), x = p, y = v32)",
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
            CHECK(ok && worst_float(x[i].logits, logits, VOCAB) <= allowed(2e-3, 4e-3));
            if (!ok)
                printf("    %s\n", err.text);
            if (i)
                CHECK_TEXT(kinds,
                           "gather layer_norm matvec state state attention+cache matvec+residual matvec");
        }
        CHECK(memcmp(x[1].logits, x[2].logits, sizeof x[1].logits) == 0);
        CHECK(memcmp(x[1].logits, x[3].logits, sizeof x[1].logits) == 0);
    }
    double rounding = allowed(ROUNDING, 2 * ROUNDING);
    CHECK(worst_half(x[1].k, k, (int64_t)n) <= rounding && worst_half(x[1].v, v, (int64_t)n) <= rounding);
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

/* States outside the fused form: twice written in one run, in program order, and rounded to their type. */
static void test_plain_state(void)
{
    float x[2] = {0.25f, 1000.125f}, y[2];
    Error err = {{0}};
    begin("state<tensor<fp16, [2]>> s, tensor<fp32, [2]> x");
    line("tensor<fp16, [2]> old = read_state(input = s)");
    line("tensor<fp16, [2]> x16 = cast(dtype = string(\"fp16\"), x = x)");
    line("tensor<fp16, [2]> once = add(x = old, y = x16)");
    line("write_state(data = once, input = s)");
    line("tensor<fp16, [2]> again = read_state(input = s)");
    line("tensor<fp16, [2]> twice = mul(x = again, y = fp16(0x1p+1))");
    line("write_state(data = twice, input = s)");
    line("tensor<fp32, [2]> y = cast(dtype = string(\"fp32\"), x = old)");
    end("y");
    for (int generic = 0; generic < 2; generic++) {
        uint16_t state[2] = {half_from_float(1), 0};
        Bind bind[] = {{PORT_STATE, "s", state, 4}, {PORT_INPUT, "x", x, 8}, {PORT_OUTPUT, "y", y, 8}};
        CHECK(run_once((DeviceOptions){.threads = 1, .generic = generic}, bind, 3, &err));
        CHECK(y[0] == 1 && y[1] == 0); /* what was there before the run */
        CHECK(half_to_float(state[0]) == 2.5f && half_to_float(state[1]) == 2000);
        CHECK(run_once((DeviceOptions){.threads = 1, .generic = generic}, bind, 3, &err));
        CHECK(y[0] == 2.5f && half_to_float(state[0]) == 5.5f && half_to_float(state[1]) == 6000);
    }
}

int main(void)
{
    test_plain_state();
    test_decode(2, 4, 6, 0);
    test_decode(3, 20, 37, 0);
    test_decode(2, 16, 19, 5);
    text_free(&text);
    return check_report();
}
