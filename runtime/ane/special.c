/* What the framework offers beside the usual way of evaluating a program. Everything here is optional: a
 * method that is missing is an error with its name, not a crash. */
#include <stdio.h>
#include <string.h>

#include "runtime/ane/failure.h"
#include "runtime/ane/inside.h"

enum { ALL_STATISTICS = 0xff, OUTPUT = 1, STATS_BYTES = 16384, UPTIME_RAW = 8 };

static bool has(const Apple *a, AneMethod m, const char *what, Error *err)
{
    return a->usable[m] || error_set(err, "this system's framework has no %s", what);
}

/* The class's shared client. */
static Id find_client(const Apple *a, Error *err)
{
    Id client = has(a, SEND_client_shared, "shared client", err)
                    ? client_shared(a, apple_class(a, CLASS_CLIENT))
                    : NULL;
    if (!client && a->usable[SEND_client_shared])
        error_set(err, "the framework gives no shared client");
    return client;
}

/* The model as the client knows it. */
static Id find_inner(const AneProgram *p, Error *err)
{
    const Apple *a = apple_of(p);
    Id inner =
        has(a, SEND_model_inner, "model behind a model", err) ? model_inner(a, p->model->object) : NULL;
    if (!inner && a->usable[SEND_model_inner])
        error_set(err, "the framework gives no model behind the model");
    return inner;
}

/* ---- evaluate ---- */

static bool evaluate_real_time(AneProgram *p, Id request, CF options, Error *err)
{
    const Apple *a = apple_of(p);
    if (!has(a, SEND_client_evaluate_real_time, "real-time evaluation", err) ||
        !has(a, SEND_client_begin_real_time, "real-time task", err) ||
        !has(a, SEND_client_end_real_time, "end of a real-time task", err))
        return false;
    Id client = find_client(a, err), inner = client ? find_inner(p, err) : NULL, failure = NULL;
    if (!inner)
        return false;
    (void)client_begin_real_time(a, client);
    bool ok = client_evaluate_real_time(a, client, inner, (Id)(uintptr_t)options, request, &failure);
    (void)client_end_real_time(a, client);
    return ok || failure_tell(a, failure, "evaluating in real time", err);
}

static bool make_statistics(AneProgram *p, Id *out, Error *err)
{
    const Apple *a = apple_of(p);
    if (!has(a, SEND_stats_make, "statistics", err) || !has(a, SEND_stats_nanoseconds, "times", err) ||
        !has(a, SEND_model_set_stats, "mask of statistics", err))
        return false;
    model_set_stats(a, p->model->object, ALL_STATISTICS);
    *out = stats_make(a, apple_class(a, CLASS_STATS), 0);
    return *out || error_set(err, "the framework makes no statistics");
}

static bool evaluate_with(AneProgram *p, AneEvaluation *how, Id weights, Error *err)
{
    const Apple *a = apple_of(p);
    Id statistics = NULL, failure = NULL;
    if (how->statistics && !make_statistics(p, &statistics, err))
        return false;
    Id request = statistics || weights ? ane_make_request(p, weights, statistics, err) : p->request;
    if (!request)
        return false;
    CF options = ane_no_options(a);
    bool ok;
    if (how->real_time) {
        ok = evaluate_real_time(p, request, options, err);
    } else {
        ok = model_evaluate(a, p->model->object, how->qos, (Id)(uintptr_t)options, request, &failure) ||
             failure_tell(a, failure, "evaluating", err);
    }
    cf_release(a, options);
    how->hardware_ns = ok && statistics ? stats_nanoseconds(a, statistics) : 0;
    return ok;
}

bool ane_evaluate_as(AneProgram *p, AneEvaluation *how, Error *err)
{
    const Apple *a = apple_of(p);
    if (!how->weights)
        return evaluate_with(p, how, NULL, err);
    AnePort port = {"weights", 1, how->weights->size};
    AneSurface s = {.bytes = how->weights->size, .stride = how->weights->size};
    bool ok = surface_open(a, &s, err) && surface_write(a, &s, &port, how->weights->data, err) &&
              evaluate_with(p, how, s.object, err);
    surface_close(a, &s);
    return ok;
}

/* ---- other weights ---- */

bool ane_program_swap(AneProgram *p, const AneFile *file, Error *err)
{
    const Apple *a = apple_of(p);
    void *pool = a->objc_autoreleasePoolPush();
    AneModel *m = p->model;
    bool ok = (!m->loaded || ane_unload(m, err)) && ane_write_file(m, file, err) && ane_load(m, err);
    a->objc_autoreleasePoolPop(pool);
    return ok;
}

/* ---- chains ---- */

static CF list_of(const Apple *a, Id one)
{
    CF value = (CF)one;
    return cf_array(a, &value, 1);
}

/* The first surface of a side as the chain's buffer. */
static Id make_buffer(const AneProgram *p, bool output)
{
    const Apple *a = apple_of(p);
    CF zero = cf_number(a, 0);
    Id buffer = buffer_make(a, apple_class(a, CLASS_BUFFER), output ? p->out->object : p->in->object,
                            (Id)(uintptr_t)zero, output ? OUTPUT : 0);
    cf_release(a, zero);
    return buffer;
}

static Id make_chain(const AneProgram *p, Id in, Id out_sets)
{
    const Apple *a = apple_of(p);
    CF zero = cf_number(a, 0), zeros = cf_array(a, &zero, 1), none = cf_array(a, NULL, 0);
    CF inputs = list_of(a, in), sets = list_of(a, out_sets);
    Id n = (Id)(uintptr_t)zero;
    Id chain = chain_make(a, apple_class(a, CLASS_CHAIN), (Id)(uintptr_t)inputs, (Id)(uintptr_t)sets,
                          (Id)(uintptr_t)zeros, (Id)(uintptr_t)zeros, n, (Id)(uintptr_t)none, n, n, n);
    cf_release(a, inputs);
    cf_release(a, sets);
    cf_release(a, none);
    cf_release(a, zeros);
    cf_release(a, zero);
    return chain;
}

static bool prepare(AneProgram *p, const AneSurface *statistics, Error *err)
{
    const Apple *a = apple_of(p);
    Id client = find_client(a, err), inner = client ? find_inner(p, err) : NULL, failure = NULL;
    if (!inner)
        return false;
    Id in = make_buffer(p, false), out = make_buffer(p, true);
    CF outs = out ? list_of(a, out) : NULL;
    Id sets = outs ? output_sets_make(a, apple_class(a, CLASS_OUTPUT_SETS), statistics->surface,
                                      (Id)(uintptr_t)outs)
                   : NULL;
    Id chain = in && sets ? make_chain(p, in, sets) : NULL;
    cf_release(a, outs);
    if (!chain)
        return error_set(err, "the framework makes no chain");
    CF options = ane_no_options(a);
    bool ok = client_prepare_chaining(a, client, inner, (Id)(uintptr_t)options, chain, ANE_QOS, &failure);
    cf_release(a, options);
    return ok || failure_tell(a, failure, "preparing a chain", err);
}

bool ane_program_chain(AneProgram *p, Error *err)
{
    const Apple *a = apple_of(p);
    if (!has(a, SEND_client_prepare_chaining, "chains", err) || !has(a, SEND_chain_make, "chains", err) ||
        !has(a, SEND_buffer_make, "buffers for chains", err) ||
        !has(a, SEND_output_sets_make, "output sets", err))
        return false;
    void *pool = a->objc_autoreleasePoolPush();
    AneSurface statistics = {.bytes = STATS_BYTES, .stride = STATS_BYTES};
    bool ok = surface_open(a, &statistics, err) && prepare(p, &statistics, err);
    surface_close(a, &statistics);
    a->objc_autoreleasePoolPop(pool);
    return ok;
}

/* ---- what the system keeps ---- */

bool ane_engine_keeps(AneEngine *e, const char *identifier, bool *keeps, Error *err)
{
    const Apple *a = &e->apple;
    void *pool = a->objc_autoreleasePoolPush();
    Id client = has(a, SEND_client_keeps, "way to ask what it keeps", err) ? find_client(a, err) : NULL;
    CF hash = cf_string(a, identifier);
    *keeps = client && client_keeps(a, client, (Id)(uintptr_t)hash);
    cf_release(a, hash);
    a->objc_autoreleasePoolPop(pool);
    return client;
}

bool ane_engine_purge(AneEngine *e, const char *identifier, Error *err)
{
    const Apple *a = &e->apple;
    void *pool = a->objc_autoreleasePoolPush();
    Id client = has(a, SEND_client_purge, "way to forget a program", err) ? find_client(a, err) : NULL;
    CF hash = cf_string(a, identifier);
    if (client)
        client_purge(a, client, (Id)(uintptr_t)hash);
    cf_release(a, hash);
    a->objc_autoreleasePoolPop(pool);
    return client;
}

/* ---- the engine ---- */

static void name_of(const Apple *a, AneMethod m, Id (*ask)(const Apple *a, Id self), char *out, size_t size)
{
    if (!a->usable[m] || !cf_text(a, (CF)ask(a, apple_class(a, CLASS_INFO)), out, size) || !*out)
        snprintf(out, size, "unknown");
}

void ane_engine_name(const AneEngine *e, char *chip, char *build, size_t size)
{
    const Apple *a = &e->apple;
    void *pool = a->objc_autoreleasePoolPush();
    name_of(a, SEND_info_architecture, info_architecture, chip, size);
    name_of(a, SEND_info_build, info_build, build, size);
    a->objc_autoreleasePoolPop(pool);
}

double ane_engine_now(const AneEngine *e)
{
    return (double)e->apple.clock_gettime_nsec_np(UPTIME_RAW) * 1e-9;
}
