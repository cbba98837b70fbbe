/* A conversation with a model: messages, the template that writes them, and the session that has read them.
 */
#ifndef RUNTIME_CHAT_TALK_H
#define RUNTIME_CHAT_TALK_H

#include "runtime/chat/chat.h"
#include "runtime/chat/settings.h"
#include "runtime/generate.h"

typedef struct Talk Talk;

/* How to talk to the package's model: `name` is a built-in template, NULL the package's own (where it has
 * none: an error that lists the built-in ones). Package, session, tokenizer and sampler must outlive the
 * talk; the session belongs to it. */
MUST_USE Talk *talk_new(Package *package, Session *session, const Tokenizer *tokenizer, Sampler *sampler,
                        const char *name, Error *err);
void talk_free(Talk *t); /* NULL is allowed */

/* The messages so far, a list of {"role", "content"}; owned by the talk. */
const json_t *talk_messages(const Talk *t);
/* Takes a whole conversation (copied) instead. Fails where it is no list of objects with a role and a
 * content. */
MUST_USE bool talk_set_messages(Talk *t, const json_t *messages, Error *err);

/* The system message, replaced where there is one; "" takes it away. Bytes that are no UTF-8 become U+FFFD
 * here and below. */
void talk_system(Talk *t, const char *text, size_t size);
/* A message at the end. */
void talk_add(Talk *t, const char *role, const char *text, size_t size);
/* Takes away the messages behind the last of the user's, and that one too if `question`. False: there is
 * none. */
bool talk_back(Talk *t, bool question);
/* Keeps the system message alone. */
void talk_reset(Talk *t);

/* The text that the model reads next, with its marks; whether a reply may begin is said to the template. */
MUST_USE bool talk_render(Talk *t, ChatText *out, Error *err);
/* Its ids: malloc'ed. */
MUST_USE bool talk_ids(Talk *t, int32_t **ids, size_t *count, Error *err);

/* Generates a reply to the conversation and appends it, whatever ended it. The stop texts, the interruption
 * and `emit` are those of `options`; its tokens are at most what the context has left. Only what the session
 * has not read yet is read. Where the conversation does not fit into the context with room for a reply, the
 * oldest exchanges are left out from now on: *left_out messages this time. On an error nothing is appended.
 */
MUST_USE bool talk_reply(Talk *t, const GenerateOptions *options, GenerateStats *stats, int *left_out,
                         Error *err);

#endif
