/* What lies between the tokens of a model and the reader of its text: tokens end in the middle of characters
 * and of stop texts. The order is  token bytes -> StopMatcher -> Utf8Stream -> reader. */
#ifndef RUNTIME_TOKENIZER_STREAM_H
#define RUNTIME_TOKENIZER_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* Lets only whole UTF-8 characters through. Zero-initialise. Bytes that cannot become a character any more
 * come out as U+FFFD, one for each maximal start of a valid sequence (Unicode 15, table 3-8; the WHATWG
 * decoder). */
typedef struct Utf8Stream {
    unsigned char held[4];
    int count; /* bytes of a character that is not complete: 0..3 */
} Utf8Stream;

/* Appends to `out` what became complete with these bytes. */
void utf8_stream_feed(Utf8Stream *s, const char *bytes, size_t size, Text *out);
/* The end: an incomplete character becomes U+FFFD. The stream may be used again. */
void utf8_stream_flush(Utf8Stream *s, Text *out);

/* Ends a text at the first stop text. Bytes that may be the start of one are held back until that is decided;
 * the stop text and everything after it are dropped. The match that is complete first counts, of several that
 * end at one byte the longest. */
typedef struct StopMatcher StopMatcher;

/* Copies the stop texts (NUL-terminated); empty ones are passed over. Never NULL; count may be 0. */
StopMatcher *stop_matcher_new(const char *const *stops, size_t count);
void stop_matcher_free(StopMatcher *m); /* NULL is allowed */
/* Appends to `out` what is certain to be no stop text. True: a stop text was met (now or before), the text
 * is over. */
bool stop_matcher_feed(StopMatcher *m, const char *bytes, size_t size, Text *out);
/* The end without a stop text: appends what was held back. Nothing after a match. */
void stop_matcher_flush(StopMatcher *m, Text *out);
/* The index (into `stops`) of the text that was met, or -1. */
int stop_matcher_found(const StopMatcher *m);
/* Back to the start of a new text. */
void stop_matcher_reset(StopMatcher *m);

#endif
