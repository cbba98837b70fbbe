#include "runtime/ane/surface.h"

#include <string.h>

enum { LEAST = 49152, PAGE = 16384, NAME = 256, READ_ONLY = 1 };

/* ---- layout ---- */

static size_t rounded(size_t bytes, size_t least)
{
    least = least > LEAST ? least : LEAST;
    bytes = bytes > least ? bytes : least;
    return (bytes + PAGE - 1) / PAGE * PAGE;
}

/* How many names come before this one. */
static int64_t alphabetical_index(const AnePort *port, int count, int i)
{
    int64_t before = 0;
    for (int k = 0; k < count; k++)
        before += strcmp(port[k].name, port[i].name) < 0;
    return before;
}

static void guess(const AnePort *port, int count, size_t unit, size_t least, AneSurface *out)
{
    size_t most = 0;
    for (int i = 0; i < count; i++) {
        size_t bytes = rounded(port[i].rows * port[i].row_bytes, least);
        most = bytes > most ? bytes : most;
    }
    for (int i = 0; i < count; i++) {
        size_t bytes = port[i].rows * port[i].row_bytes;
        out[i] = (AneSurface){.bytes = unit ? (bytes + unit - 1) / unit * unit : most,
                              .stride = port[i].row_bytes,
                              .index = alphabetical_index(port, count, i)};
    }
}

/* Whether symbol is NAME, or NAME@output. */
static bool is_symbol(const char *symbol, const char *name)
{
    size_t n = strlen(name);
    return strncmp(symbol, name, n) == 0 && (!symbol[n] || strcmp(symbol + n, "@output") == 0);
}

/* ---- what the attributes tell ---- */

static CF model_description(const Apple *a, CF attributes)
{
    return cf_find_dictionary(a, attributes, "ANEFModelDescription");
}

int64_t surface_procedure(const Apple *a, CF attributes, const char *function, int number)
{
    int64_t id;
    CF ids = cf_find_dictionary(a, model_description(a, attributes), "kANEFModelProcedureNameToIDMapKey");
    return function && cf_find_number(a, ids, function, &id) && id >= 0 ? id : number;
}

/* What is told of one procedure: by its number, or else by its place. */
static CF find_procedure(const Apple *a, CF model, int64_t number)
{
    CF all = cf_find_array(a, model, "ANEFModelProcedures");
    int64_t id;
    for (size_t i = 0; i < cf_count(a, all); i++) {
        CF one = cf_dictionary_at(a, all, i);
        if (cf_find_number(a, one, "ANEFModelProcedureID", &id) && id == number)
            return one;
    }
    return cf_dictionary_at(a, all, (size_t)number);
}

/* The number of a symbol, which must be one of the procedure's own: names come again in other functions. */
static bool find_index(const Apple *a, CF symbols, CF own, const char *name, int64_t *index)
{
    char symbol[NAME];
    int64_t at;
    for (size_t i = 0; i < cf_count(a, own); i++)
        if (cf_number_at(a, own, i, &at) && at >= 0 && cf_text_at(a, symbols, (size_t)at, symbol, NAME) &&
            is_symbol(symbol, name)) {
            *index = at;
            return true;
        }
    return false;
}

/* All indices by name, or none. */
static void take_indices(const Apple *a, CF attributes, AneSide side, const AnePort *port, int count,
                         AneSurface *out)
{
    CF model = model_description(a, attributes), procedure = find_procedure(a, model, side.procedure);
    CF symbols = cf_find_array(
        a, model, side.output ? "kANEFModelOutputSymbolsArrayKey" : "kANEFModelInputSymbolsArrayKey");
    CF own = cf_find_array(
        a, procedure, side.output ? "ANEFModelOutputSymbolIndexArray" : "ANEFModelInputSymbolIndexArray");
    int64_t index;
    for (int i = 0; i < count; i++)
        if (!find_index(a, symbols, own, port[i].name, &index))
            return;
    for (int i = 0; i < count; i++)
        (void)find_index(a, symbols, own, port[i].name, &out[i].index);
}

/* Size and stride of one port from the list of live ones, where they are sensible. */
static void take_size(const Apple *a, CF live, const AnePort *port, AneSurface *out)
{
    for (size_t i = 0; i < cf_count(a, live); i++) {
        CF one = cf_dictionary_at(a, live, i);
        char name[NAME];
        int64_t stride, batch, batches = 1;
        if (!cf_find_text(a, one, "Name", name, NAME) || !is_symbol(name, port->name) ||
            !cf_find_number(a, one, "RowStride", &stride) || !cf_find_number(a, one, "BatchStride", &batch))
            continue;
        (void)cf_find_number(a, one, "Batches", &batches);
        if (stride < (int64_t)port->row_bytes || batches < 1 || batch < 1 || batch > INT64_MAX / batches ||
            batch * batches / stride < (int64_t)port->rows)
            continue;
        out->stride = (size_t)stride;
        out->bytes = (size_t)(batch * batches);
    }
}

void surface_layout(const Apple *a, CF attributes, AneSide side, const AnePort *port, int count, size_t unit,
                    size_t least, AneSurface *out)
{
    guess(port, count, unit, least, out);
    take_indices(a, attributes, side, port, count, out);
    CF status =
        cf_dictionary_at(a, cf_find_array(a, attributes, "NetworkStatusList"), (size_t)side.procedure);
    CF live = cf_find_array(a, status, side.output ? "LiveOutputList" : "LiveInputList");
    for (int i = 0; i < count; i++)
        take_size(a, live, &port[i], &out[i]);
}

/* ---- memory ---- */

bool surface_open(const Apple *a, AneSurface *s, Error *err)
{
    CF keys[] = {a->surface_width,         a->surface_height, a->surface_bytes_per_element,
                 a->surface_bytes_per_row, a->surface_size,   a->surface_format};
    enum { KEYS = sizeof keys / sizeof *keys };
    const int64_t value[KEYS] = {(int64_t)s->bytes, 1, 1, (int64_t)s->bytes, (int64_t)s->bytes, 0};
    CF values[KEYS];
    for (int i = 0; i < KEYS; i++)
        values[i] = cf_number(a, value[i]);
    CF properties = cf_dictionary(a, keys, values, KEYS);
    s->surface = a->IOSurfaceCreate(properties);
    for (int i = 0; i < KEYS; i++)
        cf_release(a, values[i]);
    cf_release(a, properties);
    if (!s->surface)
        return error_set(err, "there is no memory for a surface of %zu bytes", s->bytes);
    if (a->IOSurfaceGetAllocSize(s->surface) < s->bytes)
        return error_set(err, "a surface is smaller than the %zu bytes asked for", s->bytes);
    Id object = surface_wrap(a, apple_class(a, CLASS_SURFACE_OBJECT), s->surface);
    s->object = object ? a->objc_retain(object) : NULL;
    return object || error_set(err, "the framework does not take a surface");
}

void surface_close(const Apple *a, AneSurface *s)
{
    if (s->object)
        a->objc_release(s->object);
    cf_release(a, (CF)s->surface);
    *s = (AneSurface){0};
}

static void copy_rows(char *to, size_t to_stride, const char *from, size_t from_stride, const AnePort *port)
{
    if (to_stride == from_stride) {
        memcpy(to, from, port->rows * port->row_bytes);
        return;
    }
    for (size_t i = 0; i < port->rows; i++)
        memcpy(to + i * to_stride, from + i * from_stride, port->row_bytes);
}

static bool lock(const Apple *a, const AneSurface *s, uint32_t options, Error *err)
{
    int status = a->IOSurfaceLock(s->surface, options, NULL);
    return status == 0 || error_set(err, "a surface cannot be locked (status 0x%x)", (unsigned)status);
}

static bool unlock(const Apple *a, const AneSurface *s, uint32_t options, Error *err)
{
    int status = a->IOSurfaceUnlock(s->surface, options, NULL);
    return status == 0 || error_set(err, "a surface cannot be unlocked (status 0x%x)", (unsigned)status);
}

bool surface_write(const Apple *a, const AneSurface *s, const AnePort *port, const void *from, Error *err)
{
    if (!lock(a, s, 0, err))
        return false;
    copy_rows(a->IOSurfaceGetBaseAddress(s->surface), s->stride, from, port->row_bytes, port);
    return unlock(a, s, 0, err);
}

bool surface_read(const Apple *a, const AneSurface *s, const AnePort *port, void *to, Error *err)
{
    if (!lock(a, s, READ_ONLY, err))
        return false;
    copy_rows(to, port->row_bytes, a->IOSurfaceGetBaseAddress(s->surface), s->stride, port);
    return unlock(a, s, READ_ONLY, err);
}
