/* The commands of anec: one file each. */
#ifndef TOOLS_ANEC_COMMANDS_H
#define TOOLS_ANEC_COMMANDS_H

#include "tools/shared/command.h"

/* anec MODEL.anel ...: what is done where the first word is no command. */
int anec_compile(int argc, char **argv);
int anec_check(int argc, char **argv);
int anec_diff(int argc, char **argv);
int anec_format(int argc, char **argv);
int anec_inspect(int argc, char **argv);
int anec_tensors(int argc, char **argv);

/* Their list, for anec --help. */
void commands_help(void);

#endif
