# Core ML packages of the public fixtures' models, read back and run: the logits of other implementations, all
# tokens at once and one by one.
. tests/lib.sh

data=${ANEC_TEST_DATA:-../shared/data}/hf-fixtures
run="$B/tests/mlpackage_logits" compare="$B/tests/compare_logits"
if [ ! -f "$data/tiny_llama.safetensors" ]; then
    skip "families as packages" "$data is absent"
    finish
    exit
fi

# Every sequence of a logits file, each on its own line.
sequences() # FILE
{
    tr -d ' \n' <"$1" | sed 's/.*"sequences":\[\[\([][0-9,]*\)\]\].*/\1/' |
        awk '{ gsub(/\],\[/, "\n"); print }'
}

for family in gpt2 llama mistral qwen2 qwen3 gptneo; do
    logits=$data/tiny_${family}_logits.json
    rm -rf "$T/c" "$T/x.mlpackage"
    mkdir "$T/c"
    cp "$data/tiny_$family.safetensors" "$T/c/model.safetensors"
    sizes=
    if [ $family = gpt2 ]; then # it has no config.json
        sizes="--set layers=2 --set heads=2 --set dim=8 --set context=16 --set vocab=11"
    else
        cp "$data/tiny_${family}_config.json" "$T/c/config.json"
    fi
    # shellcheck disable=SC2086
    check "$family" anec "models/$family.anel" --weights "$T/c" $sizes --emit mlpackage -q -o "$T/x.mlpackage"
    vocab=$(sed 's/.*"logits": *\[\[\[\([^]]*\)\].*/\1/' "$logits" | tr ',' '\n' | awk 'END { print NR }')
    sequences "$logits" >"$T/sequences"
    number=0
    while read -r ids; do
        for chunk in 0 1; do
            check "$family, sequence $number by $chunk" "$run" "$T/x.mlpackage" "$ids" $chunk "$T/got"
            check "its logits" "$compare" "$T/got" "$logits:$number" "$vocab" 5e-3
        done
        number=$((number + 1))
    done <"$T/sequences"
done
finish
