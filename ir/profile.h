/* What a chip's Neural Engine accepts, as data. A profile is text:
 *
 *     # comment
 *     base = safe                      take over another profile, then change it
 *     op.gelu = native                 # source, confidence
 *
 * The built-in ones are in ir/profiles.def, each line with its source; `anec --profile FILE` reads others. */
#ifndef IR_PROFILE_H
#define IR_PROFILE_H

#include "ir/ir.h"

/* How an op goes into a program. */
typedef enum ProfileOp {
    PROFILE_UNLISTED, /* not where the profile says nothing */
    PROFILE_NATIVE,   /* as it is */
    PROFILE_DECOMPOSE /* made of simpler ops (passes/decompose.c) */
} ProfileOp;

typedef struct Profile {
    const char *name;
    const char *program_version; /* "1.3" */
    const char *opset;           /* "ios18" */
    int build_info_count;
    const char *build_info[2 * 8]; /* key, value, key, value ... */
    int64_t conv_outputs;          /* most output channels of a conv */
    int64_t axis;                  /* longest axis */
    int64_t last_axis;             /* the last axis of inputs and outputs is a multiple of it */
    int64_t surface_bytes;         /* smallest I/O surface */
    bool equal_surfaces;           /* all inputs are of one size, and all outputs */
    bool concat_outputs;           /* several results come out as one output, on the channel axis */
    int64_t compiles;              /* most compilations in a process */
    double accumulator;            /* sums of products stay below it */
    ProfileOp op[OP_COUNT];
    const char *op_source[OP_COUNT]; /* of the line that listed it; NULL: unlisted */
} Profile;

/* A built-in profile, or the file at that path. Strings live in `a`. NULL with err set: no such profile, or a
 * line that is wrong. */
MUST_USE const Profile *profile_load(Arena *a, const char *name_or_path, Error *err);
/* As profile_load for a text; `where` is what messages call it. */
MUST_USE const Profile *profile_parse(Arena *a, const char *text, const char *where, Error *err);

#endif
