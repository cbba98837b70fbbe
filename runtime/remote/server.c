/* The worker's side: an engine of its own, and kernels by number. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "frontend/mil/mil.h"
#include "runtime/blobs.h"
#include "runtime/remote/remote.h"
#include "runtime/remote/shared.h"
#include "runtime/remote/wire.h"

enum { MOST_TEXT = 256 << 20 }; /* bytes of a MIL text */

typedef struct Served {
    Kernel *kernel; /* NULL: released */
    Module *module;
    Source source;
    Blobs *blobs;
    PortData *data;
    size_t *offset, size; /* of the ports, in the shared memory */
} Served;

typedef struct Server {
    Wire wire;
    Shared memory;
    Device *device;
    Arena arena;
    int count, cap;
    Served *served; /* number 1 first */
} Server;

static bool answer(Server *s, Error *err)
{
    return wire_send(&s->wire, WIRE_DONE, &(Text){0}, err);
}

/* What is wrong with a request is told; only a failure to tell it is one of the connection. */
static bool refuse(Server *s, const Error *why, Error *err)
{
    Text body = {0};
    wire_put_number(&body, s->device && ane_device_is_spent(s->device));
    wire_put_text(&body, why->text, strlen(why->text));
    bool ok = wire_send(&s->wire, WIRE_FAILED, &body, err);
    text_free(&body);
    return ok;
}

/* ---- open ---- */

static bool serve_open(Server *s, Body *b, Error *err)
{
    const char *version, *library;
    size_t version_size, library_size;
    uint64_t has_library, compiles, resident, surface, remember, ns;
    Error why = {{0}};
    if (s->device || !wire_take_text(b, &version, &version_size) || !wire_take_number(b, &has_library) ||
        !wire_take_text(b, &library, &library_size) || !wire_take_number(b, &compiles) ||
        !wire_take_number(b, &resident) || !wire_take_number(b, &surface) ||
        !wire_take_number(b, &remember) || !wire_take_number(b, &ns) || compiles > INT32_MAX ||
        resident > INT32_MAX || surface > INT32_MAX)
        return error_set(err, "an opening that is none");
    if (version_size != strlen(ANEC_VERSION) || memcmp(version, ANEC_VERSION, version_size) != 0) {
        error_set(&why, "the program was replaced by another version while it ran: start it again");
        return refuse(s, &why, err);
    }
    AneOptions o = {.library = has_library ? arena_str(&s->arena, library, library_size) : NULL,
                    .compiles = (int)compiles,
                    .resident = (int)resident,
                    .surface_bytes = (int)surface,
                    .remember = remember,
                    .seconds = (double)ns * 1e-9};
    s->device = ane_device_open_as(&o, &why);
    return s->device ? answer(s, err) : refuse(s, &why, err);
}

/* ---- compile ---- */

static void free_served(Served *k)
{
    kernel_release(k->kernel);
    module_free(k->module);
    blobs_close(k->blobs);
    free((char *)(uintptr_t)k->source.text);
    free(k->data);
    free(k->offset);
    *k = (Served){0};
}

static bool make_kernel(Server *s, Served *k, uint64_t number, const char *folder, Error *why)
{
    k->module = mil_read_whole(&k->source, why);
    if (!k->module)
        return false;
    if (number >= (uint64_t)k->module->funcs)
        return error_set(why, "there is no function of this number");
    const Func *f = k->module->func[number];
    k->blobs = blobs_open_folder(folder);
    BlobResolver resolver = {.find = blobs_find, .file = blobs_file, .context = k->blobs, .folder = folder};
    k->kernel = device_compile(s->device, f, *folder ? &resolver : NULL, why);
    if (!k->kernel)
        return false;
    k->data = xcalloc((size_t)k->kernel->ports + 1, sizeof *k->data);
    k->offset = xcalloc((size_t)k->kernel->ports + 1, sizeof *k->offset);
    k->size = shared_layout(k->kernel->port, k->kernel->ports, k->offset);
    return true;
}

static bool serve_compile(Server *s, Body *b, Error *err)
{
    const char *folder, *mil;
    size_t folder_size, mil_size;
    uint64_t number;
    Error why = {{0}};
    if (!wire_take_number(b, &number) || !wire_take_text(b, &folder, &folder_size) ||
        !wire_take_text(b, &mil, &mil_size))
        return error_set(err, "a program that is none");
    char *text = xmalloc(mil_size + 1);
    memcpy(text, mil, mil_size);
    text[mil_size] = '\0';
    Served k = {.source = {"the program", text, mil_size}};
    char *copy = arena_str(&s->arena, folder, folder_size);
    if (!make_kernel(s, &k, number, copy, &why)) {
        free_served(&k);
        return refuse(s, &why, err);
    }
    arena_push(&s->arena, s->served, s->count, s->cap, k);
    Text body = {0};
    wire_put_number(&body, (uint64_t)s->count);
    bool ok = wire_send(&s->wire, WIRE_DONE, &body, err);
    text_free(&body);
    return ok;
}

/* ---- run, release ---- */

static Served *find(Server *s, uint64_t number)
{
    bool there = number >= 1 && number <= (uint64_t)s->count && s->served[number - 1].kernel;
    return there ? &s->served[number - 1] : NULL;
}

static bool serve_run(Server *s, Body *b, Error *err)
{
    uint64_t number;
    Error why = {{0}};
    Served *k = wire_take_number(b, &number) ? find(s, number) : NULL;
    if (!k)
        return error_set(err, "a run of what is not there");
    if (!shared_map(&s->memory, k->size, err))
        return false;
    for (int i = 0; i < k->kernel->ports; i++)
        k->data[i] = (PortData){s->memory.data + k->offset[i], k->kernel->port[i].bytes};
    return device_run(k->kernel, k->data, k->kernel->ports, NULL, &why) ? answer(s, err)
                                                                        : refuse(s, &why, err);
}

static bool serve_release(Server *s, Body *b, Error *err)
{
    uint64_t number;
    Served *k = wire_take_number(b, &number) ? find(s, number) : NULL;
    if (!k)
        return error_set(err, "a release of what is not there");
    free_served(k);
    return answer(s, err);
}

/* ---- the loop ---- */

static bool serve(Server *s, uint32_t kind, uint64_t length, Text *body, Error *err)
{
    if ((kind == WIRE_OPEN) == (s->device != NULL))
        return error_set(err, "a message out of order");
    if (!wire_body(&s->wire, length, MOST_TEXT, body, err))
        return false;
    Body b = {body->data, body->size};
    switch (kind) {
    case WIRE_OPEN: return serve_open(s, &b, err);
    case WIRE_COMPILE: return serve_compile(s, &b, err);
    case WIRE_RUN: return serve_run(s, &b, err);
    case WIRE_RELEASE: return serve_release(s, &b, err);
    default: return error_set(err, "a message of no known kind");
    }
}

bool remote_serve(int fd, int memory, Error *err)
{
    Server s = {.wire = {.fd = fd}, .memory = {.fd = memory}};
    Text body = {0};
    uint32_t kind = 0;
    uint64_t length;
    bool ok;
    err->text[0] = '\0';
    do
        ok = wire_header(&s.wire, &kind, &length, err) && (!kind || serve(&s, kind, length, &body, err));
    while (ok && kind);
    for (int i = 0; i < s.count; i++)
        free_served(&s.served[i]);
    device_close(s.device);
    shared_close(&s.memory);
    arena_free(&s.arena);
    text_free(&body);
    return ok;
}
