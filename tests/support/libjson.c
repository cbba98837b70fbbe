#include "tests/support/libjson.h"

#include <jansson.h>
#include <string.h>

#include "base/json_tree.h"

static bool same_value(const JsonNode *n, json_t *j);

static bool same_values(const JsonNode *list, json_t *array)
{
    size_t i = 0;
    JSON_NODE_EACH(value, list) {
        if (!same_value(value, json_array_get(array, i++)))
            return false;
    }
    return i == json_array_size(array) && i == list->size;
}

static bool same_members(const JsonNode *node, json_t *object)
{
    size_t count = 0;
    JSON_NODE_MEMBERS(key, node) {
        if (strlen(key->text) != key->size || !same_value(key + 1, json_object_get(object, key->text)) ||
            json_node_get(node, key->text) != key + 1)
            return false;
        count++;
    }
    return count == json_object_size(object) && count == node->size;
}

static bool same_value(const JsonNode *n, json_t *j)
{
    switch ((JsonKind)n->kind) {
    case JSON_NODE_NULL: return json_is_null(j);
    case JSON_NODE_FALSE: return json_is_false(j);
    case JSON_NODE_TRUE: return json_is_true(j);
    case JSON_NODE_INTEGER: return json_is_integer(j) && n->integer == json_integer_value(j);
    case JSON_NODE_REAL:
        return json_is_real(j) && !(n->real < json_real_value(j) || n->real > json_real_value(j));
    case JSON_NODE_TEXT:
        return json_is_string(j) && n->size == json_string_length(j) && n->text[n->size] == 0 &&
               memcmp(n->text, json_string_value(j), n->size) == 0;
    case JSON_NODE_LIST: return json_is_array(j) && same_values(n, j);
    case JSON_NODE_OBJECT: return json_is_object(j) && same_members(n, j);
    }
    return false;
}

bool json_readers_agree(const char *text, size_t size, bool *taken)
{
    JsonTree tree;
    Error err = {""};
    bool nul = size && memchr(text, 0, size); /* jansson passes over one behind a number */
    json_t *root = nul ? NULL : json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    *taken = json_tree_read(&tree, text, size, &err);
    bool agree =
        *taken == (root != NULL) && (!*taken || same_value(tree.nodes, root)) && *taken == !err.text[0];
    if (*taken)
        json_tree_free(&tree);
    json_decref(root);
    return agree;
}
