# anerun doctor: on the CPU alone, over the stand-in, and over chips that are wrong.
. tests/lib.sh

check "without an engine" anerun --doctor -o "$T/report.txt"
cp "$T/stdout" "$T/expected"
check_same "the file is what is printed" "$T/expected" "$T/report.txt"
check "it says so" grep -q '^engine: none: no Neural Engine here' "$T/report.txt"
check "every test of the CPU is fine" test "$(grep -c '^ok ' "$T/report.txt")" -eq 38
check_error "two packages" 2 "one package at a time" anerun doctor a b
check_error "a file that cannot be written" 1 "no/such" anerun doctor -o "$T/no/such/report"
# The kinds of programs that it runs are those that anec makes of the model that ships.
check "tales compiles for the doctor" anec models/gpt2.anel --weights models/tales -q -o "$T/tales.pkg"
for kind in attention mlp; do
    for bucket in s0032 s0064; do
        cp "tools/anerun/kinds/$kind.$bucket.mil" "$T/expected"
        check_same "$kind.$bucket is what anec writes" "$T/expected" "$T/tales.pkg/mil/${kind}_00.$bucket.mil"
    done
done
if [ "$(uname -s)" = Darwin ]; then
    skip "anerun doctor over the stand-in" "it has the names of this system's own functions"
    finish
fi

doctor_over() # SCRIPT ARGUMENT...
{
    printf '%s\n' "$1" >"$T/script.chip"
    shift
    ANEC_STANDIN="$T/script.chip" TMPDIR="$T" HOME="/home/somebody" USER=somebody \
        run "$B/tests/anerun" doctor --framework '' "$@"
}

tells() # NAME STATUS PATTERN: of the last run
{
    if [ "$status" -eq "$2" ] && grep -q -e "$3" "$T/stdout"; then
        ok "$1"
    else
        not_ok "$1" "exit status $status"
        show_output
    fi
}

check "tales compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/p.pkg"
doctor_over 'chip = h99x' "$T/p.pkg"
tells "a whole chip" 0 'verdict: fine'
tells "chip and build" 0 'engine: h99x, build'
check "every bucket of the package" test "$(grep -c '^fine: 7 of 7 programs' "$T/stdout")" -eq 4
check "nothing is left behind" test -z "$(find "$T" -name model.mil)"
check "no folder and no user is named" test -z "$(grep -e "$T" -e somebody "$T/stdout")"
doctor_over 'wrong = tanh'
tells "wrong numbers" 1 '^FAIL tanh .*relative 0\.[2-9]'
tells "also in the kinds" 1 '^FAIL tales: mlp.s0032 '
check "and nothing else" test "$(grep -c '^FAIL' "$T/stdout")" -eq 4
doctor_over 'refuse = pow'
tells "an op that is refused" 1 '^FAIL pow.*compiling failed'
doctor_over 'hide = hexStringIdentifier'
tells "a method that is missing" 0 '^FAIL -\[_ANEInMemoryModel hexStringIdentifier\]: there is no such method'
tells "the engine is not used then" 0 'engine: not usable'
doctor_over "fail = load 9 cannot read $T/secret of somebody"
tells "what the framework says of a user is hidden" 1 'cannot read TMPDIR/secret of USER'
# What the call that never came back may still use is left where it is, on purpose.
options=${ASAN_OPTIONS:-}
export ASAN_OPTIONS="${options:+$options:}detect_leaks=0"
doctor_over 'fail = evaluate 1 hangs' --ane-timeout 0.2
tells "a hang" 1 '^FAIL add .*no answer within 0.2 s'
export ASAN_OPTIONS="$options"
finish
