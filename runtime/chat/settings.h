/* chat.json: what a package says about conversations beside its template (docs/package.md). */
#ifndef RUNTIME_CHAT_SETTINGS_H
#define RUNTIME_CHAT_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

enum { CHAT_STOPS = 64 };

typedef struct ChatSettings {
    char *bos, *eos; /* the texts of bos_token and eos_token in the template; NULL: undefined there */
    bool known;      /* those two are what the checkpoint says; else it says nothing of them */
    int32_t stop[CHAT_STOPS];
    int stops;
} ChatSettings;

/* Reads chat.json. */
MUST_USE bool chat_settings_parse(ChatSettings *out, const char *text, size_t size, Error *err);
/* Writes it; the same settings give the same bytes. */
void chat_settings_print(const ChatSettings *s, Text *out);
/* Once each, and no more than CHAT_STOPS. */
void chat_settings_add_stop(ChatSettings *s, int64_t id);
void chat_settings_free(ChatSettings *s);

#endif
