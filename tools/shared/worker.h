/* This program as a worker for the Neural Engine (runtime/remote/): another process of the same executable,
 * started when the first may compile no more. */
#ifndef TOOLS_SHARED_WORKER_H
#define TOOLS_SHARED_WORKER_H

#include <stdbool.h>

/* Whether the command line is a worker's; to be asked first in main. */
bool worker_is_asked(int argc, char **argv);
/* Serves standard input; returns the exit status. */
int worker_main(void);

/* The words that start a worker: for AneOptions.worker. NULL where the system does not tell this program's
 * own path. */
const char *const *worker_command(void);

#endif
