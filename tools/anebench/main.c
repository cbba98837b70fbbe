/* anebench: measures. The first word is a command. */
#include <stdio.h>
#include <string.h>

#include "tools/anebench/commands.h"
#include "tools/shared/engine.h"

static const Command commands[] = {
    {"fused", "one program or many, what a dispatch costs, prefill by bucket, on any device", anebench_fused},
    {"limits", "what this machine can read and compute at the most", anebench_limits},
    {"speed", "prefill and decode of a package, beside other programs and those limits", anebench_speed},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

static int print_help(void)
{
    printf("usage: anebench COMMAND [options]\n\n"
           "Measures how fast packages run, and what the machine would allow.\n\n");
    command_help(commands, COMMANDS);
    printf("\nOther:\n"
           "  --help, -h              this text; also of each command\n"
           "  --version               print the version\n");
    return 0;
}

int main(int argc, char **argv)
{
    if (worker_is_asked(argc, argv))
        return worker_main();
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        return print_help();
    if (strcmp(word, "--version") == 0)
        return printf("anebench %s\n", ANEC_VERSION) < 0;
    const Command *c = command_find(commands, COMMANDS, word);
    if (c)
        return command_run(c, "anebench", argc, argv);
    Error err;
    if (*word)
        error_set(&err, "unknown command %s", word);
    else
        error_set(&err, "what is to be measured?");
    return tool_usage("anebench", &err);
}
