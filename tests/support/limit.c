/* limit SECONDS COMMAND [ARGUMENT]...: runs the command in a process group of its own and kills the whole
 * group when the time is up (exit status 124) or when the command has ended and left children behind.
 * Otherwise the exit status is the command's, or 128 + the signal that ended it, as in a shell.
 * macOS has no timeout(1), and a POSIX shell without a terminal can't make process groups. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t group, timed_out;

static void end_group(int sig)
{
    if (sig == SIGALRM && !timed_out) {
        timed_out = 1;
        alarm(2); /* for those that ignore SIGTERM */
        kill(-group, SIGTERM);
        return;
    }
    kill(-group, SIGKILL);
    if (sig != SIGALRM)
        _exit(128 + sig);
}

static void catch_signal(int sig, void (*handler)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(sig, &action, NULL);
}

/* Background jobs of a shell start with these ignored. */
static void default_signals(void)
{
    static const int signals[] = {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGPIPE};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        catch_signal(signals[i], SIG_DFL);
}

int main(int argc, char **argv)
{
    int seconds = argc > 2 ? atoi(argv[1]) : 0;
    if (seconds <= 0) {
        fprintf(stderr, "usage: limit SECONDS COMMAND [ARGUMENT]...\n");
        return 2;
    }
    pid_t child = fork();
    if (child < 0) {
        perror("limit: fork");
        return 2;
    }
    if (child == 0) {
        setpgid(0, 0);
        default_signals();
        execvp(argv[2], argv + 2);
        fprintf(stderr, "limit: %s: %s\n", argv[2], strerror(errno));
        _exit(127);
    }
    setpgid(child, child); /* both sides: whoever comes first */
    group = (sig_atomic_t)child;
    catch_signal(SIGALRM, end_group);
    catch_signal(SIGINT, end_group);
    catch_signal(SIGTERM, end_group);
    alarm((unsigned)seconds);

    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    alarm(0);
    kill(-child, SIGKILL);
    if (timed_out)
        return 124;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
