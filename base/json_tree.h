/* Reading JSON fast: all values of a text as one array, in the order in which they stand there, for files
 * that a start has to wait for; jansson makes a piece of memory or two of each value. Takes what jansson
 * takes with JSON_REJECT_DUPLICATES: RFC 8259 with a list or an object at the top, no name twice in an
 * object, and no NUL. */
#ifndef BASE_JSON_TREE_H
#define BASE_JSON_TREE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum JsonKind {
    JSON_NODE_NULL,
    JSON_NODE_FALSE,
    JSON_NODE_TRUE,
    JSON_NODE_INTEGER,
    JSON_NODE_REAL,
    JSON_NODE_TEXT,
    JSON_NODE_LIST,  /* its values follow */
    JSON_NODE_OBJECT /* its members follow, each a TEXT and a value */
} JsonKind;

typedef struct JsonNode {
    union {
        const char *text; /* UTF-8, with a NUL behind it and none inside */
        int64_t integer;
        double real;
    };
    uint32_t size;                 /* a text's bytes, a list's values, an object's members */
    uint32_t kind : 3, nodes : 29; /* nodes: of the whole value, with this one */
} JsonNode;

typedef struct JsonTree {
    JsonNode *nodes; /* the first is the whole */
    char *text;      /* what the nodes' texts are in: they may be changed, but not made longer */
} JsonTree;

/* `text` is not needed afterwards. The error says line and column. */
MUST_USE bool json_tree_read(JsonTree *tree, const char *text, size_t size, Error *err);
void json_tree_free(JsonTree *tree);

/* Below, a node may be NULL, which is no value of any kind. */

static inline bool json_node_is(const JsonNode *n, JsonKind kind)
{
    return n && n->kind == kind;
}

/* What follows the whole value. */
static inline const JsonNode *json_node_next(const JsonNode *n)
{
    return n + n->nodes;
}

/* Goes through the values of a list (none, if it is no list). */
#define JSON_NODE_EACH(value, list)                                                                          \
    for (const JsonNode *value = (list), *end_ = json_node_end(value, JSON_NODE_LIST, &value); value < end_; \
         value = json_node_next(value))
/* Goes through the members of an object: `key` is the text, key + 1 the value. */
#define JSON_NODE_MEMBERS(key, object)                                                                       \
    for (const JsonNode *key = (object), *end_ = json_node_end(key, JSON_NODE_OBJECT, &key); key < end_;     \
         key = json_node_next(key + 1))

static inline const JsonNode *json_node_end(const JsonNode *n, JsonKind kind, const JsonNode **first)
{
    *first = json_node_is(n, kind) ? n + 1 : NULL;
    return json_node_is(n, kind) ? n + n->nodes : NULL;
}

/* A member of an object; NULL where there is none of this name. */
const JsonNode *json_node_get(const JsonNode *object, const char *name);
/* The first value of a list; NULL where there is none. */
const JsonNode *json_node_first(const JsonNode *list);
/* A text; NULL where it is none. */
const char *json_node_text(const JsonNode *n);
bool json_node_is_number(const JsonNode *n);
/* 0 where it is no number. */
double json_node_number(const JsonNode *n);

#endif
