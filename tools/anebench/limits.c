/* anebench limits: what this machine can do at the most. */
#include <stdio.h>
#include <stdlib.h>

#include "runtime/kernels/limits.h"
#include "tools/anebench/commands.h"

static struct {
    int64_t threads, megabytes;
    bool json, help;
} opt = {.megabytes = 256};

static const Flag flags[] = {
    {FLAG_INT, "--threads", "-t", "N", &opt.threads, 1, 1024, "threads (default: one a core)"},
    {FLAG_INT, "--size", NULL, "MB", &opt.megabytes, 1, 65536,
     "how much is read in a pass, MB; many times the caches (256)"},
    {FLAG_BOOL, "--json", NULL, NULL, &opt.json, 0, 0, "print JSON"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static int print_help(void)
{
    return tool_help(
        "usage: anebench limits [options]\n\n"
        "Measures how fast memory can be read in order, and how many fp32 operations a second the\n"
        "vector unit can do in registers, in a few runs each.\n\n",
        flags, FLAGS, "");
}

int anebench_limits(int argc, char **argv)
{
    Error err;
    const char **rest = calloc((size_t)argc, sizeof *rest);
    int rests = 0;
    bool ok = flags_parse(flags, FLAGS, argc, argv, rest, &rests, &err);
    if (ok && rests)
        ok = error_set(&err, "unexpected argument %s", rest[0]);
    free(rest);
    if (!ok)
        return tool_usage(argv[0], &err);
    if (opt.help)
        return print_help();
    LimitsProbe *probe = limits_open((size_t)opt.megabytes << 20, &err);
    if (!probe)
        return tool_fail(argv[0], &err);
    Compute c;
    compute_open(&c, (int)opt.threads);
    Limits l = limits_measure(probe, &c);
    const char *level = kernels_level_name(c.kernels->level);
    int threads = pool_threads(c.pool);
    compute_close(&c);
    limits_close(probe);
    Text out = {0};
    text_printf(&out,
                opt.json ? "{\"threads\": %d, \"kernels\": \"%s\", \"read_gb_s\": %.2f, \"gflop_s\": %.1f}\n"
                         : "%d threads, %s: reads %.1f GB/s, computes %.0f GFLOP/s\n",
                threads, level, l.read / 1e9, l.flops / 1e9);
    return tool_print(argv[0], &out);
}
