/* A stand-in for Apple's frameworks, for tests on other systems: an Objective-C runtime of a few functions,
 * CoreFoundation and IOSurface objects, and the four classes of the Neural Engine's framework. It is stricter
 * than they are: it notes every misuse, counts what is alive, and runs programs on the CPU device. Found by
 * apple_open(a, "", err), which looks into the running program. */
#ifndef TESTS_SUPPORT_LIBANE_H
#define TESTS_SUPPORT_LIBANE_H

#include <stdbool.h>

typedef struct Standin {
    /* what the test sets */
    const char *fail;      /* the call that fails: "descriptor", "model", "compile", "load", "evaluate",
                              "surface", "request" */
    int fail_times;        /* so often */
    int fail_after;        /* so many calls go well before */
    bool hangs;            /* it does not fail, but never comes back */
    const char *fail_text; /* the NSError's text; NULL: nil or NO without an error */
    const char *hide;      /* a class or selector that does not exist */
    const char *encoding;  /* the encoding that compileWithQoS:options:error: claims; NULL: its own */
    bool named;            /* modelAttributes tells names, indices (backwards) and strides (padded) */
    bool known;            /* compiledModelExists */
    int limit;             /* compiles that a process may do; 0: 119 */
    int room;              /* programs that may be loaded; 0: any number */
    /* what the stand-in tells */
    int live, compiles, loads, unloads, loaded, evaluations;
    char complaint[256]; /* the first misuse */
} Standin;

extern Standin standin;
void standin_reset(void); /* all but `live` and `loaded` */

#endif
