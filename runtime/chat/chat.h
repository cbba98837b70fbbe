/* Chat templates: how a model wants a conversation written. A template is a Jinja text, as checkpoints bring
 * it; docs/chat.md says what of Jinja is known. */
#ifndef RUNTIME_CHAT_CHAT_H
#define RUNTIME_CHAT_CHAT_H

#include <jansson.h>
#include <time.h>

#include "base/error.h"
#include "base/text.h"

typedef struct ChatTemplate ChatTemplate;

/* Reads a template of `size` bytes; the text is not needed afterwards. A ChatTemplate is never changed once
 * it is read. The error begins with "line N: ". */
MUST_USE ChatTemplate *chat_template_parse(const char *text, size_t size, Error *err);
void chat_template_free(ChatTemplate *t); /* NULL is allowed */

/* The text of a built-in template: chatml, gemma, llama2, llama3, mistral, phi3, plain, zephyr. NULL: there
 * is none of that name; `known` (may be NULL) then is the list of names, with commas. */
const char *chat_builtin(const char *name, const char **known);

typedef struct ChatInput {
    const json_t *messages;  /* [{"role": ..., "content": ...}, ...] */
    const json_t *tools;     /* NULL: none */
    const json_t *variables; /* an object of further ones, such as {"enable_thinking": false}; NULL: none */
    const char *bos, *eos;   /* the texts of bos_token and eos_token; NULL: undefined */
    bool add_generation_prompt;
    time_t now; /* for strftime_now, in local time */
} ChatInput;

/* A rendered conversation. marks: one byte for each of text's: not 0 where that byte came from the messages
 * or the tools, which is where nothing may be taken for a special token. */
typedef struct ChatText {
    Text text, marks;
} ChatText;
void chat_text_free(ChatText *t);

/* Fills `out`, which is empty. Fails where the template raises an exception, does what is not known here, or
 * works too long (20 million steps, 8 MB of text). */
MUST_USE bool chat_template_render(const ChatTemplate *t, const ChatInput *input, ChatText *out, Error *err);

#endif
