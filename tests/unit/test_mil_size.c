/* Large programs: reading takes time and memory in proportion to the text, and little of either. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/text.h"
#include "frontend/mil/mil.h"
#include "tests/unit/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define SLOWER 8.0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLOWER 8.0
#endif
#endif
#ifndef SLOWER
#define SLOWER 1.0
#endif

static const char head[] = "program(1.3)\n{\n    func main<ios18>(tensor<fp16, [1, 64, 1, 32]> x) {\n";
static const char tail[] =
    "        tensor<fp16, [1, 64, 1, 32]> y = relu(x = x)[name = string(\"y\")];\n    } -> (y);\n}\n";

/* Each op takes what came before it and something from far away. */
static void write_ops(Text *t, size_t size)
{
    text_puts(t, "        tensor<fp16, [1, 64, 1, 32]> v0 = relu(x = x)[name = string(\"v0\")];\n");
    for (unsigned i = 1; t->size < size; i++)
        text_printf(
            t, "        tensor<fp16, [1, 64, 1, 32]> v%u = add(x = v%u, y = v%u)[name = string(\"v%u\")];\n",
            i, i - 1, i * 7919u % i, i);
}

static void write_literal(Text *t, size_t size)
{
    size_t n = size / 8;
    text_printf(t,
                "        tensor<int32, [%zu]> c = const()[name = string(\"c\"), val = tensor<int32, [%zu]>([",
                n, n);
    for (size_t i = 0; i < n; i++)
        text_printf(t, "%s%06zu", i ? ", " : "", i % 1000000);
    text_puts(t, "])];\n");
}

static void write_unknown_ops(Text *t, size_t size)
{
    for (unsigned i = 0; t->size < size; i++)
        text_printf(t,
                    "        tensor<fp16, [1, 64, 1, 32]> v%u = op%u(x = x, k%u = fp16(0x1p-%u))[name = "
                    "string(\"v%u\")];\n",
                    i, i, i, i % 14, i);
}

static void write_undefined(Text *t, size_t size)
{
    for (unsigned i = 0; t->size < size; i++)
        text_printf(t, "        tensor<fp16, [1, 64, 1, 32]> v%u = relu(x = w%u)[name = string(\"v%u\")];\n",
                    i, i, i);
}

static double read_seconds(void (*body)(Text *, size_t), size_t size, bool valid)
{
    Text t = {0};
    text_puts(&t, head);
    body(&t, size);
    text_puts(&t, tail);
    Source source = {"made.mil", t.data, t.size};
    Diags diags = {.quiet = true};
    clock_t start = clock();
    Module *m = mil_read(&source, &diags);
    double took = (double)(clock() - start) / CLOCKS_PER_SEC;
    CHECK((m != NULL) == valid);
    module_free(m);
    text_free(&t);
    return took;
}

static void test_shape(const char *name, void (*body)(Text *, size_t), bool valid)
{
    size_t ten = 10u << 20;
    double half = read_seconds(body, ten / 2, valid), whole = read_seconds(body, ten, valid);
    printf("# %s: 5 MB in %.3f s, 10 MB in %.3f s\n", name, half, whole);
    if (!getenv("RUNNER")) /* an emulator is no measure */
        CHECK_TOLD(whole < 1.0 * SLOWER, "%.3f s", whole);
    CHECK_TOLD(whole < 4 * half + 0.2 * SLOWER, "%.3f s for half, %.3f s", half, whole);
}

/* KiB on Linux, bytes on macOS. */
static double peak_memory(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
#if defined(__APPLE__)
    return (double)u.ru_maxrss;
#else
    return (double)u.ru_maxrss * 1024;
#endif
}

static void test_memory(void)
{
    double before = peak_memory();
    read_seconds(write_ops, 5u << 20, true);
    double half = peak_memory() - before;
    read_seconds(write_ops, 10u << 20, true);
    double whole = peak_memory() - before;
    printf("# memory: 5 MB take %.0f MB, 10 MB take %.0f MB\n", half / 1e6, whole / 1e6);
    CHECK_TOLD(whole < 2.5 * half + 8e6, "%.0f bytes for half, %.0f", half, whole);
    CHECK(whole < 40 * 10e6 * SLOWER);
}

int main(void)
{
    if (SLOWER == 1) /* a sanitizer keeps freed memory */
        test_memory(); /* first: the peak does not fall */
    test_shape("ops", write_ops, true);
    test_shape("one constant", write_literal, true);
    test_shape("unknown ops", write_unknown_ops, true);
    test_shape("undefined names", write_undefined, false);
    return check_report();
}
