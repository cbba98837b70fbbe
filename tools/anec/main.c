/* anec: the compiler. The first word may be a command; anything else is a model to compile. */
#include <string.h>

#include "tools/anec/commands.h"

static const Command commands[] = {
    {"check", "look for faults in MIL programs and packages", anec_check},
    {"diff", "what two programs or packages compute differently", anec_diff},
    {"format", "print .anel files in the usual layout, or rewrite them (also: anec --format)", anec_format},
    {"inspect", "sizes, programs, operations and predicted times of a package or program", anec_inspect},
    {"tensors", "list the names, types and shapes of a checkpoint's tensors", anec_tensors},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

void commands_help(void)
{
    command_help(commands, COMMANDS);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--format") == 0)
        argv[1] += 2;
    const Command *c = argc > 1 ? command_find(commands, COMMANDS, argv[1]) : NULL;
    return c ? command_run(c, "anec", argc, argv) : anec_compile(argc, argv);
}
