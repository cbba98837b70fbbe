#include "tools/aneprobe/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

extern char **environ;

/* Until its end, or the deadline; false then. */
static bool collect(int from, int64_t deadline, Text *out)
{
    char buffer[65536];
    for (;;) {
        struct pollfd p = {.fd = from, .events = POLLIN};
        int64_t left = deadline - clock_ns() / 1000000;
        int ready = left > 0 ? poll(&p, 1, (int)(left < 60000 ? left : 60000)) : 0;
        if (ready < 0 && errno != EINTR)
            return true;
        if (ready <= 0 && left > 0)
            continue;
        if (ready <= 0)
            return false;
        ssize_t n = read(from, buffer, sizeof buffer);
        if (n <= 0)
            return true;
        text_add(out, buffer, (size_t)n);
    }
}

static bool start(const char *const *argv, int to, int from, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    bool ok = posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO) == 0 &&
              posix_spawn_file_actions_addclose(&actions, from) == 0 &&
              posix_spawn_file_actions_addclose(&actions, to) == 0 &&
              posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    return ok;
}

bool child_run(const char *const *argv, int64_t seconds, Text *out, Error *err)
{
    int ends[2], status = 0;
    pid_t pid;
    if (pipe(ends) != 0)
        return error_set_errno(err, errno, "cannot make a pipe");
    bool started = start(argv, ends[1], ends[0], &pid);
    close(ends[1]);
    bool in_time = started && collect(ends[0], clock_ns() / 1000000 + seconds * 1000, out);
    close(ends[0]);
    if (!started)
        return error_set(err, "cannot start %s", argv[0]);
    if (!in_time)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (!in_time)
        return error_set(err, "it did not come back within %lld s", (long long)seconds);
    if (WIFSIGNALED(status))
        return error_set(err, "its process was killed by signal %d", WTERMSIG(status));
    return true;
}
