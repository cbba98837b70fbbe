/* Which levels this CPU and its operating system can run. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/kernels/levels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#ifndef HWCAP_FPHP
#define HWCAP_FPHP (1 << 9)
#endif
#ifndef HWCAP_ASIMDHP
#define HWCAP_ASIMDHP (1 << 10)
#endif
#ifndef HWCAP_ASIMDDP
#define HWCAP_ASIMDDP (1 << 20)
#endif
#ifndef HWCAP_ASIMDFHM
#define HWCAP_ASIMDFHM (1 << 23)
#endif
#ifndef HWCAP2_I8MM
#define HWCAP2_I8MM (1 << 13)
#endif
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

static const char *const names[LEVEL_COUNT] = {"ref",  "neon", "dotprod", "fhm",
                                               "i8mm", "avx2", "avx512",  "amx"};

static Kernels tables[LEVEL_COUNT];
static bool present[LEVEL_COUNT];
static const Kernels *chosen;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
/* The registers the operating system saves: bits 1 and 2 of XCR0 are xmm and ymm, 5 to 7 the AVX-512
 * state, 17 and 18 the tiles of AMX and their shapes. */
static uint32_t saved_state(void)
{
    uint32_t a, d;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return a;
}

static void detect(bool has[LEVEL_COUNT])
{
    unsigned a, b, c, d, b7, c7, d7;
    const unsigned osxsave = 1u << 27, avx = 1u << 28, fma = 1u << 12, f16c = 1u << 29,
                   wanted = osxsave | avx | fma | f16c;
    const unsigned avx2 = 1u << 5, foundation = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    const unsigned avx512 = foundation | dq | bw | vl;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & wanted) != wanted)
        return;
    if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7))
        return;
    uint32_t state = saved_state();
    has[LEVEL_AVX2] = (b7 & avx2) && (state & 0x06) == 0x06;
    const unsigned amx = 1u << 22 | 1u << 24; /* bf16, tiles */
    has[LEVEL_AVX512] = has[LEVEL_AVX2] && (b7 & avx512) == avx512 && (state & 0xe6) == 0xe6;
    has[LEVEL_AMX] = has[LEVEL_AVX512] && (d7 & amx) == amx && (state & 0x60000) == 0x60000;
}
#elif defined(__aarch64__) && defined(__linux__)
static void detect(bool has[LEVEL_COUNT])
{
    unsigned long wanted = HWCAP_FPHP | HWCAP_ASIMDHP, found = getauxval(AT_HWCAP);
    has[LEVEL_NEON] = (found & wanted) == wanted;
    has[LEVEL_DOTPROD] = has[LEVEL_NEON] && (found & HWCAP_ASIMDDP);
    has[LEVEL_FHM] = has[LEVEL_NEON] && (found & HWCAP_ASIMDFHM);
    has[LEVEL_I8MM] = has[LEVEL_NEON] && (getauxval(AT_HWCAP2) & HWCAP2_I8MM);
}
#elif defined(__aarch64__) && defined(__APPLE__)
/* Every Apple M core has the first three, the M2 was the first with i8mm. */
static void detect(bool has[LEVEL_COUNT])
{
    int i8mm = 0;
    size_t size = sizeof i8mm;
    has[LEVEL_NEON] = has[LEVEL_DOTPROD] = has[LEVEL_FHM] = true;
    has[LEVEL_I8MM] = sysctlbyname("hw.optional.arm.FEAT_I8MM", &i8mm, &size, NULL, 0) == 0 && i8mm;
}
#else
static void detect(bool has[LEVEL_COUNT])
{
    (void)has;
}
#endif

/* A level's table starts as a copy of the best one below it. */
static void add_level(KernelLevel level, bool (*init)(Kernels *))
{
    Kernels table = *chosen;
    if (!init(&table))
        return;
    table.level = level;
    tables[level] = table;
    present[level] = true;
    chosen = &tables[level];
}

static void choose(void)
{
    bool has[LEVEL_COUNT] = {false};
    detect(has);
    kernels_init_ref(&tables[LEVEL_REF]);
    present[LEVEL_REF] = true;
    chosen = &tables[LEVEL_REF];
    if (has[LEVEL_NEON])
        add_level(LEVEL_NEON, kernels_init_neon);
    if (has[LEVEL_DOTPROD])
        add_level(LEVEL_DOTPROD, kernels_init_dotprod);
    if (has[LEVEL_FHM])
        add_level(LEVEL_FHM, kernels_init_fhm);
    if (has[LEVEL_I8MM])
        add_level(LEVEL_I8MM, kernels_init_i8mm);
    if (has[LEVEL_AVX2])
        add_level(LEVEL_AVX2, kernels_init_avx2);
    if (has[LEVEL_AVX512])
        add_level(LEVEL_AVX512, kernels_init_avx512);
    if (has[LEVEL_AMX])
        add_level(LEVEL_AMX, kernels_init_amx);
    const char *forced = getenv("ANEC_CPU");
    for (int i = 0; forced && i < LEVEL_COUNT; i++)
        if (strcmp(forced, names[i]) == 0 && present[i])
            chosen = &tables[i];
}

const Kernels *kernels_get(void)
{
    pthread_once(&once, choose);
    return chosen;
}

const Kernels *kernels_for(KernelLevel level)
{
    pthread_once(&once, choose);
    return (unsigned)level < LEVEL_COUNT && present[level] ? &tables[level] : NULL;
}

const char *kernels_level_name(KernelLevel level)
{
    return (unsigned)level < LEVEL_COUNT ? names[level] : "unknown";
}
