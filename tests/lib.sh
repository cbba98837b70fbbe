# For script tests: `. tests/lib.sh`. Scripts run in the root of the tree with $T (an empty folder of their
# own), $B (the build folder), $R (the root) and $ANEC_TEST_DATA (real inputs; may be absent) set, and anec
# in PATH.
# shellcheck shell=sh

failures=0

ok()
{
    echo "ok $1"
}

not_ok() # NAME WHY
{
    failures=$((failures + 1))
    echo "not ok $1${2:+: $2}"
}

skip() # NAME REASON
{
    echo "skip $1: $2"
}

# Shows what the last command printed; the runner prints it only where something failed.
show_output()
{
    sed 's/^/    | /' "$T/stdout" "$T/stderr" | head -n 40
}

run() # COMMAND...: leaves $status, $T/stdout and $T/stderr
{
    status=0
    "$@" >"$T/stdout" 2>"$T/stderr" || status=$?
}

check() # NAME COMMAND...: passes if the command exits with 0
{
    name=$1
    shift
    run "$@"
    if [ "$status" -eq 0 ]; then
        ok "$name"
    else
        not_ok "$name" "exit status $status of: $*"
        show_output
    fi
}

# A user's mistake: this exit status, a line on stderr that matches the pattern, and no sanitizer report or
# crash.
check_error() # NAME STATUS PATTERN COMMAND...
{
    name=$1 expected=$2 pattern=$3
    shift 3
    run "$@"
    if [ "$status" -ne "$expected" ]; then
        not_ok "$name" "exit status $status instead of $expected of: $*"
        show_output
    elif ! grep -q -e "$pattern" "$T/stderr"; then
        not_ok "$name" "no line like '$pattern' in the errors of: $*"
        show_output
    else
        ok "$name"
    fi
}

check_same() # NAME FILE FILE
{
    if cmp -s "$2" "$3"; then
        ok "$1"
    else
        not_ok "$1" "$2 and $3 differ"
        diff "$2" "$3" | head -n 20
    fi
}

# Last line of a script.
finish()
{
    [ "$failures" -eq 0 ]
    exit
}
