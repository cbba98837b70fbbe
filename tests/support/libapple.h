/* Inside the stand-in (libane.h): its objects, and what its two halves share. */
#ifndef TESTS_SUPPORT_LIBAPPLE_H
#define TESTS_SUPPORT_LIBAPPLE_H

#include <stdint.h>

#include "runtime/device.h"
#include "tests/support/libane.h"

typedef enum Kind {
    STRING = 1,
    NUMBER,
    DATA,
    ARRAY,
    DICTIONARY,
    ERROR,
    SURFACE,
    WRAPPER,
    DESCRIPTOR,
    MODEL,
    REQUEST,
    CLIENT,
    STATS
} Kind;

typedef struct objc_class *Class;
typedef struct objc_object *Id;
typedef struct objc_selector *Sel;
typedef struct objc_method *Method;
typedef struct __IOSurface *Surface;
typedef void (*Function)(void);

enum { MAGIC = 0x0b1ec7, DEAD = 0xdead };

struct objc_object {
    Class isa;
    unsigned magic;
    Kind kind;
    int refs;
    char *text;        /* STRING, ERROR; of a MODEL its identifier */
    const void *bytes; /* DATA */
    size_t size;
    int64_t number;
    Id *item; /* ARRAY; DICTIONARY: keys, then values; others: what they hold */
    int count;
    char *memory; /* SURFACE */
    int locks;
    uint32_t lock_options;
    /* MODEL */
    Module *module;
    const Func *func; /* the procedure that runs, or the first */
    Device *device;
    Kernel **kernels; /* one for each function of the module, while it is loaded */
    Kernel *kernel;   /* of `func` */
    struct Engine *engine;
    bool compiled, loaded;
};
struct __IOSurface {
    struct objc_object o;
};

typedef const void *CF;

/* The functions that are found by name have no header but this line. */
#define DECLARED(type, name, parameters)                                                                     \
    type name parameters;                                                                                    \
    type name parameters

/* Notes the first misuse. */
void standin_complain(const char *fmt, ...) PRINTF_LIKE(1, 2);
/* True where this call is to fail now. */
bool standin_fails(const char *what);
/* What a test would set in `standin`, from the script, where there is one; once. */
void standin_take_script(void);
Class standin_class(Kind kind); /* libane.c */

Id apple_make(Kind kind); /* with one reference */
bool apple_is_alive(const void *object, const char *where);
bool apple_is_kind(const void *object, Kind kind, const char *where);
Id apple_retain(Id o);
void apple_release(Id o);
Id apple_autorelease(Id o);
/* Appends to what the owner holds, and retains it. */
Id apple_hold(Id owner, Id item);
Id apple_lookup(Id dictionary, const char *key);
Id apple_string(const char *text);
Id apple_number(int64_t n);

extern const int kCFTypeDictionaryKeyCallBacks, kCFTypeDictionaryValueCallBacks, kCFTypeArrayCallBacks;
CF CFDictionaryCreate(CF allocator, const CF *keys, const CF *values, long count, const void *key_callbacks,
                      const void *value_callbacks);

#endif
