#!/bin/sh
# Runs the tests; tests/README.md has the file formats. The last line is `N passed, N failed, N skipped`.
#
#   tests/run.sh [--rebase] [--quick] [--list] [-j N] [PATTERN]...
#
# PATTERN: basic regular expressions matched against the paths. --rebase (or REBASE=1) rewrites NAME.out and
# NAME.err with what the programs printed. --quick leaves out the fuzz corpus.
# Environment: BUILD (build), FUZZ_BUILD (BUILD/sanitize), JOBS (2), TEST_TIMEOUT (seconds for each test,
# 120), KEEP=1 (leave the temporary folders), RUNNER (an emulator for the programs under test), ROOT (the
# tree to test).
set -u

root=${ROOT:-$(dirname "$0")/..}
cd "$root" || exit 2
root=$(pwd -P)

die()
{
    echo "tests/run.sh: $*" >&2
    exit 2
}

# ---- options ----

quick='' list='' patterns=''
rebase=${REBASE:-} jobs=${JOBS:-2} seconds=${TEST_TIMEOUT:-120} runner=${RUNNER:-}
while [ $# -gt 0 ]; do
    case $1 in
    --rebase) rebase=1 ;;
    --quick) quick=1 ;;
    --list) list=1 ;;
    -j) [ $# -gt 1 ] || die "-j needs a number"; jobs=$2; shift ;;
    -*) die "unknown option $1" ;;
    *) patterns="$patterns
$1" ;;
    esac
    shift
done

build=$(cd "${BUILD:-build}" 2>/dev/null && pwd -P) || die "no build folder ${BUILD:-build}: run make check"
fuzz_build=${FUZZ_BUILD:-$build/sanitize}
limit=${LIMIT:-$build/tests/limit}
[ -x "$limit" ] || die "$limit is missing: run make tests"

# ---- which tests there are: lines `KIND PATH`, in one order everywhere ----

LC_ALL=C
export LC_ALL

list_programs() # KIND GLOB...
{
    kind=$1
    shift
    for f in "$@"; do
        [ -e "$f" ] && echo "$kind $f"
    done
}

# A sidecar NAME.test (or NAME.EXT.test) takes the place of RUN lines within NAME.EXT.
has_sidecar()
{
    [ -e "${1%.*}.test" ] || [ -e "$1.test" ]
}

list_files()
{
    elsewhere='^tests/[^/]*$|^tests/(unit|support|fuzz)/|/inputs/'
    find tests -type f | grep -v -E "$elsewhere" | sort | while read -r f; do
        case $f in
        *.sh) echo "script $f" ;;
        *.test) echo "golden $f" ;;
        *.anel | *.ir | *.mil) has_sidecar "$f" || echo "golden $f" ;;
        *.out | *.err)
            owner=
            for ext in test sh anel ir mil; do
                [ -e "${f%.*}.$ext" ] && owner=1
            done
            [ "$owner" ] || echo "orphan $f"
            ;;
        esac
    done
}

matches()
{
    if [ -z "$patterns" ]; then
        cat
        return
    fi
    printf '%s\n' "$patterns" | sed 1d >"$work/patterns"
    grep -f "$work/patterns"
}

list_tests()
{
    {
        list_programs unit tests/unit/*.c
        list_files
        [ "$quick" ] || list_programs fuzz tests/fuzz/fuzz_*.c
    } | matches
}

# ---- one test; each writes $log (shown on failure), $skips, and sets passed, failed, skipped ----

fail()
{
    failed=$((failed + 1))
    echo "$*" >>"$log"
}

skip()
{
    skipped=$((skipped + 1))
    echo "$*" >>"$skips"
}

# The programs of the tree come first in PATH; homes and caches are the test's own.
limited() # SECONDS COMMAND...: leaves the exit status in $status
{
    T=$tmp B=$build R=$root BUILD=$build REBASE=$rebase HOME=$tmp/home XDG_CACHE_HOME=$tmp/cache \
        PATH=$programs:$PATH "$limit" "$@" </dev/null
    status=$?
}

say_status()
{
    if [ "$status" -eq 124 ]; then
        echo "timed out after $1 s"
    elif [ "$status" -gt 128 ]; then
        echo "killed by signal $((status - 128))"
    else
        echo "exit status $status"
    fi
}

run_program() # COMMAND...: a program that counts for itself in its last line
{
    # The emulator, if any, may be several words.
    # shellcheck disable=SC2086
    limited "$seconds" $runner "$@" >"$tmp/log" 2>&1
    counts=$(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$tmp/log")
    cp "$tmp/log" "$log"
    if [ -z "$counts" ]; then
        fail "ended without a summary line: $(say_status "$seconds")"
        return
    fi
    passed=${counts%% *}
    skipped=${counts##* }
    failed=${counts#* }
    failed=${failed% *}
    grep 'skipped: ' "$log" | sed 's/.*skipped: //' >"$skips"
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        fail "nothing failed, yet $(say_status "$seconds")"
    fi
    [ $((passed + failed + skipped)) -gt 0 ] || fail "nothing was checked"
}

test_unit()
{
    name=${1##*/}
    run_program "$build/tests/${name%.c}"
}

test_fuzz()
{
    name=${1##*/fuzz_}
    name=${name%.c}
    if [ ! -e "$fuzz_build/libanec.a" ]; then
        skip "no sanitizers"
        return
    fi
    run_program "$fuzz_build/tests/fuzz_$name" -o "$fuzz_build/tests" "tests/fuzz/corpus/$name"
}

test_script()
{
    limited "$seconds" sh "$1" >"$tmp/log" 2>&1
    passed=$(grep -c '^ok ' "$tmp/log")
    failed=$(grep -c '^not ok ' "$tmp/log")
    skipped=$(grep -c '^skip ' "$tmp/log")
    grep -v '^ok ' "$tmp/log" >"$log"
    sed -n 's/^skip //p' "$tmp/log" >"$skips"
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        fail "nothing failed, yet $(say_status "$seconds")"
    fi
    [ $((passed + failed + skipped)) -gt 0 ] || fail "the script printed no result"
}

test_orphan()
{
    fail "$1 belongs to no test"
}

keys() # KEY: the values of the header lines `KEY: value`
{
    sed -n "1,20s|^[/#;]* *$1: *||p" "$file"
}

# Paths are put in as variables, and a RUN script splits words at newlines only: a path may have blanks in it.
percent=$(printf '\001')
expand()
{
    sed -e "s/%%/$percent/g" -e "s/%s/\${S}/g" -e "s/%t/\${T}/g" -e "s/%b/\${B}/g" \
        -e "s/%r/\${R}/g" -e "s/$percent/%/g"
}

# The file that %s stands for: what a sidecar describes, or the test itself.
find_input()
{
    input=$file
    case $file in *.test) ;; *) return ;; esac
    if [ -e "$base" ]; then
        input=$base
        return
    fi
    for f in "$base".*; do
        case ${f#"$base".} in
        test | out | err | sh | *.*) continue ;;
        esac
        if [ "$input" != "$file" ]; then
            fail "both $input and $f go by the name of $file"
            return
        fi
        input=$f
    done
}

# Absolute paths become %t, %b and %r again, so that an expectation holds in every checkout.
normalise() # FILE
{
    grep -q -F -e "$tmp" -e "$build" -e "$root" "$1" || return
    T=$tmp B=$build R=$root awk '
        function swap(line, path, name,    at, done) {
            done = ""
            while ((at = index(line, path)) > 0) {
                done = done substr(line, 1, at - 1) name
                line = substr(line, at + length(path))
            }
            return done line
        }
        {
            line = swap(swap($0, ENVIRON["T"], "%t"), ENVIRON["B"], "%b")
            print swap(line, ENVIRON["R"], "%r")
        }' "$1" >"$1.n"
    mv "$1.n" "$1"
}

compare() # GOT EXPECTED-FILE: an expectation that is absent is an empty one
{
    expected=$2
    [ -e "$expected" ] || expected=/dev/null
    cmp -s "$1" "$expected" && return
    if [ "$rebase" ]; then
        rm -f "$2"
        [ -s "$1" ] && cp "$1" "$2"
        echo "rebased $2" >>"$notes"
        return
    fi
    {
        echo "--- $2"
        echo "+++ what was printed"
        diff -u "$expected" "$1" | sed 1,2d
    } >>"$log"
    wrong=1
}

test_golden()
{
    file=$1
    base=${1%.*}
    find_input
    [ "$failed" -eq 0 ] || return
    commands=$(keys RUN)
    if [ -z "$commands" ]; then
        fail "no RUN line within the first 20 lines (what is no test goes into a folder inputs/)"
        return
    fi
    if [ "$input" != "$file" ] && sed -n '1,20p' "$input" | grep -q '^[/#;]* *RUN:'; then
        fail "$input has RUN lines of its own beside $file"
        return
    fi
    expected_status=$(keys EXIT)
    own_seconds=$(keys TIMEOUT)
    unless=$(keys SKIP-UNLESS)
    S=$input
    export S
    if [ "$unless" ]; then
        limited "$seconds" sh -c "$(printf '%s\n' "$unless" | expand)" >/dev/null 2>&1
        if [ "$status" -ne 0 ]; then
            skip "needs: $unless"
            return
        fi
    fi
    {
        printf "IFS='\n'\nset -e\n"
        printf '%s\n' "$commands" | expand
    } >"$tmp.run"
    limited "${own_seconds:-$seconds}" sh "$tmp.run" >"$tmp.out" 2>"$tmp.err"
    wrong=
    if [ "$status" -ne "${expected_status:-0}" ]; then
        wrong=1
        echo "$(say_status "${own_seconds:-$seconds}") instead of ${expected_status:-0}; the errors:" >>"$log"
        cat "$tmp.err" >>"$log"
    else
        normalise "$tmp.out"
        normalise "$tmp.err"
        compare "$tmp.out" "$base.out"
        compare "$tmp.err" "$base.err"
    fi
    if [ "$wrong" ]; then
        failed=1
    else
        passed=1
    fi
}

run_one() # NUMBER KIND PATH
{
    tmp=$work/$1
    log=$work/$1.log skips=$work/$1.skips notes=$work/$1.notes
    passed=0 failed=0 skipped=0
    mkdir -p "$tmp/home"
    "test_$2" "$3"
    echo "$passed $failed $skipped" >"$work/$1.counts"
    [ -t 2 ] && printf '\r%s/%s \r' "$1" "$total" >&2
    [ "${KEEP:-}" ] || remove "$tmp"
}

remove()
{
    chmod -R u+rwx "$1" 2>/dev/null # a test may have taken its own permissions away
    rm -rf "$1"
}

# Every worker walks the whole list and takes what no other has taken yet: mkdir is the lock.
worker()
{
    n=0
    while read -r kind path; do
        n=$((n + 1))
        mkdir "$work/$n.lock" 2>/dev/null || continue
        run_one "$n" "$kind" "$path"
    done <"$work/list"
}

# ---- all of them ----

work=$build/test-run.$$
workers=
clean_up()
{
    # shellcheck disable=SC2086
    [ "$workers" ] && kill $workers 2>/dev/null
    if [ "${KEEP:-}" ]; then
        echo "kept: $work" >&2
    else
        remove "$work"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
mkdir -p "$work" || die "cannot write to $build"

list_tests >"$work/list"
if [ "$list" ]; then
    cat "$work/list"
    exit 0
fi
total=$(($(wc -l <"$work/list")))

programs=$build
if [ "$runner" ]; then
    programs=$work/programs
    mkdir "$programs"
    for tool in anec anerun; do
        printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$runner" "$build/$tool" >"$programs/$tool"
        chmod +x "$programs/$tool"
    done
fi
# A sanitizer's report must never look like a program's own exit status 1.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=99:print_legend=0
UBSAN_OPTIONS=${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}print_stacktrace=1:exitcode=99
ANEC_TEST_DATA=${ANEC_TEST_DATA:-../shared/data}
# What tests expect is the CPU's, to the bit.
ANEC_DEVICE=
[ "$(uname -s)" = Darwin ] && ANEC_DEVICE=cpu
export ASAN_OPTIONS UBSAN_OPTIONS ANEC_TEST_DATA ANEC_DEVICE

i=0
while [ "$i" -lt "$jobs" ]; do
    worker &
    workers="$workers $!"
    i=$((i + 1))
done
for pid in $workers; do
    wait "$pid"
done
workers=

show_log()
{
    lines=$(($(wc -l <"$1")))
    if [ "$lines" -le 100 ]; then
        cat "$1"
    else
        head -n 70 "$1"
        echo "[$((lines - 90)) lines]"
        tail -n 20 "$1"
    fi | sed 's/^/    /'
}

all_passed=0 all_failed=0 all_skipped=0 n=0
while read -r kind path; do
    n=$((n + 1))
    passed=0 failed=1 skipped=0
    if [ -e "$work/$n.counts" ]; then
        read -r passed failed skipped <"$work/$n.counts"
    else
        echo "the runner lost this test" >"$work/$n.log"
    fi
    if [ "$failed" -gt 0 ]; then
        echo "FAILED $path"
        show_log "$work/$n.log"
    fi
    [ -e "$work/$n.notes" ] && cat "$work/$n.notes"
    if [ -s "$work/$n.skips" ]; then
        uniq -c "$work/$n.skips" | sed 's/^ *\([0-9]*\) \(.*\)/\2 (\1)/; s/ (1)$//' |
            while read -r reason; do echo "skipped $path: $reason"; done
    fi
    all_passed=$((all_passed + passed))
    all_failed=$((all_failed + failed))
    all_skipped=$((all_skipped + skipped))
done <"$work/list"

[ "$total" -gt 0 ] || echo "no test to run"
echo "$all_passed passed, $all_failed failed, $all_skipped skipped"
[ "$total" -gt 0 ] && [ "$all_failed" -eq 0 ]
