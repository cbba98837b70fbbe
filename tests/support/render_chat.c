/* render_chat [--marks] TEMPLATE CASE.json: what a chat template makes of a conversation. TEMPLATE is a file,
 * or builtin:NAME. CASE.json: {"messages": [...], "tools": [...], "bos_token": "<s>", "eos_token": "</s>",
 * "add_generation_prompt": true, "variables": {...}}; the time is 2024-07-26 12:00 UTC. With --marks, the
 * bytes that came from the conversation stand in [[ ]]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "runtime/chat/chat.h"

static int fail(const Error *err)
{
    fprintf(stderr, "render_chat: %s\n", err->text);
    return 1;
}

static void print_marked(const ChatText *t)
{
    bool inside = false;
    for (size_t i = 0; i < t->text.size; i++) {
        bool marked = t->marks.data[i] != 0;
        if (marked != inside)
            fputs(marked ? "[[" : "]]", stdout);
        inside = marked;
        putchar(t->text.data[i]);
    }
    fputs(inside ? "]]" : "", stdout);
}

static int render(const ChatTemplate *t, const json_t *spec, bool marks)
{
    Error err;
    ChatText out = {{0}, {0}};
    ChatInput input = {.messages = json_object_get(spec, "messages"),
                       .tools = json_object_get(spec, "tools"),
                       .variables = json_object_get(spec, "variables"),
                       .bos = json_string_value(json_object_get(spec, "bos_token")),
                       .eos = json_string_value(json_object_get(spec, "eos_token")),
                       .add_generation_prompt = json_is_true(json_object_get(spec, "add_generation_prompt")),
                       .now = 1721995200};
    bool ok = chat_template_render(t, &input, &out, &err);
    if (ok && marks)
        print_marked(&out);
    else if (ok)
        fwrite(text_cstr(&out.text), 1, out.text.size, stdout);
    chat_text_free(&out);
    return ok ? 0 : fail(&err);
}

int main(int argc, char **argv)
{
    Error err;
    bool marks = argc > 1 && strcmp(argv[1], "--marks") == 0;
    argv += marks;
    if (argc - marks != 3) {
        fputs("usage: render_chat [--marks] TEMPLATE CASE.json\n", stderr);
        return 2;
    }
    setenv("TZ", "UTC", 1);
    char *text = NULL;
    size_t size = 0;
    const char *builtin = strncmp(argv[1], "builtin:", 8) == 0 ? chat_builtin(argv[1] + 8, NULL) : NULL;
    if (!builtin && !file_read(argv[1], 0, &text, &size, &err))
        return fail(&err);
    ChatTemplate *t = chat_template_parse(builtin ? builtin : text, builtin ? strlen(builtin) : size, &err);
    json_error_t where;
    json_t *spec = json_load_file(argv[2], 0, &where);
    if (t && !spec)
        error_set(&err, "%s: %s", argv[2], where.text);
    int status = t && spec ? render(t, spec, marks) : fail(&err);
    chat_template_free(t);
    json_decref(spec);
    free(text);
    return status;
}
