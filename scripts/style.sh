#!/bin/sh
# The rules that a compiler doesn't check: layout of lines, sizes of functions and files, the direction of
# includes, libraries that neither print nor exit, headers that compile alone. Prints `file:line: what is
# wrong`; exits with 1 if it did.
# Environment: BUILD (generated headers), CC, CPPFLAGS, ROOT (the tree to check).
set -u

rules=$(cd "$(dirname "$0")" && pwd)/style.awk
cd "${ROOT:-$(dirname "$0")/..}" || exit 2
build=${BUILD:-build}
cc=${CC:-cc}
LC_ALL=C
export LC_ALL

trees=
for d in base ir frontend passes backend runtime check tools tests examples models profiles scripts; do
    [ -d "$d" ] && trees="$trees $d"
done
if [ -z "$trees" ]; then
    echo "style.sh: nothing to check in $(pwd)"
    exit 2
fi

# shellcheck disable=SC2086
find_files() # FIND-EXPRESSION...
{
    find $trees -type f \( "$@" \) ! -path '*/corpus/*' ! -path '*/inputs/*' | sort
}

# A function or file may be long where a comment says `flat switch` or `flat table`: one row for each thing,
# nothing to follow.
lines_and_layers()
{
    { find_files -name '*.[chy]' -o -name '*.re' -o -name '*.def' -o -name '*.sh'; } | while read -r f; do
        tail -c 1 "$f" | grep -q . && echo "$f:1: no newline at the end"
        awk -v file="$f" -f "$rules" "$f"
    done
}

machine_paths()
{
    { find_files -name '*'; find README.md Makefile docs man .ci .github -type f 2>/dev/null; } |
        xargs grep -n -I -E '(^|[^A-Za-z0-9_.$)}-])/(work|root)/' /dev/null |
        sed 's/^\([^:]*:[0-9]*\):.*/\1: a path of one machine/'
}

headers_alone()
{
    headers=$(find_files -name '*.h')
    [ "$headers" ] || return
    # shellcheck disable=SC2086
    $cc -std=c11 -D_GNU_SOURCE -D_DARWIN_C_SOURCE ${CPPFLAGS:-} -I. -I"$build/gen" -fsyntax-only \
        -x c $headers 2>&1 | grep -E '(error|warning):' |
        sed 's/^\([^:]*:[0-9]*\):[0-9]*:/\1: does not compile alone:/'
}

scripts()
{
    { find_files -name '*.sh'; ls .ci/run 2>/dev/null; } | while read -r f; do
        sh -n "$f" 2>/dev/null || echo "$f:1: the shell cannot parse it"
    done
}

complaints=$(lines_and_layers; machine_paths; headers_alone; scripts)
[ -z "$complaints" ] && exit 0
printf '%s\n' "$complaints"
exit 1
