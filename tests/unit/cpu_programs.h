/* Programs for the tests of the CPU device: MIL text that is put together line by line, weights behind
 * BLOBFILE offsets, one run with all ports bound, and the numbers in double precision. Include once. */
#ifndef TESTS_UNIT_CPU_PROGRAMS_H
#define TESTS_UNIT_CPU_PROGRAMS_H

#include <math.h>

#include "base/half.h"
#include "frontend/mil/mil.h"
#include "runtime/device.h"
#include "runtime/kernels/kernels.h"
#include "tests/unit/check.h"

/* ---- numbers ---- */

static uint32_t seed = 1;

static inline float next_random(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)((int32_t)(seed >> 8) - (1 << 23)) * 0x1p-23f;
}

static inline uint16_t *random_half(int64_t n, float size)
{
    uint16_t *v = malloc((size_t)n * sizeof *v);
    for (int64_t i = 0; i < n; i++)
        v[i] = half_from_float(size * next_random());
    return v;
}

static inline float *random_float(int64_t n, float size)
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

static inline bool find_blob(void *context, const char *path, uint64_t offset, DType dtype, int64_t elements,
                             const void **data, Error *err)
{
    uint64_t i = offset / 64 - 1;
    if (strcmp(path, "@model_path/weights/w.bin") != 0 || i >= (uint64_t)blobs || blob[i].dtype != dtype ||
        blob[i].elements != elements)
        return error_set(err, "no such blob");
    *data = blob[i].data;
    return true;
}

static const BlobResolver resolver = {.find = find_blob};

/* ---- programs as text ---- */

static Text text;

static inline void line(const char *fmt, ...) PRINTF_LIKE(1, 2);
static inline void line(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    text_vprintf(&text, fmt, ap);
    va_end(ap);
    text_puts(&text, ";\n");
}

static inline void begin(const char *params, ...) PRINTF_LIKE(1, 2);
static inline void begin(const char *params, ...)
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

static inline void end(const char *outputs)
{
    text_printf(&text, "        } -> (%s);\n}", outputs);
}

static inline void blob_const(const char *name, const char *type, const void *data, DType dtype,
                              int64_t elements)
{
    blob[blobs++] = (struct Blob){data, dtype, elements};
    line("%s %s = const()[name = string(\"%s\"), val = %s(BLOBFILE(path = "
         "string(\"@model_path/weights/w.bin\"), "
         "offset = uint64(%d)))]",
         type, name, name, type, 64 * blobs);
}

static inline const char *halves(const char *dims, ...) PRINTF_LIKE(1, 2);
static inline const char *halves(const char *dims, ...)
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

static inline void conv_consts(void)
{
    line("tensor<int32, [2]> st = const()[val = tensor<int32, [2]>([1, 1])]");
    line("tensor<int32, [2]> dl = const()[val = tensor<int32, [2]>([1, 1])]");
    line("tensor<int32, [4]> pd = const()[val = tensor<int32, [4]>([0, 0, 0, 0])]");
    line("string pt = const()[val = string(\"valid\")]");
    line("int32 gr = const()[val = int32(1)]");
    line("bool no = const()[val = bool(false)]");
    line("bool yes = const()[val = bool(true)]");
}

static inline void conv(const char *out, int channels, int s, const char *weight, const char *x)
{
    line("%s %s = conv(dilations = dl, groups = gr, pad = pd, pad_type = pt, strides = st, "
         "weight = %s, x = %s)"
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

static inline void note_step(void *context, const TraceStep *s)
{
    size_t n = strlen(kinds);
    snprintf(kinds + n, sizeof kinds - n, "%s%s", n ? " " : "", s->kind);
    all_finite = all_finite && s->nans == 0 && s->infinities == 0;
    CHECK(s->seconds >= 0 && s->bytes >= 0 && s->flops >= 0 && s->name && s->type && s->least <= s->most);
}

static inline Module *read_text(void)
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

static inline bool bind_all(const Kernel *k, const Bind *bind, int count, PortData *data)
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
static inline bool run_once(DeviceOptions options, const Bind *bind, int count, Error *err)
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

static inline double worst_half(const uint16_t *a, const uint16_t *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = half_to_float(a[i]), y = half_to_float(b[i]);
        worst = fmax(worst, fabs(x - y) / fmax(1, fabs(y)));
    }
    return worst;
}

/* Rounding to fp16, for values near 1; two values that are rounded may end twice as far apart. */
#define ROUNDING 0x1.1p-11

/* What a result may be off by, on levels whose decode rounds x to 11 bits too (kernels.h). */
static inline double allowed(double exact, double rounded)
{
    return kernels_get()->half_input ? rounded : exact;
}

/* ---- in double precision ---- */

/* y[m][s] = W[m][k] x[k][s] + b[m] */
static inline double *project(const uint16_t *w, const uint16_t *b, const double *x, int m, int k, int s)
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

static inline double *widen(const uint16_t *x, int64_t n)
{
    double *y = malloc((size_t)n * sizeof *y);
    for (int64_t i = 0; i < n; i++)
        y[i] = half_to_float(x[i]);
    return y;
}

/* One query of one head: q[d], keys and values at [first, last], rows `step` and elements `next` apart. */
static inline void attend(const double *q, const double *k, const double *v, int d, int64_t step,
                          int64_t next, int first, int last, double scale, double *out, int64_t out_next,
                          int64_t q_next)
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

#endif
