/* What the stand-in (libane.h) does that another chip would not: a script, named by ANEC_STANDIN. A script is
 * lines `key = value`, # begins a comment; tests/device/behaviours/README.md has the keys. Without one the
 * stand-in takes whatever its strict rules allow, at no cost. */
#ifndef TESTS_SUPPORT_LIBBEHAVIOUR_H
#define TESTS_SUPPORT_LIBBEHAVIOUR_H

#include "ir/profile.h"

/* What becomes of something the engine is asked for. */
typedef enum Fate { FATE_WORKS, FATE_IGNORED, FATE_REFUSED, FATE_MISSING } Fate;

typedef struct Behaviour {
    bool scripted, real_clock, named;
    const char *chip, *build;
    const char *cache; /* a folder, for the system's; NULL: it keeps nothing */
    /* costs; 0: none */
    double dispatch_us, real_time_us, compile_ms, load_ms, conv_tflops, matmul_tflops, int8_tops, sram_bytes,
        sram_gbs, weight_gbs, activation_gbs, jitter_percent, slow_qos, slow_factor, execute_flops,
        numerics_flops;
    /* limits; 0: none */
    double inputs, outputs, right_outputs, last_axis, surface_bytes, axis, channels, conv_outputs,
        conv_blocks, functions, blobs, blob_files, compiles, resident, qos_least, qos_most;
    Fate padded_rows, small_surface, unequal_surfaces, sdpa_mask, swap_file, weights_buffer, bare_load,
        chaining, real_time, statistics;
    bool refused_type[DT_COUNT];
    ProfileOp op[OP_COUNT];  /* UNLISTED: works; FAILS: refused; DISPUTED: wrong numbers */
    const Profile *numerics; /* NULL: the CPU device's */
    const char *fail, *fail_text, *hide;
    int fail_times;
} Behaviour;

/* The script's, read when it is first asked for; ends the program where the script is wrong. */
const Behaviour *behaviour(void);

/* Simulated time, in nanoseconds; the real one where the script says so, or there is none. */
uint64_t behaviour_now(void);
void behaviour_pass(double us);

/* Whether the compiler takes these functions: their inputs and outputs, their number, and what is in them. */
bool behaviour_takes(const Module *m);
/* Why this program is not compiled; NULL: it is. */
const char *behaviour_objection(const Func *f);
/* Whether its numbers are wrong. */
bool behaviour_is_wrong(const Func *f);
/* Takes out of a program what the engine does not heed. */
void behaviour_forget(Func *f);
/* How long one evaluation takes. */
double behaviour_time_us(const Func *f, unsigned qos, bool real_time);
/* The same for the hardware alone. */
double behaviour_hardware_us(const Func *f);

#endif
