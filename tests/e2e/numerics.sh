# Under --numerics ane the models still give their logits: within 5e-3 where values are stored in fp16 and
# sums go through the accumulator; within 2.5e-2 with all that is known to go wrong on the Neural Engine,
# which in models as small as these is most of all that small numbers are dropped.
. tests/lib.sh

data=$ANEC_TEST_DATA/hf-fixtures
storage=tests/support/storage.profile

agrees() # NAME IDS EXPECTED VOCAB
{
    for how in "storage $storage 5e-3" "safe safe 2.5e-2" "m3 m3 2.5e-2" "m4 m4 2.5e-2"; do
        name=$1 ids=$2 expected=$3 vocab=$4
        # shellcheck disable=SC2086
        set -- $how
        rm -f "$T/got"
        check "$name, $1, runs and overflows nowhere" anerun "$T/p.pkg" --ids "$ids" --logits "$T/got" \
            --numerics ane --profile "$2" --strict-numerics
        check "$name, $1" "$B/tests/compare_logits" "$T/got" "$expected" "$vocab" "$3"
        set -- "$name" "$ids" "$expected" "$vocab"
    done
}

# The first sequence of a public fixture.
fixture() # NAME MODEL WEIGHTS OPTION...
{
    name=$1 model=$2 weights=$3 logits=$data/tiny_$1_logits.json
    shift 3
    rm -rf "$T/p.pkg"
    check "$name compiles" anec "models/$model.anel" --weights "$weights" -q -o "$T/p.pkg" "$@"
    ids=$(tr -d ' \n' <"$logits" | sed 's/.*"sequences":\[\[\[*\([0-9,]*\)\].*/\1/')
    vocab=$(sed 's/.*"logits": *\[\[\[\([^]]*\)\].*/\1/' "$logits" | tr ',' '\n' | awk 'END { print NR }')
    agrees "$name" "$ids" "$logits:0" "$vocab"
}

check "the model that ships compiles" anec models/gpt2.anel --weights models/tales -q -o "$T/p.pkg"
tell() { anerun "$T/p.pkg" -q --prompt "Once upon a time" --greedy --tokens 12 "$@"; }
tell >"$T/usual"
check "it writes" tell --numerics ane
cp "$T/stderr" "$T/said"
check_same "the same text" "$T/usual" "$T/stdout"
check "and says that nothing overflows" grep -q "profile safe: nothing overflows" "$T/said"
check_error "not with --device ane" 2 "runs on the CPU" tell --numerics ane --device ane
check_error "no such numerics" 2 "not fp32 or ane" tell --numerics fp16
check_error "no engine" 1 "has no engine" tell --numerics ane --profile cpu
check_error "--strict-numerics alone" 2 "need --numerics ane" tell --strict-numerics

"$B/tests/make_family" --list >"$T/list"
while read -r family model; do
    rm -rf "$T/made" "$T/p.pkg"
    ids=$("$B/tests/make_family" "$family" "$T/made")
    check "$family compiles" anec "models/$model.anel" --weights "$T/made" -q -o "$T/p.pkg"
    agrees "$family" "$ids" "$T/made/logits" 96
done <"$T/list"

if [ ! -f "$data/tiny_llama.safetensors" ]; then
    skip "public fixtures" "$data is absent"
    finish
fi
for family in llama mistral qwen2 qwen3 gptneo; do
    mkdir "$T/$family"
    cp "$data/tiny_$family.safetensors" "$T/$family/model.safetensors"
    cp "$data/tiny_${family}_config.json" "$T/$family/config.json"
    fixture $family $family "$T/$family"
done
fixture gpt2 gpt2 "$data/tiny_gpt2.safetensors" --set layers=2 --set heads=2 --set dim=8 --set context=16 \
    --set vocab=11
finish
