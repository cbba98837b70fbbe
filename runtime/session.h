/* A session: one text being continued. The prompt is prefilled in the smallest bucket that fits; then tokens
 * are decoded one by one through the KV cache. */
#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include "runtime/device.h"
#include "runtime/package.h"

typedef struct Session Session;

/* Both must outlive the session. Nothing is compiled until it is needed. */
MUST_USE Session *session_new(Package *package, Device *device, Error *err);
void session_free(Session *s); /* NULL is allowed */

/* Programs that are meant for the Neural Engine run on `ane` from now on, which must outlive the session; to
 * be said before the first prefill. */
void session_use_ane(Session *s, Device *ane);
/* The same; but where a program cannot be made ready there, `told` learns why, and from then on all run on
 * the CPU device. */
void session_try_ane(Session *s, Device *ane, void (*told)(const Error *why));
/* Whether they run there still. */
bool session_uses_ane(const Session *s);

/* Every step of every later run goes to `trace`, which must outlive the session; NULL: none. */
void session_trace(Session *s, const Trace *trace);

/* How many tokens the session holds, and how many it can. */
int session_length(const Session *s);
int session_context(const Session *s);
int session_vocab(const Session *s);
int session_eos(const Session *s); /* -1: none */
/* The longest prompt: the largest bucket, or the context where that is less. */
int session_longest_prompt(const Session *s);
/* The bucket that the last prefill ran in; 0 before. */
int session_bucket(const Session *s);

/* Makes ready what the prefill of `count` tokens needs on the CPU device, before they are known; what fails
 * fails again where it is needed. Nothing else may use the session or its package's programs meanwhile. */
void session_prepare(Session *s, int count);

/* Runs ids[0..count) as the beginning of the text, which must be empty. count from 1 to
 * session_longest_prompt. */
MUST_USE bool session_prefill(Session *s, const int32_t *ids, int count, Error *err);

/* Forgets all tokens but the first `length` (0 to session_length): another text may go on from there. */
void session_rewind(Session *s, int length);

/* Logits (vocab floats, owned by the session, overwritten by the next call) after prompt token `column` of
 * the last prefill. */
MUST_USE const float *session_prefill_logits(Session *s, int column, Error *err);

/* Appends one token and gives the logits after it. Fails when the context is full. */
MUST_USE const float *session_decode(Session *s, int32_t id, Error *err);

#endif
