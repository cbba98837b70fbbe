/* The Objective-C runtime, CoreFoundation and IOSurface from plain C: libraries are opened when a device is,
 * never linked, so that the same program runs where there are none. A method is called through a function of
 * its exact type; which methods there are is in methods.def, which C functions in symbols.def. */
#ifndef RUNTIME_ANE_OBJC_H
#define RUNTIME_ANE_OBJC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

typedef struct objc_object *Id;
typedef struct objc_class *Class;
typedef struct objc_selector *Sel;
typedef struct objc_method *Method;
typedef struct __IOSurface *Surface;
typedef const void *CF; /* any CoreFoundation object; those that Foundation has too are the same objects */
typedef void (*Function)(void);

typedef enum AneClass {
    CLASS_DESCRIPTOR,
    CLASS_MODEL,
    CLASS_REQUEST,
    CLASS_SURFACE_OBJECT,
    CLASS_CLIENT,
    CLASS_STATS,
    CLASS_BUFFER,
    CLASS_OUTPUT_SETS,
    CLASS_CHAIN,
    CLASS_INFO,
    CLASSES
} AneClass;

/* The names of the types in methods.def, as C and as type encodings. */
#define TYPE_ID Id
#define TYPE_BOOL bool
#define TYPE_UINT unsigned int
#define TYPE_LONG int64_t
#define TYPE_ULONG uint64_t
#define TYPE_ERROR Id *
#define TYPE_SURFACE Surface
#define CODE_ID "@"
#define CODE_BOOL "B"
#define CODE_UINT "I"
#define CODE_LONG "q"
#define CODE_ULONG "Q"
#define CODE_ERROR "^@"
#define CODE_SURFACE "^{__IOSurface=}"

/* Beside '+' or '-': the device opens without this method too (Apple.usable). */
enum { OPTIONAL = 0x100 };

#define METHOD0(kind, class, selector, name, r) SEND_##name,
#define METHOD1(kind, class, selector, name, r, a) SEND_##name,
#define METHOD2(kind, class, selector, name, r, a, b) SEND_##name,
#define METHOD3(kind, class, selector, name, r, a, b, c) SEND_##name,
#define METHOD4(kind, class, selector, name, r, a, b, c, d) SEND_##name,
#define METHOD5(kind, class, selector, name, r, a, b, c, d, e) SEND_##name,
#define METHOD7(kind, class, selector, name, r, a, b, c, d, e, f, g) SEND_##name,
#define METHOD9(kind, class, selector, name, r, a, b, c, d, e, f, g, h, i) SEND_##name,
#define SETTER(kind, class, selector, name, a) SEND_##name,
typedef enum AneMethod {
#include "runtime/ane/methods.def"
    METHODS
} AneMethod;

typedef struct Apple {
#define SYMBOL(library, result, name, parameters) result(*name) parameters;
#include "runtime/ane/symbols.def"
#undef SYMBOL
    Function objc_msgSend;
    const void *dictionary_keys, *dictionary_values, *array_values; /* the callbacks of CF types */
    CF no_deallocator; /* kCFAllocatorNull: memory is not CoreFoundation's to free */
    CF surface_width, surface_height, surface_bytes_per_element, surface_bytes_per_row, surface_size,
        surface_format;
    Class class[CLASSES];
    Sel selector[METHODS];
    bool usable[METHODS]; /* of the optional ones: it is there, and takes what we give */
} Apple;

/* Opens the libraries and looks everything up. Fails where one is missing, with the reason, and where a
 * method is missing or takes other types than ours: then calling it would crash. `path` replaces the system's
 * libraries with one file, or with this program itself where it is empty (tests); NULL: the system's. */
MUST_USE bool apple_open(Apple *a, const char *path, Error *err);

/* One line for each method: its encoding here, and ours. False where any that is not optional is missing or
 * does not fit. */
bool apple_report(const Apple *a, Text *out);

/* What a method is called through: objc_msgSend; in a build with ANEC_CHECK_CALLS its implementation itself,
 * whose true type the function sanitizer compares with ours. */
static inline Function apple_call(const Apple *a, Id receiver, AneMethod method)
{
#ifdef ANEC_CHECK_CALLS
    return a->class_getMethodImplementation(a->object_getClass(receiver), a->selector[method]);
#else
    (void)receiver;
    (void)method;
    return a->objc_msgSend;
#endif
}

#define CALL(name, types, values) ((types)apple_call(a, self, SEND_##name)) values
#define METHOD0(kind, class, selector_, name, r)                                                             \
    static inline TYPE_##r name(const Apple *a, Id self)                                                     \
    {                                                                                                        \
        return CALL(name, TYPE_##r(*)(Id, Sel), (self, a->selector[SEND_##name]));                           \
    }
#define METHOD1(kind, class, selector_, name, r, A)                                                          \
    static inline TYPE_##r name(const Apple *a, Id self, TYPE_##A p)                                         \
    {                                                                                                        \
        return CALL(name, TYPE_##r(*)(Id, Sel, TYPE_##A), (self, a->selector[SEND_##name], p));              \
    }
#define METHOD2(kind, class, selector_, name, r, A, B)                                                       \
    static inline TYPE_##r name(const Apple *a, Id self, TYPE_##A p, TYPE_##B q)                             \
    {                                                                                                        \
        return CALL(name, TYPE_##r(*)(Id, Sel, TYPE_##A, TYPE_##B), (self, a->selector[SEND_##name], p, q)); \
    }
#define METHOD3(kind, class, selector_, name, r, A, B, C)                                                    \
    static inline TYPE_##r name(const Apple *a, Id self, TYPE_##A p, TYPE_##B q, TYPE_##C s)                 \
    {                                                                                                        \
        return CALL(name, TYPE_##r(*)(Id, Sel, TYPE_##A, TYPE_##B, TYPE_##C),                                \
                    (self, a->selector[SEND_##name], p, q, s));                                              \
    }
#define METHOD4(kind, class, selector_, name, r, A, B, C, D)                                                 \
    static inline TYPE_##r name(const Apple *a, Id self, TYPE_##A p, TYPE_##B q, TYPE_##C s, TYPE_##D t)     \
    {                                                                                                        \
        return CALL(name, TYPE_##r(*)(Id, Sel, TYPE_##A, TYPE_##B, TYPE_##C, TYPE_##D),                      \
                    (self, a->selector[SEND_##name], p, q, s, t));                                           \
    }
#define METHOD5(kind, class, selector_, name, r, A, B, C, D, E)                                              \
    static inline TYPE_##r name(const Apple *a, Id self, TYPE_##A p, TYPE_##B q, TYPE_##C s, TYPE_##D t,     \
                                TYPE_##E u)                                                                  \
    {                                                                                                        \
        return CALL(name, TYPE_##r(*)(Id, Sel, TYPE_##A, TYPE_##B, TYPE_##C, TYPE_##D, TYPE_##E),            \
                    (self, a->selector[SEND_##name], p, q, s, t, u));                                        \
    }
#define METHOD7(kind, class, selector_, name, r, A, B, C, D, E, F, G)                                        \
    static inline TYPE_##r name(const Apple *a, Id self, TYPE_##A p, TYPE_##B q, TYPE_##C s, TYPE_##D t,     \
                                TYPE_##E u, TYPE_##F v, TYPE_##G w)                                          \
    {                                                                                                        \
        return CALL(                                                                                         \
            name,                                                                                            \
            TYPE_##r(*)(Id, Sel, TYPE_##A, TYPE_##B, TYPE_##C, TYPE_##D, TYPE_##E, TYPE_##F, TYPE_##G),      \
            (self, a->selector[SEND_##name], p, q, s, t, u, v, w));                                          \
    }
#define METHOD9(kind, class, selector_, name, r, A, B, C, D, E, F, G, H, I)                                  \
    static inline TYPE_##r name(const Apple *a, Id self, TYPE_##A p, TYPE_##B q, TYPE_##C s, TYPE_##D t,     \
                                TYPE_##E u, TYPE_##F v, TYPE_##G w, TYPE_##H x, TYPE_##I y)                  \
    {                                                                                                        \
        return CALL(name,                                                                                    \
                    TYPE_##r(*)(Id, Sel, TYPE_##A, TYPE_##B, TYPE_##C, TYPE_##D, TYPE_##E, TYPE_##F,         \
                                TYPE_##G, TYPE_##H, TYPE_##I),                                               \
                    (self, a->selector[SEND_##name], p, q, s, t, u, v, w, x, y));                            \
    }
#define SETTER(kind, class, selector_, name, A)                                                              \
    static inline void name(const Apple *a, Id self, TYPE_##A p)                                             \
    {                                                                                                        \
        CALL(name, void (*)(Id, Sel, TYPE_##A), (self, a->selector[SEND_##name], p));                        \
    }
#include "runtime/ane/methods.def"
#undef CALL

/* The class itself as the receiver of its + methods. */
static inline Id apple_class(const Apple *a, AneClass c)
{
    return (Id)a->class[c];
}

#endif
