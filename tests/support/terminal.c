/* terminal SCRIPT COMMAND...: runs a program on a terminal of its own and plays a person. Lines of SCRIPT:
 *   expect TEXT   wait (10 seconds, or as long as `patience` says) until TEXT comes out behind what was met
 * last absent TEXT   fail if TEXT stands in what came out since the last `expect` send TEXT     type it; \n
 * is Enter, \e Escape, \\ a backslash, ^C and ^D those keys (^^ is ^) status N      the program must end with
 * this status patience N    seconds wait N        milliseconds Prints what came out where something is not as
 * expected, and exits with 1. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

typedef struct Player {
    int terminal;
    pid_t program;
    Text out;
    size_t met; /* what stands before was expected and came */
    int patience;
} Player;

static int give_up(const Player *p, const char *why, const char *what)
{
    printf("terminal: %s: %s\n--- since the last match ---\n%s\n", why, what,
           text_cstr(&p->out) + (p->out.size ? p->met : 0));
    kill(p->program, SIGKILL);
    return 1;
}

/* The program's end of the terminal becomes its standard streams and what it takes signals from. */
static void become(const char *name, char **command)
{
    setsid();
    int fd = open(name, O_RDWR);
    if (fd < 0)
        _exit(126);
#ifdef TIOCSCTTY
    (void)ioctl(fd, TIOCSCTTY, 0);
#endif
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    (void)ioctl(fd, TIOCSWINSZ, &size);
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
    close(fd);
    setenv("TERM", "xterm", 1);
    execvp(command[0], command);
    _exit(127);
}

static int start(Player *p, char **command)
{
    p->terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (p->terminal < 0 || grantpt(p->terminal) || unlockpt(p->terminal)) {
        puts("terminal: there are no pseudo-terminals");
        return 1;
    }
    const char *name = ptsname(p->terminal);
    p->program = fork();
    if (p->program == 0) {
        close(p->terminal);
        become(name, command);
    }
    return p->program < 0;
}

/* Takes what comes within `ms`; false at the end. */
static int take(Player *p, int ms)
{
    char buffer[4096];
    struct pollfd fd = {.fd = p->terminal, .events = POLLIN};
    int ready = poll(&fd, 1, ms);
    if (ready <= 0)
        return ready == 0 || errno == EINTR;
    ssize_t n = read(p->terminal, buffer, sizeof buffer);
    for (ssize_t i = 0; i < n; i++)
        if (buffer[i]) /* a terminal's padding */
            text_putc(&p->out, buffer[i]);
    return n > 0;
}

static int expect(Player *p, const char *what)
{
    time_t until = time(NULL) + p->patience;
    for (;;) {
        const char *found = p->out.size ? strstr(p->out.data + p->met, what) : NULL;
        if (found) {
            p->met = (size_t)(found - p->out.data) + strlen(what);
            return 0;
        }
        if (time(NULL) > until)
            return give_up(p, "did not come in time", what);
        if (!take(p, 100))
            return give_up(p, "did not come before the end", what);
    }
}

static void rest_for(int ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

/* Editors show their prompt before they take the terminal over, and a person is never that fast. */
static int send_keys(Player *p, const char *keys)
{
    rest_for(150);
    Text t = {0};
    for (; *keys; keys++) {
        if (*keys == '\\' && keys[1]) {
            keys++;
            text_putc(&t, *keys == 'n' ? '\r' : *keys == 'e' ? 27 : *keys);
        } else if (*keys == '^' && keys[1]) {
            keys++;
            text_putc(&t, *keys == '^' ? '^' : (char)(*keys & 31));
        } else {
            text_putc(&t, *keys);
        }
    }
    ssize_t n = write(p->terminal, text_cstr(&t), t.size);
    int failed = n != (ssize_t)t.size;
    text_free(&t);
    return failed ? give_up(p, "cannot type", keys) : 0;
}

static int ended(Player *p, int wanted)
{
    time_t until = time(NULL) + p->patience;
    int status = 0;
    while (waitpid(p->program, &status, WNOHANG) == 0) {
        if (time(NULL) > until)
            return give_up(p, "did not end", "the program");
        (void)take(p, 50);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == wanted)
        return 0;
    printf("terminal: status %d%s instead of %d\n%s\n",
           WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), WIFEXITED(status) ? "" : " (a signal)",
           wanted, text_cstr(&p->out));
    return 1;
}

static int step(Player *p, char *line)
{
    char *rest = strchr(line, ' ');
    rest = rest ? (*rest = 0, rest + 1) : line + strlen(line);
    if (strcmp(line, "expect") == 0)
        return expect(p, rest);
    if (strcmp(line, "absent") == 0)
        return strstr(text_cstr(&p->out) + p->met, rest) ? give_up(p, "must not come", rest) : 0;
    if (strcmp(line, "send") == 0)
        return send_keys(p, rest);
    if (strcmp(line, "status") == 0)
        return ended(p, atoi(rest));
    if (strcmp(line, "patience") == 0)
        p->patience = atoi(rest);
    if (strcmp(line, "wait") == 0)
        rest_for(atoi(rest));
    return 0;
}

int main(int argc, char **argv)
{
    Error err;
    char *script;
    size_t size;
    Player p = {.patience = 10};
    if (argc < 3 || !file_read(argv[1], 0, &script, &size, &err)) {
        fprintf(stderr, "usage: terminal SCRIPT COMMAND...\n");
        return 2;
    }
    int failed = start(&p, argv + 2);
    for (char *line = strtok(script, "\n"); line && !failed; line = strtok(NULL, "\n"))
        failed = step(&p, line);
    kill(p.program, SIGKILL);
    text_free(&p.out);
    free(script);
    return failed;
}
