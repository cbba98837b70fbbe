#include "runtime/ane/objc.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

typedef enum Library { OBJC, CORE, FOUNDATION, SURFACES, ENGINE, LIBRARIES } Library;

static const char *const library_path[LIBRARIES] = {
    [OBJC] = "/usr/lib/libobjc.A.dylib",
    [CORE] = "/System/Library/Frameworks/CoreFoundation.framework/CoreFoundation",
    [FOUNDATION] = "/System/Library/Frameworks/Foundation.framework/Foundation",
    [SURFACES] = "/System/Library/Frameworks/IOSurface.framework/IOSurface",
    [ENGINE] = "/System/Library/PrivateFrameworks/AppleNeuralEngine.framework/AppleNeuralEngine"};

static const char *const class_name[CLASSES] = {[CLASS_DESCRIPTOR] = "_ANEInMemoryModelDescriptor",
                                                [CLASS_MODEL] = "_ANEInMemoryModel",
                                                [CLASS_REQUEST] = "_ANERequest",
                                                [CLASS_SURFACE_OBJECT] = "_ANEIOSurfaceObject",
                                                [CLASS_CLIENT] = "_ANEClient",
                                                [CLASS_STATS] = "_ANEPerformanceStats",
                                                [CLASS_BUFFER] = "_ANEBuffer",
                                                [CLASS_OUTPUT_SETS] = "_ANEIOSurfaceOutputSets",
                                                [CLASS_CHAIN] = "_ANEChainingRequest",
                                                [CLASS_INFO] = "_ANEDeviceInfo"};

typedef struct MethodInfo {
    int kind;
    AneClass class;
    const char *selector, *encoding;
} MethodInfo;

#define METHOD0(kind, class, selector, name, r) {kind, CLASS_##class, selector, CODE_##r "@:"},
#define METHOD1(kind, class, selector, name, r, a) {kind, CLASS_##class, selector, CODE_##r "@:" CODE_##a},
#define METHOD2(kind, class, selector, name, r, a, b)                                                        \
    {kind, CLASS_##class, selector, CODE_##r "@:" CODE_##a CODE_##b},
#define METHOD3(kind, class, selector, name, r, a, b, c)                                                     \
    {kind, CLASS_##class, selector, CODE_##r "@:" CODE_##a CODE_##b CODE_##c},
#define METHOD4(kind, class, selector, name, r, a, b, c, d)                                                  \
    {kind, CLASS_##class, selector, CODE_##r "@:" CODE_##a CODE_##b CODE_##c CODE_##d},
#define METHOD5(kind, class, selector, name, r, a, b, c, d, e)                                               \
    {kind, CLASS_##class, selector, CODE_##r "@:" CODE_##a CODE_##b CODE_##c CODE_##d CODE_##e},
#define METHOD7(kind, class, selector, name, r, a, b, c, d, e, f, g)                                         \
    {kind, CLASS_##class, selector,                                                                          \
     CODE_##r "@:" CODE_##a CODE_##b CODE_##c CODE_##d CODE_##e CODE_##f CODE_##g},
#define METHOD9(kind, class, selector, name, r, a, b, c, d, e, f, g, h, i)                                   \
    {kind, CLASS_##class, selector,                                                                          \
     CODE_##r "@:" CODE_##a CODE_##b CODE_##c CODE_##d CODE_##e CODE_##f CODE_##g CODE_##h CODE_##i},
#define SETTER(kind, class, selector, name, a) {kind, CLASS_##class, selector, "v@:" CODE_##a},
static const MethodInfo methods[METHODS] = {
#include "runtime/ane/methods.def"
};

/* ---- looking up ---- */

static bool find(void *library, const char *name, void *out, Error *err)
{
    void *found = dlsym(library, name);
    if (!found)
        return error_set(err, "the system's frameworks have no %s", name);
    memcpy(out, &found, sizeof found); /* ISO C has no cast between data and functions */
    return true;
}

/* A constant object, such as a key. */
static bool find_object(void *library, const char *name, CF *out, Error *err)
{
    const CF *at = NULL;
    if (!find(library, name, &at, err))
        return false;
    *out = *at;
    return true;
}

static bool open_libraries(void **library, const char *path, Error *err)
{
    for (int i = 0; i < LIBRARIES; i++) {
        const char *file = !path ? library_path[i] : *path ? path : NULL;
        library[i] = dlopen(file, RTLD_NOW | RTLD_LOCAL);
        if (!library[i])
            return error_set(err, "no Neural Engine here: %s", dlerror());
    }
    return true;
}

static bool find_symbols(Apple *a, void **library, Error *err)
{
#define SYMBOL(from, result, name, parameters)                                                               \
    if (!find(library[from], #name, &a->name, err))                                                          \
        return false;
#include "runtime/ane/symbols.def"
#undef SYMBOL
    void *surfaces = library[SURFACES], *core = library[CORE];
    return find(library[OBJC], "objc_msgSend", &a->objc_msgSend, err) &&
           find(core, "kCFTypeDictionaryKeyCallBacks", &a->dictionary_keys, err) &&
           find(core, "kCFTypeDictionaryValueCallBacks", &a->dictionary_values, err) &&
           find(core, "kCFTypeArrayCallBacks", &a->array_values, err) &&
           find_object(core, "kCFAllocatorNull", &a->no_deallocator, err) &&
           find_object(surfaces, "kIOSurfaceWidth", &a->surface_width, err) &&
           find_object(surfaces, "kIOSurfaceHeight", &a->surface_height, err) &&
           find_object(surfaces, "kIOSurfaceBytesPerElement", &a->surface_bytes_per_element, err) &&
           find_object(surfaces, "kIOSurfaceBytesPerRow", &a->surface_bytes_per_row, err) &&
           find_object(surfaces, "kIOSurfaceAllocSize", &a->surface_size, err) &&
           find_object(surfaces, "kIOSurfacePixelFormat", &a->surface_format, err);
}

/* ---- encodings ---- */

/* Steps over one type and tells its kind: P for anything that is an address, else the size of the number and
 * whether it is a float; 0 at the end. Qualifiers and the numbers of offsets are left out. */
static char next_kind(const char **p)
{
    const char *s = *p + strspn(*p, "rnNoORVA0123456789+-");
    char c = *s, kind = c;
    if (!c)
        return 0;
    s++;
    if (c == '^') {
        *p = s;
        next_kind(p);
        return 'P';
    }
    if (c == '@' && *s == '"') {
        const char *end = strchr(s + 1, '"');
        s = end ? end + 1 : s + strlen(s);
    }
    if (c == '@' && *s == '?')
        s++;
    if (c == '{' || c == '(' || c == '[') {
        char close = c == '{' ? '}' : c == '(' ? ')' : ']';
        for (int depth = 1; *s && depth; s++)
            depth += (*s == c) - (*s == close);
    }
    *p = s;
    switch (c) {
    case '@':
    case '#':
    case ':':
    case '*': return 'P';
    case 'c':
    case 'C':
    case 'B': return '1';
    case 's':
    case 'S': return '2';
    case 'i':
    case 'I':
    case 'l':
    case 'L': return '4';
    case 'q':
    case 'Q': return '8';
    default: return kind;
    }
}

/* Whether a call by one encoding is right for a method of the other: the same kinds in the same places. */
static bool encodings_fit(const char *a, const char *b)
{
    char x, y;
    do {
        x = next_kind(&a);
        y = next_kind(&b);
    } while (x == y && x);
    return x == y;
}

static const char *encoding_of(const Apple *a, const MethodInfo *m)
{
    Class class = a->class[m->class];
    Sel selector = a->selector[m - methods];
    Method method = !class                         ? NULL
                    : (m->kind & ~OPTIONAL) == '+' ? a->class_getClassMethod(class, selector)
                                                   : a->class_getInstanceMethod(class, selector);
    return method ? a->method_getTypeEncoding(method) : NULL;
}

static bool method_fits(const Apple *a, const MethodInfo *m)
{
    const char *encoding = encoding_of(a, m);
    return encoding && encodings_fit(encoding, m->encoding);
}

bool apple_report(const Apple *a, Text *out)
{
    bool fine = true;
    for (int i = 0; i < METHODS; i++) {
        const MethodInfo *m = &methods[i];
        const char *encoding = encoding_of(a, m);
        bool fits = method_fits(a, m), optional = m->kind & OPTIONAL;
        text_printf(out, "%s %c[%s %s]: ",
                    fits       ? "ok  "
                    : optional ? "less"
                               : "FAIL",
                    m->kind & ~OPTIONAL, class_name[m->class], m->selector);
        if (encoding)
            text_printf(out, "is %s, called as %s\n", encoding, m->encoding);
        else
            text_printf(out, a->class[m->class] ? "there is no such method\n" : "there is no such class\n");
        fine &= fits || optional;
    }
    return fine;
}

bool apple_open(Apple *a, const char *path, Error *err)
{
    void *library[LIBRARIES];
    Text report = {0};
    *a = (Apple){0};
    if (!open_libraries(library, path, err) || !find_symbols(a, library, err))
        return false;
    for (int i = 0; i < CLASSES; i++)
        a->class[i] = a->objc_getClass(class_name[i]);
    for (int i = 0; i < METHODS; i++)
        a->selector[i] = a->sel_registerName(methods[i].selector);
    for (int i = 0; i < METHODS; i++)
        a->usable[i] = (methods[i].kind & OPTIONAL) && method_fits(a, &methods[i]);
    bool fine = apple_report(a, &report);
    if (!fine) {
        const char *fault = strstr(text_cstr(&report), "FAIL");
        error_set(err, "this system's Neural Engine framework is not as we know it: %.*s",
                  (int)strcspn(fault + 5, "\n"), fault + 5);
    }
    text_free(&report);
    return fine;
}
