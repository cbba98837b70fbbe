#!/bin/sh
# Proves that make ane-calls-check finds wrong calls: the driver is copied, one error is put in at a time, and
# the driver's test must fail. Needs clang 17 or later (CLANG).
# Environment: BUILD, MAKE, CLANG.
set -u
cd "$(dirname "$0")/.." || exit 2
clang=${CLANG:-clang}
work=${BUILD:-build}/ane-seeds
flags='-O1 -g -DANEC_CHECK_CALLS -fsanitize=function,undefined -fno-sanitize-recover=all'
failures=0

# Older ones have -fsanitize=function, but look at C++ alone.
mkdir -p "$work" || exit 2
cat >"$work/old.c" <<'END'
static int f(long x) { return (int)x; }
int main(void) { return ((int (*)(int))(void (*)(void))f)(0); }
END
"$clang" -fsanitize=function -fno-sanitize-recover=all -o "$work/old" "$work/old.c" || exit 2
if "$work/old" 2>/dev/null; then
    echo "$clang does not see wrong types of calls in C: clang 17 does (CLANG=clang-19, say)" >&2
    exit 2
fi

rm -rf "$work/tree"
mkdir -p "$work/tree" || exit 2
for part in Makefile backend base check frontend ir models passes profiles runtime scripts tests tools; do
    cp -R "$part" "$work/tree/" || exit 2
done
work=$(cd "$work" && pwd)

caught() # whether the test of the tree, as it is, fails
{
    ${MAKE:-make} -C "$work/tree" --no-print-directory BUILD="$work/build" CC="$clang" CFLAGS="$flags" \
        "$work/build/tests/test_ane" >"$work/log" 2>&1 || { cat "$work/log" >&2 && exit 2; }
    ! "$work/build/tests/test_ane" >"$work/said" 2>&1
}

seed() # NAME FILE SED-SCRIPT
{
    sed "$3" "$2" >"$work/tree/$2"
    if cmp -s "$2" "$work/tree/$2"; then
        echo "not ok $1: the script changes nothing"
        failures=$((failures + 1))
    elif caught; then
        echo "ok $1: $(grep -o -e 'runtime error: .*' -e 'FAILED: .*' "$work/said" | head -n 1 | cut -c 1-90)"
    else
        echo "not ok $1: nothing noticed"
        failures=$((failures + 1))
    fi
    cp "$2" "$work/tree/$2"
}

if caught; then
    cat "$work/said"
    echo "not ok: the driver as it is fails"
    exit 1
fi
driver=runtime/ane
seed "an integer too wide" $driver/objc.h \
    's/#define TYPE_UINT unsigned int/#define TYPE_UINT unsigned long/'
seed "BOOL as int" $driver/objc.h 's/#define TYPE_BOOL bool/#define TYPE_BOOL int/'
seed "an argument dropped" $driver/objc.h \
    's/TYPE_##A, TYPE_##B), \((self, a->selector.SEND_##name., p\), q)/TYPE_##A), \1)/'
seed "a variadic cast" $driver/objc.h \
    's/(Id, Sel, TYPE_##A, TYPE_##B, TYPE_##C), /(Id, Sel, ...), /'
seed "another encoding" $driver/methods.def 's/model_load, BOOL, UINT,/model_load, BOOL, ULONG,/'
seed "a model that leaks" $driver/model.c '/objc_release(m->object)/d'
seed "a request that leaks" $driver/program.c '/objc_release(p->request)/d'
seed "data that leaks" $driver/model.c '/cf_release(a, mil)/d'
seed "data released twice" $driver/model.c 's/cf_release(a, mil);/cf_release(a, mil), cf_release(a, mil);/'
[ "$failures" -eq 0 ]
