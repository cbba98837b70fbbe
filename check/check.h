/* Looks for faults in MIL programs and packages, by named rules (check/rules.def, docs/check.md): the
 * structure of the text, its weight files, and what Apple's Neural Engine is known not to take, or to take
 * and get wrong. Works on programs of any origin. Nothing here prints; findings are collected, then written
 * into a Text or through Diags. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "base/diag.h"
#include "base/text.h"
#include "ir/profile.h"

/* A finding of SEVERITY_NOTE is advice: the program may well be right. */
typedef enum Severity { SEVERITY_IGNORE, SEVERITY_NOTE, SEVERITY_WARNING, SEVERITY_ERROR } Severity;

typedef enum RuleId {
#define RULE(id, name, severity, text, why, fix, source) RULE_##id,
#include "check/rules.def"
    RULE_COUNT
} RuleId;

typedef struct RuleInfo {
    const char *name;
    Severity severity; /* for a program that is meant for the engine */
    const char *text, *why, *fix, *source;
} RuleInfo;

const RuleInfo *rule_info(RuleId id);
RuleId rule_find(const char *name); /* RULE_COUNT where there is none */
/* Of the ane- group: depends on the profile. */
bool rule_of_engine(RuleId id);
/* Of the ane- group, and about the engine's own interface only: Core ML does not need it of its programs. */
bool rule_of_interface(RuleId id);
const char *severity_name(Severity s); /* "error" ... */

typedef struct Finding {
    RuleId rule;
    Severity severity;
    Span at;             /* source NULL: the file as a whole */
    const char *file;    /* as the user wrote it, or a file of a package */
    const char *text;    /* one line */
    const char *subject; /* findings of one rule and subject are alike: an op's spelling, or "" */
    uint64_t profiles;   /* bits: by which of the checker's profiles; 0 where it is no matter of them */
    Span related;        /* source NULL: none */
    const char *related_text;
    int order; /* of the file among those that were checked */
} Finding;

enum { CHECK_MOST_PROFILES = 64 };

typedef struct CheckedFile CheckedFile;

/* Zero-initialise, then checker_init. */
typedef struct Checker {
    /* settings, to be changed between checker_init and the first file */
    int profiles;
    const Profile *profile[CHECK_MOST_PROFILES]; /* none: structure and weights only */
    Severity severity[RULE_COUNT];
    bool exact[RULE_COUNT];  /* the severity was asked for: `lenient` leaves it */
    const char *weights_dir; /* @model_path of single programs; NULL: the program's own folder */
    bool lenient;            /* of single programs: errors about the engine count as warnings */

    /* results */
    int findings, findings_cap;
    Finding *finding; /* sorted once checker_finish was called */
    int count[SEVERITY_ERROR + 1];
    int files, functions, constants;
    int placed; /* programs that are not made for the engine's own interface: see rule_of_interface */
    int64_t ops, weight_bytes;

    Arena arena;
    CheckedFile *file; /* texts and weight files that stay in memory; a hash */
} Checker;

void checker_init(Checker *c);
void checker_free(Checker *c);

/* Checks one program, or a package (a folder with a manifest.json). Faults become findings; false only where
 * the path cannot be read at all. */
MUST_USE bool check_path(Checker *c, const char *path, Error *err);
/* Compares all programs with one another, joins what several profiles have found, and sorts. */
void checker_finish(Checker *c);

/* Findings of at least `least`, with carets. Where more than `alike` of one rule and subject stand in a file
 * (0: no limit), the rest is only counted. */
void check_print(const Checker *c, Diags *out, Severity least, int alike);
/* All findings and the summary as one JSON object. */
void check_json(const Checker *c, Text *out);
/* "2 errors, 3 warnings, 1 note" */
void check_summary(const Checker *c, Text *out);

/* A line for each rule: name, severity, text. */
void rules_list(Text *out, const Checker *c);
/* A rule in full. */
void rule_explain(Text *out, RuleId id);

#endif
