#include "runtime/ane/failure.h"

#include <ctype.h>
#include <string.h>

#include "runtime/ane/foundation.h"

enum { TEXT = 512 };

/* Parts of messages, and what others found behind them (docs/ane.md has the sources). */
static const struct {
    const char *part, *cause;
    bool transient;
} causes[] = {
    {"InvalidMILProgram", "the MIL text was refused: an unknown name or op, or a type that does not fit",
     false},
    {"ANECCompile", "the text was read, but the engine's compiler has no form for it", false},
    {"status=0x1d", "sizes, layout or order of the surfaces differ from the program's", false},
    {"status=0x12", "a surface could not be mapped", false},
    {"status=0x13", "a surface could not be mapped", false},
    {"status=0x20004", "the program is too large for the engine", false},
    {"status=0x5", "the engine has no resources free: other programs use it", true},
};
enum { CAUSES = sizeof causes / sizeof *causes };

static void text_of(const Apple *a, Id nserror, char *out)
{
    CF text = nserror ? a->CFErrorCopyDescription((CF)nserror) : NULL;
    if (!cf_text(a, text, out, TEXT))
        out[0] = '\0';
    cf_release(a, text);
    for (char *p = out; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
}

/* The row whose part stands in the text; a status ends where it does there: 0x5 is not 0x50. */
static int find_cause(const char *text)
{
    for (int i = 0; i < CAUSES; i++) {
        const char *part = causes[i].part, *at = strstr(text, part);
        bool status = strncmp(part, "status=", 7) == 0;
        if (at && !(status && isxdigit((unsigned char)at[strlen(part)])))
            return i;
    }
    return -1;
}

bool failure_tell(const Apple *a, Id nserror, const char *step, Error *err)
{
    char text[TEXT];
    text_of(a, nserror, text);
    int i = find_cause(text);
    return error_set(err, "%s failed: %s%s%s", step, *text ? text : "the framework gives no reason",
                     i < 0 ? "" : "; likely cause: ", i < 0 ? "" : causes[i].cause);
}

bool failure_is_transient(const Apple *a, Id nserror)
{
    char text[TEXT];
    text_of(a, nserror, text);
    int i = find_cause(text);
    return i >= 0 && causes[i].transient;
}
