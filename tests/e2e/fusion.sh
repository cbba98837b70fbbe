# All ways to cut a model into programs give the logits of the reference: pairs, blocks, runs of blocks.
. tests/lib.sh

# The package's logits for splits between prefill and decode, against the reference in double precision.
same_logits() # NAME IDS EXPECTED VOCAB
{
    for split in 0 1 5 99; do
        rm -f "$T/got"
        check "$1 runs, $split prefilled" \
            anerun "$T/p.pkg" --ids "$2" --logits "$T/got" --prefill-only $split
        check "$1, $split prefilled" "$B/tests/compare_logits" "$T/got" "$3" "$4" 5e-3
    done
    check "$1: the programs obey the profile" anec check --profile "$profile" "$T/p.pkg"
}


# Two layers: a program for each attention and MLP but the last, which is the head's; for each block; one.
forms() # NAME MODEL WEIGHTS IDS EXPECTED VOCAB PAIRS
{
    for profile in safe m5; do
        for form in pair:$7 block:2 2:1; do
            count=${form#*:}
            fuse=${form%:*}
            [ $profile = safe ] && [ $fuse = 2 ] && continue
            rm -rf "$T/p.pkg"
            check "$1, $profile, $fuse compiles" \
                anec "models/$2.anel" --weights "$3" --profile $profile --fuse $fuse --explain -q \
                -o "$T/p.pkg"
            cp "$T/stdout" "$T/said"
            check "$1, $profile, $fuse: $count programs" grep -q "^$count ANE programs" "$T/said"
            bytes=$(cat "$T"/p.pkg/weights/*.bin | wc -c)
            [ $fuse = pair ] && least=$bytes
            check "$1, $profile, $fuse: no weight is stored twice" test "$bytes" -le $((least + 4096))
            same_logits "$1, $profile, $fuse" "$4" "$5" "$6"
        done
    done
}

ids="5,17,3,88,254,0,7,7,19,42,256,11,23,1,99,100,31"
"$B/tests/make_checkpoint" "$T/gpt2"
"$B/tests/make_checkpoint" --logits "$ids" --format f64 "$T/gpt2" >"$T/expected"
forms "GPT-2" gpt2 "$T/gpt2" "$ids" "$T/expected" 300 3

# Norms by the mean square; side by side with rotations; a scale that is stored less 1; norms behind layers.
for family in llama-linear:3 gptneox:4 gptneox-serial:3 gemma2:3 olmo2:3 nemotron:3; do
    pairs=${family#*:}
    family=${family%:*}
    model=$("$B/tests/make_family" --list | awk -v f="$family" '$1 == f { print $2 }')
    ids=$("$B/tests/make_family" "$family" "$T/$family")
    forms "$family" "$model" "$T/$family" "$ids" "$T/$family/logits" 96 "$pairs"
done

# The public fixtures' logits.
data=$ANEC_TEST_DATA/hf-fixtures
[ -f "$data/tiny_llama.safetensors" ] || skip "public fixtures" "$data is absent"
for family in llama mistral qwen2 qwen3 gptneox; do
    [ -f "$data/tiny_$family.safetensors" ] || continue
    mkdir "$T/tiny_$family"
    cp "$data/tiny_$family.safetensors" "$T/tiny_$family/model.safetensors"
    cp "$data/tiny_${family}_config.json" "$T/tiny_$family/config.json"
    logits=$data/tiny_${family}_logits.json
    ids=$(tr -d ' \n' <"$logits" | sed 's/.*"sequences":\[\[\[*\([0-9,]*\)\].*/\1/')
    vocab=$(sed 's/.*"logits": *\[\[\[\([^]]*\)\].*/\1/' "$logits" | tr ',' '\n' | awk 'END { print NR }')
    for profile in safe m5; do
        for fuse in pair block 2; do
            rm -rf "$T/p.pkg"
            check "tiny $family, $profile, $fuse compiles" \
                anec "models/$family.anel" --weights "$T/tiny_$family" --profile $profile --fuse $fuse -q \
                -o "$T/p.pkg"
            same_logits "tiny $family, $profile, $fuse" "$ids" "$logits:0" "$vocab"
        done
    done
done

# The model that ships: the same story, whatever the form.
anec models/gpt2.anel --weights models/tales -q -o "$T/pair.pkg"
anerun "$T/pair.pkg" --prompt "Once upon a time" --greedy --tokens 40 -q >"$T/expected"
for form in block 2 4; do
    rm -rf "$T/p.pkg"
    check "tales, $form compiles" \
        anec models/gpt2.anel --weights models/tales --profile m5 --fuse $form -q -o "$T/p.pkg"
    anerun "$T/p.pkg" --prompt "Once upon a time" --greedy --tokens 40 -q >"$T/story"
    check_same "tales, $form: the same story" "$T/expected" "$T/story"
done

# Norms of simpler ops: their sums of squares stay inside where a calibration has seen them.
rm -rf "$T/p.pkg"
check "tales, calibrated, compiles" \
    anec models/gpt2.anel --weights models/tales --fuse block -q --explain -o "$T/p.pkg" \
    --calibrate "Once upon a time there was a little girl who liked to play in the garden."
cp "$T/stdout" "$T/said"
check "tales, calibrated, squares are rescaled" grep -q '^    square_out: times 2^-' "$T/said"
check "tales, calibrated, nothing overflows" anerun "$T/p.pkg" --prompt "Once upon a time" --greedy \
    --tokens 4 -q --numerics ane --strict-numerics
finish
