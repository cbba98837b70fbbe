#!/bin/sh
# make macos-check: builds the programs and the test programs for macOS on arm64, on Linux, with clang and
# LLVM's linker, warnings being errors, and holds the programs to packaging/macos/imports.txt. Nothing is run.
# On a Mac it checks the programs of the ordinary build.
# Exit status 3: what it needs is missing; 1: something is wrong.
# Environment: BUILD, MAKE, CC (of this machine), LLVM (the suffix of the tools' names, such as -19), JOBS.
set -u

cd "$(dirname "$0")/.." || exit 2
build=${BUILD:-build}/macos
make=${MAKE:-make}
oldest=14.0

say()
{
    echo "macos-check: $*"
}

die()
{
    say "$*" >&2
    exit 1
}

programs_of() # BUILD
{
    for main in tools/*/main.c; do
        name=${main#tools/}
        echo "$1/${name%/main.c}"
    done
}

if [ "$(uname -s)" = Darwin ]; then
    $make --no-print-directory BUILD="${BUILD:-build}" all || die "does not build"
    # shellcheck disable=SC2046
    NM=nm OTOOL=otool sh scripts/macos-imports.sh $(programs_of "${BUILD:-build}")
    exit
fi

has_tools() # SUFFIX
{
    for tool in clang ld64.lld llvm-ar llvm-nm llvm-otool; do
        command -v $tool"$1" >/dev/null 2>&1 || return
    done
}

if [ -z "${LLVM+set}" ]; then
    for suffix in '' -22 -21 -20 -19 -18 -17 -16; do
        has_tools "$suffix" && LLVM=$suffix && break
    done
fi
if [ -z "${LLVM+set}" ] || ! has_tools "$LLVM"; then
    say "skipped: needs clang, lld and llvm, 16 or later (apt-get install clang-19 lld-19 llvm-19)" >&2
    exit 3
fi

mkdir -p "$build" || exit 2
sdk=$(cd "$build" && pwd)/sdk
sh scripts/macos-sdk.sh "$sdk" || exit
unset LIBRARY_PATH CPATH C_INCLUDE_PATH # of this machine
export NM="llvm-nm$LLVM" OTOOL="llvm-otool$LLVM"
compiler="clang$LLVM --target=arm64-apple-macos$oldest -isysroot $sdk"

$make --no-print-directory -j"${JOBS:-$(getconf _NPROCESSORS_ONLN)}" SYSTEM=Darwin MACHINE=arm64 WERROR=1 \
    BUILD="$build" BREW="$sdk/brew" CC="$compiler" AR="llvm-ar$LLVM" LDFLAGS=-fuse-ld=lld \
    CFLAGS='-O1 -Wunguarded-availability-new' all tests || die "does not build for macOS"

# Two files of the library that export one name link on Linux by the luck of their order.
twice=$($NM --defined-only --extern-only "$build/libanec.a" 2>/dev/null |
    awk 'NF == 3 && seen[$3]++ { printf "%s ", $3 }')
[ -z "$twice" ] || die "defined twice: $twice"

# Signed ad hoc, as the linker does it, and whole: read by a program of our own.
${CC:-cc} -std=c11 -O1 -D_GNU_SOURCE -I. tests/support/macho.c base/arena.c base/error.c base/file.c \
    base/sha256.c base/text.c -lcrypto -o "$build/macho" || die "tests/support/macho.c does not build"
# shellcheck disable=SC2046
"$build/macho" $(programs_of "$build") || die "macOS would not start it"
# shellcheck disable=SC2046
sh scripts/macos-imports.sh $(programs_of "$build") || die "an import is not in packaging/macos/imports.txt"

# What makes a Mac fast, and is not compiled elsewhere: threads on the fast cores, and Accelerate by its name.
$NM -u "$build/anerun" | grep -q '_pthread_set_qos_class_self_np$' || die "no thread asks for fast cores"
grep -q /Accelerate.framework/Accelerate "$build/anerun" || die "nothing looks for Accelerate"

# The check itself: an import of the system that isn't listed, and one of a library's that has no stub.
seed() # NAME CALL LIBRARY [OPTION]: the linker's exit status
{
    printf 'void %s(void);\nint main(void)\n{\n    %s();\n    return 0;\n}\n' "$2" "$2" >"$build/$1.c"
    $compiler -fno-builtin -fuse-ld=lld "$build/$1.c" -L"$sdk/brew/lib" "$3" ${4:+"$4"} \
        -o "$build/$1" >"$build/$1.log" 2>&1
}

seed seed_system ptrace -lSystem || die "a seeded program does not link"
sh scripts/macos-imports.sh "$build/seed_system" >"$build/seed.log" 2>&1 && die "a seeded import is not seen"
grep -q 'imports _ptrace from System$' "$build/seed.log" || die "a seeded import is not named"
seed seed_library json_dumpfd -ljansson && die "a seeded import of a library links"
grep -q 'undefined symbol: _*json_dumpfd' "$build/seed_library.log" ||
    die "a seeded import of a library is not named"
seed unsigned getpid -lSystem -Wl,-no_adhoc_codesign || die "an unsigned program does not link"
"$build/macho" "$build/unsigned" >/dev/null && die "a missing signature is not seen"
printf 'changed' | dd of="$build/seed_system" bs=1 seek=2000 conv=notrunc 2>/dev/null
"$build/macho" "$build/seed_system" >/dev/null && die "a changed program is not seen"

say "$(programs_of "$build" | wc -l | tr -d ' ') programs and" \
    "$(find "$build/tests" -maxdepth 1 -type f -perm -100 | wc -l | tr -d ' ')" \
    "test programs for macOS $oldest on arm64, signed ad hoc, no import that is not listed"
