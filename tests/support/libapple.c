/* The stand-in's CoreFoundation, IOSurface and memory management. */
#include "tests/support/libapple.h"

/* The names of the doubles are those of Apple's functions: where these exist, there are no doubles. */
#ifndef __APPLE__

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "runtime/eval/engine.h"
#include "tests/support/libbehaviour.h"

Standin standin;

void standin_reset(void)
{
    standin = (Standin){.live = standin.live, .loaded = standin.loaded};
}

void standin_complain(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!standin.complaint[0])
        vsnprintf(standin.complaint, sizeof standin.complaint, fmt, ap);
    va_end(ap);
}

void standin_take_script(void)
{
    static bool taken;
    const Behaviour *b = behaviour();
    if (taken || !b->scripted)
        return;
    taken = true;
    standin.named = b->named;
    standin.hide = b->hide;
    standin.fail = b->fail;
    standin.fail_times = b->fail_times;
    standin.fail_text = b->fail_text;
    standin.hangs = b->fail_text && strcmp(b->fail_text, "hangs") == 0;
    standin.room = (int)b->resident;
}

/* True where this call is to fail now. */
bool standin_fails(const char *what)
{
    if (!standin.fail || strcmp(standin.fail, what) != 0 || standin.fail_times <= 0)
        return false;
    if (standin.fail_after > 0) {
        standin.fail_after--;
        return false;
    }
    standin.fail_times--;
    while (standin.hangs)
        sleep(1);
    return true;
}

Id apple_make(Kind kind)
{
    Id o = xcalloc(1, sizeof *o);
    *o = (struct objc_object){.isa = standin_class(kind), .magic = MAGIC, .kind = kind, .refs = 1};
    standin.live++;
    return o;
}

bool apple_is_alive(const void *object, const char *where)
{
    const struct objc_object *o = object;
    if (!o || o->magic == MAGIC)
        return o != NULL;
    standin_complain("%s: %s", where, o->magic == DEAD ? "a dead object" : "no object at all");
    return false;
}

bool apple_is_kind(const void *object, Kind kind, const char *where)
{
    if (!apple_is_alive(object, where)) {
        standin_complain("%s: nil", where);
        return false;
    }
    if (((const struct objc_object *)object)->kind == kind)
        return true;
    standin_complain("%s: an object of kind %d where %d is wanted", where, (int)((Id)(uintptr_t)object)->kind,
                     (int)kind);
    return false;
}

Id apple_retain(Id o)
{
    if (apple_is_alive(o, "retain"))
        o->refs++;
    return o;
}

/* The memory of dead objects stays, so that a message to one is noticed. */
static Id graveyard;

void apple_release(Id o)
{
    if (!apple_is_alive(o, "release") || --o->refs)
        return;
    int items = o->kind == DICTIONARY ? 2 * o->count : o->count;
    for (int i = 0; i < items; i++)
        if (o->item[i])
            apple_release(o->item[i]);
    if (o->kind == MODEL && o->loaded)
        standin_complain("a model is released while it is loaded");
    if (o->kind == SURFACE && o->locks)
        standin_complain("a surface is released while it is locked");
    for (int i = 0; o->kernels && i < o->module->funcs; i++)
        kernel_release(o->kernels[i]);
    free(o->kernels);
    device_close(o->device);
    engine_free(o->engine);
    module_free(o->module);
    free(o->item);
    free(o->text);
    free(o->memory);
    o->magic = DEAD;
    o->item = xmalloc(sizeof *o->item);
    o->item[0] = graveyard;
    graveyard = o;
    standin.live--;
}

Id apple_hold(Id owner, Id item)
{
    owner->item = xrealloc(owner->item, (size_t)(owner->count + 1) * sizeof *owner->item);
    owner->item[owner->count++] = item ? apple_retain(item) : NULL;
    return item;
}

/* ---- autorelease ---- */

enum { POOLED = 4096 };
static Id pooled[POOLED];
static int pool_count, pools;

Id apple_autorelease(Id o)
{
    if (!pools)
        standin_complain("an object is autoreleased without a pool");
    if (pool_count < POOLED)
        pooled[pool_count++] = o;
    return o;
}

DECLARED(uint64_t, clock_gettime_nsec_np, (int clock))
{
    return behaviour_now();
}

void *objc_autoreleasePoolPush(void);
void *objc_autoreleasePoolPush(void)
{
    pools++;
    return (void *)(uintptr_t)(pool_count + 1);
}

void objc_autoreleasePoolPop(void *pool);
void objc_autoreleasePoolPop(void *pool)
{
    int first = (int)(uintptr_t)pool - 1;
    if (first < 0 || first > pool_count || !pools)
        standin_complain("a pool is popped that was not pushed");
    while (pool_count > first && first >= 0)
        apple_release(pooled[--pool_count]);
    pools--;
}

Id objc_retain(Id o);
Id objc_retain(Id o)
{
    return apple_retain(o);
}

void objc_release(Id o);
void objc_release(Id o)
{
    apple_release(o);
}

/* ---- CoreFoundation ---- */

const int kCFTypeDictionaryKeyCallBacks = 1, kCFTypeDictionaryValueCallBacks = 2, kCFTypeArrayCallBacks = 3;
static const int null_allocator = 4;
const void *const kCFAllocatorNull = &null_allocator;

DECLARED(void, CFRelease, (CF o))
{
    if (!o)
        standin_complain("CFRelease of NULL, which crashes");
    else
        apple_release((Id)(uintptr_t)o);
}

DECLARED(CF, CFStringCreateWithCString, (CF allocator, const char *text, uint32_t encoding))
{
    Id o = apple_make(STRING);
    o->text = xstrdup(text);
    if (encoding != 0x08000100)
        standin_complain("a string of another encoding than UTF-8");
    return o;
}

DECLARED(unsigned char, CFStringGetCString, (CF text, char *out, long size, uint32_t encoding))
{
    if (!apple_is_kind(text, STRING, "CFStringGetCString"))
        return 0;
    const char *s = ((Id)(uintptr_t)text)->text;
    if ((long)strlen(s) >= size)
        return 0;
    memcpy(out, s, strlen(s) + 1);
    return 0xf0 | 1; /* true, with something above the lowest bit */
}

DECLARED(CF, CFDataCreateWithBytesNoCopy, (CF allocator, const uint8_t *bytes, long size, CF deallocator))
{
    Id o = apple_make(DATA);
    o->bytes = bytes;
    o->size = (size_t)size;
    if (deallocator != kCFAllocatorNull)
        standin_complain("data that would free the driver's memory");
    return o;
}

DECLARED(CF, CFNumberCreate, (CF allocator, long type, const void *value))
{
    Id o = apple_make(NUMBER);
    memcpy(&o->number, value, sizeof o->number);
    if (type != 4)
        standin_complain("a number of another type than SInt64");
    return o;
}

DECLARED(unsigned char, CFNumberGetValue, (CF number, long type, void *value))
{
    if (!apple_is_kind(number, NUMBER, "CFNumberGetValue") || type != 4)
        return 0;
    memcpy(value, &((Id)(uintptr_t)number)->number, 8);
    return 1;
}

DECLARED(CF, CFArrayCreate, (CF allocator, const CF *values, long count, const void *callbacks))
{
    Id o = apple_make(ARRAY);
    for (long i = 0; i < count; i++)
        if (apple_is_alive(values[i], "CFArrayCreate"))
            apple_hold(o, (Id)(uintptr_t)values[i]);
    if (callbacks != &kCFTypeArrayCallBacks)
        standin_complain("an array that does not retain");
    return o;
}

DECLARED(long, CFArrayGetCount, (CF array))
{
    return apple_is_kind(array, ARRAY, "CFArrayGetCount") ? ((Id)(uintptr_t)array)->count : 0;
}

DECLARED(CF, CFArrayGetValueAtIndex, (CF array, long index))
{
    Id o = (Id)(uintptr_t)array;
    if (!apple_is_kind(array, ARRAY, "CFArrayGetValueAtIndex") || index < 0 || index >= o->count) {
        standin_complain("an index beyond an array");
        return NULL;
    }
    return o->item[index];
}

DECLARED(CF, CFDictionaryCreate,
         (CF allocator, const CF *keys, const CF *values, long count, const void *key_callbacks,
          const void *value_callbacks))
{
    Id o = apple_make(DICTIONARY);
    o->item = xcalloc((size_t)(2 * count + 1), sizeof *o->item);
    o->count = (int)count;
    for (long i = 0; i < count; i++) {
        if (apple_is_alive(keys[i], "CFDictionaryCreate: a key"))
            o->item[i] = apple_retain((Id)(uintptr_t)keys[i]);
        if (apple_is_alive(values[i], "CFDictionaryCreate: a value"))
            o->item[count + i] = apple_retain((Id)(uintptr_t)values[i]);
    }
    if (key_callbacks != &kCFTypeDictionaryKeyCallBacks ||
        value_callbacks != &kCFTypeDictionaryValueCallBacks)
        standin_complain("a dictionary that does not retain");
    return o;
}

Id apple_lookup(Id dictionary, const char *key)
{
    for (int i = 0; dictionary && i < dictionary->count; i++)
        if (dictionary->item[i] && dictionary->item[i]->text && strcmp(dictionary->item[i]->text, key) == 0)
            return dictionary->item[dictionary->count + i];
    return NULL;
}

DECLARED(CF, CFDictionaryGetValue, (CF dictionary, CF key))
{
    if (!apple_is_kind(dictionary, DICTIONARY, "CFDictionaryGetValue") ||
        !apple_is_kind(key, STRING, "CFDictionaryGetValue"))
        return NULL;
    return apple_lookup((Id)(uintptr_t)dictionary, ((Id)(uintptr_t)key)->text);
}

DECLARED(unsigned long, CFGetTypeID, (CF o))
{
    return apple_is_alive(o, "CFGetTypeID") ? (unsigned long)((Id)(uintptr_t)o)->kind : 0;
}

DECLARED(unsigned long, CFArrayGetTypeID, (void))
{
    return ARRAY;
}

DECLARED(unsigned long, CFDictionaryGetTypeID, (void))
{
    return DICTIONARY;
}

DECLARED(unsigned long, CFNumberGetTypeID, (void))
{
    return NUMBER;
}

DECLARED(unsigned long, CFStringGetTypeID, (void))
{
    return STRING;
}

Id apple_string(const char *text)
{
    Id o = apple_make(STRING);
    o->text = xstrdup(text);
    return o;
}

DECLARED(CF, CFErrorCopyDescription, (CF o))
{
    return apple_is_kind(o, ERROR, "CFErrorCopyDescription") ? apple_string(((Id)(uintptr_t)o)->text) : NULL;
}

DECLARED(CF, NSTemporaryDirectory, (void))
{
    const char *folder = getenv("TMPDIR");
    return apple_autorelease(apple_string(folder ? folder : "/tmp"));
}

/* ---- surfaces ---- */

static struct objc_object keys[6] = {
    {.magic = MAGIC, .kind = STRING, .refs = 1, .text = (char *)"width"},
    {.magic = MAGIC, .kind = STRING, .refs = 1, .text = (char *)"height"},
    {.magic = MAGIC, .kind = STRING, .refs = 1, .text = (char *)"bytes per element"},
    {.magic = MAGIC, .kind = STRING, .refs = 1, .text = (char *)"bytes per row"},
    {.magic = MAGIC, .kind = STRING, .refs = 1, .text = (char *)"size"},
    {.magic = MAGIC, .kind = STRING, .refs = 1, .text = (char *)"format"}};
const void *const kIOSurfaceWidth = &keys[0], *const kIOSurfaceHeight = &keys[1];
const void *const kIOSurfaceBytesPerElement = &keys[2], *const kIOSurfaceBytesPerRow = &keys[3];
const void *const kIOSurfaceAllocSize = &keys[4], *const kIOSurfacePixelFormat = &keys[5];

DECLARED(Surface, IOSurfaceCreate, (CF properties))
{
    if (!apple_is_kind(properties, DICTIONARY, "IOSurfaceCreate") || standin_fails("surface"))
        return NULL;
    Id size = apple_lookup((Id)(uintptr_t)properties, "size");
    if (!size || size->kind != NUMBER || size->number <= 0) {
        standin_complain("a surface without a size");
        return NULL;
    }
    Id o = apple_make(SURFACE);
    o->size = (size_t)size->number;
    o->memory = xcalloc(o->size, 1); /* exactly: ASan sees what goes beyond */
    return (Surface)o;
}

DECLARED(int, IOSurfaceLock, (Surface s, uint32_t options, uint32_t *seed))
{
    if (!apple_is_kind(s, SURFACE, "IOSurfaceLock") || standin_fails("lock"))
        return 1;
    s->o.locks++;
    s->o.lock_options = options;
    return 0;
}

DECLARED(int, IOSurfaceUnlock, (Surface s, uint32_t options, uint32_t *seed))
{
    if (!apple_is_kind(s, SURFACE, "IOSurfaceUnlock"))
        return 1;
    if (!s->o.locks || s->o.lock_options != options)
        standin_complain("a surface is unlocked in another way than it was locked");
    s->o.locks--;
    return 0;
}

DECLARED(void *, IOSurfaceGetBaseAddress, (Surface s))
{
    if (!apple_is_kind(s, SURFACE, "IOSurfaceGetBaseAddress"))
        return NULL;
    if (!s->o.locks)
        standin_complain("the address of a surface that is not locked");
    return s->o.memory;
}

DECLARED(size_t, IOSurfaceGetAllocSize, (Surface s))
{
    return apple_is_kind(s, SURFACE, "IOSurfaceGetAllocSize") ? s->o.size : 0;
}

Id apple_number(int64_t n)
{
    Id o = apple_make(NUMBER);
    o->number = n;
    return o;
}

#endif
