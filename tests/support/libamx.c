/* The tiles of AMX in plain C, as Intel's manual defines the instructions, under the source of the level. */
#include "tests/support/libamx.h"

#include "base/half.h"
#include "runtime/kernels/compute.h"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include <math.h>
#include <stdlib.h>

typedef struct Tiles {
    bool ready;
    unsigned char data[8][1024];
} Tiles;

static _Thread_local Tiles tiles_here;
static _Thread_local AmxWork work;
static uint32_t fault;

/* What the processor does to a program that uses tiles before it asked for them. */
static unsigned char *tile_data(int t)
{
    if (!tiles_here.ready)
        abort();
    return tiles_here.data[t];
}

static void begin_tiles(bool ready)
{
    if (tiles_here.ready == ready)
        abort();
    memset(&tiles_here, 0, sizeof tiles_here);
    tiles_here.ready = ready;
}

static void load_tile(int t, const void *p)
{
    work.loads++;
    memcpy(tile_data(t), p, 1024);
}

static float without_denormal(float x)
{
    return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x;
}

static float part_of(const unsigned char *data, int row, int at)
{
    uint16_t bits;
    memcpy(&bits, data + row * 64 + at * 2, sizeof bits);
    return without_denormal(bf16_to_float(bits));
}

/* TDPBF16PS: the even and the odd products of an element have sums of their own, added up at the end. */
static void dot_tiles(int c, int a, int b)
{
    unsigned char *sums = tile_data(c), *left = tile_data(a), *right = tile_data(b);
    work.dots++;
    for (int m = 0; m < 16; m++) {
        for (int n = 0; n < 16; n++) {
            float even = 0, odd = 0, old;
            for (int k = 0; k < 16; k++) {
                even = fmaf(part_of(left, m, 2 * k), part_of(right, k, 2 * n), even);
                odd = fmaf(part_of(left, m, 2 * k + 1), part_of(right, k, 2 * n + 1), odd);
                even = without_denormal(even);
                odd = without_denormal(odd);
            }
            memcpy(&old, sums + m * 64 + n * 4, sizeof old);
            old = without_denormal(without_denormal(old) + without_denormal(even + odd));
            old = float_from_bits(float_bits(old) ^ fault);
            memcpy(sums + m * 64 + n * 4, &old, sizeof old);
        }
    }
}

static void store_tile(float *p, size_t floats, int t)
{
    for (size_t row = 0; row < 16; row++)
        memcpy(p + row * floats, tile_data(t) + row * 64, 64);
}

#define tile_begin() begin_tiles(true)
#define tile_end() begin_tiles(false)
#define tile_zero(t) memset(tile_data(t), 0, 1024)
#define tile_load(t, p) load_tile(t, p)
#define tile_dot(c, a, b) dot_tiles(c, a, b)
#define tile_store(p, floats, t) store_tile(p, floats, t)

#include "runtime/kernels/amx.inc"

bool amx_in_c(Kernels *k, uint32_t wrong_bits)
{
    const Kernels *below = kernels_for(LEVEL_AVX512);
    if (!below)
        return false;
    *k = *below;
    k->level = LEVEL_AMX;
    fault = wrong_bits;
    bool added = add_tiles(k);
    fault = 0;
    return added;
}

AmxWork amx_work(void)
{
    AmxWork done = work;
    work = (AmxWork){0, 0};
    return done;
}
#else
bool amx_in_c(Kernels *k, uint32_t wrong_bits)
{
    (void)k, (void)wrong_bits;
    return false;
}

AmxWork amx_work(void)
{
    return (AmxWork){0, 0};
}
#endif
