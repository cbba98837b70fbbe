# Gated MLPs, groups of heads, norms behind the blocks: every family's sums can be made to pass the end of the
# accumulator, and rescaled each gives its logits. Where nothing is known of what a program takes, by
# calibration, in as many rounds as there are programs whose results fp16 does not hold.
. tests/lib.sh

engine()
{
    rm -f "$T/got"
    anerun "$T/p.pkg" --ids "$ids" --logits "$T/got" --numerics ane --profile tests/support/storage.profile \
        2>"$T/faults"
}

"$B/tests/make_family" --list >"$T/list"
: >"$T/loud"
while read -r family model; do
    for gain in 60 20000; do
        names=mlp
        [ $gain = 20000 ] && names=down_proj
        rm -rf "$T/made" "$T/p.pkg"
        ids=$("$B/tests/make_family" "$family" "$T/made" $names $gain)
        anec "models/$model.anel" --weights "$T/made" -q --no-rescale -o "$T/p.pkg"
        engine
        grep -q "the accumulator ends" "$T/faults" || continue
        echo "$family" >>"$T/loud"

        what="$family, $names times $gain"
        set --
        [ "$model" = olmo2 ] && set -- --calibrate "$ids"
        check "$what: compiles" anec "models/$model.anel" --weights "$T/made" -q -o "$T/p.pkg" "$@"
        engine
        check "$what: no sum overflows" sh -c '! grep -q "the accumulator ends" "$0"' "$T/faults"
        check "$what: the engine's logits" "$B/tests/compare_logits" "$T/got" "$T/made/logits" 96 5e-3
        check "$what: runs" anerun "$T/p.pkg" --ids "$ids" --logits "$T/got"
        check "$what: the CPU's logits" "$B/tests/compare_logits" "$T/got" "$T/made/logits" 96 5e-3
    done
done <"$T/list"
check "overflows were made" test "$(wc -l <"$T/loud")" -ge 20
finish
