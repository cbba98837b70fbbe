/* The commands of anerun: one file each. */
#ifndef TOOLS_ANERUN_COMMANDS_H
#define TOOLS_ANERUN_COMMANDS_H

#include "tools/shared/command.h"

/* anerun PACKAGE ...: what is done where the first word is no command. */
int anerun_write(int argc, char **argv);

int anerun_cache(int argc, char **argv); /* what is kept between runs */

int anerun_doctor(int argc, char **argv); /* what this machine has, and whether it computes right */

int anerun_run(int argc, char **argv); /* any MIL program, on arrays from files */

/* Their list, for anerun --help. */
void commands_help(void);

#endif
