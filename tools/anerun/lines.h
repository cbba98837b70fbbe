/* Messages that a person types: line editing and history on a terminal, plain lines elsewhere. */
#ifndef TOOLS_ANERUN_LINES_H
#define TOOLS_ANERUN_LINES_H

#include <signal.h>

#include "base/text.h"

typedef struct Lines Lines;

typedef enum LinesResult {
    LINES_MESSAGE,
    LINES_NOTHING, /* Ctrl-C; `out` is what had been typed */
    LINES_END      /* Ctrl-D, or the end of the input */
} LinesResult;

/* Reads standard input. `interrupted` is what the handler of SIGINT sets; it is looked at where there is no
 * terminal (an editor reads Ctrl-C as a key). */
Lines *lines_open(volatile sig_atomic_t *interrupted);
void lines_close(Lines *l);

/* One message into `out`, which is emptied first, without its last line end. A backslash at the end of a line
 * goes on in the next; so does a line that begins with three quotation marks, up to one that ends with them.
 */
LinesResult lines_read(Lines *l, Text *out);

/* Whether a person is there to read notes. */
bool lines_terminal(const Lines *l);

#endif
