# A whole generation through the driver of the Neural Engine, over its stand-in: the CPU device's tokens.
. tests/lib.sh

if [ "$(uname -s)" = Darwin ]; then
    skip "ane" "the stand-in has the names of this system's own functions"
    finish
fi
export TMPDIR="$T"
check "tales compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/p.pkg"
check "the driver's logits are the CPU device's" "$B/tests/ane_logits" "$T/p.pkg" 7,454,2047,18,1024
# Four layers; the last MLP is the head's.
echo "7 programs compiled, 7 evaluated, 0 objects left" >"$T/expected"
check_same "one program for each attention and MLP" "$T/expected" "$T/stdout"
check "nothing is left in the temporary folder" \
    test -z "$(find "$T" -name model.mil)"
check "an engine that compiles nothing: the CPU takes over" \
    "$B/tests/ane_logits" "$T/p.pkg" 7,454,2047,18,1024 compile
cp "$T/stdout" "$T/told"
check "and says so once" test "$(grep -c 'the CPU takes over: .*InvalidMILProgram' "$T/told")" -eq 1

# ---- anerun over the stand-in ----

anerun_over() # SCRIPT ARGUMENT...: anerun with the stand-in inside, which follows the script
{
    printf '%s\n' "$1" >"$T/script.chip"
    shift
    ANEC_STANDIN="$T/script.chip" run "$B/tests/anerun" "$T/p.pkg" --framework '' --device ane \
        --prompt "Once upon a time" "$@"
}

says() # NAME STATUS PATTERN: of the last run
{
    if [ "$status" -eq "$2" ] && cat "$T/stdout" "$T/stderr" | grep -q -e "$3"; then
        ok "$1"
    else
        not_ok "$1" "exit status $status"
        show_output
    fi
}

run anerun "$T/p.pkg" --device cpu --prompt "Once upon a time" --greedy --tokens 20
cp "$T/stdout" "$T/expected"
anerun_over 'names = told' --greedy --tokens 20
check_same "a text through the driver is the CPU's" "$T/expected" "$T/stdout"
anerun_over 'resident = 3' --greedy --tokens 20
check_same "with room for three programs too" "$T/expected" "$T/stdout"
printf 'base = m5\nblobs = 128\n' >"$T/procedures.profile"
check "a profile with procedures" anec models/gpt2.anel --weights models/tales --fuse pair -q \
    --profile "$T/procedures.profile" -o "$T/q.pkg"
check "all buckets of a unit are one program" \
    test "$(ls "$T/q.pkg/mil" | grep -c "^attention_0.[.]mil$")" -eq 4
run anerun "$T/q.pkg" --device cpu --prompt "Once upon a time" --greedy --tokens 20
cp "$T/stdout" "$T/procedures"
for names in told untold; do
    printf 'names = %s\n' $names >"$T/script.chip"
    ANEC_STANDIN="$T/script.chip" run "$B/tests/anerun" "$T/q.pkg" --framework '' --device ane \
        --prompt "Once upon a time" --greedy --tokens 20
    check_same "procedures, names $names" "$T/procedures" "$T/stdout"
done
anerun_over 'names = told' --compare
says "--compare: both agree" 0 'fine: 7 of 7 programs'
anerun_over 'wrong = softmax' --compare
says "--compare: wrong attention is found" 1 'wrong: 3 of 7 programs'
grep -q '^attention_00.* too far off' "$T/stdout" && ! grep -q '^mlp.* too far off' "$T/stdout" &&
    ok "and named" || not_ok "and named" "$(cat "$T/stdout")"
anerun_over 'refuse = softmax' --device auto --quiet --greedy --tokens 20
says "auto: a refused program is the CPU's, and --quiet doesn't hide it" 0 \
    'anerun: warning: the prefill runs on the CPU: .*attention_00'
check_same "the text is the same" "$T/expected" "$T/stdout"
anerun_over 'refuse = softmax' --require ane
says "--require ane fails there" 1 'error: .*attention_00'
anerun_over 'wrong = softmax' --compare --bound 1000
says "--bound" 0 'fine: 7 of 7'
for call in compile load evaluate; do
    anerun_over "fail = $call 1 hangs" --ane-timeout 0.2
    says "$call that hangs is given up" 1 "$call\|${call%e}ing: no answer within"
done
check_error "--compare without an engine" 1 "--compare: no Neural Engine here" \
    anerun "$T/p.pkg" --compare --prompt x
check_error "--compare on the CPU alone" 2 "not --device cpu" \
    anerun "$T/p.pkg" --compare --prompt x --device cpu
check "--compare with the engine's model" anerun "$T/p.pkg" --compare --numerics ane --prompt "Once upon"
check "nothing is left behind" test -z "$(find "$T" -name model.mil)"
finish
