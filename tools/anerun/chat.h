/* anerun PACKAGE --chat: talking to a model. */
#ifndef TOOLS_ANERUN_CHAT_H
#define TOOLS_ANERUN_CHAT_H

#include "runtime/chat/talk.h"

typedef struct ChatOptions {
    const char *system, *system_file; /* NULL: none */
    const char *messages;             /* a file with a conversation; NULL: none */
    bool show_prompt, tokenize;       /* print what the model would read, or its ids, and stop */
    bool stats, quiet;
    SamplerOptions sampling;
    GenerateOptions generate; /* without emit */
    volatile sig_atomic_t *interrupted;
} ChatOptions;

/* Talks until the user leaves, or replies once to a conversation from a file. Returns the exit code. */
int chat_run(Talk *talk, Session *session, Sampler *sampler, const ChatOptions *options);

#endif
