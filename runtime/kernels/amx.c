/* AMX: products of f16 weights on tiles of bf16 numbers, the rest as AVX-512. This level has never run on a
 * CPU with AMX: its source is tested on tiles in plain C (tests/support/libamx.c), its instructions are
 * counted by tests/kernels/tiles.sh, and it is only taken where it agrees with AVX-512 at the start. Nothing
 * is known of its speed. */
#include "base/half.h"
#include "runtime/kernels/compute.h"
#include "runtime/kernels/levels.h"

#if defined(__linux__) && (defined(__AMX_BF16__) || defined(__AMXBF16__)) /* the latter up to clang 14 */
#include <sys/syscall.h>
#include <unistd.h>

/* From Linux's asm/prctl.h; a kernel that does not know it answers with an error. */
enum { REQUEST_STATE = 0x1023, TILE_DATA = 18 };

/* Palette 1: every tile as large as can be. */
static const struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} config = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

#define tile_begin() _tile_loadconfig(&config)
#define tile_end() _tile_release()
#define tile_zero(t) _tile_zero(t)
#define tile_load(t, p) _tile_loadd(t, p, 64)
#define tile_dot(c, a, b) _tile_dpbf16ps(c, a, b)
#define tile_store(p, floats, t) _tile_stored(t, p, (floats) * sizeof(float))

#include "runtime/kernels/amx.inc"

bool kernels_init_amx(Kernels *k)
{
    return syscall(SYS_arch_prctl, REQUEST_STATE, TILE_DATA) == 0 && add_tiles(k);
}
#else
bool kernels_init_amx(Kernels *k)
{
    (void)k;
    return false;
}
#endif
