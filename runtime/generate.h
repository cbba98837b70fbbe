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
    const volatile sig_atomic_t *interrupted; /* NULL: never */
    /* Gets the text as it is made, whole UTF-8 characters only. False ends the generation as interrupted. */
    bool (*emit)(void *context, const char *text, size_t size);
    void *context;
} GenerateOptions;

typedef struct GenerateStats {
    int prompt_tokens, bucket, tokens; /* tokens: new ones, the end-of-text token not counted */
    double prefill_ms, decode_ms;      /* prefill_ms includes what the prompt's logits take */
    GenerateEnd end;
} GenerateStats;

/* Continues ids[0..count) in an empty session. Special tokens are not part of the text. */
MUST_USE bool generate(Session *s, const Tokenizer *t, Sampler *sampler, const int32_t *ids, int count,
                       const GenerateOptions *options, GenerateStats *stats, Error *err);

#endif
