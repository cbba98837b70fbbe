/* A Neural Engine in another process, over the stand-in: this program is its own worker. Then workers that
 * are none, and messages that are none. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/median.h"
#include "frontend/mil/mil.h"
#include "runtime/ane/program.h"
#include "runtime/remote/remote.h"
#include "runtime/remote/wire.h"
#include "tests/support/libane.h"
#include "tests/support/libdifference.h"
#include "tests/unit/check.h"

#ifdef __APPLE__

int main(void)
{
    puts("0 passed, 0 failed, 1 skipped");
    return 0;
}

#else

enum { MOST = 12 };

static char folder[] = "/tmp/test_remote.XXXXXX";

/* Program number n computes a - b + n. */
static Module *program(int n, Source *source)
{
    Text t = {0};
    Diags diags = {.out = stderr};
    text_printf(
        &t,
        "program(1.3)\n[buildInfo = dict<string, string>({{\"coremlc-version\", \"3505.4.1\"}})]\n{\n"
        "    func main<ios18>(tensor<fp16, [1, 4, 1, 32]> b, tensor<fp16, [1, 4, 1, 32]> a) {\n"
        "            tensor<fp16, [1, 4, 1, 32]> d = sub(x = a, y = b)[name = string(\"d\")];\n"
        "            tensor<fp16, [1, 4, 1, 32]> c = add(x = d, y = fp16(%d))[name = string(\"c\")];\n"
        "        } -> (d, c);\n}\n",
        n);
    *source = (Source){"program", t.data, t.size};
    return mil_read(source, &diags);
}

static bool right(Kernel *k, int n, Error *err)
{
    return difference_is_right(k, 1, (float)n, err);
}

/* ---- workers that work ---- */

/* What a worker leaves: its exit status is 3 where objects live or something was misused. */
static int be_worker(void)
{
    Error err;
    bool ok = remote_serve(STDIN_FILENO, REMOTE_MEMORY, &err);
    if (!ok || standin.live || *standin.complaint)
        fprintf(stderr, "worker: %s, %d objects, %s\n", ok ? "fine" : err.text, standin.live,
                standin.complaint);
    return !ok ? 1 : standin.live || *standin.complaint ? 3 : 0;
}

static char script[4096];
static const char *const through_shell[] = {"/bin/sh", "-c", script, NULL};

/* Workers write their process and their exit status to files of the folder. */
static void script_worker(const char *self)
{
    snprintf(script, sizeof script, "echo $$ >>%s/pids; exec 9>>%s/ends; \"%s\" --worker; echo $? >&9",
             folder, folder, self);
}

/* How many lines of the file are this one. */
static int count_lines(const char *name, const char *line)
{
    char *path = path_join(folder, name), *text = NULL;
    size_t size = 0;
    Error ignored;
    int n = 0;
    if (file_read(path, 0, &text, &size, &ignored))
        for (char *p = strtok(text, "\n"); p; p = strtok(NULL, "\n"))
            n += !line || strcmp(p, line) == 0;
    free(text);
    unlink(path);
    free(path);
    return n;
}

/* More programs than a process may compile: `believed` by us, and `true_limit` by the system. */
static void test_budget(const char *self, int believed, int true_limit, int processes)
{
    Error err = {{0}};
    Source source[MOST];
    Module *m[MOST];
    Kernel *k[MOST] = {NULL};
    script_worker(self);
    standin_reset();
    ane_compiles_forget();
    standin.limit = true_limit;
    AneOptions o = {.library = "", .compiles = believed, .seconds = 10, .worker = through_shell};
    Device *device = ane_device_open_as(&o, &err);
    for (int i = 0; i < MOST; i++) {
        m[i] = program(i, &source[i]);
        k[i] = device && m[i] ? device_compile(device, m[i]->func[0], NULL, &err) : NULL;
        CHECK_TOLD(k[i] != NULL, "program %d: %s", i, err.text);
    }
    for (int i = 0; i < 2 * MOST; i++)
        CHECK_TOLD(k[i % MOST] && right(k[i % MOST], i % MOST, &err), "%d runs: %s", i % MOST, err.text);
    CHECK_TOLD(device && ane_device_processes(device) == processes, "%d processes",
               device ? ane_device_processes(device) : 0);
    for (int i = 0; i < MOST; i++) {
        kernel_release(k[i]);
        module_free(m[i]);
        free((char *)(uintptr_t)source[i].text);
    }
    device_close(device);
    CHECK_TOLD(standin.live == 0 && !*standin.complaint, "%d objects, %s", standin.live, standin.complaint);
    int clean = count_lines("ends", "0");
    CHECK_TOLD(clean == processes - 1, "%d of %d workers end well", clean, processes - 1);
    count_lines("pids", NULL);
}

/* A worker that is killed is one clear error, then and from then on. */
static void test_killed(const char *self)
{
    Error err = {{0}};
    Source source;
    Module *m = program(1, &source);
    char *path = path_join(folder, "pids"), *text = NULL;
    size_t size;
    script_worker(self);
    char *end = strstr(script, "exec 9");
    snprintf(end, sizeof script - (size_t)(end - script), "exec \"%s\" --worker", self);
    AneOptions o = {.library = "", .seconds = 10};
    Device *d = remote_device_open(through_shell, &o, &err);
    Kernel *k = d ? device_compile(d, m->func[0], NULL, &err) : NULL;
    CHECK_TOLD(k && right(k, 1, &err), "%s", err.text);
    CHECK_TOLD(file_read(path, 0, &text, &size, &err), "%s", err.text);
    pid_t pid = text ? (pid_t)atoi(text) : 0;
    CHECK(pid > 1 && kill(pid, SIGKILL) == 0);
    CHECK_TOLD(k && !right(k, 1, &err) && strstr(err.text, "ended by signal 9"), "%s", err.text);
    CHECK_TOLD(k && !right(k, 1, &err) && strstr(err.text, "is gone"), "%s", err.text);
    CHECK(d && !device_compile(d, m->func[0], NULL, &err));
    kernel_release(k);
    device_close(d);
    module_free(m);
    free((char *)(uintptr_t)source.text);
    free(text);
    unlink(path);
    free(path);
}

/* ---- workers that are none ---- */

static void test_worker(const char *what, const char *wanted)
{
    Error err = {{0}};
    snprintf(script, sizeof script, "%s", what);
    AneOptions o = {.library = "", .seconds = 0.02};
    Device *d = remote_device_open(through_shell, &o, &err);
    CHECK_TOLD(!d && strstr(err.text, wanted), "%s: wanted \"%s\" in: %s", what, wanted, err.text);
    device_close(d);
}

static void test_workers(void)
{
    static const char *const absent[] = {"/no/such/worker", NULL};
    Error err = {{0}};
    Device *d = remote_device_open(absent, &(AneOptions){.library = ""}, &err);
    CHECK_TOLD(!d && strstr(err.text, "/no/such/worker"), "%s", err.text);
    test_worker("exit 3", "ended with status 3");
    test_worker("kill -15 $$", "ended by signal 15");
    test_worker("exit 0", "it gives no answer");
    test_worker("dd bs=1 count=40 of=/dev/null 2>/dev/null; printf ab >&0", "in the middle of a message");
    test_worker("printf '\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0' >&0", "what is no message");
    test_worker("printf 'some words of a chatty program' >&0", "its answer is no answer");
    test_worker("printf '\\5\\0\\0\\0\\377\\377\\377\\377\\377\\377\\377\\377' >&0", "no answer");
    test_worker("printf '\\6\\0\\0\\0\\377\\377\\377\\377\\377\\377\\377\\377' >&0", "a message of");
    test_worker("printf '\\6\\0\\0\\0\\2\\0\\0\\0\\0\\0\\0\\0ab' >&0", "its answer is no answer");
    test_worker("sleep 20", "no answer within 0.8 s");
}

/* ---- messages that are none ---- */

/* What the server says to these bytes, and then the end of the stream. */
static bool serve(const char *bytes, size_t size, Error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return error_set_errno(err, errno, "socketpair");
    bool ok = send(pair[0], bytes, size, 0) == (ssize_t)size && shutdown(pair[0], SHUT_WR) == 0 &&
              remote_serve(pair[1], -1, err);
    close(pair[0]);
    close(pair[1]);
    return ok;
}

static void add_message(Text *t, uint32_t kind, const Text *body)
{
    text_add(t, (const char *)&kind, 4);
    wire_put_number(t, body->size);
    text_add(t, text_cstr(body), body->size);
}

/* A conversation: open, compile, run, release. */
static void make_conversation(Text *t)
{
    Text body = {0};
    Source source;
    Module *m = program(2, &source);
    wire_put_text(&body, ANEC_VERSION, strlen(ANEC_VERSION));
    wire_put_number(&body, 1);
    wire_put_text(&body, "", 0);
    for (int i = 0; i < 5; i++)
        wire_put_number(&body, 0);
    add_message(t, WIRE_OPEN, &body);
    text_free(&body);
    wire_put_number(&body, 0);
    wire_put_text(&body, "", 0);
    wire_put_text(&body, source.text, source.size);
    add_message(t, WIRE_COMPILE, &body);
    text_free(&body);
    wire_put_number(&body, 1);
    add_message(t, WIRE_RELEASE, &body);
    text_free(&body);
    module_free(m);
    free((char *)(uintptr_t)source.text);
}

static void test_messages(void)
{
    Error err;
    Text whole = {0};
    make_conversation(&whole);
    standin_reset();
    CHECK_TOLD(serve(whole.data, whole.size, &err), "%s", err.text);
    CHECK(serve("", 0, &err));
    CHECK(!serve("\2\0\0\0\0\0\0\0\0\0\0\0", 12, &err) && strstr(err.text, "out of order"));
    CHECK(!serve("\1\0\0\0\377\377\377\377\377\0\0\0", 12, &err) && strstr(err.text, "a message of"));
    CHECK(!serve("\1\0\0\0\3\0\0\0\0\0\0\0abc", 15, &err) && strstr(err.text, "an opening that is none"));
    /* Whatever bytes are other, or missing, it ends, and nothing stays. But the time limit, the last number
     * of the opening: what hangs longer keeps what it works with, and a short one hangs as the machine likes.
     */
    uint64_t opening;
    memcpy(&opening, whole.data + 4, sizeof opening);
    opening += 12;
    uint32_t state = 1;
    for (int i = 0; i < 400; i++) {
        char *copy = xmalloc(whole.size);
        memcpy(copy, whole.data, whole.size);
        size_t size = whole.size;
        for (int n = 0; n < 1 + i % 3; n++) {
            state = state * 1664525u + 1013904223u;
            copy[(state >> 8) % size] = (char)(state >> 3);
        }
        memset(copy + opening - 8, 0, 8);
        if (i % 4 == 0)
            size = (state >> 5) % size;
        ane_compiles_forget();
        (void)!serve(copy, size, &err);
        free(copy);
    }
    CHECK_TOLD(standin.live == 0 && !*standin.complaint, "%d objects, %s", standin.live, standin.complaint);
    text_free(&whole);
}

/* ---- what it costs ---- */

static double median_us(Kernel *k, const PortData *data)
{
    enum { RUNS = 31 };
    double us[RUNS];
    Error err;
    for (int i = -3; i < RUNS; i++) {
        double start = clock_seconds();
        if (!device_run(k, data, k->ports, NULL, &err))
            return -1;
        if (i >= 0)
            us[i] = (clock_seconds() - start) * 1e6;
    }
    return median_of(us, RUNS);
}

/* Prints what a relu of [1, channels, 1, length] takes, which the stand-in computes: in this process without
 * the watchdog, with it, and in another process. */
static bool tell_costs(const char *self, int channels, int length)
{
    Error err = {{0}};
    Text t = {0};
    text_printf(&t,
                "program(1.3)\n{\n    func main<ios18>(tensor<fp16, [1, %d, 1, %d]> x) {\n"
                "            tensor<fp16, [1, %d, 1, %d]> y = relu(x = x)[name = string(\"y\")];\n"
                "        } -> (y);\n}\n",
                channels, length, channels, length);
    Source source = {"relu", t.data, t.size};
    Module *m = mil_read(&source, &(Diags){.out = stderr});
    size_t bytes = (size_t)channels * (size_t)length * 2;
    PortData data[] = {{xcalloc(bytes, 1), bytes}, {xcalloc(bytes, 1), bytes}};
    AneOptions plain = {.library = ""}, watched = {.library = "", .seconds = 30};
    script_worker(self);
    Device *device[] = {ane_device_open_as(&plain, &err), ane_device_open_as(&watched, &err),
                        remote_device_open(through_shell, &watched, &err)};
    bool ok = true;
    printf("[1, %d, 1, %d]:", channels, length);
    for (int i = 0; i < 3; i++) {
        static const char *const who[] = {"here", "with the watchdog", "in another process"};
        Kernel *k = device[i] ? device_compile(device[i], m->func[0], NULL, &err) : NULL;
        ok &= k != NULL;
        if (k)
            printf("%s %s %.1f us", i ? "," : "", who[i], median_us(k, data));
        kernel_release(k);
        device_close(device[i]);
    }
    putchar('\n');
    module_free(m);
    text_free(&t);
    free(data[0].data);
    free(data[1].data);
    return ok;
}

/* test_remote --cost: medians of 31, three times. */
static int tell_all_costs(const char *self)
{
    bool ok = true;
    for (int i = 0; i < 3; i++)
        ok &= tell_costs(self, 4, 32) && tell_costs(self, 768, 1024);
    return !ok;
}

/* An emulator of another processor runs this program, but not what it starts. */
static bool can_start(const char *self)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        execl(self, self, "--nothing", (char *)NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
    Error ignored;
    signal(SIGPIPE, SIG_IGN);
    if (argc > 1 && strcmp(argv[1], "--nothing") == 0)
        return 0;
    if (argc > 1 && strcmp(argv[1], "--worker") == 0)
        return be_worker();
    if (!can_start(argv[0])) {
        SKIP("this system does not start this program from itself");
        return check_report();
    }
    if (!mkdtemp(folder))
        return 1;
    if (argc > 1 && strcmp(argv[1], "--cost") == 0)
        return tell_all_costs(argv[0]) || !dir_remove(folder, &ignored);
    setenv("TMPDIR", folder, 1); /* who is killed leaves a program's folder */
    setenv("XDG_CACHE_HOME", folder, 1);
    test_messages();
    test_budget(argv[0], 12, 0, 1);
    test_budget(argv[0], 5, 0, 3);
    test_budget(argv[0], 1, 0, 12);
    test_budget(argv[0], 100, 4, 2);
    test_killed(argv[0]);
    test_workers();
    CHECK(dir_remove(folder, &ignored));
    return check_report();
}

#endif
