#!/bin/sh
# make fuzz: libFuzzer over the targets named on the command line (fuzz_NAME), FUZZ_SECONDS (60) for each.
# It starts from tests/fuzz/corpus/NAME; new inputs go to BUILD/fuzz/corpus/NAME, findings to
# BUILD/fuzz/NAME-crash-*.
# Environment: BUILD, MAKE, FUZZ_CC (the first clang that can), FUZZ_SECONDS.
set -u

cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-build}/fuzz
seconds=${FUZZ_SECONDS:-60}
mkdir -p "$build" || exit 2

can_fuzz() # COMPILER
{
    echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return !d && n; }' \
        >"$build/probe.c"
    "$1" -fsanitize=fuzzer,address,undefined "$build/probe.c" -o "$build/probe" 2>/dev/null
}

cc=
for candidate in ${FUZZ_CC:-clang clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang-15 clang-14 \
    /opt/homebrew/opt/llvm/bin/clang /usr/local/opt/llvm/bin/clang}; do
    if can_fuzz "$candidate"; then
        cc=$candidate
        break
    fi
done
if [ -z "$cc" ]; then
    echo "make fuzz needs a clang with libFuzzer: 'apt-get install clang-19 libclang-rt-19-dev' (Debian 12," \
        "Ubuntu 24.04), 'brew install llvm' (macOS; Apple's own clang has none), or FUZZ_CC=path" >&2
    exit 2
fi
if [ $# -eq 0 ]; then
    echo "there is no tests/fuzz/fuzz_*.c" >&2
    exit 2
fi

${MAKE:-make} --no-print-directory BUILD="$build" CC="$cc" FUZZER=1 fuzz-programs || exit 2

status=0
for target; do
    name=${target#fuzz_}
    echo "$target: $seconds s with $cc"
    mkdir -p "$build/corpus/$name"
    if ! "$build/tests/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
        -print_final_stats=1 -verbosity=0 -artifact_prefix="$build/$name-" \
        "$build/corpus/$name" "tests/fuzz/corpus/$name"; then
        echo "$target: FAILED; the input is $build/$name-*"
        status=1
    fi
done
exit $status
