/* The generation loop: prefill, then sample and decode until something ends the text. */
#ifndef RUNTIME_GENERATE_H
#define RUNTIME_GENERATE_H

#include <signal.h>

#include "runtime/sampler.h"
#include "runtime/session.h"
#include "runtime/tokenizer/tokenizer.h"

typedef enum GenerateEnd {
    END_TOKENS,  /* as many tokens as were asked for */
    END_EOS,     /* the model's end-of-text token, or the token that its texts begin with */
    END_STOP,    /* a stop text */
    END_CONTEXT, /* the model's context is full */
    END_INTERRUPTED
} GenerateEnd;

typedef struct GenerateOptions {
    int tokens;               /* most new tokens */
    const char *const *stops; /* stop texts; the text ends before the first one */
    int stop_count;
    bool ignore_eos;
    const int32_t *stop_ids; /* tokens that end the text as the end-of-text token does */
    int stop_id_count;
    bool new_text; /* what is made is a text of its own: its first word loses the space before it */
    const volatile sig_atomic_t *interrupted; /* NULL: never */
    /* Gets the text as it is made, whole UTF-8 characters only. False ends the generation as interrupted. */
    bool (*emit)(void *context, const char *text, size_t size);
    /* Gets every new token, the one that ends the text too; NULL: nobody asks. */
    void (*token)(void *context, int32_t id);
    void *context;
} GenerateOptions;

typedef struct GenerateStats {
    int prompt_tokens, bucket, tokens; /* tokens: new ones, the end-of-text token not counted */
    int read_tokens;                   /* of the prompt, those that the session did not hold already */
    double prefill_ms, decode_ms;      /* prefill_ms includes what the prompt's logits take */
    GenerateEnd end;
} GenerateStats;

/* Continues ids[0..count), of which the session holds the first session_length already (none, if it is
 * empty). An empty session prefills what its largest bucket takes; all other tokens are read one by one.
 * Special tokens are not part of the text. */
MUST_USE bool generate(Session *s, const Tokenizer *t, Sampler *sampler, const int32_t *ids, int count,
                       const GenerateOptions *options, GenerateStats *stats, Error *err);

#endif
