/* What a fuzz target defines. It must take any bytes, of any length, without a crash, a hang, a leak or a
 * sanitizer report, and return 0. tests/fuzz/replay.c or libFuzzer calls it. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
