/* A pickle is a program for a machine with a stack and a memo (a table of values to use again). Opcodes:
 * Python's Lib/pickletools.py. */
#include "frontend/weights/pickle.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A tensor takes about 25 values and 250 bytes. */
enum { PICKLE_LIMIT = 64 << 20, VALUE_LIMIT = 1 << 22 };

static const PickleGlobal globals[] = {
    {"collections", "OrderedDict", PICKLE_ORDERED_DICT, NULL},
    {"torch._utils", "_rebuild_tensor_v2", PICKLE_REBUILD_TENSOR, NULL},
    {"torch._utils", "_rebuild_parameter", PICKLE_REBUILD_PARAMETER, NULL},
    {"torch", "FloatStorage", PICKLE_STORAGE_TYPE, "F32"},
    {"torch", "HalfStorage", PICKLE_STORAGE_TYPE, "F16"},
    {"torch", "BFloat16Storage", PICKLE_STORAGE_TYPE, "BF16"},
    {"torch", "DoubleStorage", PICKLE_STORAGE_TYPE, "F64"},
    {"torch", "LongStorage", PICKLE_STORAGE_TYPE, "I64"},
    {"torch", "IntStorage", PICKLE_STORAGE_TYPE, "I32"},
    {"torch", "ShortStorage", PICKLE_STORAGE_TYPE, "I16"},
    {"torch", "CharStorage", PICKLE_STORAGE_TYPE, "I8"},
    {"torch", "ByteStorage", PICKLE_STORAGE_TYPE, "U8"},
    {"torch", "BoolStorage", PICKLE_STORAGE_TYPE, "BOOL"},
};

/* After the first failure everything reads as zero and nothing changes any more. */
typedef struct Machine {
    Arena *arena;
    const uint8_t *data;
    size_t size, at;
    PickleValue **stack; /* NULL stands for a mark */
    size_t depth, stack_cap;
    PickleValue **memo; /* NULL: not set */
    size_t memo_count, memo_cap;
    size_t values;
    PickleValue *nothing; /* what a failed pop gives */
    Error *err;
    bool failed, stopped;
} Machine;

static bool fail(Machine *m, const char *what)
{
    if (!m->failed)
        error_set(m->err, "pickle: %s (at byte %zu)", what, m->at);
    m->failed = true;
    return false;
}

/* ---- operands ---- */

static const uint8_t *take(Machine *m, uint64_t n)
{
    if (m->failed || n > m->size - m->at) {
        fail(m, "cut short");
        return NULL;
    }
    const uint8_t *p = m->data + m->at;
    m->at += (size_t)n;
    return p;
}

static uint64_t take_number(Machine *m, int bytes)
{
    const uint8_t *p = take(m, (uint64_t)bytes);
    uint64_t v = 0;
    for (int i = bytes - 1; p && i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* Up to the newline, which is taken too. */
static const char *take_line(Machine *m)
{
    const uint8_t *p = m->data + m->at;
    const uint8_t *end = m->failed || m->at == m->size ? NULL : memchr(p, '\n', m->size - m->at);
    if (!end) {
        fail(m, "cut short");
        return "";
    }
    m->at += (size_t)(end - p) + 1;
    return arena_str(m->arena, (const char *)p, (size_t)(end - p));
}

/* ---- the stack ---- */

static PickleValue *new_value(Machine *m, PickleKind kind)
{
    if (m->values++ >= VALUE_LIMIT)
        fail(m, "too many values");
    if (m->failed)
        return m->nothing;
    PickleValue *v = arena_new(m->arena, PickleValue);
    v->kind = kind;
    return v;
}

static void push(Machine *m, PickleValue *v)
{
    if (m->depth == VALUE_LIMIT)
        fail(m, "its stack is too deep");
    if (m->failed)
        return;
    if (m->depth == m->stack_cap) {
        m->stack_cap = m->stack_cap ? 2 * m->stack_cap : 64;
        m->stack = xrealloc(m->stack, m->stack_cap * sizeof *m->stack);
    }
    m->stack[m->depth++] = v;
}

static PickleValue *top(Machine *m)
{
    if (m->failed || !m->depth || !m->stack[m->depth - 1]) {
        fail(m, "a value is missing on the stack");
        return m->nothing;
    }
    return m->stack[m->depth - 1];
}

static PickleValue *pop(Machine *m)
{
    PickleValue *v = top(m);
    if (!m->failed)
        m->depth--;
    return v;
}

/* Takes the values down to the nearest mark off the stack, and the mark; they stay readable until the next
 * push. */
static PickleValue **pop_marked(Machine *m, size_t *count)
{
    size_t at = m->depth;
    while (at && m->stack[at - 1])
        at--;
    *count = 0;
    if (!at)
        fail(m, "a mark is missing on the stack");
    if (m->failed)
        return NULL;
    *count = m->depth - at;
    m->depth = at - 1;
    return m->stack + at;
}

/* ---- values ---- */

static void push_number(Machine *m, PickleKind kind, int64_t number)
{
    PickleValue *v = new_value(m, kind);
    v->u.number = number;
    push(m, v);
}

/* Little-endian two's complement of any length. */
static void push_long(Machine *m, size_t bytes)
{
    const uint8_t *p = take(m, bytes);
    uint64_t v = 0;
    if (!p || bytes > 8) {
        push(m, new_value(m, PICKLE_OTHER));
        return;
    }
    for (size_t i = 8; i-- > 0;)
        v = v << 8 | (i < bytes ? p[i] : bytes && p[bytes - 1] >> 7 ? 255u : 0u);
    push_number(m, PICKLE_INT, v > INT64_MAX ? -(int64_t)~v - 1 : (int64_t)v);
}

static void push_text(Machine *m, int length_bytes)
{
    uint64_t n = take_number(m, length_bytes);
    const uint8_t *p = take(m, n);
    PickleValue *v = new_value(m, PICKLE_TEXT);
    if (m->failed)
        return;
    v->u.text = arena_str(m->arena, (const char *)p, (size_t)n);
    v->count = (size_t)n;
    push(m, v);
}

/* Of `count` values that stand in the stack's memory. */
static void push_tuple(Machine *m, PickleValue **items, size_t count)
{
    PickleValue *v = new_value(m, PICKLE_TUPLE);
    if (m->failed)
        return;
    v->items = count ? arena_copy(m->arena, items, count * sizeof *items) : NULL;
    v->count = count;
    push(m, v);
}

static void push_short_tuple(Machine *m, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pop(m);
    if (!m->failed)
        push_tuple(m, m->stack + m->depth, count);
}

static void push_marked_tuple(Machine *m)
{
    size_t count;
    PickleValue **items = pop_marked(m, &count);
    push_tuple(m, items, count);
}

static void push_global(Machine *m, const char *module, const char *name)
{
    const size_t count = sizeof globals / sizeof *globals;
    size_t i = 0;
    if (m->failed)
        return;
    while (i < count && (strcmp(globals[i].module, module) != 0 || strcmp(globals[i].name, name) != 0))
        i++;
    if (i == count) {
        m->failed = true;
        error_set(m->err, "pickle wants to call %s.%s: refused; only tensors are read",
                  weights_quote(module).text, weights_quote(name).text);
        return;
    }
    PickleValue *v = new_value(m, PICKLE_GLOBAL);
    v->u.global = &globals[i];
    push(m, v);
}

static void push_stack_global(Machine *m)
{
    const PickleValue *name = pop(m), *module = pop(m);
    if (name->kind != PICKLE_TEXT || module->kind != PICKLE_TEXT)
        fail(m, "the name of a callable is no text");
    else
        push_global(m, module->u.text, name->u.text);
}

static void push_line_global(Machine *m)
{
    const char *module = take_line(m);
    const char *name = take_line(m);
    push_global(m, module, name);
}

/* ---- containers and calls ---- */

static void extend(Machine *m, PickleKind kind, PickleValue **items, size_t count)
{
    PickleValue *v = top(m);
    if (v->kind != kind || (kind == PICKLE_DICT && count % 2))
        fail(m, "items are put into something that takes none");
    for (size_t i = 0; i < count && !m->failed; i++)
        arena_push(m->arena, v->items, v->count, v->cap, items[i]);
}

static void extend_one(Machine *m, PickleKind kind, size_t count)
{
    PickleValue *items[2] = {NULL, NULL};
    for (size_t i = count; i-- > 0;)
        items[i] = pop(m);
    extend(m, kind, items, count);
}

static void extend_marked(Machine *m, PickleKind kind)
{
    size_t count;
    PickleValue **items = pop_marked(m, &count);
    extend(m, kind, items, count);
}

static void reduce(Machine *m)
{
    const PickleValue *args = pop(m), *callee = pop(m);
    if (callee->kind != PICKLE_GLOBAL || args->kind != PICKLE_TUPLE) {
        fail(m, "a call of something that is no callable");
        return;
    }
    bool dict = callee->u.global->callable == PICKLE_ORDERED_DICT;
    if (callee->u.global->callable == PICKLE_STORAGE_TYPE || (dict && args->count))
        fail(m, "a call with unexpected arguments");
    PickleValue *v = new_value(m, dict ? PICKLE_DICT : PICKLE_CALL);
    v->u.global = callee->u.global;
    v->items = args->items;
    v->count = args->count;
    push(m, v);
}

static void push_storage(Machine *m)
{
    const PickleValue *id = pop(m);
    if (id->kind != PICKLE_TUPLE)
        fail(m, "a persistent id is no tuple");
    PickleValue *v = new_value(m, PICKLE_STORAGE);
    v->items = id->items;
    v->count = id->count;
    push(m, v);
}

/* ---- the memo ---- */

static void memo_put(Machine *m, uint64_t index)
{
    PickleValue *v = top(m);
    if (index >= VALUE_LIMIT)
        fail(m, "its memo is too large");
    if (m->failed)
        return;
    if (index >= m->memo_cap) {
        size_t cap = 2 * (size_t)index + 64;
        m->memo = xrealloc(m->memo, cap * sizeof *m->memo);
        for (size_t i = m->memo_cap; i < cap; i++)
            m->memo[i] = NULL;
        m->memo_cap = cap;
    }
    m->memo[index] = v;
    if (index >= m->memo_count)
        m->memo_count = (size_t)index + 1;
}

static void memo_get(Machine *m, uint64_t index)
{
    if (index >= m->memo_count || !m->memo[index])
        fail(m, "a value of the memo is missing");
    else
        push(m, m->memo[index]);
}

/* ---- the machine ---- */

static void check_protocol(Machine *m)
{
    uint64_t version = take_number(m, 1);
    if (version < 2 || version > 5)
        fail(m, "its protocol is none of 2 to 5");
}

static void refuse_opcode(Machine *m, uint8_t opcode, size_t at)
{
    if (!m->failed)
        error_set(m->err, "pickle: opcode 0x%02x at byte %zu is none that tensors are saved with: refused",
                  opcode, at);
    m->failed = true;
}

/* A flat switch. */
static void step(Machine *m)
{
    const size_t at = m->at;
    uint8_t opcode = (uint8_t)take_number(m, 1);
    if (m->failed)
        return;
    switch (opcode) {
    case 0x80: check_protocol(m); break;
    case 0x95: take(m, 8); break; /* FRAME: its length */
    case '.': m->stopped = true; break;
    case '(': push(m, NULL); break;
    case 'N': push(m, new_value(m, PICKLE_OTHER)); break;
    case 0x88: push_number(m, PICKLE_BOOL, 1); break;
    case 0x89: push_number(m, PICKLE_BOOL, 0); break;
    case 'J': push_long(m, 4); break;
    case 'K': push_number(m, PICKLE_INT, (int64_t)take_number(m, 1)); break;
    case 'M': push_number(m, PICKLE_INT, (int64_t)take_number(m, 2)); break;
    case 0x8a: push_long(m, (size_t)take_number(m, 1)); break;
    case 'G': take(m, 8), push(m, new_value(m, PICKLE_OTHER)); break;
    case 'U': /* texts of Python 2 */
    case 0x8c: push_text(m, 1); break;
    case 'T':
    case 'X': push_text(m, 4); break;
    case 0x8d: push_text(m, 8); break;
    case ')': push_tuple(m, NULL, 0); break;
    case 0x85: push_short_tuple(m, 1); break;
    case 0x86: push_short_tuple(m, 2); break;
    case 0x87: push_short_tuple(m, 3); break;
    case 't': push_marked_tuple(m); break;
    case ']': push(m, new_value(m, PICKLE_LIST)); break;
    case '}': push(m, new_value(m, PICKLE_DICT)); break;
    case 'a': extend_one(m, PICKLE_LIST, 1); break;
    case 'e': extend_marked(m, PICKLE_LIST); break;
    case 's': extend_one(m, PICKLE_DICT, 2); break;
    case 'u': extend_marked(m, PICKLE_DICT); break;
    case 'c': push_line_global(m); break;
    case 'i': push_line_global(m), refuse_opcode(m, opcode, at); break; /* so that the callable is named */
    case 0x93: push_stack_global(m); break;
    case 'R': reduce(m); break;
    case 'b': pop(m), top(m); break; /* BUILD: attributes, as a state dict's _metadata */
    case 'Q': push_storage(m); break;
    case 'q': memo_put(m, take_number(m, 1)); break;
    case 'r': memo_put(m, take_number(m, 4)); break;
    case 0x94: memo_put(m, m->memo_count); break;
    case 'h': memo_get(m, take_number(m, 1)); break;
    case 'j': memo_get(m, take_number(m, 4)); break;
    default: refuse_opcode(m, opcode, at);
    }
}

const PickleValue *pickle_read(Arena *arena, const void *data, size_t size, Error *err)
{
    Machine m = {.arena = arena, .data = data, .size = size, .err = err};
    m.nothing = arena_new(arena, PickleValue);
    if (size > PICKLE_LIMIT)
        fail(&m, "larger than 64 MiB");
    while (!m.failed && !m.stopped)
        step(&m);
    const PickleValue *result = pop(&m);
    free(m.stack);
    free(m.memo);
    return m.failed ? NULL : result;
}
