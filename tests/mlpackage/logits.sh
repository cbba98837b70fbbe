# The program of a Core ML package gives the reference's logits: all tokens at once, one by one, and four at a
# time.
. tests/lib.sh

make="$B/tests/make_checkpoint" compare="$B/tests/compare_logits" run="$B/tests/mlpackage_logits"
ids="5,17,3,88,254,0,7,7,19,42,256,11,23,1,99,100"
"$make" "$T/c"
"$make" --logits "$ids" --format f64 "$T/c" >"$T/expected"
check "compiles" anec models/gpt2.anel --weights "$T/c" --emit mlpackage -q -o "$T/x.mlpackage"
for chunk in 0 1; do
    check "runs by $chunk" "$run" "$T/x.mlpackage" "$ids" "$chunk" "$T/got"
    check "logits by $chunk" "$compare" "$T/got" "$T/expected" 300 5e-3
done
check "runs by 4" "$run" "$T/x.mlpackage" "$ids" 4 "$T/got"
row=2400 # 300 doubles
for last in 3 7 11 15; do
    dd if="$T/expected" bs=$row skip=$last count=1 2>/dev/null
done >"$T/lasts"
check "logits by 4" "$compare" "$T/got" "$T/lasts" 300 5e-3
finish
