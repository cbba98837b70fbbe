/* The stand-in's client: real-time evaluation, statistics and chains, as its script has them. */
#include "tests/support/libclient.h"

#ifndef __APPLE__

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/support/libbehaviour.h"

static int real_time_tasks;

bool client_lacks(const char *class_name, const char *selector)
{
    const Behaviour *b = behaviour();
    return (b->real_time == FATE_MISSING && strstr(selector, "RealTime")) ||
           (b->statistics == FATE_MISSING && strcmp(class_name, "_ANEPerformanceStats") == 0) ||
           (b->chaining == FATE_MISSING && strcmp(class_name, "_ANEChainingRequest") == 0);
}

static char *cache_file(const char *identifier)
{
    return behaviour()->cache ? path_join(behaviour()->cache, identifier) : NULL;
}

bool cache_keeps(const char *identifier)
{
    char *path = cache_file(identifier);
    bool keeps = path && file_exists(path);
    free(path);
    return keeps;
}

void cache_keep(const char *identifier)
{
    Error err;
    char *path = cache_file(identifier);
    if (path && !file_write_atomic(path, "", 0, &err))
        standin_complain("%s", err.text);
    free(path);
}

bool client_keeps(Id self, Sel selector, Id hash)
{
    return apple_is_kind(hash, STRING, "compiledModelExistsMatchingHash:") && cache_keeps(hash->text);
}

void client_purge(Id self, Sel selector, Id hash)
{
    char *path =
        apple_is_kind(hash, STRING, "purgeCompiledModelMatchingHash:") ? cache_file(hash->text) : NULL;
    if (path)
        unlink(path);
    free(path);
}

Id client_model(Id self, Sel selector)
{
    return self;
}

void client_set_mask(Id self, Sel selector, unsigned mask)
{
    if (!mask)
        standin_complain("statistics of nothing");
}

Id client_shared(Id self, Sel selector)
{
    return apple_autorelease(apple_make(CLIENT));
}

bool client_begin(Id self, Sel selector)
{
    real_time_tasks++;
    return true;
}

bool client_end(Id self, Sel selector)
{
    if (real_time_tasks-- < 1)
        standin_complain("the end of a real-time task that did not begin");
    return true;
}

bool client_evaluate(Id self, Sel selector, Id model, Id options, Id request, Id *error)
{
    if (!apple_is_kind(model, MODEL, "evaluateRealTimeWithModel:") ||
        !apple_is_kind(options, DICTIONARY, "its options") || !apple_is_kind(request, REQUEST, "its request"))
        return false;
    if (!real_time_tasks)
        standin_complain("a real-time evaluation outside a task");
    return behaviour()->real_time == FATE_REFUSED ? standin_error(error, "real time needs an entitlement")
                                                  : standin_evaluate_real_time(model, request, error);
}

bool client_prepare(Id self, Sel selector, Id model, Id options, Id chain, unsigned qos, Id *error)
{
    if (!apple_is_kind(model, MODEL, "prepareChainingWithModel:") ||
        !apple_is_kind(options, DICTIONARY, "its options") || !apple_is_kind(chain, ARRAY, "the chain"))
        return false;
    if (qos > 63)
        standin_complain("a quality of service of %u", qos);
    return behaviour()->chaining == FATE_WORKS ||
           standin_error(error, "Error Domain=com.apple.appleneuralengine Code=15");
}

Id stats_with(Id self, Sel selector, uint64_t ns)
{
    Id o = apple_make(STATS);
    o->number = (int64_t)ns;
    return apple_autorelease(o);
}

uint64_t stats_time(Id self, Sel selector)
{
    return (uint64_t)self->number;
}

/* What stands behind these three does not matter here: a list of what it holds. */
static Id list_of(Id *part, int count)
{
    Id o = apple_make(ARRAY);
    for (int i = 0; i < count; i++)
        apple_hold(o, part[i]);
    return apple_autorelease(o);
}

Id buffer_with(Id self, Sel selector, Id surface, Id index, int64_t source)
{
    if (!apple_is_kind(surface, WRAPPER, "a chain's surface") || !apple_is_kind(index, NUMBER, "its index"))
        return NULL;
    if (source != 0 && source != 1)
        standin_complain("a buffer that is neither input nor output");
    return list_of((Id[]){surface, index}, 2);
}

Id output_sets_with(Id self, Sel selector, Surface statistics, Id buffers)
{
    if (!apple_is_kind(statistics, SURFACE, "a chain's statistics") ||
        !apple_is_kind(buffers, ARRAY, "a chain's outputs"))
        return NULL;
    return list_of((Id[]){&statistics->o, buffers}, 2);
}

Id chain_with(Id self, Sel selector, Id inputs, Id sets, Id in, Id out, Id procedure, Id events, Id handle,
              Id delay, Id pool)
{
    Id part[] = {inputs, sets, in, out, events, procedure, handle, delay, pool};
    for (int i = 0; i < 9; i++)
        if (!apple_is_kind(part[i], i < 5 ? ARRAY : NUMBER, "chainingRequestWithInputs:"))
            return NULL;
    return list_of(part, 9);
}

static Id told(const char *text)
{
    return apple_autorelease(apple_string(text));
}

Id info_architecture(Id self, Sel selector)
{
    return told(behaviour()->chip);
}

Id info_build(Id self, Sel selector)
{
    return told(behaviour()->build);
}

#endif
