# Models whose sums pass the accumulator's end: as they are they overflow under --numerics ane; rescaled they
# give the logits that a double precision reference gives, on both devices' numerics.
. tests/lib.sh

ids=1,5,9,200,17,33,4,8
cat >"$T/storage.profile" <<'END'
# fp16 and the accumulator alone
products = fixed
smallest_product = 5.9604644775390625e-08
smallest_value = none
reductions = fp32
error.tanh = none
END

compiles() # NAME OPTION...
{
    name=$1
    shift
    rm -rf "$T/p.pkg"
    check "$name compiles" anec models/gpt2.anel --weights "$T/w" -q --explain -o "$T/p.pkg" "$@"
    cp "$T/stdout" "$T/said"
}

engine() # PROFILE
{
    rm -f "$T/got"
    anerun "$T/p.pkg" --ids $ids --logits "$T/got" --numerics ane --profile "$1"
}

loud() # TENSORS GAIN WHAT-OVERFLOWS WHAT-IS-TOLD WIDTH HEADS
{
    rm -rf "$T/w"
    "$B/tests/make_checkpoint" --loud "$1" --gain "$2" --dim "$5" --heads "$6" "$T/w"
    "$B/tests/make_checkpoint" --logits $ids --heads "$6" --format f64 "$T/w" >"$T/expected"

    compiles "$1, not rescaled," --no-rescale
    check "$1: nothing was done" sh -c '! grep -q "times 2" "$0"' "$T/said"
    engine safe 2>"$T/faults"
    check "$1: $3 overflows" grep -q "$3: .*the accumulator ends" "$T/faults"
    check "$1: and the logits are wrong" sh -c '! "$0" "$@"' \
        "$B/tests/compare_logits" "$T/got" "$T/expected" 300 5e-2

    compiles "$1, rescaled,"
    check "$1: says $4" grep -q "$4" "$T/said"
    engine safe 2>"$T/faults"
    check "$1: no sum overflows" sh -c '! grep -q accumulator "$0"' "$T/faults"
    engine "$T/storage.profile"
    check "$1: the engine's logits" "$B/tests/compare_logits" "$T/got" "$T/expected" 300 5e-3
    check "$1: runs" anerun "$T/p.pkg" --ids $ids --logits "$T/got"
    check "$1: the CPU's logits" "$B/tests/compare_logits" "$T/got" "$T/expected" 300 2e-3
    for profile in safe m1 m3 m4 m5; do
        check "$1: verifies for $profile" anec check "$T/p.pkg" --profile $profile
    done
}

# Only the CPU reads the MLP's result: it stays small until the residual, its bias too.
loud mlp.c_proj 40000 "conv out_conv" "out: stays times 2^-3, until the CPU has widened it" 32 2
# Of three results that are one output, one may be small.
loud attn.c_proj 60000 "conv out_conv" "out: stays times 2^-" 32 2
# The scale of the scores takes over what was taken from the queries. Long heads: scores that are too large
# for the accumulator would else be too large for the mask as well.
loud attn.c_attn 40 "matmul scores" "scaled: its factor times 2^" 128 1
# The MLP's own width is not read by the CPU: whole again before the bias.
loud mlp.c_fc 12000 "conv hidden_conv" "hidden_conv: times 2^" 32 2
finish
