# scripts/setup.sh on machines that are not this one: every program it calls is a stand-in.
. tests/lib.sh

bin=$T/bin
calls=$T/calls

tool() # NAME: a stand-in, from standard input
{
    { echo '#!/bin/sh'; cat; } >"$bin/$1"
    chmod +x "$bin/$1"
}

# A machine with a compiler and all libraries, without a package manager; $1 is its uname.
machine()
{
    rm -rf "$bin" "$calls"
    mkdir "$bin"
    for name in sh sed awk mktemp rm chmod tail env tr cat; do
        ln -s "$(command -v "$name")" "$bin/$name"
    done
    echo "echo $1" | tool uname
    echo "echo 1000" | tool id
    tool cc </dev/null
    tool protoc-c </dev/null
    echo 'echo "re2c 3.1"' | tool re2c
    echo 'echo "bison (GNU Bison) 3.8.2"' | tool bison
}

# A compiler that knows no header of that name (as a pattern).
compiler_without()
{
    # shellcheck disable=SC2016
    printf 'for a; do case $a in *.c) grep -q "%s" "$a" && exit 1;; esac; done\nexit 0\n' "$1" | tool cc
    ln -sf "$(command -v grep)" "$bin/grep"
}

# What an installer is asked for; it then makes re2c appear if $1 says so.
installer() # NAME [FIXED]
{
    {
        echo "case \$* in *install*|*update*) ;; *) exit 0 ;; esac"
        echo "echo \"$1 \$*\" >>'$calls'"
        if [ "${2:-}" ]; then
            echo "case \$* in *install*) ;; *) exit 0 ;; esac"
            echo "printf '#!/bin/sh\\necho \"re2c 3.0\"\\n' >'$bin/re2c'; chmod +x '$bin/re2c'"
        fi
    } | tool "$1"
}

setup() # STATUS PATTERN NAME
{
    run env -i PATH="$bin" TMPDIR="$T" sh scripts/setup.sh
    cat "$T/stdout" "$T/stderr" >"$T/both"
    if [ "$status" -ne "$1" ] || ! grep -q -e "$2" "$T/both"; then
        not_ok "$3" "exit status $status, expected $1 and '$2'"
        show_output
    else
        ok "$3"
    fi
}

called() # PATTERN NAME
{
    if grep -q -e "$1" "$calls"; then
        ok "$2"
    else
        not_ok "$2" "nothing like '$1' was called"
        sed 's/^/    | /' "$calls"
    fi
}

machine Linux
run env -i PATH="$bin" TMPDIR="$T" sh scripts/setup.sh
if [ "$status" -eq 0 ] && [ ! -s "$T/stdout" ] && [ ! -s "$T/stderr" ]; then
    ok "silent where nothing is missing"
else
    not_ok "silent where nothing is missing"
    show_output
fi

machine Linux
rm "$bin/re2c"
setup 1 "missing: re2c.*Only apt-get and Homebrew" "a system that is not known"

echo 'echo "re2c 1.3"' | tool re2c
installer apt-get
setup 1 "There is no sudo here; as root, run: apt-get update && apt-get install .* re2c\$" \
    "no sudo: the command by hand"
printf 'exit 1\n' | tool sudo
setup 1 "run: sudo sh -c 'apt-get update && apt-get install" "sudo that wants a password, and no terminal"
if [ -e "$calls" ]; then
    not_ok "nothing was called so far"
else
    ok "nothing was called so far"
fi

# shellcheck disable=SC2016
printf '[ "$1" = -n ] && shift\n[ "$1" = true ] || exec "$@"\n' | tool sudo
setup 1 "still missing or too old: re2c" "a package that is too old"
installer apt-get fixed
setup 0 "installing with apt-get: re2c\$" "sudo without a password installs"
called "^apt-get .* install -y --no-install-recommends re2c\$" "only what is missing"

machine Linux
echo 'echo 0' | tool id
compiler_without 'stdio.h'
installer apt-get
libraries="uthash-dev libjansson-dev libutf8proc-dev libprotobuf-c-dev libcurl4-openssl-dev libedit-dev"
libraries="$libraries libssl-dev"
setup 1 "installing with apt-get: gcc libc6-dev $libraries\$" "root without a compiler"
called "^apt-get .* update" "the lists are fetched first"
compiler_without 'jansson.h'
setup 1 "installing with apt-get: libjansson-dev\$" "one header is missing"
echo 'echo "E: no network" >&2; exit 100' | tool apt-get
setup 1 "E: no network" "apt-get's own words are shown when it fails"
setup 1 "By hand: apt-get update && apt-get install .* libjansson-dev" "and what to do"

machine Darwin
rm "$bin/re2c"
setup 1 "Install Homebrew (https://brew.sh), then run: brew install re2c" "macOS without Homebrew"
installer brew fixed
setup 0 "installing with Homebrew: re2c\$" "macOS with Homebrew"
called "^brew install re2c\$" "brew installs only that"
compiler_without 'stdio.h'
setup 1 "xcode-select --install" "macOS without a compiler"
finish
