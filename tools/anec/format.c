/* anec format: the usual layout of .anel files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/file.h"
#include "frontend/anel/anel.h"
#include "tools/anec/commands.h"

enum { SOURCE_LIMIT = 64 << 20 };

static struct {
    bool in_place, check, help;
} opt;

static const Flag flags[] = {
    {FLAG_BOOL, "--in-place", "-i", NULL, &opt.in_place, 0, 0, "rewrite the files instead of printing them"},
    {FLAG_BOOL, "--check", NULL, NULL, &opt.check, 0, 0,
     "print the names of files that are not in the usual layout; exit 1 if there is one"},
    {FLAG_BOOL, "--help", "-h", NULL, &opt.help, 0, 0, "this text"},
};
enum { FLAGS = sizeof flags / sizeof *flags };

static int print_help(void)
{
    return tool_help("usage: anec format [options] FILE.anel...        (- reads standard input)\n\n"
                     "Prints .anel files in the usual layout. Comments and line ends are kept.\n\n",
                     flags, FLAGS, "\n");
}

static int finish(const char *who, const char *path, const Source *source, Text *made)
{
    Error err;
    bool same = made->size == source->size && memcmp(text_cstr(made), source->text, made->size) == 0;
    if (opt.check) {
        if (!same)
            printf("%s\n", path);
        return same ? 0 : EXIT_USER;
    }
    if (!opt.in_place || strcmp(path, "-") == 0)
        return fwrite(text_cstr(made), 1, made->size, stdout) == made->size ? 0 : EXIT_USER;
    if (same || file_write_atomic(path, text_cstr(made), made->size, &err))
        return 0;
    return tool_fail(who, &err);
}

static int format_file(const char *who, const char *path)
{
    Error err;
    char *text;
    size_t size;
    Text made = {0};
    Diags diags = {.out = stderr, .colour = isatty(STDERR_FILENO)};
    if (!file_read(path, SOURCE_LIMIT, &text, &size, &err))
        return tool_fail(who, &err);
    Source source = {path, text, size};
    int status = anel_format(&source, &made, &diags) ? finish(who, path, &source, &made) : EXIT_USER;
    text_free(&made);
    free(text);
    return status;
}

int anec_format(int argc, char **argv)
{
    Error err;
    const char **files = xcalloc((size_t)argc, sizeof *files);
    int count = 0, status = 0;
    if (!flags_parse(flags, FLAGS, argc, argv, files, &count, &err)) {
        status = tool_usage(argv[0], &err);
    } else if (opt.help) {
        status = print_help();
    } else if (!count) {
        error_set(&err, "which files?");
        status = tool_usage(argv[0], &err);
    } else {
        for (int i = 0; i < count; i++)
            status |= format_file(argv[0], files[i]);
    }
    free(files);
    return status;
}
