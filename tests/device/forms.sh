# Blocks and runs of blocks through the driver of the Neural Engine, over its stand-in: the CPU's tokens.
. tests/lib.sh

if [ "$(uname -s)" = Darwin ]; then
    skip "forms" "the stand-in has the names of this system's own functions"
    finish
fi
export TMPDIR="$T"
for form in safe:block:4 m5:block:4 m5:2:2 m5:3:2 m5:4:1; do
    profile=${form%%:*}
    programs=${form##*:}
    fuse=${form#*:}
    fuse=${fuse%:*}
    rm -rf "$T/p.pkg"
    check "$form compiles" \
        anec models/gpt2.anel --weights models/tales --profile "$profile" --fuse "$fuse" -q -o "$T/p.pkg"
    check "$form: the driver's logits are the CPU device's" \
        "$B/tests/ane_logits" "$T/p.pkg" 7,454,2047,18,1024
    echo "$programs programs compiled, $programs evaluated, 0 objects left" >"$T/expected"
    check_same "$form: $programs dispatches" "$T/expected" "$T/stdout"
done
finish
