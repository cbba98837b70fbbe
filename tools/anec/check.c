/* anec check: looks for faults in programs and packages. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check/check.h"
#include "tools/anec/commands.h"

static struct {
    FlagList profiles, errors, ignored;
    const char *weights_dir, *explain;
    bool list, json, notes, all, quiet, help;
} opt;

enum { SHOWN_ALIKE = 3 };

static const Flag flags[] = {
    {FLAG_LIST, "--profile", NULL, "NAME", &opt.profiles, 0, 0,
     "hold programs against this chip, or profile file; several times, or all; without it, against safe, and "
     "what the engine would not take is only a warning for a single program"},
    {FLAG_LIST, "--error", NULL, "RULE", &opt.errors, 0, 0, "count this rule's findings as errors; or all"},
    {FLAG_LIST, "--ignore", NULL, "RULE", &opt.ignored, 0, 0, "do not look for this; several times"},
    {FLAG_TEXT, "--weights-dir", NULL, "DIR", &opt.weights_dir, 0, 0,
     "where @model_path/ is (the program's own folder)"},
    {FLAG_BOOL, "--notes", NULL, NULL, &opt.notes, 0, 0, "show advice too"},
    {FLAG_BOOL, "--all", "-a", NULL, &opt.all, 0, 0, "show every finding, not only the first three alike"},
    {FLAG_BOOL, "--json", NULL, NULL, &opt.json, 0, 0, "print all findings as JSON on standard output"},
    {FLAG_BOOL, "--quiet", "-q", NULL, &opt.quiet, 0, 0, "errors only, and no summary"},
    {FLAG_BOOL, "--list", NULL, NULL, &opt.list, 0, 0, "list the rules and exit"},
    {FLAG_TEXT, "--explain", NULL, "RULE", &opt.explain, 0, 0,
     "say what a rule means, why it matters, what to do, and who says so; or all"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static int print_help(void)
{
    return tool_help(
        "usage: anec check [options] PROGRAM|PACKAGE...\n\n"
        "Looks for faults: the structure and types of the text, weight files, and what Apple's Neural\n"
        "Engine does not take or gets wrong. Takes MIL text of any origin, Core ML packages (.mlpackage,\n"
        ".mlmodel; lines are those of anec X.mlpackage --emit mil) and packages of anec.\n\n",
        flags, FLAGS,
        "\n"
        "Exit status: 0 where nothing is wrong, 1 where there is an error, 2 for a wrong command line.\n");
}

/* ---- options ---- */

static bool find_rule(const char *name, RuleId *id, Error *err)
{
    *id = rule_find(name);
    return *id < RULE_COUNT ||
           error_set(err, "there is no rule \"%.80s\"; anec check --list lists them", name);
}

static bool set_severity(Checker *c, const char *name, Severity s, Error *err)
{
    RuleId id;
    bool all = strcmp(name, "all") == 0;
    if (!all && !find_rule(name, &id, err))
        return false;
    for (int i = all ? 0 : (int)id; i < (all ? (int)RULE_COUNT : (int)id + 1); i++) {
        c->severity[i] = s;
        c->exact[i] = true;
    }
    return true;
}

static bool add_profile(Checker *c, const char *name, Error *err)
{
    if (c->profiles == CHECK_MOST_PROFILES)
        return error_set(err, "--profile: at most %d", CHECK_MOST_PROFILES);
    c->profile[c->profiles] = profile_load(&c->arena, name, err);
    return c->profile[c->profiles] && ++c->profiles;
}

static bool add_profiles(Checker *c, Error *err)
{
    c->lenient = !opt.profiles.count;
    if (c->lenient)
        return add_profile(c, "safe", err);
    for (int i = 0; i < opt.profiles.count; i++) {
        const char *name = opt.profiles.item[i];
        bool ok = true;
        if (strcmp(name, "all") != 0)
            ok = add_profile(c, name, err);
        for (int k = 0; strcmp(name, "all") == 0 && profile_name(k) && ok; k++)
            ok = add_profile(c, profile_name(k), err);
        if (!ok)
            return false;
    }
    return true;
}

static bool set_up(Checker *c, Error *err)
{
    checker_init(c);
    c->weights_dir = opt.weights_dir;
    if (!add_profiles(c, err))
        return false;
    for (int i = 0; i < opt.errors.count; i++)
        if (!set_severity(c, opt.errors.item[i], SEVERITY_ERROR, err))
            return false;
    for (int i = 0; i < opt.ignored.count; i++)
        if (!set_severity(c, opt.ignored.item[i], SEVERITY_IGNORE, err))
            return false;
    return true;
}

/* ---- output ---- */

static int explain(const char *who, const char *name)
{
    Error err;
    Text t = {0};
    RuleId id = RULE_COUNT;
    bool all = strcmp(name, "all") == 0;
    if (!all && !find_rule(name, &id, &err))
        return tool_usage(who, &err);
    for (int i = all ? 0 : (int)id; i < (all ? (int)RULE_COUNT : (int)id + 1); i++) {
        text_puts(&t, t.size ? "\n" : "");
        rule_explain(&t, (RuleId)i);
    }
    return tool_print(who, &t);
}

static void add_names(Text *t, const Checker *c)
{
    for (int i = 0; i < c->profiles; i++)
        text_printf(t, "%s%s",
                    i                 ? ", "
                    : c->profiles > 1 ? "; profiles "
                                      : "; profile ",
                    c->profile[i]->name);
}

static int print_findings(const char *who, Checker *c)
{
    Text t = {0};
    Diags out = {.out = stderr, .limit = INT32_MAX, .colour = isatty(STDERR_FILENO)};
    int status = c->count[SEVERITY_ERROR] ? EXIT_USER : 0;
    if (opt.json) {
        check_json(c, &t);
        return tool_print(who, &t) ? EXIT_USER : status;
    }
    check_print(c, &out,
                opt.quiet   ? SEVERITY_ERROR
                : opt.notes ? SEVERITY_NOTE
                            : SEVERITY_WARNING,
                opt.all ? 0 : SHOWN_ALIKE);
    if (opt.quiet)
        return status;
    check_summary(c, &t);
    text_printf(&t, "%s\n%d file%s, %d function%s, %lld ops, %.1f MB of weights",
                c->count[SEVERITY_NOTE] && !opt.notes ? " (--notes shows them)" : "", c->files,
                c->files == 1 ? "" : "s", c->functions, c->functions == 1 ? "" : "s", (long long)c->ops,
                (double)c->weight_bytes / 1e6);
    add_names(&t, c);
    if (c->placed)
        text_printf(&t,
                    "\n%s not made for the engine's own interface: what only that needs is a note "
                    "(--profile NAME insists)",
                    c->files == 1 ? "this program is" : "some programs are");
    text_putc(&t, '\n');
    return tool_print(who, &t) ? EXIT_USER : status;
}

/* ---- the command ---- */

static int check_files(const char *who, Checker *c, const char **files, int count)
{
    Error err;
    int status = 0;
    for (int i = 0; i < count; i++)
        if (!check_path(c, files[i], &err))
            status = tool_fail(who, &err);
    checker_finish(c);
    int found = print_findings(who, c);
    return status ? status : found;
}

static int run(const char *who, const char **files, int count)
{
    Error err;
    Text t = {0};
    Checker c = {0};
    int status;
    if (!set_up(&c, &err)) {
        status = tool_usage(who, &err);
    } else if (opt.list) {
        rules_list(&t, &c);
        status = tool_print(who, &t);
    } else if (!count) {
        error_set(&err, "which program or package?");
        status = tool_usage(who, &err);
    } else {
        status = check_files(who, &c, files, count);
    }
    checker_free(&c);
    return status;
}

int anec_check(int argc, char **argv)
{
    Error err;
    const char **files = xcalloc((size_t)argc, sizeof *files);
    int count = 0, status;
    if (!flags_parse(flags, FLAGS, argc, argv, files, &count, &err))
        status = tool_usage(argv[0], &err);
    else if (opt.help)
        status = print_help();
    else if (opt.explain)
        status = explain(argv[0], opt.explain);
    else
        status = run(argv[0], files, count);
    free(opt.profiles.item);
    free(opt.errors.item);
    free(opt.ignored.item);
    free(files);
    return status;
}
