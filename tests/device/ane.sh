# A whole generation through the driver of the Neural Engine, over its stand-in: the CPU device's tokens.
. tests/lib.sh

if [ "$(uname -s)" = Darwin ]; then
    skip "ane" "the stand-in has the names of this system's own functions"
    finish
fi
export TMPDIR="$T"
check "tales compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/p.pkg"
check "the driver's logits are the CPU device's" "$B/tests/ane_logits" "$T/p.pkg" 7,454,2047,18,1024
echo "8 programs compiled, 8 evaluated, 0 objects left" >"$T/expected"
check_same "one program for each attention and MLP" "$T/expected" "$T/stdout"
check "nothing is left in the temporary folder" \
    test -z "$(find "$T" -name model.mil)"
check "an engine that compiles nothing: the CPU takes over" \
    "$B/tests/ane_logits" "$T/p.pkg" 7,454,2047,18,1024 compile
cp "$T/stdout" "$T/told"
check "and says so once" test "$(grep -c 'the CPU takes over: .*InvalidMILProgram' "$T/told")" -eq 1
finish
