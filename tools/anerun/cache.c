/* anerun cache: the programs that the system keeps compiled for us, and the packages that were found whole.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cache.h"
#include "base/file.h"
#include "runtime/ane/program.h"
#include "tools/anerun/commands.h"

enum { ID_SHOWN = 12, WHEN = 32 };

static struct {
    const char *framework;
    bool help;
} opt;

static const Flag flags[] = {
    {FLAG_TEXT, "--framework", NULL, "FILE", &opt.framework, 0, 0,
     "take the Neural Engine's framework from this shared object, or, where it is empty, from the program "
     "itself (the system's; for tests)"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static const char head[] =
    "usage: anerun cache list|clear [OPTION]...\n"
    "\n"
    "What is kept between runs: programs that the system has compiled for the Neural Engine, so that the\n"
    "next start does not compile them again, and packages whose files were hashed and found whole. list\n"
    "shows it; clear forgets it, and asks the system to forget its programs too. Nothing is lost but time.\n"
    "\n";
static const char tail[] =
    "\nThe programs are noted by the system's build and the hash of text and weights in\n"
    "~/Library/Caches/anec on a Mac, else in $XDG_CACHE_HOME/anec or ~/.cache/anec: at most 1024, of 16 GiB\n"
    "of text and weights; those used longest ago go first.\n";

/* Whether the system keeps it, in a word. */
static const char *state_of(AneEngine *e, bool open, const char *build, const IndexEntry *entry)
{
    Error ignored;
    bool keeps = false;
    if (!open)
        return "?";
    if (strcmp(entry->build, build) != 0)
        return "old build";
    return !ane_engine_keeps(e, entry->identifier, &keeps, &ignored) ? "?" : keeps ? "kept" : "gone";
}

static int list(AneEngine *e, bool open, const char *build, const AneIndex *x)
{
    double bytes = 0;
    for (int i = 0; i < x->entries; i++) {
        const IndexEntry *entry = &x->entry[i];
        char when[WHEN] = "?";
        time_t used = (time_t)entry->used;
        struct tm tm;
        if (localtime_r(&used, &tm))
            strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm);
        if (!i)
            printf("%-10s %-*s %-16s %10s %-9s program\n", "build", ID_SHOWN, "hash", "last used", "MB", "");
        printf("%-10s %-*.*s %-16s %10.2f %-9s %s\n", entry->build, ID_SHOWN, ID_SHOWN, entry->identifier,
               when, (double)entry->bytes * 1e-6, state_of(e, open, build, entry), entry->name);
        bytes += (double)entry->bytes;
    }
    printf("%d programs for the Neural Engine, %.1f MB of text and weights (at most %d, and %.0f MB)\n",
           x->entries, bytes * 1e-6, INDEX_MOST, (double)INDEX_MOST_BYTES * 1e-6);
    return 0;
}

static bool forget_packages(Error *err)
{
    char *path = cache_path("verified");
    bool ok = !path || !file_exists(path) || dir_remove(path, err);
    free(path);
    return ok;
}

static int clear(AneEngine *e, bool open, AneIndex *x)
{
    Error err = {{0}}, why = {{0}};
    int count = x->entries, purged = 0;
    for (int i = 0; open && i < count; i++)
        purged += ane_engine_purge(e, x->entry[i].identifier, &why);
    if (!index_clear(x, &err) || !forget_packages(&err))
        return tool_fail("anerun cache", &err);
    printf("%d programs forgotten, and every package that was found whole\n", count);
    if (purged)
        printf("the system was asked to forget %d programs\n", purged);
    else if (count)
        printf("what the system keeps itself stays: %s\n",
               open ? why.text : "there is no Neural Engine here to ask");
    return 0;
}

int anerun_cache(int argc, char **argv)
{
    Error err = {{0}};
    const char *what = tool_one_path(flags, FLAGS, argc, argv, &opt.help, "of list and clear", &err);
    if (what && opt.help)
        return tool_help(head, flags, FLAGS, tail);
    bool clears = what && strcmp(what, "clear") == 0;
    if (what && !clears && strcmp(what, "list") != 0) {
        error_set(&err, "\"%s\" is neither list nor clear", what);
        what = NULL;
    }
    if (!what)
        return tool_usage("anerun cache", &err);
    AneEngine e = {0};
    char chip[64], build[64] = "";
    bool open = apple_open(&e.apple, opt.framework, &err);
    if (open)
        ane_engine_name(&e, chip, build, sizeof build);
    AneIndex *x = index_open();
    int status = clears ? clear(&e, open, x) : list(&e, open, build, x);
    index_close(x);
    ane_engine_close(&e);
    return status;
}
