# --calibrate: what a text makes of a model decides what is rescaled; --calibration keeps it.
. tests/lib.sh

make="$B/tests/make_checkpoint"
ids=1,5,9,200,17,33,4,8

# By the weights the MLP's sums are expected to stay below the end, but come close; four times what a text
# makes of them is beyond it.
"$make" --loud mlp.c_proj --gain 8000 "$T/w"
"$make" --logits $ids --format f64 "$T/w" >"$T/expected"
check "compiles" anec models/gpt2.anel --weights "$T/w" -q --explain -o "$T/p.pkg"
cp "$T/stdout" "$T/said"
check "by the weights nothing is done" sh -c 'grep -q "sums up to" "$0" && ! grep -q "times 2" "$0"' "$T/said"
check "compiles with a text" anec models/gpt2.anel --weights "$T/w" --explain -o "$T/p.pkg" \
    --calibrate "the cat sat on the mat, and the dog on the cat" --calibration "$T/seen.json"
cp "$T/stdout" "$T/said"
cp "$T/stderr" "$T/errors"
check "by the calibration" grep -q "(out_conv, by the calibration)" "$T/said"
check "it is rescaled" grep -q "out_conv: its weights times 2^-" "$T/said"
check "no bound was passed" sh -c '! grep -q warning "$0"' "$T/errors"
check "nothing else is left" test "$(find "$T" -name '*.pkg*' | wc -l)" -eq 1
check "runs" anerun "$T/p.pkg" --ids $ids --logits "$T/got"
check "the logits" "$B/tests/compare_logits" "$T/got" "$T/expected" 300 2e-3

check "compiles with the file" anec models/gpt2.anel --weights "$T/w" -q -o "$T/again.pkg" \
    --calibration "$T/seen.json"
check "to the same package" diff -r "$T/p.pkg" "$T/again.pkg"
printf 'the cat sat on the mat, and the dog on the cat' >"$T/text"
check "a file's text" anec models/gpt2.anel --weights "$T/w" -q -o "$T/again.pkg" --calibrate "@$T/text" \
    --calibration "$T/same.json"
check_same "is the same" "$T/seen.json" "$T/same.json"
check "a text that is longer than the context" anec models/gpt2.anel --weights "$T/w" -q -o "$T/again.pkg" \
    --calibrate "$(printf 'the cat %.0s' 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20)"

# Files that are none, or of something else.
refuses() # NAME TEXT
{
    check_error "$1" 1 "$2" anec models/gpt2.anel --weights "$T/w" -o "$T/x.pkg" --calibration "$T/bad.json"
}
printf '{"version": 1,' >"$T/bad.json"
refuses "a calibration cut short" "bad.json:1"
printf '{"version": 9, "model": "gpt2", "programs": {}}' >"$T/bad.json"
refuses "of another version" "no calibration of this version"
printf '{"version": 1, "model": "llama", "programs": {}}' >"$T/bad.json"
refuses "of another model" "a calibration of llama, not of gpt2"
printf '{"version": 1, "model": "gpt2", "programs": {"mlp_00": {"out": -1}}}' >"$T/bad.json"
refuses "with a negative magnitude" "something else than positive numbers"
printf '{"version": 1, "model": "gpt2", "programs": {"mlp_00": 3}}' >"$T/bad.json"
refuses "with a number for a program" "something else than positive numbers"
printf '{"version": 1, "model": "gpt2", "programs": {"mlp_00": {"out": 1e30}}}' >"$T/bad.json"
check "what no input could make" anec models/gpt2.anel --weights "$T/w" -o "$T/x.pkg" \
    --calibration "$T/bad.json"
cp "$T/stderr" "$T/errors"
check "is told" grep -q "which cannot exceed .*: it is of other weights" "$T/errors"
check_error "made-up weights have no values" 2 "needs the model's weights" \
    anec models/gpt2.anel --random-weights 1 -o "$T/x.pkg" --calibrate text
check_error "a file that is not there" 1 "$T/none" \
    anec models/gpt2.anel --weights "$T/w" -o "$T/x.pkg" --calibrate "@$T/none"
check "nothing is left of it" test "$(find "$T" -name '*sample.pkg*' | wc -l)" -eq 0

# Every model that ships, and every family: nothing that is seen is beyond its bound.
holds() # NAME TEXT ARGUMENT...
{
    name=$1 text=$2
    shift 2
    rm -rf "$T/x.pkg"
    check "$name: calibrates" anec "$@" -o "$T/x.pkg" --calibrate "$text"
    cp "$T/stderr" "$T/errors"
    check "$name: stays within its bounds" sh -c '! grep -q warning "$0"' "$T/errors"
}
holds tales "Once upon a time there was a little girl who lived in a house by the sea." models/gpt2.anel \
    --weights models/tales
"$B/tests/make_family" --list >"$T/list"
while read -r family model; do
    rm -rf "$T/made"
    ids=$("$B/tests/make_family" "$family" "$T/made")
    holds "$family" "$ids" "models/$model.anel" --weights "$T/made"
done <"$T/list"

# Models that were trained need nothing of it, with a calibration or without.
quiet() # NAME ARGUMENT...
{
    name=$1
    shift
    rm -rf "$T/x.pkg"
    check "$name: explains" anec "$@" -q --explain -o "$T/x.pkg"
    cp "$T/stdout" "$T/said"
    check "$name: nothing is rescaled" sh -c 'grep -q "0 are not (rescaled)" "$0"' "$T/said"
}
quiet tales models/gpt2.anel --weights models/tales
data=$ANEC_TEST_DATA/stories260K/hf
if [ -f "$data/model.safetensors" ]; then
    quiet stories260K models/llama.anel --weights "$data"
    quiet "stories260K, calibrated" models/llama.anel --weights "$data" --calibrate 1,403,407,261,378
    holds stories260K 1,403,407,261,378 models/llama.anel --weights "$data"
else
    skip "stories260K" "$data is absent"
fi
data=$ANEC_TEST_DATA/hf-fixtures
if [ -f "$data/tiny_gpt2.safetensors" ]; then
    holds tiny_gpt2 1,5,3,7,2 models/gpt2.anel --weights "$data/tiny_gpt2.safetensors" --set layers=2 \
        --set heads=2 --set dim=8 --set context=16 --set vocab=11
else
    skip "tiny_gpt2" "$data is absent"
fi
finish
