#include "tools/shared/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"

const Command *command_find(const Command *list, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

int command_run(const Command *cmd, const char *program, int argc, char **argv)
{
    Text whole = {0};
    text_printf(&whole, "%s %s", program, cmd->name);
    argv[1] = whole.data;
    int status = cmd->run(argc - 1, argv + 1);
    text_free(&whole);
    return status;
}

void command_help(const Command *list, int count)
{
    if (count)
        printf("Commands (each has a --help of its own):\n");
    for (int i = 0; i < count; i++)
        printf("  %-10s %s\n", list[i].name, list[i].about);
    if (count)
        putchar('\n');
}

int tool_help(const char *head, const Flag *flags, int count, const char *tail)
{
    Text t = {0};
    flags_help(&t, flags, count);
    printf("%s%s%s", head, text_cstr(&t), tail);
    text_free(&t);
    return 0;
}

int tool_fail(const char *who, const Error *err)
{
    fflush(stdout);
    fprintf(stderr, "%s: error: %s\n", who, err->text);
    return EXIT_USER;
}

int tool_usage(const char *who, const Error *err)
{
    fprintf(stderr, "%s: %s\nTry '%s --help'.\n", who, err->text, who);
    return EXIT_USAGE;
}

int tool_print(const char *who, Text *t)
{
    Error err;
    bool ok = fwrite(text_cstr(t), 1, t->size, stdout) == t->size && fflush(stdout) == 0;
    int problem = errno;
    text_free(t);
    if (ok)
        return 0;
    error_set_errno(&err, problem, "cannot write to standard output");
    return tool_fail(who, &err);
}

const char *tool_one_path(const Flag *flags, int count, int argc, char **argv, const bool *help,
                          const char *what, Error *err)
{
    const char **rest = xcalloc((size_t)argc, sizeof *rest), *path = NULL;
    int rests = 0;
    bool ok = flags_parse(flags, count, argc, argv, rest, &rests, err);
    if (ok && *help)
        path = "";
    else if (ok && rests == 1)
        path = rest[0];
    else if (ok)
        error_set(err, rests ? "one %s at a time" : "which %s?", what);
    free(rest);
    return path;
}
