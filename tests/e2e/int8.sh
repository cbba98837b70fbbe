# Decoding with weights of 8 bits: half the bytes, nearly the same logits, and the prefill as it was.
. tests/lib.sh

bytes() # FILE...
{
    cat "$@" | wc -c
}

check "fp16" anec models/gpt2.anel --weights models/tales -q -o "$T/half.pkg"
check "int8" anec models/gpt2.anel --weights models/tales -q -o "$T/byte.pkg" --decode-weights int8
check "the same bytes each time" anec models/gpt2.anel --weights models/tales -q -o "$T/again.pkg" \
    --decode-weights int8
check "indeed" diff -r "$T/byte.pkg" "$T/again.pkg"
check "fp16 by its name" anec models/gpt2.anel --weights models/tales -q -o "$T/again.pkg" \
    --decode-weights fp16
check "is the default" diff -r "$T/half.pkg" "$T/again.pkg"
check_error "another type" 2 '--decode-weights: "int3" is not fp16 or int8' \
    anec models/gpt2.anel --weights models/tales -q -o "$T/x.pkg" --decode-weights int3

# Every projection of the four layers, and the one to the vocabulary.
packed() # PACKAGE
{
    grep -c ' = constexpr_blockwise_shift_scale(' "$1/mil/decode.mil"
}
check "17 weights are in 8 bits" test "$(packed "$T/byte.pkg")" -eq 17
matrices=$((2048 * 256 + 4 * 12 * 256 * 256))
check "which take a byte and a 32nd of a half" \
    test "$(bytes "$T/byte.pkg/weights/int8_00.bin")" -lt $((matrices + matrices / 16 + 17 * 256 + 64))
for file in "$T"/half.pkg/weights/*_0*.bin "$T"/half.pkg/mil/*.s*.mil; do
    name=${file#"$T/half.pkg/"}
    cmp -s "$file" "$T/byte.pkg/$name" || not_ok "$name is not what prefill had"
done
check "nothing else is added" \
    test "$(bytes "$T/half.pkg/weights/cpu.bin")" -eq "$(bytes "$T/byte.pkg/weights/cpu.bin")"
check "the package obeys its profile" anec check "$T/byte.pkg"

# Decoded from the first token on: the projections' error is 1/254 of each block's largest number at the most.
ids=7,454,2047,18,1024,77,300,12,1999,1,540,88
for kind in half byte; do
    check "$kind: logits" anerun "$T/$kind.pkg" --ids $ids --logits "$T/$kind" --prefill-only 0
done
check "within 3 percent of fp16's" "$B/tests/compare_logits" "$T/byte" "$T/half" 2048 3e-2
check "not the same" sh -c '! cmp -s "$1" "$2"' sh "$T/byte" "$T/half"
anerun "$T/half.pkg" --prompt "Once upon a time" --greedy --tokens 40 -q >"$T/expected"
anerun "$T/byte.pkg" --prompt "Once upon a time" --greedy --tokens 40 -q >"$T/story"
check_same "the same story" "$T/expected" "$T/story"
for level in ref neon dotprod i8mm avx2 avx512; do
    ANEC_CPU=$level anerun "$T/byte.pkg" --prompt "Once upon a time" --greedy --tokens 40 -q --threads 3 \
        >"$T/story"
    check_same "with ANEC_CPU=$level, where there is such a level, and 3 threads" "$T/expected" "$T/story"
done

# The same in a package for Core ML, whose program takes any number of tokens.
check "a Core ML package" anec models/gpt2.anel --weights models/tales -q -o "$T/byte.mlpackage" \
    --emit mlpackage --decode-weights int8
for tokens in 0 1; do
    check "runs, $tokens" "$B/tests/mlpackage_logits" "$T/byte.mlpackage" $ids $tokens "$T/core"
    check "the same logits, $tokens" "$B/tests/compare_logits" "$T/core" "$T/byte" 2048 1e-2
done

# Rows that are no whole number of blocks stay as they are.
"$B/tests/make_checkpoint" --dim 24 --inner 64 "$T/narrow"
check "narrow rows" anec models/gpt2.anel --weights "$T/narrow" -q -o "$T/narrow.pkg" --decode-weights int8
check "only rows of 64" test "$(packed "$T/narrow.pkg")" -eq 2
finish
