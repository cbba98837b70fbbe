/* What the programs of this folder share: sub-commands, exit codes and how an error is told. */
#ifndef TOOLS_SHARED_COMMAND_H
#define TOOLS_SHARED_COMMAND_H

#include "base/error.h"
#include "base/flags.h"
#include "base/text.h"

/* Exit codes of every program; 0 is success. A program that looks for faults returns EXIT_USER when it has
 * found one. */
enum { EXIT_USER = 1, EXIT_USAGE = 2 };

typedef struct Command {
    const char *name;
    const char *about;                 /* one line, for --help */
    int (*run)(int argc, char **argv); /* argv[0] is the command's whole name, such as "anec check" */
} Command;

/* The command called NAME, or NULL. */
const Command *command_find(const Command *list, int count, const char *name);

/* Runs CMD on the words behind the program's name and the command's. */
int command_run(const Command *cmd, const char *program, int argc, char **argv);

/* "  check   look for faults" for each command, behind a heading; nothing where there are none. */
void command_help(const Command *list, int count);

/* Prints HEAD (usage, and what the command does), the flags, and TAIL; returns 0. */
int tool_help(const char *head, const Flag *flags, int count, const char *tail);

/* Prints "WHO: error: TEXT" on standard error and returns EXIT_USER. What is on its way to standard output
 * goes first. */
int tool_fail(const char *who, const Error *err);

/* Prints "WHO: TEXT" and where help is; returns EXIT_USAGE. */
int tool_usage(const char *who, const Error *err);

/* Reads the command line of a command that takes one path: NULL with err set where it is wrong; with --help
 * (*help is then true, and the path may be missing) "". `what` is what is missing in the message. */
MUST_USE const char *tool_one_path(const Flag *flags, int count, int argc, char **argv, const bool *help,
                                   const char *what, Error *err);

/* Prints T to standard output, and frees it; WHO tells of a failure. Returns the exit code. */
int tool_print(const char *who, Text *t);

#endif
