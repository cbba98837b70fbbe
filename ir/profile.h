/* What a chip's Neural Engine accepts and what it costs, as data. A profile is text:
 *
 *     # M9: its first line says what it is
 *     base = safe                        take over another profile, then change it
 *     op.gelu = native                   # B: source
 *     ops.seen = floor ceil              # B: source      several ops at once
 *     surface_bytes = 49152              # A: source
 *     surface_bytes ~ 16384              # B: source      what another source says; not taken
 *
 * The built-in ones are profiles/NAME.profile, embedded when the programs are built; there every line has its
 * source, and how sure it is (A, B, C: profiles/README.md). `anec --profile FILE` reads others, which begin
 * on `safe`. */
#ifndef IR_PROFILE_H
#define IR_PROFILE_H

#include "ir/ir.h"

/* How an op goes into a program. */
typedef enum ProfileOp {
    PROFILE_UNLISTED,  /* `none`: not where the profile says nothing */
    PROFILE_NATIVE,    /* as it is */
    PROFILE_DECOMPOSE, /* made of simpler ops (passes/decompose.c) */
    PROFILE_SEEN,      /* the engine takes it, says a source; passes/ do not put it there */
    PROFILE_DISPUTED,  /* the sources contradict one another; passes/ do not put it there */
    PROFILE_CPU,       /* compiles, but runs elsewhere */
    PROFILE_FAILS      /* does not compile */
} ProfileOp;
/* "native", "seen" ...; "none" for PROFILE_UNLISTED. */
const char *profile_op_name(ProfileOp op);

/* Numbers of the cost model; 0: no source has it. Units: profile_keys.def. */
typedef struct ProfileCost {
    double dispatch_us, tflops, matmul_tflops, int8_tops, ramp_flops, ramp_power;
    double weight_gbs, activation_gbs, sram_bytes, operand_bytes;
    double matmul_floor_us, matmul_knee_flops, matmul_us_per_flop, matmul_base_us;
    double conv_floor_us, conv_knee_flops, conv_us_per_flop, conv_base_us;
    double cut_us, layer_norm_us, rms_norm_us, layer_cycles, cores, clock_ghz, compile_ms, load_ms, wake_ms,
        watts;
} ProfileCost;

/* What becomes of numbers on the engine; of errors, 0: none. Units: profile_keys.def. */
typedef struct ProfileNumerics {
    bool away;          /* rounding = away: halves of a unit in the last place away from zero; else to even */
    bool half_products; /* products = fp16: rounded to fp16; else fixed: to multiples of smallest_product */
    bool zero;          /* overflow = zero: a sum that reaches `accumulator` becomes 0; else infinite */
    bool half_reductions; /* reductions = fp16: partial sums are; else fp32 */
    int64_t table_points;
    double smallest_value, sigmoid, tanh, erf, gelu, silu, log, exp, rsqrt, sqrt, inverse;
} ProfileNumerics;

/* One line of a profile that says something, those of its bases included. */
typedef struct ProfileLine {
    const char *key, *value;
    char confidence;     /* 'A', 'B', 'C'; 'M': measured by aneprobe; 0: not given */
    const char *source;  /* what stands behind the #, without the confidence */
    const char *profile; /* in which profile it stands */
    bool taken;          /* false: `~`, or another profile's line came over it */
    bool replaced;       /* another profile's line came over it */
} ProfileLine;

typedef struct Profile {
    const char *name;
    const char *about;           /* the first line's comment */
    bool engine;                 /* false: for the CPU alone; the rules of the engine do not apply */
    const char *program_version; /* "1.3" */
    const char *opset;           /* "ios18" */
    int build_info_count;
    const char *build_info[2 * 8]; /* key, value, key, value ... */
    bool equal_surfaces;           /* all inputs are of one size, and all outputs */
    bool weight_swaps;             /* weight files that are written again take effect at the next load */
    bool concat_outputs;           /* several results come out as one output, on the channel axis */
    int64_t rank, axis, channels, last_axis, dead_width_first, dead_width_last, surface_bytes, conv_outputs,
        conv_blocks, kernel_width, sdpa_length, slice_clamp, functions, blobs, blob_files, weights_bytes,
        compiles, resident; /* profile_keys.def; 0: no limit */
    double accumulator, smallest_product, smallest_epsilon;
    ProfileNumerics numerics;
    ProfileCost cost;
    ProfileOp op[OP_COUNT];
    const char *op_source[OP_COUNT]; /* of the line that listed it; NULL: unlisted */
    int lines, lines_cap;
    ProfileLine *line;
} Profile;

/* The names of the built-in profiles, `safe` first; NULL from their number on. */
const char *profile_name(int i);

/* A built-in profile, or the file at that path. Strings live in `a`. NULL with err set: no such profile, or a
 * line that is wrong. */
MUST_USE const Profile *profile_load(Arena *a, const char *name_or_path, Error *err);
/* As profile_load for a text; `where` is what messages call it. */
MUST_USE const Profile *profile_parse(Arena *a, const char *text, const char *where, Error *err);

/* What the profile says of an op, also of one that ops.def does not have; *source (may be NULL) is that of
 * the line, or NULL. */
ProfileOp profile_op(const Profile *p, const char *spelling, const char **source);
/* The line that was taken for a key ("axis", "cost.tflops", "op.gelu"); NULL where there is none. */
const ProfileLine *profile_line(const Profile *p, const char *key);

/* One evaluation of a program with so many floating point operations and bytes of weights and activations
 * that pass through memory: dispatch + max(flops / rate, bytes / bandwidth), the analytic model of ANEForge.
 * -1 where the profile lacks the numbers. */
double profile_time_us(const Profile *p, double flops, double weight_bytes, double activation_bytes);

/* All settings with their sources, what is not taken below what is; for people. */
void profile_show(Text *out, const Profile *p);

#endif
