/* A contest: cases (prefill of S tokens, decode of N) that we and others run in turn, several rounds, the
 * order turned round each time, so that what else the machine does falls on all alike. */
#ifndef TOOLS_ANEBENCH_CONTEST_H
#define TOOLS_ANEBENCH_CONTEST_H

#include <stdint.h>

#include "base/error.h"
#include "base/flags.h"
#include "base/text.h"
#include "runtime/kernels/limits.h"

typedef enum CaseKind { CASE_PREFILL, CASE_DECODE } CaseKind;

enum { MOST_ROUNDS = 99 };

/* Tokens a second, a number a round. */
typedef struct Samples {
    double rate[MOST_ROUNDS];
    int count;
    char why[200]; /* why there is none */
} Samples;

typedef struct Case {
    CaseKind kind;
    int threads, tokens, prompt; /* prompt: what a decode goes on from */
    double bytes, flops;         /* that our run of the whole case moves and computes, by the steps' shapes */
    Samples limit;    /* what the machine's limit would allow, measured beside our runs; count 0: not */
    Samples *samples; /* one a contender; [0] is ours */
} Case;

/* Another program: a shell command in which {threads}, {prefill}, {decode} and {prompt} are replaced. Of
 * prefill and decode one is 0. Its speed is the last number it prints beside "tok/s" or "tokens/s", or
 * "avg_ts" of llama-bench's JSON. */
typedef struct Peer {
    const char *name, *command;
    bool decodes_only; /* has no prefill of its own */
} Peer;

typedef struct Contest {
    const char *package, *device;
    int peers, cases, rounds;
    Peer *peer;
    Case *list;
} Contest;

double samples_median(const Samples *s);
/* The median of ours over theirs, round by round; 0 where a round of either is missing. */
double samples_ratio(const Samples *ours, const Samples *theirs);
/* "prefill 128", "decode 128". */
void case_name(const Case *c, char *out, size_t size);

/* ---- peers.c ---- */

/* Adds the NAME=COMMAND of `given`, and those that are known and found (docs/performance.md, "Peers").
 * Names and commands are malloc'ed. */
MUST_USE bool peers_find(Contest *c, const FlagList *given, Error *err);
/* One run of a peer; false with why set where it fails or prints no speed. */
MUST_USE bool peer_run(const Peer *p, const Case *c, double *rate, char *why, size_t size);

/* ---- report.c ---- */

void report_table(const Contest *c, Text *out);
MUST_USE bool report_json(const Contest *c, const char *path, Error *err);
MUST_USE bool report_svg(const Contest *c, const char *path, Error *err);

#endif
