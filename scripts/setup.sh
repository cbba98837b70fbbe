#!/bin/sh
# Installs what the build needs and this machine lacks: a C compiler, re2c >= 3, bison >= 3.6, protoc-c, and
# the headers of uthash, jansson, utf8proc, libcurl, libedit, protobuf-c and (on Linux) OpenSSL's libcrypto.
# What is there is found by trying it, so any way of installing it counts. Silent where all is there.
# Environment: CC, RE2C, BISON, PROTOC.
set -u

cc=${CC:-cc}
re2c=${RE2C:-re2c}
bison=${BISON:-bison}
system=$(uname -s)
work=$(mktemp -d "${TMPDIR:-/tmp}/anec-setup.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

say()
{
    echo "setup: $*"
}

die()
{
    echo "setup: $*" >&2
    exit 1
}

# ---- what is there ----

links() # LIBRARIES INCLUDE...: compiles and links a program with these headers
{
    libraries=$1
    shift
    {
        echo '#include <stdio.h>'
        for header; do echo "#include <$header>"; done
        echo 'int main(void) { return 0; }'
    } >"$work/probe.c"
    # shellcheck disable=SC2086
    $cc ${CPPFLAGS:-} $search "$work/probe.c" -o "$work/probe" $libraries >/dev/null 2>&1
}

at_least() # WANTED HAVE: versions MAJOR.MINOR
{
    [ -n "$2" ] && printf '%s %s\n' "$1" "$2" | awk '{
        split($1, wanted, ".")
        split($2, have, ".")
        exit have[1] != wanted[1] ? have[1] + 0 < wanted[1] + 0 : have[2] + 0 < wanted[2] + 0
    }'
}

version() # PROGRAM
{
    "$1" --version 2>/dev/null | sed -n '1s/.* \([0-9][0-9.]*\).*/\1/p'
}

find_places()
{
    search=
    if [ "$system" = Darwin ] && command -v brew >/dev/null 2>&1; then
        prefix=$(brew --prefix)
        search="-I$prefix/include -L$prefix/lib"
        if [ -x "$prefix/opt/bison/bin/bison" ] && [ "${BISON:-bison}" = bison ]; then
            bison=$prefix/opt/bison/bin/bison
        fi
    fi
}

crypto_header=openssl/evp.h crypto_library=-lcrypto
if [ "$system" = Darwin ]; then
    crypto_header=CommonCrypto/CommonDigest.h crypto_library=
fi

# Names of the missing things, in words that packages_for() knows.
find_missing()
{
    find_places
    missing=
    at_least 3.0 "$(version "$re2c")" || missing="$missing re2c"
    at_least 3.6 "$(version "$bison")" || missing="$missing bison"
    command -v "${PROTOC:-protoc-c}" >/dev/null 2>&1 || missing="$missing protoc-c"
    links "-ljansson -lutf8proc -lcurl -ledit -lprotobuf-c $crypto_library -lm" uthash.h jansson.h \
        utf8proc.h curl/curl.h histedit.h protobuf-c/protobuf-c.h "$crypto_header" && return
    if ! links -lm math.h; then
        missing="$missing compiler"
        # Without a compiler the headers can't be tried: ask for them all.
        missing="$missing uthash jansson utf8proc protobuf-c curl libedit crypto"
        return
    fi
    links '' uthash.h || missing="$missing uthash"
    links -ljansson jansson.h || missing="$missing jansson"
    links -lprotobuf-c protobuf-c/protobuf-c.h || missing="$missing protobuf-c"
    links -lutf8proc utf8proc.h || missing="$missing utf8proc"
    links -lcurl curl/curl.h || missing="$missing curl"
    links -ledit histedit.h || missing="$missing libedit"
    links "$crypto_library" "$crypto_header" || missing="$missing crypto"
}

# ---- how to get it ----

debian_packages()
{
    for thing in $missing; do
        case $thing in
        compiler) echo gcc libc6-dev ;;
        uthash) echo uthash-dev ;;
        jansson) echo libjansson-dev ;;
        utf8proc) echo libutf8proc-dev ;;
        protobuf-c) echo libprotobuf-c-dev ;;
        protoc-c) echo protobuf-c-compiler ;;
        curl) echo libcurl4-openssl-dev ;;
        libedit) echo libedit-dev ;;
        crypto) echo libssl-dev ;;
        *) echo "$thing" ;;
        esac
    done | tr '\n' ' ' | sed 's/ $//'
}

brew_packages()
{
    for thing in $missing; do
        case $thing in
        compiler | crypto) ;;
        protoc-c) echo protobuf-c ;;
        *) echo "$thing" ;;
        esac
    done | tr '\n' ' ' | sed 's/ $//'
}

quietly() # COMMAND...: its output is shown only if it fails
{
    "$@" >"$work/log" 2>&1 </dev/null && return
    tail -n 15 "$work/log" | sed 's/^/    /' >&2
    return 1
}

install_debian()
{
    packages=$(debian_packages)
    by_hand="apt-get update && apt-get install -y --no-install-recommends $packages"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            die "missing:$missing. There is no sudo here; as root, run: $by_hand"
        if ! sudo -n true 2>/dev/null; then
            [ -t 0 ] || die "missing:$missing. sudo asks for a password; run: sudo sh -c '$by_hand'"
            say "installing needs sudo, which may ask for your password"
            sudo -v || die "missing:$missing. Without sudo, as root: $by_hand"
        fi
        as_root=sudo
    fi
    say "installing with apt-get: $packages"
    apt="$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300"
    # Old lists may still serve, so a failed update is not the end.
    # shellcheck disable=SC2086
    {
        quietly $apt update || say "apt-get update failed (see above); trying with the lists there are"
        quietly $apt install -y --no-install-recommends $packages ||
            die "apt-get could not install them (see above). Is the network there? By hand: $by_hand"
    }
}

install_macos()
{
    case $missing in
    *compiler*) die "there is no C compiler: run 'xcode-select --install', then this again" ;;
    esac
    packages=$(brew_packages)
    by_hand="brew install $packages"
    command -v brew >/dev/null 2>&1 ||
        die "missing:$missing. Install Homebrew (https://brew.sh), then run: $by_hand"
    say "installing with Homebrew: $packages"
    # shellcheck disable=SC2086
    HOMEBREW_NO_AUTO_UPDATE=1 quietly brew install $packages ||
        quietly brew install $packages || die "Homebrew could not install them (see above). By hand: $by_hand"
}

find_missing
[ "$missing" ] || exit 0

if [ "$system" = Darwin ]; then
    install_macos
elif [ "$system" = Linux ] && command -v apt-get >/dev/null 2>&1; then
    install_debian
else
    die "missing:$missing. Only apt-get and Homebrew are known here; please install a C compiler," \
        "re2c >= 3, bison >= 3.6, uthash, jansson, utf8proc, libcurl, libedit, protobuf-c" \
        "and OpenSSL (with headers)" \
        "yourself"
fi

find_missing
[ "$missing" ] || exit 0
die "still missing or too old:$missing (re2c, 3.0 or later, is '$(version "$re2c")';" \
    "bison, 3.6 or later, is '$(version "$bison")'; the compiler is '$cc')"
