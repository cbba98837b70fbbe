/* Python pickles, read as data. Nothing is looked up, imported or called: a call becomes a value that says
 * what would be called with what, and only the few callables that tensors are saved with may be named. */
#ifndef FRONTEND_WEIGHTS_PICKLE_H
#define FRONTEND_WEIGHTS_PICKLE_H

#include "frontend/weights/internal.h"

typedef enum PickleCallable {
    PICKLE_ORDERED_DICT,
    PICKLE_REBUILD_TENSOR,    /* torch._utils._rebuild_tensor_v2 */
    PICKLE_REBUILD_PARAMETER, /* torch._utils._rebuild_parameter */
    PICKLE_STORAGE_TYPE       /* torch.FloatStorage, ... */
} PickleCallable;

typedef struct PickleGlobal {
    const char *module, *name;
    PickleCallable callable;
    const char *type; /* of a storage's elements, as in types.def */
} PickleGlobal;

typedef enum PickleKind {
    PICKLE_OTHER, /* None, floats, numbers beyond int64_t: no part of a tensor */
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_TEXT,
    PICKLE_GLOBAL,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT,   /* key, value, key, value, ...; an OrderedDict too */
    PICKLE_CALL,   /* of `global` with the items */
    PICKLE_STORAGE /* a persistent id: its tuple's items */
} PickleKind;

typedef struct PickleValue PickleValue;
struct PickleValue {
    PickleKind kind;
    union {
        int64_t number;
        const char *text; /* NUL-terminated; `count` bytes, which may be NULs */
        const PickleGlobal *global;
    } u;
    PickleValue **items; /* a list or dict may hold itself: never walk without a bound */
    size_t count, cap;
};

/* The value that a pickle of protocol 2 to 5 describes, in the arena. NULL where it is damaged, too large,
 * uses an opcode that saved tensors don't, or names a callable that is not one of theirs. */
const PickleValue *pickle_read(Arena *arena, const void *data, size_t size, Error *err);

#endif
