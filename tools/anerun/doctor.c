/* anerun doctor: what this machine has, whether it computes right, in a report that can be shown to others.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/arena.h"
#include "base/file.h"
#include "frontend/mil/mil.h"
#include "runtime/ane/program.h"
#include "tools/anerun/commands.h"
#include "tools/anerun/compare.h"
#include "tools/anerun/package.h"
#include "tools/anerun/selftest.h"
#include "tools/shared/engine.h"

enum { SECONDS = 120 };

static struct {
    const char *out, *framework;
    double seconds;
    int64_t threads;
    bool help;
} opt = {.seconds = ANE_SECONDS};

static const Flag flags[] = {
    {FLAG_TEXT, "--out", "-o", "FILE", &opt.out, 0, 0, "write the report to a file too"},
    {FLAG_NUMBER, "--ane-timeout", NULL, "S", &opt.seconds, 0, 1e6,
     "give the Neural Engine up where it has not answered after so many seconds; 0: never (30)"},
    {FLAG_TEXT, "--framework", NULL, "FILE", &opt.framework, 0, 0,
     "take the Neural Engine's framework from this shared object, or, where it is empty, from the program "
     "itself (the system's; for tests)"},
    {FLAG_INT, "--threads", "-t", "N", &opt.threads, 1, 1024, "CPU threads (default: one a fast core)"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

/* ---- what is nobody else's business ---- */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static void replace(Text *t, const char *what, const char *with)
{
    Text out = {0};
    size_t n = what ? strlen(what) : 0;
    if (n < 2)
        return;
    const char *from = text_cstr(t);
    for (const char *p = from; *p;) {
        bool whole = strncmp(p, what, n) == 0 && (p == from || !is_word(p[-1]) || !is_word(*what)) &&
                     !(is_word(p[n]) && is_word(what[n - 1]));
        text_add(&out, whole ? with : p, whole ? strlen(with) : 1);
        p += whole ? n : 1;
    }
    text_free(t);
    *t = out;
}

/* The names of the user's folders, and of the user. */
static void hide_private(Text *t, const char *package)
{
    replace(t, package, "PACKAGE");
    replace(t, getenv("TMPDIR"), "TMPDIR");
    replace(t, getenv("HOME"), "HOME");
    replace(t, getenv("USER"), "USER");
    replace(t, getenv("LOGNAME"), "USER");
}

/* ---- the machine ---- */

static void tell_system(Text *t)
{
    struct utsname u;
    text_printf(t, "anerun doctor %s\n", ANEC_VERSION);
    if (uname(&u) == 0)
        text_printf(t, "system: %s %s, %s\n", u.sysname, u.release, u.machine);
}

/* Whether the framework can be used. */
static bool tell_framework(Text *t)
{
    AneEngine e = {0};
    Error err;
    char chip[64], build[64];
    bool ok = apple_open(&e.apple, opt.framework, &err);
    if (!ok && !e.apple.surface_format) {
        text_printf(t, "engine: none: %s\n", err.text);
        return false;
    }
    if (ok) {
        ane_engine_name(&e, chip, build, sizeof chip);
        text_printf(t, "engine: %s, build %s\n", chip, build);
    } else {
        text_printf(t, "engine: not usable: %s\n", err.text);
    }
    text_puts(t,
              "\nmethods of the framework (ok: as we call it; less: optional; FAIL: missing or different)\n");
    apple_report(&e.apple, t);
    return ok;
}

/* ---- a package's programs, bucket by bucket ---- */

static bool check_package(Package *p, Device *tested, Device *cpu, Text *t)
{
    const Plan *plan = &package_manifest(p)->plan;
    bool fine = true;
    for (int i = 0; i < plan->entries; i++) {
        const Entry *e = &plan->entry[i];
        if (e->kind != ENTRY_PREFILL)
            continue;
        int64_t n = e->bucket < plan->model.context ? e->bucket : plan->model.context;
        int32_t *ids = xcalloc((size_t)n, sizeof *ids);
        for (int64_t k = 0; k < n; k++)
            ids[k] = (int32_t)((k * 7919 + 1) % plan->model.vocab);
        Error err;
        bool within = false;
        text_printf(t, "\nbucket %lld\n", (long long)e->bucket);
        if (!engine_compare(p, tested, cpu, ids, (int)n, ENGINE_BOUND, t, &within, &err))
            text_printf(t, "FAIL %s\n", err.text);
        fine &= within;
        free(ids);
    }
    return fine;
}

/* ---- the report ---- */

static bool check_device(Text *t, Device *tested, Device *cpu, Package *p, const char *what)
{
    Device *plain = NULL;
    Error err;
    DeviceOptions options = {.threads = 1, .generic = true};
    plain = cpu_device_open(&options, &err);
    text_printf(t, "\nself-test of the %s, against each op's plain definition on the CPU\n", what);
    bool fine = plain && selftest(tested, plain, ENGINE_BOUND, SECONDS, t);
    device_close(plain);
    if (p && tested != cpu)
        fine &= check_package(p, tested, cpu, t);
    return fine;
}

static bool examine(Text *t, Package *p, Device *cpu)
{
    Error err;
    tell_system(t);
    text_printf(t, "cpu: %s\n", cpu->description);
    bool usable = tell_framework(t);
    bool fine = check_device(t, cpu, cpu, NULL, "CPU");
    if (!usable) {
        text_puts(t, "\nself-test of the Neural Engine: not run, there is none that can be used\n");
        return fine;
    }
    EngineOptions options = {.framework = opt.framework,
                             .plan = p ? &package_manifest(p)->plan : NULL,
                             .seconds = opt.seconds};
    Device *ane = engine_open(&options, &err);
    if (!ane) {
        text_printf(t, "FAIL %s\n", err.text);
        return false;
    }
    fine &= check_device(t, ane, cpu, p, "Neural Engine");
    device_close(ane);
    text_puts(t, "\nbudget of the Neural Engine: two compilations a process, one program loaded at a time\n");
    ane = ane_device_open_as(
        &(AneOptions){.library = opt.framework, .compiles = 2, .resident = 1, .seconds = opt.seconds}, &err);
    fine &= ane && selftest_budget(ane, cpu, t);
    device_close(ane);
    return fine;
}

static int report(Package *p, const char *path)
{
    Error err;
    Text t = {0};
    Device *cpu = cpu_device_open(&(DeviceOptions){.threads = (int)opt.threads}, &err);
    bool fine = cpu && examine(&t, p, cpu);
    if (!cpu)
        return tool_fail("anerun doctor", &err);
    device_close(cpu);
    text_printf(&t, "\nverdict: %s\n", fine ? "fine" : "something is wrong");
    hide_private(&t, path);
    bool written = !opt.out || file_write_atomic(opt.out, t.data, t.size, &err);
    int status = tool_print("anerun doctor", &t);
    return !written ? tool_fail("anerun doctor", &err) : status ? status : fine ? 0 : EXIT_USER;
}

static int print_help(void)
{
    return tool_help(
        "usage: anerun doctor [PACKAGE] [options]\n\n"
        "Tells what this machine has, which classes and methods of the Neural Engine's framework are\n"
        "there, and whether CPU and engine compute right; with a package, each of its programs in each\n"
        "bucket. The report names no user and no folder of one. Exit status 1: something is wrong.\n\n",
        flags, FLAGS, "");
}

int anerun_doctor(int argc, char **argv)
{
    Error err;
    const char **rest = xcalloc((size_t)argc, sizeof *rest);
    int rests = 0;
    bool ok = flags_parse(flags, FLAGS, argc, argv, rest, &rests, &err);
    const char *path = rests ? rest[0] : NULL;
    free(rest);
    if (ok && rests > 1)
        ok = error_set(&err, "one package at a time");
    if (!ok)
        return tool_usage("anerun doctor", &err);
    if (opt.help)
        return print_help();
    Package *p = path ? open_package(path, false, &err) : NULL;
    if (path && !p)
        return tool_fail("anerun doctor", &err);
    int status = report(p, path);
    package_close(p);
    return status;
}
