/* Reading JSON: what json_tree_read finds is what jansson finds, and what it says of a broken text. */
#include "base/json_tree.h"
#include "base/text.h"
#include "tests/support/libjson.h"
#include "tests/unit/check.h"

static void agree(const char *text, size_t size, bool expected)
{
    bool taken;
    CHECK_TOLD(json_readers_agree(text, size, &taken), "jansson disagrees about %s", text);
    CHECK_TOLD(taken == expected, "%s was %s", text, taken ? "taken" : "refused");
}

static void test_values(void)
{
    static const char *const good[] = {
        "[]",
        "{}",
        " [ ] ",
        "\t{\r\n}\n",
        "[[[]], {}]",
        "[null, true, false]",
        "[0, -0, 7, -7, 123456789012345678]",
        "[9223372036854775807, -9223372036854775808, 1234567890123456789]",
        "[0.5, -0.0, 1e0, 1E+2, 25e-1, 1.7976931348623157e308, 4e-320, 1e-400, 12345678901234567890.0]",
        "[\"\", \"a\", \"\x7f\", \"\xc3\xa9\", \"\xe2\x96\x81\", \"\xf0\x9f\x98\x80\", \"\xf4\x8f\xbf\xbf\"]",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\", \"\\u0041\\u00e9\\u2581\\ud83d\\ude00\\uFFFF x\"]",
        "{\"a\": 1, \"b\": {\"a\": 2}, \"\": 3, \"\\u0062b\": [{\"x\": {}}, 4]}",
        "{\"0\":0,\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9}",
    };
    static const char *const wrong[] = {
        "",
        " ",
        "1",
        "\"a\"",
        "null",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "[1 2]",
        "[1}",
        "{1: 2}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\": 1,}",
        "{\"a\" 1}",
        "{\"a\": 1]",
        "{,}",
        "[] []",
        "[]x",
        "[nul]",
        "[True]",
        "[nulll]",
        "[01]",
        "[-]",
        "[+1]",
        "[1.]",
        "[.5]",
        "[1e]",
        "[1e+]",
        "[0x1]",
        "[1e400]",
        "[-1e400]",
        "[9223372036854775808]",
        "[-9223372036854775809]",
        "[99999999999999999999999]",
        "[NaN]",
        "[Infinity]",
        "[\"a]",
        "[\"\\x\"]",
        "[\"\\u12\"]",
        "[\"\\u123g\"]",
        "[\"\\\"]",
        "[\"\n\"]",
        "[\"\t\"]",
        "[\"\x01\"]",
        "[\"\\u0000\"]",
        "[\"\\ud800\"]",
        "[\"\\udc00\"]",
        "[\"\\ud800\\u0041\"]",
        "[\"\\ud800x\"]",
        "[\"\x80\"]",
        "[\"\xc3\"]",
        "[\"\xc0\x80\"]",
        "[\"\xe0\x80\x80\"]",
        "[\"\xed\xa0\x80\"]",
        "[\"\xf0\x80\x80\x80\"]",
        "[\"\xf4\x90\x80\x80\"]",
        "[\"\xff\"]",
        "\xef\xbb\xbf[]",
        "[\xc3\xa9]",
        "['a']",
        "[/**/]",
        "[1;2]",
        "{\"a\": 1, \"a\": 2}",
        "{\"a\": 1, \"\\u0061\": 2}",
        "[{\"\": 1, \"b\": 2, \"\": 3}]",
        "{\"0\":0,\"1\":1,\"2\":2,\"3\":3,\"4\":4,\"5\":5,\"6\":6,\"7\":7,\"8\":8,\"9\":9,\"4\":10}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        agree(good[i], strlen(good[i]), true);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        agree(wrong[i], strlen(wrong[i]), false);
    agree("[1]\0", 4, false);
    agree("[1\0]", 4, false);
    agree("[\"\0\"]", 5, false);
    agree("[\"a\"]junk", 5, true); /* the text ends where its size says */
    agree("[\"a\"]", 4, false);
}

static void test_depth(void)
{
    for (size_t depth = 2046; depth <= 2050; depth++) {
        Text t = {0};
        for (size_t i = 0; i < depth; i++)
            text_puts(&t, i % 2 ? "{\"k\":" : "[");
        text_putc(&t, '1');
        for (size_t i = depth; i-- > 0;)
            text_putc(&t, i % 2 ? '}' : ']');
        agree(t.data, t.size, depth < 2048);
        text_free(&t);
    }
}

static void test_many_members(void)
{
    for (int repeated = 0; repeated < 2; repeated++) {
        Text t = {0};
        text_putc(&t, '{');
        for (int i = 0; i < 5000; i++)
            text_printf(&t, "\"name %d\": %d,", i, i);
        text_printf(&t, "\"name %d\": 0}", repeated ? 4321 : 5000);
        agree(t.data, t.size, !repeated);
        text_free(&t);
    }
}

static void refused(const char *text, const char *expected)
{
    JsonTree tree;
    Error err = {""};
    CHECK(!json_tree_read(&tree, text, strlen(text), &err));
    CHECK_TEXT(err.text, expected);
    CHECK(!tree.nodes && !tree.text);
}

static void test_errors(void)
{
    refused("", "line 1, column 1: '{' or '[' is expected");
    refused("[1,\n  2 3]", "line 2, column 5: a list goes on with ',' or ']'");
    refused("{\"a\": 1\n", "line 2, column 1: an object goes on with ',' or '}'");
    refused("{\"a\": 1, 2}", "line 1, column 10: the name of a member is expected");
    refused("{\"a\" 1}", "line 1, column 6: behind the name of a member comes ':'");
    refused("[1, x]", "line 1, column 5: a value is expected");
    refused("[\"abc]", "line 1, column 2: a text that is not ended or not valid");
    refused("[\"a\\ud800\"]", "line 1, column 4: an escape that stands for no character");
    refused("[1e999]", "line 1, column 2: a number that is too large");
    refused("[99999999999999999999]", "line 1, column 2: an integer that is too large");
    refused("[] 1", "line 1, column 4: the end is expected");
    refused("{\"a\": 1,\n \"a\": 2}", "line 2, column 3: two members are called \"a\"");
}

static void test_nodes(void)
{
    static const char text[] = "{\"list\": [[1, 2], 3.5, {\"x\": []}], \"name\": \"n\", \"none\": null}";
    JsonTree tree;
    Error err;
    CHECK(json_tree_read(&tree, text, sizeof text - 1, &err));
    const JsonNode *list = json_node_get(tree.nodes, "list"), *second = json_node_next(json_node_first(list));
    CHECK(tree.nodes->size == 3 && list->size == 3 && json_node_first(list)->size == 2);
    CHECK(json_node_number(second) == 3.5 && json_node_number(json_node_first(json_node_first(list))) == 1);
    CHECK(json_node_is_number(second) && !json_node_is_number(list) && json_node_number(list) == 0);
    CHECK_TEXT(json_node_text(json_node_get(tree.nodes, "name")), "n");
    CHECK(!json_node_text(list) && !json_node_text(NULL) && !json_node_get(NULL, "x") &&
          !json_node_get(list, "x"));
    CHECK(!json_node_get(tree.nodes, "nam") && !json_node_first(NULL) && !json_node_first(tree.nodes));
    CHECK(json_node_is(json_node_get(tree.nodes, "none"), JSON_NODE_NULL) &&
          !json_node_is(NULL, JSON_NODE_NULL));
    CHECK(!json_node_first(json_node_get(json_node_next(second), "x")));
    json_tree_free(&tree);
    json_tree_free(&tree); /* nothing is left to free */
}

int main(void)
{
    test_values();
    test_depth();
    test_many_members();
    test_errors();
    test_nodes();
    return check_report();
}
