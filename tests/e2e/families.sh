# Other families and file formats: the public fixtures' logits, prefilled, decoded and half of each.
. tests/lib.sh
. tests/e2e/inputs/fused.sh

data=$ANEC_TEST_DATA/hf-fixtures
if [ ! -f "$data/tiny_llama.safetensors" ]; then
    skip "families" "$data is absent"
    finish
fi

# The package's logits for three splits.
splits() # NAME IDS LOGITS VOCAB LIMIT
{
    for split in 0 5 99; do
        rm -f "$T/got"
        check "$1 runs, $split prefilled" \
            anerun "$T/p.pkg" --ids "$2" --logits "$T/got" --prefill-only $split
        check "$1, $split prefilled" "$B/tests/compare_logits" "$T/got" "$3" "$4" "$5"
    done
}

# Every sequence of the logits file.
compare() # NAME LOGITS LIMIT
{
    tr -d ' \n' <"$2" | sed 's/.*"sequences":\[\[\([][0-9,]*\)\]\].*/\1/' |
        awk '{ gsub(/\],\[/, "\n"); print }' >"$T/sequences"
    vocab=$(sed 's/.*"logits": *\[\[\[\([^]]*\)\].*/\1/' "$2" | tr ',' '\n' | awk 'END { print NR }')
    number=0
    while read -r ids; do
        splits "$1, sequence $number" "$ids" "$2:$number" "$vocab" "$3"
        number=$((number + 1))
    done <"$T/sequences"
}

try() # NAME MODEL LOGITS LIMIT WEIGHTS
{
    what=$1 model=$2 logits=$3 limit=$4 main=$5
    rm -rf "$T/p.pkg"
    check "$what compiles" anec "models/$model.anel" --weights "$main" --explain -q -o "$T/p.pkg"
    cp "$T/stdout" "$T/explained"
    compare "$what" "$data/${logits}_logits.json" "$limit"
}

for family in llama mistral qwen2 qwen3 gptneo; do
    mkdir "$T/$family"
    cp "$data/tiny_$family.safetensors" "$T/$family/model.safetensors"
    cp "$data/tiny_${family}_config.json" "$T/$family/config.json"
    try $family $family tiny_$family 5e-3 "$T/$family"
    layers=$(sed -n 's/.*"num\(_hidden\)*_layers": *\([0-9]*\).*/\2/p' "$T/$family/config.json")
    is_fused $family "$layers" $((layers - 1))
    if [ $family != gptneo ]; then
        rotates $family "$layers"
        is_gated $family $((layers - 1))
    fi
done

mkdir "$T/shards"
cp "$data"/tiny_llama-0000?-of-00002.safetensors "$T/shards"
cp "$data/tiny_llama.safetensors.index.json" "$T/shards/model.safetensors.index.json"
cp "$data/tiny_llama_config.json" "$T/shards/config.json"
try "sharded llama" llama tiny_llama 5e-3 "$T/shards"
for type in f32 f16; do
    cp "$data/tiny_llama_$type.gguf" "$T/$type.gguf"
    try "llama, GGUF $type" llama tiny_llama 5e-3 "$T/$type.gguf"
done
# Its logits are those of the numbers that Q8_0 stores.
ids=3,1,7,0,0,0,5,5,6,4,1,2
rm -rf "$T/p.pkg"
check "llama, GGUF q8_0, compiles" \
    anec models/llama.anel --weights "$data/tiny_llama_q8.gguf" -q -o "$T/p.pkg"
check "llama, GGUF q8_0, reference" \
    "$B/tests/gguf_logits" "$data/tiny_llama_q8.gguf" "$ids" "$T/expected"
splits "llama, GGUF q8_0" "$ids" "$T/expected" "$(cat "$T/stdout")" 5e-3
rm -rf "$T/p.pkg"
check "GPT-2, PyTorch, compiles" anec models/gpt2.anel --weights "$data/tiny_gpt2.bin" -q -o "$T/p.pkg" \
    --set layers=2 --set heads=2 --set dim=8 --set context=16 --set vocab=11
compare "GPT-2, PyTorch" "$data/tiny_gpt2_logits.json" 5e-3
mkdir "$T/pytorch"
cp "$data"/tiny_gpt2-0000?-of-00002.bin "$T/pytorch"
cp "$data/tiny_gpt2.bin.index.json" "$T/pytorch/pytorch_model.bin.index.json"
rm -rf "$T/p.pkg"
check "GPT-2, PyTorch shards, compiles" anec models/gpt2.anel --weights "$T/pytorch" -q -o "$T/p.pkg" \
    --set layers=2 --set heads=2 --set dim=8 --set context=16 --set vocab=11
compare "GPT-2, PyTorch shards" "$data/tiny_gpt2_logits.json" 5e-3
finish
