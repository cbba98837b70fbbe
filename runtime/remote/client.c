/* The device's side: each call is a message and its answer. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "runtime/remote/remote.h"
#include "runtime/remote/shared.h"
#include "runtime/remote/wire.h"

extern char **environ;

enum {
    MOST_ANSWER = 1 << 16, /* bytes of an answer that is no result */
    PATIENCE = 40, /* time limits of the worker's own calls that one message may take: compiling has ten,
                    * and what is busy is tried again */
};
#define FAREWELL 5.0 /* seconds that a worker may take to unload its programs */

typedef struct RemoteDevice {
    Device base;
    pid_t pid;
    Wire wire;
    Shared memory;
    bool spent, broken;
} RemoteDevice;

typedef struct RemoteKernel {
    Kernel base;
    Arena arena;
    uint64_t number;
    int inputs;
    size_t *offset; /* of the ports, in the shared memory */
} RemoteKernel;

/* ---- the process ---- */

/* Gives it so long to end of itself, then ends it. Whether it did, with its status as waitpid tells it. */
static bool await_end(pid_t pid, double seconds, int *status)
{
    *status = 0;
    for (double end = clock_seconds() + seconds; clock_seconds() < end;) {
        pid_t done = waitpid(pid, status, WNOHANG);
        if (done == pid || (done < 0 && errno != EINTR))
            return done == pid;
        clock_sleep(0.005);
    }
    kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        continue;
    return false;
}

/* After an error on the wire nothing more is said to it: why, with how the process ended where it did. */
static bool give_up(RemoteDevice *d, Error *err)
{
    int status;
    bool ended = await_end(d->pid, 0.2, &status);
    d->broken = true;
    d->pid = -1;
    if (ended && WIFSIGNALED(status))
        return error_prefix(err, "the second process for the Neural Engine ended by signal %d",
                            WTERMSIG(status));
    if (ended && WEXITSTATUS(status))
        return error_prefix(err, "the second process for the Neural Engine ended with status %d",
                            WEXITSTATUS(status));
    return error_prefix(err, "the second process for the Neural Engine");
}

static void keep_to_ourselves(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
#if defined(SO_NOSIGPIPE)
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
}

static bool start(RemoteDevice *d, const char *const *command, Error *err)
{
    int pair[2];
    posix_spawn_file_actions_t actions;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return error_set_errno(err, errno, "a socket for a second process");
    keep_to_ourselves(pair[0]);
    keep_to_ourselves(pair[1]);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pair[1], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, d->memory.fd, REMOTE_MEMORY);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    int status = posix_spawn(&d->pid, command[0], &actions, NULL, (char *const *)(uintptr_t)command, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    if (status == 0) {
        d->wire.fd = pair[0];
        return true;
    }
    close(pair[0]);
    d->pid = -1;
    return error_set_errno(err, status, "%s: a second process cannot be started", command[0]);
}

/* ---- messages ---- */

/* Reads why the worker refuses. */
static bool take_refusal(RemoteDevice *d, uint64_t length, Error *err)
{
    Text body = {0};
    uint64_t spent = 0;
    const char *text = NULL;
    size_t size = 0;
    bool whole = wire_body(&d->wire, length, MOST_ANSWER, &body, err);
    Body b = {body.data, body.size};
    if (whole && wire_take_number(&b, &spent) && wire_take_text(&b, &text, &size)) {
        d->spent = spent;
        error_set(err, "%.*s", (int)size, text);
    } else {
        if (whole)
            error_set(err, "its answer is no answer");
        give_up(d, err);
    }
    text_free(&body);
    return false;
}

/* The length of the answer where it is DONE. */
static bool take_answer(RemoteDevice *d, uint64_t *length, Error *err)
{
    uint32_t kind;
    if (!wire_header(&d->wire, &kind, length, err))
        return give_up(d, err);
    if (kind == WIRE_FAILED)
        return take_refusal(d, *length, err);
    if (kind == WIRE_DONE)
        return true;
    error_set(err, kind ? "its answer is no answer" : "it gives no answer");
    return give_up(d, err);
}

static bool is_broken(const RemoteDevice *d, Error *err)
{
    return d->broken && !error_set(err, "the second process for the Neural Engine is gone");
}

/* A message whose answer is so many bytes. */
static bool ask(RemoteDevice *d, WireKind kind, const Text *body, void *answer, size_t size, Error *err)
{
    uint64_t length;
    if (is_broken(d, err))
        return false;
    bool sent = wire_send(&d->wire, kind, body, err); /* if not: it may have said why before it ended */
    if (!take_answer(d, &length, err))
        return false;
    if (!sent || length != size) {
        error_set(err, "its answer is no answer");
        return give_up(d, err);
    }
    return wire_read(&d->wire, answer, size, err) || give_up(d, err);
}

/* ---- kernels ---- */

static void release(Kernel *kernel)
{
    RemoteKernel *k = (RemoteKernel *)kernel;
    RemoteDevice *d = (RemoteDevice *)kernel->device;
    Text body = {0};
    Error ignored;
    char none;
    if (k->number) {
        wire_put_number(&body, k->number);
        (void)!ask(d, WIRE_RELEASE, &body, &none, 0, &ignored);
        text_free(&body);
    }
    arena_free(&k->arena);
    free(k);
}

static bool take_ports(RemoteKernel *k, const Func *f, Error *err)
{
    Port *port = arena_many(&k->arena, (size_t)(f->params + f->outputs) + 1, Port);
    k->offset = arena_many(&k->arena, (size_t)(f->params + f->outputs) + 1, size_t);
    k->inputs = f->params;
    k->base.ports = f->params + f->outputs;
    k->base.port = port;
    for (int i = 0; i < k->base.ports; i++) {
        bool in = i < f->params;
        const Value *v = in ? f->param[i] : f->output[i - f->params];
        int64_t bytes = v->type->kind == TY_TENSOR ? type_bytes(v->type) : -1;
        if (bytes <= 0)
            return error_set(err, "%s: only tensors of fixed shape go to another process", v->name);
        port[i] = (Port){in ? PORT_INPUT : PORT_OUTPUT, v->name, v->type, (size_t)bytes};
    }
    RemoteDevice *d = (RemoteDevice *)k->base.device;
    return shared_grow(&d->memory, shared_layout(port, k->base.ports, k->offset), err);
}

static Kernel *compile(Device *device, const Func *f, const BlobResolver *blobs, Error *err)
{
    RemoteDevice *d = (RemoteDevice *)device;
    RemoteKernel *k = xcalloc(1, sizeof *k);
    Text mil = {0}, body = {0};
    const char *folder = blobs && blobs->folder ? blobs->folder : "";
    k->base = (Kernel){.device = device, .name = f->name, .steps = 1};
    d->spent = false;
    module_print(&mil, f->module);
    wire_put_number(&body, (uint64_t)func_number(f));
    wire_put_text(&body, folder, strlen(folder));
    wire_put_text(&body, mil.data, mil.size);
    bool ok = take_ports(k, f, err) && ask(d, WIRE_COMPILE, &body, &k->number, sizeof k->number, err);
    text_free(&mil);
    text_free(&body);
    if (ok)
        return &k->base;
    k->number = 0;
    release(&k->base);
    return NULL;
}

static bool run(Kernel *kernel, const PortData *data, const Trace *trace, Error *err)
{
    RemoteKernel *k = (RemoteKernel *)kernel;
    RemoteDevice *d = (RemoteDevice *)kernel->device;
    double start = clock_seconds();
    Text body = {0};
    char none;
    for (int i = 0; i < k->inputs; i++)
        memcpy(d->memory.data + k->offset[i], data[i].data, data[i].bytes);
    wire_put_number(&body, k->number);
    bool ok = ask(d, WIRE_RUN, &body, &none, 0, err);
    text_free(&body);
    for (int i = k->inputs; ok && i < kernel->ports; i++)
        memcpy(data[i].data, d->memory.data + k->offset[i], data[i].bytes);
    if (ok && trace)
        trace_program(trace, kernel, k->inputs, clock_seconds() - start);
    return ok;
}

/* ---- the device ---- */

static void close_device(Device *device)
{
    RemoteDevice *d = (RemoteDevice *)device;
    if (d->wire.fd >= 0)
        close(d->wire.fd);
    int status;
    if (d->pid > 0)
        await_end(d->pid, FAREWELL, &status);
    shared_close(&d->memory);
    free(d);
}

static bool say_hello(RemoteDevice *d, const AneOptions *o, Error *err)
{
    Text body = {0};
    char none;
    wire_put_text(&body, ANEC_VERSION, strlen(ANEC_VERSION));
    wire_put_number(&body, o->library != NULL);
    wire_put_text(&body, o->library ? o->library : "", o->library ? strlen(o->library) : 0);
    wire_put_number(&body, (uint64_t)o->compiles);
    wire_put_number(&body, (uint64_t)o->resident);
    wire_put_number(&body, (uint64_t)o->surface_bytes);
    wire_put_number(&body, o->remember);
    wire_put_number(&body, (uint64_t)(o->seconds * 1e9));
    bool ok = ask(d, WIRE_OPEN, &body, &none, 0, err);
    text_free(&body);
    return ok;
}

Device *remote_device_open(const char *const *command, const AneOptions *options, Error *err)
{
    RemoteDevice *d = xcalloc(1, sizeof *d);
    d->base = (Device){"ane", "Apple Neural Engine, in another process", compile, run, release, close_device};
    d->wire = (Wire){.fd = -1, .seconds = options->seconds * PATIENCE};
    d->memory.fd = -1;
    if (shared_create(&d->memory, err) && start(d, command, err) && say_hello(d, options, err))
        return &d->base;
    close_device(&d->base);
    return NULL;
}

bool remote_device_is_spent(const Device *remote)
{
    return ((const RemoteDevice *)remote)->spent;
}
