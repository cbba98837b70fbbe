#include "tools/shared/engine.h"

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

#include "runtime/remote/remote.h"

static const char word[] = "--neural-engine-worker";

bool worker_is_asked(int argc, char **argv)
{
    return argc == 2 && strcmp(argv[1], word) == 0;
}

/* An interrupt at the terminal comes to both: the first process decides what becomes of it. */
int worker_main(void)
{
    Error err;
    signal(SIGINT, SIG_IGN);
    if (remote_serve(STDIN_FILENO, REMOTE_MEMORY, &err))
        return 0;
    fprintf(stderr, "a worker for the Neural Engine ends: %s\n", err.text);
    return 1;
}

static bool own_path(char *out, uint32_t size)
{
#if defined(__APPLE__)
    return _NSGetExecutablePath(out, &size) == 0;
#else
    ssize_t n = readlink("/proc/self/exe", out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    return n > 0 && n < (ssize_t)size - 1;
#endif
}

/* NULL where the system does not tell this program's own path. */
static const char *const *worker_command(void)
{
    static char path[4096];
    static const char *const command[] = {path, word, NULL};
    return own_path(path, sizeof path) ? command : NULL;
}

static int whole(int64_t n)
{
    return n > 0 && n < 1 << 20 ? (int)n : 0;
}

Device *engine_open(const EngineOptions *options, Error *err)
{
    const Plan *plan = options->plan;
    AneOptions ane = {.library = options->framework,
                      .compiles = plan ? whole(plan->compiles) : 0,
                      .resident = plan ? whole(plan->resident) : 0,
                      .surface_bytes = plan ? whole(plan->surface_bytes) : 0,
                      .seconds = options->seconds,
                      .remember = options->remember,
                      .worker = worker_command()};
    return ane_device_open_as(&ane, err);
}
