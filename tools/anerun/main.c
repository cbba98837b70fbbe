/* anerun: the runtime. The first word may be a command; anything else is a package to run. */
#include <signal.h>
#include <string.h>

#include "tools/anerun/commands.h"
#include "tools/shared/engine.h"

static const Command commands[] = {
    {"cache", "what is kept between runs: list it, clear it", anerun_cache},
    {"doctor", "what this machine has, whether it computes right", anerun_doctor},
    {"run", "run any MIL program on .npy arrays", anerun_run},
};
enum { COMMANDS = sizeof commands / sizeof *commands };

void commands_help(void)
{
    command_help(commands, COMMANDS);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (worker_is_asked(argc, argv))
        return worker_main();
    if (argc > 1 && (strcmp(argv[1], "--doctor") == 0 || strcmp(argv[1], "--cache") == 0))
        argv[1] += 2; /* both spellings are the command */
    const Command *c = argc > 1 ? command_find(commands, COMMANDS, argv[1]) : NULL;
    return c ? command_run(c, "anerun", argc, argv) : anerun_write(argc, argv);
}
