# anec inspect: counts that can be made by hand.
. tests/lib.sh

inspect() # NAME ARGUMENT...: the report is kept
{
    what=$1
    shift
    check "$what" anec inspect "$@"
    cp "$T/stdout" "$T/report"
}

# Of the first bucket.
field() # NAME
{
    awk -v key="\"$1\":" '$1 == key { sub(",", "", $2); print $2; exit }' "$T/report"
}

check "a package" anec models/gpt2.anel --random-weights 1 --set layers=2 --set heads=4 --set dim=64 \
    --set context=64 --set vocab=100 -q -o "$T/p.pkg"
inspect "is inspected" "$T/p.pkg"
check "its buckets are named" grep -q "^prefill 32  *3 " "$T/report"
check "predictions say what they are" grep -q "never measured by us" "$T/report"
inspect "as JSON" "$T/p.pkg" --json
# A token and layer takes 2 * (4 * 64 * 64 + 2 * 64 * 256) operations in the projections and 4 * S * 64 in
# attention; activation and softmax, which are counted by elements, add a little. The last MLP is the head's.
flops=$(field ane_flops)
least=$(awk 'BEGIN { S = 32; print S * (2 * (2 * 4 * 64 * 64 + 4 * S * 64) + 2 * 2 * 64 * 256) }')
check "operations ($flops) of the products ($least) and little more" \
    awk "BEGIN { exit !($flops >= $least && $flops < 1.2 * $least) }"
weights=$(field ane_weight_bytes)
least=$(awk 'BEGIN { print 2 * (2 * (4 * 64 * 64 + 4 * 64) + 8 * 64 * 64 + 5 * 64) }')
check "bytes of weights ($weights) of the matrices and biases ($least), and masks" \
    awk "BEGIN { exit !($weights >= $least && $weights <= $least + 2 * 2 * 32 * 32) }"
inspect "a program" "$T/p.pkg/mil/mlp_00.s0032.mil"
check "by its function" grep -q "^main  *1 " "$T/report"
check "a Core ML package" anec models/gpt2.anel --random-weights 1 --set layers=1 --set heads=4 \
    --set dim=64 --set context=64 --set vocab=100 -q --emit mlpackage -o "$T/m.mlpackage"
inspect "too" "$T/m.mlpackage"
check "whose shapes are not fixed" grep -q "not fixed" "$T/report"
check_error "nothing" 1 "No such file" anec inspect "$T/absent.mil"
finish
