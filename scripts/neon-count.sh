#!/bin/sh
# make neon-count: instructions a product takes on aarch64, for each number multiplied, by qemu-aarch64.
# Times under qemu mean nothing, counts do. Needs what aarch64-check has built.
# COUNT_PROGRAM: another program with the same arguments (M K N TIMES, int8 behind them), to compare with.
# Environment: BUILD, CC, QEMU_CPU, ANEC_CPU (a level), COUNT_PROGRAM.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}/aarch64
program=${COUNT_PROGRAM:-$build/tests/kernel_work}
if [ ! -x "$program" ]; then
    echo "neon-count: no $program; run make aarch64-check first" >&2
    exit 2
fi
"${CC:-cc}" -shared -fPIC -O2 -o "$build/count.so" tests/qemu/count.c

executed() # M K N TIMES [int8]
{
    qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu "${QEMU_CPU:-max}" -plugin "$build/count.so" \
        "$program" "$@" 2>&1 |
        sed -n 's/^instructions //p'
}

count() # [int8]
{
    for shape in "768 768 1" "2304 768 1" "3072 768 1" "768 3072 1" "768 768 32" "768 768 128"; do
        # shellcheck disable=SC2086
        one=$(executed $shape 1 "$@")
        # shellcheck disable=SC2086
        three=$(executed $shape 3 "$@")
        echo "$shape $((three - one)) ${1:-f16}" | awk '{
            printf "%8d %6d %4d  %4s %14.0f  %.3f\n", $1, $2, $3, $5, $4 / 2, $4 / 2 / $1 / $2 / $3 }'
    done
}

echo "       M      K    N     W   instructions  for each number multiplied"
count
count int8
