/* aneprobe: asks the Neural Engine what it accepts and what it costs. Several probes run in a process each,
 * so that none uses up another's compilations, or takes it down. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "tools/aneprobe/child.h"
#include "tools/aneprobe/probe.h"
#include "tools/shared/command.h"

enum { EXIT_ABSENT = 3, MOST_RESULTS = 128 };

static struct {
    const char *profile, *html, *framework;
    int64_t repeats, seconds;
    bool list, json, charts, version, help;
} opt = {.repeats = 20, .seconds = 300};

static const Flag flags[] = {
    {FLAG_TEXT, "--profile", "-o", "FILE", &opt.profile, 0, 0,
     "write what was found as a profile, for anec --profile FILE"},
    {FLAG_TEXT, "--html", NULL, "FILE", &opt.html, 0, 0, "write a page with the sweeps as charts"},
    {FLAG_BOOL, "--charts", NULL, NULL, &opt.charts, 0, 0, "draw the sweeps on the terminal"},
    {FLAG_BOOL, "--json", NULL, NULL, &opt.json, 0, 0, "print everything as JSON"},
    {FLAG_BOOL, "--list", "-l", NULL, &opt.list, 0, 0, "list the probes with their questions and methods"},
    {FLAG_INT, "--repeats", NULL, "N", &opt.repeats, 1, 100000, "evaluations of each measurement (20)"},
    {FLAG_INT, "--timeout", NULL, "SECONDS", &opt.seconds, 1, 86400,
     "end a probe after so long, where several run (300)"},
    {FLAG_TEXT, "--framework", NULL, "FILE", &opt.framework, 0, 0,
     "take the system's functions from this shared object, or, where it is empty, from the program itself: "
     "for a stand-in"},
    {FLAG_BOOL, "--version", NULL, NULL, &opt.version, 0, 0, "print the version"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static int print_help(void)
{
    return tool_help(
        "usage: aneprobe [options] PROBE...|all\n\n"
        "Asks the Neural Engine of this machine what it accepts and what it costs.\n\n",
        flags, FLAGS,
        "\n"
        "Exit status: 0 where every probe got through, whatever it found; 1 where one did not; 2 for a\n"
        "wrong command line; 3 where there is no Neural Engine.\n\n"
        "Example:\n  aneprobe all --profile mine.profile && anec MODEL.anel --profile ./mine.profile\n");
}

static int print_list(const char *who)
{
    Text t = {0};
    for (int i = 0; i < probe_count; i++) {
        const Probe *p = &probes[i];
        text_printf(&t, "%s: %s\n    %s\n", p->name, p->question, p->method);
        text_printf(&t, "    gives %s\n", *p->keys ? p->keys : "no line of the profile");
    }
    return tool_print(who, &t);
}

/* ---- which ---- */

static bool choose(const char **names, int count, const Probe **out, int *chosen, Error *err)
{
    *chosen = 0;
    if (!count)
        return error_set(err, "which probe? aneprobe --list lists them; or all");
    for (int i = 0; i < count; i++) {
        bool all = strcmp(names[i], "all") == 0;
        const Probe *one = all ? probes : probe_find(names[i]);
        if (!one)
            return error_set(err, "there is no probe \"%.80s\"; aneprobe --list lists them", names[i]);
        for (int k = 0; k < (all ? probe_count : 1); k++) {
            if (*chosen == MOST_RESULTS)
                return error_set(err, "too many probes");
            out[(*chosen)++] = &one[k];
        }
    }
    return true;
}

/* ---- running ---- */

static bool run_in_child(const char *self, const Probe *p, Lab *names, Result *r)
{
    char repeats[24];
    Error err;
    Text json = {0};
    snprintf(repeats, sizeof repeats, "%lld", (long long)opt.repeats);
    const char *argv[] = {self,          p->name, "--json",
                          "--repeats",   repeats, opt.framework ? "--framework" : NULL,
                          opt.framework, NULL};
    bool ok = child_run(argv, opt.seconds, &json, &err) &&
              report_read(text_cstr(&json), json.size, p, names, r, &err);
    if (!ok) {
        *r = (Result){.probe = p, .verdict = VERDICT_BROKEN, .unit = ""};
        r->text = arena_printf(&r->arena, "%s", err.text);
    }
    text_free(&json);
    return ok;
}

static void today(char *out, size_t size)
{
    time_t now = time(NULL);
    struct tm t;
    if (!localtime_r(&now, &t) || !strftime(out, size, "%Y-%m-%d", &t))
        snprintf(out, size, "unknown date");
}

static bool write_file(const char *path, void (*print)(const Report *report, Text *out), const Report *report,
                       Error *err)
{
    Text t = {0};
    if (!path)
        return true;
    print(report, &t);
    bool ok = file_write_atomic(path, text_cstr(&t), t.size, err);
    text_free(&t);
    return ok;
}

/* Our own reader must take what we write. */
static bool check_profile(const Report *report, Error *err)
{
    Text t = {0};
    Arena a = {0};
    report_profile(report, &t);
    bool ok = profile_parse(&a, text_cstr(&t), "the profile", err);
    text_free(&t);
    arena_free(&a);
    return ok;
}

static int print_report(const char *who, const Report *report)
{
    Error err;
    Text t = {0};
    int status = 0;
    if (opt.json)
        report_json(report, &t);
    else if (report->results > 1)
        text_clear(&t); /* each was printed when it was there */
    else
        report_text(report, opt.charts, &t);
    status = tool_print(who, &t);
    if (!check_profile(report, &err) || !write_file(opt.profile, report_profile, report, &err) ||
        !write_file(opt.html, report_html, report, &err))
        status = tool_fail(who, &err);
    for (int i = 0; i < report->results; i++)
        status = report->result[i].verdict == VERDICT_BROKEN ? EXIT_USER : status;
    return status;
}

static int absent(const Probe **chosen, int count, const Error *err)
{
    for (int i = 0; i < count; i++)
        fprintf(stderr, "aneprobe: %s: %s\n", chosen[i]->name, err->text);
    return EXIT_ABSENT;
}

static void run_all(const char *self, Lab *lab, const Probe **chosen, Report *report)
{
    for (int i = 0; i < report->results; i++) {
        if (report->results == 1)
            probe_run(chosen[i], lab, &report->result[i]);
        else
            run_in_child(self, chosen[i], lab, &report->result[i]);
        if (report->results == 1 || opt.json)
            continue;
        Text t = {0};
        Report one = *report;
        one.result = &report->result[i];
        one.results = 1;
        report_text(&one, opt.charts, &t);
        tool_print("aneprobe", &t);
    }
}

static int run(const char *who, const Probe **chosen, int count)
{
    static Result result[MOST_RESULTS];
    char date[32];
    Error err;
    Lab lab;
    if (!lab_open(&lab, opt.framework, (int)opt.repeats, &err)) {
        lab_close(&lab);
        return absent(chosen, count, &err);
    }
    today(date, sizeof date);
    Report report = {result, count, lab.chip, lab.build, date};
    run_all(who, &lab, chosen, &report);
    int status = print_report("aneprobe", &report);
    for (int i = 0; i < count; i++)
        result_free(&result[i]);
    lab_close(&lab);
    return status;
}

int main(int argc, char **argv)
{
    Error err;
    const Probe *chosen[MOST_RESULTS];
    const char **names = xcalloc((size_t)argc, sizeof *names);
    int count = 0, chosen_count, status = 0;
    if (!flags_parse(flags, FLAGS, argc, argv, names, &count, &err))
        status = tool_usage("aneprobe", &err);
    else if (opt.help)
        status = print_help();
    else if (opt.version)
        puts("aneprobe " ANEC_VERSION);
    else if (opt.list)
        status = print_list("aneprobe");
    else if (!choose(names, count, chosen, &chosen_count, &err))
        status = tool_usage("aneprobe", &err);
    else
        status = run(argv[0], chosen, chosen_count);
    free(names);
    return status;
}
