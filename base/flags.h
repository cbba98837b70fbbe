/* Command lines from a table: each flag is one row with its name, argument, range, help and the variable it
 * sets. The same row makes the help text, so the two cannot disagree. */
#ifndef BASE_FLAGS_H
#define BASE_FLAGS_H

#include <stdint.h>

#include "base/error.h"
#include "base/text.h"

typedef enum FlagKind {
    FLAG_BOOL,   /* bool *          set to true */
    FLAG_INT,    /* int64_t *       a whole number in [least, most] */
    FLAG_NUMBER, /* double *        a finite number in [least, most] */
    FLAG_TEXT,   /* const char **   the argument itself */
    FLAG_LIST,   /* FlagList *      may be given several times */
    FLAG_GROUP   /* a heading in the help; name is its text */
} FlagKind;

typedef struct FlagList {
    const char **item;
    int count;
} FlagList;

typedef struct Flag {
    FlagKind kind;
    const char *name;  /* "--tokens", or "-o" */
    const char *other; /* another spelling, or NULL */
    const char *arg;   /* "N" in the help; NULL for FLAG_BOOL */
    void *target;
    double least, most; /* FLAG_INT and FLAG_NUMBER */
    const char *help;
} Flag;

/* Reads argv[1..argc). What is no flag goes to `rest` (room for argc). "--flag value", "--flag=value" and
 * "--" (no flags behind it) are understood; a lone "-" is no flag. Lists are malloc'ed; the caller frees
 * their `item`. */
MUST_USE bool flags_parse(const Flag *flags, int count, int argc, char **argv, const char **rest, int *rests,
                          Error *err);

/* "  --tokens N      text", one line a flag, text wrapped at 100 columns. */
void flags_help(Text *out, const Flag *flags, int count);

#endif
