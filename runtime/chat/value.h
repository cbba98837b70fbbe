/* Values of a chat template: what Jinja has of Python's types. Everything lives in one arena, that of the
 * rendering. A string carries, for each of its bytes, whether it came from the conversation: templates write
 * special tokens as text, and what a person says must not be able to do the same. */
#ifndef RUNTIME_CHAT_VALUE_H
#define RUNTIME_CHAT_VALUE_H

#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"

typedef enum ValueKind {
    V_UNDEFINED, /* prints as nothing; str is what it would have been */
    V_NONE,
    V_BOOL,
    V_INT,
    V_FLOAT,
    V_STRING,
    V_LIST,
    V_DICT,
    V_MACRO,
    V_FUNCTION, /* range, namespace ...: str is its name */
    V_METHOD    /* of a string, list or dict: str is its name */
} ValueKind;

/* mark: one byte for each of data's, not 0 where it came from the conversation; NULL: all from the template.
 */
typedef struct Str {
    const char *data;
    const char *mark;
    size_t size;
} Str;

typedef struct List List;
typedef struct Dict Dict;
struct Macro;

typedef struct Value {
    ValueKind kind;
    bool truth; /* V_BOOL */
    union {
        int64_t whole;
        double real;
        List *list;
        Dict *dict;
        const struct Macro *macro;
        const struct Value *self; /* V_METHOD */
    } u;
    Str str;
} Value;

/* depth: that of the deepest list or dictionary inside and one more; weight: values inside, shared ones as
 * often as they are met. A namespace counts as empty, and nothing looks into one, so that it may hold itself.
 */
typedef struct Extent {
    int depth;
    double weight;
} Extent;

struct List {
    Value *item;
    size_t count, cap;
    Extent extent;
    bool tuple; /* it prints as one */
};

typedef struct Pair {
    Value key; /* a string, number, boolean or none */
    Value value;
} Pair;

struct Dict {
    Pair *pair; /* in the order of insertion */
    size_t count, cap;
    Extent extent;
    bool is_namespace; /* {% set ns.name = ... %} may change it */
};

/* ---- strings ---- */

Str str_of(const char *s); /* the C string, not copied */
bool str_is(Str s, const char *text);
int str_compare(Str a, Str b); /* by bytes, which for UTF-8 is by code points */
Str str_slice(Str s, size_t from, size_t to);
/* The bytes of the character at `at` (< size): 1 to 4; 1 for a stray byte. */
size_t str_char(Str s, size_t at);
size_t str_length(Str s); /* characters */
/* Where `what` begins in s at or after `from`, or SIZE_MAX. */
size_t str_find(Str s, Str what, size_t from);
/* Python's str.strip: white space, or the characters of `chars` where that is not NULL. */
Str str_strip(Str s, const Str *chars, bool left, bool right);

/* A string being built, with its marks. Nothing is held outside the arena. Above `limit` (0: none) bytes
 * nothing is added any more, and `full` is set. */
typedef struct Build {
    Arena *arena;
    char *data, *mark;
    size_t size, cap, limit;
    bool marked, full;
} Build;
void build_str(Build *b, Str s);
void build_text(Build *b, const char *s);                       /* template text */
void build_bytes(Build *b, const char *s, size_t n, char mark); /* all of one mark */
Str build_done(const Build *b);

/* ---- values ---- */

Value value_undefined(const char *name);
Value value_none(void);
Value value_bool(bool b);
Value value_int(int64_t i);
Value value_float(double f);
Value value_str(Str s);
Value value_text(const char *s); /* a C string that outlives it, template text */
Value value_list(Arena *a);
Value value_dict(Arena *a);

void list_add(Arena *a, Value list, Value item);
/* The value under the key, or NULL. */
Value *dict_find(Value dict, Value key);
Value *dict_get(Value dict, const char *key);
void dict_set(Arena *a, Value dict, Value key, Value value);

Extent value_extent(Value v); /* depth 0: neither list nor dictionary */
bool value_truth(Value v);
bool value_equal(Value a, Value b);
bool value_is_number(Value v); /* booleans too, as in Python */
double value_number(Value v);
const char *value_kind_name(Value v); /* for messages: "a string" */

/* What {{ v }} prints; `quoted`: as Python's repr does it. */
void value_print(Build *b, Value v, bool quoted);
Str value_string(Arena *a, Value v);
/* Python's json.dumps(v, ensure_ascii=False, indent=indent); indent < 0: on one line. False where v (or a
 * part of it) is nothing that JSON has. */
bool value_json(Build *b, Value v, int indent, int depth);
/* A JSON value; its texts count as the conversation's if `mark`. */
Value value_from_json(Arena *a, const json_t *j, bool mark);

#endif
