/* The stand-in's classes of the Neural Engine's framework, and its Objective-C runtime. */
#include "tests/support/libapple.h"

/* The names of the doubles are those of Apple's functions: where these exist, there are no doubles. */
#ifndef __APPLE__

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/half.h"
#include "base/sha256.h"
#include "frontend/mil/blob.h"
#include "frontend/mil/mil.h"
#include "ir/cost.h"
#include "runtime/eval/engine.h"
#include "tests/support/libbehaviour.h"
#include "tests/support/libclient.h"

/* ---- the engine's classes ---- */

static bool give_error(Id *error, const char *fallback)
{
    const char *text = standin.fail_text ? standin.fail_text : fallback;
    if (error && text) {
        Id o = apple_make(ERROR);
        o->text = xstrdup(text);
        *error = apple_autorelease(o);
    }
    return false;
}

static Id descriptor_with(Id self, Sel selector, Id mil, Id weights, Id options)
{
    if (!apple_is_kind(mil, DATA, "modelWithMILText: the text") ||
        !apple_is_kind(weights, DICTIONARY, "the weights"))
        return NULL;
    if (options)
        standin_complain("an options plist nobody asked for");
    for (int i = 0; i < weights->count; i++) {
        Id entry = weights->item[weights->count + i], offset = apple_lookup(entry, "offset");
        if (!apple_is_kind(entry, DICTIONARY, "a weight file") ||
            !apple_is_kind(apple_lookup(entry, "data"), DATA, "its data") ||
            !apple_is_kind(offset, NUMBER, "its offset") || offset->number != 0)
            return NULL;
    }
    if (standin_fails("descriptor"))
        return NULL;
    Id o = apple_make(DESCRIPTOR);
    apple_hold(o, mil);
    apple_hold(o, weights);
    return apple_autorelease(o);
}

static Id model_with(Id self, Sel selector, Id descriptor)
{
    if (!apple_is_kind(descriptor, DESCRIPTOR, "inMemoryModelWithDescriptor:") || standin_fails("model"))
        return NULL;
    Id o = apple_make(MODEL), mil = descriptor->item[0], weights = descriptor->item[1];
    apple_hold(o, mil);
    apple_hold(o, weights);
    char digest[65];
    sha256_of(mil->bytes, mil->size, digest);
    Text t = {0};
    text_printf(&t, "%s_%d", digest, weights->count);
    o->text = t.data;
    return apple_autorelease(o);
}

static Id model_identifier(Id self, Sel selector)
{
    return standin_fails("identifier") ? NULL : apple_autorelease(apple_string(self->text));
}

static bool model_exists(Id self, Sel selector)
{
    if (standin_fails("exists"))
        return false;
    bool known = standin.known || cache_keeps(self->text);
    self->compiled |= known;
    return known;
}

/* The files that the compiler reads must be there, whole. */
static bool folder_is_right(Id self)
{
    Id weights = self->item[1];
    const char *temporary = getenv("TMPDIR");
    char path[1024];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s/model.mil", temporary ? temporary : "/tmp", self->text);
    if (stat(path, &st) != 0 || (size_t)st.st_size != self->item[0]->size)
        return false;
    for (int i = 0; i < weights->count; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", temporary ? temporary : "/tmp", self->text,
                 weights->item[i]->text + strlen("@model_path/"));
        if (stat(path, &st) != 0 ||
            (size_t)st.st_size != apple_lookup(weights->item[weights->count + i], "data")->size)
            return false;
    }
    return true;
}

static bool parse(Id self)
{
    if (self->module) /* compiled again */
        return self->func && behaviour_takes(self->module);
    Id mil = self->item[0];
    char *text = xmalloc(mil->size + 1);
    memcpy(text, mil->bytes, mil->size);
    text[mil->size] = '\0';
    Source source = {"model.mil", text, mil->size};
    Diags none = {.quiet = true};
    self->module = mil_read(&source, &none);
    int funcs = self->module ? self->module->funcs : 0;
    for (int i = 0; i < funcs; i++)
        behaviour_forget(self->module->func[i]);
    /* spans of the module point into the text: it lives as long */
    Id keeper = apple_make(STRING);
    keeper->text = text;
    apple_hold(self, keeper);
    apple_release(keeper);
    self->func = funcs ? self->module->func[0] : NULL;
    return funcs && behaviour_takes(self->module);
}

static bool options_are_right(unsigned qos, Id options)
{
    if (qos > 63)
        standin_complain("a quality of service of %u", qos);
    return apple_is_kind(options, DICTIONARY, "the options");
}

static bool model_compile(Id self, Sel selector, unsigned qos, Id options, Id *error)
{
    if (!options_are_right(qos, options))
        return false;
    if (standin_fails("compile"))
        return give_error(error, NULL);
    int limit = standin.limit ? standin.limit : behaviour()->compiles > 0 ? (int)behaviour()->compiles : 119;
    if (++standin.compiles > limit)
        return give_error(error, NULL); /* what the daemon does then: NO, and silence */
    behaviour_pass(behaviour()->compile_ms * 1e3);
    if (!folder_is_right(self))
        return give_error(error, "InvalidMILProgram: the folder is not whole");
    if (!parse(self))
        return give_error(error, "InvalidMILProgram");
    self->compiled = true;
    cache_keep(self->text);
    return true;
}

static bool find_blob(void *context, const char *path, uint64_t offset, DType dtype, int64_t elements,
                      const void **data, Error *err)
{
    Id file = apple_lookup(context, path), bytes = file ? apple_lookup(file, "data") : NULL;
    const uint8_t *found;
    if (!bytes)
        return error_set(err, "%s is not among the weights", path);
    FileMap map = {.data = (void *)(uintptr_t)bytes->bytes, .size = bytes->size};
    if (!blob_find(&map, offset, dtype, elements, &found, err))
        return false;
    *data = found;
    return true;
}

static void put(Id dictionary_keys, Id dictionary_values, const char *key, Id value)
{
    Id k = apple_string(key);
    apple_hold(dictionary_keys, k);
    apple_hold(dictionary_values, value);
    apple_release(k);
    apple_release(value);
}

static Id dictionary_of(Id k, Id v)
{
    Id d =
        (Id)(uintptr_t)CFDictionaryCreate(NULL, (const CF *)k->item, (const CF *)v->item, k->count,
                                          &kCFTypeDictionaryKeyCallBacks, &kCFTypeDictionaryValueCallBacks);
    apple_release(k);
    apple_release(v);
    return d;
}

/* The weight files as they lie in the folder now, in place of those that the descriptor was given. */
static Id weights_on_disk(Id self)
{
    Id weights = self->item[1], k = apple_make(ARRAY), v = apple_make(ARRAY);
    const char *temporary = getenv("TMPDIR");
    for (int i = 0; i < weights->count; i++) {
        Text path = {0};
        Error err;
        Id data = apple_make(DATA), file_k = apple_make(ARRAY), file_v = apple_make(ARRAY);
        text_printf(&path, "%s/%s/%s", temporary ? temporary : "/tmp", self->text,
                    weights->item[i]->text + strlen("@model_path/"));
        if (!file_read(path.data, 0, &data->memory, &data->size, &err))
            standin_complain("%s", err.text);
        data->bytes = data->memory;
        text_free(&path);
        put(file_k, file_v, "data", data);
        put(k, v, weights->item[i]->text, dictionary_of(file_k, file_v));
    }
    return dictionary_of(k, v);
}

/* Computes as the script says the chip does. */
static Device *open_device(Id self, Error *err)
{
    bool small = func_cost(self->func).flops <= behaviour()->numerics_flops;
    const Profile *numerics = small ? behaviour()->numerics : NULL;
    self->engine = numerics && !self->engine ? engine_new(numerics) : self->engine;
    return cpu_device_open(&(DeviceOptions){.threads = behaviour()->scripted ? 0 : 1, .engine = self->engine},
                           err);
}

static void choose_procedure(Id self, int n)
{
    self->func = self->module->func[n];
    self->kernel = self->kernels[n];
}

static bool make_kernels(Id self, Id weights, Error *err)
{
    BlobResolver blobs = {.find = find_blob, .context = weights};
    bool ok = (self->device = open_device(self, err)) != NULL;
    self->kernels = xcalloc((size_t)self->module->funcs, sizeof *self->kernels);
    for (int i = 0; ok && i < self->module->funcs; i++)
        ok = (self->kernels[i] = device_compile(self->device, self->module->func[i], &blobs, err)) != NULL;
    choose_procedure(self, 0);
    return ok;
}

static void drop_kernels(Id self)
{
    for (int i = 0; self->kernels && i < self->module->funcs; i++)
        kernel_release(self->kernels[i]);
    free(self->kernels);
    device_close(self->device);
    self->kernels = NULL;
    self->kernel = NULL;
    self->device = NULL;
}

/* The framework may read the text whenever it likes: it must lie where it lay. */
static void expect_text(Id self)
{
    char digest[65];
    sha256_of(self->item[0]->bytes, self->item[0]->size, digest);
    if (strncmp(self->text, digest, 64) != 0)
        standin_complain("the program's text is gone while its model lives");
}

static bool model_load(Id self, Sel selector, unsigned qos, Id options, Id *error)
{
    Error err = {{0}};
    if (!options_are_right(qos, options))
        return false;
    if (!self->compiled || self->loaded)
        standin_complain("a model is loaded that is not compiled, or twice");
    if (standin_fails("load"))
        return give_error(error, NULL);
    if (standin.room && standin.loaded >= standin.room)
        return give_error(error, "ANEProgramCreate() Failed with status=0x5 : no resources");
    if (behaviour()->bare_load == FATE_REFUSED && !folder_is_right(self))
        return give_error(error, "ANEProgramCreate() Failed: no files");
    if (!self->func && !parse(self)) /* the system knew it */
        return give_error(error, "InvalidMILProgram");
    bool again = self->kernels;
    if (again && behaviour()->swap_file == FATE_REFUSED)
        return give_error(error, "the program is not what was compiled");
    bool from_disk = again && behaviour()->scripted && behaviour()->swap_file == FATE_WORKS;
    Id weights = from_disk ? weights_on_disk(self) : apple_retain(self->item[1]);
    drop_kernels(self);
    bool ok = make_kernels(self, weights, &err);
    apple_hold(self, weights); /* constants lie in it */
    apple_release(weights);
    if (!ok)
        return give_error(error, err.text);
    behaviour_pass(behaviour()->load_ms * 1e3);
    self->loaded = true;
    standin.loads++;
    standin.loaded++;
    return true;
}

static bool model_unload(Id self, Sel selector, unsigned qos, Id *error)
{
    if (!self->loaded)
        standin_complain("a model is unloaded that is not loaded");
    expect_text(self);
    if (standin_fails("unload"))
        return give_error(error, NULL);
    standin.loaded -= self->loaded;
    standin.unloads++;
    self->loaded = false;
    return true;
}

/* ---- binding ---- */

/* The number of a function's first symbol: those of all functions are numbered through. */
static int first_symbol(const Func *f, bool output)
{
    int n = 0;
    for (int i = 0; i < func_number(f); i++)
        n += output ? f->module->func[i]->outputs : f->module->func[i]->params;
    return n;
}

/* The port that a request's index means: alphabetical, or, where the names are told, the number of its
 * symbol; -1: none. */
static int port_at(Id model, bool output, int index)
{
    const Func *f = model->func;
    int first = output ? f->params : 0, count = output ? f->outputs : f->params;
    Value **value = output ? f->output : f->param;
    if (standin.named) {
        int own = index - first_symbol(f, output);
        return own >= 0 && own < count ? first + own : -1;
    }
    for (int i = 0; i < count; i++) {
        int before = 0;
        for (int k = 0; k < count; k++)
            before += strcmp(value[k]->name, value[i]->name) < 0;
        if (before == index)
            return first + i;
    }
    return -1;
}

static size_t stride_of(const Port *p)
{
    size_t row = (size_t)p->type->dim[3] * 2;
    return standin.named ? row + 64 : row;
}

static size_t rows_of(const Port *p)
{
    return p->bytes / ((size_t)p->type->dim[3] * 2);
}

static void hold_new(Id list, Id item)
{
    apple_hold(list, item);
    apple_release(item);
}

/* One side of one function; its symbols are listed backwards. */
static void describe(const Func *f, const Kernel *kernel, bool output, Id symbols, Id own, Id live)
{
    int first = output ? f->params : 0, count = output ? f->outputs : f->params;
    for (int i = 0; i < count; i++) {
        const Port *p = &kernel->port[first + i];
        Text name = {0};
        text_printf(&name, output ? "%s@output" : "%s", p->name);
        hold_new(symbols, apple_string(name.data));
        hold_new(own, apple_number(first_symbol(f, output) + count - 1 - i));
        Id k = apple_make(ARRAY), v = apple_make(ARRAY);
        put(k, v, "Name", apple_string(name.data));
        put(k, v, "RowStride", apple_number((int64_t)stride_of(p)));
        put(k, v, "BatchStride", apple_number((int64_t)(stride_of(p) * rows_of(p))));
        put(k, v, "Batches", apple_number(1));
        hold_new(live, dictionary_of(k, v));
        text_free(&name);
    }
}

/* One procedure's entries in the lists of procedures and of what is live; its symbols, at the end of all. */
static void describe_procedure(Id self, int n, Id symbols[2], Id procedures, Id networks)
{
    const Func *f = self->module->func[n];
    Id k = apple_make(ARRAY), v = apple_make(ARRAY), live_k = apple_make(ARRAY), live_v = apple_make(ARRAY);
    for (int side = 0; side < 2; side++) {
        Id own = apple_make(ARRAY), live = apple_make(ARRAY);
        describe(f, self->kernels[n], side == 1, symbols[side], own, live);
        put(k, v, side ? "ANEFModelOutputSymbolIndexArray" : "ANEFModelInputSymbolIndexArray", own);
        put(live_k, live_v, side ? "LiveOutputList" : "LiveInputList", live);
    }
    put(k, v, "ANEFModelProcedureID", apple_number(n));
    hold_new(procedures, dictionary_of(k, v));
    hold_new(networks, dictionary_of(live_k, live_v));
}

static Id model_attributes(Id self, Sel selector)
{
    if (!standin.named)
        return NULL;
    if (!self->loaded)
        standin_complain("attributes of a model that is not loaded");
    Id symbols[] = {apple_make(ARRAY), apple_make(ARRAY)}, procedures = apple_make(ARRAY),
       networks = apple_make(ARRAY), id_k = apple_make(ARRAY), id_v = apple_make(ARRAY);
    for (int i = 0; i < self->module->funcs; i++) {
        describe_procedure(self, i, symbols, procedures, networks);
        put(id_k, id_v, self->module->func[i]->name, apple_number(i));
    }
    Id k = apple_make(ARRAY), v = apple_make(ARRAY);
    put(k, v, "kANEFModelInputSymbolsArrayKey", symbols[0]);
    put(k, v, "kANEFModelOutputSymbolsArrayKey", symbols[1]);
    put(k, v, "ANEFModelProcedures", procedures);
    put(k, v, "kANEFModelProcedureNameToIDMapKey", dictionary_of(id_k, id_v));
    Id description = dictionary_of(k, v);
    k = apple_make(ARRAY), v = apple_make(ARRAY);
    put(k, v, "ANEFModelDescription", description);
    put(k, v, "NetworkStatusList", networks);
    return apple_autorelease(dictionary_of(k, v));
}

static Id wrap_surface(Id self, Sel selector, Surface surface)
{
    if (!apple_is_kind(surface, SURFACE, "objectWithIOSurface:") || standin_fails("wrap"))
        return NULL;
    Id o = apple_make(WRAPPER);
    apple_hold(o, &surface->o);
    return apple_autorelease(o);
}

static bool side_is_right(Id objects, Id indices)
{
    if (!apple_is_kind(objects, ARRAY, "the request's surfaces") ||
        !apple_is_kind(indices, ARRAY, "the request's indices"))
        return false;
    for (int i = 0; i < objects->count; i++)
        if (!apple_is_kind(objects->item[i], WRAPPER, "a request's surface") || i >= indices->count ||
            !apple_is_kind(indices->item[i], NUMBER, "a request's index"))
            return false;
    return objects->count == indices->count;
}

static Id request_with(Id self, Sel selector, Id in, Id in_index, Id out, Id out_index, Id weights, Id stats,
                       Id procedure)
{
    if (!side_is_right(in, in_index) || !side_is_right(out, out_index) ||
        !apple_is_kind(procedure, NUMBER, "the procedure") || standin_fails("request"))
        return NULL;
    if (weights && !apple_is_kind(weights, WRAPPER, "the weights buffer"))
        return NULL;
    if (stats && !apple_is_kind(stats, STATS, "the statistics"))
        return NULL;
    Id o = apple_make(REQUEST), part[] = {in, in_index, out, out_index, weights, stats};
    for (int i = 0; i < 6; i++)
        apple_hold(o, part[i]);
    o->number = procedure->number;
    return apple_autorelease(o);
}

/* The least size, and one size for all of a side: where names are not told. */
static bool surface_is_right(Id s, size_t first_size)
{
    const Behaviour *b = behaviour();
    size_t least = b->surface_bytes > 0 ? (size_t)b->surface_bytes : b->scripted ? 0 : 49152;
    bool strict = !b->scripted || b->unequal_surfaces == FATE_REFUSED;
    if (standin.named)
        return true;
    return (s->size >= least || b->small_surface == FATE_IGNORED) && (s->size == first_size || !strict);
}

/* Dense memory for each port, filled from the surfaces of a side; false where one does not fit. */
static bool take_side(Id model, Id request, bool output, PortData *data, Id *surface)
{
    Id objects = request->item[output ? 2 : 0], indices = request->item[output ? 3 : 1];
    size_t first_size = 0;
    for (int i = 0; i < objects->count; i++) {
        int port = port_at(model, output, (int)indices->item[i]->number);
        Id s = objects->item[i]->item[0];
        if (port < 0 || data[port].data)
            return false;
        const Port *p = &model->kernel->port[port];
        first_size = first_size ? first_size : s->size;
        if (s->size < stride_of(p) * rows_of(p) || s->locks || !surface_is_right(s, first_size))
            return false;
        data[port] = (PortData){xcalloc(p->bytes, 1), p->bytes};
        surface[port] = s;
    }
    return true;
}

static void copy(const Port *p, char *dense, char *surface, bool out)
{
    size_t row = (size_t)p->type->dim[3] * 2, stride = stride_of(p);
    for (size_t i = 0; i < rows_of(p); i++)
        memcpy(out ? surface + i * stride : dense + i * row, out ? dense + i * row : surface + i * stride,
               row);
}

/* What the script's chip gets wrong. */
static void spoil(Id self, int port, Id surface, PortData *data)
{
    const Behaviour *b = behaviour();
    const Port *p = &self->kernel->port[port];
    uint16_t *out = data->data;
    size_t n = data->bytes / sizeof *out;
    bool rows = b->last_axis > 0 && p->type->dim[3] % (int64_t)b->last_axis;
    bool zeros = (b->right_outputs > 0 && port - self->func->params >= (int)b->right_outputs) ||
                 (surface->size < (size_t)b->surface_bytes && !standin.named) || rows;
    bool wrong = behaviour_is_wrong(self->func);
    for (size_t i = 0; i < n && (zeros || wrong); i++)
        out[i] = zeros ? 0 : half_from_float(1.5f * half_to_float(out[i]) + 0.25f);
}

static bool evaluate(Id self, Id request)
{
    Error err;
    if (request->number < 0 || request->number >= self->module->funcs)
        return false;
    choose_procedure(self, (int)request->number);
    Kernel *k = self->kernel;
    PortData *data = xcalloc((size_t)k->ports, sizeof *data);
    Id *surface = xcalloc((size_t)k->ports, sizeof *surface);
    bool ok = take_side(self, request, false, data, surface) && take_side(self, request, true, data, surface);
    for (int i = 0; ok && i < k->ports; i++)
        ok = data[i].data != NULL;
    for (int i = 0; ok && i < self->func->params; i++)
        copy(&k->port[i], data[i].data, surface[i]->memory, false);
    bool worth = behaviour()->execute_flops <= 0 || func_cost(self->func).flops <= behaviour()->execute_flops;
    ok = ok && (!worth || device_run(k, data, k->ports, NULL, &err));
    for (int i = self->func->params; ok && i < k->ports; i++) {
        spoil(self, i, surface[i], &data[i]);
        copy(&k->port[i], data[i].data, surface[i]->memory, true);
    }
    for (int i = 0; i < k->ports; i++)
        free(data[i].data);
    free(data);
    free(surface);
    return ok;
}

/* With the first weight file's bytes from the request's buffer, where the script's chip heeds it. */
static bool evaluate_with(Id self, Id request)
{
    Error err;
    Id buffer = request->item[4], weights = self->item[1];
    if (!buffer || behaviour()->weights_buffer != FATE_WORKS || !behaviour()->scripted || !weights->count)
        return evaluate(self, request);
    Id data = apple_lookup(weights->item[weights->count], "data");
    const void *old = data->bytes;
    if (buffer->item[0]->size < data->size)
        return false;
    data->bytes = buffer->item[0]->memory;
    drop_kernels(self);
    bool ok = make_kernels(self, weights, &err) && evaluate(self, request);
    data->bytes = old;
    drop_kernels(self);
    return make_kernels(self, weights, &err) && ok;
}

static bool evaluate_at(Id self, unsigned qos, bool real_time, Id request, Id *error)
{
    const Behaviour *b = behaviour();
    if (!self->loaded)
        standin_complain("a model is evaluated that is not loaded");
    if (standin_fails("evaluate"))
        return give_error(error, NULL);
    standin.evaluations++;
    if (request->item[4] && b->weights_buffer == FATE_REFUSED)
        return give_error(error, "the weights buffer needs an entitlement");
    if (!self->loaded || !evaluate_with(self, request))
        return give_error(
            error, "ANEProgramProcessRequestDirect() Failed with status=0x1d : Program Inference error");
    behaviour_pass(behaviour_time_us(self->func, qos, real_time));
    if (request->item[5] && b->statistics == FATE_WORKS)
        request->item[5]->number = (int64_t)(behaviour_hardware_us(self->func) * 1e3);
    return true;
}

static bool model_evaluate(Id self, Sel selector, unsigned qos, Id options, Id request, Id *error)
{
    if (!options_are_right(qos, options) || !apple_is_kind(request, REQUEST, "the request"))
        return false;
    expect_text(self);
    if (qos < behaviour()->qos_least || qos > behaviour()->qos_most)
        return give_error(error, "this quality of service is not for you");
    return evaluate_at(self, qos, false, request, error);
}

/* ---- what is optional: libclient.c ---- */

bool standin_evaluate_real_time(Id model, Id request, Id *error)
{
    return evaluate_at(model, 0, true, request, error);
}

bool standin_error(Id *error, const char *text)
{
    return give_error(error, text);
}

/* ---- the runtime ---- */

typedef struct MethodDouble {
    char kind;
    const char *class, *selector, *encoding;
    Function call;
} MethodDouble;

#define IMP(f) (Function) f
static const MethodDouble methods[] = {
    {'+', "_ANEInMemoryModelDescriptor", "modelWithMILText:weights:optionsPlist:", "@40@0:8@16@24@32",
     IMP(descriptor_with)},
    {'+', "_ANEInMemoryModel", "inMemoryModelWithDescriptor:", "@24@0:8@16", IMP(model_with)},
    {'-', "_ANEInMemoryModel", "hexStringIdentifier", "@16@0:8", IMP(model_identifier)},
    {'-', "_ANEInMemoryModel", "compiledModelExists", "B16@0:8", IMP(model_exists)},
    {'-', "_ANEInMemoryModel", "compileWithQoS:options:error:", "B36@0:8I16@20^@28", IMP(model_compile)},
    {'-', "_ANEInMemoryModel", "loadWithQoS:options:error:", "B36@0:8I16@20^@28", IMP(model_load)},
    {'-', "_ANEInMemoryModel", "modelAttributes", "@16@0:8", IMP(model_attributes)},
    {'-', "_ANEInMemoryModel", "evaluateWithQoS:options:request:error:", "B44@0:8I16@20@28^@36",
     IMP(model_evaluate)},
    {'-', "_ANEInMemoryModel", "unloadWithQoS:error:", "B28@0:8I16^@20", IMP(model_unload)},
    {'+', "_ANEIOSurfaceObject", "objectWithIOSurface:", "@24@0:8^{__IOSurface=}16", IMP(wrap_surface)},
    {'+', "_ANERequest",
     "requestWithInputs:inputIndices:outputs:outputIndices:weightsBuffer:perfStats:procedureIndex:",
     "@72@0:8@16@24@32@40@48@56@64", IMP(request_with)},
    {'-', "_ANEInMemoryModel", "model", "@16@0:8", IMP(client_model)},
    {'-', "_ANEInMemoryModel", "setPerfStatsMask:", "v20@0:8I16", IMP(client_set_mask)},
    {'+', "_ANEClient", "sharedConnection", "@16@0:8", IMP(client_shared)},
    {'-', "_ANEClient", "compiledModelExistsMatchingHash:", "B24@0:8@16", IMP(client_keeps)},
    {'-', "_ANEClient", "purgeCompiledModelMatchingHash:", "v24@0:8@16", IMP(client_purge)},
    {'-', "_ANEClient", "beginRealTimeTask", "B16@0:8", IMP(client_begin)},
    {'-', "_ANEClient", "endRealTimeTask", "B16@0:8", IMP(client_end)},
    {'-', "_ANEClient", "evaluateRealTimeWithModel:options:request:error:", "B48@0:8@16@24@32^@40",
     IMP(client_evaluate)},
    {'-', "_ANEClient", "prepareChainingWithModel:options:chainingReq:qos:error:", "B52@0:8@16@24@32I40^@44",
     IMP(client_prepare)},
    {'+', "_ANEPerformanceStats", "statsWithHardwareExecutionNS:", "@24@0:8Q16", IMP(stats_with)},
    {'-', "_ANEPerformanceStats", "hwExecutionTime", "Q16@0:8", IMP(stats_time)},
    {'+', "_ANEBuffer", "bufferWithIOSurfaceObject:symbolIndex:source:", "@40@0:8@16@24q32",
     IMP(buffer_with)},
    {'+', "_ANEIOSurfaceOutputSets", "objectWithstatsSurRef:outputBuffer:", "@32@0:8^{__IOSurface=}16@24",
     IMP(output_sets_with)},
    {'+', "_ANEChainingRequest",
     "chainingRequestWithInputs:outputSets:lbInputSymbolId:lbOutputSymbolId:procedureIndex:signalEvents:"
     "transactionHandle:fwEnqueueDelay:memoryPoolId:",
     "@88@0:8@16@24@32@40@48@56@64@72@80", IMP(chain_with)},
    {'+', "_ANEDeviceInfo", "aneArchitectureType", "@16@0:8", IMP(info_architecture)},
    {'+', "_ANEDeviceInfo", "buildVersion", "@16@0:8", IMP(info_build)},
};
enum { DOUBLES = sizeof methods / sizeof *methods, CLASSES = 11 };

struct objc_class {
    const char *name;
};
static struct objc_class classes[CLASSES] = {{"NSObject"},
                                             {"_ANEInMemoryModelDescriptor"},
                                             {"_ANEInMemoryModel"},
                                             {"_ANEIOSurfaceObject"},
                                             {"_ANERequest"},
                                             {"_ANEClient"},
                                             {"_ANEPerformanceStats"},
                                             {"_ANEBuffer"},
                                             {"_ANEIOSurfaceOutputSets"},
                                             {"_ANEChainingRequest"},
                                             {"_ANEDeviceInfo"}};

Class standin_class(Kind kind)
{
    return &classes[kind == DESCRIPTOR ? 1
                    : kind == MODEL    ? 2
                    : kind == WRAPPER  ? 3
                    : kind == REQUEST  ? 4
                    : kind == CLIENT   ? 5
                    : kind == STATS    ? 6
                                       : 0];
}

static bool is_class(const void *receiver)
{
    for (int i = 0; i < CLASSES; i++)
        if (receiver == &classes[i])
            return true;
    return false;
}

/* Selectors are the rows' own texts: anything else is none. */

DECLARED(Sel, sel_registerName, (const char *name))
{
    for (int i = 0; i < DOUBLES; i++)
        if (strcmp(methods[i].selector, name) == 0)
            return (Sel)(uintptr_t)methods[i].selector;
    return NULL;
}

DECLARED(Class, objc_getClass, (const char *name))
{
    standin_take_script(); /* the first that a driver calls */
    for (int i = 0; i < CLASSES; i++)
        if (strcmp(classes[i].name, name) == 0 && !(standin.hide && strcmp(standin.hide, name) == 0))
            return &classes[i];
    return NULL;
}

DECLARED(Class, object_getClass, (Id object))
{
    return is_class(object) ? (Class)object : object->isa;
}

static const MethodDouble *find_method(Class class, Sel selector, char kind)
{
    for (int i = 0; i < DOUBLES; i++)
        if ((const void *)selector == (const void *)methods[i].selector &&
            strcmp(class->name, methods[i].class) == 0 && (!kind || kind == methods[i].kind) &&
            !(standin.hide && strcmp(standin.hide, methods[i].selector) == 0) &&
            !client_lacks(methods[i].class, methods[i].selector))
            return &methods[i];
    return NULL;
}

DECLARED(Method, class_getClassMethod, (Class class, Sel selector))
{
    return (Method)(uintptr_t)find_method(class, selector, '+');
}

DECLARED(Method, class_getInstanceMethod, (Class class, Sel selector))
{
    return (Method)(uintptr_t)find_method(class, selector, '-');
}

DECLARED(Function, class_getMethodImplementation, (Class class, Sel selector))
{
    const MethodDouble *m = find_method(class, selector, 0);
    return m ? m->call : NULL;
}

DECLARED(const char *, method_getTypeEncoding, (Method method))
{
    const MethodDouble *m = (const MethodDouble *)method;
    bool told = standin.encoding && strcmp(m->selector, "compileWithQoS:options:error:") == 0;
    return told ? standin.encoding : m->encoding;
}

DECLARED(Function, standin_lookup, (Id receiver, Sel selector))
{
    if (!is_class(receiver) && !apple_is_alive(receiver, "a message"))
        abort();
    const MethodDouble *m = find_method(object_getClass(receiver), selector, is_class(receiver) ? '+' : '-');
    if (!m) {
        fprintf(stderr, "unrecognized selector\n");
        abort();
    }
    return m->call;
}

/* Finds the method with the arguments put by, then jumps to it with them back in place. */
#if defined(__x86_64__)
__asm__(".text\n.globl objc_msgSend\n.type objc_msgSend, @function\nobjc_msgSend:\n"
        "test %rdi, %rdi\nje 1f\n"
        "push %rbp\nmov %rsp, %rbp\npush %rdi\npush %rsi\npush %rdx\npush %rcx\npush %r8\npush %r9\n"
        "call standin_lookup@PLT\nmov %rax, %r11\n"
        "pop %r9\npop %r8\npop %rcx\npop %rdx\npop %rsi\npop %rdi\npop %rbp\njmp *%r11\n"
        "1: xor %eax, %eax\nret\n.size objc_msgSend, .-objc_msgSend\n");
#elif defined(__aarch64__)
__asm__(".text\n.globl objc_msgSend\n.type objc_msgSend, %function\nobjc_msgSend:\n"
        "cbz x0, 1f\n"
        "stp x29, x30, [sp, #-96]!\nmov x29, sp\nstp x0, x1, [sp, #16]\nstp x2, x3, [sp, #32]\n"
        "stp x4, x5, [sp, #48]\nstp x6, x7, [sp, #64]\nstr x8, [sp, #80]\n"
        "bl standin_lookup\nmov x16, x0\n"
        "ldp x0, x1, [sp, #16]\nldp x2, x3, [sp, #32]\nldp x4, x5, [sp, #48]\nldp x6, x7, [sp, #64]\n"
        "ldr x8, [sp, #80]\nldp x29, x30, [sp], #96\nbr x16\n"
        "1: mov x0, #0\nret\n.size objc_msgSend, .-objc_msgSend\n");
#endif

#else

/* Never asked: the tests of the driver are skipped here. */
Standin standin;

void standin_reset(void)
{
}

#endif
