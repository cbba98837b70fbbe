# The runner judges everything else, so here it is judged: over a small tree of its own, with stand-ins for
# programs.
. tests/lib.sh

tree=$T/tree
unset REBASE KEEP
mkdir -p "$tree/tests/unit" "$tree/tests/parse" "$tree/build/tests"

program() # PATH: a shell script from standard input
{
    { echo '#!/bin/sh'; cat; } >"$1"
    chmod +x "$1"
}

# A fresh tree for each case: nothing of the last one may help.
clear_tree()
{
    rm -rf "$tree/tests" "$tree/build/tests"
    mkdir -p "$tree/tests/unit" "$tree/tests/parse/inputs" "$tree/tests/fuzz" "$tree/build/tests"
}

unit() # NAME: a unit test whose program is standard input
{
    : >"$tree/tests/unit/$1.c"
    program "$tree/build/tests/$1"
}

suite() # ARGUMENT...: runs the runner over the tree
{
    run env ROOT="$tree" BUILD=build LIMIT="$B/tests/limit" TEST_TIMEOUT=20 sh tests/run.sh "$@"
    last=$(tail -n 1 "$T/stdout")
}

expect() # NAME STATUS SUMMARY [PATTERN]
{
    if [ "$status" -ne "$2" ] || [ "$last" != "$3" ]; then
        not_ok "$1" "exit status $status, last line '$last'; expected $2, '$3'"
        show_output
    elif [ "${4:-}" ] && ! grep -q -e "$4" "$T/stdout"; then
        not_ok "$1" "nothing like '$4' was printed"
        show_output
    else
        ok "$1"
    fi
}

clear_tree
suite
expect "no tests is a failure" 1 "0 passed, 0 failed, 0 skipped" "no test"

# ---- unit tests ----

unit fine <<'EOF2'
echo "3 passed, 0 failed, 0 skipped"
EOF2
unit more <<'EOF2'
echo "x.c:1: skipped: no data"
echo "4 passed, 0 failed, 1 skipped"
EOF2
suite
expect "unit counts are summed" 0 "7 passed, 0 failed, 1 skipped" "skipped tests/unit/more.c: no data"
suite fine
expect "a pattern selects" 0 "3 passed, 0 failed, 0 skipped"
suite nothing-like-this
expect "a pattern that selects nothing fails" 1 "0 passed, 0 failed, 0 skipped"

unit fails <<'EOF2'
echo "x.c:9: FAILED: the reason"
echo "1 passed, 2 failed, 0 skipped"
exit 1
EOF2
suite
expect "a failed check fails the run" 1 "8 passed, 2 failed, 1 skipped" "the reason"

clear_tree
unit silent </dev/null
suite
expect "no summary line is a failure" 1 "0 passed, 1 failed, 0 skipped" "without a summary"

clear_tree
unit empty <<'EOF2'
echo "0 passed, 0 failed, 0 skipped"
EOF2
suite
expect "checking nothing is a failure" 1 "0 passed, 1 failed, 0 skipped"

clear_tree
unit crash <<'EOF2'
echo "5 passed, 0 failed, 0 skipped"
kill -SEGV $$
EOF2
suite
expect "a crash after the summary is a failure" 1 "5 passed, 1 failed, 0 skipped" "killed by signal 11"

clear_tree
: >"$tree/tests/unit/unbuilt.c"
suite
expect "a program that was not built is a failure" 1 "0 passed, 1 failed, 0 skipped" "127"

# ---- golden tests ----

golden() # NAME: the test file is standard input
{
    cat >"$tree/tests/parse/$1"
}

clear_tree
golden a.anel <<'EOF2'
// RUN: echo "%s" && echo %t/x %b/y %r/z && printf '%%s\n' done
// RUN: echo second >&2
model
EOF2
suite
expect "unexpected output is a failure" 1 "0 passed, 1 failed, 0 skipped" "^    +tests/parse/a.anel"
suite --rebase
expect "rebase passes" 0 "1 passed, 0 failed, 0 skipped" "rebased tests/parse/a.out"
printf 'tests/parse/a.anel\n%%t/x %%b/y %%r/z\ndone\n' >"$T/expected"
check_same "rebase writes what was printed, paths made stable" "$T/expected" "$tree/tests/parse/a.out"
suite
expect "then the test passes" 0 "1 passed, 0 failed, 0 skipped"
echo other >>"$tree/tests/parse/a.err"
suite
expect "a missing line of stderr is a failure" 1 "0 passed, 1 failed, 0 skipped" "^    -other"
rm "$tree/tests/parse/a.err"
suite
expect "unexpected stderr is a failure" 1 "0 passed, 1 failed, 0 skipped" "^    +second"

clear_tree
golden status.ir <<'EOF2'
# RUN: exit 3
EOF2
suite
expect "an exit status other than 0 is a failure" 1 \
    "0 passed, 1 failed, 0 skipped" "exit status 3 instead of 0"
suite --rebase
expect "rebase does not accept it" 1 "0 passed, 1 failed, 0 skipped"
echo "# EXIT: 3" >>"$tree/tests/parse/status.ir"
suite
expect "unless the test says so" 0 "1 passed, 0 failed, 0 skipped"
golden status.ir <<'EOF2'
# RUN: true
# EXIT: 3
EOF2
suite
expect "success is a failure where 3 is expected" 1 "0 passed, 1 failed, 0 skipped"
golden status.ir <<'EOF2'
# RUN: false
# RUN: true
EOF2
suite
expect "the first RUN line that fails ends the test" 1 "0 passed, 1 failed, 0 skipped"

clear_tree
golden m.mil <<'EOF2'
program(1.3)
EOF2
suite
expect "a model that nothing runs is a failure" 1 "0 passed, 1 failed, 0 skipped" "no RUN line"
golden m.test <<'EOF2'
RUN: cat %s
EOF2
echo "program(1.3)" >"$tree/tests/parse/m.out"
suite
expect "a sidecar runs it" 0 "1 passed, 0 failed, 0 skipped"
: >"$tree/tests/parse/m.json"
suite
expect "an ambiguous sidecar is a failure" 1 "0 passed, 1 failed, 0 skipped" "go by the name"
mv "$tree/tests/parse/m.test" "$tree/tests/parse/m.mil.test"
mv "$tree/tests/parse/m.out" "$tree/tests/parse/m.mil.out"
suite
expect "its full name makes it plain" 0 "1 passed, 0 failed, 0 skipped"
rm "$tree/tests/parse/m.mil" "$tree/tests/parse/m.mil.test"
suite
expect "an expectation without a test is a failure" 1 "0 passed, 1 failed, 0 skipped" "belongs to no test"
rm "$tree/tests/parse"/m.*
: >"$tree/tests/parse/inputs/part.anel"
golden x.anel <<'EOF2'
// SKIP-UNLESS: test -e %t/absent
// RUN: false
EOF2
suite
expect "SKIP-UNLESS skips and says so" 0 \
    "0 passed, 0 failed, 1 skipped" "skipped tests/parse/x.anel: needs: test -e"
golden x.anel <<'EOF2'
// SKIP-UNLESS: test -d %r
// RUN: false
EOF2
suite
expect "only where the command fails" 1 "0 passed, 1 failed, 0 skipped"

clear_tree
golden hang.anel <<'EOF2'
// TIMEOUT: 1
// RUN: sleep 30 | sleep 30
EOF2
suite
expect "a test that hangs is killed" 1 "0 passed, 1 failed, 0 skipped" "timed out after 1 s"

# ---- script tests ----

clear_tree
golden s.sh <<'EOF2'
echo "ok one"
echo "noise"
echo "skip two: no such machine"
test -d "$T" && test -d "$B" && test "$(pwd)" = "$R" && echo "ok three"
EOF2
suite
expect "script results are counted" 0 \
    "2 passed, 0 failed, 1 skipped" "skipped tests/parse/s.sh: two: no such machine"
echo 'echo "not ok four"' >>"$tree/tests/parse/s.sh"
suite
expect "not ok is a failure" 1 "2 passed, 1 failed, 1 skipped" "not ok four"
echo 'echo "ok one"; exit 4' >"$tree/tests/parse/s.sh"
suite
expect "a script that fails is a failure" 1 "1 passed, 1 failed, 0 skipped" "exit status 4"
echo 'echo nothing' >"$tree/tests/parse/s.sh"
suite
expect "a script without a result is a failure" 1 "0 passed, 1 failed, 0 skipped" "no result"

# ---- order, and the watchdog by itself ----

clear_tree
for n in 1 2 3 4 5 6; do
    echo "sleep 0.$((7 - n)); echo not ok case $n" >"$tree/tests/parse/$n.sh"
done
suite -j 3
grep '^FAILED' "$T/stdout" >"$T/order"
for n in 1 2 3 4 5 6; do
    echo "FAILED tests/parse/$n.sh"
done >"$T/expected"
check_same "failures come in the order of the list" "$T/expected" "$T/order"

run "$B/tests/limit" 20 sh -c 'exit 7'
if [ "$status" -eq 7 ]; then
    ok "limit passes the exit status on"
else
    not_ok "limit passes the exit status on" "$status"
fi
run "$B/tests/limit" 1 sh -c 'trap "" TERM; sleep 9; sleep 9'
if [ "$status" -eq 124 ]; then
    ok "limit ends what ignores SIGTERM"
else
    not_ok "limit ends what ignores SIGTERM" "$status"
fi
run "$B/tests/limit" 20 sh -c "(sleep 3; echo late >'$T/late') & exit 0"
sleep 4
if [ -e "$T/late" ]; then
    not_ok "limit leaves nobody behind"
else
    ok "limit leaves nobody behind"
fi
finish
