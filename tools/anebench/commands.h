/* The commands of anebench: one file each. */
#ifndef TOOLS_ANEBENCH_COMMANDS_H
#define TOOLS_ANEBENCH_COMMANDS_H

#include "tools/shared/command.h"

int anebench_fused(int argc, char **argv);  /* one program or many; buckets; on any device */
int anebench_limits(int argc, char **argv); /* what the machine can do at the most */
int anebench_speed(int argc, char **argv);  /* prefill and decode of a package, beside peers */

#endif
