/* Requests to the hub, through libcurl. The token goes to the hub's own host and to no other. */
#ifndef FRONTEND_HUB_HTTP_H
#define FRONTEND_HUB_HTTP_H

#include <signal.h>
#include <stdint.h>

#include "base/text.h"
#include "frontend/hub/settings.h"

typedef struct Http Http;

MUST_USE Http *http_open(const HubSettings *s, const volatile sig_atomic_t *interrupted, Error *err);
void http_close(Http *h); /* NULL is allowed */

/* The body of a small answer. */
MUST_USE bool http_get_text(Http *h, const char *url, Text *out, Error *err);

/* What a file is, by its headers; redirects to other hosts are not followed. */
typedef struct HttpFile {
    char etag[160]; /* "" where the answer has none */
    int64_t size;               /* -1: unknown */
} HttpFile;
MUST_USE bool http_head(Http *h, const char *url, HttpFile *out, Error *err);

/* Fetches into `path`, going on behind what is there. `show` may be NULL. */
MUST_USE bool http_fetch(Http *h, const char *url, const char *path,
                         void (*show)(void *context, uint64_t done), void *context, Error *err);

/* URL-escapes all but letters, digits and -_.~/ */
void http_escape(Text *out, const char *part);

#endif
