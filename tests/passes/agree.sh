# Prefill and decode of one model come about by different passes: whatever is prefilled, the logits are the
# same. With joined and with separate outputs, and with everything on the CPU.
. tests/lib.sh

ids=1,5,3,7,2,2,0,6,4,1
mkdir "$T/profile"
printf 'op.softmax = none\nop.linear = none\n' >"$T/profile/cpu.profile"
printf 'outputs = separate\nop.layer_norm = native\nop.silu = native\n' >"$T/profile/other.profile"

for model in tests/passes/*/*.anel; do
    case $model in */three_linears*) continue ;; esac # has no mask: padding would be seen
    for profile in safe "$T/profile/cpu.profile" "$T/profile/other.profile"; do
        name="$model, $(basename "$profile" .profile)"
        rm -rf "$T/p.pkg"
        check "$name: compiles" anec "$model" --random-weights 7 -q --profile "$profile" -o "$T/p.pkg"
        check "$name: decodes" anerun "$T/p.pkg" --ids $ids --logits "$T/all" --prefill-only 0
        for split in 10 1; do
            rm -f "$T/got"
            check "$name: prefills $split" \
                anerun "$T/p.pkg" --ids $ids --logits "$T/got" --prefill-only $split
            check "$name: logits, $split prefilled" "$B/tests/compare_logits" "$T/got" "$T/all" 8 5e-3
        done
    done
done
finish
