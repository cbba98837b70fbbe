/* Errors as values. Every fallible function of the libraries takes an `Error *err` as its last
 * parameter and returns false (or NULL) after filling it; nothing below tools/ prints or exits.
 *
 *     if (!file_map(&map, path, err))
 *         return false;
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>

#if defined(__GNUC__)
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_USE __attribute__((warn_unused_result))
#else
#define PRINTF_LIKE(fmt, args)
#define MUST_USE
#endif

typedef struct Error {
    char text[1024]; /* one line, no trailing newline, no "error:" prefix; UTF-8 */
} Error;

/* Fills err (NULL is allowed: the text is dropped) and returns false, so that
 * `return error_set(err, "...", ...)` reads as one step. Longer texts are cut. */
bool error_set(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* As error_set, followed by ": " and the text of errno `code`. */
bool error_set_errno(Error *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "CONTEXT: " in front of a text already set; returns false. */
bool error_prefix(Error *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Copies `raw` into out (size bytes), showing control and invalid bytes as \xNN, cut with "..." where
 * it does not fit: for names and texts that come from untrusted files. Returns out. */
char *error_quote(char *out, int size, const char *raw, long length);

#endif
