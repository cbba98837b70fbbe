# Powers of two change no digit: where nothing overflows either way, and nothing is dropped for being small,
# the rescaled programs give the same bits.
. tests/lib.sh

ids=1,5,9,200,17,33,4,8
cat >"$T/exact.profile" <<'END'
# rounding and the accumulator, and nothing that depends on how large a number is
products = fp16
smallest_product = 1e-30
smallest_value = none
reductions = fp32
error.tanh = none
END

same() # TENSORS GAIN
{
    rm -rf "$T/w"
    "$B/tests/make_checkpoint" --loud "$1" --gain "$2" "$T/w"
    for how in "" --no-rescale; do
        rm -rf "$T/p.pkg"
        # shellcheck disable=SC2086
        check "$1 $how compiles" anec models/gpt2.anel --weights "$T/w" -q --explain -o "$T/p.pkg" $how
        cp "$T/stdout" "$T/said$how"
        check "$1 $how runs" anerun "$T/p.pkg" --ids $ids --logits "$T/logits$how" --numerics ane \
            --profile "$T/exact.profile"
        cp "$T/stderr" "$T/faults"
        check "$1 $how: no sum overflows" sh -c '! grep -q "the accumulator ends" "$0"' "$T/faults"
    done
    check "$1: one was rescaled" grep -q "times 2^-" "$T/said"
    check "$1: the other not" sh -c '! grep -q "times 2^-" "$0"' "$T/said--no-rescale"
    check_same "$1: the same bits" "$T/logits" "$T/logits--no-rescale"
}
same attn.c_attn 25
same attn.c_proj 8000
same mlp.c_proj 10000
same mlp.c_fc 5000
finish
