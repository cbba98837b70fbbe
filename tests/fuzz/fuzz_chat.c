/* A chat template from bytes: up to the first NUL a template, behind it a conversation as JSON (a small one
 * where there is none or it is none). Whatever is rendered has a mark for each byte, and a template cannot
 * take what came from the conversation for its own. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/chat/chat.h"
#include "tests/fuzz/fuzz.h"

static const char talk[] =
    "[{\"role\": \"system\", \"content\": \"S\"}, {\"role\": \"user\", \"content\": "
    "\"\\u0001\\u0002 h\\u00e9\\u0001\"}, {\"role\": \"assistant\", \"content\": [1, null, "
    "2.5, {\"type\": \"text\"}]}]";

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* U+0001 stands in the conversation and cannot be written in `source` or with its escapes. */
static bool writes_one(const char *source, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (source[i] == 1 || source[i] == '\\' || source[i] == '%')
            return true;
    return false;
}

static void check_marks(const ChatText *t, bool exact)
{
    require(t->text.size == t->marks.size);
    for (size_t i = 0; exact && i < t->text.size; i++)
        require(t->text.data[i] != 1 || t->marks.data[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes, *end = size ? memchr(text, 0, size) : NULL;
    size_t length = end ? (size_t)(end - text) : size;
    Error err = {""};
    ChatTemplate *t = chat_template_parse(text, length, &err);
    require(t || strncmp(err.text, "line ", 5) == 0 || strncmp(err.text, "the template", 12) == 0);
    json_t *given = end ? json_loadb(end + 1, size - length - 1, 0, NULL) : NULL;
    json_t *messages = given ? given : json_loads(talk, 0, NULL);
    ChatInput input = {
        .messages = messages, .bos = "<s>", .eos = "</s>", .add_generation_prompt = true, .now = 1721995200};
    ChatText out = {{0}, {0}};
    if (t && chat_template_render(t, &input, &out, &err))
        check_marks(&out, !given && !writes_one(text, length));
    else if (t)
        require(strncmp(err.text, "line ", 5) == 0 && !out.text.size);
    chat_text_free(&out);
    chat_template_free(t);
    json_decref(messages);
    return 0;
}
