#include "tools/shared/worker.h"

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

const char *const *worker_command(void)
{
    static char path[4096];
    static const char *const command[] = {path, word, NULL};
    return own_path(path, sizeof path) ? command : NULL;
}
