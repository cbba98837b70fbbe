#include "tools/anerun/selftest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/half.h"
#include "frontend/mil/mil.h"
#include "runtime/compare.h"
#include "tools/anerun/kinds.h"

/* x and y are [1, 32, 1, S], x in -1 to 1 and y in 0.5 to 1.5; the result is z. In the text, %S is the
 * length, %T a tensor of x's type, %W a weight of 32 by 32. */
typedef struct Case {
    const char *name, *body;
} Case;

#define UNARY(op)                                                                                            \
    {                                                                                                        \
#op, "%T z = " #op "(x = x)[name = string(\"z\")];\n"                                                \
    }
#define BINARY(op)                                                                                           \
    {                                                                                                        \
#op, "%T z = " #op "(x = x, y = y)[name = string(\"z\")];\n"                                         \
    }
#define INT(name, value) "int32 " name " = const()[name = string(\"" name "\"), val = int32(" value ")];\n"
#define BOOL(name, value) "bool " name " = const()[name = string(\"" name "\"), val = bool(" value ")];\n"
#define INTS(name, n, values)                                                                                \
    "tensor<int32, [" n "]> " name " = const()[name = string(\"" name "\"), val = tensor<int32, [" n         \
    "]>([" values "])];\n"
#define TEXT(name, value)                                                                                    \
    "string " name " = const()[name = string(\"" name "\"), val = string(\"" value "\")];\n"
#define CONV                                                                                                 \
    INTS("strides", "2", "1, 1")                                                                             \
    TEXT("pad_type", "valid")                                                                                \
    INTS("pads", "4", "0, 0, 0, 0") INTS("dilations", "2", "1, 1") INT("groups", "1")
#define CONV_OF(result, weight, x)                                                                           \
    "%T " result " = conv(dilations = dilations, groups = groups, pad = pads, pad_type = pad_type, "         \
    "strides = strides, weight = " weight ", x = " x ")[name = string(\"" result "\")];\n"
#define HEADS "tensor<fp16, [1, 4, 8, %S]> "
#define ROWS "tensor<fp16, [1, 4, %S, 8]> "
#define RESHAPE(type, result, x, shape)                                                                      \
    INTS(result "_shape", "4", shape)                                                                        \
    type result " = reshape(shape = " result "_shape, x = " x ")[name = string(\"" result "\")];\n"

static const Case cases[] = {
    BINARY(add),
    BINARY(sub),
    BINARY(mul),
    BINARY(maximum),
    BINARY(minimum),
    UNARY(relu),
    UNARY(sigmoid),
    UNARY(tanh),
    UNARY(exp),
    {"pow(-0.5)", "fp16 e = const()[name = string(\"e\"), val = fp16(-0x1p-1)];\n"
                  "%T z = pow(x = y, y = e)[name = string(\"z\")];\n"},
    {"conv 1x1", "%W(w)" CONV CONV_OF("z", "w", "x")},
    {"softmax", INT("axis", "-1") "%T z = softmax(axis = axis, x = x)[name = string(\"z\")];\n"},
    {"reduce_sum",
     INTS("axes", "1", "1") BOOL(
         "keep", "true") "tensor<fp16, [1, 1, 1, %S]> r = reduce_sum(axes = axes, keep_dims = keep, x = x)"
                         "[name = string(\"r\")];\n"
                         "%T z = add(x = y, y = r)[name = string(\"z\")];\n"},
    {"slice_by_size",
     INTS("begin", "4", "0, 8, 0, 0") INTS(
         "size", "4",
         "1, 16, 1, %S") "tensor<fp16, [1, 16, 1, %S]> z = slice_by_size(begin = begin, size = size, x = x)"
                         "[name = string(\"z\")];\n"},
    {"reshape", RESHAPE(HEADS, "h", "x", "1, 4, 8, %S") RESHAPE("%T ", "z", "h", "1, 32, 1, %S")},
    {"transpose and matmul", RESHAPE(HEADS, "h", "x", "1, 4, 8, %S") RESHAPE(HEADS, "g", "y", "1, 4, 8, %S")
                                 INTS("perm", "4", "0, 1, 3, 2") ROWS
     "r = transpose(perm = perm, x = h)[name = string(\"r\")];\n" BOOL(
         "no",
         "false") "tensor<fp16, [1, 4, %S, %S]> z = matmul(transpose_x = no, transpose_y = no, x = r, y = g)"
                  "[name = string(\"z\")];\n"},
    {"cast", TEXT("wide", "fp32") TEXT(
                 "narrow",
                 "fp16") "tensor<fp32, [1, 32, 1, %S]> f = cast(dtype = wide, x = x)[name = string(\"f\")];\n"
                         "%T z = cast(dtype = narrow, x = f)[name = string(\"z\")];\n"},
};
enum { CASES = sizeof cases / sizeof *cases, C = 32, LENGTHS = 2 };
static const int length[LENGTHS] = {32, 64};

/* ---- programs ---- */

static void add_weight(Text *t, const char *name, int size)
{
    text_printf(t,
                "tensor<fp16, [32, 32, 1, 1]> %.*s = const()[name = string(\"%.*s\"), "
                "val = tensor<fp16, [32, 32, 1, 1]>([",
                size, name, size, name);
    for (int i = 0; i < C * C; i++)
        text_printf(t, "%s[[%a]]%s",
                    i % C ? ", "
                    : i   ? ", ["
                          : "[",
                    (double)((i * 37 + name[size - 1]) % 17 - 8) / 32, i % C == C - 1 ? "]" : "");
    text_puts(t, "])];\n");
}

/* A number of this second in the text, which means nothing, makes every run's programs new ones: what the
 * system compiled for an earlier run does not count. */
static void write_mil(Text *t, const char *body, int s)
{
    text_printf(t,
                "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-version\", \"3505.4.1\"}, "
                "{\"coremltools-version\", \"9.0.%lld\"}})]\n{\n",
                (long long)time(NULL));
    text_printf(t, "func main<ios18>(tensor<fp16, [1, 32, 1, %d]> x, tensor<fp16, [1, 32, 1, %d]> y) {\n", s,
                s);
    for (const char *p = body; *p; p++) {
        if (*p != '%') {
            text_putc(t, *p);
        } else if (*++p == 'S') {
            text_printf(t, "%d", s);
        } else if (*p == 'T') {
            text_printf(t, "tensor<fp16, [1, 32, 1, %d]>", s);
        } else {
            const char *end = strchr(p, ')');
            add_weight(t, p + 2, (int)(end - p) - 2);
            p = end;
        }
    }
    text_puts(t, "} -> (z);\n}\n");
}

typedef struct Program {
    Text text;
    Source source;
    Module *module;
    Kernel *kernel;
    PortData *data;
    KindFiles *files; /* NULL: the weights are in the text */
} Program;

/* Inputs: y from 0.5 to 1.5, others within 1. */
static void fill_ports(Program *p)
{
    p->data = xcalloc((size_t)p->kernel->ports, sizeof *p->data);
    for (int i = 0; i < p->kernel->ports; i++) {
        const Port *port = &p->kernel->port[i];
        uint16_t *values = xcalloc(port->bytes, 1);
        float least = strcmp(port->name, "y") == 0 ? 0.5f : -1.0f, width = *port->name == 'y' ? 1.0f : 2.0f;
        for (size_t k = 0; k < port->bytes / 2; k++)
            values[k] = half_from_float(least + width * (float)((k * 7919 + 13) % 1009) / 1009);
        p->data[i] = (PortData){values, port->bytes};
    }
}

static bool open_text(Program *p, Device *d, const char *name, bool files, Error *err)
{
    Diags none = {.quiet = true};
    p->source = (Source){name, p->text.data, p->text.size};
    p->module = mil_read(&p->source, &none);
    const Func *f = p->module ? module_find(p->module, "main") : NULL;
    if (!f)
        return error_set(err, "the program is not valid MIL");
    p->files = files ? kind_files_new(f) : NULL;
    BlobResolver blobs = kind_files_resolver(p->files);
    p->kernel = device_compile(d, f, files ? &blobs : NULL, err);
    if (p->kernel)
        fill_ports(p);
    return p->kernel;
}

static bool open_case(Program *p, Device *d, const Case *c, int s, Error *err)
{
    write_mil(&p->text, c->body, s);
    return open_text(p, d, c->name, false, err);
}

static bool open_kind(Program *p, Device *d, const Kind *k, Error *err)
{
    text_puts(&p->text, k->text);
    return open_text(p, d, k->name, true, err);
}

static bool run_case(Program *p, Error *err)
{
    return device_run(p->kernel, p->data, p->kernel->ports, NULL, err);
}

static void close_case(Program *p)
{
    for (int i = 0; p->data && i < p->kernel->ports; i++)
        free(p->data[i].data);
    free(p->data);
    kernel_release(p->kernel);
    module_free(p->module);
    kind_files_free(p->files);
    text_free(&p->text);
}

/* ---- tests ---- */

/* One of the cases at a length, or where `c` is NULL a kind; a line for it. */
static bool test_one(Device *tested, Device *reference, const Case *c, int s, const Kind *kind, double bound,
                     Text *out)
{
    Error err;
    Program p = {0};
    Comparison *both = comparison_new(tested, reference);
    Device *d = comparison_device(both);
    bool ok = (c ? open_case(&p, d, c, s, &err) : open_kind(&p, d, kind, &err)) && run_case(&p, &err);
    int count;
    const Difference *found = comparison_results(both, &count);
    bool within = ok && count && difference_is_within(found, bound);
    text_printf(out, "%s ", within ? "ok  " : "FAIL");
    if (c)
        text_printf(out, "%-22s length %-4d ", c->name, s);
    else
        text_printf(out, "tales: %-27s ", kind->name);
    if (ok)
        text_printf(out, "absolute %.3g, relative %.3g, %.0f us\n", found->absolute, found->relative,
                    found->tested_us);
    else
        text_printf(out, "%s\n", err.text);
    close_case(&p);
    comparison_free(both);
    return within;
}

static bool is_late(double end, const char *name, Text *out)
{
    bool late = clock_seconds() >= end;
    if (late)
        text_printf(out, "FAIL %-22s not run: the time is over\n", name);
    return late;
}

bool selftest(Device *tested, Device *reference, double bound, double seconds, Text *out)
{
    bool fine = true;
    double end = clock_seconds() + seconds;
    for (int i = 0; i < CASES; i++)
        for (int k = 0; k < LENGTHS; k++)
            fine &= !is_late(end, cases[i].name, out) &&
                    test_one(tested, reference, &cases[i], length[k], NULL, bound, out);
    for (int i = 0; kind_at(i); i++)
        fine &= !is_late(end, kind_at(i)->name, out) &&
                test_one(tested, reference, NULL, 0, kind_at(i), bound, out);
    return fine;
}

static bool same_sums(const Program *a, const Program *b)
{
    int last = a->kernel->ports - 1;
    return memcmp(a->data[last].data, b->data[last].data, a->data[last].bytes) == 0;
}

bool selftest_budget(Device *tested, Device *reference, Text *out)
{
    Program p[3] = {0}, right = {0};
    Error err = {{0}};
    bool two = open_case(&p[0], tested, &cases[0], length[0], &err) &&
               open_case(&p[1], tested, &cases[1], length[0], &err);
    bool turns = two;
    for (int i = 0; turns && i < 6; i++)
        turns = run_case(&p[i % 2], &err);
    bool same = turns && open_case(&right, reference, &cases[0], length[0], &err) && run_case(&right, &err) &&
                same_sums(&p[0], &right);
    text_printf(out, "%s two programs run in turn%s%s\n", same ? "ok  " : "FAIL", same ? "" : ": ",
                same ? "" : err.text);
    bool refused = two && !open_case(&p[2], tested, &cases[2], length[0], &err) &&
                   strstr(err.text, "has compiled 2 programs");
    text_printf(out, "%s a third is refused: %s\n", refused ? "ok  " : "FAIL", refused ? "yes" : err.text);
    for (int i = 0; i < 3; i++)
        close_case(&p[i]);
    close_case(&right);
    return same && refused;
}
