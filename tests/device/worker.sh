# More programs than a process may compile: others are started for them, and the text is the same.
. tests/lib.sh

if [ "$(uname -s)" = Darwin ]; then
    skip "workers" "the stand-in has the names of this system's own functions"
    finish
fi
export TMPDIR="$T" XDG_CACHE_HOME="$T/cache"

over() # SCRIPT ARGUMENT...: anerun with the stand-in inside, which follows the script
{
    printf '%s\n' "$1" >"$T/script.chip"
    shift
    ANEC_STANDIN="$T/script.chip" run "$B/tests/anerun" "$@" --framework '' --device ane --stats \
        --prompt "Once upon a time" --greedy --tokens 20
}

processes() # NAME COUNT: of the last run, whose text is the CPU's
{
    check_same "$1" "$T/expected" "$T/stdout"
    if grep -q "; ane in $2 processes for prefill" "$T/stderr"; then
        ok "$1: $2 processes"
    else
        not_ok "$1: $2 processes" "$(cat "$T/stderr")"
    fi
}

# Seven programs a bucket; the profile says that a process may compile three.
printf 'base = safe\ncompiles = 3\n' >"$T/three.profile"
check "tales compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/p.pkg"
check "for a system of three" \
    anec models/gpt2.anel --weights models/tales --profile "$T/three.profile" -q -o "$T/three.pkg"
run anerun "$T/p.pkg" --device cpu --prompt "Once upon a time" --greedy --tokens 20
cp "$T/stdout" "$T/expected"
over 'chip = h99x' "$T/p.pkg"
check_same "room for all" "$T/expected" "$T/stdout"
grep -q "; ane for prefill" "$T/stderr" && ok "in one process" || not_ok "in one process" "$(cat "$T/stderr")"
over 'chip = h99x' "$T/three.pkg"
processes "a limit that the profile tells" 3
over 'compiles = 3' "$T/p.pkg"
processes "a limit that we do not know" 3
over 'compiles = 1' "$T/p.pkg"
processes "a limit of one" 7
over 'names = told
compiles = 5
resident = 6' "$T/p.pkg"
processes "with little room" 2
over 'compiles = 3
fail = exists 99' "$T/p.pkg"
processes "none is known" 3

# What no process compiles is an error as ever, and the CPU takes over where it may.
over 'refuse = softmax' "$T/p.pkg"
[ "$status" -eq 1 ] && grep -q 'error: attention_00' "$T/stderr" &&
    ok "a refused program is refused" || not_ok "a refused program is refused" "$(cat "$T/stderr")"
check "no process is left" test -z "$(ps -A -o args= | grep "^$B/tests/anerun --neural-engine-worker")"
check "no folder is left" test -z "$(find "$T" -name model.mil)"
