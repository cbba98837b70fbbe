#!/bin/sh
# make aarch64-check: cross-builds for aarch64 Linux and runs the unit tests under qemu-aarch64. Works on
# Debian and Ubuntu. Needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user. The arm64 libraries
# are taken as archives from the distribution's packages and unpacked under BUILD/aarch64; nothing is
# installed.
# Environment: BUILD, MAKE, QEMU_CPU (qemu's -cpu), QEMU_PAGE (bytes; Apple's are 16384), PATTERN (which
# tests, tests/unit).
set -u

cd "$(dirname "$0")/.." || exit 2
native=${BUILD:-build}
build=$native/aarch64
make=${MAKE:-make}
cross=aarch64-linux-gnu
mkdir -p "$build" || exit 2
build=$(cd "$build" && pwd)
libraries=$build/sysroot/usr/lib/$cross

for tool in $cross-gcc qemu-aarch64 apt-get dpkg-deb; do
    if ! command -v $tool >/dev/null 2>&1; then
        echo "aarch64-check: $tool is missing;" \
            "apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user" >&2
        exit 2
    fi
done

# Package lists of our own, for arm64 alone: the system's stay as they are.
apt()
{
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= \
        -o Dir::State="$build/apt" -o Dir::Cache="$build/apt" -o Dir::State::status="$build/apt/status" \
        "$@" >"$build/apt/log" 2>&1 && return
    tail -n 15 "$build/apt/log" >&2
    return 1
}

fetch_libraries()
{
    mkdir -p "$build/apt/lists/partial" "$build/apt/archives/partial" "$build/sysroot" || return
    : >"$build/apt/status"
    apt update || return
    (cd "$build/apt" && apt download libjansson-dev libutf8proc-dev libssl-dev libprotobuf-c-dev \
        libcurl4-openssl-dev) || return
    for package in "$build"/apt/*.deb; do
        dpkg-deb -x "$package" "$build/sysroot" || return
    done
    # Without the shared objects the linker takes the archives, and the programs need no more than the cross
    # libc.
    rm -f "$libraries"/*.so
}

if [ ! -e "$libraries/libcrypto.a" ] || [ ! -e "$libraries/libjansson.a" ] ||
    [ ! -e "$libraries/libutf8proc.a" ] || [ ! -e "$libraries/libprotobuf-c.a" ]; then
    echo "aarch64-check: fetching the libraries for arm64 (libcurl: only its headers)"
    fetch_libraries || exit 2
fi

# uthash is headers only, so the host's copy serves; the cross compiler doesn't look there by itself.
mkdir -p "$build/include"
for header in uthash utlist utarray utstring utringbuffer utstack; do
    [ -e /usr/include/$header.h ] && cp /usr/include/$header.h "$build/include/"
done

unset LIBRARY_PATH
$make --no-print-directory BUILD="$native" tests || exit # the watchdog runs on this machine
$make --no-print-directory BUILD="$build" CC=$cross-gcc AR=$cross-ar MACHINE=aarch64 \
    CFLAGS="-O2 -g -I$build/include -I$build/sysroot/usr/include -I$build/sysroot/usr/include/$cross" \
    LDFLAGS="-L$libraries -Wl,-rpath-link,$libraries -ldl -lpthread" units "$build/tests/kernel_work" || exit

RUNNER="qemu-aarch64 -L /usr/$cross ${QEMU_CPU:+-cpu $QEMU_CPU} ${QEMU_PAGE:+-p $QEMU_PAGE}" \
    BUILD="$build" LIMIT="$native/tests/limit" \
    TEST_TIMEOUT=600 sh tests/run.sh --quick "${PATTERN:-tests/unit}"
